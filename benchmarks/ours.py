"""diffusion-lab itself."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import diffusion
from benchmarks import workloads
from benchmarks.workloads import Array, Contestant, Size, gradient

NOISE = diffusion.IsotropicNoise(workloads.VARIANCE)
SGD = diffusion.SGD(workloads.LR)
LR: float = (
    workloads.LR * workloads.DEVIATION
)  # of adaptive learning rates, which divide it by sqrt(v), here the deviation


def workload_a(size: Size, name: str = "", dynamics: Any = SGD, landscape: Any = None, **options: Any) -> Contestant:
    """Workload A, or the same with another optimizer or landscape; options as of `diffusion.simulate`."""
    options = {"threads": 1} | options
    save = range(workloads.EVERY, size.iterations + 1, workloads.EVERY)

    def run() -> Array:
        result = diffusion.simulate(
            dynamics,
            landscape or diffusion.StyblinskiTang(size.dimension),
            noise=NOISE,
            start=workloads.START,
            iterations=size.iterations,
            replicas=size.replicas,
            save=list(save),
            **options,
        )
        return np.asarray(result["msd"].values)

    return Contestant(name or f"diffusion-lab, {options.get('precision', 'float64')}", size, run)


def workload_b(size: Size, precision: str = "float64") -> Contestant:
    """Workload B."""
    useful = [math.nan]

    def run() -> Array:
        result = diffusion.exit_times(
            SGD,
            diffusion.StyblinskiTang(size.dimension),
            noise=NOISE,
            start=workloads.START,
            boundary=workloads.BOUNDARY,
            max_iterations=size.iterations,
            replicas=size.replicas,
            precision=precision,
            threads=1,
        )
        useful[0] = result.attrs["lane_steps_useful"] / result.attrs["lane_steps"]
        return np.asarray(np.nan_to_num(result["exit_iteration"].values, nan=size.iterations))

    return Contestant(f"diffusion-lab, {precision}", size, run, useful=lambda: useful[0])


OPTIMIZERS = {
    "SGD": SGD,
    "Momentum": diffusion.Momentum(workloads.LR),
    "Adam, frozen": diffusion.Adam(LR),
    "Adai, frozen": diffusion.Adai(workloads.LR),
    "Adam, running": diffusion.Adam(LR, second_moment="running"),
    "Adai, running": diffusion.Adai(workloads.LR, second_moment="running"),
    "Padam": diffusion.Padam(workloads.LR),
    "AdaBound": diffusion.AdaBound(workloads.LR, gamma=1e-6),  # far from its bounds, which here are unstable
}
VARIANTS = ("AMSGrad", "AdaBelief", "AdaiW", "AdamW", "Lion", "RAdam", "SignSGD", "Yogi")
OPTIMIZERS |= {name: getattr(diffusion, name)(workloads.LR) for name in VARIANTS}


def own_adam() -> diffusion.OwnDynamics:
    """Adam as a user would write it."""

    def inertia(v: float, mean_v: float) -> float:
        return 0.9

    def learning_rate(v: float) -> float:
        return LR / (math.sqrt(v) + 1e-8)

    return diffusion.OwnDynamics(inertia, learning_rate)


def own_landscape(dimension: int = workloads.DIMENSION) -> diffusion.SeparableLandscape:
    """Styblinski-Tang as a user would write it."""

    def loss(u: float) -> float:
        return 0.5 * (u**4 - 16 * u**2 + 5 * u)

    def curvature(u: float) -> float:
        return 6 * u**2 - 16

    slope: Callable[[float], float] = gradient
    return diffusion.SeparableLandscape(
        loss, slope, curvature, dimension=dimension, reference=workloads.START, saddle=workloads.BOUNDARY
    )
