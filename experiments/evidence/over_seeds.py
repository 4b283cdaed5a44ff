"""Means over seeds: with Student's interval, and judged by the whole of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.referee import Finding, Sample
from experiments.referee.faults import Fault
from experiments.referee.laws import Student

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """A number that each seed gives.

    Attributes
    ----------
    values
        Shape (seeds,), one for each; NaN where a seed has none.
    """

    values: Array

    @classmethod
    def of(cls, values: ArrayLike) -> "Mean":
        """Of a list of numbers."""
        return cls(np.asarray(values, float))

    @property
    def value(self) -> float:
        """The mean; NaN if a seed has no value, as none may be dropped."""
        return float(np.mean(self.values)) if len(self.values) else np.nan

    @property
    def law(self) -> Student:
        """How it is distributed; of one seed no error is known."""
        count = len(self.values)
        error = float(np.std(self.values, ddof=1) / np.sqrt(count)) if count > 1 else np.nan
        return Student(error, max(count, 2))

    @property
    def ends(self) -> tuple[float, float]:
        """The interval of confidence."""
        low, high = self.law.interval(self.value)
        return float(low), float(high)

    @property
    def sample(self) -> Sample:
        """As a measured value of a row."""
        lacking = int(np.isnan(self.values).sum())
        fault = Fault(f"{lacking} of {len(self.values)} seeds have no value", "inconclusive") if lacking else None
        return Sample(self.value, self.law, fault=fault)

    def told(self, digits: int = 2, power: bool = False) -> str:
        """The mean and its interval in words; of a logarithm to base 10 the factor that it stands for."""
        numbers = np.array([self.value, *self.ends])
        texts = [f"{number:.{digits}g}" for number in 10**numbers] if power else [f"{n:.{digits}f}" for n in numbers]
        return f"{texts[0]} [{texts[1]}, {texts[2]}]"


def judged(
    name: str, mean: Mean, right: str, wrong: str, tells: str, *, target: float = 1.0, tolerance: float
) -> Finding:
    """A finding that the interval decides: it is to be all within the tolerance of the target, or all on one side.

    Where it is neither, the number is told without a judgement.
    """
    low, high = (end - target for end in mean.ends)
    inside = -tolerance <= low and high <= tolerance
    outside = low > tolerance or high < -tolerance
    if inside or outside:
        return Finding.judged(name, mean.value, right, wrong, tells, target=target, tolerance=tolerance)
    return Finding(name, mean.value, f"{name} is not resolved: {tells}")


def means(points: Sequence[Any], statistic: Any) -> Mean:
    """The mean over points, one for each seed, of what a function says of one."""
    return Mean.of([statistic(point) for point in points])
