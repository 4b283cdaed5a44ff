"""Adam's variants: how strongly each optimizer of Table 2 prefers flat minima."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray
from scipy import stats

import theory
from diffusion import rare_escape_rate
from diffusion.dynamics import AdaBound
from experiments.drawing import BLUE, GREEN, GREY, ORANGE, Named, headline, points, subplots, ticks
from experiments.problems import exits
from experiments.problems.exits import AT, BARRIER, ITERATIONS, ONE, RATE
from experiments.problems.optimizers import BETA1
from experiments.problems.table_2 import BETA2, DEFAULT, HIGHEST, TABLE_2, Entry, minibatches, problem
from experiments.problems.wells import GRID_TOLERANCE, Setting
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, told, unsampled
from experiments.referee.faults import Fault, MeanExit, quietly
from experiments.referee.laws import LEVEL, MeanSquare, Student
from experiments.referee.routes import NOT_QUICK

Array = NDArray[np.float64]

MEASURED = tuple(np.geomspace(2, HIGHEST, 5).tolist())  # a factor 3 in k for SGD, 9 for Adam
REPLICAS, FEWER = 640, 320  # exits of an ensemble; in a quick run and with the longer memory
ON_DATA = 2560  # of an ensemble on data: with 640 intervals of p are as wide as what is judged
TOLERANCE = abs(1 - 0.5) / 2  # half the distance of the powers of SGD and Adam, as for Table 1
SLOPE_FROM = 3.0  # least barrier over temperature between which exponents of two optimizers are compared
GAMMAS = tuple(np.geomspace(1e-5, 1e-1, 9).tolist())  # of AdaBound, whose bounds meet after some 1/gamma iterations
CROSSOVER = "mean escape time of AdaBound (iterations)"
BATCH, SMALLER = 10, 2  # of data
STEEPER = {BATCH: (1.0, 2.0), SMALLER: (1.4, 2.8)}  # from and to which factor of k^(1-q), so of the learning rate
DATA, DATA_POWER = "mean escape time under Gaussian noise of minibatches (iterations)", "p under noise of minibatches"
SPLIT, SPLIT_REPLICAS, REPETITIONS = 12.0, 250, 8  # of splitting: barrier over temperature, and its runs
IS_SPLIT = ("Momentum", "Adam", "Yogi", "Padam")  # not AMSGrad: its largest v grows, and no rate is reached
SPLIT_POWER = f"p with barriers over temperature to {SPLIT:g}"
POWER = "p in -log(rate/k^(1-q)) = c + a k^-p"
EXPONENT = "exponent over Adam's at one learning rate"
SYMMETRY = "of the instrument: under Hessian noise the power follows from the scaling symmetry"
NO_RATE = "some leave at once and others late, so that a mean time tells no rate"
ONLY_TIMES = "the mean escape times that it is fitted to are rows of their own"
SURE = 10**6  # repetitions with which Student's law is the normal one


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
    effort = 80

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of each optimizer mean times, the power that they give and, where v rests elsewhere, the exponent."""
        series: dict[str, list[Row]] = {}
        for name, entry in TABLE_2.items():
            rows = [_time(name, entry, barrier) for barrier in exits.exponents(routes)]
            measured = [_measured(routes, name, entry, barrier, BETA2) for barrier in _barriers(routes, entry)]
            yield Evidence.of_rows(name, f"{ITERATIONS[:-1]}, without inertia)", rows, label=f"{name}, overdamped")
            if measured:
                yield Evidence.of_rows(name, ITERATIONS, measured)
            default: list[Row] = []
            if measured and entry.power and routes.full:
                default = [_measured(routes, name, entry, barrier, DEFAULT) for barrier in MEASURED]
                yield Evidence.of_rows(name, ITERATIONS, default, label=f"{name}, beta2 = {DEFAULT:g}")
            yield Evidence.of_rows(name, POWER, [_power(name, entry, rows, measured, default)], label=f"{name}, power")
            series[name] = measured
            if routes.full:
                yield from on_data(routes, name, entry)
            if routes.full and name in IS_SPLIT:
                yield from deeper(routes, name, entry, measured)
            if entry.level != 1:
                exponent = _exponent(name, entry, measured, series["Adam"])
                yield Evidence.of_rows(name, EXPONENT, [exponent], label=f"{name}, psi")
        if not routes.quick:
            rows = [_crossing(routes, gamma, series["Adam"], series["Momentum"]) for gamma in GAMMAS]
            yield Evidence.of_rows("AdaBound, late", CROSSOVER, rows, label="AdaBound, crossover")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The power beside 1 - q, exact and as shipped; of a variant what becomes of the sentence; and the exponent."""
        data = {piece.quantity: piece.data.isel(row=0) for piece in evidence}
        yield from _judged(data[POWER], TABLE_2[evidence[0].subject])
        yield from _beyond(data, TABLE_2[evidence[0].subject])
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

        for piece in evidence:
            if piece.quantity == CROSSOVER:
                yield _crossover(piece.data)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Escape rate against sharpness, and the powers; AdaBound between Adam and Momentum."""
        yield _figure(self, evidence)
        yield from (_adabound(self, piece.data, evidence) for piece in evidence if piece.quantity == CROSSOVER)


