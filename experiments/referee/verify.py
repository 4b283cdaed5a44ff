"""The main job: claims by every route, verdicts, rows, figures and the report."""

import contextlib
import json
import os
import pickle
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
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
from experiments.referee.verdict import LEVELS, Verdict
from experiments.referee.workers import Workers
from experiments.sweep.cluster import without_script

REPLICAS, TORCH_REPLICAS = 12288, 2800
UNSENT = (pickle.PicklingError, AttributeError, TypeError)  # what pickle raises of what it cannot send
QUICK = 8  # a quick run has this many times fewer replicas
MOST = 4  # claims that are tried at the same time: a grid in phase space takes hundreds of megabytes


def run(
    claims: Sequence[Claim],
    *,
    size: str = "default",
    seed: int = 0,
    threads: int | None = None,
    selected: Sequence[str] = (),
) -> Outcome:
    """Compute these claims by every route and judge them.

    Parameters
    ----------
    claims
        What to try; claims that they build on are computed too, and not judged.
    size
        "quick": with an eighth of the replicas; rows are then too weak to be conclusive, and that is no failure.
        "default", and "full": with more regimes.
    seed
        Seed of all ensembles, a whole number >= 0.
    threads
        Threads; None: all cores.
    selected
        How these claims were asked for, for the record; nothing if all were.
    """
    share = QUICK if size == "quick" else 1
    routes = Routes(REPLICAS // share, TORCH_REPLICAS // share, seed, threads, size)
    settings: dict[str, Any] = {"seed": seed, "size": size, "lr": saddles.LR, "batch_size": saddles.BATCH_SIZE}
    settings |= {"replicas": routes.replicas, "torch_replicas": routes.torch_replicas}
    command = ("verify", "--seed", str(seed), *([] if size == "default" else [f"--{size}"]))
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
    with task("claims", len(claims), told=True) as progress:
        routes.on_start = progress.say
        if at_once > 1:
            _try_apart(claims, routes, at_once, progress)
        for claim in claims:
            _try_here(claim, routes, progress)
    settings = settings | {"seconds": round(time.monotonic() - began, 1)}
    settings |= {"selected": list(selected)} if selected else {}
    evidence = {claim.name: claim.tried(routes) for claim in claims}
    figures = {claim.name: routes.memory.get(("figures", claim.name), []) for claim in claims}
    return replace(judge(claims, evidence, settings, command), seconds=routes.seconds, figures=figures)


def _try_here(claim: Claim, routes: Routes, progress: Task) -> None:
    """Try a claim in this process, if it was not yet."""
    if not _is_tried(claim, routes):
        claim.tried(routes)
        _tell(claim, routes, progress)


def _is_tried(claim: Claim, routes: Routes) -> bool:
    return ("evidence", claim.name) in routes.memory


def _tell(claim: Claim, routes: Routes, progress: Task) -> None:
    """Say that a claim was tried, and of how many subjects it is right."""
    levels = Counter(verdict.level for verdict in claim.verdicts(claim.tried(routes)))
    several = levels.total() > 1
    told = ", ".join(f"{levels[level]} {level}" if several else level for level in LEVELS if level in levels)
    progress.step(f"{claim.name}: {told}")


def in_order(claims: Sequence[Claim]) -> list[Claim]:
    """Claims that build on no other, and those built on, as they are to begin.

    Brief ones that others build on are first, so that these are tried beside the rest; then the longest, so that all
    processes end at about the same time.
    """
    built_on = dict.fromkeys(part for claim in claims for part in claim.builds_on)
    apart = [*built_on, *(claim for claim in claims if not claim.builds_on and claim not in built_on)]
    return sorted(apart, key=lambda claim: (claim not in built_on or claim.effort > 0, -claim.effort))


def _try_apart(claims: Sequence[Claim], routes: Routes, at_once: int, progress: Task) -> None:
    """Try claims that build on no other, and those built on, in processes; what these do not give is left.

    What builds on others is tried in this process as soon as it can be.
    """
    apart = in_order(claims)
    if len(apart) == 1:  # it has all threads as it is
        return
    given = {name: getattr(routes, name) for name in ("replicas", "torch_replicas", "seed", "threads", "size")}
    workers, futures = Workers(at_once), dict[Future[Any], Claim]()
    try:
        for claim in apart:
            with without_script(), contextlib.suppress(*UNSENT, BrokenExecutor):
                futures[workers.submit(_in_a_worker, pickle.dumps(claim), given, claim in claims)] = claim
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
                    _tell(claim, routes, progress)
            for other in claims:
                if other.builds_on and all(_is_tried(part, routes) for part in other.builds_on):
                    _try_here(other, routes, progress)
    finally:
        workers.close()


def _in_a_worker(pickled: bytes, given: dict[str, Any], drawn: bool) -> tuple[dict[Any, Any], dict[str, float]]:
    """Try a claim and draw its figures: all that was computed on the way, and how long it took."""
    claim, routes = pickle.loads(pickled), Routes(**given)
    evidence = claim.tried(routes)
    began = time.monotonic()
    if drawn:
        with contextlib.suppress(Exception):  # whatever breaks does so again where it is told
            routes.memory["figures", claim.name] = list(drawing.drawn(_figures(claim, evidence)))
    routes.seconds[claim.name] += time.monotonic() - began
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
                here = outcome.figures.get(claim.name)
                drawn += here or drawing.drawn(_figures(claim, outcome.evidence[claim.name]))
        for figure in drawn:
            figure.write(partial / "figures")
        (partial / "report.html").write_text(report.html(outcome, drawn), encoding="utf-8")
        for path in sorted(partial.rglob("*")):
            if path.is_file():
                target = out / path.relative_to(partial)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _figures(claim: Claim, evidence: Sequence[Evidence]) -> Iterator[drawing.Named]:
    """A claim's figures, if nothing of its evidence is missing; made one by one, as each is drawn."""
    if not any(piece.why_missing for piece in evidence):
        yield from claim.figures(evidence)
