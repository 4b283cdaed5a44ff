"""Adam's drift: whether its momentum takes it farther from a saddle than RMSprop goes without."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray
from numpy.typing import NDArray

import theory
from diffusion import Adam, IsotropicNoise, QuadraticSaddle, RMSprop, simulate
from experiments.problems import displacements, optimizers, saddles
from experiments.problems.saddles import BETAS, LR, STARTED, Departure
from experiments.referee import EXACT, Claim, Evidence, Finding, Measured, Routes, told
from experiments.referee.laws import LogNormal

FLAT = int(np.flatnonzero(saddles.HESSIAN == 0)[0])  # the direction in which both are compared
CORRECTED = "bias-corrected"  # a way to start: at rest, m divided by 1 - beta1^t as shipped
SHIPPED = 0.9  # the inertia of the ensembles as shipped
LASTING = 1.01  # Adam over RMSprop by the formula, down to which Adam should be ahead
LONGEST = 10  # iterations times (1 - beta1) that are measured
QUANTITY = "mean squared displacement of Adam over RMSprop's, along a flat direction"


class AdamDrift(Claim):
    """Adam's mean squared displacement over RMSprop's, as idealized and with the bias correction that is shipped."""

    name = "Adam's drift"
    place = "Section 4, after Proposition 1"
    statement = (
        "An advantage of Adam over RMSprop is its momentum drift, which takes it farther from a saddle, by "
        "Proposition 1 at all times."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """From rest, from a thermal start, and from rest with bias correction, at three inertias."""
        for start in (*STARTED, CORRECTED):
            for beta in BETAS:
                yield _advantage(routes, start, beta)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether Adam is ahead, and by how much at most."""
        parts = [piece.data for piece in evidence]
        ahead = [data["exact"].values[data["paper"].values >= LASTING] >= 1 - EXACT for data in parts]
        share = float(np.mean([*np.concatenate(ahead)] or [np.nan]))
        tells = f"along a flat direction it is at least as far as RMSprop in {100 * share:.3g} % of the iterations"
        yield Finding.judged("share of iterations ahead", share, "Adam is ahead", "Adam is behind", tells)
        most = [float(data["exact"].max()) for data in parts]
        formula = [float(data["paper"].max()) for data in parts]
        listed = ", ".join(f"{one:.4g} (beta1 = {data['beta1']:g})" for one, data in zip(most, parts, strict=True))
        tells = f"it is at most {listed} times as far, by the formula {max(formula):.3g}"
        off = max(np.divide(most, formula).tolist(), key=lambda ratio: abs(np.log(ratio)))
        right, wrong = "by as much as the formula says", "not by what the formula says"
        yield Finding.judged("largest advantage", off, right, wrong, tells)
        for data in parts:
            if "shipped" in data and np.isfinite(data["shipped"]).any():
                at = data.isel(iterations=int(data["shipped"].argmax("iterations")))
                value, low, high = (float(at[f"shipped{end}"]) for end in ("", "_low", "_high"))
                text = f"with a running second moment up to {value:.3g} times ({low:.3g} to {high:.3g})"
                yield Finding("largest advantage with a running second moment", value, text)


def _advantage(routes: Routes, start: str, beta: float) -> Evidence:
    """Adam over RMSprop by every route, on the iterations."""
    adam = Departure(Adam(LR, beta), "thermal" if start == "thermal" else "rest", beta)
    plain = Departure(RMSprop(LR), "rest", beta)
    iterations, rule, measured = adam.iterations, adam.rule(), {}
    values = {"paper": theory.adam_msd(iterations, lr=LR, beta1=beta) / (LR**2 * iterations)}
    if start == CORRECTED:
        steps = {"noise_variance": rule.noise_variance[FLAT], "lr": rule.learning_rate[FLAT]}
        corrected = theory.bias_corrected_msd(iterations, hessian=0.0, inertia=beta, **steps)
        values["exact"] = corrected / plain.exact_recursion(None)[:, FLAT]
        if beta == SHIPPED:
            measured["shipped"] = _running(routes, iterations)
    else:
        values["exact"] = (adam.exact(iterations) / plain.exact(iterations))[:, FLAT]
        values["exact_discrete"] = (adam.exact_recursion(None) / plain.exact_recursion(None))[:, FLAT]
    known = adam.coordinates()
    regime = {name: known[name] for name in ("optimizer", "beta1", "lr", "iterations", "iterations_times_damping")}
    regime |= {"start": start, "eigenvalue": 0.0}
    data = xarray.Dataset({name: ("iterations", value) for name, value in values.items()}, regime)
    reasons = displacements.unsampled("the ensembles of Proposition 1 have each displacement")
    reasons["shipped"] = f"measured at beta1 = {SHIPPED:g}"
    subject = f"Adam, {STARTED.get(start, start)}"
    return Evidence(subject, QUANTITY, data, measured, {}, reasons, label=f"{subject}, beta1 = {beta:g}")


def _running(routes: Routes, iterations: NDArray[np.int64]) -> Measured:
    """The ratio with running second moments, of Adam to Adam without momentum."""
    saved = iterations[iterations * (1 - SHIPPED) <= LONGEST]
    value, spread = (np.full(len(iterations), np.nan) for _ in range(2))
    msd, error = [], []
    for beta in (SHIPPED, 0.0):
        shipped, flat = optimizers.as_shipped(Adam(LR, beta)), QuadraticSaddle([0.0])
        options, noise = routes.options(told("drift", beta)), IsotropicNoise(saddles.ISOTROPIC_VARIANCE)
        run = simulate(shipped, flat, noise=noise, iterations=int(saved[-1]), save=saved, **options)
        msd.append(run["msd"].values[:, 0])
        error.append(run["msd_stderr"].values[:, 0] / msd[-1])
    value[: len(saved)], spread[: len(saved)] = msd[0] / msd[1], np.hypot(*error)
    return Measured(value, LogNormal(spread, spread), np.full(value.shape, np.nan))


claim = AdamDrift()
