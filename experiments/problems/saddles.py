"""Saddles: the grid on which displacements are tried, and their exact moments.

One problem, nine directions of curvature; directions other than H = 0 have the paper's noise |H|/B (Equation 3),
along H = 0 it is isotropic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import theory
from diffusion import HessianNoise, IsotropicNoise, QuadraticSaddle
from diffusion.dynamics import Dynamics, Rule
from diffusion.noise import NoiseModel
from experiments.problems import optimizers

Array = NDArray[np.float64]

LR = 0.01
BATCH_SIZE = 10
EIGENVALUES = (1.0, 0.1, 0.01, 0.001, 0.0, -0.001, -0.01, -0.1, -1.0)
HESSIAN = np.array(EIGENVALUES)
ISOTROPIC_VARIANCE = 0.001  # for eigenvalue 0, where Equation 3 has no noise: that of |H| = 0.01
FLATTEST = 0.001
BETAS = (0.5, 0.9, 0.99)
MEMORY_TIMES = (0.1, 0.3, 1, 3, 10, 30, 100)  # iterations times (1 - inertia)
LONGEST_SIMULATED = {0.99: 10}  # largest of MEMORY_TIMES that is simulated, where not all are
STARTED = {"rest": "from rest", "thermal": "thermal start"}


def iteration_grid(beta: float) -> NDArray[np.int64]:
    """T = max(1, round(x/(1-beta))) for x of `MEMORY_TIMES`, without repeats."""
    return np.unique([max(1, round(x / (1 - beta))) for x in MEMORY_TIMES]).astype(np.int64)


def simulated_grid(beta: float) -> NDArray[np.int64]:
    """The part of `iteration_grid` that is simulated."""
    grid = iteration_grid(beta)
    return grid[grid <= round(LONGEST_SIMULATED[beta] / (1 - beta))] if beta in LONGEST_SIMULATED else grid


def substeps(iterations: int) -> NDArray[np.int64]:
    """Graded substeps of the SDE ensembles: the scheme's relative error after T iterations is about 1/steps taken."""
    return np.maximum(2, np.ceil(64 / np.arange(1, iterations + 1))).astype(np.int64)


@dataclass(frozen=True)
class Saddle:
    """Directions of curvature, each under its noise.

    Attributes
    ----------
    problems
        Pairs of a landscape and its noise, with all directions between them.
    eigenvalues
        Of all directions, in the order in which results are given.
    """

    problems: tuple[tuple[QuadraticSaddle, NoiseModel], ...]
    eigenvalues: tuple[float, ...]

    @property
    def hessian(self) -> Array:
        """The eigenvalues, shape (directions,)."""
        return np.array(self.eigenvalues)

    @property
    def batch_size(self) -> float:
        """B of Hessian noise; NaN where there is none."""
        return float(next((noise.batch_size for _, noise in self.problems if isinstance(noise, HessianNoise)), np.nan))

    @property
    def order(self) -> NDArray[np.int64]:
        """Where each direction is among those of all problems together."""
        among = np.concatenate([landscape.hessian for landscape, _ in self.problems])
        return np.argsort(among, kind="stable")[np.argsort(np.argsort(self.hessian, kind="stable"), kind="stable")]

    def along(self, values: Callable[[QuadraticSaddle, NoiseModel], Any]) -> Array:
        """What a function of each problem gives for its directions, in the order of all."""
        return np.concatenate([values(*problem) for problem in self.problems])[self.order]


PAPERS = Saddle(
    (
        (QuadraticSaddle([h for h in EIGENVALUES if h]), HessianNoise(BATCH_SIZE)),
        (QuadraticSaddle([0.0]), IsotropicNoise(ISOTROPIC_VARIANCE)),
    ),
    EIGENVALUES,
)


def _told(noise: NoiseModel) -> str:
    """A model of noise with its size."""
    return f"{type(noise).__name__}({next(iter(vars(noise).values()))})"


