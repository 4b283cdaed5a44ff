"""The main job: every claim by every route, verdicts, and the report."""

import json
import os
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import claims, figures, judge, minima, report, rows, verdicts
from experiments.ensembles import Ensembles
from experiments.minima import verdicts as minima_verdicts
from experiments.problems import saddles as regimes
from experiments.progress import Progress
from experiments.referee import laws as statistics

REPLICAS, TORCH_REPLICAS = 12288, 2800
EXITS = 5  # quarters: a mean exit time varies more than a mean square over as many replicas
QUICK = 8  # a quick run has this many times fewer replicas


@dataclass(frozen=True)
class Outcome:
    """What a run found.

    Attributes
    ----------
    verdicts
        One for each claim, kind of dynamics and start.
    rows
        The rows of claims.json.
    tests
        Number of statistical tests.
    rate
        False-positive rate of each of them: `statistics.FAMILY_WISE_RATE` shared equally (Bonferroni).
    settings
        Seed, replicas and the like, for the record.
    """

    verdicts: list[verdicts.ClaimVerdict]
    rows: list[dict[str, Any]]
    tests: int
    rate: float
    settings: dict[str, Any]

    @property
    def instrument(self) -> Counter[str]:
        """How many rows are "ok", "failed", "inconclusive"."""
        return Counter(row["instrument"] for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether the instrument is right: no row failed and, in a full run, none is inconclusive."""
        return not self.instrument["failed"] and (self.settings["quick"] or not self.instrument["inconclusive"])


def run(*, quick: bool = False, seed: int = 0, threads: int | None = None, progress: Progress | None = None) -> Outcome:
    """Compute every claim by every route and judge it.

    Parameters
    ----------
    quick
        Run an eighth of the replicas; rows are then too weak to be conclusive, and that is no failure.
    seed
        Seed of all ensembles, a whole number >= 0.
    threads
        Threads; None: all cores.
    progress
        Where to show progress; None: nowhere.
    """
    began = time.monotonic()
    progress = progress or Progress(quiet=True)
    share = QUICK if quick else 1
    ensembles = Ensembles(REPLICAS // share, TORCH_REPLICAS // share, seed, threads, progress.say)
    found = []
    todo = claims.cases()
    progress.total = len(todo) + len(minima.TITLES)
    for case in todo:
        found.append(judge.compute(case, ensembles))
        progress.advance(f"{case.claim.name}: {case.label}")
    used = claims.table_1_cases(todo)
    found += judge.table_1([one for one in found if one.case in used])

    exits = EXITS * ensembles.replicas // 4
    runner = minima.Runner(exits, ensembles.torch_replicas, seed, threads, quick)
    comparisons = minima.compute(runner, progress.advance)

    tests = sum(one.tests for one in found) + sum(one.tests for one in comparisons)
    rate = statistics.FAMILY_WISE_RATE / max(tests, 1)
    concluded = verdicts.conclude(found) + minima_verdicts.conclude(comparisons)
    settings = {
        "seed": seed,
        "quick": quick,
        "replicas": ensembles.replicas,
        "torch_replicas": ensembles.torch_replicas,
        "lr": regimes.LR,
        "batch_size": regimes.BATCH_SIZE,
        "seconds": round(time.monotonic() - began, 1),
    }
    all_rows = [row for verdict in concluded for row in rows.rows(verdict, rate)]
    return Outcome(concluded, all_rows, tests, rate, settings)


def check_directory(out: Path) -> None:
    """Refuse a result directory that could not be written, before anything is computed.

    Raises
    ------
    ValueError
        If out is not a directory, or neither it nor its parent can be written.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"out = '{out}' is a file; give a directory")
    parent = out.absolute()
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise ValueError(f"out = '{out}' cannot be created or written; give a directory you can write to")


def write(outcome: Outcome, out: Path, seed: int = 0, progress: Progress | None = None) -> None:
    """Write claims.json, data, figures and the report beside `out`, then move them in.

    Files of the same name are replaced, others in `out` are left alone.
    """
    progress = progress or Progress(quiet=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        progress.say("writing data")
        (partial / "claims.json").write_text(json.dumps(outcome.rows, indent=1, allow_nan=False) + "\n")
        (partial / "data").mkdir()
        for verdict in outcome.verdicts:
            for judged in verdict.parts:
                name = f"{report.slug(f'{verdict.claim.name} {judged.case.label}')}.nc"
                judged.dataset().to_netcdf(partial / "data" / name, engine="scipy")
        progress.say("drawing figures")
        drawn = figures.draw(outcome.verdicts, partial / "figures", seed)
        (partial / "report.html").write_text(report.html(outcome, drawn), encoding="utf-8")
        for path in sorted(partial.rglob("*")):
            if path.is_file():
                target = out / path.relative_to(partial)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
