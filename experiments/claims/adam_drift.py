"""Adam's drift: whether its momentum takes it farther from a saddle than RMSprop goes without."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray
from matplotlib import pyplot as plt
from numpy.typing import NDArray

import theory
from diffusion import Adam, IsotropicNoise, QuadraticSaddle, RMSprop, simulate
from experiments.drawing import BLUE, GREEN, ORANGE, Named
from experiments.problems import displacements, optimizers, saddles
from experiments.problems.saddles import BETAS, LR, STARTED, Departure
from experiments.referee.claim import Claim
from experiments.referee.evidence import Evidence, Measured
from experiments.referee.laws import LogNormal
from experiments.referee.routes import Routes, told
from experiments.referee.verdict import CLOSE, EXACT, Finding

DOWN = saddles.HESSIAN[saddles.HESSIAN <= 0]  # directions in which one leaves; judged is the flat one
CORRECTED = "bias-corrected"  # a way to start: at rest, m divided by 1 - beta1^t as shipped
SHOWN = 0.9  # the inertia of the figure, and of the ensembles as shipped
LASTING = 1.01  # Adam over RMSprop by the formula, down to which Adam should be ahead
LONGEST = 10  # iterations times (1 - beta1) that are measured
COLOURS = dict(zip((*STARTED, CORRECTED), (ORANGE, GREEN, BLUE), strict=True))


class AdamDrift(Claim):
    """Adam's mean squared displacement over RMSprop's, as idealized and with the bias correction that is shipped."""

    name = "Adam's drift"
    place = "Section 4, after Proposition 1"
    statement = (
        "An advantage of Adam over RMSprop is its momentum drift, which takes it farther from a saddle, by Proposition 1 "
        "at all times."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """From rest, from a thermal start, and from rest with bias correction, at three inertias."""
        for start in COLOURS:
            for beta in BETAS:
                yield _advantage(routes, start, beta)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether Adam is ahead along the flat direction, and by how much at most."""
        flat = [piece.data.sel(eigenvalue=0) for piece in evidence]
        ahead = [data["exact"].values[data["paper"].values >= LASTING] >= 1 - EXACT for data in flat]
        share = float(np.mean([*np.concatenate(ahead)] or [np.nan]))
        text = f"along a flat direction it is at least as far as RMSprop in {100 * share:.3g} % of the iterations"
        right, wrong = f"Adam is ahead: {text}", f"Adam is behind: {text}"
        yield Finding.judged("share of iterations ahead", share, target=1, tolerance=CLOSE, right=right, wrong=wrong)
        ratios = [float(data["exact"].max() / data["paper"].max()) for data in flat]
        listed = ", ".join(f"{float(data['exact'].max()):.4g} (beta1 = {float(data['beta1']):g})" for data in flat)
        tells = f"it is at most {listed} times as far, by the formula {float(flat[0]['paper'].max()):.3g}"
        off = max(ratios, key=lambda ratio: abs(np.log(ratio)))
        right, wrong = f"by as much as the formula says: {tells}", f"not by what the formula says: {tells}"
        yield Finding.judged("largest advantage", off, target=1, tolerance=CLOSE, right=right, wrong=wrong)
        for data in flat:
            if "shipped" in data and np.isfinite(data["shipped"]).any():
                most, low, high = (
                    float(data[f"shipped{end}"][data["shipped"].argmax("iterations")]) for end in ("", "_low", "_high")
                )
                text = f"with a running second moment up to {most:.3g} times ({low:.3g} to {high:.3g})"
                yield Finding("largest advantage with a running second moment", most, text)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Adam over RMSprop along the flat direction against iterations."""
        figure, axis = plt.subplots(figsize=(8.5, 5), layout="constrained")
        shown = [piece for piece in evidence if float(piece.data["beta1"]) == SHOWN]
        for piece in shown:
            flat = piece.data.sel(eigenvalue=0)
            axis.plot(
                flat["iterations"],
                flat["exact"],
                "-o",
                color=COLOURS[str(piece.data["start"].values)],
                label=piece.subject,
            )
        axis.plot(flat["iterations"], flat["paper"], "--", color="black", label="Proposition 1")
        axis.axhline(1, color="black", lw=1)
        axis.set(xscale="log", xlabel="iterations", ylabel="MSD of Adam / MSD of RMSprop")
        figure.legend(loc="outside lower center", ncols=2)
        told_of = {verdict.subject: verdict.findings[1].text for verdict in self.verdicts(evidence)}
        axis.set_title(f"Along a flat direction at beta1 = {SHOWN:g}")
        caption = "; ".join(f"{subject}: {text}" for subject, text in told_of.items())
        yield "adam-drift", self.name, figure, caption


def _advantage(routes: Routes, start: str, beta: float) -> Evidence:
    """Adam over RMSprop by every route, on (iterations, eigenvalue)."""
    adam = Departure(Adam(LR, beta), "thermal" if start == "thermal" else "rest", beta)
    plain = Departure(RMSprop(LR), "rest", beta)
    iterations, rule = adam.iterations, adam.rule()
    formula = theory.adam_msd(iterations, lr=LR, beta1=beta) / (LR**2 * iterations)
    values: dict[str, NDArray[np.float64]] = {"paper": np.tile(formula[:, None], len(saddles.HESSIAN))}
    measured = {}
    if start == CORRECTED:
        recursion = {"hessian": saddles.HESSIAN, "noise_variance": rule.noise_variance, "lr": rule.learning_rate}
        values["exact"] = theory.bias_corrected_msd(iterations[:, None], inertia=beta, **recursion)
        values["exact"] /= plain.exact_recursion(None)
        if beta == SHOWN:
            measured["shipped"] = _running(routes, iterations)
    else:
        values["exact"] = adam.exact(iterations) / plain.exact(iterations)
        values["exact_discrete"] = adam.exact_recursion(None) / plain.exact_recursion(None)
    coordinates = adam.coordinates() | {"start": start, "eigenvalue": DOWN}
    coordinates["noise"] = ("eigenvalue", coordinates["noise"][1][-len(DOWN) :])
    dims = ("iterations", "eigenvalue")
    data = xarray.Dataset({name: (dims, value[:, -len(DOWN) :]) for name, value in values.items()}, coordinates)
    reasons = {
        "fokker_planck": displacements.CLOSED_FORM,
        "shipped": f"measured at beta1 = {SHOWN:g} along the flat direction",
    }
    reasons |= dict.fromkeys(
        ("simulated", "discrete", "torch"), "the ensembles of Proposition 1 have each displacement"
    )
    subject = f"Adam, {STARTED.get(start, start)}"
    quantity = "mean squared displacement of Adam over RMSprop's"
    return Evidence(subject, quantity, data, measured, {}, reasons, label=f"{subject}, beta1 = {beta:g}")


def _running(routes: Routes, iterations: NDArray[np.int64]) -> Measured:
    """The ratio with running second moments, of Adam to Adam without momentum, along the flat direction."""
    saved = iterations[iterations * (1 - SHOWN) <= LONGEST]
    noise = IsotropicNoise(saddles.ISOTROPIC_VARIANCE)
    runs = [
        simulate(
            optimizers.as_shipped(Adam(LR, beta)),
            QuadraticSaddle([0.0]),
            noise=noise,
            iterations=int(saved[-1]),
            save=saved,
            replicas=routes.replicas,
            threads=routes.threads,
            seed=routes.seed_of(told("drift", beta)),
        )
        for beta in (SHOWN, 0.0)
    ]
    msd, error = ([run[name].values[:, 0] for run in runs] for name in ("msd", "msd_stderr"))
    value, spread = (np.full((len(iterations), len(DOWN)), np.nan) for _ in range(2))
    value[: len(saved), 0] = msd[0] / msd[1]
    spread[: len(saved), 0] = np.hypot(error[0] / msd[0], error[1] / msd[1])
    return Measured(value, LogNormal(spread, spread), np.full(value.shape, np.nan))


claim = AdamDrift()
