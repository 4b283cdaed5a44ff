"""Proposition 4: how long Adai stays in a minimum."""

from collections.abc import Iterator, Sequence
from typing import Any

from diffusion import Adai
from experiments.drawing import Named
from experiments.problems import barriers, exits, low_temperature
from experiments.problems.exits import AT, BARRIER, BEYOND, ITERATIONS, RATE
from experiments.problems.optimizers import BETA0
from experiments.problems.wells import paper_rate, settings, sharpness_at
from experiments.referee import Claim, Evidence, Finding, Routes, Row

# the limit is that of the setting with one temperature: with two and inertia the exponent is another at any temperature
KEY, FROZEN = "parabolas-piecewise", "parabolas-frozen"
FAR = (8.0, 16.0)  # barriers over temperature beyond the saddle: above 16 a grid takes 10 seconds


class Proposition4(Claim):
    """Adai's mean escape time in one coordinate, where it is Momentum with beta1 = 1 - beta0."""

    name = "Proposition 4"
    place = "Section 5, proof in A.5"
    statement = (
        "Adai leaves a minimum in the mean time pi [sqrt(1 + 4 lr B vbar/beta0) + 1]/|H_be| exp{(2 B Delta L/lr) "
        "[s/H_ae + (1-s)/|H_be|]}, B vbar the mean curvature: with SGD's exponent, as Momentum."
    )
    effort = 28

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Mean times by the phase-space grid and ensembles; but in a quick run rates as temperature falls, too."""
        setting = settings()[KEY]
        adai = Adai(setting.lr["Adai"], BETA0)

        def row(barrier: float, line: str) -> Row:
            k = sharpness_at("Adai", barrier)
            regime: dict[str, Any] = {"optimizer": "Adai", "landscape": setting.title, "exit": line, "lr": adai.lr}
            return exits.with_inertia(
                routes, adai, setting, k, paper_rate(setting, "Adai", k, 1), regime | {BARRIER: barrier}
            )

        tried = [(barrier, AT) for barrier in exits.exponents(routes)]
        tried += [(barrier, BEYOND) for barrier in FAR if barrier in exits.exponents(routes)]
        yield Evidence.of_rows("Adai", ITERATIONS, [row(*where) for where in tried])
        if not routes.quick:
            frozen = settings()[FROZEN]
            idealized = Adai(frozen.lr["Adai"], BETA0)
            rates = low_temperature.rows("Adai", frozen, "Adai", idealized, low_temperature.OF_THE_GRID, AT)
            yield Evidence.of_rows("Adai", RATE, rates, label="Adai as temperature falls")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The time to arrive beyond the saddle, the exponent, what the exit line is worth, and the limit."""
        times, *rates = evidence
        yield from barriers.findings(times)
        for piece in rates:
            yield from low_temperature.findings(piece, settings()[FROZEN].title)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Formula over exact time against the barrier, and over exact rate as temperature falls."""
        yield barriers.times("proposition-4", self, evidence)
        if len(evidence) > 1:
            yield barriers.rates("proposition-4-low-temperature", self, evidence)


claim = Proposition4()
