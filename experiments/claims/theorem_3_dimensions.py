"""Theorem 3 in n dimensions: what bent, narrowing and many directions do to its exponent and prefactor."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray

import theory
from diffusion import SGD, HessianNoise, Momentum, exit_times
from experiments.drawing import (
    BLUE,
    DASHED,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    Named,
    formula,
    headline,
    points,
    subplots,
    ticks,
)
from experiments.problems import passes
from experiments.problems.escapes import split
from experiments.problems.exits import DAMPED, HORIZON, NO_SAMPLING, TOO_HIGH, in_torch
from experiments.problems.passes import OF_HESSIAN, OF_MINIMUM, Pass, Plane, bent, channel
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, size, told, unsampled
from experiments.referee.faults import MeanExit, mean_exit
from experiments.referee.laws import LogNormal
from experiments.referee.routes import FULL_ONLY, TORCH_MISSING
from experiments.referee.verdict import EXACT

EXPONENT, TIME, FACTOR = (
    "exponent times lr/(2 B) (loss)",
    "mean escape time (1)",
    "mean escape time over that of the way alone",
)
CLOSE = 0.03  # an exponent counts as right within this relative deviation
NOISE = "exponent_over_noise"  # in the regime: the exact exponent, the action over eps
BENDS = (0.25, 0.5, 0.75)
DAMPINGS = (1.0, 0.5)  # gamma over omega_b
WEAK, LOW, SIMULATED, CROWDED = 20.0, 10.0, 3.0, 2.0  # exponents of the times
CLIMB = (3.0, 4.5)  # exponents between which the growth of simulated times with inertia is taken
SUBSTEPS, SCHEME = 8, 0.02  # of the SDE's ensembles, and the allowance for them, which a test measures
SLIGHT, MANY = (2.0, 2.1), 100  # curvatures of a channel that hardly narrows, and its directions
SPLIT = 4000  # replicas of splitting, in a full run
CROWD = (1, 3, 6)  # directions that are simulated
STEEP = (2.0, 3.0)  # curvatures of their channel
IN_SEVERAL = {"torch": "torch runs in the rows of one coordinate", "shipped": "this optimizer has no second moment"}


class Theorem3Dimensions(Claim):
    """The exponents of SGD, Momentum, Adam and Adai along ways that bend, SGD's prefactor along ways that narrow."""

    name = "Theorem 3 in n dimensions"
    place = "Section 3, proof in A.3; Propositions 2 and 4"
    statement = (
        "Theorem 3 is of n dimensions: what counts are the barrier and the curvatures along the escape direction at "
        "minimum and saddle, and the way between them and the other directions drop out."
    )
    effort = 50

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Exponents by least action, times by transport, on a grid and by ensembles, and what each direction adds."""
        narrow = channel(8, 32), channel(4, 8, noise=OF_HESSIAN), channel(8, 2)
        straight = [_exponent(way) for way in narrow]
        yield Evidence.of_rows(
            "SGD", EXPONENT, [*(_exponent(bent(c)) for c in BENDS), *straight, _plane()], label="SGD exponent"
        )
        times = [_time(routes, bent(0.5), SIMULATED)]
        ways = (bent(0.5), *narrow[: 1 if routes.quick else 2])
        times += [_time(routes, way, exponent) for way in ways for exponent in (LOW, WEAK)]
        yield Evidence.of_rows("SGD", TIME, times, label="SGD times")
        crowds = [_crowd(routes, STEEP, n) for n in CROWD[: 2 if routes.quick else 3]] + [
            _crowd(routes, SLIGHT, n) for n in (1, 10, MANY)
        ]
        yield Evidence.of_rows("SGD", FACTOR, crowds, label="SGD directions")
        for name in ("Momentum", "Adai"):
            ratios, bends = (DAMPINGS[-1:], BENDS[1:2]) if routes.quick else (DAMPINGS, BENDS)
            rows = [_inertial(routes, name, bent(c), ratio) for ratio in ratios for c in bends]
            yield Evidence.of_rows(name, EXPONENT, rows)
        yield Evidence.of_rows("Adam", EXPONENT, [_divided(bent(c)) for c in BENDS])

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Exponents against the formula's; of SGD also prefactors and what many directions do."""
        for piece in evidence:
            if piece.quantity == EXPONENT:
                yield from _exponents(piece)
            elif piece.quantity == TIME:
                yield from _prefactors(piece)
            else:
                yield from _directions(piece)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Formula's exponent over the least action against the bend, and the time against the number of directions."""
        yield _draw(evidence)


