"""What a sweep will cost: core-hours from short trials at some of its points, and the size of its store."""

import re
import signal
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

import diffusion
from diffusion.kernels.jit import compiler
from diffusion.rates import mean_stay
from experiments.sweep.cluster import without_script
from experiments.sweep.description import Sections, Sweep
from experiments.sweep.layout import Layout
from experiments.sweep.measurements import Options, Problem, boundary_of, named, problem, stride
from experiments.sweep.tasks import words

SAMPLES, SECONDS = 6, 8.0  # most trials of a kind of measurement, and the time after which no more begin
TRIAL_UPDATES = 15_000_000  # coordinate updates of a trial: a twentieth of a second
DRAWN = 1000  # points among which trials are chosen
LIMIT_HOURS, LIMIT_BYTES = 1.0, 10e9  # above which a sweep wants a yes
CODE = 0.1  # seconds, in less of which nothing is compiled
SEEN = 0.05  # share of the cost, above which that of compiling is told
PATIENCE = 60.0  # seconds for all trials together
BLOCK = 4096  # bytes that a small file takes on disk

Costs = tuple[float, float, float]  # seconds of a point: about, at least, at most
Compiled = tuple[
    float, float
]  # seconds that came before the first result: to compile or load code, and those of it that were kept


@dataclass(frozen=True)
class Estimate:
    """What a sweep costs.

    Attributes
    ----------
    hours, low, high
        Core-hours, and the range that trials leave.
    trials
        Points that were tried.
    nbytes, files
        Size of the store.
    reason
        Why all trials failed, if they did.
    compiling
        Those of the core-hours that go to compile code, or to load it.
    """

    hours: float
    low: float
    high: float
    trials: int
    nbytes: int
    files: int
    reason: str = ""
    compiling: float = 0.0

    @property
    def large(self) -> bool:
        """Whether it wants a yes."""
        return not self.hours <= LIMIT_HOURS or self.nbytes > LIMIT_BYTES

    def __str__(self) -> str:
        units = {"hours": 1, "minutes": 60, "seconds": 3600}
        unit = next((unit for unit, size in units.items() if self.hours * size >= 1), "seconds")
        amounts = [hours * units[unit] for hours in (self.hours, self.low, self.high, self.compiling)]
        about, low, high, compiling = (f"{amount:,.2g}" if amount < 100 else f"{amount:,.0f}" for amount in amounts)
        spread = f"from {low} to {high}, " if low != high else ""
        store = f"a store of at most {self.nbytes / 1e6:,.3g} MB in {self.files:,} files"
        code = f", {compiling} of them to compile" if self.compiling > SEEN * self.hours else ""
        trials = f"{self.trials} trial{'' if self.trials == 1 else 's'}"
        return f"about {about} core-{unit} ({spread}by {trials}{code}); {store}"


class TrialError(Exception):
    """A trial ended its process."""


def estimate_apart(sweep: Sweep, share: float = 1.0, processes: int = 1) -> Estimate:
    """As `estimate`, in a process of its own: a trial may take more memory than there is.

    Raises
    ------
    TrialError
        If it ended its process.
    """
    ours, theirs = Pipe(duplex=False)
    process = get_context("spawn").Process(target=_send, args=(theirs, sweep, share, processes), daemon=True)
    with without_script():
        process.start()
    theirs.close()
    try:
        if not ours.poll(PATIENCE):
            raise TrialError(f"its trials take more than {PATIENCE:g} s")
        result = ours.recv()
    except EOFError as error:
        raise TrialError("a trial ended its process: out of memory, or killed") from error
    finally:
        process.kill()
    if isinstance(result, Exception):
        raise result
    assert isinstance(result, Estimate)
    return result


