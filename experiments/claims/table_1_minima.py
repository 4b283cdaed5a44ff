"""Table 1, minima row: how escapes depend on the sharpness of a minimum."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.claims import adam_variants, proposition_2, proposition_4, theorem_3
from experiments.problems.exits import AT, BARRIER, ITERATIONS, ONE, ensemble
from experiments.problems.table_2 import BETA2, SIGNS, TABLE_2, problem
from experiments.problems.wells import CLAIMED_POWER, settings, sharpness_at
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, unsampled
from experiments.referee.evidence import ROW
from experiments.sharpness.power import fit_power, scaled

KEY = "parabolas-piecewise"
# in one coordinate and per iteration Momentum is Adai
SOURCES: dict[str, tuple[Claim, str]] = {
    "SGD": (theorem_3.claim, "SGD"),
    "Momentum": (proposition_4.claim, "Adai"),
    "Adam": (proposition_2.claim, "Adam, v following"),
    "Adai": (proposition_4.claim, "Adai"),
}
SLOWER = {"Lion": 0.25}  # of the learning rate: with the memory of m it leaves as at a multiple of the temperature
EQUAL_WEIGHTS = 0.01  # exact values have no sampling error
TOLERANCE = abs(1 - 0.5) / 2  # half the distance of the two powers that the table tells apart
SYMMETRY = "of the instrument: under Hessian noise the power follows from the scaling symmetry"


class Table1Minima(Claim):
    """The power of sharpness in the exact times of Theorem 3 and Propositions 2 and 4, at the saddle.

    Of signSGD and Lion it is that of runs as shipped. Of the other optimizers of Table 2 it is that of the claim on
    Adam's variants, as shipped too, beside the power of the column to which each belongs.
    """

    name = "Table 1, minima row"
    place = "Section 1, Table 1"
    statement = (
        "SGD, Momentum and Adai prefer flat minima, log rate ~ -1/k; Adam does so less, log rate ~ -1/sqrt(k). Under "
        "Hessian noise k and the learning rate enter through one product, so that these powers are exact as "
        "temperature falls: here the row tests the instrument."
    )
    builds_on = (*(claim for claim, _ in SOURCES.values()), adam_variants.claim)

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """One row for each optimizer: the fitted power of all its exact times."""
        title = settings()[KEY].title
        for optimizer, (claim, subject) in SOURCES.items():
            known, wanted = claim.sound(routes), (subject, ITERATIONS)
            piece = next(piece for piece in known if (piece.subject, piece.quantity) == wanted)
            times = piece.where(landscape=title, exit=AT)
            k = np.array([sharpness_at(optimizer, barrier) for barrier in times[BARRIER].values.tolist()])
            rate = 1 / times["exact"].values
            power = fit_power(k, scaled(optimizer, k, rate), np.full(len(k), EQUAL_WEIGHTS))
            reasons = unsampled("`diffusion-lab escape` measures it", fokker_planck=f"given with {claim.name}")
            span = [float(k.min()), float(k.max())]
            regime = {"optimizer": optimizer, "landscape": title, "exit": AT, "sharpness": span, "test": SYMMETRY}
            row = Row(ONE | regime, {"paper": CLAIMED_POWER[optimizer], "exact": power.p}, reasons=reasons)
            yield Evidence.of_rows(optimizer, "p in -log(rate/k) = c + a k^-p, of Adam with sqrt(k)", [row])
        for piece in adam_variants.claim.sound(routes):
            if piece.quantity == adam_variants.POWER and piece.subject not in SOURCES:
                column = CLAIMED_POWER["Adam" if TABLE_2[piece.subject].variant else "Adai"]
                yield replace(piece, data=piece.data.assign(paper=(ROW, [column])), label=piece.subject)
        if not routes.quick:
            for name in SIGNS:
                yield of_signs(routes, name)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Which of the two powers it is."""
        (row,) = (piece.data.isel(row=0) for piece in evidence)
        claimed = float(row["paper"])
        low, high = row["sharpness"].item()
        judge: dict[str, Any] = {"target": claimed, "tolerance": TOLERANCE}
        if "exact" in row:
            p = float(row["exact"])
            tells = f"p = {p:.2f} over a factor {high / low:.3g} in sharpness, the table says {claimed:g}"
            tells = f"{tells} (a test of the instrument)"
            yield Finding.judged("power of sharpness", p, "borne out", "not borne out", tells, **judge)
        if "shipped" in row and np.isfinite(row["shipped"]):
            shipped, *ends = (float(row[f"shipped{end}"]) for end in ("", "_low", "_high"))
            tells = f"as shipped p = {shipped:.2f} [{ends[0]:.2f}, {ends[1]:.2f}], the table says {claimed:g}"
            said = ("power of sharpness as shipped", shipped, "borne out", "not borne out", tells)
            yield Finding.judged(*said, **judge, interval=(ends[0], ends[1]))


def of_signs(routes: Routes, name: str) -> Evidence:
    """Of an optimizer whose steps have one length, as shipped alone: it has no idealized rule."""
    entry, well = SIGNS[name], problem()
    optimizer = entry.make(entry.learning_rate * SLOWER.get(name, 1.0), BETA2)
    k = [entry.sharpness(barrier) for barrier in adam_variants.MEASURED]
    times = [
        Sample.of(ensemble(routes, optimizer, well, each, well.positions(each)[1], replicas=adam_variants.REPLICAS))
        for each in k
    ]
    regime = {"optimizer": name, "landscape": well.title, "exit": AT, "sharpness": [min(k), max(k)], "test": SYMMETRY}
    power = adam_variants.fitted(entry, k, times, of_barriers=False)
    row = Row(ONE | regime, {"paper": 0.5}, {"shipped": power}, reasons=unsampled("fitted to runs as shipped"))
    return Evidence.of_rows(name, adam_variants.POWER, [row], label=name)


claim = Table1Minima()
