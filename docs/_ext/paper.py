"""The whole paper, in order: every sentence that can be checked, with what judges it or what is missing to judge it."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.referee.verdict import level

SOURCE = Path(__file__).parents[1] / "paper.toml"


@dataclass(frozen=True)
class Sentence:
    """A sentence of the paper.

    Attributes
    ----------
    place
        Section or appendix, with the equation, figure or table.
    quote
        Its words; in brackets what the paper has as a formula, in the notation of this project.
    claims
        Names of the claims that judge it.
    needs
        What is missing to judge it, where nothing does.
    subjects
        Of which subjects' verdicts it speaks; of all if there are none.
    """

    place: str
    quote: str
    claims: tuple[str, ...] = ()
    needs: str = ""
    subjects: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.claims) == bool(self.needs):
            raise ValueError(f"the sentence of {self.place} must have either claims or what it needs: {self.quote}")


@dataclass(frozen=True)
class Judged:
    """A sentence with the verdicts on it, as in verdicts.json; its level is that of all their findings together."""

    sentence: Sentence
    verdicts: tuple[Mapping[str, Any], ...]

    @property
    def level(self) -> str:
        """One of `experiments.referee.verdict.LEVELS`; "open" where nothing judges it."""
        return level([finding["holds"] for verdict in self.verdicts for finding in verdict["findings"]])

    @property
    def absent(self) -> list[str]:
        """Names of claims that judge it and are not among the verdicts."""
        known = {verdict["claim"] for verdict in self.verdicts}
        return [name for name in self.sentence.claims if name not in known]


def sentences() -> list[Sentence]:
    """Every sentence, in the paper's order.

    Raises
    ------
    ValueError
        If one has neither claims nor what it needs, or both.
    """
    listed = tomllib.loads(SOURCE.read_text("utf-8"))["sentence"]
    return [
        Sentence(
            one["place"],
            one["quote"],
            tuple(one.get("claims", ())),
            one.get("needs", ""),
            tuple(one.get("subjects", ())),
        )
        for one in listed
    ]


def judged(verdicts: Iterable[Mapping[str, Any]]) -> list[Judged]:
    """The sentences with the verdicts on them, in the paper's order.

    Parameters
    ----------
    verdicts
        The content of verdicts.json; claims that are not in it judge nothing.
    """
    by_claim: dict[str, list[Mapping[str, Any]]] = {}
    for verdict in verdicts:
        by_claim.setdefault(verdict["claim"], []).append(verdict)

    def on(sentence: Sentence) -> tuple[Mapping[str, Any], ...]:
        about = [verdict for name in sentence.claims for verdict in by_claim.get(name, ())]
        return tuple(each for each in about if not sentence.subjects or each["subject"] in sentence.subjects)

    return [Judged(sentence, on(sentence)) for sentence in sentences()]
