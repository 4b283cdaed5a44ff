"""Lesson 8: a valley that bends over a pass, noise that differs along and across it, the likeliest path, the exits."""

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.stats import binomtest

import theory
from diffusion import SGD, CurvedValley, HalfSpace, Noise, escape_rate, exit_times
from experiments.teach.chart import BLUE, GREEN, GREY, ORANGE, PURPLE, Panel
from experiments.teach.figure import DASH, figure
from experiments.teach.lesson import Array, Outcome, Settings, Z, slider

TITLE = "Over the pass: does it leave where the loss says?"
INTRODUCTION = (
    "A valley bends on its way over a pass. Theorem 3 divides the barrier by the noise in one direction, that of the "
    "way out at the pass, so neither the bend nor the noise across should matter. The path of least action, the "
    "likeliest, goes where noise helps and may leave the valley's floor. Noise like the minimum's Hessian is 4 times "
    "as strong across."
)

BARRIER, CURVATURE, ACROSS = 0.25, 2.0, 8.0  # of the minimum along the valley, and of minimum and pass across it
LR = 0.02
HORIZON = 20_000  # iterations at most
LEVELS = (0.1, 0.4, 1.0)  # of the barrier, the level lines drawn
CHUNKS = 15  # of the pass, in which exits are counted
LEAST = 10  # exits, without which nothing is said of where they are

CONTROLS = {
    "bend": slider("Bend of the valley c", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 0.5, [0, 0.2, 0.5, 0.8]),
    "anisotropy": slider("Noise across over noise along", [0.25, 0.5, 1, 2, 4, 8], 4, [0.25, 1, 4, 8]),
    "exponent": slider("Barrier over noise along", [2, 2.5, 3, 3.5, 4, 4.5, 5], 4, [2, 4, 5]),
    "replicas": slider("Replicas", [100, 200, 500, 1000], 500),
}


@lru_cache(maxsize=64)
def likeliest(bend: float, anisotropy: float) -> theory.LeastAction:
    """The likeliest path from the minimum to the pass at noise 1 along the valley, and its action."""
    valley = CurvedValley(bend)
    return theory.least_action(
        lambda x: -valley.gradient(x), np.diag([1.0, anisotropy]), start=valley.reference, end=[0.0, bend]
    )


def exact_exponent(settings: Settings) -> float:
    """The least action at the noise that is set."""
    return likeliest(settings["bend"], settings["anisotropy"]).action / BARRIER * float(settings["exponent"])


def stated(exponent: float) -> float:
    """Theorem 3's mean iterations to the line of the pass, half of those to be beyond it."""
    known: dict[str, Any] = {"barrier": BARRIER, "hessian_minimum": CURVATURE, "hessian_saddle": 1.0, "split": 1.0}
    batch_size = LR * CURVATURE * exponent / (2 * BARRIER)  # at which the minimum's Hessian gives this noise
    return float(theory.sgd_escape_time(**known, lr=LR, batch_size=batch_size, clock="iteration")) / 2


def updates(settings: Settings) -> float:
    """Coordinate updates of the run, roughly."""
    excess = exact_exponent(settings) - settings["exponent"]
    return float(2 * settings["replicas"] * min(HORIZON, stated(settings["exponent"]) * np.exp(excess)))


def run(settings: Settings) -> Outcome:
    """Run replicas until they cross the line of the pass, beside the likeliest path."""
    bend, anisotropy, exponent = settings["bend"], settings["anisotropy"], settings["exponent"]
    along = BARRIER / exponent
    exits = exit_times(
        SGD(LR),
        CurvedValley(bend),
        noise=Noise(np.sqrt(2 / LR * along * np.array([1.0, anisotropy]))),
        boundary=HalfSpace([1.0, 0.0], 0.0),
        replicas=settings["replicas"],
        max_iterations=HORIZON,
        crossing="bridge",
        positions=True,
        threads=1,
    )
    places = exits["exit_position"].values[exits["exited"].values]
    path = likeliest(bend, anisotropy)
    spread = float(np.sqrt(_variance(along * anisotropy)))
    svg = figure(
        [_map(bend, path, places[:, 1]), _climb(path, along), _crossing(bend, places[:, 1] - bend, spread)],
        f"A bent valley with the likeliest path over its pass and where {len(places)} runs cross it, what the path "
        "costs by Theorem 3 and in truth, and the crossings in detail",
    )
    return Outcome(svg, _answer(settings, exits, places[:, 1] - bend, spread), _code(bend, anisotropy))


def _variance(across: float) -> float:
    """Variance across the pass, were it a straight valley; of SGD at its steps."""
    rule = {"lr": LR, "inertia": 0.0, "gradient_weight": 1.0}
    return float(theory.discrete_stationary_variance(hessian=ACROSS, noise_variance=2 * across / LR, **rule))


def _floor(x: Array, bend: float) -> Array:
    return np.asarray(bend * (1 - x**2) ** 2)


