"""Velocity of Step I: what Momentum's velocity is while it passes a saddle."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

import theory
from diffusion import HessianNoise, Momentum, QuadraticSaddle, simulate
from experiments.problems import displacements, optimizers, saddles
from experiments.problems.saddles import BETAS, FLATTEST, LR, STARTED
from experiments.referee import Claim, Evidence, Finding, Measured, Routes, size, told
from experiments.referee.laws import MeanSquare

CURVED = np.array([0.1, *(h for h in saddles.EIGENVALUES if h < 0)])  # one direction of a minimum, those of escape
PASSED = 1.0  # |H| t until which a replica passes the saddle: its displacement has grown by e
ARRIVED, SETTLED = 1.0, 3.0  # iterations times (1 - beta1)
MEASURED, LONGEST = 0.9, 10  # the inertia of which there are ensembles, and iterations times (1 - beta1) of them


class Step1Velocity(Claim):
    """The mean square of Momentum's velocity, from rest and from a thermal start."""

    name = "Velocity of Step I"
    place = "Appendix A.2, Step I, Equation 25"
    statement = (
        "Near a critical point, a saddle too, Momentum's velocity has the mean square D/(gamma M^2) of equilibrium."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """At three inertias, in EMA style: another style is another unit of the velocity."""
        for start in STARTED:
            for beta in BETAS:
                yield _velocity(routes, Momentum(LR, beta, "ema"), start, beta)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether it is reached from rest, whether it stays, and whether it is the optimizer's."""
        ratios = [piece.ratio for piece in evidence]
        if evidence[0].data["start"] == "rest":
            flat = [ratio.sel(eigenvalue=-FLATTEST) for ratio in ratios]
            for times in (ARRIVED, SETTLED):
                there = [ratio[np.isclose(ratio["iterations_times_damping"], times)] for ratio in flat]
                yield _judged(f"after {times:g}/(1-beta1) iterations from rest, H = {-FLATTEST:g}", there)
            return
        for h in CURVED[CURVED < 0]:
            passing = [ratio.sel(eigenvalue=h)[ratio["iterations"] * LR * -h <= PASSED] for ratio in ratios]
            yield _judged(f"until |H| t = {PASSED:g} from equilibrium, H = {h:g}", passing)
        yield _judged("at a minimum in the end", [ratio.sel(eigenvalue=CURVED[0])[-1:] for ratio in ratios])
        first = [
            (piece.data["paper"] / piece.data["exact_discrete"]).sel(eigenvalue=-FLATTEST)[:1] for piece in evidence
        ]
        yield _judged(f"for the optimizer itself, beta1 = {BETAS[0]:g} to {BETAS[-1]:g}", first)


def _judged(where: str, ratios: Sequence[xarray.DataArray]) -> Finding:
    """Whether the equilibrium's mean square is the true one, where it is farthest from it."""
    off = float(max(np.concatenate([ratio.values for ratio in ratios]), key=lambda ratio: abs(np.log(ratio))))
    right = f"the equilibrium's mean square is right within {100 * abs(off - 1):.2g} % {where}"
    wrong = f"the equilibrium's mean square {size(off)} {where}"
    return Finding.judged(where, off, right, wrong)


def _velocity(routes: Routes, dynamics: Momentum, start: str, beta: float) -> Evidence:
    """The mean square velocity by every route, on (iterations, eigenvalue)."""
    rule = dynamics.rule(HessianNoise(saddles.BATCH_SIZE).variance_along(QuadraticSaddle(CURVED)))
    iterations, dims = saddles.iteration_grid(beta), ("iterations", "eigenvalue")
    langevin: dict[str, Any] = {"diffusion": rule.diffusion, "mass": rule.mass, "damping": rule.damping}
    recursion: dict[str, Any] = {"noise_variance": rule.noise_variance, "lr": rule.learning_rate}
    recursion |= {"inertia": rule.inertia, "gradient_weight": rule.gradient_weight}
    times, where = iterations[:, None] * LR, dict[str, Any](hessian=CURVED, start=start)
    exact = theory.momentum_velocity_variance(times, **where, **langevin)
    discrete = theory.discrete_velocity_variance(iterations[:, None], **where, **recursion)
    values = {"exact": exact, "exact_discrete": discrete}
    values["paper"] = np.broadcast_to(theory.equilibrium_velocity_variance(**langevin), exact.shape)
    regime = {"optimizer": optimizers.name(dynamics), **optimizers.parameters(dynamics), "start": start, "lr": LR}
    damped = ("iterations", iterations * (1 - beta))
    grid = {"iterations": iterations, "eigenvalue": CURVED, "iterations_times_damping": damped}
    data = xarray.Dataset({name: (dims, value) for name, value in values.items()}, regime | grid)
    measured = {"discrete": _ensemble(routes, dynamics, start, discrete)} if beta == MEASURED else {}
    reasons = displacements.unsampled("ensembles save positions; a velocity is a step of the optimizer")
    reasons["discrete"] = f"measured at beta1 = {MEASURED:g}, up to {LONGEST}/(1-beta1) iterations"
    subject, quantity = f"Momentum, {STARTED[start]}", "mean square velocity (loss^2/theta^2)"
    return Evidence(subject, quantity, data, measured, {}, reasons, label=f"{subject}, beta1 = {beta:g}")


def _ensemble(routes: Routes, dynamics: Momentum, start: str, expected: NDArray[np.float64]) -> Measured:
    """The optimizer's mean square momentum, from the last step of each replica."""
    steps = saddles.iteration_grid(MEASURED)
    steps = steps[steps * (1 - MEASURED) <= LONGEST]
    options = {"velocity": start, "keep": "states", **routes.options(told("velocity", dynamics, start))}
    options |= {"iterations": int(steps[-1]), "save": np.unique([steps - 1, steps])}
    options |= {"noise": HessianNoise(saddles.BATCH_SIZE)}
    position = simulate(dynamics, QuadraticSaddle(CURVED), **options)["position"]
    moved = position.sel(iteration=steps).values - position.sel(iteration=steps - 1).values
    value = np.full(expected.shape, np.nan)
    value[: len(steps)] = np.mean((moved / LR) ** 2, axis=0)
    return Measured(value, MeanSquare(routes.replicas), expected)


claim = Step1Velocity()
