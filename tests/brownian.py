"""Brownian motion with drift, as the optimizer makes it, and a test of means."""

import numpy as np
from scipy import stats

from diffusion import SGD, IsotropicNoise, QuadraticSaddle, exit_times

FLAT = 1e-6  # a curvature so small that the slope is the same everywhere, far from the minimum
FLAT_PLANE = QuadraticSaddle([FLAT, FLAT])


def drifting(drift, boundary, lr=0.02, replicas=20_000, **more):
    """Exits of dX = drift dt + dW from a start of which `boundary` is a function; their times; the start."""
    start = -np.atleast_1d(drift) / FLAT
    found = exit_times(
        SGD(lr),
        QuadraticSaddle(np.full(len(start), FLAT)),
        noise=IsotropicNoise(1 / lr),
        start=start,
        boundary=boundary(start),
        max_iterations=10**6,
        replicas=replicas,
        **more,
    )
    assert found["exited"].all()
    return found, lr * found["exit_iteration"].values, start


def normal_p(values, expected):
    """p-value of the test that the mean is the one expected."""
    return 2 * stats.norm.sf(abs(np.mean(values) - expected) * np.sqrt(len(values)) / np.std(values))
