"""Theorem 3 where the noise is the network's own: its exponents with the measured covariance in place of H/B."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from experiments.drawing import Named
from experiments.evidence import noise, noise_figures
from experiments.evidence.lab import Lab
from experiments.evidence.networks import Case, cases, unreached
from experiments.evidence.noise import Point
from experiments.evidence.over_seeds import MEASURED, Interval, judged, sample
from experiments.referee import Claim, Evidence, Finding, Routes, Row, unsampled

RATIO = "log10 of the exponent with the measured noise over Theorem 3's"
SHARPNESS = "power of 1/H_i that the exponent goes with, with the measured noise"
LOSS = "power of 1/loss that the exponent goes with over training, with the measured noise"
FACTOR = float(np.log10(2))  # an exponent is as stated within a factor 2
POWER = 0.25  # half the distance of the powers of SGD and Adam, as for Table 1
SIDES = {"positive": "the minimum's part, all directions", "top": "the minimum's part, sharpest directions"}
SIDES |= {"negative": "the saddle's part, directions of negative curvature"}
EXAMPLE = 5.0  # an exponent that is neither low nor out of reach
REASON = "measured on networks alone"


class Theorem3Networks(Claim):
    """What Theorem 3's exponent becomes, by direction, by sharpness and by loss."""

    name = "Theorem 3, exponents with the measured noise"
    place = "Section 3, Theorem 3, by Equation 3"
    statement = (
        "The exponent of the mean escape time is (2 B Delta L/eta) [s/H_a + (1-s)/|H_b|]: along an eigenvector it is "
        "Delta L over the temperature eta C_ii/(2 H_i), which by Equation 3 is eta/2B in every direction, so that the "
        "exponent goes like 1/H and does not depend on the loss at the minimum."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of each network late in training, and of each over its stages."""
        for case in cases(Lab.of(routes)):
            yield from unreached(case) if case.lost else of_case(case)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """How many times the exponent is off along which directions, and what it depends on."""
        for piece in evidence:
            for k in range(piece.data.sizes["row"]):
                row = piece.data.isel(row=k)
                interval = Interval.of(row)
                if interval.known:
                    yield _finding(
                        piece.quantity, str(row["directions"].values), interval, str(piece.data.attrs["told"])
                    )

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """The exponent over Theorem 3's, by direction and loss."""
        pieces = [piece for piece in evidence if piece.quantity == RATIO]
        intervals = {piece.subject: Interval.of(piece.data.isel(row=0)) for piece in pieces}
        factors = {name: 10**interval.value for name, interval in intervals.items() if interval.known}
        if pieces:
            yield noise_figures.exponents(self.name, [piece.case for piece in pieces], factors)


def of_case(case: Case) -> Iterator[Evidence]:
    """All numbers of one network: Theorem 3 is about minima, so that its late stage is looked at."""
    stage = case.stages[-1]
    points, subject = case.points[stage], case.name
    ratios = {group: [-noise.log_ratio(point, group) for point in points] for group in SIDES}
    powers = {"positive": [noise.slope(point, "positive") for point in points]}
    quantities: list[tuple[str, float, dict[str, Any]]] = [(RATIO, 0.0, ratios), (SHARPNESS, 1.0, powers)]
    if len(case.stages) > 1:
        quantities.append(
            (LOSS, 0.0, {"positive": [loss_power(seed) for seed in zip(*case.points.values(), strict=True)]})
        )
    for quantity, stated, values in quantities:
        rows = [
            Row(
                case.regime(stage) | {"directions": group},
                {"paper": stated},
                {MEASURED: sample(seeds)},
                reasons=unsampled(REASON, exact=REASON),
            )
            for group, seeds in values.items()
            if not np.isnan(seeds).all()
        ]
        piece = Evidence.of_rows(subject, quantity, rows, case=case)
        piece.data.attrs["told"] = case.told(stage)
        yield piece


def loss_power(points: Sequence[Point]) -> float:
    """How |H_i|/C_ii, which the exponent is proportional to, goes with 1/loss along one training."""
    exponents = [-noise.log_ratio(point, "positive") for point in points]
    return float(np.polyfit([-np.log10(point.loss) for point in points], exponents, 1)[0])


def _finding(quantity: str, group: str, interval: Interval, where: str) -> Finding:
    if quantity == SHARPNESS:
        right, wrong = "the exponent goes like 1/H", "the exponent does not go like 1/H"
        tells = f"across directions it goes with 1/H_i to the power {interval.told()}"
        return judged("power of sharpness", interval, right, wrong, tells, target=1, tolerance=POWER)
    if quantity == LOSS:
        right = "the exponent does not depend on the loss"
        wrong = "the exponent depends on the loss: minima of less loss are left later"
        tells = f"over the stages of training it goes with 1/loss to the power {interval.told()}"
        return judged("power of the loss", interval, right, wrong, tells, target=0, tolerance=POWER)
    right, wrong = (f"{SIDES[group]}: Theorem 3's exponent is {word}" for word in ("right", "not right"))
    tells = f"with the measured noise it is {interval.told_as_factor()} times Theorem 3's"
    if group == "positive":
        tells += f", {EXAMPLE * 10**interval.value:.3g} where that is {EXAMPLE:g} ({where})"
    return judged(f"log10 of exponents, {group}", interval, right, wrong, tells, target=0, tolerance=FACTOR)


claim = Theorem3Networks()
