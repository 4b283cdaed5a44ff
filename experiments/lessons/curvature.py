"""Lesson 3: learning rate and inertia of each direction, and how far it takes a run that starts on a saddle."""

from collections.abc import Mapping
from typing import Any

import numpy as np

import theory
from diffusion import SGD, Adai, Adam, HessianNoise, QuadraticSaddle, simulate
from diffusion.dynamics import Dynamics
from experiments.teach.chart import BLUE, GREY, ORANGE, Panel
from experiments.teach.figure import DASH, figure
from experiments.teach.lesson import Outcome, choice, slider
from experiments.teach.scales import number

TITLE = "Why does Adam not see the curvature?"
INTRODUCTION = (
    "Minibatch noise is strongest where the loss is curved most. Adam divides each step by the size of the noise, "
    "Adai turns strong noise into little inertia; SGD does neither. The bars show what each makes of a direction's "
    "curvature, and the right panel how far a run then gets along it."
)

CURVATURES = np.array([0.0003, 0.001, 0.003, 0.01, 0.03, 0.1])
SIZE = (1240, 400)
COLOURS = {"SGD": GREY, "Adam": ORANGE, "Adai": BLUE}
SHIPPED = "as shipped"
Z = 1.96


def controls() -> dict[str, Any]:
    """The lesson's sliders."""
    return {
        "lr": slider("Learning rate η", [0.002, 0.005, 0.01, 0.02], 0.01),
        "batch_size": slider("Batch size B", [1, 3, 10, 30, 100], 10),
        "inertia": slider("Inertia β₁ (of Adai: the mean)", [0.5, 0.7, 0.8, 0.9, 0.95, 0.99], 0.9),
        "iterations": slider("Iterations T", [1, 3, 10, 30, 100, 200, 300], 100),
        "replicas": slider("Replicas", [300, 1000, 3000, 10000], 1000),
        "kind": choice("Optimizers that are run", ["as in the theory", SHIPPED]),
    }


def updates(settings: Mapping[str, Any]) -> float:
    """Coordinate updates of the run."""
    return float(3 * len(CURVATURES) * settings["iterations"] * settings["replicas"])


def run(settings: Mapping[str, Any]) -> Outcome:
    """Run three optimizers on a saddle with directions of six curvatures."""
    lr, size, beta = settings["lr"], settings["batch_size"], settings["inertia"]
    iterations = settings["iterations"]
    moment = "running" if settings["kind"] == SHIPPED else "frozen"
    landscape, noise = QuadraticSaddle(-CURVATURES), HessianNoise(size)
    variance = noise.variance_along(landscape)
    optimizers: dict[str, tuple[Any, Any]] = {
        "SGD": (SGD(lr), theory.sgd_msd(lr * iterations, hessian=-CURVATURES, diffusion=lr / 2 * variance)),
        "Adam": (
            Adam(lr, beta, second_moment=moment),
            np.full(len(CURVATURES), theory.adam_msd(iterations, lr=lr, beta1=beta)),
        ),
        "Adai": (
            Adai(lr, 1 - beta, second_moment=moment),
            theory.adai_msd(iterations, hessian=-CURVATURES, lr=lr, beta0=1 - beta, batch_size=size),
        ),
    }
    lines, powers = [], []
    for name, (dynamics, paper) in optimizers.items():
        measured = simulate(
            dynamics, landscape, noise=noise, iterations=iterations, replicas=settings["replicas"], save=[iterations],
            threads=1,
        )  # fmt: skip
        rule = dynamics.rule(variance)
        exact = theory.discrete_msd(
            iterations, hessian=-CURVATURES, noise_variance=variance, lr=rule.learning_rate, inertia=rule.inertia,
            gradient_weight=rule.gradient_weight,
        )  # fmt: skip
        msd, error = measured["msd"].values[0], measured["msd_stderr"].values[0]
        lines.append((name, exact, paper, msd, Z * error))
        powers.append((name, *_power(msd, error), _power(exact, 0 * exact)[0]))
    every = np.concatenate([np.concatenate(line[1:4]) for line in lines])
    right = Panel(
        (786, 0, 454, 400), (0.0002, 0.15), (every.min() / 3, every.max() * 3), log="xy", title="How far in T iterations",
        x_label="curvature |H| of the direction", y_label="mean squared displacement (θ²)",
    )  # fmt: skip
    for name, exact, paper, msd, error in lines:
        right.line(CURVATURES, exact, COLOURS[name])
        right.line(CURVATURES, paper, COLOURS[name], dash=DASH, width=2)
        right.points(CURVATURES, msd, msd - error, msd + error, COLOURS[name])
    svg = figure(
        [*_rules({name: entry[0] for name, entry in optimizers.items()}, variance, lr), right], SIZE,
        f"Learning rate, inertia, and mean squared displacement of SGD, Adam and Adai against curvature after {iterations} iterations",
        [*((name, colour, "bar") for name, colour in COLOURS.items()), ("exact", GREY, "line"), ("the paper", GREY, "dash"), ("this run, 95 %", GREY, "dot")],
    )  # fmt: skip
    return Outcome(svg, _answer(settings, powers), _code(settings, moment))