def _judged(row: xarray.Dataset, entry: Entry) -> Iterator[Finding]:
    exact, target = float(row["exact"]), float(row["paper"])
    low, high = row["sharpness"].item()
    judge: dict[str, Any] = {"target": target, "tolerance": TOLERANCE}
    shipped = float(row["shipped"]) if "shipped" in row else np.nan
    measured: dict[str, Any] = {}
    if np.isfinite(shipped):  # first of all, so that the table of findings shows it
        measured = {"interval": (float(row["shipped_low"]), float(row["shipped_high"]))}
        right, wrong = "as shipped it is 1 - q, too", "as shipped it is not 1 - q"
        tells = f"p = {_interval(row)}, with beta2 = {BETA2:g}"
        yield Finding.judged("power of sharpness as shipped", shipped, right, wrong, tells, **judge, **measured)
    tells = f"p = {exact:.2f} over a factor {high / low:.3g} in sharpness, 1 - q = {target:.3g} (exact, without inertia"
    tells += f"; with it {float(row['exact_inertia']):.2f}" if "exact_inertia" in row else ""
    tells += f"; with weight decay {entry.decay:g}" if entry.decay else ""
    tells += "; a test of the instrument)"
    yield Finding.judged("power of sharpness", exact, "it is 1 - q", "it is not 1 - q", tells, **judge)
    if "default" in row and np.isfinite(row["default"]):
        long = _interval(row, "default")
        text = f"with beta2 = {DEFAULT:g}, whose memory is as long as many of these escapes, p = {long}"
        yield Finding("power of sharpness with a long memory", float(row["default"]), text)
    if entry.variant:
        right = "the sentence holds of it: it prefers flat minima less than SGD does"
        wrong = "the sentence does not hold of it: it prefers flat minima about as SGD does"
        value, by = (shipped, "as shipped") if np.isfinite(shipped) else (exact, "exact")
        tells = f"p = {value:.2f} ({by}), of Adam 0.5, of SGD 1"
        judge |= {"target": 0.5} | measured
        yield Finding.judged("the paper's sentence", value, right, wrong, tells, **judge)


def _beyond(data: dict[str, xarray.Dataset], entry: Entry) -> Iterator[Finding]:
    """The power under minibatches, and with rates of splitting; of minibatches also where steps are smaller."""
    judge: dict[str, Any] = {"target": 1 - entry.power, "tolerance": TOLERANCE}
    for quantity, name in ((DATA_POWER, "under noise of minibatches"), (SPLIT_POWER, "with rates by splitting")):
        if quantity not in data:
            continue
        row = data[quantity]
        if "shipped" not in row or not np.isfinite(row["shipped"]):
            yield Finding(f"power of sharpness {name}", np.nan, f"{name} it cannot be told: {NO_RATE}")
            continue
        tells = f"p = {_interval(row)}"
        if quantity == DATA_POWER:
            tells += f" with batches of {BATCH}, {float(row['exact']):.2f} of the SDE without inertia at the same k"
            if "following" in row and np.isfinite(row["following"]):
                tells += f" and {_interval(row, 'following')} with inertia, v following the noise"
        else:
            tells += f", down to a rate of {float(data[RATE]['splitting']):.2g}"
        if "smaller" in row and np.isfinite(row["smaller"]):
            tells += f"; {_interval(row, 'smaller')} with batches of {SMALLER}, whose learning rates are smaller"
        right, wrong = (f"{name} it {word} 1 - q" for word in ("is", "is not"))
        measured = float(row["shipped_low"]), float(row["shipped_high"])
        said = (f"power of sharpness {name}", float(row["shipped"]), right, wrong, tells)
        yield Finding.judged(*said, **judge, interval=measured)


