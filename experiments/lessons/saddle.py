"""Lesson 1: a cloud of replicas on a quadratic saddle, under four optimizers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import theory
from diffusion import SGD, Adai, Adam, HessianNoise, Momentum, QuadraticSaddle, simulate
from diffusion.dynamics import Dynamics
from experiments.teach.chart import BLUE, GREEN, GREY, ORANGE, PURPLE, Panel
from experiments.teach.figure import BLACK, DASH, figure
from experiments.teach.lesson import Outcome, slider
from experiments.teach.scales import number

Array = NDArray[np.float64]

TITLE = "Where does a ball on a saddle go?"
INTRODUCTION = (
    "Each dot is a training run that started in the middle. The loss rises steeply to left and right and falls "
    "gently up and down; only minibatch noise moves a run off the saddle. Solid ellipses are exact theory and "
    "should hold 86 % of the dots, dashed ones the paper's theorems."
)

STEEP = 0.1
SIGMAS = 2.0  # of the ellipses
WITHIN = 1 - np.exp(-(SIGMAS**2) / 2)  # share of a normal cloud inside
SIZE = (1262, 420)
COLOURS = {"SGD": GREY, "Momentum": GREEN, "Adam": ORANGE, "Adai": BLUE}


def controls() -> dict[str, Any]:
    """The lesson's sliders."""
    return {
        "curvature": slider("Gentle curvature |H|, thousandths", [0.3, 1, 3, 10, 30, 100], 1),
        "lr": slider("Learning rate η", [0.002, 0.005, 0.01, 0.02, 0.03], 0.01),
        "batch_size": slider("Batch size B", [1, 3, 10, 30, 100], 10),
        "inertia": slider("Inertia β₁ (of Adai: the mean)", [0.5, 0.7, 0.8, 0.9, 0.95, 0.99], 0.9),
        "iterations": slider("Iterations T", [1, 2, 3, 5, 10, 20, 30, 50, 100, 150, 200, 300], 100),
        "replicas": slider("Replicas (dots)", [100, 300, 1000, 3000], 1000),
    }


def updates(settings: Mapping[str, Any]) -> float:
    """Coordinate updates of the run."""
    return float(4 * 2 * settings["iterations"] * settings["replicas"])


def run(settings: Mapping[str, Any]) -> Outcome:
    """Run the four optimizers and draw them."""
    h, lr, size = settings["curvature"] / 1000, settings["lr"], settings["batch_size"]
    beta, iterations, replicas = settings["inertia"], settings["iterations"], settings["replicas"]
    landscape, noise = QuadraticSaddle([STEEP, -h]), HessianNoise(size)
    variance, time = noise.variance_along(landscape), lr * iterations
    known: dict[str, Any] = {"hessian": landscape.hessian, "diffusion": lr / 2 * variance}
    optimizers: dict[str, tuple[Dynamics, Array]] = {
        "SGD": (SGD(lr), theory.sgd_msd(time, **known)),
        "Momentum": (
            Momentum(lr, beta),
            theory.momentum_msd(time, **known, mass=lr / (1 - beta), damping=(1 - beta) / lr),
        ),
        "Adam": (Adam(lr, beta), np.full(2, theory.adam_msd(iterations, lr=lr, beta1=beta))),
        "Adai": (
            Adai(lr, 1 - beta),
            theory.adai_msd(iterations, hessian=landscape.hessian, lr=lr, beta0=1 - beta, batch_size=size),
        ),
    }
    panels, shares, inside, over = [], [], [], []
    for k, (name, (dynamics, paper)) in enumerate(optimizers.items()):
        states = simulate(
            dynamics, landscape, noise=noise, iterations=iterations, replicas=replicas, save=[iterations], keep="states",
            threads=1,
        )  # fmt: skip
        rule = dynamics.rule(variance)
        exact = theory.discrete_msd(
            iterations, hessian=landscape.hessian, noise_variance=variance, lr=rule.learning_rate, inertia=rule.inertia,
            gradient_weight=rule.gradient_weight,
        )  # fmt: skip
        position = states["position"].values[:, 0]
        inside.append(float(np.mean(np.sum(position**2 / exact, axis=1) <= SIGMAS**2)))
        measured = states["msd"].values[0]
        shares.append((name, float(np.sqrt(measured[1] / measured[0])), float(np.sqrt(exact[1] / exact[0]))))
        over.append((name, float(np.sqrt(paper[1] / exact[1]))))
        panels.append(_panel(k, name, position, np.sqrt(exact), np.sqrt(paper), h))
    svg = figure(
        panels, SIZE, f"Positions of {replicas} runs of four optimizers around a saddle after {iterations} iterations",
        [("one run", GREY, "dot"), (f"{SIGMAS:g} standard deviations, exact", BLACK, "line"), ("the same by the paper's theorem", PURPLE, "dash")],
    )  # fmt: skip
    return Outcome(svg, _answer(settings, shares, inside, over), _code(settings))


