"""Theorem 4: a bound on the smallest mean squared gradient under Adai."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray

from experiments.problems import convergence
from experiments.referee import Claim, Evidence, Finding, Routes, Row, unsampled

INDEPENDENT = "inertias_independent_of_noise"  # in the regime: the proof needs it
CONFIDENCE = f"{100 * convergence.LEVEL:g} % intervals"
REASON = "a bound is compared with a measured minimum, given as measured"


class Theorem4(Claim):
    """The bound under inertias that do not look at the noise, and under Adai's own with skewed noise."""

    name = "Theorem 4"
    place = "Section 5, proof in A.6"
    statement = "Under Adai min_k E|grad L|^2 is at most (C1 + C2 + C3)/sqrt(t+1)."

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Smallest means with intervals that cover the means of all iterations at once."""
        records = convergence.run(quick=True, seed=routes.seed)
        yield Evidence.of_rows("Adai", "min_k E|grad L|^2", map(_row, records))

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether the bound holds where it is proved and where it is not, and how loose it is."""
        (piece,) = evidence
        proved = piece.where(**{INDEPENDENT: True})
        name, where = "bound, inertias independent of the noise", "for inertias that are independent of the noise"
        yield _bound(name, proved, where)
        loose = (proved["paper"] / proved["measured"]).values
        surely = float((proved["paper"] / proved["measured_high"]).min())
        text = f"the bound is {loose.min():.2g} to {loose.max():.2g} times the smallest mean there"
        yield Finding("bound over the smallest mean", float(loose.min()), f"{text} (at least {surely:.2g})")
        own = piece.where(**{INDEPENDENT: False})
        for k, case in enumerate(own["case"].values.tolist()):
            yield _bound(f"bound, {case}", own.isel(row=[k]), f"for {case}")

    def row_verdict(self, row: Mapping[str, Any]) -> str | None:
        """Whether the whole interval is on one side of the bound."""
        bound, measured = row["paper"], row["measured"]
        if row["measured_low"] > bound:
            return f"violated: the minimum is {measured / bound:.2f} times the bound"
        if row["measured_high"] < bound:
            return f"holds, {bound / measured:.3g} times loose"
        return "holds within sampling"


def _bound(name: str, rows: xarray.Dataset, where: str) -> Finding:
    """Whether the bound holds: the largest share of it that the smallest means take is between 0 and 1.

    The share is the upper end of an interval that is below the bound, or the lower end of one that is above it; where
    an interval holds the bound neither is known.
    """
    low, high = (float((rows[end] / rows["paper"]).max()) for end in ("measured_low", "measured_high"))
    share = high if high <= 1 else low if low > 1 else np.nan
    measured = float((rows["measured"] / rows["paper"]).max())
    right = f"the bound holds {where}: the smallest mean takes at most {high:.2g} of it ({CONFIDENCE})"
    wrong = f"the bound is violated {where}: the smallest mean is {measured:.2f} times it"
    wrong = f"{wrong} ({low:.2f} to {high:.2f}, {CONFIDENCE})"
    return Finding.judged(name, share, right, wrong, target=0.5, tolerance=0.5)


def _row(record: Mapping[str, Any]) -> Row:
    """One case."""
    names = {"paper": "bound"} | {name: name for name in ("measured", "measured_low", "measured_high")}
    values = {name: float(record[field]) for name, field in names.items()}
    share = values["measured_low"] / values["paper"]
    checks = {"proved for inertias that are independent of the noise": (share, 1.0)} if record["independent"] else {}
    regime = {"optimizer": "Adai", "case": record["case"], "iterations": record["iterations"]}
    reasons = unsampled(REASON, exact=REASON)
    return Row(regime | {INDEPENDENT: record["independent"]}, values, {}, checks, reasons)


claim = Theorem4()
