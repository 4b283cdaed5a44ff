"""Noise that grows with the loss, as mean-square losses have it: powers of the loss in place of exponentials."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import xarray

import theory
from diffusion import SGD, DoubleParabola, Noise, exit_times, fokker_planck
from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, Named, headline, plain_decades, points, subplots
from experiments.problems import exits
from experiments.problems.exits import AT, ITERATIONS, ONE
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, told, unsampled
from experiments.referee.faults import mean_exit

H_A, H_B, BARRIER = 1.0, 4.0, 1.0
LOWEST = 1.0  # loss at the minimum; D = lr L, so that H_a/B is 1
RATES = (0.4, 0.2, 0.1, 0.05)  # learning rates
RISES = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # of the loss up to the saddle, over that at the minimum
AT_RATE = 0.2  # the learning rate at these
MOST = 1500.0  # largest mean time in iterations that is simulated
STEPS = (0.1, 0.5, 1.0)  # learning rate times curvature in a parabola, of which the last two are simulated
LEVELS = (4.0, 8.0, 16.0, 32.0, 64.0)  # positions beyond which the tail is looked at
NEAR = 0.02  # relative deviation below which a tail exponent counts as right
RATIO, LEVEL, EXPONENT = "loss_ratio", "level", "exponent of the stationary tail"
WALL = -50.0  # of the grid, where the density is 1e-9 of that at the minimum at most
TAIL = "mean time to go beyond a level (iterations)"
WELL = DoubleParabola(BARRIER, H_A, H_B, 1)
PARABOLA = DoubleParabola(1e9, H_A, H_B, 1)  # the saddle is out of reach
JOIN, SADDLE = WELL.join, WELL.saddle


class LossNoise(Claim):
    """Escapes under D = lr L by quadrature, grid, chain and ensembles, and the power-law tail of whole steps."""

    name = "Loss-proportional noise"
    place = "Section 3, Theorem 3, for mean-square losses (Mori et al. 2021)"
    statement = (
        "Escape times are exponential in the barrier Delta L. Of mean-square losses, whose noise is proportional to "
        "the loss, Mori et al. have a power of it instead: rate ~ (L_b/L_a)^-(1/2 + B/(lr H_a))."
    )
    effort = 17

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Mean escape times against the learning rate, then against the loss; then times to reach far levels."""
        yield Evidence.of_rows("SGD", ITERATIONS, [_time(routes, lr) for lr in RATES], label="SGD")
        rows = [_rise(rise) for rise in RISES]
        yield Evidence.of_rows("SGD", "mean escape time against the loss (iterations)", rows, label="SGD, by loss")
        levels = [_level(routes, lr, level) for lr in STEPS[1:] for level in LEVELS]
        yield Evidence.of_rows("SGD", TAIL, levels, label="SGD, tail")
        yield Evidence.of_rows("SGD", EXPONENT, [_exponent(lr) for lr in STEPS], label="SGD, tail exponent")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The exponent of Theorem 3 and Mori's formula beside exact times; the power; the tail of whole steps."""
        times, losses, levels, exponents = (piece.data for piece in evidence)
        low = times.sortby("lr").isel(row=slice(0, 2))
        stated, exact = (float(np.diff(np.log((low["lr"] * low[name]).values))[0]) for name in ("paper", "exact"))
        tells = f"as the learning rate halves to {RATES[-1]:g}, log tau grows {exact / stated:.4f} times as much"
        right, wrong = (f"the time is {word}exponential in Delta L over the minimum's noise" for word in ("", "not "))
        yield Finding.judged("growth of log tau over Theorem 3's", exact / stated, right, wrong, tells)
        ratio = float((low["power"] / low["exact"])[0])
        right, wrong = (f"Mori's power of the loss is {word}the time to the saddle" for word in ("", "not "))
        tells = f"formula over exact {ratio:.4f} at learning rate {RATES[-1]:g}"
        yield Finding.judged("Mori's formula over exact", ratio, right, wrong, tells)
        power = _slope(losses, RATIO, "exact")
        right, wrong = (
            f"log tau is {word}a straight line in log(L_b/L_a) of the slope 1/2 + B/(lr H_a)" for word in ("", "not ")
        )
        tells = f"slope {power:.3f} at the highest losses, learning rate {AT_RATE:g}"
        yield Finding.judged("power of the loss", power, right, wrong, tells, target=0.5 + 1 / AT_RATE, tolerance=0.25)
        yield from (_tail(levels, exponents, lr) for lr in STEPS[1:])
        yield from _sde_tail(exponents)
        pairs = ((times, "simulated"), (times, "discrete"), (levels, "discrete"))
        off = np.concatenate([abs(rows[name] / rows[f"exact_{name}"] - 1).values for rows, name in pairs])
        if np.isfinite(off).any():
            text = "ensembles, of the SDE and of whole steps, leave after their exact mean times within "
            text += f"{100 * np.nanmax(off):.2g} %"
            yield Finding("deviation of ensembles from the exact means", float(np.nanmax(off)), text)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Times against the loss, and against far levels."""
        times, losses, levels, exponents = (piece.data for piece in evidence)
        figure, (left, right) = subplots(1, 2, size=(12, 5.4))
        x = losses[RATIO].values
        between = np.geomspace(x.min(), x.max(), 100)
        stated = [_stated(AT_RATE, LOWEST * (each - 1)) for each in between]
        left.plot(between, stated, ls=DASHED, color=ORANGE, lw=2, label="Theorem 3, the minimum's noise")
        for name, colour, style, label in (
            ("power", GREY, "-", "Mori's power of the loss"),
            ("exact", BLUE, "-", "exact SDE"),
        ):
            left.plot(x, losses[name], ls=style, color=colour, lw=2, label=label)
        left.plot(x, losses["exact_discrete"], color=GREEN, lw=2, label="whole steps, exact chain")
        same = times.isel(row=np.flatnonzero(times["lr"].values == AT_RATE))
        known = (same[f"discrete{end}"].values for end in ("", "_low", "_high"))
        hollow: dict[str, Any] = {"fmt": "o", "mfc": "white", "ms": 7}
        points(left, same[RATIO].values, *known, color=GREEN, label="ensemble of whole steps, 95 %", **hollow)
        top = float(losses["exact_discrete"].max())
        left.set(xscale="log", yscale="log", ylim=(float(losses["exact"].min()) / 3, 10 * top))
        left.set(xlabel="loss at the saddle over that at the minimum", ylabel="mean time to the saddle (iterations)")
        plain_decades(left.xaxis)
        left.legend(loc="lower right")
        for lr, colour in zip(STEPS[1:], (BLUE, ORANGE), strict=True):
            rows = levels.isel(row=np.flatnonzero(levels["lr"].values == lr)).sortby(LEVEL)
            kesten = float(exponents["exact"][list(STEPS).index(lr)])
            u, time = rows[LEVEL].values, rows["exact_discrete"].values
            right.plot(u, time, "-", color=colour, lw=2, label=f"exact chain, lr H = {lr:g}")
            line = time[-1] * (u / u[-1]) ** kesten
            right.plot(u, line, ls=DASHED, color=colour, lw=1.5, label=f"Kesten's power {kesten:.3g}")
            right.plot(u, rows["exact"], ls=":", color=colour, lw=1.5, label="SDE")
            known = (rows[f"discrete{end}"].values for end in ("", "_low", "_high"))
            points(right, u, *known, color=colour, **hollow)
        right.plot([], [], "o", color=GREY, mfc="white", ms=7, label="ensembles, 95 %")
        right.set(xscale="log", yscale="log", xlabel="level", ylabel="mean time to go beyond it (iterations)")
        plain_decades(right.xaxis)
        right.legend(loc="upper left", fontsize=10)
        grown, stated_grown = (_slope(losses, RATIO, name) for name in ("exact", "paper"))
        title = f"Noise proportional to the loss: escape times grow at last with the power {grown:.2f} of the loss "
        falls = " and ".join(f"{_slope_at(levels, lr):.3g}" for lr in STEPS[1:])
        title += f"ratio, Theorem 3's with {stated_grown:.0f}; times to far levels grow with the powers {falls}"
        headline(figure, title)
        caption = f"{title}. D = lr L, H_a = 1, H_b = 4; left at learning rate {AT_RATE:g}, right in a parabola."
        yield "loss-noise", self.name, figure, caption


def loss(x: Any, rise: float = BARRIER) -> Any:
    """L, with the well's own values beyond the saddle, where nothing depends on it: noise must be above 0."""
    join, saddle = _places(rise)
    return LOWEST + np.where((x < join) | (x >= saddle), x * x / 2, rise - H_B * (x - saddle) ** 2 / 2)


