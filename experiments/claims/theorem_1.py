"""Theorem 1: how SGD leaves a saddle."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import theory
from diffusion import SGD
from experiments.drawing import Named
from experiments.problems import displacements, formulas, panels, saddles
from experiments.problems.saddles import Departure
from experiments.referee import Claim, Evidence, Finding, Routes


class Theorem1(Claim):
    """SGD's displacement, along nine directions of curvature."""

    name = "Theorem 1"
    place = "Section 2.2, proof in A.1"
    statement = "SGD's displacement from a saddle is Gaussian with variance D/H [1 - exp(-2 H t)]."

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of SGD, which starts without a velocity; iterations as for Momentum at inertia 0.9."""
        yield displacements.evidence(routes, Departure(SGD(saddles.LR), "rest", 0.9, memory=False), paper)

    def findings(self, evidence: Sequence[Evidence]) -> Iterable[Finding]:
        """Whether the formula is exact."""
        return formulas.findings(evidence)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Mean squared displacements against iterations."""
        (verdict,) = self.verdicts(evidence)
        title = f"The formula of {self.name} (SGD) is {verdict.findings[0].text}"
        yield panels.draw("theorem-1", self.name, title, panels.curvatures(evidence), paper)


def paper(departure: Departure, iterations: NDArray[Any]) -> NDArray[np.float64]:
    """Theorem 1's variance, of shape (iterations, directions)."""
    rule = departure.rule()
    return theory.sgd_msd(
        iterations[:, None] * rule.learning_rate, hessian=departure.saddle.hessian, diffusion=rule.diffusion
    )


claim = Theorem1()
