"""The measurement: cost of an update, bias on a ladder of steps, the plan for each total error, and real runs of it."""

import time
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from benchmarks.contests import Skipped
from benchmarks.precision import bias, ours
from benchmarks.precision.bias import Plan, Power, Rung
from benchmarks.precision.problems import PROBLEMS, TARGETS, Problem, Sample, Solver
from diffusion.progress import Task

ONE = 0.01  # the total error at which contestants are compared, and that is confirmed by real runs
LADDER = (1, 2, 4, 8, 16, 32)
STANDARD = 4  # substeps at which the cost of an update is measured, and those that do the same are compared
ROUNDS = 3
PILOT = 6000  # paths of a run that measures a cost, at least: about as many as 1 % takes
SLOW = 0.5  # seconds of such a run, of which one is enough
FEW = 1000  # of one on the ladder, at least
COSTLY = 0.1  # seconds of a run that measures a cost
LONGEST = 1.5  # seconds of a real run; longer ones are not made, and their time is updates times cost
SHORT = 0.1  # seconds of a real run that every round has, whatever its total error


@dataclass
class Entry:
    """A solver of a problem and what was found.

    Attributes
    ----------
    ns
        Processor time per update in each round.
    check
        Relative error of the standard run and its standard error.
    each
        Updates of a path at one substep.
    rungs, fit, plans
        See `bias`; a plan for each target, None where no step is known that is fine enough.
    seconds
        By target: of real runs, one for each round; empty: none was made.
    errors
        Relative errors of the real runs at 1 %.
    """

    solver: Solver
    ns: list[float] = field(default_factory=list)
    check: tuple[float, float] = (np.nan, np.nan)
    each: float = np.nan
    rungs: list[Rung] = field(default_factory=list)
    fit: Power | None = None
    plans: dict[float, Plan | None] = field(default_factory=dict)
    seconds: dict[float, list[float]] = field(default_factory=dict)
    errors: list[float] = field(default_factory=list)

    def time(self, target: float) -> list[float]:
        """Seconds for a total error, each round: of real runs, else updates times cost; empty if there is no plan."""
        plan = self.plans[target]
        if plan is None:
            return []
        return self.seconds.get(target) or [1e-9 * plan.updates * ns for ns in self.ns]


Entries = dict[str, Entry]


def measure(rung_seconds: float, progress: Task) -> tuple[dict[str, Entries], Skipped]:
    """All problems: entries by key and label, and why contestants are missing."""
    found: dict[str, Entries] = {}
    skipped: Skipped = {}
    for key, problem in PROBLEMS.items():
        exact = problem.exact()
        progress.say(f"{problem.title}: compiling")
        entries, missing = _entered(problem, exact)
        skipped |= missing
        _cost(entries, exact)
        for label, entry in entries.items():
            progress.say(f"{problem.title}: bias of {label}")
            if not entry.solver.alike:
                entry.rungs = _ladder(entry, exact, rung_seconds)
        for entry in entries.values():
            entry.rungs = entries[entry.solver.alike or entry.solver.label].rungs
            entry.fit = bias.power(entry.rungs)
            entry.plans = {target: bias.cheapest(entry.rungs, entry.fit, target) for target in TARGETS}
        progress.say(f"{problem.title}: real runs")
        _confirm(entries, exact)
        found[key] = entries
        progress.step(problem.title)
    return found, skipped


def _entered(problem: Problem, exact: float) -> tuple[Entries, Skipped]:
    from importlib import import_module

    solvers, skipped = ours.solvers(problem, exact), {}
    for module in ("in_numpy", "in_numba", "in_diffrax", "in_torchsde"):
        try:
            solvers += import_module(f"benchmarks.precision.{module}").solvers(problem)
        except ImportError as error:
            skipped[module.removeprefix("in_")] = f"{error}; pip install 'diffusion-lab[bench]' brings it"
    return {solver.label: Entry(solver) for solver in solvers}, skipped


def timed(solver: Solver, *sizes: int) -> tuple[Sample, float]:
    """A sample and the processor time that it took; substeps, paths, seed."""
    began = time.process_time()
    sample = solver.run(*sizes)
    return sample, time.process_time() - began


def _cost(entries: Entries, exact: float) -> None:
    """Processor time of an update, in turns, after first runs that compile; slow contestants have one turn."""
    sizes: dict[str, int] = {}
    for label, entry in entries.items():
        for paths in (2, PILOT):  # small runs may be another program
            with suppress(ValueError):  # of ours: unstable
                entry.solver.run(1, paths, 0)
        seconds = _clock(entry, exact, PILOT, 1)
        if seconds < SLOW:
            entry.ns.clear()
            sizes[label] = round(PILOT * np.clip(COSTLY / seconds, 1, 30))
    for k in range(ROUNDS):
        for label, paths in sizes.items():
            _clock(entries[label], exact, paths, 2 + k)


def _clock(entry: Entry, exact: float, paths: int, seed: int) -> float:
    """Seconds of the standard run, which is entered."""
    sample, seconds = timed(entry.solver, STANDARD, paths, seed)
    entry.ns.append(1e9 * seconds / sample.updates)
    entry.each = sample.updates / sample.paths / STANDARD
    entry.check = (sample.mean / exact - 1, sample.deviation / exact / sample.paths**0.5)
    return seconds


def _ladder(entry: Entry, exact: float, seconds: float) -> list[Rung]:
    """Biases, each in so many seconds, until two in a row are not resolved or too few paths would fit.

    Steps that are unstable are left out.
    """
    rungs: list[Rung] = []
    cost = 1e-9 * float(np.median(entry.ns))
    for substeps in LADDER:
        paths = int(min(seconds / (cost * entry.each * substeps), 2_000_000))
        with suppress(ValueError):  # of ours: unstable
            sample = entry.solver.run(substeps, max(paths, FEW), 101 + substeps)
            if 0 < sample.mean < 10 * exact:
                error = sample.deviation / exact / sample.paths**0.5
                each = sample.updates / sample.paths
                rungs.append(Rung(substeps, sample.mean / exact - 1, error, sample.deviation / exact, each))
        if paths < FEW or (len(rungs) > 2 and not any(rung.resolved for rung in rungs[-2:])):
            break
    return rungs


def _confirm(entries: Entries, exact: float) -> None:
    """Real runs of the plans, in turns: short ones and those of 1 % with another seed each round, others once."""
    for k in range(ROUNDS):
        for entry in entries.values():
            for target, plan in entry.plans.items():
                longest = LONGEST if target == ONE or k == 0 else SHORT
                if plan is None or 1e-9 * plan.updates * np.median(entry.ns) > longest:
                    continue
                sample, seconds = timed(entry.solver, plan.substeps, plan.paths, 1000 + k)
                entry.seconds.setdefault(target, []).append(seconds)
                if target == ONE:
                    entry.errors.append(sample.mean / exact - 1)
