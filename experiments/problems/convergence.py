"""Theorem 4 measured: the bound for inertias independent of the gradient noise, and a counterexample for Adai's own.

Every run follows ``m <- beta m + (1-beta) g, theta <- theta - (c/sqrt(T)) m``, coordinate by coordinate, for T
iterations. Losses are separable, with gradients in [-1, 1] per coordinate, smoothness 1 and infimum 0; c is the one
that makes the bound smallest.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

import theory

Array = NDArray[np.float64]
Draw = Callable[[tuple[int, ...]], Array]

LEVEL = 0.999  # of an interval that covers the means of all iterations at once
LARGEST = 0.9  # inertia
BETA0 = 0.5  # Adai's
RARE = 0.1  # probability of the skewed noise's -3 standard deviations; otherwise it is +1/3
BLOCK = 500  # iterations for which noise is drawn at once


def run(quick: bool, seed: int) -> list[dict[str, Any]]:
    """Measure ``min_k E|grad L|^2`` over T iterations and set it beside the bound.

    Parameters
    ----------
    quick
        Fewer iterations.
    seed
        Of the random numbers: the same seed gives the same records.

    Returns
    -------
    list of dict
        Per case: ``case``; ``iterations`` T; ``measured`` and its simultaneous interval from ``measured_low`` to
        ``measured_high``; ``bound``; ``ratio`` bound/measured; ``holds``: the whole interval is below the bound;
        ``independent``: the inertias do not depend on the noise, as the proof needs. Where ``measured_low`` is above it
        the bound is violated.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    records = []
    for iterations in (1000,) if quick else (1000, 20_000):
        for name, gradient, value, inertias, draw in _independent(rng, iterations):
            start = np.full(inertias.shape[1], 1.5)
            gap, largest = float(value(start).sum()), float(inertias.max())
            bound, lr = _smallest_bound(iterations, start.size, gap, 0.25, largest)
            squares = _follow(gradient, start, inertias, draw, lr)
            records.append(_record(name, iterations, squares, bound, independent=True))
    iterations = 40_000 if quick else 200_000
    for beta2 in (0.0, 0.99):
        start = np.full(2, biased_gradient())
        bound, lr = _smallest_bound(iterations, 2, float(_huber(start).sum()), 9.0, LARGEST)
        own, other = _adai(start, iterations, beta2, rng, lr)
        name = f"Adai, beta2 = {beta2:g}, skewed noise"
        records.append(_record(name, iterations, own, bound, independent=False))
        records.append(_record(f"{name}, inertias of another run", iterations, other, bound, independent=True))
    return records


def biased_gradient() -> float:
    """Gradient of both coordinates at which Adai's mean step vanishes at beta2 = 0, ``E (1-beta_i) g_i = 0``.

    A rare large gradient lowers its own inertia and is taken almost in full, the frequent small ones are damped: under
    weights that depend on it, unbiased noise is biased.
    """
    draws, chances = 3 * np.array([1 / 3, -3.0]), np.array([1 - RARE, RARE])
    noise = np.array([[a, b] for a in draws for b in draws])

    def mean_step(gradient: float) -> float:
        g = gradient + noise
        return float(np.outer(chances, chances).ravel() @ ((1 - _adaptive(g**2)) * g)[:, 0])

    return float(brentq(mean_step, 0, 0.99))


def _independent(
    rng: np.random.Generator, iterations: int
) -> Iterator[tuple[str, Callable[[Array], Array], Callable[[Array], Array], Array, Draw]]:
    """Name, gradient, loss, inertias of shape (iterations, coordinates), noise of standard deviation 1/2."""

    def gaussian(shape: tuple[int, ...]) -> Array:
        return rng.standard_normal(shape) / 2

    def skewed(shape: tuple[int, ...]) -> Array:
        return _skewed(rng, shape) / 2

    constant, unequal = np.full((iterations, 1), 0.5), np.tile([LARGEST, 0.0], (iterations, 1))
    decreasing = LARGEST / np.sqrt(1 + np.arange(iterations)[:, None])
    yield "constant inertia, log cosh, Gaussian noise", np.tanh, _log_cosh, constant, gaussian
    yield "random inertia, log cosh, skewed noise", np.tanh, _log_cosh, rng.uniform(0, LARGEST, (iterations, 1)), skewed
    yield "decreasing inertia, Huber, skewed noise", _clip, _huber, decreasing, skewed
    yield "inertias 0.9 and 0, Huber, Gaussian noise", _clip, _huber, unequal, gaussian
    yield "random inertias, Huber, skewed noise", _clip, _huber, rng.uniform(0, LARGEST, (iterations, 2)), skewed


