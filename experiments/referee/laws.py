"""Laws of measured numbers: how far one may be from what it measures.

Each law gives an interval, a p-value and the smallest deviation that its test detects. A `MeanSquare` is exact: under
every linear recursion with Gaussian noise a displacement is Gaussian, so the mean square of N of them over its exact
value is chi-squared with N degrees of freedom over N; and twice the sum of n exponential times over their mean is
chi-squared with 2n. A `LogNormal` compares two samples on the log scale, where no exact law exists; a `Student` is a
mean over a few repetitions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Array = NDArray[np.float64]

FAMILY_WISE_RATE = 0.01  # probability that a whole run rejects anything although every ensemble is right
POWER = 0.9  # the smallest detectable deviation is the one rejected with this probability
LEVEL = 0.95  # of the intervals of single rows
# a row whose test is weaker is inconclusive
LARGEST_DETECTABLE = {
    "simulated": 0.08,
    "discrete": 0.08,
    "torch": 0.20,
    "splitting": 0.30,
    "network": 0.30,
    "long_run": 0.20,
}
# Adam's first step has almost no spread, so that its own standard error means little.
LEAST_LOG_ERROR = 1e-3


class Law(ABC):
    """How a measured value is distributed; the fields are numbers, or arrays of the values' shape."""

    @abstractmethod
    def interval(self, value: ArrayLike) -> tuple[Array, Array]:
        """Interval of confidence `LEVEL` for what `value` measures."""

    @abstractmethod
    def p_value(self, value: ArrayLike, expected: ArrayLike) -> Array:
        """Two-sided p-value of `value` where `expected` is the truth."""

    @abstractmethod
    def detectable(self, value: ArrayLike, rate: float) -> Array:
        """Smallest relative deviation, of either sign, that a test at this rate rejects with probability `POWER`."""


@dataclass(frozen=True)
class MeanSquare(Law):
    """A mean square over `freedom` Gaussian displacements, or a mean over `freedom`/2 exponential times; exact.

    Attributes
    ----------
    freedom
        Degrees of freedom of chi-squared.
    other
        Those of the sample behind the expectation, if that is measured too; else 0. The ratio is then Fisher's.
    """

    freedom: Any
    other: Any = 0

    @classmethod
    def of_times(cls, events: ArrayLike, other: ArrayLike = 0) -> MeanSquare:
        """The law of a mean over exponential waiting times, and of one behind the expectation."""
        return cls(2 * np.asarray(events), 2 * np.asarray(other))

    @property
    def effective(self) -> Array:
        """Freedom of intervals and detectable deviations: two samples count as one of their harmonic size."""
        freedom, other = np.broadcast_arrays(np.asarray(self.freedom, float), np.asarray(self.other, float))
        with np.errstate(invalid="ignore"):
            together = np.floor(freedom * other / (freedom + other))
        return np.where(other > 0, together, freedom)

    def interval(self, value: ArrayLike) -> tuple[Array, Array]:
        """By the quantiles of chi-squared."""
        low, high = (
            stats.chi2.ppf(tail, self.effective) / self.effective for tail in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
        )
        return np.asarray(np.asarray(value) / high), np.asarray(np.asarray(value) / low)

    def p_value(self, value: ArrayLike, expected: ArrayLike) -> Array:
        """By chi-squared, or by Fisher's ratio."""
        freedom, other = np.asarray(self.freedom, float), np.asarray(self.other, float)
        ratio = np.asarray(value) / np.asarray(expected)
        statistic = freedom * np.asarray(value) / np.asarray(expected)
        tails = np.minimum(stats.chi2.cdf(statistic, freedom), stats.chi2.sf(statistic, freedom))
        if np.any(other > 0):
            sizes = (freedom, np.where(other > 0, other, 1.0))
            tails = np.where(other > 0, np.minimum(stats.f.cdf(ratio, *sizes), stats.f.sf(ratio, *sizes)), tails)
        return np.asarray(np.minimum(2 * tails, 1))

    def detectable(self, value: ArrayLike, rate: float) -> Array:
        """By the quantiles of chi-squared; the value does not matter."""
        size = self.effective
        upward = stats.chi2.isf(rate / 2, size) / stats.chi2.isf(POWER, size) - 1
        downward = 1 - stats.chi2.ppf(rate / 2, size) / stats.chi2.ppf(POWER, size)
        return np.asarray(np.maximum(upward, downward))


@dataclass(frozen=True)
class LogNormal(Law):
    """A value whose logarithm is normal.

    Attributes
    ----------
    error
        Standard error of the logarithm.
    test_error
        The same of the logarithm of value over expectation: larger if the expectation is measured, too.
    """

    error: Any
    test_error: Any

    @classmethod
    def of_gaussians(cls, displacements: int, shape: tuple[int, ...]) -> LogNormal:
        """The law, but for its skewness, of a mean square over Gaussian displacements."""
        error = np.full(shape, np.sqrt(special.polygamma(1, displacements / 2)))
        return cls(error, error)

    def against(self, other: LogNormal) -> LogNormal:
        """The law of the same value where the other sample is the expectation."""
        error = np.maximum(np.hypot(np.asarray(self.test_error), np.asarray(other.test_error)), LEAST_LOG_ERROR)
        return LogNormal(self.error, error)

    def interval(self, value: ArrayLike) -> tuple[Array, Array]:
        """Symmetric on the log scale."""
        spread = stats.norm.isf((1 - LEVEL) / 2) * np.asarray(self.error)
        return np.asarray(np.asarray(value) * np.exp(-spread)), np.asarray(np.asarray(value) * np.exp(spread))

    def p_value(self, value: ArrayLike, expected: ArrayLike) -> Array:
        """Of the logarithm of the ratio as a normal deviate."""
        with np.errstate(divide="ignore", invalid="ignore"):  # what is not tested may have no error
            deviate = np.log(np.asarray(value) / np.asarray(expected)) / np.asarray(self.test_error)
        return np.asarray(2 * stats.norm.sf(np.abs(deviate)))

    def detectable(self, value: ArrayLike, rate: float) -> Array:
        """On the log scale; the value does not matter."""
        return np.asarray(np.expm1((stats.norm.isf(rate / 2) + stats.norm.ppf(POWER)) * np.asarray(self.test_error)))


@dataclass(frozen=True)
class Student(Law):
    """A mean over repetitions with this standard error."""

    error: Any
    repetitions: Any

    def interval(self, value: ArrayLike) -> tuple[Array, Array]:
        """By Student's quantiles."""
        spread = stats.t.isf((1 - LEVEL) / 2, np.asarray(self.repetitions) - 1) * np.asarray(self.error)
        return np.asarray(np.asarray(value) - spread), np.asarray(np.asarray(value) + spread)

    def p_value(self, value: ArrayLike, expected: ArrayLike) -> Array:
        """Of the difference in standard errors."""
        with np.errstate(divide="ignore", invalid="ignore"):  # repetitions may all have given the same
            deviate = np.abs(np.asarray(value) - np.asarray(expected)) / np.asarray(self.error)
        return np.asarray(2 * stats.t.sf(deviate, np.asarray(self.repetitions) - 1))

    def detectable(self, value: ArrayLike, rate: float) -> Array:
        """In units of the value."""
        freedom = np.asarray(self.repetitions) - 1
        errors = stats.t.isf(rate / 2, freedom) + stats.t.ppf(POWER, freedom)
        return np.asarray(errors * self.error / np.asarray(value))