def _interval(row: xarray.Dataset, name: str = "shipped") -> str:
    return f"{float(row[name]):.2f} [{float(row[f'{name}_low']):.2f}, {float(row[f'{name}_high']):.2f}]"


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
    """The mean time of the optimizer as shipped; but in a quick run beside that of the SDE with v following."""
    well, k = problem(), entry.sharpness(barrier)
    start, saddle = well.positions(k)
    replicas = FEWER if routes.quick or beta2 == DEFAULT else REPLICAS
    mean = exits.ensemble(routes, entry.make(entry.learning_rate, beta2), well, k, saddle, replicas=replicas)
    reasons = unsampled("the optimizer as shipped alone", paper=exits.NOT_SAID, fokker_planck=exits.ONLY_GRID)
    values, checks = {}, {}
    if routes.quick:
        reasons["exact"] = NOT_QUICK
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
            samples[route] = fitted(entry, MEASURED, [row.samples["shipped"] for row in series])
    span = sorted(float(row.regime["sharpness"]) for row in (rows[0], rows[-1]))
    regime = {"optimizer": name, "landscape": problem().title, "exit": AT, "q": entry.power, "sharpness": span}
    reasons = unsampled(ONLY_TIMES, **({} if measured else {"shipped": NOT_QUICK}))
    return Row(ONE | regime | {"test": SYMMETRY}, values, samples, reasons=reasons)


def on_data(routes: Routes, name: str, entry: Entry) -> Iterator[Evidence]:
    """Mean times under the noise of minibatches, and the power that they give; of some with smaller batches too."""
    powers: dict[str, Sample] = {}
    values = {"paper": 1 - entry.power}
    sizes = {"shipped": BATCH} | ({"smaller": SMALLER} if entry.quick else {})
    for route, size in sizes.items():
        well, lr = minibatches(size), entry.data_learning_rate(size)
        steeper = np.geomspace(*STEEPER[size], len(MEASURED))
        rows = [_data_time(routes, name, entry, well, lr, float(k ** (1 / (1 - entry.power)))) for k in steeper]
        yield Evidence.of_rows(name, DATA, rows, label=f"{name}, batches of {size}")
        k = [row.regime["sharpness"] for row in rows]
        if all(row.samples for row in rows):
            powers[route] = fitted(entry, k, [row.samples["shipped"] for row in rows], of_barriers=False)
        if size == BATCH:
            values["exact"] = entry.fit_sharpness(k, [row.values["exact"] for row in rows]).p
            powers["following"] = fitted(entry, k, _following(routes, entry, well, lr, k), of_barriers=False)
    regime = {"optimizer": name, "landscape": minibatches(BATCH).title, "exit": AT, "q": entry.power}
    reasons = unsampled(ONLY_TIMES, **({} if "shipped" in powers else {"shipped": NO_RATE}))
    row = Row(ONE | regime, values, powers, reasons=reasons)
    yield Evidence.of_rows(name, DATA_POWER, [row], label=f"{name}, power under noise of minibatches")


def _following(routes: Routes, entry: Entry, well: Setting, lr: float, sharpness: Sequence[float]) -> list[Sample]:
    """Mean times with inertia where v follows the noise, the same for all optimizers of one q."""

    def mean(k: float) -> MeanExit:
        return exits.ensemble(routes, entry.follows(lr), well, k, well.positions(k)[1], replicas=ON_DATA)

    return [
        Sample.of(routes.once(("v following on data", entry.power, k), lambda k=k: mean(k)))  # type: ignore[misc]
        for k in sharpness
    ]


def _data_time(routes: Routes, name: str, entry: Entry, well: Setting, lr: float, k: float) -> Row:
    """A mean time on data, if it tells a rate, beside that of the SDE without inertia and with v following."""
    start, saddle = well.positions(k)
    mean = exits.ensemble(routes, entry.make(lr, BETA2), well, k, saddle, replicas=ON_DATA)
    motion = theory.following_motion(
        well.gradient(k), well.variance(k), lr=lr / entry.level**entry.power, power=entry.power
    )
    time = theory.first_passage_time(*motion, start=start, boundary=saddle)
    reasons = unsampled("the optimizer as shipped alone", paper=exits.NOT_SAID)
    regime = {"optimizer": name, "landscape": well.title, "batch_size": well.batch_size, "exit": AT, "q": entry.power}
    regime |= {"lr": lr, "sharpness": k, "beta2": BETA2}
    told_of = not (mean.fault and mean.fault.state == "inconclusive")
    samples = {"shipped": Sample.of(mean)} if told_of else {}
    reasons |= {"shipped": NO_RATE}
    return Row(ONE | regime, {"exact": time}, samples, reasons=reasons)