def _exponent(way: Pass) -> Row:
    """SGD's, by the paper and by least action."""
    return _row("SGD", way, way.least, {})


def _row(name: str, way: Pass, least: theory.LeastAction, regime: dict[str, Any], **samples: Sample) -> Row:
    values = {"paper": _formula(name, way.stated), "exact": least.action}
    checks = {"error of the least action": (least.error / least.action, 1e-3)}
    regime = {"optimizer": name, "way": way.title, "coordinates": len(way.top)} | regime
    return Row(regime, values, samples, checks, unsampled(NO_SAMPLING))


def _plane() -> Row:
    """The same out of a quadratic well through an oblique plane, where the grid has the exponent, too."""
    plane, noises = Plane((1.0, 4.0)), (1 / 40, 1 / 60)
    limits, rates = zip(*(plane.rates(eps) for eps in noises), strict=True)
    off = abs(float(np.log(rates[1] / limits[1] * limits[0] / rates[0])) / (np.log(limits[0] / limits[1])))
    regime = {"optimizer": "SGD", "way": "well, out through an oblique plane", "coordinates": 2}
    checks = {"growth of the grid's time against the exponent's": (off, CLOSE)}
    return Row(
        regime, {"paper": _formula("SGD", plane.stated), "exact": plane.action}, {}, checks, unsampled(NO_SAMPLING)
    )


def _inertial(routes: Routes, name: str, way: Pass, ratio: float) -> Row:
    """Momentum's or Adai's at a damping of so many omega_b: as Adai's inertia goes with the noise its masses differ."""
    h_a, h_b = way.curvatures
    heavy = passes.mass(ratio, abs(h_b[0]))
    least = way.inertial(heavy * (np.ones(len(h_a)) if name == "Momentum" else h_a[0] / h_a))
    samples = {}
    if (name, way, ratio) == ("Momentum", bent(0.5), DAMPINGS[-1]) and not routes.quick:
        samples["simulated"] = _grown_time(routes, way, heavy, least.action)
    return _row(name, way, least, {DAMPED: ratio}, **samples)


def _divided(way: Pass) -> Row:
    """Adam's, idealized with the noise of the minimum, as its inertia vanishes."""
    return _row("Adam", way, way.divided(), {})


def _formula(optimizer: str, stated: dict[str, Any]) -> float:
    """The paper's exponent times eps = lr/(2 B): the logarithm of two of its times, whose prefactors are the same."""
    known = stated | {"lr": np.array([0.2, 0.1])}
    match optimizer:
        case "Adam":
            times = theory.adam_escape_time(beta1=0.0, **known)
        case _:
            times = theory.sgd_escape_time(**known)
    return float(np.log(times[1] / times[0]) / (1 / 0.05 - 1 / 0.1))


def _time(routes: Routes, way: Pass, exponent: float) -> Row:
    """SGD's mean time to arrive beyond, in units of time, at an exact exponent."""
    eps = way.least.action / exponent
    paper = float(theory.sgd_escape_time(**way.stated, lr=2 * eps))
    exact, error = way.grid(eps)
    values = {"paper": paper, "exact": exact, "exact_transported": way.prefactor * np.exp(exponent)}
    values |= {"prefactor": way.prefactor, "paper_prefactor": paper * np.exp(-_formula("SGD", way.stated) / eps)}
    reasons = unsampled(TOO_HIGH, fokker_planck="it is the reference, given as exact") | IN_SEVERAL
    samples = {}
    if exponent == SIMULATED:
        samples["simulated"] = Sample.of(_ensemble(routes, SGD(2 * eps), way, 1), exact, SCHEME, unit=2 * eps)
        whole = _ensemble(routes, SGD(2 * eps), way, 1, 1)
        samples["discrete"] = Sample.of(whole, unit=2 * eps)
        reasons["torch"] = TORCH_MISSING if routes.full else FULL_ONLY
        real = _real(routes, SGD(2 * eps), way) if routes.full else None
        if real:
            against = None if whole.fault else 2 * eps * whole.value
            samples["torch"] = Sample.of(real, against, other=whole.events, unit=2 * eps)
    if routes.full and way.noise == OF_MINIMUM and exponent == LOW:
        told_of = told("pass", way, SGD(2 * eps), "splitting")
        options = routes.options(told_of, SPLIT) | {"boundary": passes.beyond(2), "coordinate": way.least.path}
        options |= {"noise": HessianNoise(1), "substeps": SUBSTEPS, "unit": 2 * eps}
        samples["splitting"] = split(SGD(2 * eps), way.landscape, exact, SCHEME, **options)
    regime = {"way": way.title, NOISE: exponent, "coordinates": len(way.top)}
    return Row(regime, values, samples, {"grid": (error, 6e-3)}, reasons)