def deviation(theta: float) -> float:
    """sqrt(C) = sqrt(2 L), for the kernels."""
    hill = (theta >= JOIN) * (theta < SADDLE)
    climbed = theta * theta / 2 + hill * (BARRIER - H_B * (theta - SADDLE) ** 2 / 2 - theta * theta / 2)
    return float(np.sqrt(2 * (LOWEST + climbed)))


@cache
def _noise() -> Noise:
    """Compiled once."""
    return Noise(deviation)


def _places(rise: float) -> tuple[float, float]:
    well = DoubleParabola(rise, H_A, H_B, 1)
    return well.join, well.saddle


def _normal(z: Any, x: Any) -> Any:
    """Given as a law, with panels as wide as the noise: from far out in the tail to the narrow middle."""
    return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def _stated(lr: float, rise: float) -> float:
    """Mean iterations to escape by Theorem 3, with the minimum's noise."""
    known: dict[str, Any] = {"barrier": rise, "hessian_minimum": H_A, "hessian_saddle": H_B, "lr": lr}
    return float(theory.sgd_escape_time(**known, batch_size=H_A / (2 * LOWEST), split=1.0)) / lr


def _exact(lr: float, rise: float) -> dict[str, float]:
    """Mean iterations to the saddle by the paper, by Mori's formula and exact, of the SDE and of whole steps."""
    join, saddle = _places(rise)
    pull = lambda x: np.where(x < join, H_A * x, H_B * (saddle - x))  # noqa: E731
    where: dict[str, Any] = {"start": 0.0, "boundary": saddle, "breaks": [join]}
    ratio = (LOWEST + rise) / LOWEST
    mori = np.pi / np.sqrt(H_A * H_B) * ratio ** (0.5 + 1 / lr)  # half of 1/rate: to the saddle, not beyond it
    chain = theory.discrete_first_passage_time(
        pull, lambda x: np.sqrt(2 * loss(x, rise)), lr=lr, law=_normal, tolerance=1e-6, **where
    )
    return {
        "paper": _stated(lr, rise),
        "power": mori / lr,
        "exact": theory.first_passage_time(pull, lambda x: lr * loss(x, rise), **where) / lr,
        "exact_discrete": chain,
    }


