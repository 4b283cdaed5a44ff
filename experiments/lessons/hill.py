"""Lesson 4: replicas cross a barrier; their density by the Fokker-Planck equation, survival, and Kramers' time."""

from functools import lru_cache
from typing import Any

import numpy as np

import theory
from diffusion import SGD, IsotropicNoise, StyblinskiTang, exit_times, fokker_planck, simulate
from experiments.teach.chart import BLUE, GREEN, GREY, ORANGE, PURPLE, Panel
from experiments.teach.figure import DASH, figure
from experiments.teach.lesson import Array, Outcome, Settings, Z, slider
from experiments.teach.scales import number

TITLE = "How long until it is over the hill?"
INTRODUCTION = (
    "Runs of SGD sit in the right-hand valley; noise of a set temperature now and then carries one over the hill. How "
    "long that takes depends exponentially on barrier over temperature (Kramers 1940). Half of the runs that reach the "
    "top fall back, so that the top is reached in half the time."
)

WELL = StyblinskiTang(1)
_, SADDLE, BOTTOM = (float(x) for x in WELL.critical_coordinates)
BARRIER = float(WELL.loss([SADDLE]) - WELL.loss([BOTTOM]))
H_A, H_B = (abs(float(WELL.hessian_diagonal(np.array([x]))[0])) for x in (BOTTOM, SADDLE))
LR = 0.002
HORIZON = 20_000  # iterations at most
SHARES = (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)  # of the horizon, at which positions can be shown
FINENESS = 0.15  # of the density's grid: within 3 % of its maximum, in 15 ms
EXPONENTS = (1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6)

CONTROLS = {
    "exponent": slider("Barrier over temperature", EXPONENTS, 3, [1.5, 2, 3, 4, 5, 6]),
    "share": slider("Time shown, share of the run", SHARES, 0.3, SHARES),
    "replicas": slider("Replicas", [100, 200, 500, 1000, 2000], 500),
}


def kramers(exponent: float) -> float:
    """Kramers' time to arrive beyond the saddle, in iterations."""
    return float(2 * np.pi / np.sqrt(H_A * H_B) * np.exp(exponent) / LR)


def horizon(exponent: float) -> int:
    """Iterations that are run: three times the mean time to the top, or what is affordable."""
    return int(min(HORIZON, 1.5 * kramers(exponent)))


def updates(settings: Settings) -> float:
    """Coordinate updates of the run."""
    return float(settings["replicas"] * horizon(settings["exponent"]) * (1 + settings["share"]))


@lru_cache(maxsize=64)
def _theory(exponent: float) -> tuple[Array, Array, float, Any]:
    """Times, exact survival, exact mean time to the top in iterations, and the densities at all shown times."""
    temperature, end = BARRIER / exponent, horizon(exponent)
    times = np.linspace(end / 40, end, 40)
    where: dict[str, Any] = {"start": BOTTOM, "boundary": SADDLE}

    def gradient(x: Array) -> Array:
        return WELL.gradient(x[..., None])[..., 0]

    alive = theory.survival(gradient, temperature, LR * times, **where)
    mean = theory.first_passage_time(gradient, temperature, **where) / LR
    moments = LR * np.round(np.array(SHARES) * end)
    law = fokker_planck.density(WELL, diffusion=temperature, start=BOTTOM, times=moments, fineness=FINENESS)
    return np.r_[0, times], np.r_[1, alive], mean, law


def warm() -> None:
    """Compute the theory for every place of the slider."""
    for exponent in EXPONENTS:
        _theory(exponent)


def run(settings: Settings) -> Outcome:
    """Run replicas until they reach the top, and as many to see where they are."""
    exponent, share, replicas = settings["exponent"], settings["share"], settings["replicas"]
    temperature, end = BARRIER / exponent, horizon(exponent)
    shown = max(1, round(share * end))
    _, _, mean, law = _theory(exponent)
    common: dict[str, Any] = {"noise": IsotropicNoise(2 * temperature / LR), "start": BOTTOM, "threads": 1}
    common |= {"replicas": replicas}
    exits = exit_times(SGD(LR), WELL, boundary=SADDLE, max_iterations=end, crossing="bridge", **common)
    states = simulate(SGD(LR), WELL, iterations=shown, save=[shown], keep="states", **common)
    position = states["position"].values[:, 0, 0]
    left = _where(position, law, SHARES.index(share), shown)
    right, at_risk, events = _survival(exits, exponent, end)
    svg = figure(
        [left, right],
        f"Positions of {replicas} runs in a double well after {shown} iterations, and the share that has not reached "
        "the top",
    )
    return Outcome(svg, _answer(exponent, mean, at_risk, events, position), _code(exponent))