def _send(connection: Connection, sweep: Sweep, share: float, processes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the command, which ends this process
    try:
        connection.send(estimate(Layout.of(sweep), share, processes))
    except Exception as error:
        connection.send(ValueError(str(error)))


def estimate(layout: Layout, share: float = 1.0, processes: int = 1) -> Estimate:
    """Try some points and scale up.

    Parameters
    ----------
    layout
        Layout of the sweep's store.
    share
        Share of the sweep's tasks that are still to be computed.
    processes
        That compute them: each needs the code that points of one kind share, from disk if it can be kept there.
    """
    sweep = layout.sweep
    names = sweep.values("measure", "name")
    total, trials, compiling = np.zeros(3), 0, 0.0
    rng = np.random.default_rng(0)
    order = rng.integers(sweep.size, size=DRAWN) if sweep.size > DRAWN else rng.permutation(sweep.size)
    reasons: list[str] = []
    for name, times in Counter(names).items():
        costs: list[Costs] = []
        fresh: dict[str, float] = {}  # for points of each kind, to have their code in another process
        again: list[float] = []  # for more points of a kind: code that each needs for itself
        began = time.perf_counter()
        for point in order:
            if len(costs) == SAMPLES or (costs and time.perf_counter() - began > SECONDS):
                break
            sections = sweep.at(int(point))
            if sections["measure"]["name"] == name:
                try:
                    seconds, (code, kept) = _trial(sections)
                    costs.append(seconds)
                    if _kind(sections) in fresh:
                        again.append(code if code > CODE else 0.0)
                    else:
                        fresh[_kind(sections)] = max(code - kept, 0.0)
                except Exception as error:  # the point fails with the same words when it is computed
                    costs.append((0.0, 0.0, 0.0))
                    reasons.append(words(error))
        points = times / len(names) * sweep.size * share
        total += points * np.mean(costs, axis=0)
        if any(again):
            compiling += points * float(np.mean(again))
        elif fresh:
            kinds = {
                _kind(sections) for sections in map(sweep.at, order.tolist()) if sections["measure"]["name"] == name
            }
            compiling += processes * len(kinds) * float(np.mean([*fresh.values()]))
        trials += len(costs)
    hours, low, high = ((total + compiling) / 3600).tolist()
    reason = reasons[0] if reasons and len(reasons) == trials else ""
    return Estimate(
        hours, low, high, trials, int(layout.nbytes + BLOCK * layout.files), layout.files, reason, compiling / 3600
    )


def _kind(sections: Sections) -> str:
    """What points have in common whose code is the same, unless it is made of their numbers too."""
    return re.sub(r"(?<=[ \[(])-?\d[\d.e+-]*", "a number", repr(sections))


def _trial(sections: Sections) -> tuple[Costs, Compiled]:
    """Seconds that a point takes, and that its code does."""
    options = sections["measure"]
    measurement = named(options["name"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        here = problem(sections)
        if options["name"] == "escape_rate":
            return _exits(here, options)
        shorter, factor = dict(options), 1.0
        if options["name"] == "msd":
            updates = measurement.share(options) * here.landscape.dimension * options.get("substeps", 1)
            step = stride(options)
            iterations = int(min(options["iterations"], max(TRIAL_UPDATES / updates, 1))) // step * step or step
            shorter |= {"iterations": iterations, "save": [iterations]}
            factor = options["iterations"] / iterations * measurement.blocks(options)
        elif options["name"] == "rare_escape_rate":
            replicas = options.get("replicas", 1000)
            shorter |= {"replicas": min(replicas, 100), "repetitions": 2, "block": 2}
            factor = max(replicas / 100, 1.0) * measurement.total(options) / 2
        first, kept, began = 0.0, compiler.kept, time.perf_counter()
        if measurement.unit:
            measurement.run(here, shorter, seed=0)  # so that kernels are compiled
            first = time.perf_counter() - began
        began = time.perf_counter()
        measurement.run(here, shorter, seed=0)
        seconds = time.perf_counter() - began
    return (factor * seconds,) * 3, (max(first - seconds, 0.0), compiler.kept - kept)


def _exits(here: Problem, options: Options) -> tuple[Costs, Compiled]:
    """Seconds of an escape rate, from a short run: how long replicas stay, and what an update takes."""
    substeps, horizon = options.get("substeps", 1), options["max_iterations"]
    replicas = min(options["replicas"], 512)
    step = stride(options)
    iterations = max(int(TRIAL_UPDATES / replicas / here.landscape.dimension / substeps), 100 * step) // step * step
    arguments = {name: options[name] for name in named("escape_rate").parameters if name in options}
    arguments |= {name: boundary_of(here, options[name]) for name in ("boundary", "reflecting") if name in options}
    arguments["replicas"] = replicas

    def run(most: int) -> Any:
        shorter = arguments | {"max_iterations": most}
        return diffusion.exit_times(here.dynamics, here.landscape, noise=here.noise, threads=1, **shorter)

    kept, began = compiler.kept, time.perf_counter()
    run(step)  # so that kernels are compiled
    code = time.perf_counter() - began, compiler.kept - kept
    began = time.perf_counter()
    exits = run(min(iterations, horizon))
    per_step = (time.perf_counter() - began) / max(exits.attrs["lane_steps"], 1)
    rate = diffusion.escape_rate(exits)
    middle = (float(rate["events"]) + 0.5) / float(rate["time_at_risk"])

    def cost(rate: float) -> float:
        return float(options["replicas"] * substeps * mean_stay(rate, horizon) * per_step)

    return (cost(middle), cost(float(rate["rate_high"])), cost(float(rate["rate_low"]))), code