@dataclass(frozen=True)
class Departure:
    """One dynamics that leaves the saddle from one start.

    Attributes
    ----------
    dynamics, start
        The optimizer, and "rest" or "thermal": its velocity at the saddle.
    beta
        The inertia that sets the grid of iterations.
    memory
        Whether all directions share that inertia, so that the grid is one of memory times.
    added
        Whether the quantity is what a thermal start adds to the same run from rest, instead of the displacement itself.
    saddle
        What it leaves.
    times, longest
        Iterations other than those that the inertia sets, and up to which of these ensembles are run.
    """

    dynamics: Dynamics
    start: str
    beta: float
    memory: bool = True
    added: bool = False
    saddle: Saddle = field(default_factory=lambda: PAPERS)
    times: tuple[int, ...] = ()
    longest: int = 0

    @property
    def iterations(self) -> NDArray[np.int64]:
        """Iterations at which the exact routes are computed."""
        return np.array(self.times) if self.times else iteration_grid(self.beta)

    @property
    def simulated(self) -> NDArray[np.int64]:
        """Iterations at which ensembles are measured: the beginning of `iterations`."""
        return self.iterations[self.iterations <= self.longest] if self.times else simulated_grid(self.beta)

    @property
    def started(self) -> str:
        """The start in words."""
        return "thermal minus rest" if self.added else STARTED[self.start]

    def coordinates(self) -> dict[str, Any]:
        """The regime: coordinates of the evidence, by name."""
        noise = self.saddle.along(lambda landscape, noise: [_told(noise)] * landscape.dimension)
        shared = {"optimizer": optimizers.name(self.dynamics), **optimizers.parameters(self.dynamics)}
        along = {"iterations": self.iterations, "eigenvalue": self.saddle.hessian, "noise": ("eigenvalue", noise)}
        if self.memory:
            times = [round(float(t * (1 - self.beta)), 10) for t in self.iterations]
            along["iterations_times_damping"] = ("iterations", times)
        return shared | {"start": self.start, "lr": getattr(self.dynamics, "lr", np.nan)} | along

    def rule(self) -> Rule:
        """The idealized rule along every direction, each under its own noise."""
        rules = [self.dynamics.rule(noise.variance_along(landscape)) for landscape, noise in self.saddle.problems]
        parts = [[getattr(rule, field.name) for rule in rules] for field in fields(Rule)]
        return Rule(*(np.concatenate(part)[self.saddle.order] for part in parts))

    def escape_rate(self) -> Array:
        """|H| dt/(gamma M): by how much the exponent of growth or decay along each direction advances per iteration."""
        rule = self.rule()
        friction = np.where(rule.inertia > 0, rule.damping * rule.mass, 1.0)
        return np.asarray(np.abs(self.saddle.hessian) * rule.learning_rate / friction)

    def exact(self, iterations: ArrayLike) -> Array:
        """The exact value for the SDE, of shape (iterations, directions)."""
        rule, hessian = self.rule(), self.saddle.hessian
        times = np.asarray(iterations)[:, None] * rule.learning_rate
        values = np.empty(times.shape)
        inert = rule.inertia > 0
        values[:, ~inert] = theory.sgd_msd_exact(
            times[:, ~inert], hessian=hessian[~inert], diffusion=rule.diffusion[~inert]
        )
        langevin = {"hessian": hessian[inert], "diffusion": rule.diffusion[inert]}
        langevin |= {"mass": rule.mass[inert], "damping": rule.damping[inert]}
        if self.added:
            values[:, inert] = theory.momentum_drift_msd_exact(times[:, inert], **langevin)
        else:
            values[:, inert] = theory.momentum_msd_exact(times[:, inert], start=self.start, **langevin)
        return values

    def exact_recursion(self, factor: int | None) -> Array:
        """The exact value for the recursion at `factor` times the graded substeps; None: the discrete optimizer's."""
        rule, iterations = self.rule(), self.iterations[:, None]
        steps = 1 if factor is None else factor * substeps(int(self.iterations[-1]))
        recursion = {"hessian": self.saddle.hessian, "noise_variance": rule.noise_variance, "lr": rule.learning_rate}
        recursion |= {"inertia": rule.inertia, "gradient_weight": rule.gradient_weight}
        if self.added:
            return theory.discrete_drift_msd(iterations, **recursion, substeps=steps)
        return theory.discrete_msd(iterations, **recursion, substeps=steps, start=self.start)
