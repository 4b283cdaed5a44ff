"""Lesson 7: the same run at one substep an iteration, the optimizer, up to many, its stochastic differential equation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import theory
from diffusion import SGD, HessianNoise, Momentum, QuadraticSaddle, simulate
from diffusion.dynamics import Dynamics
from experiments.teach.chart import BLUE, GREEN, GREY, ORANGE, Panel
from experiments.teach.figure import figure
from experiments.teach.lesson import Outcome, slider

Array = NDArray[np.float64]

TITLE = "When is the differential equation a good model?"
INTRODUCTION = (
    "An optimizer moves in steps; its stochastic differential equation cuts each step into many. Here a run falls "
    "into a valley's thermal noise with 1 to 256 substeps per iteration. With one it is the optimizer itself, with "
    "many the equation: the gap closes like one over the number of substeps."
)

BATCH_SIZE = 10
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LR = 0.1
SIZE = (1240, 400)
Z = 1.96


def controls() -> dict[str, Any]:
    """The lesson's sliders."""
    return {
        "step": slider("Learning rate × curvature, η H", [0.01, 0.03, 0.1, 0.3, 0.5, 1, 1.5, 1.8], 0.5),
        "inertia": slider("Inertia β₁ (0: SGD)", [0, 0.5, 0.9, 0.95, 0.99], 0),
        "iterations": slider("Iterations T", [1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500], 10),
        "substeps": slider("Substeps per iteration of the run", [1, 2, 4, 8, 16, 32], 1),
        "replicas": slider("Replicas", [300, 1000, 3000, 10000], 3000),
    }


def updates(settings: Mapping[str, Any]) -> float:
    """Coordinate updates of the run."""
    return float(settings["replicas"] * settings["iterations"] * settings["substeps"])


def run(settings: Mapping[str, Any]) -> Outcome:
    """Run at the chosen number of substeps; everything else is exact."""
    iterations, n, beta = settings["iterations"], settings["substeps"], settings["inertia"]
    h = settings["step"] / LR
    dynamics: Dynamics = Momentum(LR, beta) if beta > 0 else SGD(LR)
    save = np.unique(np.round(np.geomspace(1, iterations, 10)).astype(np.int64))
    landscape, noise = QuadraticSaddle([h]), HessianNoise(BATCH_SIZE)
    measured = simulate(
        dynamics,
        landscape,
        noise=noise,
        iterations=iterations,
        save=save,
        replicas=settings["replicas"],
        substeps=n,
        threads=1,
    )
    msd, error = measured["msd"].values[:, 0], Z * measured["msd_stderr"].values[:, 0]
    variance = float(noise.variance_along(landscape)[0])
    grid = np.unique(np.round(np.geomspace(1, 500, 60)).astype(np.int64))

    def exact(at: Any, substeps: int) -> Array:
        return theory.discrete_msd(
            at, hessian=h, noise_variance=variance, lr=LR, inertia=beta, gradient_weight=1 - beta if beta > 0 else 1.0,
            substeps=substeps,
        )  # fmt: skip

    def limit(at: Any) -> Array:
        known = {"hessian": h, "diffusion": LR / 2 * variance}
        if beta == 0:
            return theory.sgd_msd_exact(LR * at, **known)
        return theory.momentum_msd_exact(LR * at, **known, mass=LR / (1 - beta), damping=(1 - beta) / LR, start="rest")

    here, sde = exact(grid, n), limit(grid)
    optimizer = exact(grid, 1)
    every = np.concatenate([here, sde, optimizer, msd[msd > 0]])
    left = Panel(
        (0, 0, 630, 400), (1, 500), (every.min() / 1.6, 1.6 * every.max()), log="xy", title="Spread in a valley", x_label="iterations",
        y_label="mean squared displacement (θ²)",
    )  # fmt: skip
    left.line(grid, optimizer, GREY, width=2.5)
    left.line(grid, here, GREEN, width=2.5, dash="10 5")
    left.line(grid, sde, BLUE)
    left.points(save, msd, msd - error, msd + error, ORANGE)

    end = float(limit(np.array([iterations]))[0])
    off = np.array([abs(float(exact(iterations, count)) / end - 1) for count in COUNTS])
    floor = 1e-5
    right = Panel(
        (630, 0, 610, 400), (0.8, 330), (floor, 10 * max(1.0, off.max())), log="xy", title=f"Distance from the equation at T = {iterations}",
        x_label="substeps per iteration", y_label="|MSD / that of the equation − 1|",
        x_ticks=[(float(count), str(count)) for count in COUNTS], y_ticks=None,
    )  # fmt: skip
    right.line(COUNTS, off[-1] * COUNTS[-1] / np.array(COUNTS), GREY, width=1.5, dash="2 5")
    right.line(COUNTS, np.maximum(off, floor / 10), GREEN, dash="10 5")
    gap, width = abs(msd[-1] / end - 1), error[-1] / end
    right.points(n, max(gap, floor), max(gap - width, floor / 10), gap + width, ORANGE)
    svg = figure(
        [left, right], SIZE, f"Mean squared displacement in a valley at {n} substeps, and its distance from the differential equation against substeps",
        [("the optimizer, exact", GREY, "line"), (f"{n} substep{'s' if n > 1 else ''}, exact", GREEN, "dash"), ("the equation, exact", BLUE, "line"), ("this run, 95 %", ORANGE, "dot")],
    )  # fmt: skip
    return Outcome(svg, _answer(settings, msd[-1] / end, width, off, end, exact), _code(settings, dynamics, h))


def _answer(settings: Mapping[str, Any], ratio: float, width: float, off: Array, end: float, exact: Any) -> str:
    iterations, n = settings["iterations"], settings["substeps"]
    whole, parts = (float(exact(iterations, count)) / end for count in (1, n))
    enough = [count for count, gap in zip(COUNTS, off, strict=True) if gap <= 0.01]
    least = (
        f"{enough[0]} substep{'s' if enough[0] > 1 else ''} bring it within 1 %"
        if enough
        else f"even {COUNTS[-1]} substeps leave more than 1 %"
    )
    return (
        f"After {iterations} iterations the optimizer's mean squared displacement is {whole:.3f} times the equation's; with {n} substep"
        f"{'s' if n > 1 else ''} it is **{parts:.3f}** times, and this run measures {ratio:.3f} ± {width:.3f}. Here {least}. The equation is a good model where η H is "
        f"small and, with inertia, once T is many times 1/(1−β₁)."
    )


def _code(settings: Mapping[str, Any], dynamics: Dynamics, h: float) -> str:
    beta = settings["inertia"]
    return f"""\
import theory
n, rule = {settings["substeps"]}, dict(hessian={h:g}, noise_variance={h / BATCH_SIZE:g}, lr={LR}, inertia={beta}, gradient_weight={1 - beta if beta else 1:g})
many = theory.discrete_msd({settings["iterations"]}, **rule, substeps=100_000)  # the equation, to all digits shown
print(f"{{theory.discrete_msd({settings["iterations"]}, **rule, substeps=n) / many:.3f}}")"""
