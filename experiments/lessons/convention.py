"""Lesson 6: three readings of noise that depends on position, one exponent and three prefactors."""

from functools import lru_cache
from typing import Any

import numpy as np

import theory
from diffusion import SGD, DoubleParabola, HessianNoise, escape_rate, exit_times, fokker_planck
from experiments.teach.chart import BLUE, GREEN, GREY, ORANGE, PURPLE, Panel
from experiments.teach.figure import DASH, figure
from experiments.teach.lesson import Array, Outcome, Settings, slider

TITLE = "Ito or not: does it matter how noise is read?"
INTRODUCTION = (
    "Noise is stronger where the valley is sharper, so it changes along the way out. Evaluated before each step (Ito), "
    "halfway (Stratonovich) or after it (isothermal), the same equation means three processes, with one exponent and "
    "three prefactors. SGD takes its gradient before it steps."
)

STEP, SUBSTEPS = 0.05, 4  # learning rate times the largest curvature
RATIOS = (0.25, 0.5, 1, 2, 4, 8)
RUN = (1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5)  # barriers over temperature at which SGD can be run
EXPONENTS = np.array([*RUN, 6, 8, 10, 13, 16])
COLOURS = {"ito": BLUE, "stratonovich": GREEN, "isothermal": GREY}
NAMES = {"ito": "Ito", "stratonovich": "Stratonovich", "isothermal": "isothermal"}
TICKS = (0.1, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16)  # of the ratio to Theorem 3

CONTROLS = {
    "ratio": slider("Curvature of saddle over minimum", RATIOS, 4, RATIOS),
    "exponent": slider("Barrier over temperature of the run", RUN, 3, RUN),
    "replicas": slider("Replicas", [100, 200, 500, 1000], 200),
}


def _problem(ratio: float, exponent: float) -> tuple[float, DoubleParabola, dict[str, Any]]:
    """Learning rate, the well, and what the closed forms take."""
    lr, split = STEP / max(1.0, ratio), ratio / (1 + ratio)
    barrier = exponent * lr / 2 / (split + (1 - split) / ratio)
    known: dict[str, Any] = {"barrier": barrier, "hessian_minimum": 1.0, "hessian_saddle": ratio, "lr": lr}
    known |= {"batch_size": 1.0, "split": split}
    return lr, DoubleParabola(barrier, 1.0, ratio, 1), known


def _functions(lr: float, well: DoubleParabola) -> tuple[Any, Any]:
    def gradient(x: Array) -> Array:
        return well.gradient(np.asarray(x)[..., None])[..., 0]

    def diffusion(x: Array) -> Array:
        return lr / 2 * np.abs(well.hessian_diagonal(np.asarray(x)[..., None])[..., 0])

    return gradient, diffusion


@lru_cache(maxsize=512)
def ratio_to_theorem(ratio: float, exponent: float, convention: str) -> float:
    """Exact mean time, twice that to the saddle, over Theorem 3's."""
    lr, well, known = _problem(ratio, exponent)
    gradient, diffusion = _functions(lr, well)
    ends: dict[str, Any] = {"start": 0.0, "boundary": well.saddle, "breaks": [well.join]}
    time = theory.first_passage_time(gradient, diffusion, convention=convention, **ends)
    return float(2 * time / theory.sgd_escape_time(**known))


def updates(settings: Settings) -> float:
    """Coordinate updates of the run, roughly."""
    lr, _, known = _problem(settings["ratio"], settings["exponent"])
    factor = ratio_to_theorem(settings["ratio"], settings["exponent"], "ito") / 2
    return float(factor * theory.sgd_escape_time(**known) / lr * settings["replicas"] * SUBSTEPS)


def warm() -> None:
    """Compute the curves for every place of the slider."""
    for ratio in RATIOS:
        for exponent in EXPONENTS:
            for c in COLOURS:
                ratio_to_theorem(ratio, float(exponent), c)
        for exponent in RUN:
            _laws(ratio, exponent)


