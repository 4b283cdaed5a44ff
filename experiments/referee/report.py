"""The report: one self-contained page, and the verdict table for a terminal."""

import shlex
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from experiments.drawing import Drawn
from experiments.referee import laws, pages, standing
from experiments.referee.outcome import Outcome

SIGNS = {True: "✓", False: "✗", None: "·"}  # of a finding, on a terminal
ASKED = {"verify": "--claim", "evidence": "--only"}  # jobs, and how each is asked for some claims
BRIEF = 0.5  # seconds; what takes less is not told
WHOLE = 3  # most claims of which a terminal shows every finding
PACKAGES = ("diffusion-lab", "numpy", "scipy", "numba", "torch")


def instrument_line(outcome: Outcome) -> str:
    """The state of the instrument in a sentence."""
    counts, settings = outcome.instrument, outcome.settings
    state = "right" if outcome.passed else "NOT right"
    replicas = f", {settings['replicas']} replicas" if "replicas" in settings else ""
    tests = (
        f"{outcome.tests} tests at a family-wise false-positive rate of {laws.FAMILY_WISE_RATE:g}, each at "
        f"{outcome.rate:.2g}; "
    )
    line = (
        f"The instrument is {state}: of {len(outcome.rows)} rows {counts['ok']} are ok, {counts['failed']} failed, "
        f"{counts['inconclusive']} inconclusive ({tests if outcome.tests else ''}seed {settings['seed']}{replicas})."
    )
    if outcome.unjudged:
        line += f" {outcome.unjudged} of {len(outcome.verdicts)} verdicts could not be drawn."
    if settings["size"] == "quick" and outcome.tests:
        line += " This was a quick run: its tests are too weak to be conclusive, and that does not count against it."
    return line


def print_table(outcome: Outcome, out: Path) -> None:
    """Print a verdict for each claim, and where the report is; of many claims some findings each."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 140)
    short = len(outcome.claims) > WHOLE
    table = Table(title="How right is the paper?", show_lines=True, expand=True)
    for column, ratio in (("claim", 4), ("of", 4), ("verdict, computed", 10), ("instrument", 3)):
        table.add_column(column, ratio=ratio)
    for verdict in outcome.verdicts:
        findings = verdict.as_json()["findings"]
        shown = standing.shortlist(findings) if short else findings
        told = [f"{SIGNS[finding['holds']]} {finding['text']}" for finding in shown]
        words = "\n".join([f"{verdict.level}{standing.tally(findings)}", *told]) if told else verdict.sentence
        rows = [row for row in outcome.rows if (row["claim"], row["subject"]) == (verdict.claim, verdict.subject)]
        table.add_row(*map(Text, (verdict.claim, verdict.subject, words, standing.counted(rows))))
    console.print(table)
    console.print(instrument_line(outcome), soft_wrap=True)
    console.print(f"Report: {out / 'report.html'}", soft_wrap=True, highlight=False)


def print_timings(outcome: Outcome, writing: float) -> None:
    """Print how long each piece of work took, the longest first; `writing` is the report's, in seconds."""
    for name, seconds in sorted(outcome.seconds.items(), key=lambda item: -item[1]):
        if seconds >= BRIEF:
            print(f"{seconds:7.1f} s  {name}")
    together = sum(outcome.seconds.values())
    print(f"{together:7.1f} s  together, side by side in {outcome.settings['seconds']:.1f} s")
    print(f"{writing:7.1f} s  to draw and write the report")


def html(outcome: Outcome, drawn: Sequence[Drawn]) -> str:
    """The report as one HTML page that needs nothing else."""
    names = [claim.name for claim in outcome.claims]
    detectable = {
        name: [row["tests"][name]["detectable"] for row in outcome.rows if name in row["tests"]]
        for name in laws.LARGEST_DETECTABLE
    }
    routes = [route for pieces in outcome.evidence.values() for piece in pieces for route in piece.measured.values()]
    template = pages.environment().get_template(f"{outcome.command[0]}.html")
    return template.render(
        outcome=outcome,
        line=instrument_line(outcome),
        standings=standing.standings([verdict.as_json() for verdict in outcome.verdicts], outcome.rows),
        statements={claim.name: claim.statement for claim in outcome.claims},
        figures={name: [figure for figure in drawn if figure.claim == name] for name in names},
        inlined={figure.name: b64encode(figure.svg).decode() for figure in drawn},
        tables={name: columns([row for row in outcome.rows if row["claim"] == name]) for name in names},
        commands={name: command(outcome, name) for name in names},
        laws=laws,
        reached={name: max(numbers) for name, numbers in detectable.items() if numbers},
        allowance=max((float(np.max(route.allowance)) for route in routes), default=0.0),
        versions={name: _version(name) for name in PACKAGES},
    )


def command(outcome: Outcome, claim: str) -> str:
    """The command that gives the numbers of a claim again."""
    job, *options = outcome.command
    chosen = chain.from_iterable((ASKED[job], name) for name in outcome.settings.get("selected") or (claim,))
    return shlex.join(["diffusion-lab", job, *chosen, *options])


def columns(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """A claim's rows as a table: what is the same in all of them, and columns of texts by their headings.

    Numbers are named as in claims.json; what is empty in every row is left out.
    """
    regimes = [{"subject": row["subject"], "quantity": row["quantity"], **row["regime"]} for row in rows]
    told = {
        name.replace("_", " "): [_plain(regime.get(name, "")) for regime in regimes]
        for name in dict.fromkeys(chain.from_iterable(regimes))
    }
    shared = {name: texts[0] for name, texts in told.items() if len(rows) > 1 and len(set(texts)) == 1}
    routes = dict.fromkeys(name for row in rows for name, value in row.items() if isinstance(value, float))
    ends = {f"{name}{end}" for name in routes for end in ("_low", "_high")}
    filled = {
        **{name: texts for name, texts in told.items() if name not in shared},
        "paper": [_cell(row, "paper") for row in rows],
        "exact": [_cell(row, "exact") for row in rows],
        "paper / exact": ["" if row["deviation"] is None else pages.number(row["deviation"] + 1) for row in rows],
        "verdict": [row["verdict"] or "" for row in rows],
        **{
            name.replace("_", " "): [_cell(row, name) for row in rows]
            for name in routes
            if name not in {"paper", "exact", "deviation", *ends}
        },
        "detectable": [
            ", ".join(f"{100 * test['detectable']:.1f} %" for test in row["tests"].values()) for row in rows
        ],
        "instrument": [": ".join(filter(None, (row["instrument"], "; ".join(row["faults"])))) for row in rows],
    }
    return shared, {name: texts for name, texts in filled.items() if any(texts)}


def _cell(row: Mapping[str, Any], name: str) -> str:
    """A number, with its interval where there is one; empty where there is none."""
    value, low, high = (row.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return ""
    return pages.number(value) + (f" [{pages.number(low)}, {pages.number(high)}]" if low is not None else "")


def _plain(value: Any) -> str:
    """A coordinate's value in words."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
