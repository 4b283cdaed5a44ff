"""Lesson 2: Theorem 2 beside the exact mean squared displacement, and where it counts noise twice."""

from typing import Any

import numpy as np

import theory
from diffusion import HessianNoise, Momentum, QuadraticSaddle, simulate
from experiments.problems import saddles
from experiments.teach.chart import BLUE, GREEN, GREY, ORANGE, PURPLE, Panel
from experiments.teach.figure import DASH, figure
from experiments.teach.lesson import Outcome, Settings, Z, choice, slider
from experiments.teach.scales import number

TITLE = "Does momentum help you leave?"
INTRODUCTION = (
    "From a flat saddle, noise carries a run away. Theorem 2 adds to the displacement by noise a drift by the momentum "
    "the run already has. But that momentum is itself past noise, and a kick acts only as its momentum is spent: the "
    "theorem counts the first 1/(1−β₁) iterations twice."
)

LR, BATCH_SIZE = saddles.LR, saddles.BATCH_SIZE
LONGEST = 3000
COLOURS = {"rest": BLUE, "thermal": GREEN}
NAMES = {"rest": "exact, from rest", "thermal": "exact, thermal start"}

CONTROLS = {
    "inertia": slider("Inertia β₁", [0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99], 0.9, [0.5, 0.9, 0.99]),
    "iterations": slider(
        "Iterations T", [1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000, 2000, 3000], 10, [1, 3, 10, 30, 100, 1000]
    ),
    "curvature": slider("Curvature |H|, thousandths", [0.3, 1, 3, 10, 30], 1, [1, 10]),
    "start": choice("Velocity at the start", ["rest", "thermal"]),
    "replicas": slider("Replicas", [300, 1000, 3000, 10000], 3000),
}


def updates(settings: Settings) -> float:
    """Coordinate updates of the run."""
    return float(settings["replicas"] * saddles.substeps(settings["iterations"]).sum())


def run(settings: Settings) -> Outcome:
    """Measure Momentum's displacement and set the theorem beside it."""
    beta, iterations, start = settings["inertia"], settings["iterations"], settings["start"]
    h = settings["curvature"] / 1000
    rule: dict[str, Any] = {"hessian": -h, "diffusion": LR / 2 * h / BATCH_SIZE}
    rule |= {"mass": LR / (1 - beta), "damping": (1 - beta) / LR}
    save = np.unique(np.round(np.geomspace(1, iterations, 9)).astype(np.int64))
    measured = simulate(
        Momentum(LR, beta),
        QuadraticSaddle([-h]),
        noise=HessianNoise(BATCH_SIZE),
        iterations=iterations,
        save=save,
        replicas=settings["replicas"],
        substeps=saddles.substeps(iterations).tolist(),
        velocity=start,
        threads=1,
    )
    msd, error = measured["msd"].values[:, 0], Z * measured["msd_stderr"].values[:, 0]
    t = np.geomspace(1, LONGEST, 90)
    paper = theory.momentum_msd(LR * t, **rule)
    exact = {s: theory.momentum_msd_exact(LR * t, **rule, start=s) for s in COLOURS}
    sgd = theory.sgd_msd(LR * t, hessian=-h, diffusion=rule["diffusion"])

    left = Panel((0, 0, 430, 400), (1, LONGEST), (0.4 * min(exact[start][0], msd[0]), 2 * paper[-1]), log="xy")
    left.label("How far", "iterations", "mean squared displacement (θ²)")
    left.line(t, sgd, GREY, "exact, SGD", width=2)
    left.line(t, exact[start], COLOURS[start])
    left.line(t, paper, PURPLE, "Theorem 2", dash=DASH)
    left.points(save, msd, msd - error, msd + error, ORANGE, "this run, 95 %")

    marks = [(v, str(v)) for v in (1, 2, 5, 10, 20, 50, 100)]
    middle = Panel((424, 0, 396, 400), (1, LONGEST), (0.8, 200), log="xy", y_ticks=marks)
    middle.label("Theorem 2 / exact", "iterations")
    middle.line([1, LONGEST], [1, 1], GREY, width=1.5)
    for s, colour in COLOURS.items():
        middle.line(t, paper / exact[s], colour, NAMES[s], width=3 if s == start else 1.5)
    middle.line([1 / (1 - beta)] * 2, [0.8, 200], GREY, width=1.5, dash="2 4")
    middle.text(1.1 / (1 - beta), 130, "1/(1−β₁)", GREY)
    at = theory.momentum_msd(LR * save, **rule)
    middle.points(save, at / msd, at / (msd + error), at / np.maximum(msd - error, 1e-300), ORANGE)

    svg = figure(
        [left, middle, _kicks(rule, iterations)],
        "Mean squared displacement of Momentum against iterations, Theorem 2 over the exact value, and the response to "
        f"a kick, at T = {iterations}",
    )
    return Outcome(svg, _answer(settings, rule, msd[-1], error[-1]), _code(settings, rule))


