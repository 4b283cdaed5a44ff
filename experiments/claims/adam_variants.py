"""Adam's variants: how strongly each optimizer of Table 2 prefers flat minima."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray
from scipy import stats

import theory
from diffusion import DoubleParabola
from diffusion import dynamics as optimizers
from diffusion.dynamics import Dynamics
from experiments.drawing import BLUE, GREEN, GREY, ORANGE, Named, points, subplots
from experiments.problems import exits
from experiments.problems.exits import AT, BARRIER, ITERATIONS, ONE
from experiments.problems.optimizers import BETA0, BETA1
from experiments.problems.wells import GRID_TOLERANCE, Setting, settings
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, unsampled
from experiments.referee.faults import Fault
from experiments.referee.laws import LEVEL, Student
from experiments.sharpness.power import Power, fit_power

Array = NDArray[np.float64]

KEY = "parabolas-piecewise"
SLOWER = 4  # times lower than the setting: the second moment's memory is to be shorter than every escape
HIGHEST = 6.0  # barrier over temperature at k = 1
MEASURED = tuple(np.geomspace(2, HIGHEST, 5).tolist())  # a factor 3 in k for SGD, 9 for Adam
BETA2, DEFAULT = 0.99, 0.999  # memories of 100 iterations and, told besides, of 1,000
REPLICAS, FEWER = 640, 320  # exits of an ensemble; in a quick run and with the longer memory
DECAY = 1e-3  # of AdamW and AdaiW: 0.01 of the curvature at k = 1, and more of that of flatter minima
TOLERANCE = abs(1 - 0.5) / 2  # half the distance of the powers of SGD and Adam, as for Table 1
EXACT_ERROR = 0.01  # of logarithms, the same for all: exact values have no sampling error
SLOPE_FROM = 3.0  # least barrier over temperature between which exponents of two optimizers are compared
POWER = "p in -log(rate/k^(1-q)) = c + a k^-p"
EXPONENT = "exponent over Adam's at one learning rate"
SYMMETRY = "of the instrument: under Hessian noise the power follows from the scaling symmetry"
ONLY_TIMES = "the mean escape times that it is fitted to are rows of their own"
SURE = 10**6  # repetitions with which Student's law is the normal one


@dataclass(frozen=True)
class Entry:
    """An optimizer of Table 2.

    Attributes
    ----------
    make
        It as shipped, a function of its learning rate and beta2.
    power
        q: the learning rate goes like v^-q.
    level
        v at rest over the noise variance, for beta2 near 1.
    variant
        Whether it is one of Adam's variants, of which the paper's sentence speaks.
    quick
        Whether a quick run measures it.
    """

    make: Callable[[float, float], Dynamics]
    power: float
    level: float = 1.0
    variant: bool = True
    quick: bool = False

    @property
    def learning_rate(self) -> float:
        """That at which the barrier over temperature is HIGHEST at k = 1, without weight decay."""
        alone = problem().landscape(1, 1.0)
        h_a, h_b = problem().curvatures(1.0)
        known = {"hessian_minimum": h_a, "hessian_saddle": h_b, "barrier": alone.valley.barrier}
        psi = theory.escape_exponent(**known, lr=1.0, batch_size=1, split=alone.valley.split, power=self.power)
        return float(psi * self.level**self.power / HIGHEST)

    def sharpness(self, barrier: float) -> float:
        """The k at which barrier over temperature is this."""
        return float((HIGHEST / barrier) ** (1 / (1 - self.power)))

    @property
    def decay(self) -> float:
        """Its weight decay, which is decoupled."""
        return float(getattr(self.make(1.0, BETA2), "weight_decay", 0.0))

    @property
    def following(self) -> Dynamics:
        """It with inertia, where v follows the noise at its level; without weight decay."""
        lr = self.learning_rate / self.level**self.power
        if not self.power:
            return optimizers.Momentum(lr, BETA1)
        return optimizers.Padam(lr, BETA1, partial=self.power, second_moment="following")

    def fit(self, barriers: Sequence[float], times: Sequence[float], errors: Any = EXACT_ERROR) -> Power:
        """The power of sharpness in mean times in iterations."""
        k = np.array([self.sharpness(barrier) for barrier in barriers])
        return fit_power(k, np.log(times) + (1 - self.power) * np.log(k), np.broadcast_to(errors, k.shape))


YOGI = float(theory.resting_second_moment("yogi"))
BELIEF = float(theory.resting_second_moment("adabelief", beta1=BETA1))
OPEN, MET = 1e-9, 1e3  # gamma of AdaBound, whose bounds are open for 1/gamma iterations and then meet

TABLE_2: dict[str, Entry] = {
    "Momentum": Entry(lambda lr, _: optimizers.Momentum(lr, BETA1), 0.0, variant=False, quick=True),
    "Adai": Entry(lambda lr, beta2: optimizers.Adai(lr, BETA0, beta2, second_moment="running"), 0.0, variant=False),
    "AdaiW": Entry(lambda lr, beta2: optimizers.AdaiW(lr, BETA0, beta2, weight_decay=DECAY), 0.0, variant=False),
    "Adam": Entry(
        lambda lr, beta2: optimizers.Adam(lr, BETA1, beta2, second_moment="running"), 0.5, variant=False, quick=True
    ),
    "AdamW": Entry(lambda lr, beta2: optimizers.AdamW(lr, BETA1, beta2, weight_decay=DECAY), 0.5),
    "AMSGrad": Entry(lambda lr, beta2: optimizers.AMSGrad(lr, BETA1, beta2), 0.5),
    "RAdam": Entry(lambda lr, beta2: optimizers.RAdam(lr, BETA1, beta2), 0.5),
    "AdaBelief": Entry(lambda lr, beta2: optimizers.AdaBelief(lr, BETA1, beta2), 0.5, BELIEF),
    "Yogi": Entry(lambda lr, beta2: optimizers.Yogi(lr, BETA1, beta2), 0.5, YOGI),
    "Padam": Entry(lambda lr, beta2: optimizers.Padam(lr, BETA1, beta2, partial=0.125), 0.125),
    "AdaBound, early": Entry(lambda lr, beta2: optimizers.AdaBound(lr, BETA1, beta2, final_lr=lr, gamma=OPEN), 0.5),
    "AdaBound, late": Entry(lambda lr, beta2: optimizers.AdaBound(lr, BETA1, beta2, final_lr=lr, gamma=MET), 0.0),
}


class AdamVariants(Claim):
    """The power of sharpness in escape times of every optimizer of Table 2, exact and as shipped."""

    name = "Adam's variants and flat minima"
    place = "Section 4, Table 2"
    statement = (
        "Adam's variants may also be poor at selecting flat minima due to Adaptive Learning Rate: where the learning "
        "rate goes like v^-q, log rate ~ -k^-(1-q), with q = 1/2 for Adam and 0 for SGD. Under Hessian noise k and the "
        "learning rate enter through one product, so that exact powers test the instrument; of the optimizers as "
        "shipped they test whether v follows the noise."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of each optimizer mean times, the power that they give and, where v rests elsewhere, the exponent."""
        adams: list[Row] = []
        for name, entry in TABLE_2.items():
            rows = [_time(name, entry, barrier) for barrier in exits.exponents(routes)]
            measured = [_measured(routes, name, entry, barrier, BETA2) for barrier in _barriers(routes, entry)]
            yield Evidence.of_rows(name, f"{ITERATIONS[:-1]}, without inertia)", rows, label=f"{name}, overdamped")
            if measured:
                yield Evidence.of_rows(name, ITERATIONS, measured)
            default: list[Row] = []
            if measured and entry.power and not routes.quick:
                default = [_measured(routes, name, entry, barrier, DEFAULT) for barrier in MEASURED]
                yield Evidence.of_rows(name, ITERATIONS, default, label=f"{name}, beta2 = {DEFAULT:g}")
            yield Evidence.of_rows(name, POWER, [_power(name, entry, rows, measured, default)], label=f"{name}, power")
            adams = measured if name == "Adam" else adams
            if entry.level != 1:
                yield Evidence.of_rows(name, EXPONENT, [_exponent(name, entry, measured, adams)], label=f"{name}, psi")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The power beside 1 - q, exact and as shipped; of a variant what becomes of the sentence; and the exponent."""
        data = {piece.quantity: piece.data.isel(row=0) for piece in evidence}
        yield from _judged(data[POWER], TABLE_2[evidence[0].subject])
        for piece in evidence:
            if piece.label == piece.subject and "exact" in piece.data:
                flattest = piece.data.sortby("sharpness").isel(row=0)
                ratio = float(flattest["shipped"] / flattest["exact"])
                text = f"from the flattest minimum it takes {ratio:.3g} times as long as where v follows the noise"
                yield Finding("time over that of the SDE", ratio, text)
        if EXPONENT in data:
            row = data[EXPONENT]
            text = f"v rests where the exponent is {float(row['exact']):.4g} times Adam's at one learning rate"
            if "shipped" in row and np.isfinite(row["shipped"]):
                text += f"; as shipped {_interval(row)}"
            yield Finding("exponent over Adam's", float(row["exact"]), text)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Escape rate against sharpness, and the powers."""
        yield _figure(self, evidence)