def _time(routes: Routes, lr: float) -> Row:
    """A mean escape time by every route."""
    values = _exact(lr, BARRIER)
    ends: dict[str, Any] = {"start": 0.0, "boundary": SADDLE}
    grid = fokker_planck.mean_first_passage_time(
        WELL, diffusion=lambda x: lr * loss(x), breaks=[JOIN], reflecting=WALL, **ends
    )
    values["fokker_planck"] = float(grid["mfpt"]) / lr
    checks = {"fokker_planck": (abs(values["fokker_planck"] / values["exact"] - 1), 1e-4)}
    reasons, samples = unsampled(exits.TOO_HIGH, shipped=exits.NO_SHIPPED, torch="tested step for step elsewhere"), {}
    if values["exact_discrete"] <= MOST:
        pull = lambda x: np.where(x < JOIN, H_A * x, H_B * (SADDLE - x))  # noqa: E731
        chain: dict[str, Any] = {"lr": lr, "law": _normal, "tolerance": 1e-6, "breaks": [JOIN], **ends}
        values["exact_simulated"] = theory.discrete_first_passage_time(
            pull, lambda x: np.sqrt(2 * loss(x)), substeps=exits.SUBSTEPS, **chain
        )
        for name, substeps in (("simulated", exits.SUBSTEPS), ("discrete", 1)):
            samples[name] = _ensemble(routes, WELL, lr, SADDLE, values[f"exact_{name}"], substeps=substeps)
    regime = {"optimizer": "SGD", "landscape": "1 + double parabola, D = lr L", "exit": AT, "lr": lr}
    return Row(ONE | regime | {RATIO: 1 + BARRIER / LOWEST}, values, samples, checks, reasons)