def _where(position: Array, law: Any, index: int, shown: int) -> Panel:
    ends = (-4.6, 4.6)
    lowest, top = float(WELL.loss([-2.9035])), float(WELL.loss([SADDLE])) + 35
    panel = Panel((0, 0, 630, 400), ends, (lowest - 12, top))
    panel.label(f"Where they are after {shown:,} iterations", "position θ", "loss, and density above it")
    x = np.linspace(*ends, 161)
    loss = WELL.loss(x[:, None])
    density = np.interp(x, law["position"].values, law["density"].values[index], left=0, right=0)
    scale = 40 / max(float(density.max()), 1e-300)
    panel.line(x, loss, GREY, "loss")
    panel.band(x, loss, loss + scale * density, BLUE, "density, Fokker-Planck")
    counts, edges = np.histogram(position, bins=np.linspace(*ends, 24))
    middle = (edges[1:] + edges[:-1]) / 2
    unit = len(position) * (edges[1] - edges[0])
    base, error = WELL.loss(middle[:, None]), Z * np.sqrt(counts * (1 - counts / len(position)))
    seen = counts > 0
    mean, low, high = (base + scale * np.maximum(counts + k * error, 0) / unit for k in (0, -1, 1))
    panel.points(middle[seen], mean[seen], low[seen], high[seen], ORANGE, "runs, measured 95 %")
    panel.corner(f"{float(np.mean(position < SADDLE)):.0%} left of the top", ORANGE, right=False, low=True)
    return panel


def _survival(exits: Any, exponent: float, end: int) -> tuple[Panel, float, int]:
    """The panel, the iterations that all runs spent below the top, and how many reached it."""
    times, alive, mean, _ = _theory(exponent)
    at, out = exits["exit_iteration"].values, exits["exited"].values
    grid = np.linspace(end / 12, end, 12)
    share = np.array([1 - np.mean(out & (at <= t)) for t in grid])
    error = Z * np.sqrt(share * (1 - share) / len(out))
    low = max(0.5 * min(alive[-1], share[share > 0].min()), 0.02)
    marks = [(v, f"{v:.0%}") for v in (0.02, 0.05, 0.1, 0.2, 0.5, 1) if v >= low]
    panel = Panel((640, 0, 600, 400), (0, end), (low, 1.15), log="y", y_ticks=marks)
    panel.label("Share that has not reached the top", "iterations", "share of runs")
    panel.line(times, alive, BLUE, "exact survival")
    panel.line(times, np.exp(-2 * times / kramers(exponent)), PURPLE, "Kramers", dash=DASH)
    panel.points(grid, share, np.maximum(share - error, 1e-9), np.minimum(share + error, 1), ORANGE)
    if mean < end:
        panel.line([mean] * 2, [low, 1.15], GREEN, width=2)
        aside, anchor = (-0.01, "end") if mean > 0.8 * end else (0.01, "start")
        panel.text(mean + aside * end, 0.8, "mean", GREEN, anchor)
    return panel, float(np.where(out, at, end).sum()), int(out.sum())


def _answer(exponent: float, mean: float, at_risk: float, events: int, position: Array) -> str:
    measured, width = at_risk / max(events, 1), Z / np.sqrt(max(events, 1))
    moved = float(np.mean(position < SADDLE))
    half, colder = kramers(exponent) / 2, min(exponent + 1, 6)
    return (
        f"At barrier over temperature {exponent:g} a run reaches the top after **{mean:,.0f}** iterations on average "
        f"(exact); this run measures {measured:,.0f} ± {measured * width:,.0f} from {events} arrivals. Kramers' "
        f"formula, halved for those that fall back, gives {half:,.0f}: {half / mean:.2f} times the exact value. At the "
        f"time shown, {moved:.1%} of the runs are on the far side. One more unit of barrier over temperature takes "
        f"{number(_theory(colder)[2] / _theory(colder - 1)[2])} times as long."
    )


def _code(exponent: float) -> str:
    gradient = "lambda x: well.gradient(x[..., None])[..., 0]"
    ends = f"start={BOTTOM:.6f}, boundary={SADDLE:.6f}"
    time = f"theory.first_passage_time({gradient}, {BARRIER:.6f} / {exponent}, {ends})"
    return f"""\
import theory
from diffusion import StyblinskiTang
well = StyblinskiTang(1)  # from the right-hand minimum to the top, in iterations of {LR}
print(f"{{{time} / {LR}:,.0f}}")"""