def _judged(row: xarray.Dataset, entry: Entry) -> Iterator[Finding]:
    exact, target = float(row["exact"]), float(row["paper"])
    low, high = row["sharpness"].item()
    judge: dict[str, Any] = {"target": target, "tolerance": TOLERANCE}
    tells = f"p = {exact:.2f} over a factor {high / low:.3g} in sharpness, 1 - q = {target:.3g} (exact, without inertia"
    tells += f"; with it {float(row['exact_inertia']):.2f}" if "exact_inertia" in row else ""
    tells += "; a test of the instrument)"
    yield Finding.judged("power of sharpness", exact, "it is 1 - q", "it is not 1 - q", tells, **judge)
    shipped = float(row["shipped"]) if "shipped" in row else np.nan
    if np.isfinite(shipped):
        right, wrong = "as shipped it is 1 - q, too", "as shipped it is not 1 - q"
        tells = f"p = {_interval(row)}, with beta2 = {BETA2:g}"
        yield Finding.judged("power of sharpness as shipped", shipped, right, wrong, tells, **judge)
    if "default" in row and np.isfinite(row["default"]):
        told = _interval(row, "default")
        text = f"with beta2 = {DEFAULT:g}, whose memory is as long as many of these escapes, p = {told}"
        yield Finding("power of sharpness with a long memory", float(row["default"]), text)
    if entry.variant:
        right = "the sentence holds of it: it prefers flat minima less than SGD does"
        wrong = "the sentence does not hold of it: it prefers flat minima about as SGD does"
        value, by = (shipped, "as shipped") if np.isfinite(shipped) else (exact, "exact")
        tells = f"p = {value:.2f} ({by}), of Adam 0.5, of SGD 1"
        yield Finding.judged("the paper's sentence", value, right, wrong, tells, target=0.5, tolerance=TOLERANCE)


