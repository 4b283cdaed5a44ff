"""Runs of several optimizers that start on a quadratic saddle, for the lessons that set them side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray
from numpy.typing import ArrayLike

import theory
from diffusion import SGD, Adai, Adam, HessianNoise, Momentum, QuadraticSaddle, simulate
from diffusion.dynamics import Dynamics, Rule
from experiments.teach.chart import BLUE, GREEN, GREY, ORANGE
from experiments.teach.lesson import Array, Settings

COLOURS = {"SGD": GREY, "Momentum": GREEN, "Adam": ORANGE, "Adai": BLUE}


@dataclass(frozen=True)
class Ensemble:
    """An optimizer's rule in each direction, its mean squared displacements by the paper and exactly, and its runs."""

    optimizer: str
    rule: Rule
    paper: Array
    exact: Array
    measured: xarray.Dataset


def ensembles(
    optimizers: tuple[str, ...], hessian: ArrayLike, settings: Settings, *, moment: str, keep: str = "moments"
) -> list[Ensemble]:
    """Run optimizers at the learning rate, inertia, batch size, iterations and number of replicas that are set."""
    lr, beta, iterations = settings["lr"], settings["inertia"], settings["iterations"]
    landscape, noise = QuadraticSaddle(hessian), HessianNoise(settings["batch_size"])
    variance, time = noise.variance_along(landscape), lr * iterations
    known: dict[str, Any] = {"hessian": landscape.hessian, "diffusion": lr / 2 * variance}
    adai: dict[str, Any] = {"lr": lr, "beta0": 1 - beta, "batch_size": settings["batch_size"]}
    every: dict[str, tuple[Dynamics, Array]] = {
        "SGD": (SGD(lr), theory.sgd_msd(time, **known)),
        "Momentum": (
            Momentum(lr, beta),
            theory.momentum_msd(time, **known, mass=lr / (1 - beta), damping=(1 - beta) / lr),
        ),
        "Adam": (
            Adam(lr, beta, second_moment=moment),
            np.full(landscape.dimension, theory.adam_msd(iterations, lr=lr, beta1=beta)),
        ),
        "Adai": (
            Adai(lr, 1 - beta, second_moment=moment),
            theory.adai_msd(iterations, hessian=landscape.hessian, **adai),
        ),
    }
    run: dict[str, Any] = {"iterations": iterations, "save": [iterations], "replicas": settings["replicas"]}
    runs = []
    for optimizer in optimizers:
        dynamics, paper = every[optimizer]
        rule = dynamics.rule(variance)
        moves: dict[str, Any] = {
            "lr": rule.learning_rate,
            "inertia": rule.inertia,
            "gradient_weight": rule.gradient_weight,
        }
        exact = theory.discrete_msd(iterations, hessian=landscape.hessian, noise_variance=variance, **moves)
        measured = simulate(dynamics, landscape, noise=noise, keep=keep, threads=1, **run)
        runs.append(Ensemble(optimizer, rule, paper, exact, measured))
    return runs