def _panel(k: int, name: str, position: Array, exact: Array, paper: Array, h: float) -> Panel:
    width, height = 1.0, 308 / 226  # of the frame
    reach = 1.15 * SIGMAS * max(exact[0] / width, max(exact[1], min(paper[1], 4 * exact[1])) / height, 1e-300)
    x, y = (-reach * width, reach * width), (-reach * height, reach * height)
    unit = 10.0 ** np.floor(np.log10(reach))
    tick = unit * max(m for m in (1, 2, 5) if m * unit <= reach)
    marks = [(v, number(v)) for v in (-tick, 0.0, tick)]
    panel = Panel(
        (27 + 303 * k if k else 0, 0, 303 if k else 330, 420), x, y, title=name, x_label="steep direction (θ)",
        y_label="gentle direction (θ)" if k == 0 else "", x_ticks=marks, y_ticks=marks, margins=(73 if k else 100, 4, 40, 72),
    )  # fmt: skip
    steps = np.sinh(np.linspace(-9, 9, 81)) / 50
    for share in (0.15, 0.45, 0.8):  # of the frame's rim: level lines of the loss
        a, b = share * x[1], share * y[1]
        up, along = np.sqrt(h / STEEP), np.sqrt(1 + steps**2)
        for sign in (-1, 1):
            panel.line(sign * a * along, a / up * steps, "#bdbdbd", width=1.2)
            panel.line(up * b * steps, sign * b * along, "#bdbdbd", width=1.2)
    panel.dots(position[:, 0], position[:, 1], COLOURS[name], opacity=0.65)
    angle = np.linspace(0, 2 * np.pi, 73)
    for deviation, colour, dash in ((exact, BLACK, ""), (paper, PURPLE, DASH)):
        panel.line(
            SIGMAS * deviation[0] * np.cos(angle), SIGMAS * deviation[1] * np.sin(angle), colour, dash=dash, width=2.5
        )
    return panel


def _answer(
    settings: Mapping[str, Any],
    shares: list[tuple[str, float, float]],
    inside: list[float],
    over: list[tuple[str, float]],
) -> str:
    found = ", ".join(f"{name} **{share:.2f}** ({exact:.2f})" for name, share, exact in shares)
    wide = ", ".join(f"{name} {ratio:.2f}" for name, ratio in over)
    return (
        f"After {settings['iterations']} iterations the spread along the gentle direction over that along the steep one is, measured (and exact): {found}. "
        f"The solid ellipses hold {min(inside):.1%} to {max(inside):.1%} of {settings['replicas']:,} runs; {WITHIN:.1%} are expected. The paper's "
        f"theorems give the exact gentle spread times: {wide}."
    )


def _code(settings: Mapping[str, Any]) -> str:
    return f"""\
from diffusion import Adam, HessianNoise, QuadraticSaddle, simulate
saddle = QuadraticSaddle([{STEEP}, -{settings["curvature"] / 1000:g}])
run = simulate(Adam({settings["lr"]}, {settings["inertia"]}), saddle, noise=HessianNoise({settings["batch_size"]}), iterations={settings["iterations"]}, replicas={settings["replicas"]})
print(f"{{(run.msd[-1, 1] / run.msd[-1, 0]).item() ** 0.5:.2f}}")  # gentle over steep"""
