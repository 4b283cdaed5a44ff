"""The escape job: rates against sharpness by every route, exact lines, fitted powers, and figures; it can be continued."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from experiments.problems import turnover
from experiments.problems.wells import (
    CLAIMED_POWER,
    GRID_TOLERANCE,
    HIGHEST,
    OPTIMIZERS,
    PREFACTOR_POWER,
    exact_rate,
    paper_rate,
    settings,
)
from experiments.progress import Progress
from experiments.sharpness import points
from experiments.sharpness.points import Point, series
from experiments.sharpness.power import Power, fit_power

CLEAN = ("parabolas-piecewise", "parabolas-frozen", "tang-piecewise", "tang-frozen")
REPLICAS = (150, 800, 3000)  # at the bluntest minimum, where exits are slowest, at the next, and at all others
WIDE_LINE, WIDE_ADAM = (
    (0.25, 4.0),
    (0.11, 16.0),
)  # range of k of the exact lines: barriers of 2 to 32, of Adam to 24 temperatures
SHORT_LINE, SHORT_ADAM = (1.0, 4.0), (1.0, 16.0)  # in a quick run: high barriers take the grid longest
LINE_POINTS = 7
RARE, RARE_FULL = (
    (12.0, 17.0, 22.0),
    (8.0, 12.0, 17.0, 24.0),
)  # barriers that splitting measures; the second in a full run
SPLIT_REPLICAS = (500, 1500)
FACTORS = (0.5, 1.0, 2.0)  # learning rates of the collapse
STATES = {True: "excluded", False: "possible", None: ""}
FEWEST = 10  # exits for a point to be used in a fit


@dataclass
class Outcome:
    """What the escape job found.

    Attributes
    ----------
    points
        Measured rates, as `points.measure` gives them.
    lines
        Exact and paper's rates over a wide range of sharpness.
    fits
        One for each setting, dimension, optimizer and route: the power with its interval, and the raw one.
    collapse
        Measured rates at several learning rates.
    turnover
        Mean escape times against damping, as `turnover.escape_times` gives them.
    settings
        Seed and the like.
    """

    points: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    fits: list[dict[str, Any]] = field(default_factory=list)
    collapse: list[dict[str, Any]] = field(default_factory=list)
    turnover: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> list[dict[str, Any]]:
        """Points without a rate; `fault` says why."""
        return [one for one in self.points + self.collapse if "fault" in one]


def plan(*, full: bool, quick: bool, seed: int) -> list[Point]:
    """Every point of the run, in the order it is measured."""
    if quick:
        wanted = [("parabolas-piecewise", 1, route) for route in ("sde", "discrete")]
    else:
        wanted = [(key, 1, route) for key in CLEAN for route in ("sde", "discrete")]
        tens = CLEAN if full else ("parabolas-piecewise", "tang-piecewise")
        wanted += [(key, 10, route) for key in tens for route in ("sde", "discrete")]
        wanted += [("minibatch", d, route) for d in ((1, 10) if full else (10,)) for route in points.ROUTES]
        wanted += [("recalled", 10, route) for route in ("discrete", "torch")]
        wanted += [(key, 1, "splitting") for key in (CLEAN if full else CLEAN[:1])]
    out = []
    for key, dimension, route in wanted:
        if route == "torch" and find_spec("torch") is None:
            continue
        for optimizer in OPTIMIZERS:
            if route == "splitting":
                barriers, power = RARE_FULL if full else RARE, 2 if optimizer == "Adam" else 1
                ks = [(HIGHEST / barrier) ** power for barrier in barriers]
                out += series(key, dimension, optimizer, route, SPLIT_REPLICAS[full], seed, ks)
                continue
            found = series(key, dimension, optimizer, route, points.TORCH_REPLICAS, seed)
            if route == "torch":
                out += found if full else found[::2]
            elif quick:
                out += [replace(point, replicas=60) for point in found[1:]]
            else:
                more = 3 if full else 1
                out += [replace(one, replicas=more * REPLICAS[min(i, 2)]) for i, one in enumerate(found)]
    return out


def collapse_plan(seed: int) -> list[Point]:
    """Points at three learning rates whose products with k, or sqrt(k), overlap."""
    out = []
    for optimizer in OPTIMIZERS:
        for factor in FACTORS:
            scale = factor if optimizer != "Adam" else factor**2
            ks = np.array(settings()["minibatch"].sharpness[optimizer][1:]) / scale
            out += [Point("minibatch", 10, optimizer, "discrete", float(k), 300, seed, float(factor)) for k in ks]
    return out


def run(
    *,
    out: Path | None = None,
    full: bool = False,
    quick: bool = False,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Measure, compute and fit everything; what is finished is kept in `out`/points and not computed again.

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
    """
    progress = progress or Progress(quiet=True)
    kept = None if out is None else out / "points"
    todo = plan(full=full, quick=quick, seed=seed)
    extra = [] if quick else collapse_plan(seed)
    lines, dampings = list(_lines(quick)), () if quick else turnover.DAMPINGS
    progress.total = len(todo) + len(extra) + len(lines) + len(dampings)
    outcome = Outcome(settings={"seed": seed, "full": full, "quick": quick, "torch": find_spec("torch") is not None})
    for wanted, found in ((todo, outcome.points), (extra, outcome.collapse)):
        for point in wanted:
            found.append(point.result(kept, threads))
            progress.advance(_label(found[-1]))
    for name, made_of, compute in lines:
        outcome.lines.append(points.kept(kept, name, made_of, compute))
        progress.advance(name)
    outcome.lines += [_as_adai(line) for line in outcome.lines if line["optimizer"] == "Momentum"]
    for ratio in dampings:
        name = f"turnover-{ratio:g}"
        made_of = (turnover.WELL, turnover.EXPONENT, turnover.DEPTH, GRID_TOLERANCE)
        outcome.turnover.append(points.kept(kept, name, made_of, partial(turnover.escape_times, ratio)))
        progress.advance(name)
    outcome.fits = fits(outcome)
    return outcome


