"""Velocity of Step I: what Momentum's velocity is while it passes a saddle."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

import theory
from diffusion import HessianNoise, Momentum, QuadraticSaddle, simulate
from diffusion.dynamics import Rule
from experiments.problems import displacements, optimizers, saddles
from experiments.problems.saddles import BETAS, FLATTEST, STARTED
from experiments.referee.claim import Claim
from experiments.referee.evidence import Evidence, Measured
from experiments.referee.laws import MeanSquare
from experiments.referee.routes import Routes, told
from experiments.referee.verdict import CLOSE, Finding, size

CURVED = saddles.HESSIAN[saddles.HESSIAN != 0]
PASSED = 1.0  # |H| t until which a replica passes the saddle: its displacement has grown by e
ARRIVED, SETTLED = 1.0, 3.0  # iterations times (1 - beta1)
MEASURED = 0.9  # the inertia of which there is an ensemble


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
                yield _velocity(routes, Momentum(saddles.LR, beta, "ema"), start, beta)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether it is reached from rest, whether it stays, and whether it is the optimizer's."""
        from_rest = evidence[0].data["start"] == "rest"
        if from_rest:
            for times in (ARRIVED, SETTLED):
                ratios = [_ratio(piece).sel(eigenvalue=-FLATTEST) for piece in evidence]
                ratios = [ratio.where(ratio["iterations_times_damping"] == times, drop=True) for ratio in ratios]
                yield _judged(f"after {times:g}/(1-beta1) iterations from rest, H = {-FLATTEST:g}", ratios)
        else:
            for eigenvalue in CURVED[CURVED < 0]:
                ratios = [_ratio(piece).sel(eigenvalue=eigenvalue) for piece in evidence]
                passing = [
                    ratio.where(ratio["iterations"] * saddles.LR * -eigenvalue <= PASSED, drop=True) for ratio in ratios
                ]
                yield _judged(f"until |H| t = {PASSED:g} at H = {eigenvalue:g}, from equilibrium", passing)
        valley = [_ratio(piece).sel(eigenvalue=CURVED[CURVED > 0]).isel(iterations=-1) for piece in evidence]
        yield _judged("at a minimum in the end", valley)
        if not from_rest:
            flat = [_ratio(piece, "exact_discrete").sel(eigenvalue=-FLATTEST).isel(iterations=0) for piece in evidence]
            told_of = ", ".join(f"{float(piece.data['beta1']):g}" for piece in evidence)
            yield _judged(f"for the optimizer itself, beta1 = {told_of}", flat)


def _ratio(piece: Evidence, route: str = "exact") -> xarray.DataArray:
    return piece.data["paper"] / piece.data[route]


def _judged(where: str, ratios: Sequence[xarray.DataArray]) -> Finding:
    """Whether the equilibrium's mean square is the true one, where it is farthest from it."""
    off = float(max(np.concatenate([ratio.values.ravel() for ratio in ratios]), key=lambda ratio: abs(np.log(ratio))))
    right = f"the equilibrium's mean square is right within {100 * abs(off - 1):.2g} % {where}"
    wrong = f"the equilibrium's mean square {size(off)} {where}"
    return Finding.judged(where, off, target=1, tolerance=CLOSE, right=right, wrong=wrong)


def _velocity(routes: Routes, dynamics: Momentum, start: str, beta: float) -> Evidence:
    """The mean square velocity by every route, on (iterations, eigenvalue)."""
    noise = HessianNoise(saddles.BATCH_SIZE)
    rule = dynamics.rule(noise.variance_along(QuadraticSaddle(CURVED)))
    iterations = saddles.iteration_grid(beta)
    langevin = {"diffusion": rule.diffusion, "mass": rule.mass, "damping": rule.damping}
    times = iterations[:, None] * rule.learning_rate
    exact = theory.momentum_velocity_variance(times, hessian=CURVED, **langevin, start=start)
    discrete = _discrete(rule, iterations, start)
    values = {
        "paper": np.broadcast_to(theory.equilibrium_velocity_variance(**langevin), exact.shape),
        "exact": exact,
        "exact_discrete": discrete,
    }
    dims = ("iterations", "eigenvalue")
    regime = {
        "optimizer": optimizers.name(dynamics),
        **optimizers.parameters(dynamics),
        "start": start,
        "lr": saddles.LR,
    }
    memory = [round(float(count * (1 - beta)), 10) for count in iterations]
    grid = {"iterations": iterations, "eigenvalue": CURVED, "iterations_times_damping": ("iterations", memory)}
    data = xarray.Dataset({name: (dims, value) for name, value in values.items()}, regime | grid)
    measured = {"discrete": _ensemble(routes, dynamics, start, discrete)} if beta == MEASURED else {}
    reasons = {"fokker_planck": displacements.CLOSED_FORM, "shipped": displacements.NOTHING_RUNNING}
    reasons |= dict.fromkeys(("simulated", "torch"), "ensembles save positions; a velocity is a step of the optimizer")
    reasons["discrete"] = f"measured at beta1 = {MEASURED:g}, in the simulated part of the grid"
    subject, quantity = f"Momentum, {STARTED[start]}", "mean square velocity (loss^2/theta^2)"
    return Evidence(subject, quantity, data, measured, {}, reasons, label=f"{subject}, beta1 = {beta:g}")


def _discrete(rule: Rule, iterations: NDArray[Any], start: str) -> NDArray[np.float64]:
    """The optimizer's exact mean square momentum."""
    return theory.discrete_velocity_variance(
        iterations[:, None],
        hessian=CURVED,
        noise_variance=rule.noise_variance,
        lr=rule.learning_rate,
        inertia=rule.inertia,
        gradient_weight=rule.gradient_weight,
        start=start,
    )


def _ensemble(routes: Routes, dynamics: Momentum, start: str, expected: NDArray[np.float64]) -> Measured:
    """The optimizer's mean square momentum, from the last step of each replica."""
    steps = saddles.simulated_grid(MEASURED)
    steps = steps[steps * (1 - MEASURED) <= 10]
    saved = np.unique([steps - 1, steps])
    run = simulate(
        dynamics,
        QuadraticSaddle(CURVED),
        noise=HessianNoise(saddles.BATCH_SIZE),
        iterations=int(steps[-1]),
        save=saved,
        velocity=start,
        keep="states",
        replicas=routes.replicas,
        threads=routes.threads,
        seed=routes.seed_of(told("velocity", dynamics, start)),
    )
    position = run["position"]
    moved = position.sel(iteration=steps).values - position.sel(iteration=steps - 1).values
    value = np.full(expected.shape, np.nan)
    value[: len(steps)] = np.mean((moved / saddles.LR) ** 2, axis=0)
    return Measured(value, MeanSquare(routes.replicas), expected)


claim = Step1Velocity()
