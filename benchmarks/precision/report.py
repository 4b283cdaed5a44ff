"""What the contest found, in words: the table below that of the aims, and the record."""

from typing import Any

import numpy as np

from benchmarks.precision import bias
from benchmarks.precision.contest import ONE, Entries, Entry
from benchmarks.precision.problems import EULER, PROBLEMS, TARGETS

Found = dict[str, Entries]


def best(entries: Entries, *names: str) -> Entry | None:
    """The fastest at 1 % of the contestants named; None if none has a plan."""
    known = [entry for entry in entries.values() if entry.solver.name in names and entry.time(ONE)]
    return min(known, key=lambda entry: float(np.median(entry.time(ONE))), default=None)


def euler(entries: Entries, name: str) -> Entry | None:
    """Of this contestant; None if it is not there, or has no plan for 1 %."""
    return best({label: entry for label, entry in entries.items() if entry.solver.scheme == EULER}, name)


def order_in_words(entry: Entry) -> str:
    """The order of the bias with its interval, or that it is not known."""
    if entry.fit is None:
        return "not resolved"
    return f"{entry.fit.order:.2g} [{entry.fit.low:.2g}, {entry.fit.high:.2g}]"


def root_mean_square(errors: list[float]) -> float:
    """Of the errors of real runs; NaN if there are none."""
    return float(np.sqrt(np.mean(np.square(errors)))) if errors else np.nan


def table(found: Found) -> list[str]:
    """Lines: a contestant of a problem each, with the seconds for each total error, ~ before those not run."""
    heads = [f"{100 * target:g} %" for target in TARGETS]
    lines = [
        "Work against precision: seconds for a total error (bias and sampling), ~ if not run: updates times cost. "
        "ns: per update; steps: in the longest one, for 1 %; found: root mean square error of the runs for 1 %.",
        f"{'':<50}{'ns':>6}{'order of bias':>18}{'steps x paths':>14}"
        + "".join(f"{head:>9}" for head in heads)
        + f"{'found':>8}",
    ]
    for key, entries in found.items():
        lines.append(PROBLEMS[key].title)
        for label, entry in sorted(entries.items(), key=_at_one):
            plan = entry.plans[ONE]
            at = "" if plan is None else f"{plan.substeps} x {plan.paths}"
            cells = "".join(f"{_seconds(entry, target):>9}" for target in TARGETS)
            rms = root_mean_square(entry.errors)
            seen = "" if np.isnan(rms) else f"{100 * rms:.2g} %"
            cost = _short(float(np.median(entry.ns)))
            lines.append(f"  {label:<48}{cost:>6}{order_in_words(entry):>18}{at:>14}{cells}{seen:>8}")
    return lines


def _at_one(item: tuple[str, Entry]) -> float:
    return float(np.median(item[1].time(ONE))) if item[1].time(ONE) else np.inf


def _seconds(entry: Entry, target: float) -> str:
    seconds = entry.time(target)
    if not seconds:
        return "unknown"
    return ("" if target in entry.seconds else "~") + _short(float(np.median(seconds)))


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


def record(found: Found) -> dict[str, Any]:
    """For bench.json: all that was measured."""
    return {key: {label: _entry(entry) for label, entry in entries.items()} for key, entries in found.items()}


def _entry(entry: Entry) -> dict[str, Any]:
    ranges = [
        [float(end) if np.isfinite(end) else None for end in ends]
        for ends in bias.intervals(entry.rungs, list(entry.plans))
    ]
    return {
        "ns_per_update": entry.ns,
        "bias": [rung._asdict() for rung in entry.rungs],
        "order": None if entry.fit is None else entry.fit._asdict(),
        "errors_at_1_percent": entry.errors,
        "totals": {
            str(target): None
            if plan is None
            else plan._asdict()
            | {"seconds": entry.time(target), "run": target in entry.seconds, "updates_interval": ends}
            for (target, plan), ends in zip(entry.plans.items(), ranges, strict=True)
        },
    }
