"""Findings and verdicts: what holds follows from numbers, and what is said from what holds; nothing else decides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

EXACT = 1e-9  # relative deviation below which a formula counts as exact
CLOSE = 0.05  # relative deviation below which it counts as right
LEVELS = ("right", "in part", "off", "measured", "open")
LEFT_OUT = "measured values that are left out"  # the finding that says which ensembles are behind no other


@dataclass(frozen=True)
class Finding:
    """One number of a claim, beside what the paper says it is.

    Attributes
    ----------
    name
        What is judged, in a few words; unique within a verdict.
    value
        The number that was found; NaN if it could not be.
    text
        The finding in words. Where there is a target, `judged` chooses between two texts by whether it holds.
    target, tolerance
        The paper's number, and how far from it the value may be; None where the paper says nothing.
    interval
        That of the value, of 95 %, where it was measured and the table of findings is to show it.
    exact
        What a measured value should be, where that is known exactly and the table is to show it.
    """

    name: str
    value: float
    text: str
    target: float | None = None
    tolerance: float | None = None
    interval: tuple[float, float] | None = None
    exact: float | None = None

    @classmethod
    def judged(
        cls,
        name: str,
        value: Any,
        right: str,
        wrong: str,
        tells: str = "",
        *,
        target: Any = 1,
        tolerance: Any = CLOSE,
        interval: tuple[float, float] | None = None,
    ) -> "Finding":
        """A finding that the paper's number decides: its text is `right` or `wrong`, and in both cases what it tells.

        Without a target the value is the paper's number over the exact one, which counts as right within `CLOSE`.
        """
        undecided = cls(name, float(value), f"{name} is not known", float(target), float(tolerance), interval)
        if undecided.holds is None:
            return undecided
        return replace(undecided, text=": ".join(filter(None, (right if undecided.holds else wrong, tells))))

    @property
    def holds(self) -> bool | None:
        """Whether the value is within the tolerance of the target; None where there is no target or no finite value."""
        if self.target is None or self.tolerance is None or not np.isfinite(self.value):
            return None
        return bool(abs(self.value - self.target) <= self.tolerance)

    def as_json(self) -> dict[str, Any]:
        """The fields of verdicts.json."""
        numbers = {"value": self.value, "target": self.target, "tolerance": self.tolerance}
        known = {
            name: None if number is None or not np.isfinite(number) else float(number)
            for name, number in numbers.items()
        }
        beside: dict[str, Any] = {"interval": list(self.interval)} if self.interval else {}
        beside |= {} if self.exact is None else {"exact": self.exact}
        return {"name": self.name, "holds": self.holds, **known, **beside, "text": self.text}


@dataclass(frozen=True)
class Verdict:
    """The judgement on one claim for one subject.

    Attributes
    ----------
    claim, place, subject
        What is judged, where the paper says it, and of which optimizer.
    findings
        In the order in which they are told; none if the claim could not be judged.
    missing
        Why it could not be judged.
    """

    claim: str
    place: str
    subject: str
    findings: tuple[Finding, ...]
    missing: str = ""

    @property
    def level(self) -> str:
        """One of `LEVELS`, see `level`; what was left out is no finding of what was asked."""
        return level([finding.holds for finding in self.findings if finding.name != LEFT_OUT])

    @property
    def sentence(self) -> str:
        """The findings' texts together."""
        return f"not judged: {self.missing}" if self.missing else "; ".join(finding.text for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """The fields of verdicts.json."""
        told = {"claim": self.claim, "place": self.place, "subject": self.subject, "level": self.level}
        return told | {"findings": [finding.as_json() for finding in self.findings], "missing": self.missing}


def level(holds: Sequence[bool | None]) -> str:
    """One of `LEVELS`, from what holds alone.

    If all that the paper says holds it is "right", if some "in part", if none "off". Where the paper says nothing it
    is "measured", and without any finding, as it was not judged, "open".
    """
    judged = [state for state in holds if state is not None]
    if not judged:
        return "measured" if holds else "open"
    return "right" if all(judged) else "in part" if any(judged) else "off"


def size(ratio: float) -> str:
    """How far a ratio is from 1, in words: "overstates 7.14 times", "understates by 12 %"."""
    if abs(ratio - 1) < EXACT:
        return "exact"
    word = "overstates" if ratio > 1 else "understates"
    factor = max(ratio, 1 / ratio)
    return f"{word} by {100 * abs(ratio - 1):.2g} %" if factor < 2 else f"{word} {factor:.3g} times"


def of_ratio(paper: float | None, exact: float | None) -> str | None:
    """The verdict of a row: on the paper's value where both values exist and the exact one is not 0."""
    if paper is None or exact is None or exact == 0:
        return None
    ratio = paper / exact
    return f"within {100 * abs(ratio - 1):.2g} %" if EXACT <= abs(ratio - 1) <= CLOSE else size(ratio)


def span(numbers: Iterable[float], digits: int = 2) -> str:
    """The range of some numbers, in words."""
    listed = np.array(list(numbers), float)
    low, high = (0.0 if abs(end) < 0.5 * 10.0**-digits else float(end) for end in (listed.min(), listed.max()))
    return f"{low:.{digits}f}" if high - low < 0.5 * 10.0**-digits else f"{low:.{digits}f} to {high:.{digits}f}"