def _map(bend: float, path: theory.LeastAction, crossed: Array) -> Panel:
    """The valley from above; runs that cross the line of the pass stand on it as a histogram."""
    (left, right), ends = (-1.6, 0.6), (-0.75, 1.45)
    panel = Panel((0, 0, 440, 400), (left, right), ends)
    panel.label("The way over the pass", "along the valley θ₁", "across θ₂")
    angle = np.linspace(0, 2 * np.pi, 97)
    for level in LEVELS:  # in closed form: around each minimum, that of the barrier through the pass
        root = np.sqrt(BARRIER * level)
        x = np.sqrt(np.maximum(1 + 2 * root * np.cos(angle), 0))
        for side in (-1, 1):
            panel.line(side * x, _floor(x, bend) + root / 2 * np.sin(angle), "#bdbdbd", width=1.2)
    panel.line([0, 0], ends, GREY, width=1.2)
    counts, edges = np.histogram(crossed, bins=np.linspace(*ends, 45))
    for count, low, high in zip(counts / max(counts.max(), 1), edges[:-1], edges[1:], strict=True):
        if count:
            panel.band([0, 0.45 * count], low, high, ORANGE, opacity=0.6)
    x = np.linspace(-1, right, 81)
    panel.line(x, _floor(x, bend), GREY, "valley's floor", dash=DASH, width=2)
    panel.line(path.path[::4, 0], path.path[::4, 1], BLUE, "likeliest path")
    panel.text(-0.05, -0.65, "line of the pass", GREY, "end")
    panel.text(-1, -0.42, "start", GREY, "middle")
    return panel


def _climb(path: theory.LeastAction, along: float) -> Panel:
    """What Theorem 3 and the action have counted when the path has come so far."""
    x = path.path[:, 0]
    spent = np.append(0, np.cumsum(np.sum(path.momenta * np.diff(path.path, axis=0), axis=1))) / along
    theorem = BARRIER / along * (1 - x**2) ** 2
    panel = Panel((448, 0, 390, 400), (-1.08, 0.05), (0, 1.15 * max(theorem.max(), spent.max())))
    panel.label("What the way costs", "along the valley θ₁", "exponent so far")
    panel.line(x[::4], theorem[::4], PURPLE, "Theorem 3", dash=DASH)
    panel.line(x[::4], spent[::4], BLUE)
    return panel


def _crossing(bend: float, away: Array, spread: float) -> Panel:
    """Where on the line of the pass runs cross it, beside what the loss there says."""
    reach = max(3.5 * spread, 1.2 * float(np.quantile(np.abs(away), 0.98)) if len(away) else 0.0)
    counts, edges = np.histogram(away, bins=np.linspace(-reach, reach, CHUNKS + 1))
    unit = max(len(away), 1) * (edges[1] - edges[0])
    error = Z * np.sqrt(counts * (1 - counts / max(len(away), 1)))
    y = np.linspace(-reach, reach, 121)
    law = np.exp(-((y / spread) ** 2) / 2) / (np.sqrt(2 * np.pi) * spread)
    top = 1.2 * max(law.max(), float(np.max(counts + error)) / unit)
    panel = Panel((834, 0, 406, 400), (-reach, reach), (0, top))
    panel.label("Where it crosses the pass", "across, from the lowest point (θ)", "density (1/θ)")
    panel.line([0, 0], [0, top], GREY, width=1.2)
    panel.line(y, law, GREEN, "as the loss there says")
    seen = counts > 0
    middle = (edges[1:] + edges[:-1]) / 2
    mean, low, high = ((np.maximum(counts + k * error, 0) / unit)[seen] for k in (0, -1, 1))
    panel.points(middle[seen], mean, low, high, ORANGE, "runs, 95 %")
    below, above = ("inner side", "outer side") if bend else ("below", "above")
    panel.corner(f"← {below}", right=False)
    panel.corner(f"{above} →")
    return panel


def _answer(settings: Settings, exits: Any, away: Array, spread: float) -> str:
    exponent, exact, replicas = settings["exponent"], exact_exponent(settings), settings["replicas"]
    factor, time = exponent / exact, ""
    verdict = "as it should" if abs(factor - 1) < 0.005 else "too much" if factor > 1 else "too little"
    if len(away):
        rate, theorem = escape_rate(exits), stated(exponent)
        low, high = (1 / float(rate[name]) / theorem for name in ("rate_high", "rate_low"))
        time = f", and this run takes [{low:.2f}, {high:.2f}] times its time"
    return (
        f"Noise across is {settings['anisotropy']:g} times that along. Theorem 3's exponent is {exponent:g}, the least "
        f"action {exact:.2f}: the theorem counts **{factor:.2f}** times the true exponent, {verdict}{time}. "
        f"{len(away):,} of {replicas:,} runs cross in {HORIZON:,} iterations{_side(settings['bend'], away, spread)}."
    )


def _side(bend: float, away: Array, spread: float) -> str:
    """On which side of the pass's lowest point runs cross, and how far off on average."""
    if len(away) < LEAST:
        return ", too few to say where"
    inner = binomtest(int(np.sum(away < 0)), len(away)).proportion_ci(method="wilson")
    if not bend:
        found = "in a straight valley neither side is inner or outer"
    elif inner.low < 0.5 < inner.high:
        found = "so many runs show no preferred side"
    else:
        found = f"not where the loss says, but on the {'inner' if inner.low > 0.5 else 'outer'} side of the bend"
    mean = float(np.mean(away)) / spread
    return (
        f", {inner.low:.0%} to {inner.high:.0%} of them below the pass's lowest point, on average {abs(mean):.2f} "
        f"standard deviations {'above' if mean > 0 else 'below'} it: {found}"
    )


def _code(bend: float, anisotropy: float) -> str:
    ends = f"start=[-1, 0], end=[0, {bend:g}]"
    return f"""\
import theory; from diffusion import CurvedValley
valley = CurvedValley({bend:g})
found = theory.least_action(lambda x: -valley.gradient(x), [[1, 0], [0, {anisotropy:g}]], {ends})
print(f"{{{BARRIER} / found.action:.2f}}")  # Theorem 3's exponent over the least action"""
