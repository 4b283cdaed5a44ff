"""Saddles: the grid on which displacements are tried, and their exact moments.

One problem, nine directions of curvature; directions other than H = 0 have the paper's noise |H|/B (Equation 3),
along H = 0 it is isotropic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import theory
from diffusion import HessianNoise, QuadraticSaddle
from diffusion.dynamics import Dynamics, Rule
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
    """

    dynamics: Dynamics
    start: str
    beta: float
    memory: bool = True
    added: bool = False

    @property
    def iterations(self) -> NDArray[np.int64]:
        """Iterations at which the exact routes are computed."""
        return iteration_grid(self.beta)

    @property
    def simulated(self) -> NDArray[np.int64]:
        """Iterations at which ensembles are measured: the beginning of `iterations`."""
        return simulated_grid(self.beta)

    @property
    def started(self) -> str:
        """The start in words."""
        return "thermal minus rest" if self.added else STARTED[self.start]

    def coordinates(self) -> dict[str, Any]:
        """The regime: coordinates of the evidence, by name."""
        noise = [f"HessianNoise({BATCH_SIZE})" if h else f"IsotropicNoise({ISOTROPIC_VARIANCE})" for h in EIGENVALUES]
        shared = {"optimizer": optimizers.name(self.dynamics), **optimizers.parameters(self.dynamics)}
        along = {"iterations": self.iterations, "eigenvalue": HESSIAN, "noise": ("eigenvalue", noise)}
        if self.memory:
            times = [round(float(t * (1 - self.beta)), 10) for t in self.iterations]
            along["iterations_times_damping"] = ("iterations", times)
        return shared | {"start": self.start, "lr": LR} | along

    def rule(self) -> Rule:
        """The idealized rule along every direction, each under its own noise."""
        curved = HESSIAN != 0
        noise = HessianNoise(BATCH_SIZE).variance_along(QuadraticSaddle(HESSIAN[curved]))
        parts = ((curved, self.dynamics.rule(noise)), (~curved, self.dynamics.rule(np.array([ISOTROPIC_VARIANCE]))))

        def joined(name: str) -> Array:
            values = np.empty(len(HESSIAN))
            for mask, rule in parts:
                values[mask] = getattr(rule, name)
            return values

        return Rule(joined("inertia"), joined("learning_rate"), joined("gradient_weight"), joined("noise_variance"))

    def escape_rate(self) -> Array:
        """|H| dt/(gamma M): by how much the exponent of growth or decay along each direction advances per iteration."""
        rule = self.rule()
        friction = np.where(rule.inertia > 0, rule.damping * rule.mass, 1.0)
        return np.asarray(np.abs(HESSIAN) * rule.learning_rate / friction)

    def exact(self, iterations: ArrayLike) -> Array:
        """The exact value for the SDE, of shape (iterations, directions)."""
        rule = self.rule()
        times = np.asarray(iterations)[:, None] * rule.learning_rate
        values = np.empty(times.shape)
        inert = rule.inertia > 0
        values[:, ~inert] = theory.sgd_msd_exact(
            times[:, ~inert], hessian=HESSIAN[~inert], diffusion=rule.diffusion[~inert]
        )
        langevin = {"hessian": HESSIAN[inert], "diffusion": rule.diffusion[inert]}
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
        recursion = {"hessian": HESSIAN, "noise_variance": rule.noise_variance, "lr": rule.learning_rate}
        recursion |= {"inertia": rule.inertia, "gradient_weight": rule.gradient_weight}
        if self.added:
            return theory.discrete_drift_msd(iterations, **recursion, substeps=steps)
        return theory.discrete_msd(iterations, **recursion, substeps=steps, start=self.start)