def _label(point: dict[str, Any]) -> str:
    """A point for readers."""
    return "{setting}, d = {dimension}: {optimizer}, {route}, k = {sharpness:.3g}".format(**point)


def _lines(quick: bool) -> Iterator[tuple[str, Any, Callable[[], dict[str, Any]]]]:
    """Name, what it is made of, and function of each exact line; in one coordinate Adai is Momentum."""
    for key in CLEAN[:1] if quick else CLEAN:
        for optimizer in ("SGD", "Momentum", "Adam"):
            of_adam, of_others = (SHORT_ADAM, SHORT_LINE) if quick else (WIDE_ADAM, WIDE_LINE)
            low, high = of_adam if optimizer == "Adam" else of_others
            for k in np.geomspace(low, high, 3 if quick else LINE_POINTS):

                def compute(key: str = key, optimizer: str = optimizer, k: float = float(k)) -> dict[str, Any]:
                    setting = settings()[key]
                    found = {"setting": key, "dimension": 1, "optimizer": optimizer, "sharpness": k}
                    return found | exact_rate(setting, optimizer, k) | {"paper": paper_rate(setting, optimizer, k, 1)}

                made_of = (settings()[key].identity(1, float(k)), GRID_TOLERANCE)
                yield f"line-{key}-{optimizer.lower()}-{k:.6g}", made_of, compute


def _as_adai(line: dict[str, Any]) -> dict[str, Any]:
    """Momentum's exact line as Adai's: in one coordinate and per iteration they are the same."""
    paper = paper_rate(settings()[line["setting"]], "Adai", line["sharpness"], 1)
    return line | {"optimizer": "Adai", "paper": paper}


