"""The drift term of Theorem 2 alone: what the velocity with which Momentum arrives at a saddle adds to its path."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import theory
from diffusion import Momentum
from experiments.claims import theorem_2
from experiments.claims.theorem_2 import SHOWN, at_memory_time
from experiments.drawing import Named
from experiments.problems import displacements, formulas, optimizers, panels
from experiments.problems.saddles import BETAS, FLATTEST, LR, Departure
from experiments.referee import Claim, Evidence, Finding, Routes, size


class Theorem2Drift(Claim):
    """Mean square of the difference of pairs of runs under the same noise, one thermal at the start, one at rest."""

    name = "Theorem 2, drift term"
    place = "Section 3, Equation 9, first term; proof in A.2, step II (a)"
    statement = (
        "The velocity that Momentum arrives with adds D/(gamma^3 M^2) [1 - exp(-gamma t)]^2, whatever the curvature."
    )
    builds_on = (theorem_2.claim,)

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of both styles at three inertias, from the ensembles of Theorem 2."""
        for style in optimizers.STYLES:
            for beta in BETAS:
                departure = Departure(Momentum(LR, beta, style), "thermal", beta, added=True)
                yield displacements.evidence(routes, departure, paper)

    def findings(self, evidence: Sequence[Evidence]) -> Iterable[Finding]:
        """How right the term is."""
        return formulas.findings(evidence)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """What a thermal start adds, in each style."""
        for style, word in optimizers.STYLES.items():
            pieces = [piece for piece in evidence if piece.case.dynamics.style == style]
            where = f"at T = 1/(1−β₁), β₁ = {SHOWN:g}, H = {-FLATTEST:g}"
            title = f"Theorem 2's drift term ({word}) alone, {where}: {size(at_memory_time(pieces))}"
            yield panels.draw(f"theorem-2-drift-{style}", self.name, title, panels.curvatures(pieces), paper)


def paper(departure: Departure, iterations: NDArray[Any]) -> NDArray[np.float64]:
    """The first term of Theorem 2, of shape (iterations, directions)."""
    rule = departure.rule()
    langevin = {"diffusion": rule.diffusion, "mass": rule.mass, "damping": rule.damping}
    return theory.momentum_drift_msd(iterations[:, None] * rule.learning_rate, **langevin)


claim = Theorem2Drift()
