"""What a rare escape costs: splitting, levels fixed in advance, and direct simulation, at the same relative error.

`python -m benchmarks.rare` takes a few minutes and writes rare-escapes.txt, .png and .svg; see benchmarks/README.md.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks import rare_figure
from benchmarks.costs import Cost, growth, table
from benchmarks.machine import load
from diffusion import SGD, exit_times, rare_escape_rate
from diffusion.edges import edge_of
from diffusion.engine import prepare, thread_count
from diffusion.plan import plan_run
from diffusion.splitting.coordinate import scale_of
from diffusion.splitting.repetition import LEVELS, Run
from experiments.problems.wells import HIGHEST, Setting, exact_rate, settings

BARRIERS = (4.0, 6.0, 8.0, 12.0, 16.0, 20.0, 24.0)  # over temperature
DIRECT = BARRIERS[:3]  # where direct simulation is measured
ERROR = 0.1  # relative standard error that work is stated for
REPLICAS, REPETITIONS = 500, 64
STAGES = 10  # of the fixed levels: as many as a user would choose who does not know the rate
EXITS = 4000
RESAMPLED = 400  # bootstrap samples behind an interval

Array = NDArray[np.float64]


def splitting(setting: Setting, barrier: float) -> Cost:
    """Adaptive levels."""
    start, boundary = setting.positions(HIGHEST / barrier)
    result = rare_escape_rate(
        SGD(setting.lr["SGD"]),
        setting.landscape(1, HIGHEST / barrier),
        noise=setting.noise,
        start=start,
        boundary=boundary,
        replicas=REPLICAS,
        repetitions=REPETITIONS,
    )
    return _cost("splitting", setting, barrier, result["repetition_rate"].values, result["steps"].values)


def fixed_levels(setting: Setting, barrier: float) -> Cost:
    """Forward flux sampling: levels evenly spread, as many paths from each, which start where paths arrived at it."""
    k = HIGHEST / barrier
    start, boundary = setting.positions(k)
    sgd = SGD(setting.lr["SGD"])
    plan = plan_run(
        sgd, setting.landscape(1, k), setting.noise, 1, REPLICAS, start, "rest", [1], "moments", 1, 0, "float64"
    )
    prepared = prepare(plan, plan.substeps)
    edge = edge_of(boundary, plan.landscape, plan.origin)
    run = Run(plan, scale_of("exit", plan, prepared, edge), edge, thread_count(None), REPLICAS, paths=False)
    repetitions = np.array([_forward(run, index) for index in range(REPETITIONS)])
    return _cost("fixed levels", setting, barrier, repetitions[:, 0], repetitions[:, 1])


def _forward(run: Run, index: int) -> tuple[float, float]:
    """Rate and substeps of one repetition. The next level is in turn the boundary, at which a path ends."""
    rng = np.random.default_rng(index)
    origin, scale, ahead = run.outside
    entrances = run.well.entrances(REPLICAS, run.new_ids)
    states, (low, rim) = entrances.states, entrances.gates
    rate, steps = entrances.rate, float(entrances.steps)
    for level in np.linspace(rim, 1.0, STAGES + 1)[1:]:
        run.outside = (origin, scale / level, ahead)
        run.trail[:, 0] = states[rng.integers(len(states), size=REPLICAS)]
        reached = np.zeros(REPLICAS, np.int64)
        steps += run.go_on(np.arange(REPLICAS), (low / level, 1.0), reached, 1)
        arrived = reached == LEVELS
        rate *= float(arrived.mean())
        if not arrived.any():
            break
        states = run.trail[arrived, LEVELS].copy()
    run.outside = (origin, scale, ahead)
    return rate, steps


def direct(setting: Setting, barrier: float) -> Cost:
    """Direct simulation: a relative error of 10 % takes 100 exits."""
    k = HIGHEST / barrier
    start, boundary = setting.positions(k)
    exits = exit_times(
        SGD(setting.lr["SGD"]),
        setting.landscape(1, k),
        noise=setting.noise,
        start=start,
        boundary=boundary,
        max_iterations=10**9,
        replicas=EXITS,
    )
    work = float(exits.attrs["lane_steps_useful"]) / EXITS / ERROR**2
    low, high = stats.chi2.ppf([0.025, 0.975], 2 * EXITS) / (2 * EXITS)
    return Cost("direct", barrier, _exact(setting, barrier), work, work / high, work / low, EXITS**-0.5)


def _exact(setting: Setting, barrier: float) -> float:
    """The SDE's rate: discrete steps leave at most 12 % apart, which -log(rate) does not show."""
    return float(exact_rate(setting, "SGD", HIGHEST / barrier)["rate"])


def _cost(method: str, setting: Setting, barrier: float, rates: Array, steps: Array) -> Cost:
    """Work for the stated error, from the spread over repetitions; the interval by resampling them."""
    rng = np.random.default_rng(0)
    picked = rng.integers(len(rates), size=(RESAMPLED, len(rates)))
    low, high = np.quantile([_work(rates[drawn], steps[drawn]) for drawn in picked], [0.025, 0.975])
    error = float(rates.std(ddof=1) / rates.mean() / np.sqrt(len(rates)))
    return Cost(method, barrier, _exact(setting, barrier), _work(rates, steps), float(low), float(high), error)


def _work(rates: Array, steps: Array) -> float:
    return float(steps.mean() * rates.var(ddof=1) / rates.mean() ** 2 / ERROR**2)


def main(out: Path) -> None:
    """Measure everything, print the table and write it with the figure."""
    setting = settings()["parabolas-piecewise"]
    out.mkdir(parents=True, exist_ok=True)
    before, costs = load(), []
    methods: list[tuple[Callable[[Setting, float], Cost], tuple[float, ...]]] = [
        (direct, DIRECT),
        (splitting, BARRIERS),
        (fixed_levels, BARRIERS),
    ]
    for method, barriers in methods:
        for barrier in barriers:
            costs.append(method(setting, barrier))
            print(f"{costs[-1].method}, barrier/temperature {barrier:g}: done", file=sys.stderr)
    text = f"{setting.title}, discrete SGD, load average before {before}\n{table(costs)}"
    print(text)
    (out / "rare-escapes.txt").write_text(text + "\n")
    rare_figure.draw(
        costs,
        {method: growth([cost for cost in costs if cost.method == method]) for method in ("splitting", "fixed levels")},
        out,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("results/bench"))
