"""Gaussian or heavy-tailed: escapes under normal, Student's and stable noise, and tail indices of many parameters."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray
from scipy import special

import theory
from diffusion import SGD, DoubleParabola, HessianNoise, exit_times
from diffusion.laws import NORMAL, Law, Stable, StudentT
from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, Named, headline, plain_decades, points, subplots
from experiments.problems import exits
from experiments.problems.exits import AT, ITERATIONS, ONE
from experiments.problems.tails import tail_index
from experiments.referee import EVERY, Claim, Evidence, Finding, Routes, Row, Sample, told, unsampled
from experiments.referee.faults import mean_exit
from experiments.referee.laws import Student

LR = 0.1
WELL = DoubleParabola(LR / 2, 1.0, 4.0, 1)  # barrier over temperature is 1/scale^2 under normal noise
SCALES = (1.0, 0.7, 0.5, 0.35, 0.25)  # deviations of the noise of one minibatch; of stable noise its width
WEAKER = (0.18, 0.125)  # where single jumps lead out, too, of a law of finite variance with a power law's tail
MOST = 2500.0  # largest mean time in iterations that is simulated
NORMAL_LAW, STUDENT, CAUCHY = "normal", "Student's t, 4 degrees of freedom", "Cauchy's, stable with alpha = 1"
LAWS: dict[str, Law] = {NORMAL_LAW: NORMAL, STUDENT: StudentT(4), CAUCHY: Stable(1.0)}
DENSITIES: dict[str, Callable[[Any, Any], Any]] = {
    NORMAL_LAW: lambda z, x: np.exp(-z * z / 2) / np.sqrt(2 * np.pi),
    STUDENT: lambda z, x: 0.375 * np.sqrt(2) * (1 + z * z / 2) ** -2.5,
    CAUCHY: lambda z, x: 0.5 / np.pi / (z * z + 0.25),  # exp(-|t|/2)
}
EXPONENTIAL = {NORMAL_LAW, STUDENT}  # have a variance, so that Theorem 3 speaks of them
ALPHA = 1.0
FINE, ROUGH = 1e-5, 5e-3  # relative errors of the chain; the latter where its far side costs most
SCALE, SAMPLES, OVER = "noise_scale", "samples", "over"
INDEX = "tail index"
FITS = ("exponential_fit", "power_fit")
NUMBERS = (16, 64, 256, 1024, 4096)  # samples of which an index is estimated
REPEATS = 100  # estimates behind a mean
DECADES = 4.0  # of the variance, over the directions of the noise
ALIKE = 0.1  # difference of tail indices, as in Figure 8
ACROSS, ALONG = "parameters", "one direction"


class HeavyTails(Claim):
    """Mean escape times against the scale of noise of three laws, and tail indices across and along parameters."""

    name = "Gaussian or heavy-tailed?"
    place = "Appendix C, against Simsekli et al. (2019) and Nguyen et al. (2019)"
    statement = (
        "Under noise that has a variance escape times are exponential in one over its square, under stable noise a "
        "power of its scale; and noise is called heavy-tailed only if a tail index is taken across parameters."
    )
    effort = 15

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Times of each law; tail indices of Gaussian noise whose directions differ in strength."""
        for law in LAWS:
            scales = {NORMAL_LAW: SCALES, STUDENT: SCALES + WEAKER, CAUCHY: SCALES[::2]}[law]
            yield Evidence.of_rows(law, ITERATIONS, _fitted([_time(routes, law, scale) for scale in scales]))
        rows = [_index(routes, over, number) for over in (ACROSS, ALONG) for number in NUMBERS]
        yield Evidence.of_rows("Gaussian noise of unequal directions", INDEX, rows)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Which of two laws fits times better, and where indices part."""
        (piece,) = evidence
        if piece.quantity == INDEX:
            yield from _indices(piece.data)
            return
        share, wide = _misfit(piece.data)
        exponential = piece.subject in EXPONENTIAL
        better = "exponential" if share < 0.5 else "a power"
        tells = f"of the misfit of log tau the exponential law has {share:.2f}, the power law {1 - share:.2f}"
        tells += f"; tau grows {wide:.3g} times"
        right, wrong = (f"escapes are {better} in the noise, {word} stated" for word in ("as", "not as"))
        judge: dict[str, Any] = {"target": 0.0 if exponential else 1.0, "tolerance": 0.5}
        yield Finding.judged("share of the exponential law's misfit", share, right, wrong, tells, **judge)
        steepest = _powers(piece.data)[-1]
        if exponential:
            text = f"between the two weakest noises the local power of the scale is {steepest:.3g}"
            yield Finding("power of the scale", steepest, text)
        else:
            right, wrong = (f"tau is {word}one over the scale to the power alpha" for word in ("", "not "))
            tells = f"{steepest:.3f} between the two weakest noises, alpha = {ALPHA:g}"
            judge = {"target": ALPHA, "tolerance": 0.1}
            yield Finding.judged("power of the scale", steepest, right, wrong, tells, **judge)
            weakest = piece.data.sortby(SCALE).isel(row=0)
            for name, what in (("stable_exit", "that of a flat valley as wide"), ("jump", "that of one large jump")):
                ratio = float(weakest["exact"] / weakest[name])
                yield Finding(f"time over {what}", ratio, f"tau is {ratio:.3g} times {what}")
        off = abs(piece.data["discrete"] / piece.data["exact"] - 1).values
        if np.isfinite(off).any():
            text = f"ensembles leave after the chain's mean time within {100 * np.nanmax(off):.2g} %"
            yield Finding("deviation of ensembles from the chain", float(np.nanmax(off)), text)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Times against the noise, and indices against the number of samples."""
        figure, (left, right) = subplots(1, 2, size=(12, 5.4))
        kinds: dict[str, list[str]] = {"exponential": [], "a power of it": []}
        for piece, colour in zip(evidence, (BLUE, ORANGE, GREEN), strict=False):
            rows = piece.data.sortby(SCALE)
            left.plot(1 / rows[SCALE], rows["exact"], color=colour, lw=2, label=f"{piece.subject}: exact chain")
            if "jump" in rows:
                left.plot(1 / rows[SCALE], rows["jump"], ls=DASHED, color=colour, lw=1.5, label="one large jump")
                left.plot(1 / rows[SCALE], rows["stable_exit"], ls=":", color=colour, lw=1.5, label="stable exit time")
            known = (rows[f"discrete{end}"].values for end in ("", "_low", "_high"))
            points(left, 1 / rows[SCALE].values, *known, fmt="o", color=colour, mfc="white", ms=7)
            kinds["exponential" if _misfit(rows)[0] < 0.5 else "a power of it"].append(piece.subject.partition(",")[0])
        left.plot([], [], "o", color=GREY, mfc="white", ms=7, label="ensembles, 95 %")
        left.set(xscale="log", yscale="log", xlabel="1 / scale of the noise", ylabel="mean escape time (iterations)")
        plain_decades(left.xaxis)
        left.set_ylim(top=1e4 * left.get_ylim()[1])  # room for the legend
        left.legend(loc="upper left", fontsize=10)
        data = evidence[-1].data
        for over, colour in ((ACROSS, ORANGE), (ALONG, BLUE)):
            rows = data.isel(row=np.flatnonzero(data[OVER].values == over))
            known = (rows[f"measured{end}"].values for end in ("", "_low", "_high"))
            points(right, rows[SAMPLES].values, *known, fmt="o", color=colour, ms=6, label=f"over {over}, 95 %")
        right.axhline(2, color=GREY, ls=DASHED, lw=1.5)
        right.annotate("Gauss", (NUMBERS[-1], 2), color=GREY, xytext=(-30, 12), textcoords="offset points")
        right.set(xscale="log", xlabel="samples of the estimate", ylabel="tail index of Gaussian noise")
        right.set(ylim=(0, 2.9))
        right.legend(loc="lower right")
        apart = _apart(data)
        told_of = ", ".join(f"{kind} under {' and '.join(laws)} noise" for kind, laws in kinds.items() if laws)
        title = f"Escape times are, in the noise's scale, {told_of}; tail indices of one Gaussian noise differ "
        title += f"from {apart} samples on" if apart else "nowhere"
        headline(figure, title)
        caption = f"{title}. Double parabola, H_b = 4 H_a; variances over {DECADES:g} decades of directions."
        yield "heavy-tails", self.name, figure, caption


