"""Where each claim stands, as data for the table of the report and the documentation (`templates/standing.html`)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.referee.rows import STATES
from experiments.referee.verdict import CLOSE

NEAR = 2.0  # a factor; what is farther off counts as far
FAILING, HOLDING, SILENT = 2, 1, 2  # findings of a verdict that are told in short; the last where nothing is judged

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Standing:
    """One claim.

    Attributes
    ----------
    claim, place
        What is judged, and where the paper says it.
    verdicts
        One for each subject, as in verdicts.json.
    instrument
        The state of the instrument on each subject's rows, in words.
    compared
        The number of rows that have the paper's value and the exact one.
    shares
        Of these rows, those with the formula within 5 %, within a factor 2, and farther off; empty without rows.
    """

    claim: str
    place: str
    verdicts: list[Json]
    instrument: dict[str, str]
    compared: int
    shares: dict[str, float]


def standings(verdicts: Iterable[Json], rows: Iterable[Json]) -> list[Standing]:
    """One for each claim, in the order of the verdicts: what of verdicts.json and claims.json is seen at a glance."""
    judged, measured = by_claim(verdicts), by_claim(rows)
    listed = []
    for claim, group in judged.items():
        points = measured.get(claim, [])
        states = {
            verdict["subject"]: counted(row for row in points if row["subject"] == verdict["subject"])
            for verdict in group
        }
        deviations = np.array([row["deviation"] for row in points if row["deviation"] is not None])
        listed.append(Standing(claim, group[0]["place"], group, states, len(deviations), _shares(deviations)))
    return listed


def shortlist(findings: Iterable[Json]) -> list[Json]:
    """Some findings of a verdict for all: those that miss by least, then the first that holds.

    Where a formula is off everywhere, the mildest numbers tell more than the wildest at the end of a grid.
    """
    listed = list(findings)
    failing, holding, silent = (
        [finding for finding in listed if finding["holds"] is holds] for holds in (False, True, None)
    )
    return sorted(failing, key=_missed)[:FAILING] + holding[:HOLDING] or silent[:SILENT]


def tally(findings: Iterable[Json]) -> str:
    """How many findings hold of those that are judged, in brackets; empty where none is."""
    holds = [finding["holds"] for finding in findings if finding["holds"] is not None]
    return f" ({sum(holds)} of {len(holds)} hold)" if holds else ""


def _missed(finding: Json) -> float:
    """How far off a number is: as a factor, or in tolerances where it has no ratio to the paper's."""
    value, target = float(finding["value"]), float(finding["target"])
    if value * target > 0:
        return max(value / target, target / value)
    return abs(value - target) / float(finding["tolerance"] or 1)


def counted(rows: Iterable[Json]) -> str:
    """How many rows the instrument was right on, in words."""
    counts = Counter(row["instrument"] for row in rows)
    return ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])


def by_claim(entries: Iterable[Json]) -> dict[str, list[Json]]:
    """Verdicts or rows of each claim, in the order in which claims appear first."""
    groups: dict[str, list[Json]] = {}
    for entry in entries:
        groups.setdefault(entry["claim"], []).append(entry)
    return groups


def _shares(deviations: Any) -> dict[str, float]:
    """Of the paper's value over the exact one, less 1."""
    if not len(deviations):
        return {}
    ratio = 1 + deviations
    close, far = np.abs(deviations) <= CLOSE, (ratio > NEAR) | (ratio < 1 / NEAR)
    return {"close": close.mean(), "near": (~close & ~far).mean(), "far": far.mean()}