def _rules(optimizers: dict[str, Dynamics], variance: Any, lr: float) -> list[Panel]:
    """Bars of learning rate and inertia in each direction."""
    places = np.arange(len(CURVATURES), dtype=float)
    names = [(float(k), number(h) if k % 2 else "") for k, h in enumerate(CURVATURES)]
    rules = {name: dynamics.rule(variance) for name, dynamics in optimizers.items()}
    top = max(rule.learning_rate.max() for rule in rules.values())
    common: dict[str, Any] = {"x_label": "curvature |H| of the direction", "x_ticks": names}
    rates = Panel((0, 0, 380, 400), (-0.6, 5.6), (lr / 3, 2 * top), log="y", title="Learning rate ηᵢ", **common)
    inertias = Panel((380, 0, 380, 400), (-0.6, 5.6), (0, 1.05), title="Inertia βᵢ", **common)
    for k, (name, rule) in enumerate(rules.items()):
        for j, place in enumerate(places):
            rates.bar(place + 0.26 * (k - 1), rule.learning_rate[j], lr / 3, 0.24, COLOURS[name])
            inertias.bar(place + 0.26 * (k - 1), rule.inertia[j], 0, 0.24, COLOURS[name])
    return [rates, inertias]


def _power(msd: Any, error: Any) -> tuple[float, float]:
    """Power of the curvature in the MSD between the flattest direction and one 33 times as steep, and its 95 % interval."""
    decades = np.log(CURVATURES[3] / CURVATURES[0])
    spread = np.sqrt((error[0] / msd[0]) ** 2 + (error[3] / msd[3]) ** 2)
    return float(np.log(msd[3] / msd[0]) / decades), float(Z * spread / decades)


def _answer(settings: Mapping[str, Any], powers: list[tuple[str, float, float, float]]) -> str:
    found = "; ".join(f"{name} **{p:.2f}** ± {width:.2f} ({exact:.2f})" for name, p, width, exact in powers)
    shipped = " as shipped (exact values are for the theory's optimizers)" if settings["kind"] == SHIPPED else ""
    return (
        f"After {settings['iterations']} iterations the mean squared displacement{shipped} grows with curvature like |H|ᵖ, measured between |H| = 0.0003 and 0.01 "
        f"(and exact): {found}. p = 0 does not see the curvature, p = 1 is SGD's law for flat directions; the larger p, the slower flat directions are left."
    )


def _code(settings: Mapping[str, Any], moment: str) -> str:
    eigenvalues = (-CURVATURES).tolist()
    return f"""\
from diffusion import Adam, HessianNoise, QuadraticSaddle, simulate
from math import log
run = simulate(Adam({settings["lr"]}, {settings["inertia"]}, second_moment="{moment}"), QuadraticSaddle({eigenvalues}), noise=HessianNoise({settings["batch_size"]}), iterations={settings["iterations"]}, replicas={settings["replicas"]})
print(f"{{log(run.msd[-1, 3] / run.msd[-1, 0]) / log(0.01 / 0.0003):.2f}}")  # Adam's p"""
