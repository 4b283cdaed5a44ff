"""What the escape job measures and computes: points at which rates are measured, and points of the exact lines."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from experiments.problems.wells import OPTIMIZERS, PREFACTOR_POWER, SAME_IN_ONE, settings, sharpness_at
from experiments.sharpness.points import Point

ROUTES = ("sde", "discrete", "minibatches", "splitting")
CLEAN = ("parabolas-piecewise", "parabolas-frozen", "tang-piecewise", "tang-frozen")
DATA = "minibatch"
REPLICAS = (150, 800, 3000)  # at a setting's bluntest minimum, where exits are slowest, at the next, and at all others
QUICK_REPLICAS, MINIBATCH_REPLICAS, COLLAPSE_REPLICAS = 60, 2000, 300
FULL = 3  # a full run has this many times the replicas

# Sharpnesses, as exponents of 2, between and beyond those of a setting, with replicas: exits at the setting's own sharp
# minima are too fast to be escapes. Ten coordinates leave ten times as fast as one.
MORE_IN_ONE = {0.25: 300, 0.75: 1500}
MORE_IN_TEN = {0.125: 200, 0.25: 300, 0.375: 500}
MORE_OF_DATA = {
    "SGD": {0.25: 300, 0.375: 500, 0.75: 1000},
    "Momentum": {-0.125: 150, 0.125: 200, 0.25: 300, 0.375: 400},
    "Adai": {-0.125: 150, 0.125: 200, 0.25: 300, 0.375: 400},
    "Adam": {0.25: 200, 0.5: 300, 0.75: 500, 1.5: 500},
}
MORE_BLUNT_DATA = {  # of the discrete optimizers, which take an eighth of the steps of their SDE
    "SGD": {-0.25: 100},
    "Momentum": {-0.25: 150, -0.375: 100, -0.5: 60},
    "Adai": {-0.25: 150, -0.375: 100, -0.5: 60},
    "Adam": {-0.5: 60},
}
TOO_LONG = {("sde", "SGD"): (1.0,)}  # three quarters of a minute for a rate that the discrete optimizer has too
MORE_OF_SAMPLES = {
    "SGD": (-0.25, 0.25, 0.5, 0.75),
    "Momentum": (-0.25, -0.125, 0.125, 0.25, 0.5),
    "Adai": (-0.5, -0.375, -0.25, -0.125),
    "Adam": (0.5, 1.0, 1.5),
}

RARE, RARE_FULL = (12.0, 17.0, 22.0), (8.0, 12.0, 17.0, 24.0)  # barriers that splitting measures
SPLIT_REPLICAS, SPLIT_REPLICAS_FULL = 500, 1500
FACTORS = (0.5, 1.0, 2.0)  # learning rates of the collapse
DATA_SETS, DATA_SETS_FULL = 8, 16  # on which real minibatches are compared with Gaussian noise
COMPARED, GAUSSIAN_REPLICAS = "SGD", 1000  # the optimizer, at the setting's bluntest minimum
LINE_POINTS, QUICK_LINE_POINTS = 7, 3


def plan(*, full: bool, quick: bool, seed: int) -> list[Point]:
    """Every point that a power is fitted to, in the order it is measured."""
    if quick:
        wanted = [("parabolas-piecewise", 1, route) for route in ("sde", "discrete")]
    else:
        wanted = [(key, 1, route) for key in CLEAN for route in ("sde", "discrete")]
        tens = CLEAN if full else ("parabolas-piecewise", "tang-piecewise")
        wanted += [(key, 10, route) for key in tens for route in ("sde", "discrete")]
        wanted += [
            (DATA, d, route) for d in ((1, 10) if full else (10,)) for route in ("sde", "discrete", "minibatches")
        ]
        wanted += [("recalled", 10, route) for route in ("discrete", "minibatches")]
        wanted += [(key, 1, "splitting") for key in (CLEAN if full else CLEAN[:1])]
    return [
        Point(key, dimension, optimizer, route, k, replicas, seed)
        for key, dimension, route in wanted
        for optimizer in OPTIMIZERS
        for k, replicas in _ladder(key, dimension, optimizer, route, full=full, quick=quick).items()
    ]


def _ladder(key: str, dimension: int, optimizer: str, route: str, *, full: bool, quick: bool) -> dict[float, int]:
    """Sharpnesses at which a rate is measured, in order, with the replicas at each."""
    own = settings()[key].sharpness[optimizer]
    if quick:
        return dict.fromkeys(own[1:], QUICK_REPLICAS)
    if route == "splitting":  # barriers that no direct simulation climbs
        barriers, replicas = (RARE_FULL, SPLIT_REPLICAS_FULL) if full else (RARE, SPLIT_REPLICAS)
        return dict.fromkeys([sharpness_at(optimizer, barrier) for barrier in barriers], replicas)
    if route == "minibatches":  # every other one, and with data those where exits are escapes
        more = [2.0**exponent for exponent in MORE_OF_SAMPLES[optimizer]] if key == DATA else []
        return dict.fromkeys(sorted({*own[:: 1 if full else 2], *more}), MINIBATCH_REPLICAS)
    ladder = {k: REPLICAS[min(place, 2)] for place, k in enumerate(own)}
    between: dict[float, int] = {}
    if key == DATA:
        between = MORE_OF_DATA[optimizer] | (MORE_BLUNT_DATA[optimizer] if route == "discrete" else {})
        ladder = {k: replicas for k, replicas in ladder.items() if k not in TOO_LONG.get((route, optimizer), ())}
    elif key in CLEAN:
        shown = MORE_IN_ONE if dimension == 1 else MORE_IN_TEN
        between = {exponent / PREFACTOR_POWER[optimizer]: replicas for exponent, replicas in shown.items()}
    ladder = {2.0**exponent: replicas for exponent, replicas in between.items()} | ladder
    return {k: (FULL if full else 1) * replicas for k, replicas in sorted(ladder.items())}


def collapse_plan(seed: int) -> list[Point]:
    """Points at three learning rates whose products with k, or sqrt(k), overlap."""
    return [
        Point(DATA, 10, name, "discrete", k / factor ** (1 / PREFACTOR_POWER[name]), COLLAPSE_REPLICAS, seed, factor)
        for name in OPTIMIZERS
        for factor in FACTORS
        for k in settings()[DATA].sharpness[name][1:]
    ]


def bluntest() -> float:
    """The sharpness at which data sets are compared with Gaussian noise."""
    return settings()[DATA].sharpness[COMPARED][0]


def data_set_plan(*, full: bool, seed: int) -> list[Point]:
    """Gaussian noise of the data's covariance, and minibatches of more data sets than that of the plan's points."""
    seeds = range(seed + 1, seed + (DATA_SETS_FULL if full else DATA_SETS))
    gaussian = Point(DATA, 10, COMPARED, "discrete", bluntest(), GAUSSIAN_REPLICAS, seed)
    return [
        gaussian,
        *(Point(DATA, 10, COMPARED, "minibatches", bluntest(), MINIBATCH_REPLICAS, each) for each in seeds),
    ]


def line_plan(*, quick: bool) -> Iterator[Point]:
    """Points of the exact lines; in a quick run of low barriers alone, as high ones take the grid longest."""
    for key in CLEAN[:1] if quick else CLEAN:
        for optimizer in (name for name in OPTIMIZERS if name not in SAME_IN_ONE):
            adaptive = PREFACTOR_POWER[optimizer] < 1
            least, most = (0.11, 16.0) if adaptive else (0.25, 4.0)
            for k in np.geomspace(1.0 if quick else least, most, QUICK_LINE_POINTS if quick else LINE_POINTS):
                yield Point(key, 1, optimizer, "exact", float(k), 0, 0)


def as_another(line: Point) -> list[Point]:
    """The same point of the optimizers that have the same rates in one coordinate."""
    return [replace(line, optimizer=other) for other, optimizer in SAME_IN_ONE.items() if optimizer == line.optimizer]
