"""The benchmark: all measurements, the table, and the files."""

import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import contests, fresh, machine, measure, targets
from benchmarks.outcome import Outcome
from benchmarks.precision import contest, problems, rare
from benchmarks.rows import table
from diffusion.progress import task

ROUNDS, QUICK_ROUNDS = 5, 3
RUNG, QUICK_RUNG = 1.2, 0.2  # processor seconds behind the bias of a contestant at one step
FRESH_RUNS = 3


def run(*, quick: bool = False, threads: int | None = None) -> Outcome:
    """Measure everything.

    Parameters
    ----------
    quick
        Fewer rounds and smaller sizes.
    threads
        Most threads to measure with; None: one for each core.
    """
    began, rounds = time.monotonic(), QUICK_ROUNDS if quick else ROUNDS
    here = machine.describe()
    threads = threads or here["cores"]
    varied, fresh_count = contests.growth(quick, threads), 1 if quick else FRESH_RUNS
    with task("rounds", 4 * (rounds + 1) + fresh_count + len(problems.PROBLEMS) + 1) as progress:
        with measure.one_core():
            entered, skipped = contests.workload_a(quick)
            a = measure.in_rounds(entered, rounds, progress)
            b = measure.in_rounds(contests.workload_b(quick), rounds, progress)
            precision, missing = contest.measure(QUICK_RUNG if quick else RUNG, progress)
            progress.say("a rare escape")
            escape = rare.measure()
            progress.step("a rare escape")
            dynamics = measure.in_rounds(contests.dynamics(quick), rounds, progress)
        here["load_at_threads"] = machine.load()
        contestants = [contestant for sizes in varied.values() for contestant in sizes.values()]
        flat = measure.in_rounds(contestants, rounds, progress)
        fresh_runs = fresh.measure(fresh_count, progress)
    growth = {name: {n: flat[contestant.name] for n, contestant in sizes.items()} for name, sizes in varied.items()}
    rows = [
        *targets.rows_a(a, skipped),
        *targets.rows_b(b),
        *targets.rows_precision(precision),
        *targets.rows_rare(escape),
        *targets.rows_dynamics(dynamics),
        *targets.rows_growth(growth, here["load_at_threads"]),
        *targets.rows_fresh(fresh_runs),
    ]
    setting = here | {
        "quick": quick,
        "rounds": rounds,
        "vectors": fresh_runs.vectors,
        "skipped": skipped | missing,
        "seconds": round(time.monotonic() - began),
        "machine": _machine(here, fresh_runs.vectors),
        "rules": _rules(rounds),
    }
    return Outcome(rows, {"A": a, "B": b, "dynamics": dynamics}, growth, precision, setting)


def _machine(here: dict[str, Any], vectors: dict[str, int]) -> str:
    used = ", ".join(f"{count} on {name}" for name, count in vectors.items()) or "not known"
    versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items())
    return (
        f"{here['processor']}, {here['cores']} cores, {here['system']}; packed arithmetic of the kernel of A: {used}; "
        f"{versions}; load average before: {here['load_before']}."
    )


def _rules(rounds: int) -> list[str]:
    return [
        f"ns: per coordinate update, one core. Same scheme and step, float64 unless said; compiled first; {rounds} "
        "rounds in turns, ratios within a round, fresh processes apart.",
        "Slow contestants do fewer iterations (A) or replicas (B), which leaves their cost per update as it is or "
        "lowers it.",
        "1 %: processor seconds to a total error of 1 %, bias and sampling together; the step and the number of "
        "paths are the cheapest by measured bias, spread and cost; real runs unless longer than 1.5 s, in 3 rounds.",
    ]


def write(outcome: Outcome, out: Path) -> str:
    """Write bench.json, bench.txt and the figure beside `out`, then move them in; returns the table."""
    from benchmarks import figure
    from benchmarks.precision import figure as precision_figure

    text = table(outcome.rows, outcome.footer)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        (partial / "bench.json").write_text(json.dumps(outcome.record(), indent=1, allow_nan=False) + "\n")
        (partial / "bench.txt").write_text(text, encoding="utf-8")
        figure.draw(outcome, partial)
        precision_figure.draw(outcome.precision, partial)
        out.mkdir(exist_ok=True)
        for path in sorted(partial.iterdir()):
            os.replace(path, out / path.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return text
