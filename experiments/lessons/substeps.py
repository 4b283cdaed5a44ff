"""Lesson 7: one run at one substep an iteration, the optimizer, up to many, its stochastic differential equation."""

from typing import Any

import numpy as np

import theory
from diffusion import SGD, HessianNoise, Momentum, QuadraticSaddle, simulate
from diffusion.dynamics import Dynamics
from experiments.teach.chart import BLUE, GREEN, GREY, ORANGE, Panel
from experiments.teach.figure import figure
from experiments.teach.lesson import Array, Outcome, Settings, Z, slider

TITLE = "When is the differential equation a good model?"
INTRODUCTION = (
    "An optimizer moves in steps; its stochastic differential equation cuts each step into many. Here a run falls "
    "into a valley's thermal noise with 1 to 256 substeps per iteration. With one it is the optimizer itself, with "
    "many the equation: the gap closes like one over the number of substeps."
)

BATCH_SIZE = 10
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LR = 0.1
LEAST = 1e-5  # of the distances that are drawn

CONTROLS = {
    "step": slider("Learning rate × curvature, η H", [0.01, 0.03, 0.1, 0.3, 0.5, 1, 1.5, 1.8], 0.5, [0.1, 0.5, 1, 1.8]),
    "inertia": slider("Inertia β₁ (0: SGD)", [0, 0.5, 0.9, 0.95, 0.99], 0, [0, 0.9]),
    "iterations": slider("Iterations T", [1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500], 10, [1, 10, 100]),
    "substeps": slider("Substeps per iteration of the run", [1, 2, 4, 8, 16, 32], 1, [1, 4, 32]),
    "replicas": slider("Replicas", [300, 1000, 3000, 10000], 3000),
}


def updates(settings: Settings) -> float:
    """Coordinate updates of the run."""
    return float(settings["replicas"] * settings["iterations"] * settings["substeps"])


def run(settings: Settings) -> Outcome:
    """Run at the chosen number of substeps; everything else is exact."""
    iterations, n, beta = settings["iterations"], settings["substeps"], settings["inertia"]
    h = settings["step"] / LR
    dynamics: Dynamics = Momentum(LR, beta) if beta > 0 else SGD(LR)
    save = np.unique(np.round(np.geomspace(1, iterations, 10)).astype(np.int64))
    landscape, noise = QuadraticSaddle([h]), HessianNoise(BATCH_SIZE)
    steps = {"iterations": iterations, "save": save, "substeps": n}
    measured = simulate(dynamics, landscape, noise=noise, replicas=settings["replicas"], threads=1, **steps)
    msd, error = measured["msd"].values[:, 0], Z * measured["msd_stderr"].values[:, 0]
    variance = float(noise.variance_along(landscape)[0])
    rule = {"hessian": h, "noise_variance": variance, "lr": LR, "inertia": beta}
    grid = np.unique(np.round(np.geomspace(1, 500, 60)).astype(np.int64))

    def exact(at: Any, substeps: int) -> Array:
        weight = 1 - beta if beta > 0 else 1.0
        return theory.discrete_msd(at, **rule, gradient_weight=weight, substeps=substeps)

    def limit(at: Any) -> Array:
        known = {"hessian": h, "diffusion": LR / 2 * variance}
        if beta == 0:
            return theory.sgd_msd_exact(LR * at, **known)
        return theory.momentum_msd_exact(LR * at, **known, mass=LR / (1 - beta), damping=(1 - beta) / LR, start="rest")

    here, sde, optimizer = exact(grid, n), limit(grid), exact(grid, 1)
    every = np.concatenate([here, sde, optimizer, msd[msd > 0]])
    left = Panel((0, 0, 630, 400), (1, 500), (every.min() / 1.6, 1.6 * every.max()), log="xy")
    left.label("Spread in a valley", "iterations", "mean squared displacement (θ²)")
    left.line(grid, optimizer, GREY, "the optimizer, exact", width=2.5)
    left.line(grid, here, GREEN, f"{n} substep{'s' if n > 1 else ''}, exact", width=2.5, dash="10 5")
    left.line(grid, sde, BLUE, "the equation, exact")
    left.points(save, msd, msd - error, msd + error, ORANGE, "this run, 95 %")

    end = float(limit(np.array([iterations]))[0])
    off = np.array([abs(float(exact(iterations, count)) / end - 1) for count in COUNTS])
    names = [(float(count), str(count)) for count in COUNTS]
    right = Panel((630, 0, 610, 400), (0.8, 330), (LEAST, 10 * max(1.0, off.max())), log="xy", x_ticks=names)
    right.label(
        f"Distance from the equation at T = {iterations}", "substeps per iteration", "|MSD / that of the equation − 1|"
    )
    right.line(COUNTS, off[-1] * COUNTS[-1] / np.array(COUNTS), GREY, width=1.5, dash="2 5")
    right.line(COUNTS, np.maximum(off, LEAST / 10), GREEN, dash="10 5")
    gap, width = abs(msd[-1] / end - 1), error[-1] / end
    right.points(n, max(gap, LEAST), max(gap - width, LEAST / 10), gap + width, ORANGE)
    svg = figure(
        [left, right],
        f"Mean squared displacement in a valley at {n} substeps, and its distance from the differential equation "
        "against substeps",
    )
    return Outcome(svg, _answer(settings, msd[-1] / end, width, off, end, exact), _code(settings, h))


def _answer(settings: Settings, ratio: float, width: float, off: Array, end: float, exact: Any) -> str:
    iterations, n = settings["iterations"], settings["substeps"]
    whole, parts = (float(exact(iterations, count)) / end for count in (1, n))
    enough = [count for count, gap in zip(COUNTS, off, strict=True) if gap <= 0.01]
    least = (
        f"{enough[0]} substep{'s' if enough[0] > 1 else ''} bring it within 1 %"
        if enough
        else f"even {COUNTS[-1]} substeps leave more than 1 %"
    )
    return (
        f"After {iterations} iterations the optimizer's mean squared displacement is {whole:.3f} times the equation's; "
        f"with {n} substep{'s' if n > 1 else ''} it is **{parts:.3f}** times, and this run measures {ratio:.3f} ± "
        f"{width:.3f}. Here {least}. The equation is a good model where η H is small and, with inertia, once T is many "
        f"times 1/(1−β₁)."
    )


def _code(settings: Settings, h: float) -> str:
    beta, iterations = settings["inertia"], settings["iterations"]
    rule = f"hessian={h:g}, noise_variance={h / BATCH_SIZE:g}, lr={LR}, inertia={beta}"
    return f"""\
import theory
n, rule = {settings["substeps"]}, dict({rule}, gradient_weight={1 - beta if beta else 1:g})
many = theory.discrete_msd({iterations}, **rule, substeps=100_000)  # the equation, to all digits shown
print(f"{{theory.discrete_msd({iterations}, **rule, substeps=n) / many:.3f}}")"""
