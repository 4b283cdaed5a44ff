"""The exit line: how much longer an arrival beyond the saddle takes than a first passage at it."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray

from experiments.claims import theorem_3_damping
from experiments.problems import exits, turnover
from experiments.problems.exits import AT, BEYOND, DAMPED
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample
from experiments.referee.laws import MeanSquare


class ExitLine(Claim):
    """What the paper leaves open, against damping."""

    name = "Exit line"
    place = "Section 3, where the saddle is the exit"
    statement = (
        "The escape time is that of passing the saddle: nothing is said of whether runs are stopped at it or beyond it."
    )
    builds_on = (theorem_3_damping.claim,)

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Ratios of the grids' times, and of the ensembles'."""
        rows = (_row(passage) for passage in turnover.passages(routes))
        yield Evidence.of_rows("Momentum", "time to arrive beyond the saddle over first passage at it", rows)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The factor at both ends of the dampings; the paper says nothing of it."""
        (piece,) = evidence
        rows = piece.data.sortby(DAMPED)
        for name, row in (("strongest", rows.isel(row=-1)), ("weakest", rows.isel(row=0))):
            factor, where = float(row["exact"]), f"at gamma/omega_b = {float(row[DAMPED]):g}"
            text = f"arriving beyond the saddle takes {factor:.3g} times as long as first reaching it {where}"
            yield Finding(f"exit line at the {name} damping", factor, text + _ensembles(row))


def _ensembles(row: xarray.Dataset) -> str:
    """What the ensembles measure, if they do."""
    if "simulated" not in row or np.isnan(row["simulated"]):
        return ""
    measured, low, high = (float(row[f"simulated{end}"]) for end in ("", "_low", "_high"))
    return f" (ensembles: {measured:.3g}, 95 % interval {low:.3g} to {high:.3g})"


def _row(passage: turnover.Passage) -> Row:
    """The factor at one damping."""
    samples = {}
    if passage.simulated:
        far, near = passage.simulated[BEYOND], passage.simulated[AT]
        law = MeanSquare.of_times(far.events, near.events)
        samples = {"simulated": Sample(far.value / near.value, law, fault=far.fault or near.fault)}
    values = {"exact": passage.exact[BEYOND] / passage.exact[AT]}
    reasons = passage.reasons | {"paper": exits.NOT_SAID}
    return Row(passage.regime, values, samples, passage.checks, reasons)


claim = ExitLine()
