"""The escape job: rates against sharpness by every route, exact lines and fitted powers; it can be continued."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from experiments.problems.exact import GRID, QUADRATURE
from experiments.problems.wells import paper_rate, settings
from experiments.progress import Progress
from experiments.sharpness import plan, powers
from experiments.sharpness.points import Point
from experiments.sharpness.stores import Kind
from experiments.sweep import Store

STORES = "stores"  # directory of the stores
COLLAPSE, DATA_SETS, LINES = "collapse", "data-sets", "lines"  # names of kinds of points, beside the routes


@dataclass
class Outcome:
    """What the escape job found.

    Attributes
    ----------
    points
        Measured rates; `why_not` says why one is not that of an escape, if so.
    lines
        Exact and paper's rates over a wide range of sharpness.
    fits
        One for each setting, dimension, optimizer and route: the power with its interval, and the raw one.
    collapse
        Measured rates at several learning rates.
    data_sets
        Measured rates on several data sets, and under Gaussian noise of their covariance.
    settings
        Seed and the like.
    """

    points: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    fits: list[dict[str, Any]] = field(default_factory=list)
    collapse: list[dict[str, Any]] = field(default_factory=list)
    data_sets: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> list[dict[str, Any]]:
        """Rows without a rate; `fault` says why."""
        return [row for row in self.points + self.lines + self.collapse + self.data_sets if "fault" in row]


def kinds(*, full: bool, quick: bool, seed: int) -> dict[str, Kind]:
    """Every point of the run, by route and purpose; stores are named after the size of the run and its seed."""
    points = plan.plan(full=full, quick=quick, seed=seed)
    named = {route: [point for point in points if point.route == route] for route in plan.ROUTES}
    if not quick:
        named |= {COLLAPSE: plan.collapse_plan(seed), DATA_SETS: plan.data_set_plan(full=full, seed=seed)}
    named[LINES] = list(plan.line_plan(quick=quick))
    size = "quick" if quick else "full" if full else "default"
    return {name: Kind(f"{name}-{size}-seed-{seed}", wanted) for name, wanted in named.items() if wanted}


def run(
    *,
    out: Path | None = None,
    full: bool = False,
    quick: bool = False,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Measure, compute and fit everything; what is finished is kept in `out`/stores and not computed again.

    Parameters
    ----------
    out
        Directory of the results; None: keep nothing.
    full
        More replicas, every dimension, torch at every sharpness, and rare escapes by splitting in every clean setting.
    quick
        The double parabola alone, with few replicas.
    seed, threads
        As in `diffusion.exit_times`.
    progress
        Where to show progress; None: nowhere.

    Raises
    ------
    ValueError
        If a store in `out` was begun by other code, or is in use.
    """
    progress = progress or Progress(quiet=True)
    wanted = kinds(full=full, quick=quick, seed=seed)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory())) if out is None else out / STORES
        progress.total = sum(kind.left(directory) for kind in wanted.values())
        found = {name: kind.measure(directory, threads, progress) for name, kind in wanted.items()}
    outcome = Outcome(settings={"seed": seed, "full": full, "quick": quick, "torch": find_spec("torch") is not None})
    outcome.points = [row for route in plan.ROUTES for row in found.get(route, ())]
    outcome.collapse, outcome.data_sets = found.get(COLLAPSE, []), found.get(DATA_SETS, [])
    lines = list(zip(wanted[LINES].points, found[LINES], strict=True))
    outcome.lines = [_line(row, point) for point, row in lines]
    outcome.lines += [_line(row, other) for point, row in lines for other in plan.as_another(point)]
    for row in outcome.points + outcome.lines + outcome.collapse + outcome.data_sets:
        row["why_not"] = powers.why_not(row)
    outcome.fits = powers.fits(outcome.points, outcome.lines)
    return outcome


def _line(found: dict[str, Any], point: Point) -> dict[str, Any]:
    """A row of an exact line, with the paper's rate beside the exact one."""
    setting = settings()[point.setting]
    paper = paper_rate(setting, point.optimizer, point.sharpness, 1)
    method = QUADRATURE if setting.overdamped(point.optimizer) else GRID
    return found | point.row | {"paper": paper, "method": method}


def kept(out: Path) -> int:
    """How many rates are kept in a directory of results."""
    return sum(int(Store.open(path).survey().complete.sum()) for path in sorted((out / STORES).glob("*.zarr")))
