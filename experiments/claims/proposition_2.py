"""Proposition 2: how long Adam and RMSprop stay in a minimum."""

from collections.abc import Iterator, Sequence
from typing import Any

from diffusion import Adam, RMSprop
from diffusion.dynamics import Dynamics
from experiments.drawing import Named
from experiments.problems import barriers, exits, low_temperature
from experiments.problems.exits import AT, BARRIER, BEYOND, ITERATIONS, ONE, RATE
from experiments.problems.optimizers import BETA1
from experiments.problems.wells import Setting, paper_rate, settings, sharpness_at
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, unsampled

KEY = "parabolas-piecewise"
# by the kind of second moment, barriers over temperature beyond the saddle with inertia: above 16 a grid takes 10 s
FAR = {"following": (2.0, 4.0, 8.0, 16.0), "frozen": (8.0, 16.0)}
USED = {AT: low_temperature.OF_THE_GRID, BEYOND: FAR["following"]}  # those of Adam's limit, by exit line
SHIPPED_ONCE = "given with the following second moment and inertia"


class Proposition2(Claim):
    """Mean escape times of both, with a second moment that follows the noise and with one frozen at the minimum."""

    name = "Proposition 2"
    place = "Section 4, proof in A.4"
    statement = (
        "Adam leaves a minimum in the mean time pi [sqrt(1 + 4 lr sqrt(B|H_be|)/(1-beta1)) + 1] "
        "|det(H_a^-1 H_b)|^(1/4)/|H_be| exp{(2 sqrt(B) Delta L/lr) [s/sqrt(H_ae) + (1-s)/sqrt|H_be|]}: its exponent "
        "has square roots of the Hessian."
    )
    effort = 40

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Mean times, by quadrature without inertia and by the phase-space grid with it; rates as temperature falls."""
        setting = settings()[KEY]
        lr = setting.lr["Adam"]
        for moment, far in FAR.items():
            overdamped, inertial = RMSprop(lr, second_moment=moment), Adam(lr, BETA1, second_moment=moment)
            subject = f"RMSprop, v {moment}"
            rows = [
                _overdamped(routes, overdamped, setting, _regime(subject, setting, moment, barrier, line))
                for line in (AT, BEYOND)
                for barrier in exits.exponents(routes)
            ]
            yield Evidence.of_rows(subject, ITERATIONS, rows)
            if moment == "following":
                where = (low_temperature.BARRIERS, AT, BEYOND)
                rates = low_temperature.rows(subject, setting, "Adam", overdamped, *where, beta1=0.0)
                yield Evidence.of_rows(subject, RATE, rates, label=f"{subject} as temperature falls")
            subject = f"Adam, v {moment}"
            tried = [(AT, barrier) for barrier in exits.exponents(routes)]
            tried += [(BEYOND, barrier) for barrier in far if barrier in exits.exponents(routes)]
            rows = [
                _inertial(routes, inertial, setting, _regime(subject, setting, moment, barrier, line))
                for line, barrier in tried
            ]
            yield Evidence.of_rows(subject, ITERATIONS, rows)
            if moment == "following" and not routes.quick:
                used = (row for row in rows if row.regime[BARRIER] in USED[row.regime["exit"]])
                rates = map(low_temperature.of_time, used)
                yield Evidence.of_rows(subject, RATE, rates, label=f"{subject} as temperature falls")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The time to arrive beyond the saddle, the exponent, what the exit line is worth, and the limit."""
        times, *rates = evidence
        yield from barriers.findings(times)
        for piece in rates:
            yield from low_temperature.findings(piece, settings()[KEY].title)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Formula over exact time against the barrier, and over exact rate as temperature falls."""
        yield barriers.times("proposition-2", self, evidence)
        yield barriers.rates("proposition-2-low-temperature", self, evidence)


def _regime(subject: str, setting: Setting, moment: str, barrier: float, line: str) -> dict[str, Any]:
    regime = {"optimizer": subject, "landscape": setting.title, "sharpness": sharpness_at("Adam", barrier)}
    return regime | {BARRIER: barrier, "second_moment": moment, "exit": line, "lr": setting.lr["Adam"]}


def _inertial(routes: Routes, dynamics: Dynamics, setting: Setting, regime: dict[str, Any]) -> Row:
    """Adam's mean time; as shipped once, as that does not know how the theory idealizes it."""
    ship = "" if regime["second_moment"] == "following" else SHIPPED_ONCE
    rate = paper_rate(setting, "Adam", regime["sharpness"], 1)
    return exits.with_inertia(routes, dynamics, setting, regime["sharpness"], rate, regime, ship)


def _overdamped(routes: Routes, dynamics: Dynamics, setting: Setting, regime: dict[str, Any]) -> Row:
    """RMSprop's mean time by quadrature and, to the saddle, by ensembles of the SDE and of the discrete optimizer."""
    k, barrier, line = regime["sharpness"], regime[BARRIER], regime["exit"]
    start, end = setting.positions(k)[0], exits.boundary(setting, k, dynamics, line)
    motion = setting.motion(dynamics, k)
    values = {"paper": 1 / paper_rate(setting, "Adam", k, 1, beta1=0.0), "exact": motion.passage(start, end).iterations}
    high, samples = barrier > exits.SIMULATED, {}
    reasons = unsampled(exits.TOO_HIGH if high else exits.TO_THE_SADDLE, torch=exits.NO_IDEALIZED)
    reasons["fokker_planck"] = "the same equation as SGD's, with another potential"
    reasons["shipped"] = exits.TOO_HIGH if high else SHIPPED_ONCE
    if not high and line == AT:
        for route, substeps in (("simulated", exits.SUBSTEPS), ("discrete", 1)):
            values[f"exact_{route}"] = expected = motion.chain(start, end, substeps)
            mean = exits.ensemble(routes, dynamics, setting, k, end, substeps=substeps)
            samples[route] = Sample.of(mean, expected)
    return Row(ONE | regime, values, samples, {}, reasons)


claim = Proposition2()