def deeper(routes: Routes, name: str, entry: Entry, measured: Sequence[Row]) -> Iterator[Evidence]:
    """A rate by splitting beyond what direct runs see, and the power with it."""
    well, k, optimizer = problem(), entry.sharpness(SPLIT), entry.make(entry.learning_rate, BETA2)
    start, saddle = well.positions(k)
    where: dict[str, Any] = {"noise": well.noise, "start": start, "boundary": saddle, "repetitions": REPETITIONS}
    where |= routes.options(told("splitting", optimizer, SPLIT), SPLIT_REPLICAS)
    with quietly():
        run = rare_escape_rate(optimizer, well.landscape(1, k), **where)
    repeated = run["repetition_rate"].values
    rate, error = float(repeated.mean()), float(repeated.std(ddof=1) / len(repeated) ** 0.5)
    fault = None if bool(run["reliable"]) else Fault(str(run.attrs["doubt"]), "inconclusive")
    rates = {"splitting": Sample(rate, Student(error, REPETITIONS), fault=fault)}
    passage = well.motion(entry.following, k).passage(start, saddle, GRID_TOLERANCE)
    reasons = unsampled(exits.TOO_HIGH, paper=exits.NOT_SAID, shipped="by splitting")
    checks = {"grid": (passage.error, 2 * GRID_TOLERANCE)}
    regime = _regime(name, entry, SPLIT) | {"beta2": BETA2}
    rows = [Row(regime, {"exact": passage.rate}, rates, checks, reasons)]
    yield Evidence.of_rows(name, RATE, rows, label=f"{name}, by splitting")
    # as a mean time whose logarithm has this error
    deepest = Sample(1 / rate, MeanSquare(2 * (rate / error) ** 2), fault=fault)
    power = fitted(entry, (*MEASURED, SPLIT), [*(row.samples["shipped"] for row in measured), deepest])
    exact = entry.fit((*MEASURED, SPLIT), [*(row.values["exact"] for row in measured), passage.iterations])
    regime = {"optimizer": name, "landscape": problem().title, "exit": AT, "q": entry.power}
    values = {"paper": 1 - entry.power, "exact": exact.p}
    row = Row(ONE | regime, values, {"shipped": power}, reasons=unsampled(ONLY_TIMES))
    yield Evidence.of_rows(name, SPLIT_POWER, [row], label=f"{name}, power with splitting")


def fitted(entry: Entry, at: Sequence[float], times: Sequence[Sample], *, of_barriers: bool = True) -> Sample:
    """The power of times at these barriers over temperature, or sharpnesses."""
    fault = next((sample.fault for sample in times if sample.fault), None)
    if fault is None:
        fit = entry.fit if of_barriers else entry.fit_sharpness
        fitted = fit(at, [sample.value for sample in times], _errors(times))
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


def _crossing(routes: Routes, gamma: float, adams: Sequence[Row], momentums: Sequence[Row]) -> Row:
    """AdaBound's mean time with Adam's learning rate that ends as Momentum's, beside theirs from the same minimum."""
    momentum = momentums[0]
    k = momentum.regime["sharpness"]
    adam = next(row for row in adams if np.isclose(row.regime["sharpness"], k))
    lr, final_lr = adam.regime["lr"], momentum.regime["lr"]
    bound = AdaBound(lr, BETA1, BETA2, final_lr=final_lr, gamma=gamma)
    mean = exits.ensemble(routes, bound, problem(), k, problem().positions(k)[1], replicas=REPLICAS)
    values = {row.regime["optimizer"].lower(): row.samples["shipped"].value for row in (adam, momentum)}
    regime = {"optimizer": "AdaBound", "landscape": problem().title, "exit": AT, "gamma": gamma, "sharpness": k}
    reasons = unsampled("the optimizer as shipped alone", paper=exits.NOT_SAID, exact="between two others")
    return Row(ONE | regime | {"lr": lr, "final_lr": final_lr}, values, {"shipped": Sample.of(mean)}, reasons=reasons)