def _follow(gradient: Callable[[Array], Array], start: Array, inertias: Array, draw: Draw, lr: float) -> Array:
    """|grad L|^2 of 400 replicas: mean and standard error at every iteration, shape (iterations, 2)."""
    theta = np.tile(start, (400, 1))
    momentum, step = np.zeros_like(theta), lr / np.sqrt(len(inertias))
    out = np.empty((len(inertias), 2))
    for k, beta in enumerate(inertias):
        if k % BLOCK == 0:
            noise = draw((BLOCK, *theta.shape))
        slope = gradient(theta)
        out[k] = _mean_and_error(slope)
        momentum = beta * momentum + (1 - beta) * (slope + noise[k % BLOCK])
        theta = theta - step * momentum
    return out


def _adai(start: Array, iterations: int, beta2: float, rng: np.random.Generator, lr: float) -> tuple[Array, Array]:
    """As `_follow` for 128 replicas of Adai on the Huber loss, and 128 others under the same inertias."""
    theta = np.tile(start, (2, 128, 1))
    momentum, second, step = np.zeros_like(theta), np.zeros_like(theta[0]), lr / np.sqrt(iterations)
    out = np.empty((2, iterations, 2))
    for k in range(iterations):
        if k % BLOCK == 0:
            noise = 3 * _skewed(rng, (BLOCK, *theta.shape))
        slope = _clip(theta)
        g = slope + noise[k % BLOCK]
        second = beta2 * second + (1 - beta2) * g[0] ** 2  # its bias correction cancels in the ratio to the mean
        beta = _adaptive(second)
        out[0, k], out[1, k] = _mean_and_error(slope[0]), _mean_and_error(slope[1])
        momentum = beta * momentum + (1 - beta) * g
        theta = theta - step * momentum
    return out[0], out[1]


def _adaptive(second_moment: Array) -> Array:
    """Adai's inertia; the last axis holds all parameters."""
    mean = second_moment.mean(axis=-1, keepdims=True)
    return np.asarray(np.minimum(np.maximum(1 - BETA0 * second_moment / mean, 0), LARGEST))


def _skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.where(rng.random(shape) < RARE, -3.0, 1 / 3)


def _huber(theta: Array) -> Array:
    return np.where(np.abs(theta) < 1, theta**2 / 2, np.abs(theta) - 0.5)


def _clip(theta: Array) -> Array:
    return np.asarray(np.minimum(np.maximum(theta, -1), 1))


def _log_cosh(theta: Array) -> Array:
    return np.asarray(np.logaddexp(theta, -theta) - np.log(2))


def _mean_and_error(slope: Array) -> tuple[float, float]:
    square = np.einsum("rc,rc->r", slope, slope)
    mean = square.sum() / square.size
    return mean, np.sqrt(max(square @ square / square.size - mean**2, 0) / (square.size - 1))


def _smallest_bound(
    iterations: int, dimension: int, gap: float, variance: float, largest: float
) -> tuple[float, float]:
    """The bound a/c + b c at its smallest, and the c where it is."""

    known = {"smoothness": 1.0, "gradient_bound": np.sqrt(dimension), "noise_variance": variance * dimension}

    def bound(loss_gap: float, lr: float) -> float:
        return float(theory.convergence_bound(iterations, loss_gap=loss_gap, largest_inertia=largest, lr=lr, **known))

    b = bound(0.0, 1.0)
    lr = np.sqrt((bound(gap, 1.0) - b) / b)
    return bound(gap, lr), float(lr)


def _record(case: str, iterations: int, squares: Array, bound: float, *, independent: bool) -> dict[str, Any]:
    """The smallest mean, with an interval for all means at once (Bonferroni, normal)."""
    mean, error = squares.T
    spread = norm.isf((1 - LEVEL) / 2 / iterations) * error
    low, high = float((mean - spread).min()), float((mean + spread).min())
    measured = float(mean.min())
    return {
        "case": case,
        "iterations": iterations,
        "measured": measured,
        "measured_low": low,
        "measured_high": high,
        "bound": bound,
        "ratio": bound / measured,
        "holds": high <= bound,
        "independent": independent,
    }