def scaled(optimizer: str, sharpness: Any, rate: Any, *, raw: bool = False) -> Any:
    """``-log(rate/k)``, of Adam ``-log(rate/sqrt(k))``; raw: ``-log(rate)``."""
    power = 0.0 if raw else PREFACTOR_POWER[optimizer]
    return power * np.log(np.asarray(sharpness, float)) - np.log(np.asarray(rate, float))


def fits(outcome: Outcome) -> list[dict[str, Any]]:
    """The fitted powers of every measured series and of every exact line; splitting's go with the ensembles of the same SDE."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for point in outcome.points:
        if point["events"] >= FEWEST:
            key = (point["setting"], point["dimension"], point["optimizer"], point["route"])
            groups.setdefault(key, []).append(point)
    for line in outcome.lines:
        groups.setdefault((line["setting"], 1, line["optimizer"], "exact"), []).append(line)
    out = []
    for (setting, dimension, optimizer, route), found in groups.items():
        if route == "splitting":
            found = groups.get((setting, dimension, optimizer, "sde"), []) + found
        k, rate = (np.array([one[name] for one in found]) for name in ("sharpness", "rate"))
        exact = route == "exact"
        error = np.array([0.01 if exact else one["events"] ** -0.5 for one in found])  # equal weights for exact rates
        if len(np.unique(k)) < 3:
            continue
        fitted = fit_power(k, scaled(optimizer, k, rate), error)
        raw = fit_power(k, scaled(optimizer, k, rate, raw=True), error)
        out.append(
            {
                "setting": setting, "dimension": dimension, "optimizer": optimizer, "route": route, "points": len(found),
                "claimed": CLAIMED_POWER[optimizer], **_plain(fitted, exact), "raw": _plain(raw, exact),
                "excludes_1": None if exact else fitted.excludes(1.0), "excludes_1/2": None if exact else fitted.excludes(0.5),
            }
        )  # fmt: skip
    return out


def _plain(power: Power, exact: bool) -> dict[str, float | None]:
    """As JSON has it; exact rates have no sampling error, so their powers have no interval."""
    left_out = ("low", "high", "misfit") if exact else ()
    found = {name: value for name, value in asdict(power).items() if name not in left_out}
    return {name: float(value) if np.isfinite(value) else None for name, value in found.items()}


def write(outcome: Outcome, out: Path) -> None:
    """escape.json: everything that the figures show."""
    out.mkdir(parents=True, exist_ok=True)
    unfinished = out / ".escape.json.partial"
    unfinished.write_text(json.dumps(_finite(asdict(outcome)), indent=1, allow_nan=False) + "\n")
    unfinished.replace(out / "escape.json")


def _finite(value: Any) -> Any:
    """The same with None for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def print_table(outcome: Outcome, out: Path) -> None:
    """Print every fitted power, and where the figures are."""
    import sys

    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(title="p in -log(rate/k) = c + a k^-p; of Adam, in -log(rate/sqrt(k)). 95 % intervals")
    for column in ("setting", "d", "optimizer", "route", "points", "p", "the paper", "p = 1", "p = 1/2", "raw p"):
        table.add_column(column)
    for one in outcome.fits:
        table.add_row(
            one["setting"], str(one["dimension"]), one["optimizer"], one["route"], str(one["points"]), interval(one),
            f"{one['claimed']:g}", *(STATES[one[f"excludes_{p}"]] for p in ("1", "1/2")), interval(one["raw"]),
        )  # fmt: skip
    console.print(table)
    for one in outcome.failed:
        console.print(f"failed: {_label(one)}: {one['fault']}", soft_wrap=True, highlight=False)
    console.print(f"Written to {out}/: escape.json, captions.txt, figures/, points/", soft_wrap=True, highlight=False)


def interval(power: dict[str, Any]) -> str:
    """A power with its interval, if it has one, in words."""
    if "low" not in power:
        return f"{power['p']:.2f}"
    low, high = (
        "-inf" if power["low"] is None else f"{power['low']:.2f}",
        "inf" if power["high"] is None else f"{power['high']:.2f}",
    )
    return f"{power['p']:.2f} [{low}, {high}]"