def _share(data: xarray.Dataset) -> Array:
    """How far AdaBound's mean time is on the way from Adam's, 0, to Momentum's, 1, in logarithms."""
    adam, momentum, bound = (np.log(data[name].values) for name in ("adam", "momentum", "shipped"))
    return np.asarray((bound - adam) / (momentum - adam))


def _crossover(data: xarray.Dataset) -> Finding:
    """From which gamma on it escapes as Momentum does rather than as Adam."""
    share, gamma = _share(data), data["gamma"].values
    half = float(np.exp(np.interp(HALF, np.maximum.accumulate(share), np.log(gamma))))
    early, late, k = float(share[0]), float(share[-1]), float(data["sharpness"][0])
    text = (
        f"AdaBound goes from {early:.2f} of the way from Adam's to Momentum's mean time (gamma = {gamma[0]:.0e}) to "
        f"{late:.2f} ({gamma[-1]:.0e}), half of it at gamma = {half:.2g}, at k = {k:.3g}"
    )
    return Finding("where AdaBound is half Adam, half Momentum", half, text)


def _adabound(claim: Claim, data: xarray.Dataset, evidence: Sequence[Evidence]) -> Named:
    figure, axis = subplots(size=(8.5, 5.2))
    points(axis, data["gamma"], *(data[f"shipped{end}"] for end in ("", "_low", "_high")), fmt="o", color=GREY, ms=7)
    for name, colour in (("Adam", ORANGE), ("Momentum", BLUE)):
        (other,) = (piece.data for piece in evidence if piece.subject == name and piece.quantity == ITERATIONS)
        row = other.isel(row=int(np.argmin(np.abs(other["sharpness"].values - float(data["sharpness"][0])))))
        mean, low, high = (float(row[f"shipped{end}"]) for end in ("", "_low", "_high"))
        axis.axhspan(low, high, color=colour, alpha=0.2, lw=0)
        axis.axhline(mean, color=colour, lw=2)
        axis.annotate(
            name,
            (1, mean),
            xycoords=("axes fraction", "data"),
            color=colour,
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
        )
    axis.set(xscale="log", yscale="log", xlabel="gamma: AdaBound's bounds meet after about 1/gamma iterations")
    axis.set_ylabel("mean escape time (iterations)")
    ticks(axis, (1000, 2000, 3000, 5000))
    share, gamma = _share(data), data["gamma"].values
    early, late = float((data["shipped"] / data["adam"])[0]), float((data["shipped"] / data["momentum"])[-1])
    title = f"AdaBound's mean escape time is {early:.2f} times Adam's at gamma = {gamma[0]:g} and {late:.2f} times "
    title += f"Momentum's at {gamma[-1]:g}"
    if share[0] < HALF < share[-1]:
        title += f", half way at gamma = {_crossover(data).value:.2g}"
    headline(figure, title)
    caption = f"{title}. As shipped with 95 % intervals, from a minimum of sharpness {float(data['sharpness'][0]):.3g}."
    return "adam-variants-adabound", claim.name, figure, caption


HALF = 0.5  # of the way from Adam's mean time to Momentum's, in logarithms
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
    right.plot([], [], "|", color=GREY, ms=14, mew=3, label="theory, 1 − q")
    right.plot([], [], "x", color="black", ms=8, mew=2, ls="", label="exact, without inertia")
    right.errorbar([], [], xerr=[], fmt="o", color=GREY, mfc="white", ms=8, capsize=4, label="as shipped, 95 %")
    right.set_yticks(range(len(names)), names)
    right.set_ylim(len(names) - 0.4, -0.6)
    right.set_xticks([0.25, 0.5, 0.75, 1, 1.25], ["1/4", "1/2", "3/4", "1", "5/4"])
    right.set_xlim(0.1, 1.4)
    right.set_xlabel("power p of sharpness: 1 as for SGD, 1/2 as for Adam")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    title = _title(claim, evidence)
    headline(figure, title)
    caption = (
        f"{title}. One coordinate, double parabola, piecewise Hessian noise, beta2 = {BETA2:g}. Left: points are the "
        "optimizers as shipped with 95 %, lines the SDE with inertia and v following the noise. "
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