def run(settings: Settings) -> Outcome:
    """Run SGD over the barrier, beside the exact means of the three conventions."""
    ratio, exponent = settings["ratio"], settings["exponent"]
    lr, well, known = _problem(ratio, exponent)
    stated = float(theory.sgd_escape_time(**known, clock="iteration"))
    expected = ratio_to_theorem(ratio, exponent, "ito") * stated / 2
    exits = exit_times(
        SGD(lr),
        well,
        noise=HessianNoise(1, at="piecewise"),
        start=0.0,
        boundary=well.saddle,
        replicas=settings["replicas"],
        max_iterations=int(12 * expected) + 10,
        substeps=SUBSTEPS,
        crossing="bridge",
        threads=1,
    )
    rate = escape_rate(exits)
    measured = [2 / float(rate[name]) / stated for name in ("rate", "rate_high", "rate_low")]
    curves = {c: np.array([ratio_to_theorem(ratio, float(e), c) for e in EXPONENTS]) for c in COLOURS}
    cold = {c: theory.low_temperature_escape_time(**known, convention=c) for c in COLOURS}
    limits = {c: float(time / theory.sgd_escape_time(**known)) for c, time in cold.items()}
    every = np.concatenate([*curves.values(), list(limits.values()), measured, [1.0]])
    low, high = 0.8 * every.min(), 1.3 * every.max()
    marks = [(v, f"{v:g}") for v in TICKS if low < v < high]
    right = Panel((620, 0, 620, 400), (0, EXPONENTS[-1] + 0.5), (low, high), log="y", y_ticks=marks)
    right.label("Exact mean escape time over Theorem 3's", "barrier over temperature", "ratio")
    right.line([0, 17], [1, 1], PURPLE, "Theorem 3", dash=DASH)
    for c, colour in COLOURS.items():
        right.line([12, 17], [limits[c]] * 2, colour, width=2, dash="2 5")
        right.line(EXPONENTS, curves[c], colour, NAMES[c])
    right.points(exponent, measured[0], measured[1], measured[2], ORANGE, "SGD, this run, 95 %")
    svg = figure(
        [_well(lr, well, _laws(ratio, exponent)), right],
        "Where the three conventions keep a run in the well, and their mean escape times over Theorem 3's, at "
        f"curvature ratio {ratio:g}",
    )
    return Outcome(svg, _answer(ratio, exponent, measured, limits), _code(known, well))


@lru_cache(maxsize=64)
def _laws(ratio: float, exponent: float) -> dict[str, tuple[Array, Array]]:
    """Positions and density in the well behind a wall at the top, for each convention."""
    lr, well, _ = _problem(ratio, exponent)
    _, diffusion = _functions(lr, well)
    ends: dict[str, Any] = {"start": 0.0, "reflecting": well.saddle, "breaks": [well.join]}
    laws = {}
    for c in COLOURS:
        law = fokker_planck.stationary_density(well, diffusion=diffusion, convention=c, **ends)
        x = law["position"].values
        seen = np.linspace(0, len(x) - 1, 300).astype(int)
        laws[c] = x[seen], law["density"].values[seen]
    return laws


def _well(lr: float, well: DoubleParabola, laws: dict[str, tuple[Array, Array]]) -> Panel:
    spread = float(np.sqrt(lr / 2))
    ends = min(float(p[x > 0].min()) for x, p in laws.values()), max(float(p.max()) for _, p in laws.values())
    reach = ends[0] / 3, ends[1] * 6
    panel = Panel((0, 0, 620, 400), (-3 * spread, well.saddle), reach, log="y")
    panel.label("Where a run is, if the top were a wall", "position θ", "density (1/θ)")
    panel.band([well.join, well.saddle], *reach, ORANGE, opacity=0.10)
    panel.corner("noise of the saddle →", ORANGE)
    panel.corner("← noise of the minimum", "#222222", right=False)
    for c, (x, p) in laws.items():
        panel.line(x, p, COLOURS[c])
    return panel


def _answer(ratio: float, exponent: float, measured: list[float], limits: dict[str, float]) -> str:
    here = {c: ratio_to_theorem(ratio, exponent, c) for c in COLOURS}
    exact = ", ".join(f"{NAMES[c]} {here[c]:.2f}" for c in COLOURS)
    nearest = NAMES[min(here, key=lambda c: abs(np.log(here[c] / measured[0])))]
    far = ", ".join(f"{NAMES[c]} {limits[c]:.2f}" for c in COLOURS)
    time, low, high = measured
    return (
        f"At barrier over temperature {exponent:g} exact mean times are, over Theorem 3's: {exact}. SGD, at {SUBSTEPS} "
        f"substeps, takes **{time:.2f}** [{low:.2f}, {high:.2f}] times Theorem 3's time in this run, nearest to "
        f"{nearest}; its steps are not infinitely short. For a cold run the ratios become {far} (dotted). Times are "
        "twice those of first arrival at the saddle."
    )


def _code(known: dict[str, float], well: DoubleParabola) -> str:
    inside = ", ".join(f"{name}={value!r}" for name, value in known.items())
    diffusion = 'lambda x: known["lr"] / 2 * abs(well.hessian_diagonal(x[:, None])[:, 0])'
    ends = 'start=0.0, boundary=well.saddle, convention="ito"'
    ratio = "2 * time.mfpt.item() / theory.sgd_escape_time(**known)"
    return f"""\
import theory; from diffusion import DoubleParabola, fokker_planck
known = dict({inside}); well = DoubleParabola({well.barrier!r}, 1.0, {well.hessian_saddle!r}, 1)
time = fokker_planck.mean_first_passage_time(well, diffusion={diffusion}, {ends})
print(f"{{{ratio}:.2f}}")  # also: "stratonovich", "isothermal\""""
