"""One number of a claim by every route: values without sampling, samples with their tests, and the row of claims.json."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.claims import Claim
from experiments.referee import laws as statistics
from experiments.referee.faults import Fault, MeanExit

ROUTES = ("paper", "exact", "fokker_planck", "simulated", "discrete", "torch", "shipped")
SAMPLED = ("simulated", "discrete", "torch", "shipped")
MAY_LACK = ("paper", "power")  # the paper is not stated everywhere, and a power may be infinite


@dataclass
class Sample:
    """A mean over `events` exponential waiting times, and what it is tested against.

    Attributes
    ----------
    value, events
        The mean, and the number of exponential waiting times that vary as much: twice that times value over its expectation is
        chi-squared with twice as many degrees of freedom. See `faults.MeanExit`.
    expected
        What the instrument should find; None: it is not tested.
    allowance
        Relative error of the expectation: the test is against the nearest value within it.
    other
        Exits behind the expectation if that is a sample itself, else 0.
    fault
        Why there is no mean.
    """

    value: float
    events: int
    expected: float | None = None
    allowance: float = 0.0
    other: int = 0
    fault: Fault | None = None

    @classmethod
    def of(
        cls, found: MeanExit, expected: float | None = None, allowance: float = 0.0, other: int = 0, unit: float = 1.0
    ) -> "Sample":
        """An ensemble's mean, times `unit`."""
        return cls(unit * found.value, found.events, expected, allowance, other, found.fault)

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
    faults
        Routes that should have a value and have none; a sample with a fault is taken out of `samples`.
    missing
        Why the row cannot be judged at all; no verdict is drawn from it.
    """

    claim: Claim
    subject: str
    regime: dict[str, Any]
    quantity: str
    values: dict[str, float]
    samples: dict[str, Sample] = field(default_factory=dict)
    checks: dict[str, tuple[float, float]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    missing: str = ""

    def __post_init__(self) -> None:
        for name, one in self.samples.items():
            if one.fault or not np.isfinite(one.expected or 0):
                self.faults = self.faults | {name: one.fault or Fault("what it should find is not known")}
        self.samples = {name: one for name, one in self.samples.items() if name not in self.faults}
        lost = [name for name, value in self.values.items() if name not in MAY_LACK and not np.isfinite(value)]
        if lost and not self.missing:
            self.missing = f"no finite value of {', '.join(lost)}"

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
        for name in dict.fromkeys((*SAMPLED, *self.samples, *self.faults)):
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
            name: {"deviation": deviation if np.isfinite(deviation) else None, "tolerance": most}
            for name, (deviation, most) in self.checks.items()
        }
        reasons = dict.fromkeys(ROUTES, self.missing or "not stated") | self.reasons
        reasons |= {name: fault.reason for name, fault in self.faults.items()}
        row["reasons"] = {name: reason for name, reason in reasons.items() if row.get(name) is None}
        row["faults"] = [self.missing] * bool(self.missing) + [
            f"{name}: {one.reason}" for name, one in self.faults.items()
        ]
        row["instrument"] = self._instrument(row, rate)
        return row

    def _instrument(self, row: dict[str, Any], rate: float) -> str:
        """As for the other rows: "failed" if a test rejects, references disagree or something broke; "inconclusive" if a test is weak."""
        states = {fault.state for fault in self.faults.values()}
        rejected = any(not test["p"] >= rate for test in row["tests"].values())
        apart = any(not deviation <= most for deviation, most in self.checks.values())
        if rejected or apart or self.missing or "failed" in states:
            return "failed"
        limits = statistics.LARGEST_DETECTABLE
        weak = any(not test["detectable"] <= limits[name] for name, test in row["tests"].items())
        return "inconclusive" if weak or states else "ok"
