"""Proposition 3: how Adai leaves a saddle, by a drift whose size does not depend on curvature."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

import theory
from diffusion import Adai
from experiments.drawing import Named
from experiments.problems import displacements, formulas, panels
from experiments.problems.saddles import FLATTEST, LR, STARTED, Departure
from experiments.referee import Claim, Evidence, Finding, Routes

NO_ZERO_ADAI = "Proposition 3 is stated for noise |H|/B, which is 0 in every direction here"
# The power of Adai's eps, the least of 1 - inertia, with which the first step shrinks where the inertia is clipped.
CLIP = {"rest": 2, "thermal": 1}
MOMENTS = {formulas.BEGINNING: 0, formulas.END: -1}


class Proposition3(Claim):
    """The displacement of Adai, whose second moment is at rest, from both starts."""

    name = "Proposition 3"
    place = "Section 5"
    statement = (
        "Adai's mean squared displacement is a drift term whose size does not depend on the Hessian, plus Momentum's "
        "diffusion."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of Adai from both starts; iterations as for inertia 1 - beta0."""
        for start in STARTED:
            adai = Adai(LR)
            departure = Departure(adai, start, 1 - adai.beta0, memory=False)
            yield displacements.evidence(routes, departure, paper, NO_ZERO_ADAI)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """How right the formula is; early and late, in the SDE and for the discrete optimizer; what the clip does."""
        yield from formulas.findings(evidence, formulas.LINEAR)
        for when, place in MOMENTS.items():
            for exact in formulas.PROCESSES:
                yield formulas.at_moment(evidence, when, lambda _, place=place: place, exact)  # type: ignore[misc]
        yield from _clipped(evidence[0])

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Mean squared displacements from both starts, along three curvatures."""
        told = []
        for piece in evidence:
            early, late = (formulas.ratio_at(piece, place) for place in MOMENTS.values())
            discrete = formulas.ratio_at(piece, 0, "exact_discrete")
            told.append(f"{piece.case.started} {early:,.0f} at first (discrete: {discrete:,.0f}), {late:.3g} at last")
        title = f"{self.name} (Adai) over exact MSD at H = {-FLATTEST:g}: {'; '.join(told)}"
        yield panels.draw("proposition-3", self.name, title, panels.curvatures(evidence), paper)


def paper(departure: Departure, iterations: NDArray[Any]) -> NDArray[np.float64]:
    """Proposition 3's mean squared displacement, of shape (iterations, directions); NaN along H = 0."""
    saddle, adai = departure.saddle, cast(Adai, departure.dynamics)
    curved = saddle.hessian != 0
    values = np.full((len(iterations), len(curved)), np.nan)
    known: dict[str, Any] = {"lr": adai.lr, "beta0": adai.beta0, "batch_size": saddle.batch_size}
    values[:, curved] = theory.adai_msd(iterations[:, None], hessian=saddle.hessian[curved], **known)
    return values


def _clipped(piece: Evidence) -> Iterator[Finding]:
    """By how much the first step is shortened, in powers of the least 1 - inertia that Adai's clip leaves."""
    eps, power = piece.case.dynamics.eps, CLIP[piece.case.start]
    unit = "eps" if power == 1 else f"eps^{power}"
    for exact, process in formulas.PROCESSES.items():
        value = formulas.ratio_at(piece, 0, exact) * eps**power
        text = f"there it is {value:.4g}/{unit} times {process}, 1 - eps = {1 - eps:g} being Adai's largest inertia"
        yield Finding(f"formula over {process} {formulas.BEGINNING}, times {unit}", value, text)


claim = Proposition3()
