"""The power of sharpness in an escape rate: p in ``-log(rate/k^q) = c + a k^-p``, with its interval."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import brentq, minimize_scalar

from experiments.problems.wells import PREFACTOR_POWER

Array = NDArray[np.float64]

LEAST, MOST = -3.0, 6.0  # of the powers tried
LEVEL = 0.95
PARAMETERS = 3  # of the law: p, a and c


@dataclass(frozen=True)
class Power:
    """A fitted power p, with the ends of its interval.

    The ends are inf or -inf where no power that far is excluded, and where there are no more points than parameters.

    Attributes
    ----------
    p, low, high
        Least-squares power and its interval, of 95 % unless said, by the profile of chi-squared, errors widened by the
        misfit if there is one.
    slope, intercept
        a and c.
    misfit
        Chi-squared per degree of freedom, NaN without any.
    """

    p: float
    low: float
    high: float
    slope: float
    intercept: float
    misfit: float

    def excludes(self, p: float) -> bool:
        """Whether p is outside the interval."""
        return not self.low <= p <= self.high

    def curve(self, sharpness: ArrayLike) -> Array:
        """``c + a k^-p``."""
        return np.asarray(self.intercept + self.slope * np.asarray(sharpness, float) ** -self.p)


def scaled(optimizer: str, sharpness: Any, rate: Any, *, raw: bool = False) -> Any:
    """``-log(rate/k)``, of Adam ``-log(rate/sqrt(k))``; raw: ``-log(rate)``."""
    power = 0.0 if raw else PREFACTOR_POWER[optimizer]
    return power * np.log(np.asarray(sharpness, float)) - np.log(np.asarray(rate, float))


def fit_power(sharpness: ArrayLike, minus_log_rate: ArrayLike, error: ArrayLike, *, level: float = LEVEL) -> Power:
    """Fit ``y = c + a k^-p`` by weighted least squares.

    Parameters
    ----------
    sharpness, minus_log_rate, error
        k, y and the standard errors of y, each of shape (n,), n >= 3 with different k. The prefactor's own power of k
        belongs into y: ``-log(rate/k)`` for SGD, Momentum and Adai, ``-log(rate/sqrt(k))`` for Adam.
    level
        Confidence of the interval.

    Raises
    ------
    ValueError
        If there are fewer than three different sharpnesses, or a value is not finite.
    """
    k, y, s = (np.asarray(values, float) for values in (sharpness, minus_log_rate, error))
    if len(np.unique(k)) < PARAMETERS:
        raise ValueError(f"sharpness = {k.tolist()} has fewer than three different values; a power needs three")
    if not (np.all(np.isfinite(y)) and np.all(s > 0) and np.all(k > 0)):
        raise ValueError("rates must be finite and sharpness and errors above 0; leave out points without exits")

    def linear(p: float) -> tuple[float, Array]:
        # (k^-p - 1)/p is regular at p = 0, where it is -log k
        column = np.expm1(-p * np.log(k)) / p if abs(p) > 1e-9 else -np.log(k)
        design = np.stack([np.ones_like(k), column]) / s
        found, *_ = np.linalg.lstsq(design.T, y / s, rcond=None)
        return float(np.sum((found @ design - y / s) ** 2)), found

    grid = np.linspace(LEAST, MOST, 181)
    start = grid[int(np.argmin([linear(p)[0] for p in grid]))]
    best = minimize_scalar(
        lambda p: linear(p)[0], bounds=(start - 0.1, start + 0.1), method="bounded", options={"xatol": 1e-10}
    )
    freedom = len(k) - PARAMETERS
    misfit = float(best.fun / freedom) if freedom else np.nan
    rise = stats.chi2.ppf(level, 1) * max(1.0, 0.0 if np.isnan(misfit) else misfit)

    def above(p: float) -> float:
        return float(linear(p)[0] - best.fun - rise)

    p = float(best.x)
    low = brentq(above, LEAST, p) if freedom and above(LEAST) > 0 else -np.inf
    high = brentq(above, p, MOST) if freedom and above(MOST) > 0 else np.inf
    intercept, scaled = linear(p)[1]
    slope = scaled / p if abs(p) > 1e-9 else np.nan
    return Power(p, low, high, float(slope), float(intercept - slope), misfit)
