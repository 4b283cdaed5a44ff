"""signSGD leaves a minimum as a birth-death chain does: exact mean exits, and its exponent beside RMSprop's."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import theory
from diffusion.dynamics import SignSGD
from experiments.drawing import BLUE, GREY, ORANGE, Named, headline, points, subplots
from experiments.problems import exits
from experiments.problems.exits import AT, BARRIER, ITERATIONS, ONE, SIMULATED
from experiments.problems.table_2 import HIGHEST, SIGNS, problem
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, unsampled

SIGN = SIGNS["SignSGD"]
BARRIERS = (2.0, 3.0, 4.0, 8.0, 16.0, 32.0)  # over temperature, about: each is moved to put the exit off the lattice
OFF = 0.45  # steps of the exit beyond a position of the lattice; at 1/2 the inflection can be on it
STEEP = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)  # largest gradient over the noise's deviation
DOMINATES = float(np.sqrt(2 / np.pi))  # of RMSprop's exponent, where noise dominates
RATIO = "exponent over RMSprop's"
POWER = "p in -log(rate/sqrt(k)) = c + a k^-p"
GRADIENT = "gradient_over_deviation"


class SignChain(Claim):
    """Mean exits of signSGD by finite sums and by ensembles, and how its exponent compares with RMSprop's."""

    name = "Escapes of signSGD"
    place = "Section 4, beside Table 2"
    statement = (
        "signSGD, which is RMSprop without memory, is a walk in steps of one length with P(down) = Phi(L'/sigma): its "
        "mean exits are finite sums, its exponent is sqrt(2/pi) of RMSprop's where noise dominates, and it prefers "
        "flat minima as Adam does, log rate ~ -1/sqrt(k)."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Mean times against sharpness; the power that they give; the exponent against the strength of noise."""
        rows = [_time(routes, barrier) for barrier in BARRIERS]
        yield Evidence.of_rows("SignSGD", ITERATIONS, rows)
        regime = ONE | {"optimizer": "SignSGD", "landscape": problem().title, "exit": AT}
        reasons = unsampled("computed without sampling", paper=exits.NOT_SAID)
        exact = SIGN.fit([row.regime[BARRIER] for row in rows], [row.values["exact"] for row in rows])
        yield Evidence.of_rows("SignSGD", POWER, [Row(regime, {"exact": exact.p}, reasons=reasons)], label="power")
        ratios = [Row(regime | {GRADIENT: steep}, {"exact": _ratio(steep)}, reasons=reasons) for steep in STEEP]
        yield Evidence.of_rows("SignSGD", RATIO, ratios, label="psi")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether the exponent is sqrt(2/pi) of RMSprop's, what it is elsewhere, the power, and the ensembles."""
        times, power, ratios = (piece.data for piece in evidence)
        first, last = (ratios.isel(row=end) for end in (0, -1))
        value = float(first["exact"])
        tells = f"{value:.4f} of RMSprop's at gradients up to {float(first[GRADIENT]):g} of the noise's deviation"
        tells += f"; {float(last['exact']):.3g} of it at {float(last[GRADIENT]):g}, where steps uphill are rare"
        judge: dict[str, Any] = {"target": DOMINATES, "tolerance": 0.005}
        right, wrong = "the exponent is sqrt(2/pi) of RMSprop's", "the exponent is not sqrt(2/pi) of RMSprop's"
        yield Finding.judged("exponent over RMSprop's where noise dominates", value, right, wrong, tells, **judge)
        value = _slope(times)
        tells = f"mean times by finite sums grow by {value:.3f} for each unit of RMSprop's exponent"
        yield Finding.judged("growth of exact times", value, right, wrong, tells, **judge | {"tolerance": 0.02})
        p = float(power["exact"].item())
        judge = {"target": 1 - SIGN.power, "tolerance": 0.25}
        right, wrong = "it prefers flat minima as Adam does", "it does not prefer flat minima as Adam does"
        yield Finding.judged("power of sharpness", p, right, wrong, f"p = {p:.2f} by finite sums", **judge)
        ratio = (times["discrete"] / times["exact"]).values
        if np.isfinite(ratio).any():
            off = float(np.nanmax(np.abs(ratio - 1)))
            text = f"ensembles leave after the chain's mean time within {100 * off:.2g} %"
            yield Finding("deviation of ensembles from the chain", off, text)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Mean times against sharpness, and the exponent against the strength of noise."""
        times, _, ratios = (piece.data for piece in evidence)
        figure, (left, right) = subplots(1, 2, size=(11, 5))
        k = times["sharpness"].values
        left.plot(k, times["exact"], ".-", color=BLUE, lw=2, label="signSGD: finite sums")
        left.plot(k, times["rmsprop"], ".-", color=ORANGE, lw=2, label="RMSprop, v following: SDE")
        measured = (times[f"discrete{end}"] for end in ("", "_low", "_high"))
        points(left, k, *measured, fmt="o", color=BLUE, mfc="white", ms=7, label="ensembles, 95 %")
        left.set(
            xscale="log", yscale="log", xlabel="sharpness k of the minimum", ylabel="mean escape time (iterations)"
        )
        left.legend()
        right.plot(ratios[GRADIENT], ratios["exact"], "o-", color=BLUE, lw=2)
        right.axhline(DOMINATES, color=GREY, lw=1.5)
        right.annotate("√(2/π)", (STEEP[0], DOMINATES), color=GREY, xytext=(0, 5), textcoords="offset points")
        right.set(xscale="log", xlabel="largest gradient over the noise's deviation", ylabel=RATIO)
        right.set_xticks([0.1, 1, 4], ["0.1", "1", "4"])
        right.minorticks_off()
        weak, strong = ratios[GRADIENT].values[[0, -1]]
        least, most = ratios["exact"].values[[0, -1]]
        title = f"signSGD's exponent is {least:.3f} of RMSprop's where the largest gradient is {weak:g} of the noise's "
        title += f"deviation, {most:.3f} where it is {strong:g}"
        headline(figure, title)
        caption = f"{title}. One coordinate, double parabola, piecewise Hessian noise; the exit is off the lattice."
        yield "sign-chain", self.name, figure, caption


def _time(routes: Routes, wanted: float) -> Row:
    """A mean time by finite sums and, at low barriers, by an ensemble that is tested against it."""
    well, lr = problem(), SIGN.learning_rate
    distance = well.boundary / lr  # of the saddle, in steps at k = 1
    steps = np.floor(distance / SIGN.sharpness(wanted) ** 0.5) + OFF
    k = float((distance / steps) ** 2)
    barrier = HIGHEST / k**0.5
    start, saddle = well.positions(k)
    where: dict[str, Any] = {"start": start, "boundary": saddle}
    exact = theory.sign_exit_time(well.gradient(k), well.deviation(k), lr=lr, **where)
    drift, diffusion = theory.following_motion(well.gradient(k), well.variance(k), lr=lr, power=0.5)
    rmsprop = theory.first_passage_time(drift, diffusion, **where, breaks=well.breaks(k))
    reasons = unsampled(exits.TOO_HIGH, paper=exits.NOT_SAID, shipped="it has no second moment")
    samples = {}
    if wanted <= SIMULATED:
        reasons |= {"simulated": "it has no SDE", "torch": "tested step for step elsewhere"}
        samples["discrete"] = Sample.of(exits.ensemble(routes, SignSGD(lr), well, k, saddle), exact)
    regime = {"optimizer": "SignSGD", "landscape": well.title, "exit": AT, "lr": lr, "sharpness": k, BARRIER: barrier}
    return Row(ONE | regime, {"exact": exact, "rmsprop": rmsprop}, samples, reasons=reasons)


def _ratio(steep: float) -> float:
    """signSGD's exponent over RMSprop's in a double parabola whose largest gradient is so many deviations."""
    well = problem()
    start, saddle = well.positions(1.0)
    gradient, deviation = well.gradient(1.0), well.deviation(1.0)
    (inflection,) = (x for x in well.breaks(1.0) if start < x < saddle)
    largest = float(gradient(np.array([inflection]))[0] / deviation(np.array([inflection - 1e-9]))[0])

    def scaled(x: Any) -> Any:
        return steep / largest * gradient(x)

    psi = theory.sign_exponent(scaled, deviation, lr=1.0, minimum=start, saddle=saddle)
    return psi / (SIGN.learning_rate * HIGHEST / DOMINATES * steep / largest)


def _slope(times: Any) -> float:
    """By how much the log of the exact mean time, less the prefactor's own, grows with RMSprop's exponent."""
    high = times.sortby(BARRIER).isel(row=slice(-2, None))
    log_time = np.log(high["exact"].values) + np.log(high["sharpness"].values) / 2
    return float(np.diff(log_time).item() / (np.diff(high[BARRIER].values).item() / DOMINATES))


claim = SignChain()
