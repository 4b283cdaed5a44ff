"""Exact mean exit times under minibatches of finite data, the law of whose sum comes by FFT."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks
from theory.chain import discrete_first_passage_time

Array = NDArray[np.float64]

GRID = 2**15  # points of the law of a minibatch's sum
NORMAL_REACH = 12.0  # deviations of the sum, beside two of the largest samples, that the grid holds to each side
TOLERANCE = 1e-4  # relative; the grid's values have eight digits, of which the chain loses as many as its time has
ROUGH = 1e-7  # of the characteristic function at the grid's highest frequencies


def minibatch_first_passage_time(
    data: ArrayLike,
    gradient: Callable[[Any, Any], Any],
    batch_size: int,
    *,
    lr: float,
    start: float,
    boundary: float,
    breaks: Sequence[float] = (),
) -> float:
    """Mean number of iterations until SGD on minibatches of data, drawn with replacement, is first beyond a boundary.

    No Gaussian stands in for the noise: at every position the sum of B samples' gradients has the B-th power of one
    sample's characteristic function, taken by FFT, as its own; the chain's integral equation does the rest.

    Parameters
    ----------
    data
        Samples, shape (N,) or (N, d).
    gradient
        A sample's gradient as a function of (theta, sample); it gets all samples at once, shape (N,) or (d, N).
    batch_size
        B; at least so many that the sum has a smooth density, which 4 of 1000 or more samples without ties have.
    lr, start, boundary, breaks
        As in `theory.discrete_first_passage_time`; breaks are where the gradient, as a function of theta, jumps.

    Returns
    -------
    float
        Mean in iterations, for these data, to 1e-4.

    Raises
    ------
    ValueError
        As `theory.discrete_first_passage_time`, or if the minibatches' law is too rough for a density.
    """
    if batch_size < 1 or int(batch_size) != batch_size:
        raise ValueError(f"batch_size = {batch_size!r} must be a whole number >= 1")
    samples, size = checks.finite("data", data).T, int(batch_size)

    @functools.cache
    def moments(x: float) -> tuple[float, float]:
        gradients = np.asarray(gradient(x, samples), dtype=np.float64)
        return float(gradients.mean()), float(gradients.std())

    def mean(x: Array) -> Array:
        return np.array([moments(float(position))[0] for position in np.ravel(x)])

    def deviation(x: Array) -> Array:
        return np.array([moments(float(position))[1] / size**0.5 for position in np.ravel(x)])

    def density(z: Array, x: Array) -> Array:
        found = np.empty_like(z)
        for row, position in enumerate(np.ravel(x).tolist()):
            middle, spread = moments(position)
            standard = (np.asarray(gradient(position, samples), dtype=np.float64) - middle) / spread
            found[row] = _sum_density(standard, size, z[row] * np.sqrt(size)) * np.sqrt(size)
        return found

    return discrete_first_passage_time(
        mean, deviation, lr=lr, start=start, boundary=boundary, breaks=breaks, law=density, tolerance=TOLERANCE
    )


def _sum_density(values: Array, size: int, at: Array) -> Array:
    """Density of the sum of `size` independent draws of the values, which have mean 0 and variance 1."""
    reach = 2 * float(np.abs(values).max()) + NORMAL_REACH * np.sqrt(size)
    step = 2 * reach / GRID
    counts = np.zeros(GRID)
    for index, share in _neighbours(values / step):
        counts += np.bincount(index, share, minlength=GRID)
    characteristic = np.fft.rfft(counts / values.size) ** size
    if np.abs(characteristic[GRID // 4 :]).max() > ROUGH:
        raise ValueError(
            f"batch_size = {size} leaves the law of a minibatch of {values.size} samples too rough for a density; give "
            "more, or data without ties, or simulate"
        )
    chances = np.fft.irfft(characteristic, GRID)
    found = np.zeros_like(at)
    for index, share in _neighbours(np.clip(at, -reach, reach) / step):
        found += chances[index] * share
    return np.where(np.abs(at) < reach, np.maximum(found, 0.0) / step, 0.0)


def _neighbours(position: Array) -> list[tuple[NDArray[np.int64], Array]]:
    """Four points of a periodic grid and their shares in cubic interpolation, which keep the first three moments."""
    whole = np.floor(position)
    f, index = position - whole, whole.astype(np.int64)
    shares = (
        -f * (f - 1) * (f - 2) / 6,
        (f + 1) * (f - 1) * (f - 2) / 2,
        -(f + 1) * f * (f - 2) / 2,
        (f + 1) * f * (f - 1) / 6,
    )
    return [((index + offset) % GRID, share) for offset, share in zip((-1, 0, 1, 2), shares, strict=True)]