def _ensemble(routes: Routes, dynamics: SGD | Momentum, way: Pass, share: int, substeps: int = SUBSTEPS) -> MeanExit:
    """An ensemble of the SDE, or of whole steps, of some share of the replicas."""
    options: dict[str, Any] = {"start": way.minimum, "boundary": passes.beyond(len(way.top)), "substeps": substeps}
    options |= {"velocity": "thermal"} if isinstance(dynamics, Momentum) else {}
    options |= routes.options(
        told("pass", way, dynamics, *((substeps,) if substeps != SUBSTEPS else ())), routes.exits // share
    ) | {"max_iterations": HORIZON}
    return mean_exit(lambda: exit_times(dynamics, way.landscape, noise=HessianNoise(1), **options))


def _real(routes: Routes, dynamics: SGD, way: Pass) -> MeanExit | None:
    """An ensemble of torch's own optimizer; None without torch."""
    where: dict[str, Any] = {"start": way.minimum, "boundary": passes.beyond(len(way.top)), "noise": HessianNoise(1)}
    return in_torch(routes, told("pass", way, dynamics, "torch"), dynamics, way.landscape, **where)


def _grown_time(routes: Routes, way: Pass, heavy: float, action: float) -> Sample:
    """Momentum's exponent in ensembles: by how much the logarithm of their time grows as noise falls."""
    noises = [action / exponent for exponent in CLIMB]
    times = [_ensemble(routes, Momentum(2 * eps, 1 - 2 * eps / heavy, "ema"), way, 32) for eps in noises]
    between = 1 / noises[1] - 1 / noises[0]
    grown = float(np.log(times[1].value * noises[1] / (times[0].value * noises[0]))) / between
    spread = float(np.sqrt(sum(1 / max(found.events, 1) for found in times))) / between
    fault = next((found.fault for found in times if found.fault), None)
    return Sample(grown, LogNormal(spread / grown, 0.0), fault=fault)


def _crowd(routes: Routes, curvatures: tuple[float, float], directions: int) -> Row:
    """By what factor directions across a channel lengthen the mean time."""
    way, alone = channel(*curvatures, directions), channel(*curvatures)
    factor = passes.across(alone)
    values = {"paper": 1.0, "exact": factor**directions}
    values["exact_effective_loss"] = float(np.exp(directions * np.diff(curvatures)[0] / (2 * way.curvatures[0][0])))
    checks = {}
    if directions <= CROWD[1]:
        checks["transport of all directions together"] = (abs(passes.across(way) / factor**directions - 1), 1e-2)
    samples = {}
    reasons = unsampled(TOO_HIGH) | IN_SEVERAL
    if curvatures == STEEP:
        eps = way.least.action / CROWDED
        lone = theory.first_passage_time(
            lambda x: x**3 - x, lambda x: eps * way.curvatures[0][0], start=-1.0, boundary=0.75
        )
        samples["simulated"] = Sample.of(_ensemble(routes, SGD(2 * eps), way, 12), unit=2 * eps / float(lone))
        reasons["discrete"] = "as of the times"
    regime = {"way": alone.title, "directions": directions, NOISE: CROWDED}
    return Row(regime, values, samples, checks, reasons)


def _exponents(piece: Evidence) -> Iterator[Finding]:
    """One for each way, of several dampings and bends the worst."""
    data = piece.data
    ratio = data["paper"] / data["exact"]
    for k, way in enumerate(data["way"].values.tolist()):
        where = f"{way}, damping {float(data[DAMPED][k]):g} omega_b" if DAMPED in data.coords else way
        value = float(ratio[k])
        off = size(value) if abs(value - 1) > EXACT else "is exact"
        paper, exact = (f"{float(data[name][k]):.4g}" for name in ("paper", "exact"))
        tells = f"it {off} ({where}: {paper}, least action {exact}{_seen(data, k)})"
        right, wrong = "the exponent is right", "the exponent is not right"
        yield Finding.judged(f"exponent, {where}", value, right, wrong, tells, tolerance=CLOSE)


