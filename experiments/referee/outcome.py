"""What a run of the main job found."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.drawing import Drawn
from experiments.referee.claim import Claim
from experiments.referee.evidence import Evidence
from experiments.referee.verdict import Verdict


@dataclass(frozen=True)
class Outcome:
    """What a run found.

    Attributes
    ----------
    claims
        What was tried.
    evidence
        Of each claim, by its name.
    verdicts
        One for each claim and subject.
    rows
        The rows of claims.json.
    tests
        Number of statistical tests.
    rate
        False-positive rate of each of them: `laws.FAMILY_WISE_RATE` shared equally (Bonferroni).
    settings
        Seed, replicas and the like, for the record.
    command
        The command that gives the numbers again, without the claims that are asked for.
    seconds
        How long each piece of work took, see `Routes`.
    figures
        Those of claims that are drawn already, by the claim's name.
    """

    claims: Sequence[Claim]
    evidence: dict[str, list[Evidence]]
    verdicts: list[Verdict]
    rows: list[dict[str, Any]]
    tests: int
    rate: float
    settings: dict[str, Any]
    command: tuple[str, ...] = ("verify",)
    seconds: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, Sequence[Drawn]] = field(default_factory=dict)

    @property
    def instrument(self) -> Counter[str]:
        """How many rows are "ok", "failed", "inconclusive"."""
        return Counter(row["instrument"] for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether the instrument is right: no row failed and, but in a quick run, none is inconclusive."""
        weak = self.settings["size"] == "quick"
        return not self.instrument["failed"] and (weak or not self.instrument["inconclusive"])

    @property
    def unjudged(self) -> int:
        """How many verdicts could not be drawn."""
        return sum(bool(verdict.missing) for verdict in self.verdicts)
