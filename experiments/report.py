"""The report: one self-contained page, and the verdict table for a terminal."""

import re
import sys
from base64 import b64encode
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments import standing
from experiments.drawing import Drawn
from experiments.minima.claims import SCHEME, THEOREM_3
from experiments.referee import laws as statistics
from experiments.verdicts import ClaimVerdict

if TYPE_CHECKING:
    from experiments.verify import Outcome

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:76rem;margin:2rem auto;padding:0 1rem}
h1{line-height:1.2}h2{margin-top:3rem;border-top:1px solid #ccc;padding-top:1rem}
table{border-collapse:collapse;font-size:.88rem;width:100%}th,td{text-align:left;padding:.3rem .6rem;vertical-align:top;
border-bottom:1px solid #ddd}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th{background:#f3f3f3;position:sticky;top:0}img{width:100%;height:auto}figure{margin:1.5rem 0}
figcaption{color:#444;font-size:.9rem}.ok{color:#00694a}.failed{color:#b00020;font-weight:bold}
.inconclusive{color:#8a5a00}summary{cursor:pointer}.rows td:nth-child(2):not(.n){min-width:18em}.scroll{overflow:auto;max-height:40rem}
"""


def slug(text: str) -> str:
    """A file name for a text."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


def instrument_line(outcome: "Outcome") -> str:
    """The state of the instrument in a sentence."""
    counts, settings = outcome.instrument, outcome.settings
    state = "right" if outcome.passed else "NOT right"
    line = (
        f"The instrument is {state}: of {len(outcome.rows)} rows {counts['ok']} are ok, {counts['failed']} failed, "
        f"{counts['inconclusive']} inconclusive ({outcome.tests} tests at a family-wise false-positive rate of "
        f"{statistics.FAMILY_WISE_RATE:g}, each at {outcome.rate:.2g}; seed {settings['seed']}, {settings['replicas']} replicas)."
    )
    if settings["quick"]:
        line += " This was a quick run: its tests are too weak to be conclusive, and that does not count against it."
    return line


def print_table(outcome: "Outcome", out: Path) -> None:
    """Print a verdict for each claim, and where the report is."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(title="How right is the paper?", show_lines=True)
    for column, ratio in (("claim", 2), ("of", 2), ("verdict, computed", 9), ("instrument", 2)):
        table.add_column(column, ratio=ratio)
    for verdict in outcome.verdicts:
        table.add_row(verdict.claim.name, verdict.subject, verdict.sentence, _instrument(outcome, verdict))
    console.print(table)
    console.print(instrument_line(outcome), soft_wrap=True)
    console.print(f"Report: {out / 'report.html'}", soft_wrap=True, highlight=False)


def html(outcome: "Outcome", drawn: list[Drawn]) -> str:
    """The report as one HTML page that needs nothing else."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>",
        f"<title>diffusion-lab: how right is the paper?</title><style>{STYLE}{standing.STYLE}</style>",
        "<h1>How right is the theory of optimizer diffusion?</h1>",
        "<p>Every claim of Xie et al. about saddles and minima, <cite>Adaptive Inertia: Disentangling the Effects of Adaptive Learning "
        "Rate and Momentum</cite> (ICML 2022), set beside the exact moments of the stated dynamics, beside simulations, and "
        "beside the optimizers that torch ships. Every verdict is computed from the numbers below.</p>",
        f"<p class='{'ok' if outcome.passed else 'failed'}'>{escape(instrument_line(outcome))}</p>",
        standing.table(standing.standings(outcome.rows), lambda claim: _inside(outcome, claim, drawn)),
        _how_to_read(outcome),
    ]
    settings = ", ".join(f"{name} = {value}" for name, value in outcome.settings.items())
    parts.append(f"<h2>Settings</h2><p>{escape(settings)}; {escape(_versions())}</p></html>")
    return "\n".join(parts)


def _how_to_read(outcome: "Outcome") -> str:
    limits = ", ".join(f"{name} {100 * limit:.0f} %" for name, limit in statistics.LARGEST_DETECTABLE.items())
    strengths = {
        name: [row["tests"][name]["detectable"] for row in outcome.rows if name in row["tests"]]
        for name in statistics.LARGEST_DETECTABLE
    }
    reached = ", ".join(f"{name} {100 * max(found):.1f} %" for name, found in strengths.items() if found)
    return f"""<h2>How to read this</h2>
<p><b>The claim and the instrument are judged apart.</b> A verdict compares the paper's formula with the exact value, without
noise. The instrument compares each ensemble with the exact moments of the recursion that it performs, at its own number of
substeps; the optimizers with a running second moment have no exact moments, so torch is compared with our own ensemble of the
same. Only the instrument decides the exit status.</p>
<p><b>Error rates.</b> All {outcome.tests} tests together reject wrongly with probability at most
{statistics.FAMILY_WISE_RATE:g}, so each has a rate of {outcome.rate:.2g} (Bonferroni). Each row states the smallest deviation
that it would reject with probability {statistics.POWER:g}; above the limit ({limits}) it is inconclusive. Largest in this
run: {reached}. Intervals of single rows are 95 %.</p>
<p><b>SDE ensembles</b> use graded substeps: 64/T per iteration, at least 2. The column "scheme" is the distance of their
recursion to the SDE, computed without noise; it shrinks like 1/substeps, which is checked on every row.</p>
<p><b>As shipped</b> is the optimizer with its running second moment and bias corrections, against the idealization with the
second moment held at the noise variance. It is reported, and never part of the exit status.</p>
<p><b>Minima.</b> Exits of an ensemble are compared with the exact mean of the recursion that it performs: without inertia by the integral
equation of its Markov chain, with inertia by the phase-space Fokker-Planck grid with an allowance of {100 * SCHEME:g} % for the time step. The
quadrature and the grid, which share no code, must agree to 1e-5 without inertia; with inertia the grid's own error estimate must be below 1 %.</p>
<p>H is an eigenvalue of the Hessian, T a number of iterations. MSD is the mean squared displacement from the saddle in
theta<sup>2</sup>. For eigenvalue 0 the noise is isotropic; for all others its variance is |H|/B.</p>"""


def _inside(outcome: "Outcome", name: str, drawn: list[Drawn]) -> str:
    """What a claim's row unfolds to: what the paper says, more of the verdicts, figures, all numbers, and the command."""
    verdicts = [verdict for verdict in outcome.verdicts if verdict.claim.name == name]
    claim = verdicts[0].claim
    more = "".join(
        f"<p><b>{escape(verdict.subject)}</b>, more: {escape(text)}</p>"
        for verdict in verdicts
        for text in (verdict.extremes, verdict.shipped)
        if text
    )
    instrument = "; ".join(f"{verdict.subject}: {_instrument(outcome, verdict)}" for verdict in verdicts)
    figures = "".join(
        f"<figure><img alt='{escape(one.caption, quote=True)}' src='data:image/svg+xml;base64,"
        f"{b64encode(one.svg.read_bytes()).decode()}'><figcaption>{escape(one.caption)}</figcaption></figure>"
        for one in drawn
        if one.claim == name
    )
    if not figures and verdicts[0].comparisons:
        figures = f"<p>The figures about minima are in the row of {THEOREM_3.name}.</p>"
    rows = [row for row in outcome.rows if row["claim"] == name]
    header, body = _minima_table(rows) if verdicts[0].comparisons else _saddle_table(rows)
    return (
        f"<p>The paper ({escape(claim.place)}): {escape(claim.statement)}</p>{more}{figures}<p>Instrument: {escape(instrument)}.</p>"
        f"<details class='rows'><summary>All {len(rows)} rows</summary><div class='scroll'><table><tr>{header}</tr>{body}</table></div>"
        f"</details><p>Again: <code>{escape(command(outcome.settings))}</code></p>"
    )


def command(settings: dict[str, Any]) -> str:
    """The command that gives the same numbers."""
    return f"diffusion-lab verify --seed {settings['seed']}{' --quick' if settings['quick'] else ''}"


def _saddle_table(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """Header and body of a table of displacements."""
    names = (
        "regime", "H", "T", "paper", "exact SDE", "paper/exact", "verdict", "SDE ensemble", "scheme", "discrete", "its exact",
        "torch", "as shipped", "detectable", "instrument",
    )  # fmt: skip
    return "".join(f"<th>{name}" for name in names), "".join(map(_row, rows))


def _minima_table(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """Header and body of a table of comparisons."""
    names = (
        "of", "regime", "quantity", "paper", "exact", "paper/exact", "verdict", "Fokker-Planck", "SDE ensemble", "its exact", "discrete",
        "its exact", "torch", "splitting", "its exact", "as shipped", "detectable", "instrument",
    )  # fmt: skip
    body = ""
    for row in rows:
        regime = {name: value for name, value in row["regime"].items() if name != "optimizer"}
        words = "; ".join(f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in regime.items())
        ratio = None if row["deviation"] is None else row["deviation"] + 1
        detectable = ", ".join(f"{100 * test['detectable']:.1f} %" for test in row["tests"].values())
        numbers = [
            row["quantity"], row["paper"], row["exact"], ratio, row["verdict"] or "", row["fokker_planck"], _measured(row, "simulated"),
            row["exact_simulated"], _measured(row, "discrete"), row["exact_discrete"], _measured(row, "torch"),
            _measured(row, "splitting") if "splitting" in row else "", row.get("exact_splitting"), _measured(row, "shipped"), detectable,
        ]  # fmt: skip
        cells = "".join(f"<td class='n'>{escape(one if isinstance(one, str) else _short(one))}" for one in numbers)
        body += (
            f"<tr><td>{escape(row['regime']['optimizer'])}<td>{escape(words)}{cells}"
            f"<td class='{row['instrument']}'>{_state(row)}</tr>"
        )
    return "".join(f"<th>{name}" for name in names), body


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _row(row: dict[str, Any]) -> str:
    regime = row["regime"]
    words = [regime["optimizer"], regime.get("style"), f"from {regime['start']}"]
    if "beta1" in regime:
        words.insert(2, f"beta1 = {regime['beta1']:g}")
    detectable = ", ".join(f"{100 * test['detectable']:.1f} %" for test in row["tests"].values())
    ratio = None if row["deviation"] is None else row["deviation"] + 1
    scheme = "" if row["substeps_deviation"] is None else f"{100 * row['substeps_deviation']:+.2f} %"
    numbers = [
        regime.get("eigenvalue"), regime["iterations"], row["paper"], row["exact"], ratio, row["verdict"] or "",
        _measured(row, "simulated"), scheme, _measured(row, "discrete"), row["exact_discrete"], _measured(row, "torch"),
        _measured(row, "shipped"), detectable,
    ]  # fmt: skip
    cells = "".join(f"<td class='n'>{escape(value if isinstance(value, str) else _short(value))}" for value in numbers)
    return (
        f"<tr><td>{escape(', '.join(word for word in words if word))}{cells}"
        f"<td class='{row['instrument']}'>{_state(row)}</tr>"
    )


def _state(row: dict[str, Any]) -> str:
    """The state of a row's instrument, and what is missing."""
    return escape(": ".join([row["instrument"], "; ".join(row["faults"])]) if row["faults"] else row["instrument"])


def _measured(row: dict[str, Any], name: str) -> str:
    if row[name] is None:
        return "–"
    return f"{_short(row[name])} [{_short(row[f'{name}_low'])}, {_short(row[f'{name}_high'])}]"


def _short(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.4g}"


def _instrument(outcome: "Outcome", verdict: ClaimVerdict) -> str:
    states = [
        row["instrument"]
        for row in outcome.rows
        if row["claim"] == verdict.claim.name and row["subject"] == verdict.subject
    ]
    counts = {state: states.count(state) for state in ("ok", "failed", "inconclusive")}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("diffusion-lab", "numpy", "scipy", "numba", "torch"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)
