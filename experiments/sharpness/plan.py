"""What the escape job measures and computes: points at which rates are measured, and points of the exact lines."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from experiments.problems.wells import OPTIMIZERS, PREFACTOR_POWER, SAME_IN_ONE, settings, sharpness_at
from experiments.sharpness.points import Point

ROUTES = ("sde", "discrete", "torch", "splitting")
CLEAN = ("parabolas-piecewise", "parabolas-frozen", "tang-piecewise", "tang-frozen")
DATA = "minibatch"
REPLICAS = (150, 800, 3000)  # at a setting's bluntest minimum, where exits are slowest, at the next, and at all others
QUICK_REPLICAS, TORCH_REPLICAS, COLLAPSE_REPLICAS = 60, 100, 300
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
MORE_IN_TORCH = {
    "SGD": (-0.25, 0.25, 0.5, 0.75),
    "Momentum": (-0.25, -0.125, 0.125, 0.25, 0.5),
    "Adai": (-0.5, -0.375, -0.25, -0.125),
    "Adam": (0.5, 1.0, 1.5),
}

RARE, RARE_FULL = (12.0, 17.0, 22.0), (8.0, 12.0, 17.0, 24.0)  # barriers that splitting measures
SPLIT_REPLICAS, SPLIT_REPLICAS_FULL = 500, 1500
FACTORS = (0.5, 1.0, 2.0)  # learning rates of the collapse
DATA_SETS, DATA_SETS_FULL = 8, 16  # on which real minibatches are compared with Gaussian noise
COMPARED, GAUSSIAN_REPLICAS = ("SGD",), 1000  # optimizers, at the setting's bluntest minimum
LINE_POINTS, QUICK_LINE_POINTS = 7, 3


def plan(*, full: bool, quick: bool, seed: int) -> list[Point]:
    """Every point that a power is fitted to, in the order it is measured; those in torch only if it is installed."""
    if quick:
        wanted = [("parabolas-piecewise", 1, route) for route in ("sde", "discrete")]
        return [point for one in wanted for point in _quick(*one, seed)]
    wanted = [(key, 1, route) for key in CLEAN for route in ("sde", "discrete")]
    tens = CLEAN if full else ("parabolas-piecewise", "tang-piecewise")
    wanted += [(key, 10, route) for key in tens for route in ("sde", "discrete")]
    wanted += [(DATA, d, route) for d in ((1, 10) if full else (10,)) for route in ("sde", "discrete", "torch")]
    wanted += [("recalled", 10, route) for route in ("discrete", "torch")]
    wanted += [(key, 1, "splitting") for key in (CLEAN if full else CLEAN[:1])]
    makers = {"splitting": _split, "torch": _in_torch}
    return [
        point
        for key, dimension, route in wanted
        if route != "torch" or find_spec("torch") is not None
        for optimizer in OPTIMIZERS
        for point in makers.get(route, _measured)(key, dimension, optimizer, route, full, seed)
    ]


def _quick(key: str, dimension: int, route: str, seed: int) -> Iterator[Point]:
    for optimizer in OPTIMIZERS:
        for k in settings()[key].sharpness[optimizer][1:]:
            yield Point(key, dimension, optimizer, route, k, QUICK_REPLICAS, seed)


def _measured(key: str, dimension: int, optimizer: str, route: str, full: bool, seed: int) -> list[Point]:
    """The setting's own sharpnesses and more, in order."""
    setting = settings()[key]
    own = {float(k): REPLICAS[min(place, 2)] for place, k in enumerate(setting.sharpness[optimizer])}
    more: dict[float, int] = {}
    if key == DATA:
        blunt = MORE_BLUNT_DATA[optimizer] if route == "discrete" else {}
        more = {2.0**exponent: replicas for exponent, replicas in (MORE_OF_DATA[optimizer] | blunt).items()}
        own = {k: replicas for k, replicas in own.items() if k not in TOO_LONG.get((route, optimizer), ())}
    elif key in CLEAN:
        ladder = MORE_IN_ONE if dimension == 1 else MORE_IN_TEN
        more = {2.0 ** (exponent / PREFACTOR_POWER[optimizer]): replicas for exponent, replicas in ladder.items()}
    times = FULL if full else 1
    chosen = sorted((more | own).items())
    return [Point(key, dimension, optimizer, route, k, times * replicas, seed) for k, replicas in chosen]


def _in_torch(key: str, dimension: int, optimizer: str, route: str, full: bool, seed: int) -> list[Point]:
    """Every other sharpness of the setting, or in a full run all, and with data those where exits are escapes."""
    own = settings()[key].sharpness[optimizer][:: 1 if full else 2]
    more = [2.0**exponent for exponent in MORE_IN_TORCH[optimizer]] if key == DATA else []
    return [Point(key, dimension, optimizer, route, k, TORCH_REPLICAS, seed) for k in sorted({*own, *more})]


def _split(key: str, dimension: int, optimizer: str, route: str, full: bool, seed: int) -> list[Point]:
    """Barriers that no direct simulation climbs."""
    replicas = SPLIT_REPLICAS_FULL if full else SPLIT_REPLICAS
    ks = [sharpness_at(optimizer, barrier) for barrier in (RARE_FULL if full else RARE)]
    return [Point(key, dimension, optimizer, route, k, replicas, seed) for k in ks]


def collapse_plan(seed: int) -> list[Point]:
    """Points at three learning rates whose products with k, or sqrt(k), overlap."""
    out = []
    for optimizer in OPTIMIZERS:
        for factor in FACTORS:
            for k in settings()[DATA].sharpness[optimizer][1:]:
                blunter = k / factor ** (1 / PREFACTOR_POWER[optimizer])
                out.append(Point(DATA, 10, optimizer, "discrete", blunter, COLLAPSE_REPLICAS, seed, factor))
    return out


def data_set_plan(*, full: bool, seed: int) -> list[Point]:
    """Gaussian noise of the data's covariance, and minibatches of more data sets than that of the plan's points."""
    if find_spec("torch") is None:
        return []
    sets = range(seed + 1, seed + (DATA_SETS_FULL if full else DATA_SETS))
    bluntest = [(optimizer, settings()[DATA].sharpness[optimizer][0]) for optimizer in COMPARED]
    gaussian = [Point(DATA, 10, optimizer, "discrete", k, GAUSSIAN_REPLICAS, seed) for optimizer, k in bluntest]
    return gaussian + [
        Point(DATA, 10, optimizer, "torch", k, TORCH_REPLICAS, each) for optimizer, k in bluntest for each in sets
    ]


def line_plan(*, quick: bool) -> Iterator[Point]:
    """Points of the exact lines; in a quick run of low barriers alone, as high ones take the grid longest."""
    for key in CLEAN[:1] if quick else CLEAN:
        for optimizer in (name for name in OPTIMIZERS if name not in SAME_IN_ONE):
            adaptive = PREFACTOR_POWER[optimizer] < 1
            wide, short = ((0.11, 16.0), (1.0, 16.0)) if adaptive else ((0.25, 4.0), (1.0, 4.0))
            for k in np.geomspace(*(short if quick else wide), QUICK_LINE_POINTS if quick else LINE_POINTS):
                yield Point(key, 1, optimizer, "exact", float(k), 0, 0)


def as_another(line: Point) -> list[Point]:
    """The same point of the optimizers that have the same rates in one coordinate."""
    return [replace(line, optimizer=other) for other, optimizer in SAME_IN_ONE.items() if optimizer == line.optimizer]
