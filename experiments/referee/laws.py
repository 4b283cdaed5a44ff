"""Tests and intervals for measured mean squares.

Under every linear recursion with Gaussian noise a displacement is exactly Gaussian, so N times the measured mean square
over its exact value is exactly chi-squared with N degrees of freedom: the tests below need no approximation. Where no
exact law exists (a running second moment) two samples are compared on the log scale with their own standard errors.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Array = NDArray[np.float64]

FAMILY_WISE_RATE = 0.01  # probability that a whole run rejects anything although every ensemble is right
POWER = 0.9  # the smallest detectable deviation is the one rejected with this probability
LEVEL = 0.95  # of the intervals of single rows
LARGEST_DETECTABLE = {  # a row whose test is weaker is inconclusive
    "simulated": 0.08,
    "discrete": 0.08,
    "torch": 0.20,
    "splitting": 0.30,
}
LEAST_LOG_ERROR = (
    1e-3  # of a two-sample test: Adam's first step has almost no spread, so its standard error means little
)


def mean_square_test(measured: ArrayLike, expected: ArrayLike, replicas: int) -> Array:
    """Two-sided p-value of a mean square over `replicas` Gaussian displacements of variance `expected`; exact."""
    statistic = replicas * np.asarray(measured) / np.asarray(expected)
    tails = np.minimum(stats.chi2.cdf(statistic, replicas), stats.chi2.sf(statistic, replicas))
    return np.asarray(np.minimum(2 * tails, 1))


def mean_square_ratio_test(ratio: float, replicas: int, others: int) -> float:
    """Two-sided p-value of the ratio of two mean squares over Gaussian displacements of equal variance; exact."""
    tail = min(stats.f.cdf(ratio, replicas, others), stats.f.sf(ratio, replicas, others))
    return float(min(2 * tail, 1))


def mean_square_interval(measured: ArrayLike, replicas: int) -> tuple[Array, Array]:
    """Interval of confidence LEVEL for the variance behind a mean square over Gaussian displacements; exact."""
    low, high = stats.chi2.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], replicas) / replicas
    return np.asarray(measured) / high, np.asarray(measured) / low


def mean_square_detectable(replicas: int, rate: float) -> float:
    """Smallest relative deviation, of either sign, that `mean_square_test` at this rate rejects with probability POWER."""
    low, high = stats.chi2.ppf(rate / 2, replicas), stats.chi2.isf(rate / 2, replicas)
    upward = high / stats.chi2.isf(POWER, replicas) - 1
    downward = 1 - low / stats.chi2.ppf(POWER, replicas)
    return float(max(upward, downward))


def log_mean_square_error(replicas: int) -> float:
    """Standard deviation of the logarithm of a mean square over Gaussian displacements; exact."""
    return float(np.sqrt(special.polygamma(1, replicas / 2)))


def log_test(measured: ArrayLike, expected: ArrayLike, log_error: ArrayLike) -> Array:
    """Two-sided p-value of ``log(measured/expected)`` as a normal deviate with standard deviation log_error."""
    z = np.log(np.asarray(measured) / np.asarray(expected)) / np.asarray(log_error)
    return np.asarray(2 * stats.norm.sf(np.abs(z)))


def log_interval(measured: ArrayLike, log_error: ArrayLike) -> tuple[Array, Array]:
    """Interval of confidence LEVEL around `measured`, symmetric on the log scale."""
    spread = stats.norm.isf((1 - LEVEL) / 2) * np.asarray(log_error)
    return np.asarray(measured) * np.exp(-spread), np.asarray(measured) * np.exp(spread)


def log_detectable(log_error: ArrayLike, rate: float) -> Array:
    """Smallest relative deviation that `log_test` at this rate rejects with probability POWER."""
    return np.asarray(np.expm1((stats.norm.isf(rate / 2) + stats.norm.ppf(POWER)) * np.asarray(log_error)))


def two_sample_log_error(first: ArrayLike, second: ArrayLike) -> Array:
    """Standard error of the log ratio of two means with these relative standard errors."""
    return np.asarray(np.maximum(np.hypot(np.asarray(first), np.asarray(second)), LEAST_LOG_ERROR))