def _seen(data: xarray.Dataset, k: int) -> str:
    """What ensembles have of an exponent, in words."""
    if "simulated" not in data or not np.isfinite(data["simulated"][k]):
        return ""
    value, low, high = (float(data[f"simulated{end}"][k]) for end in ("", "_low", "_high"))
    return f", ensembles at {CLIMB[0]:g} to {CLIMB[1]:g} times the noise {value:.3g} [{low:.3g}, {high:.3g}]"


def _prefactors(piece: Evidence) -> Iterator[Finding]:
    """The paper's over the transported one, and whether the grid tends to that."""
    for way in dict.fromkeys(piece.data["way"].values.tolist()):
        rows = piece.where(way=way).sortby(NOISE)
        last = rows.isel(row=-1)
        stated, limit = float(last["paper_prefactor"]), float(last["prefactor"])
        tells = f"for vanishing noise it {size(stated / limit)} ({way}: {stated:.3g}, transported {limit:.3g})"
        yield Finding.judged(
            f"prefactor, {way}", stated / limit, "the prefactor is right", "the prefactor is not right", tells
        )
        if "torch" in rows and np.isfinite(rows["torch"]).any():
            yield _torch(rows.isel(row=int(np.argmax(np.isfinite(rows["torch"].values)))), way)
        if "discrete" in rows and np.isfinite(rows["discrete"]).any():
            yield _whole(rows.isel(row=int(np.argmax(np.isfinite(rows["discrete"].values)))), way)
        scaled = (rows["exact"] / rows["exact_transported"]).values
        x = 1 / rows[NOISE].values
        towards = scaled[-1] + (scaled[-1] - scaled[-2]) * x[-1] / (x[-2] - x[-1])
        text = f"the grid's time tends to {towards:.3f} times the transported one as noise vanishes ({way})"
        yield Finding(f"grid over transport, {way}", float(towards), text)


def _whole(row: xarray.Dataset, way: str) -> Finding:
    """What whole steps make of the SDE's time."""
    value, low, high = (float(row[f"discrete{end}"] / row["exact"]) for end in ("", "_low", "_high"))
    text = (
        f"in whole steps it leaves after {value:.3f} [{low:.3f}, {high:.3f}] of the SDE's time ({way}, exponent/noise "
    )
    text += f"{float(row[NOISE]):g})"
    return Finding(f"whole steps over the SDE, {way}", value, text, interval=(low, high))


def _torch(row: xarray.Dataset, way: str) -> Finding:
    """That torch's own optimizer leaves as the compiled one does."""
    value, low, high = (float(row[f"torch{end}"] / row["discrete"]) for end in ("", "_low", "_high"))
    text = f"torch's own SGD leaves after {value:.3f} [{low:.3f}, {high:.3f}] of the compiled one's time ({way})"
    return Finding(f"torch over compiled steps, {way}", value, text, interval=(low, high))


def _directions(piece: Evidence) -> Iterator[Finding]:
    """What many directions do, by transport and in the ensembles, and what the effective loss is worth."""
    for way in dict.fromkeys(piece.data["way"].values.tolist()):
        rows = piece.where(way=way).sortby("directions")
        most = rows.isel(row=-1)
        count, value = int(most["directions"]), float(most["paper"] / most["exact"])
        right, wrong = "directions across the way drop out", "directions across the way do not drop out"
        tells = f"with {count} of them the formula {size(value)} ({way})"
        yield Finding.judged(f"{count} directions, {way}", value, right, wrong, tells)
        effective = float(most["exact_effective_loss"] / most["exact"])
        words = f"the loss with lr/(4 B) times the trace across it {size(effective)} ({count} directions, {way})"
        yield Finding(f"effective loss, {way}", effective, words)
        if "simulated" in rows and np.isfinite(rows["simulated"]).all():
            yield _grown(rows, way)


