"""Noise with power-law tails: the tail exponent that multiplicative noise makes, and exits of stable processes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import gamma, gammaln, hyp1f1, logsumexp

from theory import checks

FAR = 20.0  # deviations from 0
EXTREME = 1e100  # squares of what is within it and its inverse are floating-point numbers
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def tail_exponent(hessian: float, lr: float, deviation: float) -> float:
    """Kesten's exponent of the stationary tail under noise that grows with the distance from the minimum.

    ``x <- x (1 - lr H + lr s xi) + additive noise``, xi standard normal, as mean-square losses have: far out
    ``P(|x| > u)`` falls like ``u^-kappa``, where kappa > 0 solves ``E |1 - lr H + lr s xi|^kappa = 1`` (Kesten 1973).

    Parameters
    ----------
    hessian
        H, above 0.
    lr
        Learning rate.
    deviation
        s, the deviation of a minibatch gradient for each unit of distance.

    Returns
    -------
    float
        kappa; the variance is finite if it is above 2.

    Raises
    ------
    ValueError
        If an argument is out of range, or the noise is so large that there is no stationary law.
    """
    eta, h = (
        float(checks.positive(name, checks.number(name, value))) for name, value in (("lr", lr), ("hessian", hessian))
    )
    mean, spread = abs(1 - eta * h), eta * float(checks.positive("deviation", checks.number("deviation", deviation)))
    for told, size in (("lr hessian", eta * h), ("lr deviation", spread)):
        if not 1 / EXTREME < size < EXTREME:
            raise ValueError(f"{told} = {size:g} must lie between {1 / EXTREME:g} and {EXTREME:g}")

    def log_moment(power: float) -> float:
        if mean > FAR * spread:  # by Gauss-Hermite nodes about the maximum; the other sign has e^-200
            shift = 2 * power * spread**2 / (mean + np.sqrt(mean**2 + 4 * power * spread**2))
            width = 1 / np.sqrt(1 / spread**2 + power / (mean + shift) ** 2)
            away = shift + width * NODES
            exponents = power * np.log(mean + away) - (away / spread) ** 2 / 2 + NODES**2 / 2
            return float(logsumexp(exponents, b=WEIGHTS * width / spread))
        ratio = mean**2 / (2 * spread**2)  # Kummer's transformation leaves positive terms only
        scale = power * np.log(spread) + power / 2 * np.log(2) + gammaln((1 + power) / 2) - gammaln(0.5)
        return float(scale + np.log(hyp1f1((1 + power) / 2, 0.5, ratio)) - ratio)

    high = 1e-6
    if log_moment(high) >= 0:
        raise ValueError(
            f"deviation = {deviation!r} leaves no stationary law at lr = {lr!r}, hessian = {hessian!r}; give a "
            "smaller one"
        )
    while log_moment(high) < 0:
        high *= 2
    return float(brentq(log_moment, high / 2, high, xtol=1e-14, rtol=1e-14))


def stable_exit_time(start: ArrayLike, *, radius: ArrayLike, alpha: ArrayLike) -> NDArray[np.float64]:
    """Mean exit time of the symmetric stable process from (-r, r): ``(r^2 - x^2)^(alpha/2)/Gamma(1 + alpha)``.

    The process has the characteristic function ``exp(-t |k|^alpha)`` (Getoor 1961); at alpha = 2 it is Brownian motion
    with D = 1. In noise of scale s, ``exp(-t |s k|^alpha)``, the time is that over s^alpha: a power of the noise.

    Parameters
    ----------
    start
        x, within the radius. All arguments broadcast.
    radius
        r, above 0.
    alpha
        Index of stability, in (0, 2].

    Returns
    -------
    numpy.ndarray
        In time units of the process.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    x, r, index = checks.finite("start", start), checks.positive("radius", radius), checks.positive("alpha", alpha)
    if np.any(index > 2):
        raise ValueError(f"alpha = {alpha!r} must lie in (0, 2]")
    if np.any(np.abs(x) > r):
        raise ValueError(f"start = {start!r} is outside radius = {radius!r}; start inside")
    return np.asarray(((r - x) * (r + x)) ** (index / 2) / gamma(1 + index))
