"""Lesson 3: learning rate and inertia of each direction, and how far it takes a run that starts on a saddle."""

import numpy as np

from experiments.lessons.ensembles import COLOURS, Ensemble, ensembles
from experiments.teach.chart import GREY, Panel
from experiments.teach.figure import DASH, figure
from experiments.teach.lesson import Array, Outcome, Settings, Z, choice, slider
from experiments.teach.scales import number

TITLE = "Why does Adam not see the curvature?"
INTRODUCTION = (
    "Minibatch noise is strongest where the loss is curved most. Adam divides each step by the size of the noise, Adai "
    "turns strong noise into little inertia; SGD does neither. The bars show what each makes of a direction's "
    "curvature, and the right panel how far a run then gets along it."
)

CURVATURES = np.array([0.0003, 0.001, 0.003, 0.01, 0.03, 0.1])
OPTIMIZERS = ("SGD", "Adam", "Adai")
SHIPPED = "as shipped"

CONTROLS = {
    "lr": slider("Learning rate η", [0.002, 0.005, 0.01, 0.02], 0.01),
    "batch_size": slider("Batch size B", [1, 3, 10, 30, 100], 10, [1, 10, 100]),
    "inertia": slider("Inertia β₁ (of Adai: the mean)", [0.5, 0.7, 0.8, 0.9, 0.95, 0.99], 0.9, [0.5, 0.9, 0.99]),
    "iterations": slider("Iterations T", [1, 3, 10, 30, 100, 200, 300], 100, [1, 10, 100, 300]),
    "replicas": slider("Replicas", [300, 1000, 3000, 10000], 1000),
    "kind": choice("Optimizers that are run", ["as in the theory", SHIPPED]),
}


def updates(settings: Settings) -> float:
    """Coordinate updates of the run."""
    return float(len(OPTIMIZERS) * len(CURVATURES) * settings["iterations"] * settings["replicas"])


def run(settings: Settings) -> Outcome:
    """Run three optimizers on a saddle with directions of six curvatures."""
    moment = "running" if settings["kind"] == SHIPPED else "frozen"
    runs = ensembles(OPTIMIZERS, -CURVATURES, settings, moment=moment)
    lines, powers = [], []
    for ensemble in runs:
        msd, error = ensemble.measured["msd"].values[0], ensemble.measured["msd_stderr"].values[0]
        lines.append((ensemble, msd, Z * error))
        powers.append((ensemble.optimizer, *_power(msd, error), _power(ensemble.exact, 0 * ensemble.exact)[0]))
    every = np.concatenate([values for ensemble, msd, _ in lines for values in (ensemble.exact, ensemble.paper, msd)])
    right = Panel((786, 0, 454, 400), (0.0002, 0.15), (every.min() / 3, every.max() * 3), log="xy")
    right.label("How far in T iterations", "curvature |H| of the direction", "mean squared displacement (θ²)")
    for ensemble, msd, error in lines:
        colour = COLOURS[ensemble.optimizer]
        right.line(CURVATURES, ensemble.exact, colour)
        right.line(CURVATURES, ensemble.paper, colour, dash=DASH, width=2)
        right.points(CURVATURES, msd, msd - error, msd + error, colour)
    svg = figure(
        [*_rules(runs, settings["lr"]), right],
        "Learning rate, inertia, and mean squared displacement of SGD, Adam and Adai against curvature after "
        f"{settings['iterations']} iterations",
        [
            *((name, COLOURS[name], "bar") for name in OPTIMIZERS),
            ("exact", GREY, "line"),
            ("the paper", GREY, "dash"),
            ("this run, 95 %", GREY, "dot"),
        ],
    )
    return Outcome(svg, _answer(settings, powers), _code(settings, moment))


def _rules(runs: list[Ensemble], lr: float) -> list[Panel]:
    """Bars of learning rate and inertia in each direction."""
    names = [(float(k), number(h) if k % 2 else "") for k, h in enumerate(CURVATURES)]
    top = max(ensemble.rule.learning_rate.max() for ensemble in runs)
    rates = Panel((0, 0, 380, 400), (-0.6, 5.6), (lr / 3, 2 * top), log="y", x_ticks=names)
    rates.label("Learning rate ηᵢ", "curvature |H| of the direction")
    inertias = Panel((380, 0, 380, 400), (-0.6, 5.6), (0, 1.05), x_ticks=names)
    inertias.label("Inertia βᵢ", "curvature |H| of the direction")
    for k, ensemble in enumerate(runs):
        for j in range(len(CURVATURES)):
            place, colour = j + 0.26 * (k - 1), COLOURS[ensemble.optimizer]
            rates.bar(place, ensemble.rule.learning_rate[j], lr / 3, 0.24, colour)
            inertias.bar(place, ensemble.rule.inertia[j], 0, 0.24, colour)
    return [rates, inertias]


def _power(msd: Array, error: Array) -> tuple[float, float]:
    """Power of the curvature in the MSD from the flattest direction to one 33 times as steep, and its 95 % interval."""
    decades = np.log(CURVATURES[3] / CURVATURES[0])
    spread = np.sqrt((error[0] / msd[0]) ** 2 + (error[3] / msd[3]) ** 2)
    return float(np.log(msd[3] / msd[0]) / decades), float(Z * spread / decades)


def _answer(settings: Settings, powers: list[tuple[str, float, float, float]]) -> str:
    measured = "; ".join(f"{name} **{p:.2f}** ± {width:.2f} ({exact:.2f})" for name, p, width, exact in powers)
    shipped = " as shipped (exact values are for the theory's optimizers)" if settings["kind"] == SHIPPED else ""
    return (
        f"After {settings['iterations']} iterations the mean squared displacement{shipped} grows with curvature like "
        f"|H|ᵖ, measured between |H| = 0.0003 and 0.01 (and exact): {measured}. p = 0 does not see the curvature, p = "
        "1 is SGD's law for flat directions; the larger p, the slower flat directions are left."
    )


def _code(settings: Settings, moment: str) -> str:
    adam = f'Adam({settings["lr"]}, {settings["inertia"]}, second_moment="{moment}")'
    problem = f"QuadraticSaddle({(-CURVATURES).tolist()}), noise=HessianNoise({settings['batch_size']})"
    length = f"iterations={settings['iterations']}, replicas={settings['replicas']}"
    return f"""\
from diffusion import Adam, HessianNoise, QuadraticSaddle, simulate
from math import log
run = simulate({adam}, {problem}, {length})
print(f"{{log(run.msd[-1, 3] / run.msd[-1, 0]) / log(0.01 / 0.0003):.2f}}")  # Adam's p"""
