"""Lesson 5: escape rates against sharpness, which of two laws is straight, and the collapse of all learning rates."""

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

import theory
from diffusion import escape_rate, exit_times
from experiments.problems.wells import PREFACTOR_POWER, expected_iterations, paper_rate, settings
from experiments.sharpness.power import Power, fit_power
from experiments.teach.chart import BLUE, GREEN, GREY, ORANGE, PURPLE, Panel
from experiments.teach.figure import DASH, figure
from experiments.teach.lesson import Array, Outcome, Settings, Z, choice, slider

TITLE = "Flat or sharp: which minimum is left first?"
INTRODUCTION = (
    "The same valley, squeezed: sharpness k multiplies its curvature and leaves its barrier. The paper says that "
    "−log(escape rate) is linear in 1/k for SGD, Momentum and Adai and in 1/√k for Adam. Left and middle: which of "
    "the two is straight? Right: rates at different learning rates fall on one curve."
)

SETTING = settings()["parabolas-piecewise"]
OTHERS = (1.25, 1.6)  # further learning rates, as multiples, for the collapse
SUBSTEPS = 2  # per iteration: the rates are nearly the differential equation's
PATIENCE = 12  # mean escape times until a run is given up

CONTROLS = {
    "optimizer": choice("Optimizer", ["SGD", "Momentum", "Adam", "Adai"]),
    "exponent": slider("Barrier over temperature at k = 1", [3, 3.5, 4, 4.5, 5, 5.5, 6], 5, [3, 4, 5, 6]),
    "span": slider("Range of temperatures, factor", [1.5, 2, 3, 4], 4, [1.5, 2, 4]),
    "replicas": slider("Replicas at each k", [50, 100, 200, 500, 1000], 200),
}


def _factor(chosen: Settings) -> float:
    """Learning rate over the setting's: the exponent is proportional to one over it."""
    return _at_one(chosen["optimizer"])[0] / float(chosen["exponent"])


def _grid(chosen: Settings) -> Array:
    return np.geomspace(1, chosen["span"] ** (1 / PREFACTOR_POWER[chosen["optimizer"]]), 6)


@lru_cache
def _at_one(optimizer: str) -> tuple[float, float]:
    """Barrier over temperature, and rough mean iterations to exit, at k = 1 and the setting's learning rate."""
    return SETTING.exponent(optimizer, 1.0), expected_iterations(SETTING, optimizer, 1.0, 1)


def _expected(optimizer: str, factor: float, k: float) -> float:
    """Rough mean iterations to exit: both factors act as one, by the exact symmetry."""
    exponent, time = _at_one(optimizer)
    scale = factor * k ** PREFACTOR_POWER[optimizer]
    return float(time * np.exp(exponent / scale - exponent) / scale)


def _horizon(chosen: Settings, factor: float, k: float) -> int:
    """Iterations after which a run is given up."""
    return int(PATIENCE * _expected(chosen["optimizer"], factor, k)) + 100


def updates(chosen: Settings) -> float:
    """Coordinate updates of the run, roughly."""
    factor = _factor(chosen)
    means = [_expected(chosen["optimizer"], factor * more, k) for k in _grid(chosen) for more in (1, *OTHERS)]
    return float(sum(means) * chosen["replicas"] * SUBSTEPS)


@lru_cache(maxsize=1)
def _exact_sgd() -> CubicSpline:
    """-log(rate per iteration) of SGD's equation, by quadrature, against log(k times the factor): both act as one."""
    scale = np.geomspace(1.2, 18, 28)
    lr, times = SETTING.lr["SGD"], []
    for k in scale:
        start, boundary = map(float, SETTING.positions(k))
        known: dict[str, Any] = {"start": start, "boundary": boundary, "breaks": SETTING.breaks(k)}
        times.append(theory.first_passage_time(SETTING.gradient(k), SETTING.diffusion(k, lr), **known))
    return CubicSpline(np.log(scale), np.log(np.array(times) / lr))


def _crossing(chosen: Settings) -> str:
    """How exits are seen: also between substeps if there is no inertia."""
    return "bridge" if chosen["optimizer"] == "SGD" else "step"


def _measure(chosen: Settings, factor: float, grid: Array) -> tuple[Array, Array]:
    """-log(rate per iteration) and its standard error at each sharpness."""
    levels = []
    for seed, k in enumerate(grid.tolist()):
        start, boundary = SETTING.positions(k)
        exits = exit_times(
            SETTING.dynamics(chosen["optimizer"], idealized=True, factor=factor),
            SETTING.landscape(1, k),
            noise=SETTING.noise,
            start=start,
            boundary=boundary,
            replicas=chosen["replicas"],
            seed=seed,
            substeps=SUBSTEPS,
            crossing=_crossing(chosen),
            threads=1,
            max_iterations=_horizon(chosen, factor, k),
        )
        rate = escape_rate(exits)
        levels.append((-np.log(rate["rate"].item()), 1 / np.sqrt(rate["events"].item())))
    y, error = np.array(levels).T
    return y, error


