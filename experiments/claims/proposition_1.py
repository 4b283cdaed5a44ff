"""Proposition 1: how Adam leaves a saddle, at a pace that does not depend on curvature."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import theory
from diffusion import Adam, RMSprop
from experiments.drawing import Named
from experiments.problems import displacements, formulas, panels
from experiments.problems.saddles import BETAS, LR, STARTED, Departure
from experiments.referee import Claim, Evidence, Finding, Routes

SHOWN = 0.9  # the inertia whose numbers the title tells


class Proposition1(Claim):
    """The displacement of Adam, whose second moment is at rest, from both starts, and of RMSprop."""

    name = "Proposition 1"
    place = "Section 4"
    statement = (
        "Adam's mean squared displacement, lr^2/(2(1-beta1)) [1 - exp(-(1-beta1)T)]^2 + lr^2 T, does not depend on the "
        "Hessian."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of Adam at three inertias from both starts, and of RMSprop at iterations as for inertia 0.9."""
        for start in STARTED:
            for beta in BETAS:
                yield displacements.evidence(routes, Departure(Adam(LR, beta), start, beta), paper)
        yield displacements.evidence(routes, Departure(RMSprop(LR), "rest", 0.9, memory=False), paper)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """How right the formula is, for the SDE and for the discrete optimizer, and how far from the one as shipped."""
        yield from formulas.findings(evidence, formulas.LINEAR)
        for exact in formulas.PROCESSES:
            yield formulas.at_moment(evidence, formulas.BEGINNING, lambda _: 0, exact)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Mean squared displacements of Adam from rest along three curvatures."""
        told, inert = [], [piece for piece in evidence if piece.case.memory]
        for start, words in STARTED.items():
            piece = next(each for each in inert if each.case.start == start and each.case.beta == SHOWN)
            sde, discrete = (
                formulas.ratio_at(piece, formulas.memory_time(piece), exact) for exact in formulas.PROCESSES
            )
            told.append(f"{words} {sde:.3g} (SDE), {discrete:.3g} (discrete)")
        title = f"{self.name} (Adam) over exact MSD at T = 1/(1−β₁), β₁ = {SHOWN:g}: {'; '.join(told)}"
        resting = [piece for piece in inert if piece.case.start == "rest"]
        yield panels.draw("proposition-1", self.name, title, panels.curvatures(resting), paper)


def paper(departure: Departure, iterations: NDArray[Any]) -> NDArray[np.float64]:
    """Proposition 1's mean squared displacement, of shape (iterations, directions): the same in all directions."""
    adam: Any = departure.dynamics
    value = theory.adam_msd(iterations, lr=adam.lr, beta1=getattr(adam, "beta1", 0.0))
    return np.repeat(value[:, None], len(departure.saddle.eigenvalues), axis=1)


claim = Proposition1()
