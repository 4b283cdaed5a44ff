"""Paired comparisons over seeds: differences with simultaneous intervals, and Holm's correction for many of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from experiments.referee.laws import LEVEL

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A mean difference over pairs, as one of a family of comparisons.

    Attributes
    ----------
    value
        The mean difference.
    low, high
        Its interval: all of the family together cover the true differences with probability `LEVEL`.
    p
        Adjusted by Holm: the family holds a false rejection at `LEVEL` with at most probability 1 - `LEVEL`.
    """

    value: float
    low: float
    high: float
    p: float

    @property
    def sign(self) -> int:
        """1 or -1 where the difference is resolved, else 0."""
        return int(np.sign(self.value)) if self.p < 1 - LEVEL else 0

    @property
    def as_values(self) -> dict[str, float]:
        """The numbers of a row of evidence."""
        return {"difference": self.value, "difference_low": self.low, "difference_high": self.high, "holm": self.p}

    def told(self, digits: int = 2) -> str:
        """The difference with its interval."""
        return f"{self.value:+.{digits}f} [{self.low:+.{digits}f}, {self.high:+.{digits}f}]"


def differences(pairs: Mapping[str, ArrayLike]) -> dict[str, Difference]:
    """Compare a family.

    Parameters
    ----------
    pairs
        By name, the differences of the pairs, at least two: one for each seed.

    Returns
    -------
    dict
        Student's test and interval for each, with Holm's adjustment and Bonferroni's intervals. As Holm rejects more
        than Bonferroni, a resolved difference may have an interval that reaches 0.
    """
    listed = [np.asarray(each, float) for each in pairs.values()]
    means = np.array([each.mean() for each in listed])
    errors = np.array([each.std(ddof=1) / np.sqrt(len(each)) for each in listed])
    freedom = np.array([len(each) - 1 for each in listed])
    with np.errstate(divide="ignore", invalid="ignore"):
        deviates = np.where(means == 0, 0.0, np.abs(means) / errors)
    adjusted = holm(2 * stats.t.sf(deviates, freedom))
    spread = stats.t.isf((1 - LEVEL) / 2 / max(len(listed), 1), freedom) * errors
    columns = (means, means - spread, means + spread, adjusted)
    return {name: Difference(*map(float, numbers)) for name, *numbers in zip(pairs, *columns, strict=True)}


def holm(p_values: ArrayLike) -> Array:
    """P-values adjusted by Holm's step-down procedure: those below a rate are rejected at that family-wise rate."""
    p = np.asarray(p_values, float)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order]), 1)
    return adjusted
