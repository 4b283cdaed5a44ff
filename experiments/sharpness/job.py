"""The escape job: rates against sharpness by every route, exact lines and fitted powers; it can be continued."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import theory
from diffusion.dynamics import SGD
from diffusion.progress import Task, task
from experiments.problems.exact import GRID, QUADRATURE
from experiments.problems.wells import paper_rate, settings
from experiments.sharpness import plan, power
from experiments.sharpness.points import Point
from experiments.sharpness.power import Records
from experiments.sweep import Store, Sweep, check, run
from experiments.sweep.report import results

STORES = "stores"  # directory of the stores
COLLAPSE, DATA_SETS, LINES = "collapse", "data-sets", "lines"  # names of kinds of points, beside the routes
CHAIN = 0.01  # relative error of an exact chain of data, which takes a second
OF_EXACT = ("setting", "optimizer", "sharpness")


@dataclass(frozen=True)
class Kind:
    """Points of one kind: one sweep along one axis, as each optimizer has sharpnesses of its own, in a store `name`."""

    name: str
    points: Sequence[Point]

    @property
    def sweep(self) -> Sweep:
        """The sweep that measures them."""
        measured = self.points[0].route != "exact"
        axis = {"labels": [point.label for point in self.points]}
        for name in asdict(self.points[0]) if measured else OF_EXACT:
            column = "root" if name == "seed" else name  # a sweep has a seed of its own for each task
            axis[f"measure.{column}"] = [getattr(point, name) for point in self.points]
        table = {"name": f"experiments.sharpness.points:{'measured' if measured else 'exact'}"}
        return Sweep.from_mapping({"title": self.name, "measure": table, "axes": {"point": axis}})

    def path(self, directory: Path) -> Path:
        """Its store."""
        return directory / f"{self.name}.zarr"

    def left(self, directory: Path) -> int:
        """Points that are not measured yet, or failed; a store of other parameters or other code is refused."""
        path = self.path(directory)
        return round(len(self.points) * check(self.sweep, path, resume=path.exists(), retry=path.exists()))

    def measure(self, directory: Path, threads: int | None, progress: Task) -> Records:
        """Measure what is left, and give all points as rows: what each is, and its numbers, or a fault instead."""
        path, there = self.path(directory), self.path(directory).exists()
        run(self.sweep, path, resume=there, retry=there, workers=0, threads=threads, progress=progress)
        store, table = Store.open(path), results(path).load()
        numbers = [str(name) for name in table.data_vars if name not in ("done", "complete")]
        columns = {name: table[name].values.tolist() for name in numbers}
        rows = []
        for place, point in enumerate(self.points):
            fault = store.why(place).removeprefix("ValueError: ")
            measured = {name: None if np.isnan(column[place]) else column[place] for name, column in columns.items()}
            rows.append(point.row | measured | ({"fault": fault} if fault else {}))
        return rows


@dataclass
class Outcome:
    """What the escape job found; in a row of rates `why_not` says why one is not that of an escape, if so.

    Attributes
    ----------
    points, collapse, data_sets
        Measured rates: of all settings; at several learning rates; and on several data sets, with those under Gaussian
        noise of their covariance.
    lines
        Exact and paper's rates over a wide range of sharpness.
    fits
        One for each setting, dimension, optimizer and route: the power with its interval, and the raw one.
    settings
        Seed and the like.
    """

    points: Records = field(default_factory=list)
    lines: Records = field(default_factory=list)
    fits: Records = field(default_factory=list)
    collapse: Records = field(default_factory=list)
    data_sets: Records = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def rates(self) -> Records:
        """Every row of a rate."""
        return self.points + self.lines + self.collapse + self.data_sets

    @property
    def failed(self) -> Records:
        """Rows without a rate; `fault` says why."""
        return [row for row in self.rates if "fault" in row]


def kinds(*, full: bool, quick: bool, seed: int) -> dict[str, Kind]:
    """Every point of the run, by route and purpose; stores are named after the size of the run and its seed."""
    points = plan.plan(full=full, quick=quick, seed=seed)
    named = {route: [point for point in points if point.route == route] for route in plan.ROUTES}
    if not quick:
        named |= {COLLAPSE: plan.collapse_plan(seed), DATA_SETS: plan.data_set_plan(full=full, seed=seed)}
    named[LINES] = list(plan.line_plan(quick=quick))
    size = "quick" if quick else "full" if full else "default"
    return {name: Kind(f"{name}-{size}-seed-{seed}", wanted) for name, wanted in named.items() if wanted}


def measure(
    out: Path,
    *,
    full: bool = False,
    quick: bool = False,
    seed: int = 0,
    threads: int | None = None,
) -> Outcome:
    """Measure, compute and fit everything; what is finished is kept in `out`/stores and not computed again.

    Parameters
    ----------
    out
        Directory of the results.
    full
        More replicas, every dimension, torch at every sharpness, and rare escapes by splitting in every clean setting.
    quick
        The double parabola alone, with few replicas.
    seed, threads
        As in `diffusion.exit_times`.

    Raises
    ------
    ValueError
        If a store in `out` was begun by other code, or is in use.
    """
    wanted = kinds(full=full, quick=quick, seed=seed)
    with task("rates", sum(kind.left(out / STORES) for kind in wanted.values())) as progress:
        measured = {name: kind.measure(out / STORES, threads, progress) for name, kind in wanted.items()}
    outcome = Outcome(settings={"seed": seed, "full": full, "quick": quick})
    outcome.points = [row for route in plan.ROUTES for row in measured.get(route, ())]
    outcome.collapse, outcome.data_sets = measured.get(COLLAPSE, []), measured.get(DATA_SETS, [])
    lines = list(zip(wanted[LINES].points, measured[LINES], strict=True))
    outcome.lines = [_line(row, point) for point, row in lines]
    outcome.lines += [_line(row, other) for point, row in lines for other in plan.as_another(point)]
    for row in outcome.rates:
        row["why_not"] = power.why_not(row)
    for row in measured.get("minibatches", ()):
        if (row["setting"], row["optimizer"], row["sharpness"]) == (plan.DATA, plan.COMPARED, plan.bluntest()):
            row["exact_factor"] = exact_factor(row["dimension"], row["sharpness"], seed)
    outcome.fits = power.fits(outcome.points + outcome.lines)
    return outcome


def exact_factor(dimension: int, sharpness: float, seed: int) -> float:
    """SGD's rate on the seed's data over that under Gaussian noise, by the exact chains of all coordinates."""
    setting = settings()[plan.DATA]
    noise, lr, (start, boundary) = (
        setting.minibatches(dimension, sharpness, seed),
        setting.lr["SGD"],
        setting.positions(sharpness),
    )
    where: dict[str, Any] = {"lr": lr, "start": start, "boundary": boundary}

    def gradient(theta: Any, x: Any) -> Any:
        return noise.gradient(theta, x, *noise.parameters)

    times = [
        theory.minibatch_first_passage_time(each, gradient, setting.batch_size, tolerance=CHAIN, **where)
        for each in noise.data.T
    ]
    gaussian = setting.motion(SGD(lr), sharpness).chain(start, boundary)
    return float(gaussian * np.mean(1 / np.array(times)))


def _line(exact: dict[str, Any], point: Point) -> dict[str, Any]:
    """A row of an exact line, with the paper's rate beside the exact one."""
    setting = settings()[point.setting]
    paper = paper_rate(setting, point.optimizer, point.sharpness, 1)
    method = QUADRATURE if setting.overdamped(point.optimizer) else GRID
    return exact | point.row | {"paper": paper, "method": method}


def kept(out: Path) -> int:
    """How many rates are kept in a directory of results."""
    return sum(int(Store.open(path).survey().complete.sum()) for path in sorted((out / STORES).glob("*.zarr")))