def _grown(rows: xarray.Dataset, way: str) -> Finding:
    """By how much a direction lengthens the ensembles' time, between the fewest and the most."""
    first, last = rows.isel(row=0), rows.isel(row=-1)
    more = float(last["directions"] - first["directions"])
    grown = float(np.log(last["simulated"] / first["simulated"])) / more
    spread = (
        sum(float(np.log(end["simulated_high"] / end["simulated_low"]) / 2) ** 2 for end in (first, last)) ** 0.5 / more
    )
    limit = float(np.log(rows["exact"][0]))
    text = f"each direction lengthens the ensembles' time by {100 * np.expm1(grown):.0f} % ± {100 * spread:.0f} %"
    text += f" (exponent/noise {float(first[NOISE]):g}; {100 * np.expm1(limit):.0f} % as noise vanishes; {way})"
    interval = (grown - spread, grown + spread)
    return Finding(f"growth with each direction, {way}", grown, text, interval=interval)


def _draw(evidence: Sequence[Evidence]) -> Named:
    """Two panels: exponents against the bend, times against the number of directions."""
    figure, (left, right) = subplots(1, 2, size=(11, 5.4))
    colours = {"SGD": BLUE, "Momentum": ORANGE, "Adai": GREEN, "Adam": PURPLE}
    worst: list[tuple[float, str]] = []
    for piece in (piece for piece in evidence if piece.quantity == EXPONENT):
        valleys = piece.where(way=[bent(c).title for c in BENDS])
        bends = [c for c in BENDS if bent(c).title in valleys["way"]]
        dampings = sorted(set(valleys[DAMPED].values.tolist()), reverse=True) if DAMPED in valleys.coords else (None,)
        for k, damped in enumerate(dampings):
            rows = valleys if damped is None else piece.where(way=valleys["way"].values.tolist(), **{DAMPED: damped})
            ratio = np.append(1.0, (rows["paper"] / rows["exact"]).values)
            label = piece.subject + (f", γ/ω_b = {damped:g}" if damped else "")
            style = {"color": colours[piece.subject], "ls": DASHED if k else "-", "lw": 2, "marker": "."}
            left.plot((0.0, *bends), ratio, label=formula(label), **style)
            worst.append((float(ratio.max()), label))
            if "simulated" in rows:
                seen = [rows["paper"] / rows[f"simulated{end}"] for end in ("", "_high", "_low")]
                points(left, bends, *seen, fmt="o", color=colours[piece.subject], mfc="white", ms=8)
    left.axhline(1, color="black", lw=1)
    left.set(yscale="log", xlabel="bend c of the valley", ylabel="formula's exponent / least action")
    left.set_ylim(0.95, 4.5)
    ticks(left, (1, 1.5, 2, 3, 4))
    left.plot([], [], "o", color=GREY, mfc="white", ms=8, label="ensembles, 95 %")
    left.legend(handlelength=3, columnspacing=1, loc="upper left", ncols=2, fontsize="small")
    (crowd,) = (piece for piece in evidence if piece.quantity == FACTOR)
    for way, colour in zip(dict.fromkeys(crowd.data["way"].values.tolist()), (BLUE, GREY), strict=True):
        rows = crowd.where(way=way).sortby("directions")
        count = np.geomspace(1, float(rows["directions"][-1]), 60)
        right.plot(count, float(rows["exact"][0]) ** count, color=colour, lw=2, label=f"transport, {way}")
        if "simulated" in rows and np.isfinite(rows["simulated"]).any():
            ends = (rows[f"simulated{end}"] for end in ("", "_low", "_high"))
            label = f"SDE ensembles, exponent/noise {CROWDED:g}, 95 %"
            points(right, rows["directions"], *ends, fmt="o", color=colour, mfc="white", ms=8, label=label)
    right.axhline(1, color=ORANGE, ls=DASHED, lw=2, label="the paper")
    right.set(
        xscale="log",
        yscale="log",
        xlabel="directions across the way",
        ylabel="mean escape time / that of the way alone",
    )
    ticks(right, (1, 2, 5, 10))
    right.legend()
    factor, label = max(worst)
    narrowed, longer = 100 * (SLIGHT[1] / SLIGHT[0] - 1), float(crowd.where(directions=MANY)["exact"][0])
    title = (
        f"Theorem 3 in n dimensions: exponents up to {factor:.2g} times the least action ({label}); "
        f"{MANY} directions that narrow by {narrowed:.0f} % lengthen escapes {longer:.3g} times"
    )
    headline(figure, title)
    caption = (
        f"{title}. Left: valleys whose Hessians at minimum and saddle are the same. Noise of the minimum's Hessian."
    )
    return "theorem-3-dimensions", Theorem3Dimensions.name, figure, caption


claim = Theorem3Dimensions()
