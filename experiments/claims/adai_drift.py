"""Adai's drift: whether its larger inertia makes it larger than Adam's."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray
from numpy.typing import NDArray

import theory
from diffusion import Adai, Adam
from experiments.problems import displacements, optimizers, saddles
from experiments.problems.saddles import LR, Departure
from experiments.referee import CLOSE, Claim, Evidence, Finding, Routes

ESCAPES = np.flatnonzero(saddles.HESSIAN < 0)
MEAN = float(np.abs(saddles.HESSIAN[saddles.HESSIAN != 0]).mean())
GRID = 0.99  # the inertia that sets the iterations
NARROW = 0.1  # |H| t of the faster of both up to which the drift is asked for: the saddle is flat until then


class AdaiDrift(Claim):
    """What a thermal start adds to Adai's displacement, over what it adds to Adam's."""

    name = "Adai's drift"
    place = "Section 5, after Proposition 3"
    statement = "The momentum drift of Adai can be significantly larger than Adam's by allowing larger inertia."

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Both by default; Adam's learning rate is such that both diffuse alike at the mean curvature."""
        optimizers_tried = (Adai(LR), Adam(LR * np.sqrt(MEAN / saddles.BATCH_SIZE)))
        adai, adam = (Departure(each, "thermal", GRID, memory=False, added=True) for each in optimizers_tried)
        iterations, rules = adai.iterations, (adai.rule(), adam.rule())
        diffusion = rules[0].learning_rate * rules[0].diffusion / (rules[1].learning_rate * rules[1].diffusion)
        fastest = np.maximum(rules[0].learning_rate, rules[1].learning_rate)[ESCAPES]
        ratios = {
            "paper": (_drift(adai, iterations), _drift(adam, iterations)),
            "exact": (adai.exact(iterations), adam.exact(iterations)),
            "exact_discrete": (adai.exact_recursion(None), adam.exact_recursion(None)),
        }
        dims = ("iterations", "eigenvalue")
        values = {name: (dims, ours[:, ESCAPES] / other[:, ESCAPES]) for name, (ours, other) in ratios.items()}
        values["over_own_diffusion"] = (dims, values["exact"][1] / diffusion[ESCAPES])
        regime = {"optimizer": optimizers.name(adai.dynamics), **optimizers.parameters(adai.dynamics), "lr": LR}
        grid = {"iterations": iterations, "eigenvalue": saddles.HESSIAN[ESCAPES], "largest_lr": ("eigenvalue", fastest)}
        reasons = displacements.unsampled("the ensembles of Propositions 1 and 3 have each displacement")
        reasons |= {"torch": displacements.NO_TORCH_START, "shipped": displacements.SHIPPED_AT_REST}
        quantity = "MSD added by a thermal start, of Adai over Adam's"
        yield Evidence("Adai", quantity, xarray.Dataset(values, regime | grid), reasons=reasons)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether it is larger, each over its own diffusion, and at learning rates that diffuse alike."""
        data = evidence[0].data
        flat = data["iterations"] * data["largest_lr"] * -data["eigenvalue"] <= NARROW
        asked = data.where(flat).sel(eigenvalue=data["eigenvalue"][-data["eigenvalue"] < MEAN])
        formula = float(asked["paper"].max())
        for name, route, where in (
            ("over its own diffusion", "over_own_diffusion", "each over its own diffusion"),
            ("at equal diffusion", "exact", f"where both diffuse alike at the mean curvature (formula: {formula:.3g})"),
        ):
            most = asked[route].max("iterations").values
            share = float(np.mean(most > 1 + CLOSE))
            most_told = f"up to {most.min():.2g} to {most.max():.2g} times Adam's"
            tells = f"{where}, {most_told} in directions flatter than the mean"
            right, wrong = "Adai's drift is larger", "Adai's drift is not larger everywhere"
            yield Finding.judged(f"larger {name}", share, right, wrong, tells)


def _drift(departure: Departure, iterations: NDArray[np.int64]) -> NDArray[np.float64]:
    """The first term of Theorem 2, which Equation 10 is the end of."""
    rule = departure.rule()
    return theory.momentum_drift_msd(
        iterations[:, None] * rule.learning_rate, diffusion=rule.diffusion, mass=rule.mass, damping=rule.damping
    )


claim = AdaiDrift()
