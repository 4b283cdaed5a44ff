"""Numbers that each seed gives one of: as measured values of rows, and judged by the whole of their interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray
from numpy.typing import ArrayLike

from experiments.referee import Finding, Sample
from experiments.referee.faults import Fault
from experiments.referee.laws import Student

MEASURED = "measured"  # the route


def sample(values: ArrayLike) -> Sample:
    """The mean of one number for each seed, by Student's law; none where a seed has no number, as none is dropped."""
    listed = np.asarray(values, float)
    count, lacking = len(listed), int(np.isnan(listed).sum())
    if lacking or count < 2:
        reason = f"{lacking} of {count} seeds have no value" if lacking else "one seed has no interval"
        return Sample(np.nan, Student(np.nan, 2), fault=Fault(reason, "inconclusive"))
    return Sample(float(listed.mean()), Student(float(listed.std(ddof=1) / np.sqrt(count)), count))


@dataclass(frozen=True)
class Interval:
    """A measured number with the ends of its interval; all NaN if it is not had."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, row: xarray.Dataset, route: str = MEASURED) -> Interval:
        """Of one row of evidence."""
        return cls(*(float(row[f"{route}{end}"]) for end in ("", "_low", "_high")))

    @property
    def known(self) -> bool:
        """Whether it is had."""
        return bool(np.isfinite(self.value))

    def told(self) -> str:
        """In words."""
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def told_as_factor(self, sign: int = 1) -> str:
        """Of a logarithm to base 10 the factor that it stands for, or with a sign of -1 the inverse factor."""
        logs = (self.value, *sorted((self.low, self.high), key=lambda end: sign * end))
        value, low, high = (f"{float(f'{10 ** (sign * log):.2g}'):g}" for log in logs)  # 140, not 1.4e+02
        return f"{value} [{low}, {high}]"


def judged(
    name: str, interval: Interval, right: str, wrong: str, tells: str, *, target: float, tolerance: float
) -> Finding:
    """A finding that the interval decides: it has to lie within the tolerance of the target as a whole, or outside.

    An interval that does neither leaves the finding open: the number is told without a target.
    """
    inside = target - tolerance <= interval.low and interval.high <= target + tolerance
    outside = interval.low > target + tolerance or interval.high < target - tolerance
    if inside or outside:
        numbers: dict[str, Any] = {"target": target, "tolerance": tolerance}
        return Finding.judged(name, interval.value, right, wrong, tells, **numbers)
    return Finding(name, interval.value, f"{name}: not resolved: {tells}")
