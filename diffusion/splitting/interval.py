"""From repetitions to a rate with an interval, and whether the interval can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

FEW = 5  # families; a repetition that comes down to fewer says little
MANY = 20  # families, up to which a repetition knows well how often paths come so far
SPREAD = 0.7  # standard deviation of repetitions' log rates (a factor of 2) above which their mean is not to be trusted


@dataclass(frozen=True)
class Estimate:
    """A rate with its interval; `doubt` says why it is not reliable, and is empty if it is."""

    rate: float
    low: float
    high: float
    doubt: str

    @property
    def reliable(self) -> bool:
        """Whether the interval covers the rate about as often as it says."""
        return not self.doubt


def estimate(
    rates: ArrayLike, bounds: ArrayLike, entering: ArrayLike, families: ArrayLike, level: float, hidden: str = ""
) -> Estimate:
    """Mean of unbiased repetitions, with an interval.

    Rates of repetitions are nearly log-normal. So the interval is one for the mean of a log-normal law (Olsson 2005):
    of the logarithm, with the term for the tail that few repetitions do not show. Where the repetitions are too few,
    extinct, or too far apart for that, the ends are limits that need no law: a mean of unbiased positive numbers is
    above x times its expectation with a probability of at most 1/x (Markov), and no more paths leave than come as far
    as the repetitions still knew well.

    Parameters
    ----------
    rates
        Of each repetition, shape (repetitions,); 0 where it went extinct.
    bounds
        Likewise, the rate of coming as far as there still were MANY families.
    entering
        Likewise, the rate of entrances.
    families
        Families of each repetition.
    level
        Confidence.
    hidden
        What repetitions do not show but speaks against the rate; no more than entrances is known then.
    """
    r, b, nu, f = (np.asarray(values) for values in (rates, bounds, entering, families))
    mean = float(r.mean())
    told = "; ".join(filter(None, (_doubt(r, f), hidden)))
    if not told:
        return Estimate(mean, *_log_interval(r, level), told)
    low = 0.0 if hidden else (1 - level) / 2 * mean
    high = _log_interval(nu, level)[1]
    if not hidden:
        high = max(min(_log_interval(b, level)[1], high), mean)
    return Estimate(mean if mean else np.nan, low, high, told)


def _doubt(rates: Array, families: NDArray[np.int64]) -> str:
    extinct = int(np.sum(rates == 0))
    if extinct:
        return f"{extinct} of {len(rates)} repetitions went extinct"
    if np.mean(families) < FEW:
        return f"the repetitions came down to fewer than {FEW} families on average"
    if np.std(np.log(rates), ddof=1) > SPREAD:
        return f"the rates of {len(rates)} repetitions differ by a factor of up to {rates.max() / rates.min():.2g}"
    return ""


def _log_interval(values: Array, level: float) -> tuple[float, float]:
    from scipy.special import stdtrit

    n, variance = len(values), float(np.var(np.log(values), ddof=1))
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * np.sqrt(variance / n + variance**2 / (2 * (n - 1)))
    with np.errstate(over="ignore"):
        factor = float(np.exp(reach))
    mean = float(values.mean())
    return mean / factor, mean * factor
