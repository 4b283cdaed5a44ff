"""Equation 57: by how much inertia changes the effective diffusion at the saddle."""

from collections.abc import Iterator, Sequence

import theory
from experiments.claims import theorem_3_damping
from experiments.problems import exits, turnover
from experiments.problems.exits import DAMPED
from experiments.referee import Claim, Evidence, Finding, Routes, Row


class Equation57(Claim):
    """Kramers' factor against the exact escape rate over that without inertia."""

    name = "Equation 57"
    place = "Appendix A.3"
    statement = "At the saddle inertia multiplies the effective diffusion by 2/[1 + sqrt(1 + 4|H_be|/(gamma^2 M))]."
    builds_on = (theorem_3_damping.claim,)

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """The grids of Theorem 3's damping against the quadrature without inertia, for arrivals beyond the saddle."""
        overdamped = turnover.without_inertia()
        rows = (_row(passage, overdamped) for passage in turnover.passages(routes))
        yield Evidence.of_rows("Momentum", "escape rate over that without inertia", rows)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether it is right where an orbit loses energy fast, and at the weakest damping."""
        (piece,) = evidence
        rows = piece.data.sortby(DAMPED)
        yield from turnover.factor_findings(rows, rows["paper"] / rows["exact"])


def _row(passage: turnover.Passage, overdamped: float) -> Row:
    """The factor at one damping."""
    damping = turnover.damping_of(passage.ratio)
    factor = theory.effective_diffusion(hessian_saddle=turnover.HESSIAN_SADDLE, mass=1 / damping, damping=damping)
    values = {"paper": float(factor), "exact": overdamped / passage.exact[exits.BEYOND]}
    reasons = passage.reasons | {"simulated": exits.NO_SAMPLING}
    return Row(passage.regime, values, {}, passage.checks, reasons)


claim = Equation57()
