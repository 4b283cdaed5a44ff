"""Stationary variance: how far SGD and Momentum spread at a minimum, in the end."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray

import theory
from diffusion import SGD, HessianNoise, Momentum, QuadraticSaddle, simulate
from diffusion.dynamics import Dynamics
from experiments.problems import displacements, optimizers, saddles
from experiments.referee import EXACT, Claim, Evidence, Finding, Measured, Routes, size, told
from experiments.referee.laws import MeanSquare

EIGENVALUES = np.array([1.0, 20.0, 100.0])  # learning rate times curvature is a hundredth of it
ITERATIONS = 500  # of the ensembles, which are tested against the moments after as many
LONG = 10**6  # iterations after which nothing is left of the start


class StationaryVariance(Claim):
    """The variance that the SDE and the optimizer tend to, at three curvatures."""

    name = "Stationary variance"
    place = "Section 2.2, after Theorem 1; Appendix A.3, Equation 36"
    statement = "At a minimum the variance of SGD tends to D/H, and that of Momentum to D/(gamma M H)."

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of SGD and of Momentum in both styles."""
        for dynamics in (SGD(saddles.LR), *(Momentum(saddles.LR, 0.9, style) for style in ("ema", "heavy-ball"))):
            yield _spread(routes, dynamics)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether the SDE tends to it, and the optimizer, whose steps are whole, at each curvature."""
        (piece,) = evidence
        off = float(max(piece.ratio.values, key=lambda ratio: abs(ratio - 1)))
        right, wrong = "the SDE's variance tends to the formula, exactly", "of the SDE's variance the formula "
        yield Finding.judged("limit of the SDE", off, right, wrong + size(off), tolerance=EXACT)
        for eigenvalue in piece.data["eigenvalue"].values:
            at = piece.data.sel(eigenvalue=eigenvalue)
            ratio = float(at["paper"] / at["exact_discrete"])
            where = f"at learning rate times curvature {saddles.LR * eigenvalue:g}"
            right = f"it is the optimizer's own within {100 * abs(ratio - 1):.2g} % {where}"
            wrong = f"it is {ratio:.3g} times the optimizer's own {where}"
            yield Finding.judged(f"the optimizer {where}", ratio, right, wrong)


def _spread(routes: Routes, dynamics: Dynamics) -> Evidence:
    """The variance by every route, on the eigenvalues."""
    landscape, noise = QuadraticSaddle(EIGENVALUES), HessianNoise(saddles.BATCH_SIZE)
    rule = dynamics.rule(noise.variance_along(landscape))
    recursion: dict[str, Any] = {"hessian": EIGENVALUES, "lr": rule.learning_rate, "inertia": rule.inertia}
    recursion |= {"noise_variance": rule.noise_variance, "gradient_weight": rule.gradient_weight}
    sde = {"hessian": EIGENVALUES, "diffusion": rule.diffusion}
    time = LONG * rule.learning_rate
    if rule.inertia.any():
        exact = theory.momentum_msd_exact(time, **sde, mass=rule.mass, damping=rule.damping, start="rest")
    else:
        exact = theory.sgd_msd_exact(time, **sde)
    discrete = theory.discrete_stationary_variance(**recursion)
    values = {"paper": theory.stationary_variance(**recursion), "exact": exact, "exact_discrete": discrete}
    options = {"iterations": ITERATIONS, "save": [ITERATIONS], **routes.options(told("stationary", dynamics))}
    run = simulate(dynamics, landscape, noise=noise, **options)
    expected = theory.discrete_msd(ITERATIONS, **recursion)
    measured = {"discrete": Measured(run["msd"].values[0], MeanSquare(routes.replicas), expected)}
    checks = {"the recursion in the end": (np.abs(theory.discrete_msd(LONG, **recursion) / discrete - 1), EXACT)}
    regime = {"optimizer": optimizers.name(dynamics), **optimizers.parameters(dynamics), "lr": saddles.LR}
    columns = {name: ("eigenvalue", value) for name, value in values.items()}
    data = xarray.Dataset(columns, {"eigenvalue": EIGENVALUES, **regime})
    reasons = displacements.unsampled(f"the discrete ensemble is measured, at {ITERATIONS} iterations")
    return Evidence(optimizers.variant(dynamics), "variance at a minimum (theta^2)", data, measured, checks, reasons)


claim = StationaryVariance()