def _interval(row: xarray.Dataset, name: str = "shipped") -> str:
    return f"{float(row[name]):.2f} [{float(row[f'{name}_low']):.2f}, {float(row[f'{name}_high']):.2f}]"


@lru_cache
def problem() -> Setting:
    """The setting, lower."""
    height = settings()[KEY].curvatures(1.0)[0] / SLOWER
    return replace(
        settings()[KEY],
        key="variants",
        landscape=lambda d, k: DoubleParabola(0.5 * height, height * k, 4 * height * k, d),
    )


def _barriers(routes: Routes, entry: Entry) -> tuple[float, ...]:
    """Barriers over temperature at which it is measured."""
    return MEASURED if entry.quick or not routes.quick else ()


def _regime(name: str, entry: Entry, barrier: float) -> dict[str, Any]:
    regime = {"optimizer": name, "landscape": problem().title, "exit": AT, "q": entry.power}
    return ONE | regime | {"lr": entry.learning_rate, "sharpness": entry.sharpness(barrier), BARRIER: barrier}


def _time(name: str, entry: Entry, barrier: float) -> Row:
    """The exact mean time without inertia, v at its level times the noise where the parameters are."""
    well, k = problem(), entry.sharpness(barrier)
    lr, decay = entry.learning_rate / entry.level**entry.power, entry.decay
    drift, diffusion = theory.following_motion(
        well.gradient(k),
        well.variance(k),
        lr=lr,
        power=entry.power,
        weight_decay=decay * entry.level**entry.power,
    )
    start, saddle = well.positions(k)
    time = theory.first_passage_time(drift, diffusion, start=start, boundary=saddle, breaks=well.breaks(k))
    regime = _regime(name, entry, barrier) | {"weight_decay": decay}
    return Row(regime, {"exact": time}, reasons=unsampled(exits.NO_SAMPLING, paper=exits.NOT_SAID))