def _rise(rise: float) -> Row:
    """A mean escape time at another loss, without sampling."""
    regime = {"optimizer": "SGD", "landscape": "1 + double parabola, D = lr L", "exit": AT, "lr": AT_RATE}
    return Row(ONE | regime | {RATIO: 1 + rise / LOWEST}, _exact(AT_RATE, rise), reasons=unsampled(exits.NO_SAMPLING))


def _level(routes: Routes, lr: float, level: float) -> Row:
    """The mean time to go beyond a level of a parabola: as long as the stationary tail beyond it is thin."""
    where: dict[str, Any] = {"start": 0.0, "boundary": level}
    sde = theory.first_passage_time(lambda x: H_A * x, lambda x: lr * loss(x), **where) / lr
    chain: dict[str, Any] = {"lr": lr, "law": _normal, "tolerance": 1e-6, "breaks": [JOIN, SADDLE], **where}
    exact = theory.discrete_first_passage_time(lambda x: H_A * x, lambda x: np.sqrt(2 * loss(x)), **chain)
    samples = {}
    if exact <= MOST:
        samples["discrete"] = _ensemble(routes, PARABOLA, lr, level, exact)
    regime = {"optimizer": "SGD", "landscape": "parabola, D = lr L", "lr": lr, LEVEL: level}
    reasons = unsampled(exits.TOO_HIGH, simulated="whole steps are in question", paper=exits.NOT_SAID)
    return Row(ONE | regime, {"exact": sde, "exact_discrete": exact}, samples, reasons=reasons)


def _exponent(lr: float) -> Row:
    """Kesten's exponent of whole steps beside the SDE's, whose density is L^-(1 + 1/lr) far out."""
    values = {"exact": theory.tail_exponent(H_A, lr, 1.0), "sde": 1 + 2 / lr}
    reasons = unsampled(exits.NO_SAMPLING, paper=exits.NOT_SAID)
    return Row(ONE | {"optimizer": "SGD", "landscape": "parabola, D = lr L", "lr": lr}, values, reasons=reasons)


def _ensemble(
    routes: Routes, landscape: DoubleParabola, lr: float, boundary: float, expected: float, substeps: int = 1
) -> Sample:
    options: dict[str, Any] = {
        "start": 0.0,
        "boundary": boundary,
        "max_iterations": exits.HORIZON,
        "substeps": substeps,
    }
    options |= routes.options(told("loss noise", lr, boundary, substeps), routes.exits)
    return Sample.of(mean_exit(lambda: exit_times(SGD(lr), landscape, noise=_noise(), **options)), expected)


def _slope(rows: xarray.Dataset, along: str, name: str) -> float:
    """Of log against log, between the two farthest rows."""
    far = rows.sortby(along).isel(row=slice(-2, None))
    return float(np.diff(np.log(far[name].values))[0] / np.diff(np.log(far[along].values))[0])


def _slope_at(levels: xarray.Dataset, lr: float) -> float:
    return _slope(levels.isel(row=np.flatnonzero(levels["lr"].values == lr)), LEVEL, "exact_discrete")


def _tail(levels: xarray.Dataset, exponents: xarray.Dataset, lr: float) -> Finding:
    """Whether far levels are reached with Kesten's power."""
    kesten, slope = float(exponents["exact"][list(STEPS).index(lr)]), _slope_at(levels, lr)
    right, wrong = (f"whole steps have {word} power-law tail" for word in ("Kesten's", "another"))
    tells = (
        f"times to levels {LEVELS[-2]:g} and {LEVELS[-1]:g} grow with the power {slope:.4f}, Kesten's is {kesten:.4f}"
    )
    name = f"power of the tail over Kesten's, lr H = {lr:g}"
    return Finding.judged(name, slope / kesten, right, wrong, tells, tolerance=NEAR)


def _sde_tail(exponents: xarray.Dataset) -> Iterator[Finding]:
    """Whether the SDE has the tail of whole steps."""
    listed = ", ".join(
        f"{float(exact):.4f} and {float(sde):g} at lr H = {lr:g}"
        for lr, exact, sde in zip(STEPS, exponents["exact"], exponents["sde"], strict=True)
    )
    ratio = float((exponents["sde"] / exponents["exact"])[-1])
    right, wrong = (f"the SDE has {word} tail of whole steps" for word in ("the", "not the"))
    yield Finding.judged("tail exponent of the SDE over that of whole steps", ratio, right, wrong, listed)


claim = LossNoise()
