"""Escapes by minibatch noise of any law, as the learning rate falls: the exponent of large deviations."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import IntegrationWarning, quad
from scipy.optimize import brentq
from scipy.special import logsumexp

from theory import checks

ROUNDING = 8 * np.finfo(float).eps
OCTAVES = 1000  # of 2, up and down from a guess, in which a root is looked for


def minibatch_action(
    gradient: Callable[[Any], Any], cumulant: Callable[[Any, Any], Any], *, start: float, boundary: float
) -> float:
    """Action W of an escape by minibatch noise: for a small learning rate the mean time goes like ``exp(W B/lr)``.

    ``W = int theta(x) dx`` from start to boundary. Let f be the slope of the loss against the way. Then theta > 0
    solves ``log E exp(theta n) = theta f``, with n the noise of one sample along the way; where f is not above 0 the
    way costs nothing. Gaussian noise has theta = 2 f/C and W is Theorem 3's exponent times lr/B. Heavy-ball Momentum
    has lr/(1-beta) in place of lr, EMA style lr itself.

    Parameters
    ----------
    gradient
        L'(x), a function of one position.
    cumulant
        ``log E exp(s z)`` as a function of (s, x), numbers: z is what one sample adds to L', of mean 0. Infinite or NaN
        outside its domain. Of data: `theory.empirical_cumulant`.
    start, boundary
        The minimum and the exit; either may be the lower.

    Returns
    -------
    float
        In units of lr/B.

    Raises
    ------
    ValueError
        If somewhere on the way there is no such theta: no sum of samples outdoes the slope, or the law has no
        exponential moment that does, so that one jump is likelier than a path.
    """
    first, last = checks.number("start", start), checks.number("boundary", boundary)
    if first == last:
        raise ValueError(f"start = {start!r} is on the boundary; choose another")
    way = np.sign(last - first)
    guess = 1.0  # the exponent at the position before

    def exponent(x: float) -> float:
        nonlocal guess
        slope = way * checks.number("gradient", gradient(x))
        if slope <= 0:
            return 0.0

        def excess(theta: float) -> float:  # rises with theta, from -1 at 0
            with np.errstate(all="ignore"):
                value = float(np.asarray(cumulant(-way * theta, x)).item()) / (theta * slope) - 1
            return min(value, 1.0) if np.isfinite(value) else 1.0

        theta = _root(excess, guess)
        if theta is None:
            raise ValueError(
                f"cumulant = {cumulant!r} allows no path at x = {x:.6g}, where the slope {slope:.6g} is not outdone by "
                "any exponential moment of the noise; give a boundary before it, or look at single jumps"
            )
        guess = theta
        return theta

    with warnings.catch_warnings():
        warnings.simplefilter("error", IntegrationWarning)
        try:
            return float(quad(exponent, min(first, last), max(first, last), epsabs=0, epsrel=1e-8, limit=100)[0])
        except IntegrationWarning as error:
            raise ValueError(
                f"gradient and cumulant have no finite action between start = {start!r} and boundary = {boundary!r}: "
                "noise hardly outdoes the slope somewhere, or they are rough; give a nearer boundary, or smoother ones"
            ) from error


def empirical_cumulant(data: ArrayLike, gradient: Callable[[Any, Any], Any]) -> Callable[[float, float], float]:
    """Cumulant function of the noise of one sample drawn from data, for `theory.minibatch_action`.

    Parameters
    ----------
    data
        Samples, shape (N,) or (N, d).
    gradient
        A sample's gradient as a function of (theta, sample); it gets all samples at once, shape (N,) or (d, N).

    Returns
    -------
    Callable
        ``log mean exp(s z)`` of (s, x), with z the gradients at x minus their mean.
    """
    samples = checks.finite("data", data).T

    @functools.lru_cache(maxsize=1)
    def noise(x: float) -> NDArray[np.float64]:
        gradients = np.asarray(gradient(x, samples), dtype=np.float64)
        return np.asarray(gradients - gradients.mean())

    def cumulant(s: float, x: float) -> float:
        exponents = s * noise(x)
        if np.max(np.abs(exponents)) > 1:
            return float(logsumexp(exponents) - np.log(exponents.size))
        return float(np.log1p(np.mean(np.expm1(exponents) - exponents)))  # their mean is 0

    return cumulant


def _root(rising: Callable[[float], float], guess: float) -> float | None:
    """Where a function of positive numbers, negative at first, comes through 0; None if it does not, or jumps."""
    low = high = guess
    for _ in range(OCTAVES):
        if rising(high) > ROUNDING:
            break
        low, high = high, 2 * high
    for _ in range(OCTAVES):
        if rising(low) < 0:
            break
        low /= 2
    if not rising(low) < 0 < rising(high):
        return None
    root = float(brentq(rising, low, high, xtol=1e-300, rtol=ROUNDING, maxiter=200, disp=False))
    return root if abs(rising(root)) < 1e-3 else None