def _measured(routes: Routes, name: str, entry: Entry, barrier: float, beta2: float) -> Row:
    """The mean time of the optimizer as shipped; in a full run beside that of the SDE with v following."""
    well, k = problem(), entry.sharpness(barrier)
    start, saddle = well.positions(k)
    replicas = FEWER if routes.quick or beta2 == DEFAULT else REPLICAS
    mean = exits.ensemble(routes, entry.make(entry.learning_rate, beta2), well, k, saddle, replicas=replicas)
    reasons = unsampled("the optimizer as shipped alone", paper=exits.NOT_SAID, fokker_planck=exits.ONLY_GRID)
    values, checks = {}, {}
    if routes.quick:
        reasons["exact"] = "with inertia in a full run alone"
    else:
        motion = well.motion(entry.following, k)
        key = ("v following", entry.power, barrier)
        passage = routes.once(key, lambda: motion.passage(start, saddle, GRID_TOLERANCE))
        values, checks = {"exact": passage.iterations}, {"grid": (passage.error, 2 * GRID_TOLERANCE)}
    regime = _regime(name, entry, barrier) | {"beta2": beta2}
    return Row(regime, values, {"shipped": Sample.of(mean)}, checks, reasons)


def _power(name: str, entry: Entry, rows: Sequence[Row], measured: Sequence[Row], default: Sequence[Row]) -> Row:
    """Powers fitted to exact times, and to measured ones with their interval."""
    exact = entry.fit([row.regime[BARRIER] for row in rows], [row.values["exact"] for row in rows])
    values, samples = {"paper": 1 - entry.power, "exact": exact.p}, {}
    if measured and all("exact" in row.values for row in measured):
        values["exact_inertia"] = entry.fit(MEASURED, [row.values["exact"] for row in measured]).p
    for route, series in (("shipped", measured), ("default", default)):
        if series:
            samples[route] = _fitted(entry, [row.samples["shipped"] for row in series])
    span = sorted(float(row.regime["sharpness"]) for row in (rows[0], rows[-1]))
    regime = {"optimizer": name, "landscape": problem().title, "exit": AT, "q": entry.power, "sharpness": span}
    reasons = unsampled(ONLY_TIMES, **({} if measured else {"shipped": "measured in a full run"}))
    return Row(ONE | regime | {"test": SYMMETRY}, values, samples, reasons=reasons)


def _fitted(entry: Entry, times: Sequence[Sample]) -> Sample:
    fault = next((sample.fault for sample in times if sample.fault), None)
    if fault is None:
        fitted = entry.fit(MEASURED, [sample.value for sample in times], _errors(times))
        if np.isfinite(fitted.high - fitted.low):
            error = (fitted.high - fitted.low) / 2 / float(stats.norm.isf((1 - LEVEL) / 2))
            return Sample(fitted.p, Student(error, SURE))
        fault = Fault("too few exits to tell the power", "inconclusive")
    return Sample(np.nan, Student(np.nan, SURE), fault=fault)


def _errors(times: Sequence[Sample]) -> Array:
    """Standard errors of the logarithms of mean times."""
    return np.array([(2 / float(sample.law.freedom)) ** 0.5 for sample in times])  # type: ignore[attr-defined]


def _exponent(name: str, entry: Entry, measured: Sequence[Row], adams: Sequence[Row]) -> Row:
    """The exponent over Adam's: of v at rest, and from how both times grow from the middle barrier to the highest."""
    factor = entry.level**entry.power
    samples: dict[str, Sample] = {}
    if measured and adams:
        ends = [next(row for row in series if row.regime[BARRIER] > SLOPE_FROM) for series in (measured, adams)]
        four = [row.samples["shipped"] for row in (measured[-1], ends[0], adams[-1], ends[1])]
        if not any(sample.fault for sample in four):
            own_high, own_low, adam_high, adam_low = np.log([sample.value for sample in four])
            ratio = (own_high - own_low) / (adam_high - adam_low)
            error = np.sqrt(np.sum(_errors(four)[:2] ** 2) + ratio**2 * np.sum(_errors(four)[2:] ** 2))
            samples["shipped"] = Sample(factor * ratio, Student(factor * error / (adam_high - adam_low), SURE))
    regime = {"optimizer": name, "landscape": problem().title, "exit": AT, "q": entry.power}
    reasons = unsampled(exits.NO_SAMPLING, paper=exits.NOT_SAID)
    return Row(ONE | regime, {"exact": factor}, samples, reasons=reasons)


APART = 2.0  # times the rate of its line from which points have their optimizer's name
COLOURS = {0.0: BLUE, 0.125: GREEN, 0.5: ORANGE}  # by q
WORDS = {
    0.0: "constant learning rate",
    0.125: "learning rate $\\propto v^{-1/8}$",
    0.5: "learning rate $\\propto v^{-1/2}$",
}


