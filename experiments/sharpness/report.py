"""What the escape job writes and prints: its numbers and its verdicts."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.referee.verdict import Verdict
from experiments.sharpness.job import STORES, Outcome
from experiments.sharpness.power import interval

STATES = {True: "excluded", False: "possible", None: ""}


def write(outcome: Outcome, verdicts: Iterable[Verdict], out: Path) -> None:
    """escape.json, everything that the figures of rates show, and verdicts.json."""
    out.mkdir(parents=True, exist_ok=True)
    told = [verdict.as_json() for verdict in verdicts]
    for name, content in (("escape", asdict(outcome)), ("verdicts", told)):
        unfinished = out / f".{name}.json.partial"
        unfinished.write_text(json.dumps(_finite(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        unfinished.replace(out / f"{name}.json")


def _finite(value: Any) -> Any:
    """The same with None for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def print_table(outcome: Outcome, verdicts: Iterable[Verdict], out: Path) -> None:
    """Print every fitted power, every finding, and where the figures are."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    powers = Table(title="p in -log(rate/k) = c + a k^-p; of Adam, in -log(rate/sqrt(k)). 95 % intervals")
    for column in ("setting", "d", "optimizer", "route", "escapes", "p", "the paper", "p = 1", "p = 1/2", "raw p"):
        powers.add_column(column)
    for fit in outcome.fits:
        powers.add_row(
            fit["setting"],
            str(fit["dimension"]),
            fit["optimizer"],
            fit["route"],
            f"{fit['points']} of {fit['points'] + fit['left_out']}",
            interval(fit),
            f"{fit['claimed']:g}",
            STATES[fit["excludes_1"]],
            STATES[fit["excludes_1/2"]],
            interval(fit["raw"]) if fit["raw"] else "",
        )
    console.print(powers)
    for verdict in verdicts:
        said = f"{verdict.claim}; {verdict.subject}: {verdict.level}: {verdict.sentence}"
        console.print(said, soft_wrap=True, highlight=False, markup=False)
    for row in outcome.failed:
        where = "{setting}, d = {dimension}: {optimizer}, {route}, k = {sharpness:.3g}".format(**row)
        console.print(f"failed: {where}: {row['fault']}", soft_wrap=True, highlight=False, markup=False)
    files = f"escape.json, verdicts.json, captions.txt, figures/, {STORES}/"
    console.print(f"Written to {out}/: {files}", soft_wrap=True, highlight=False)