def _time(routes: Routes, law: str, scale: float) -> Row:
    """A mean escape time to the saddle by the chain and by an ensemble."""
    ends: dict[str, Any] = {"start": 0.0, "boundary": WELL.saddle}
    pull = lambda x: np.where(x < WELL.join, x, 4 * (WELL.saddle - x))  # noqa: E731
    error = ROUGH if law == CAUCHY else FINE
    chain: dict[str, Any] = {"lr": LR, "breaks": [WELL.join], "law": DENSITIES[law], "tolerance": error, **ends}
    exact = theory.discrete_first_passage_time(pull, scale, **chain)
    values, samples = {"exact": exact}, {}
    if law == CAUCHY:
        each = (LR * scale) ** ALPHA / 2  # of the characteristic exponent, in an iteration
        flat = theory.stable_exit_time(0.0, radius=WELL.saddle, alpha=ALPHA)
        beyond = special.gamma(ALPHA) * np.sin(np.pi * ALPHA / 2) / np.pi  # jumps up by more than 1 in a unit of time
        values |= {"stable_exit": float(flat / each), "jump": float(WELL.saddle**ALPHA / beyond / each)}
    reasons = unsampled(exits.TOO_HIGH, paper="it is a law, no number", simulated="whole steps are in question")
    if exact <= MOST:
        noise = HessianNoise(1 / scale**2, law=LAWS[law])
        options: dict[str, Any] = {"max_iterations": exits.HORIZON, **ends}
        options |= routes.options(told("heavy tails", law, scale), routes.exits)
        mean = mean_exit(lambda: exit_times(SGD(LR), WELL, noise=noise, **options))
        samples["discrete"] = Sample.of(mean, exact, 2 * error)
    regime = {"optimizer": "SGD", "landscape": "double parabola", "exit": AT, "lr": LR, "law": law, SCALE: scale}
    return Row(ONE | regime, values, samples, reasons=reasons)