def _figure(claim: Claim, evidence: Sequence[Evidence]) -> Named:
    figure, (left, right) = subplots(1, 2, size=(12.5, 6.2), width_ratios=[1, 1.05])
    labelled: set[float] = set()
    powers = {piece.subject: piece.data.isel(row=0) for piece in evidence if piece.quantity == POWER}
    for piece in evidence:
        if piece.label != piece.subject:
            continue
        q = TABLE_2[piece.subject].power
        rows = piece.data.sortby("sharpness")
        k, colour = rows["sharpness"].values, COLOURS[q]
        if "exact" in rows:
            if q not in labelled:
                left.plot(k, 1 / rows["exact"], color=colour, lw=2, zorder=1)
            if abs(np.log(rows["shipped"][0] / rows["exact"][0])) > np.log(APART):
                where = {"xytext": (8, 0), "textcoords": "offset points", "va": "center"}
                left.annotate(piece.subject, (k[0], 1 / rows["shipped"][0]), color=colour, **where)
        measured = [1 / rows[f"shipped{end}"] for end in ("", "_high", "_low")]
        label = None if q in labelled else WORDS[q]
        points(left, k, *measured, fmt="o", color=colour, mfc="white", ms=6, label=label)
        labelled.add(q)
    left.set(xscale="log", yscale="log", xlabel="sharpness k of the minimum", ylabel="escape rate (per iteration)")
    left.set_xticks([1, 2, 3, 5, 9], ["1", "2", "3", "5", "9"])
    left.minorticks_off()
    if any("exact" in piece.data for piece in evidence if piece.quantity == ITERATIONS):
        left.plot([], [], color=GREY, lw=2, label="SDE, v following the noise")
    left.legend(loc="lower right")
    names = list(powers)
    for place, name in enumerate(names):
        row, colour = powers[name], COLOURS[TABLE_2[name].power]
        right.plot([float(row["paper"])] * 2, [place - 0.38, place + 0.38], color=colour, lw=3, solid_capstyle="butt")
        right.plot(float(row["exact"]), place, "x", color="black", ms=8, mew=2)
        if "shipped" in row and np.isfinite(row["shipped"]):
            ends = float(row["shipped"]), float(row["shipped_low"]), float(row["shipped_high"])
            style = {"fmt": "o", "color": colour, "mfc": "white", "ms": 8, "capsize": 4}
            right.errorbar(ends[0], place, xerr=[[ends[0] - ends[1]], [ends[2] - ends[0]]], **style)
    right.plot([], [], "|", color=GREY, ms=14, mew=3, label="1 - q")
    right.plot([], [], "x", color="black", ms=8, mew=2, ls="", label="exact, without inertia")
    right.errorbar([], [], xerr=[], fmt="o", color=GREY, mfc="white", ms=8, capsize=4, label="as shipped, 95 %")
    right.set_yticks(range(len(names)), names)
    right.set_ylim(len(names) - 0.4, -0.6)
    right.set_xticks([0.25, 0.5, 0.75, 1, 1.25], ["1/4", "1/2", "3/4", "1", "5/4"])
    right.set_xlim(0.1, 1.4)
    right.set_xlabel("power p of sharpness: 1 as for SGD, 1/2 as for Adam")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    title = _title(claim, evidence)
    figure.suptitle(title)
    caption = (
        f"{title}. One coordinate, double parabola, piecewise Hessian noise, beta2 = {BETA2:g}. Left: points are the "
        "optimizers as shipped with 95 %, lines, in a full run, the SDE with inertia and v following the noise. "
        "Right: p in log rate/k^(1-q) = c - a k^-p."
    )
    return "adam-variants", claim.name, figure, caption.replace("\n", " ")


def _title(claim: Claim, evidence: Sequence[Evidence]) -> str:
    """Of how many variants the sentence holds, and of which it does not."""
    judged = {
        verdict.subject: finding.holds
        for verdict in claim.verdicts(evidence)
        for finding in verdict.findings
        if finding.name == "the paper's sentence"
    }
    fail = [name.replace(", ", " ") for name, holds in judged.items() if not holds]
    against = f"; {' and '.join(fail)} {'does' if len(fail) == 1 else 'do'} not" if fail else ""
    return f"{claim.name}: {len(judged) - len(fail)} of {len(judged)} prefer them less than SGD does{against}"


claim = AdamVariants()
