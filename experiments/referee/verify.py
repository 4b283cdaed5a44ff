"""The main job: claims by every route, verdicts, rows, figures and the report."""

import contextlib
import json
import os
import pickle
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffusion.engine import thread_count
from diffusion.progress import Task, task
from experiments import drawing
from experiments.problems import saddles
from experiments.referee import laws, pages, report, rows
from experiments.referee.claim import Claim
from experiments.referee.evidence import Evidence
from experiments.referee.faults import left_out
from experiments.referee.outcome import Outcome
from experiments.referee.routes import Routes
from experiments.referee.verdict import Verdict
from experiments.referee.workers import Workers
from experiments.sweep.cluster import without_script

REPLICAS, TORCH_REPLICAS = 12288, 2800
UNSENT = (pickle.PicklingError, AttributeError, TypeError)  # what pickle raises of what it cannot send
QUICK = 8  # a quick run has this many times fewer replicas
MOST = 4  # claims that are tried at the same time: a grid in phase space takes hundreds of megabytes


def run(
    claims: Sequence[Claim],
    *,
    quick: bool = False,
    seed: int = 0,
    threads: int | None = None,
    selected: Sequence[str] = (),
) -> Outcome:
    """Compute these claims by every route and judge them.

    Parameters
    ----------
    claims
        What to try; claims that they build on are computed too, and not judged.
    quick
        Run an eighth of the replicas; rows are then too weak to be conclusive, and that is no failure.
    seed
        Seed of all ensembles, a whole number >= 0.
    threads
        Threads; None: all cores.
    selected
        How these claims were asked for, for the record; nothing if all were.
    """
    share = QUICK if quick else 1
    routes = Routes(REPLICAS // share, TORCH_REPLICAS // share, seed, threads, quick)
    settings: dict[str, Any] = {"seed": seed, "quick": quick, "lr": saddles.LR, "batch_size": saddles.BATCH_SIZE}
    settings |= {"replicas": routes.replicas, "torch_replicas": routes.torch_replicas}
    command = ("verify", "--seed", str(seed), *["--quick"] * quick)
    return tried(claims, routes, settings, selected, command, min(thread_count(threads), MOST))


def tried(
    claims: Sequence[Claim],
    routes: Routes,
    settings: dict[str, Any],
    selected: Sequence[str],
    command: tuple[str, ...],
    at_once: int = 1,
) -> Outcome:
    """Try claims with these routes, so many at once, and judge them; the three before the last are for the record."""
    began = time.monotonic()
    with task("claims", len(claims)) as progress:
        routes.on_start = progress.say
        if at_once > 1:
            _try_apart(claims, routes, at_once, progress)
        for claim in claims:
            if ("evidence", claim.name) not in routes.memory:
                claim.tried(routes)
                progress.step(claim.name)
    settings = settings | {"seconds": round(time.monotonic() - began, 1)}
    settings |= {"selected": list(selected)} if selected else {}
    evidence = {claim.name: claim.tried(routes) for claim in claims}
    return replace(judge(claims, evidence, settings, command), seconds=routes.seconds)


def _try_apart(claims: Sequence[Claim], routes: Routes, at_once: int, progress: Task) -> None:
    """Try claims that build on no other, and those built on, in processes; what these do not give is left."""
    apart = dict.fromkeys(part for claim in claims for part in claim.builds_on or (claim,))
    if len(apart) == 1:  # it has all threads as it is
        return
    given = {name: getattr(routes, name) for name in ("replicas", "torch_replicas", "seed", "threads", "quick")}
    workers, futures = Workers(at_once), dict[Future[Any], Claim]()
    try:
        for claim in apart:
            with without_script(), contextlib.suppress(*UNSENT, BrokenExecutor):
                futures[workers.submit(_in_a_worker, pickle.dumps(claim), given)] = claim
        waiting = list(futures.values())
        progress.say(", ".join(each.name for each in waiting[:at_once]))
        for future in as_completed(futures):
            claim = futures[future]
            waiting.remove(claim)
            progress.say(", ".join(each.name for each in waiting[:at_once]))
            if future.exception() is None:
                memory, seconds = future.result()
                routes.memory |= memory
                routes.seconds |= seconds
                if claim in claims:
                    progress.step(claim.name)
    finally:
        workers.close()


def _in_a_worker(claim: bytes, given: dict[str, Any]) -> tuple[dict[Any, Any], dict[str, float]]:
    """Try a claim: all that was computed on the way, and how long it took."""
    routes = Routes(**given)
    pickle.loads(claim).tried(routes)
    return routes.memory, routes.seconds


def judge(
    claims: Sequence[Claim],
    evidence: dict[str, list[Evidence]],
    settings: dict[str, Any],
    command: tuple[str, ...] = ("verify",),
) -> Outcome:
    """Verdicts and rows from the evidence; the last two are for the record."""
    tests = sum(piece.tests for pieces in evidence.values() for piece in pieces)
    rate = laws.FAMILY_WISE_RATE / max(tests, 1)
    verdicts: list[Verdict] = []
    listed: list[dict[str, Any]] = []
    for claim in claims:
        for verdict in claim.verdicts(evidence[claim.name]):
            verdicts.append(verdict)
            for piece in evidence[claim.name]:
                if piece.subject == verdict.subject:
                    listed += rows.rows(claim, verdict, piece, rate)
    return Outcome(claims, evidence, verdicts, listed, tests, rate, settings, command)


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


def write(outcome: Outcome, out: Path) -> None:
    """Write claims.json, verdicts.json, data, figures and the report beside `out`, then move them in.

    Files of the same name are replaced, others in `out` are left alone.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        verdicts = [verdict.as_json() for verdict in outcome.verdicts]
        for name, content in (("claims", outcome.rows), ("verdicts", verdicts)):
            (partial / f"{name}.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
        (partial / "data").mkdir()
        taken: Counter[str] = Counter()
        for name, pieces in outcome.evidence.items():
            for piece in pieces:
                stem = pages.slug(f"{name} {piece.label}")
                taken[stem] += 1
                path = partial / "data" / (f"{stem}-{taken[stem]}.nc" if taken[stem] > 1 else f"{stem}.nc")
                with left_out(path.name):
                    piece.storable().to_netcdf(path, engine="scipy")
        drawn: list[drawing.Drawn] = []
        for claim in outcome.claims:
            with left_out(f"a figure of the claim {claim.name}"):
                drawn += drawing.save(_figures(claim, outcome.evidence[claim.name]), partial / "figures")
        (partial / "report.html").write_text(report.html(outcome, drawn), encoding="utf-8")
        for path in sorted(partial.rglob("*")):
            if path.is_file():
                target = out / path.relative_to(partial)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _figures(claim: Claim, evidence: Sequence[Evidence]) -> list[drawing.Named]:
    """A claim's figures, if nothing of its evidence is missing."""
    return [] if any(piece.why_missing for piece in evidence) else list(claim.figures(evidence))