def _index(routes: Routes, over: str, number: int) -> Row:
    """The mean index of Gaussian noise from so many samples, over repetitions."""
    generator = np.random.default_rng(routes.seed_of(told(INDEX, over, number)))
    noise = generator.standard_normal((REPEATS, number))
    if over == ACROSS:
        noise *= 10 ** (DECADES / 2 * generator.uniform(size=noise.shape))
    inverse = 1 / tail_index(noise)  # has a variance, however few the samples
    mean, error = float(inverse.mean()), float(inverse.std(ddof=1) / np.sqrt(REPEATS))
    sample = Sample(1 / mean, Student(error / mean**2, REPEATS))
    reasons = unsampled("an index is estimated from noise alone", paper=exits.NOT_SAID)
    regime = {"optimizer": EVERY, OVER: over, SAMPLES: number, "decades_of_variance": DECADES}
    return Row(regime, {"exact": 2.0}, {"measured": sample}, reasons=reasons)


def _powers(rows: xarray.Dataset) -> Any:
    """Local powers of one over the scale, as noise gets weaker."""
    ordered = rows.sortby(SCALE, ascending=False)
    return np.diff(np.log(ordered["exact"].values)) / -np.diff(np.log(ordered[SCALE].values))


def _fitted(rows: Sequence[Row]) -> list[Row]:
    """The rows with the values of two fits of log tau: a straight line in 1/scale^2, and one in log scale."""
    scale = np.array([row.regime[SCALE] for row in rows])
    log = np.log([row.values["exact"] for row in rows])
    lines = {}
    for name, x in zip(FITS, (scale**-2, np.log(scale)), strict=True):
        lines[name] = np.exp(np.polynomial.Polynomial.fit(x, log, 1)(x))
    return [
        replace(row, values={**row.values, **{name: float(line[k]) for name, line in lines.items()}})
        for k, row in enumerate(rows)
    ]


def _misfit(rows: xarray.Dataset) -> tuple[float, float]:
    """The exponential fit's share of both misfits of log tau, and by what factor tau changes."""
    exact = rows["exact"].values
    misfits = [float(np.sqrt(np.mean(np.log(rows[name].values / exact) ** 2))) for name in FITS]
    return misfits[0] / sum(misfits), float(exact.max() / exact.min())


def _apart(data: xarray.Dataset) -> int:
    """From how many samples on indices differ by more than `ALIKE`, with their intervals apart; 0 if they never do."""
    of = {over: data.isel(row=np.flatnonzero(data[OVER].values == over)) for over in (ACROSS, ALONG)}
    differ = of[ALONG]["measured"].values - of[ACROSS]["measured"].values > ALIKE
    differ &= of[ALONG]["measured_low"].values > of[ACROSS]["measured_high"].values
    first = len(differ) - int(np.argmin(differ[::-1])) if not differ.all() else 0
    return int(of[ALONG][SAMPLES].values[first]) if first < len(differ) else 0


def _indices(data: xarray.Dataset) -> Iterator[Finding]:
    """The index of most samples across parameters and along a direction, and from how many these differ."""
    for over, claimed in ((ALONG, "Gauss'"), (ACROSS, "heavy-tailed")):
        row = data.isel(row=np.flatnonzero(data[OVER].values == over)).sortby(SAMPLES).isel(row=-1)
        value, low, high = (float(row[f"measured{end}"]) for end in ("", "_low", "_high"))
        looks = "Gauss'" if abs(value - 2) <= ALIKE else "heavy-tailed"
        tells = f"over {over} the index of Gaussian noise is {value:.3f} ({low:.3f} to {high:.3f}), which looks {looks}"
        judge: dict[str, Any] = {"target": 2.0 if claimed == "Gauss'" else 1.0, "interval": (low, high)}
        judge["tolerance"] = ALIKE if claimed == "Gauss'" else 1 - ALIKE
        right, wrong = f"{tells}, as stated", f"{tells}, not as stated"
        yield Finding.judged(f"tail index over {over}, {NUMBERS[-1]} samples", value, right, wrong, **judge)
    apart = _apart(data)
    text = f"indices across parameters and along a direction differ from {apart} samples on" if apart else ""
    yield Finding("samples from which indices differ", apart, text or "the two indices do not differ")


claim = HeavyTails()
