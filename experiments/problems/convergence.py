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
Function = Callable[[Array], Array]
Problem = tuple[Function, Function]  # a loss along each coordinate, and its derivative

LEVEL = 0.999  # of an interval that covers the means of all iterations at once
LARGEST = 0.9  # inertia
BETA0 = 0.5  # Adai's
RARE = 0.1  # probability of the skewed noise's -3 standard deviations; otherwise it is +1/3
BLOCK = 500  # iterations for which noise is drawn at once


def run(quick: bool, seed: int) -> list[dict[str, Any]]:
    """Measure ``min_k E|grad L|^2`` over T iterations, fewer in a quick run, and set it beside the bound.

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
        for name, (loss, gradient), inertias, draw in _independent(rng, iterations):
            start = np.full((400, inertias.shape[1]), 1.5)
            bound, lr = _smallest_bound(iterations, loss(start[0]), 0.25, float(inertias.max()))

            def given(k: int, _: Array, inertias: Array = inertias) -> Array:
                return np.asarray(inertias[k])

            squares = _follow(gradient, start, given, draw, lr, iterations)
            records.append(_record(name, squares, bound, independent=True))
    iterations = 40_000 if quick else 200_000
    for beta2 in (0.0, 0.99):
        start = np.full((2, 128, 2), biased_gradient())  # Adai, and others under the same inertias
        bound, lr = _smallest_bound(iterations, _huber(start[0, 0]), 9.0, LARGEST)
        inertia, draw = _adai(beta2), lambda shape: 3 * _skewed(rng, shape)
        squares = _follow(_clip, start, inertia, draw, lr, iterations)
        name = f"Adai, beta2 = {beta2:g}, skewed noise"
        records.append(_record(name, squares[:, 0], bound, independent=False))
        records.append(_record(f"{name}, inertias of another run", squares[:, 1], bound, independent=True))
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


def _independent(rng: np.random.Generator, iterations: int) -> Iterator[tuple[str, Problem, Array, Draw]]:
    """Name, loss and gradient, inertias of shape (iterations, coordinates), noise of standard deviation 1/2."""

    def gaussian(shape: tuple[int, ...]) -> Array:
        return rng.standard_normal(shape) / 2

    def skewed(shape: tuple[int, ...]) -> Array:
        return _skewed(rng, shape) / 2

    smooth, kinked = (_log_cosh, np.tanh), (_huber, _clip)
    constant, unequal = np.full((iterations, 1), 0.5), np.tile([LARGEST, 0.0], (iterations, 1))
    decreasing = LARGEST / np.sqrt(1 + np.arange(iterations)[:, None])
    yield "constant inertia, log cosh, Gaussian noise", smooth, constant, gaussian
    yield "random inertia, log cosh, skewed noise", smooth, rng.uniform(0, LARGEST, (iterations, 1)), skewed
    yield "decreasing inertia, Huber, skewed noise", kinked, decreasing, skewed
    yield "inertias 0.9 and 0, Huber, Gaussian noise", kinked, unequal, gaussian
    yield "random inertias, Huber, skewed noise", kinked, rng.uniform(0, LARGEST, (iterations, 2)), skewed


def _follow(
    gradient: Function, theta: Array, inertia: Callable[[int, Array], Array], draw: Draw, lr: float, iterations: int
) -> Array:
    """|grad L|^2 of the replicas: mean and standard error, on the axes (iterations, groups of them, if any, 2)."""
    momentum, step = np.zeros_like(theta), lr / np.sqrt(iterations)
    squares = np.empty((iterations, *theta.shape[:-2], 2))
    for k in range(iterations):
        if k % BLOCK == 0:
            noise = draw((BLOCK, *theta.shape))
        slope = gradient(theta)
        noisy = slope + noise[k % BLOCK]
        for group in np.ndindex(theta.shape[:-2]):
            squares[k][group] = _mean_and_error(slope[group])
        beta = inertia(k, noisy)
        momentum = beta * momentum + (1 - beta) * noisy
        theta = theta - step * momentum
    return squares


def _adai(beta2: float) -> Callable[[int, Array], Array]:
    """Inertias that Adai takes from the gradients of the first of two groups, for both."""
    second: Any = 0.0

    def inertia(_: int, gradients: Array) -> Array:
        nonlocal second  # its bias correction cancels in the ratio to the mean
        second = beta2 * second + (1 - beta2) * gradients[0] ** 2
        return _adaptive(second)

    return inertia


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


def _smallest_bound(iterations: int, losses: Array, variance: float, largest: float) -> tuple[float, float]:
    """The bound a/c + b c at its smallest, and the c where it is, from the losses along all coordinates."""
    known = {"smoothness": 1.0, "gradient_bound": np.sqrt(losses.size), "noise_variance": variance * losses.size}
    gap = float(losses.sum())

    def bound(loss_gap: float, lr: float) -> float:
        return float(theory.convergence_bound(iterations, loss_gap=loss_gap, largest_inertia=largest, lr=lr, **known))

    b = bound(0.0, 1.0)
    lr = np.sqrt((bound(gap, 1.0) - b) / b)
    return bound(gap, lr), float(lr)


def _record(case: str, squares: Array, bound: float, *, independent: bool) -> dict[str, Any]:
    """The smallest mean, with an interval for all means at once (Bonferroni, normal)."""
    mean, error = squares.T
    spread = norm.isf((1 - LEVEL) / 2 / len(mean)) * error
    measured, low, high = (float(ends.min()) for ends in (mean, mean - spread, mean + spread))
    record = {"case": case, "iterations": len(mean), "measured": measured, "measured_low": low, "measured_high": high}
    return record | {"bound": bound, "ratio": bound / measured, "holds": high <= bound, "independent": independent}
