"""One number of a claim by every route: values without sampling, samples with their tests, and the row of claims.json."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments import statistics
from experiments.claims import Claim

if TYPE_CHECKING:
    import xarray

ROUTES = ("paper", "exact", "fokker_planck", "simulated", "discrete", "torch", "shipped")
SAMPLED = ("simulated", "discrete", "torch", "shipped")


@dataclass
class Sample:
    """A mean over `events` exponential waiting times, and what it is tested against.

    Attributes
    ----------
    value, events
        The mean, and the number of exponential waiting times that vary as much: twice that times value over its expectation is
        chi-squared with twice as many degrees of freedom. See `sample_of`.
    expected
        What the instrument should find; None: it is not tested.
    allowance
        Relative error of the expectation: the test is against the nearest value within it.
    other
        Exits behind the expectation if that is a sample itself, else 0.
    """

    value: float
    events: int
    expected: float | None = None
    allowance: float = 0.0
    other: int = 0

    @property
    def _freedom(self) -> int:
        """Degrees of freedom of the interval and of what is detectable; two samples count as one of their harmonic size."""
        size = self.events if not self.other else self.events * self.other / (self.events + self.other)
        return int(2 * size)

    def interval(self) -> tuple[float, float]:
        """Interval of confidence `statistics.LEVEL`."""
        low, high = statistics.mean_square_interval(self.value, self._freedom)
        return float(low), float(high)

    def p_value(self) -> float | None:
        """Two-sided p-value against the expectation."""
        if self.expected is None:
            return None
        low, high = self.expected / (1 + self.allowance), self.expected * (1 + self.allowance)
        nearest = min(max(self.value, low), high)
        if self.other:
            return statistics.mean_square_ratio_test(self.value / nearest, 2 * self.events, 2 * self.other)
        return float(statistics.mean_square_test(self.value, nearest, 2 * self.events))

    def detectable(self, rate: float) -> float:
        """Smallest relative deviation from the expectation that is rejected with probability `statistics.POWER`."""
        return (1 + self.allowance) * (1 + statistics.mean_square_detectable(self._freedom, rate)) - 1


def sample_of(exits: "xarray.Dataset") -> tuple[float, int]:
    """Mean exit time in iterations of an ensemble without censored runs, and the number of exponential times that vary as much.

    Where the squared deviation is above the exponential's, as with a running second moment at low barriers, fewer times count; where
    it is below, as with a time to settle, no more do, and tests are conservative.
    """
    times = exits["exit_iteration"].values
    assert exits["exited"].all()
    mean = float(times.mean())
    return mean, int(len(times) / max(1.0, float(times.var()) / mean**2))


@dataclass
class Comparison:
    """One row.

    Attributes
    ----------
    claim, subject
        What is judged.
    regime
        Where.
    quantity
        What the numbers are.
    values
        Routes without sampling: "paper", "exact", "fokker_planck", and further references by name.
    samples
        Routes with it: "simulated", "discrete", "torch", "shipped", and others where there are any.
    checks
        Name to (deviation, tolerance) of references that must agree.
    reasons
        Why a route has no value.
    """

    claim: Claim
    subject: str
    regime: dict[str, Any]
    quantity: str
    values: dict[str, float]
    samples: dict[str, Sample] = field(default_factory=dict)
    checks: dict[str, tuple[float, float]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def tests(self) -> int:
        """Number of statistical tests."""
        return sum(sample.expected is not None for sample in self.samples.values())

    @property
    def ratio(self) -> float:
        """Paper over exact; NaN where one is missing."""
        return self.values.get("paper", np.nan) / self.values.get("exact", np.nan)

    def row(self, rate: float, sentence: str, verdict: str | None) -> dict[str, Any]:
        """The row of claims.json; `rate` is the false-positive rate of a single test."""
        row: dict[str, Any] = {
            "claim": self.claim.name, "place": self.claim.place, "quantity": self.quantity,
            "regime": {"optimizer": self.subject, **self.regime},
        }  # fmt: skip
        row |= dict.fromkeys(("paper", "exact", "fokker_planck", "exact_simulated", "exact_discrete"))
        row |= {name: float(value) if np.isfinite(value) else None for name, value in self.values.items()}
        for name in dict.fromkeys((*SAMPLED, *self.samples)):
            sample = self.samples.get(name)
            low, high = sample.interval() if sample else (None, None)
            row |= {name: sample.value if sample else None, f"{name}_low": low, f"{name}_high": high}
        row["deviation"] = float(self.ratio - 1) if np.isfinite(self.ratio) else None
        row["verdict"], row["claim_verdict"] = verdict, sentence
        row["tests"] = {
            name: {"p": sample.p_value(), "detectable": sample.detectable(rate)}
            for name, sample in self.samples.items()
            if sample.expected is not None
        }
        row["checks"] = {
            name: {"deviation": deviation, "tolerance": most} for name, (deviation, most) in self.checks.items()
        }
        row["reasons"] = {name: self.reasons.get(name, "not stated") for name in ROUTES if row[name] is None}
        row["instrument"] = self._instrument(row, rate)
        return row

    def _instrument(self, row: dict[str, Any], rate: float) -> str:
        """As for the other rows: "failed" if a test rejects or references disagree, "inconclusive" if a test is too weak."""
        rejected = any(test["p"] < rate for test in row["tests"].values())
        apart = any(not deviation <= most for deviation, most in self.checks.values())
        if rejected or apart:
            return "failed"
        weak = any(test["detectable"] > statistics.LARGEST_DETECTABLE[name] for name, test in row["tests"].items())
        return "inconclusive" if weak else "ok"