def run(chosen: Settings) -> Outcome:
    """Measure rates at six sharpnesses and three learning rates."""
    optimizer, factor, grid = chosen["optimizer"], _factor(chosen), _grid(chosen)
    power = PREFACTOR_POWER[optimizer]
    rates = {more: _measure(chosen, factor * more, grid) for more in (1, *OTHERS)}
    y, error = rates[1]
    level = y + power * np.log(grid)  # the prefactor's own power of k taken out
    # the paper's law at this learning rate, from the setting's by the exact symmetry in k lr
    paper = np.array([-np.log(_paper(optimizer, float(k), factor)) for k in grid]) + power * np.log(grid)
    fit = fit_power(grid, level, error)
    fine = np.geomspace(grid[0], grid[-1], 40)
    exact = _exact_sgd()(np.log(factor * fine)) + np.log(fine) if optimizer == "SGD" else None
    panels, misfits = [], {}
    for place, (name, p) in enumerate((("1/k", 1.0), ("1/√k", 0.5))):
        x = grid**-p
        slope, start = np.polyfit(x, level, 1, w=1 / error)
        misfits[name] = float(np.sum(((level - start - slope * x) / error) ** 2))
        line = start + slope * np.array([0, 1.02])
        low, high = min(level.min(), paper.min(), line.min()) - 0.3, max(level.max(), paper.max(), line.max()) + 0.6
        panel = Panel((405 * place, 0, 405, 400), (0, 1.05), (low, high))
        panel.label(f"Against {name}", name, "" if place else f"−log(rate/{'k' if power == 1 else '√k'})")
        panel.line([0, 1.02], line, BLUE, "straight line through them", width=2)
        panel.line(x, paper, PURPLE, "the paper's law", dash=DASH)
        panel.points(x, level, level - Z * error, level + Z * error, ORANGE, "measured, 95 %")
        if exact is not None:
            panel.line(fine**-p, exact, GREEN, "exact")
        panels.append(panel)
    panels.append(_collapse(rates, grid, power, factor, optimizer))
    svg = figure(
        panels,
        f"Escape rates of {optimizer} against sharpness, twice, and against learning rate times sharpness",
    )
    words = _answer(chosen, fit, misfits, float(np.exp(-y[0])), _exact_power(optimizer, factor, grid))
    return Outcome(svg, words, _code(chosen, factor))


def _exact_power(optimizer: str, factor: float, grid: Array) -> str:
    """What the same fit gives for exact rates, in words; nothing where they would take long."""
    if optimizer != "SGD":
        return ""
    level = _exact_sgd()(np.log(factor * grid)) + np.log(grid)
    return f", exact rates in this range give {fit_power(grid, level, np.ones(len(grid))).p:.2f}"


def _paper(optimizer: str, k: float, factor: float) -> float:
    """The paper's rate at k and `factor` times the learning rate, which is that at k factor^(1/p) with 1/p = 1 or 2."""
    return float(paper_rate(SETTING, optimizer, k * factor ** (1 / PREFACTOR_POWER[optimizer]), 1))


def _collapse(
    rates: dict[float, tuple[Array, Array]], grid: Array, power: float, factor: float, optimizer: str
) -> Panel:
    every = np.concatenate([y for y, _ in rates.values()])
    ends = factor, factor * max(OTHERS) * grid[-1] ** power
    name, unit = "√k" if power < 1 else "k", SETTING.lr[optimizer]
    x_ends, y_ends = (unit * ends[0] * 0.9, unit * ends[1] * 1.1), (every.min() - 0.4, every.max() + 0.6)
    panel = Panel((820, 0, 420, 400), x_ends, y_ends, log="x")
    panel.label("All rates on one curve", f"{name} η", "−log(rate per iteration)")
    if optimizer == "SGD":
        scale = np.geomspace(*ends, 40)
        panel.line(unit * scale, _exact_sgd()(np.log(scale)), GREEN)
    for more, (y, error) in rates.items():
        colour, words = (ORANGE, "") if more == 1 else (GREY, "η × 1.25, × 1.6")
        panel.points(unit * factor * more * grid**power, y, y - Z * error, y + Z * error, colour, words)
    return panel


def _answer(chosen: Settings, fit: Power, misfits: dict[str, float], rate: float, exact: str) -> str:
    straight = min(misfits, key=lambda name: misfits[name])
    root = chosen["optimizer"] == "Adam"
    prefactor, claimed = ("√k", "½") if root else ("k", "1")
    low, high = ("any" if np.isinf(end) else f"{end:.2f}" for end in (fit.low, fit.high))
    return (
        f"{chosen['optimizer']}: the power p in −log(rate/{prefactor}) = c + a k⁻ᵖ is **{fit.p:.2f}** [{low}, {high}] "
        f"in this run; the paper says {claimed}{exact}. The points leave a straight line by χ² = {misfits['1/k']:.1f} "
        f"against 1/k and {misfits['1/√k']:.1f} against 1/√k (4 is expected of a true one): {straight} fits better. "
        f"More replicas tell more surely. At k = 1 the rate is {rate:.3g} per iteration."
    )


def _code(chosen: Settings, factor: float) -> str:
    start, boundary = map(float, SETTING.positions(1.0))
    dynamics = SETTING.dynamics(chosen["optimizer"], idealized=True, factor=factor)
    problem = f"{dynamics!r}, well, noise={SETTING.noise!r}, start={start!r}, boundary={boundary!r}"
    length = f"max_iterations={_horizon(chosen, factor, 1.0)}, replicas={chosen['replicas']}"
    how = f'substeps={SUBSTEPS}, crossing="{_crossing(chosen)}"'
    return f"""\
from diffusion import *
well = {SETTING.landscape(1, 1.0)!r}
exits = exit_times({problem}, {length}, {how})
print(f"{{escape_rate(exits).rate.item():.3g}}")  # per iteration, at k = 1"""