def _kicks(rule: dict[str, Any], iterations: int) -> Panel:
    """What a kick of the noise has done to the MSD by T, against the time since: in the theorem, and in truth."""
    age = np.linspace(0, iterations, 90)
    thermal = rule["diffusion"] / (rule["damping"] * rule["mass"] ** 2)  # <r^2>: the response is to one velocity
    true = theory.momentum_drift_msd_exact(LR * age, **rule) / thermal * rule["damping"] ** 2
    assumed = np.exp(-2 * rule["hessian"] * LR * age / (rule["mass"] * rule["damping"]))
    panel = Panel((826, 0, 414, 400), (0, iterations), (0, 1.15 * assumed.max()))
    panel.label("What one kick has done by T", "iterations since the kick", "(share of its full effect)²")
    panel.band(age, true, assumed, PURPLE)
    panel.line(age, assumed, PURPLE, dash=DASH)
    panel.line(age, true, BLUE)
    panel.text(0.04 * iterations, 0.88 * assumed.max(), "counted too early", PURPLE)
    return panel


def _answer(settings: Settings, rule: dict[str, Any], msd: float, error: float) -> str:
    time, start = LR * settings["iterations"], settings["start"]
    paper = float(theory.momentum_msd(time, **rule))
    drift = float(theory.momentum_drift_msd(time, **{k: v for k, v in rule.items() if k != "hessian"}))
    exact = float(theory.momentum_msd_exact(time, **rule, start=start))
    sgd = float(theory.sgd_msd(time, hessian=rule["hessian"], diffusion=rule["diffusion"]))
    early = number(paper - drift - float(theory.momentum_msd_exact(time, **rule, start="rest")))
    low, high = paper / (msd + error), paper / max(msd - error, 1e-300)
    begun, extra = "from a thermal start", ""
    if start == "rest":
        begun, extra = "from rest", ", which a start from rest does not have"
    return (
        f"After {settings['iterations']} iterations {begun} Theorem 2 is **{paper / exact:.2f}** times the exact value "
        f"(over this run's measurement: {paper / msd:.2f} [{low:.2f}, {high:.2f}]). Its diffusion term counts {early} "
        f"θ² of noise before it has acted (shaded); its drift term adds {number(drift)} θ²{extra}. Momentum moved "
        f"{exact / sgd:.2g} times SGD's mean squared displacement."
    )


def _code(settings: Settings, rule: dict[str, Any]) -> str:
    inside = ", ".join(f"{name}={float(f'{value:.12g}')}" for name, value in rule.items())
    exact = f"theory.momentum_msd_exact(time, **rule, start='{settings['start']}')"
    return f"""\
import theory
rule = dict({inside})
time = {LR} * {settings["iterations"]}  # learning rate times iterations
print(f"{{theory.momentum_msd(time, **rule) / {exact}:.2f}}")"""
