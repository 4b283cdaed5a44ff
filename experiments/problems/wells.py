"""The sharpness experiment: settings in which escape rates are measured against the sharpness k of the minimum.

In each, ``L(theta) = f(sqrt(k) theta)``: the Hessian grows like k at the same barrier.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion import DoubleParabola, HessianNoise, Minibatches, MinibatchNoise, StyblinskiTang
from diffusion.dynamics import Dynamics
from diffusion.landscapes import Landscape
from diffusion.motion import Coordinate
from diffusion.noise import NoiseModel
from experiments.problems.exact import Motion
from experiments.problems.optimizers import LEAVERS, escape_time

Array = NDArray[np.float64]

OPTIMIZERS = ("SGD", "Momentum", "Adam", "Adai")
SAME_IN_ONE = {"Adai": "Momentum"}  # in one coordinate, per iteration, the first's rates are the second's
PREFACTOR_POWER = {"SGD": 1.0, "Momentum": 1.0, "Adai": 1.0, "Adam": 0.5}  # of k, in the rate per iteration
CLAIMED_POWER = {"SGD": 1.0, "Momentum": 1.0, "Adai": 1.0, "Adam": 0.5}  # p in -log rate ~ k^-p
GRID_TOLERANCE = 5e-3  # relative, asked of the phase-space grid; what it reaches is mostly far better
HIGHEST, STEP = 8.0, 0.05  # at k = 1 in the clean settings: barrier over temperature, and learning rate times curvature
SAMPLES = 50_000  # of a data set
TO_4, TO_16 = (tuple(np.geomspace(1, most, 5).tolist()) for most in (4, 16))  # sharpnesses


def sample_gradient(theta: Any, x: Any, root: float) -> Any:
    """Gradient of the Styblinski-Tang loss of one sample x, root that of the sharpness."""
    w = root * theta - x
    return root * (w * (2.0 * w * w - 16.0) + 2.5)


@dataclass(frozen=True)
class Setting:
    """A landscape family, its noise and its learning rates.

    Attributes
    ----------
    key, title
        For files, and for readers.
    landscape
        Function of (dimension, sharpness).
    noise
        Its noise.
    start, boundary
        In units of theta sqrt(k), in every coordinate.
    bottom
        The minimum that is left, likewise: the start, but in the recalled setting.
    lr
        Learning rate of each optimizer; Momentum is of heavy-ball style.
    sharpness
        The k at which each optimizer is run.
    following
        Whether the SDE of Adam has a second moment that follows the noise; else, as noise is constant, frozen is the
        same.
    batch_size
        B, for the paper's formulas; with data, also the size of real minibatches.
    """

    key: str
    title: str
    landscape: Callable[[int, float], Landscape]
    noise: NoiseModel
    start: float
    bottom: float
    boundary: float
    lr: dict[str, float]
    sharpness: dict[str, tuple[float, ...]]
    following: bool
    batch_size: int = 1

    def dynamics(self, optimizer: str, *, idealized: bool, factor: float = 1.0) -> Dynamics:
        """The optimizer: idealized for the SDE, as shipped if it has a second moment and noise comes from data."""
        leaver = LEAVERS[optimizer]
        moment = "following" if leaver.adaptive and self.following else "frozen"
        moment = moment if idealized or not self.has_data else "running"
        return leaver.make(factor * self.lr[optimizer], moment)

    def motion(self, dynamics: Dynamics, sharpness: float, dimension: int = 1) -> Motion:
        """What an optimizer does along one coordinate."""
        return Motion(dynamics, self.landscape(dimension, sharpness), self.noise)

    @property
    def has_data(self) -> bool:
        """Whether the noise is that of minibatches of data."""
        return isinstance(self.noise, MinibatchNoise)

    def minibatches(self, dimension: int, sharpness: float, seed: int) -> Minibatches:
        """Minibatches of the seed's data set, one for every sharpness; the loss of a sample is f(sqrt(k) theta - x)."""
        landscape = self.landscape(dimension, sharpness)
        variance = landscape.data_variance if isinstance(landscape, StyblinskiTang) else np.nan
        data = np.random.default_rng([seed, dimension]).normal(0.0, np.sqrt(variance), (SAMPLES, dimension))
        return Minibatches(data, sample_gradient, self.batch_size, parameters=[np.sqrt(sharpness)])

    def positions(self, sharpness: float) -> tuple[float, float]:
        """Start and boundary in theta."""
        return self.start / np.sqrt(sharpness), self.boundary / np.sqrt(sharpness)

    def gradient(self, sharpness: float) -> Callable[[Any], Array]:
        """L' along one coordinate, a function of arrays."""
        return Coordinate(self.landscape(1, sharpness), self.noise).gradient

    def variance(self, sharpness: float) -> Callable[[Any], Array]:
        """C along one coordinate, a function of arrays."""
        return Coordinate(self.landscape(1, sharpness), self.noise).variance

    def diffusion(self, sharpness: float, lr: float) -> Callable[[Any], Array]:
        """D = lr C/2 along one coordinate, a function of arrays."""
        variance = self.variance(sharpness)
        return lambda x: lr / 2 * variance(x)

    def deviation(self, sharpness: float) -> Callable[[Any], Array]:
        """sqrt(C) along one coordinate, a function of arrays."""
        variance = self.variance(sharpness)
        return lambda x: np.sqrt(variance(x))

    def curvatures(self, sharpness: float) -> tuple[float, float]:
        """|L''| at the minimum that is left, and at the boundary."""
        places = (self.bottom / np.sqrt(sharpness), self.positions(sharpness)[1])
        alone = self.landscape(1, sharpness)
        h_a, h_b = (abs(float(alone.hessian_diagonal(np.array([x]))[0])) for x in places)
        return h_a, h_b

    def breaks(self, sharpness: float) -> list[float]:
        """Where gradient or noise jump, between start and boundary or beyond."""
        return [] if self.has_data else list(self.landscape(1, sharpness).pieces().switches)

    def exponent(self, optimizer: str, sharpness: float, factor: float = 1.0) -> float:
        """Barrier over temperature: ``2 int L'/(lr C)`` (times gamma M), of Adam ``2 int L'/(lr sqrt(C))``."""
        leaver = LEAVERS[optimizer]
        total = self.climb(0.5 if leaver.adaptive else 0.0, sharpness)
        return 2 * leaver.friction * total / (self.lr[optimizer] * factor)

    def climb(self, power: float, sharpness: float) -> float:
        """``int L' C^(q-1)`` from the minimum to the boundary, q the power."""
        bottom, boundary = self.bottom / np.sqrt(sharpness), self.positions(sharpness)[1]
        between = [x for x in self.breaks(sharpness) if (x - bottom) * (x - boundary) < 0]
        edges = [bottom, *sorted(between, key=lambda x: abs(x - bottom)), boundary]
        nodes, weights = np.polynomial.legendre.leggauss(64)
        total = 0.0
        for left, right in itertools.pairwise(edges):
            x = left + (right - left) * (nodes + 1) / 2
            inside = left + (right - left) * np.clip((nodes + 1) / 2, 1e-9, 1 - 1e-9)
            c = self.variance(sharpness)(inside)
            slope = self.gradient(sharpness)(x) / (np.sqrt(c) if power == 0.5 else c ** (1 - power))
            total += float(np.sum(slope * weights) * (right - left) / 2)
        return total

    @property
    def ends_at_saddle(self) -> bool:
        """Whether runs leave over a saddle of the expected loss, where its slope is 0: not where it climbs on."""
        slopes = self.gradient(1.0)(np.linspace(*self.positions(1.0), 200))
        return bool(abs(slopes[-1]) < 1e-6 * np.abs(slopes).max())

    def minima(self) -> int:
        """Number of minima of the expected loss along one coordinate, up to 6 in units of theta sqrt(k)."""
        slopes = self.gradient(1.0)(np.linspace(-6, 6, 4000))
        return int(np.sum((slopes[:-1] < 0) & (slopes[1:] >= 0)))

    def overdamped(self, optimizer: str) -> bool:
        """Whether the optimizer has no inertia."""
        return not self.motion(self.dynamics(optimizer, idealized=True), 1.0).inertia

    def relaxation(self, optimizer: str, sharpness: float, factor: float = 1.0, substeps: int = 1) -> float:
        """Iterations in which the slowest mode of the idealized recursion at the minimum shrinks by a factor e."""
        bottom, alone = np.array([self.bottom / np.sqrt(sharpness)]), self.landscape(1, sharpness)
        dynamics = self.dynamics(optimizer, idealized=True, factor=factor)
        curvature, variance = alone.hessian_diagonal(bottom), self.variance(sharpness)(bottom)
        if dynamics.second_moment == "following":  # gradients arrive divided by the noise
            curvature = curvature / np.sqrt(variance)
        keep, force, _, step = (each[0] for each in dynamics.rule(variance).coefficients(substeps))
        pull = force * curvature[0]
        modes = np.linalg.eigvals(np.array([[1 - step * pull, -step * keep], [pull, keep]]))
        return float(-1 / (substeps * np.log(np.abs(modes).max())))


def sharpness_at(optimizer: str, barrier: float) -> float:
    """The k at which this optimizer has this barrier over temperature in the clean settings."""
    return float((HIGHEST / barrier) ** (1 / PREFACTOR_POWER[optimizer]))


def expected_iterations(
    setting: Setting, optimizer: str, sharpness: float, dimension: int, factor: float = 1.0
) -> float:
    """Rough mean iterations to exit: Kramers' formula with the numerical exponent, shared by all coordinates."""
    leaver = LEAVERS[optimizer]
    rate = factor * setting.lr[optimizer] * np.sqrt(np.prod(setting.curvatures(sharpness))) / leaver.friction
    if leaver.adaptive:
        ends = np.array([setting.bottom / np.sqrt(sharpness), setting.positions(sharpness)[1]])
        rate /= np.prod(setting.variance(sharpness)(ends)) ** 0.25
    exponent = setting.exponent(optimizer, sharpness, factor)
    with np.errstate(over="ignore"):
        return float(np.exp(exponent) * 2 * np.pi / rate / dimension)


def _clean(
    key: str,
    title: str,
    landscape: Callable[[int, float, float], Landscape],
    noise: NoiseModel,
    start: float,
    boundary: float,
) -> Setting:
    """A setting whose height makes exponent HIGHEST and learning rate times curvature STEP at k = 1."""
    bare = Setting(
        key=key,
        title=title,
        landscape=lambda d, k: landscape(d, k, 1.0),
        noise=noise,
        start=start,
        bottom=start,
        boundary=boundary,
        lr=dict.fromkeys(OPTIMIZERS, 1.0),
        sharpness=dict.fromkeys(OPTIMIZERS, TO_4) | {"Adam": TO_16},
        following=getattr(noise, "at", None) == "piecewise",
    )
    # the exponent is proportional to 1/lr whatever the height; Adam's to sqrt(height)/lr
    lr = bare.exponent("SGD", 1.0) / HIGHEST
    height = STEP / (lr * bare.curvatures(1.0)[0])
    adam = float(bare.exponent("Adam", 1.0) * np.sqrt(height) / HIGHEST)
    rates = {"SGD": lr, "Adai": lr, "Momentum": lr * LEAVERS["Momentum"].friction, "Adam": adam}
    return replace(bare, landscape=lambda d, k: landscape(d, k, height), lr=rates)


@lru_cache
def settings() -> dict[str, Setting]:
    """Every setting, by key: four clean ones, minibatches of data with a barrier, and the paper's recalled one."""

    def parabolas(d: int, k: float, height: float) -> Landscape:
        return DoubleParabola(0.5 * height, height * k, 4 * height * k, d)

    def tang(d: int, k: float, height: float) -> Landscape:
        return StyblinskiTang(d, k, height=height)

    saddle = DoubleParabola(0.5, 1.0, 4.0, 1).saddle
    _, crest, well = StyblinskiTang(1).critical_coordinates
    data = StyblinskiTang(1, data_variance=1.5)
    _, data_crest, data_well = data.critical_coordinates
    following, frozen = HessianNoise(1, "piecewise"), HessianNoise(1)
    all_settings = [
        _clean("parabolas-piecewise", "double parabola, piecewise Hessian noise", parabolas, following, 0.0, saddle),
        _clean("parabolas-frozen", "double parabola, noise of the minimum", parabolas, frozen, 0.0, saddle),
        _clean("tang-piecewise", "Styblinski-Tang, piecewise Hessian noise", tang, following, well, crest),
        _clean("tang-frozen", "Styblinski-Tang, noise of the minimum", tang, frozen, well, crest),
        Setting(
            "minibatch",
            "Styblinski-Tang, minibatches of data x ~ N(0, 1.5)",
            lambda d, k: StyblinskiTang(d, k, data_variance=1.5),
            MinibatchNoise(10),
            data_well,
            data_well,
            data_crest,
            {"SGD": 0.0152, "Momentum": 0.00152, "Adai": 0.0152, "Adam": 0.105},
            dict.fromkeys(OPTIMIZERS, TO_4) | {"Adam": TO_16},
            True,
            10,
        ),
        Setting(
            "recalled",
            "the paper's setting as recalled: data x ~ N(0, 4), one single well",
            lambda d, k: StyblinskiTang(d, k, data_variance=4.0),
            MinibatchNoise(10),
            -2.903534,
            float(StyblinskiTang(1, data_variance=4.0).critical_coordinates[0]),
            0.156731,
            {"SGD": 1e-3, "Momentum": 1e-4, "Adai": 1e-3, "Adam": 0.03},
            dict.fromkeys(OPTIMIZERS, (1.5, 2.0, 2.5, 3.0, 4.0)),
            True,
            10,
        ),
    ]
    return {setting.key: setting for setting in all_settings}


def paper_rate(setting: Setting, optimizer: str, sharpness: float, dimension: int, **more: Any) -> float:
    """Escape rate per iteration by Theorem 3, Proposition 2 or 4, for `dimension` independent exits; NaN for data.

    With the noise of the minimum everywhere its temperature holds all the way: s = 1. `more` are further arguments of
    the formula, such as beta1 = 0 for RMSprop.
    """
    if setting.has_data:
        return np.nan
    dynamics = setting.dynamics(optimizer, idealized=True)
    landscape = setting.landscape(dimension, sharpness)
    return stated_rate(dynamics, landscape, setting.noise, *setting.positions(sharpness), **more)


def stated_rate(
    dynamics: Dynamics, landscape: Landscape, noise: NoiseModel, start: float, saddle: float, **more: Any
) -> float:
    """Rate per iteration at which any coordinate leaves over its saddle, by Theorem 3, Proposition 2 or 4.

    Its noise is that of the Hessian; of any other the batch size is what gives the variance at the minimum.

    Raises
    ------
    ValueError
        If the paper states nothing of the optimizer, or there is no minimum and saddle.
    """
    places, dimension = np.array([[start], [saddle]]) * np.ones(landscape.dimension), landscape.dimension
    (bottom, top), (h_a, h_b) = landscape.losses(places)[:, 0], np.abs(landscape.hessian_diagonal(places)[:, 0])
    split = 1.0
    if getattr(noise, "at", None) == "piecewise":
        inflection = next(x for x in landscape.pieces().switches if (x - start) * (x - saddle) < 0)
        split = (landscape.losses(np.full(dimension, inflection))[0] - bottom) / (top - bottom)
    size = noise.batch_size if isinstance(noise, HessianNoise) else h_a / noise.variance_at(landscape, places)[0, 0]
    mean = (h_b + (dimension - 1) * h_a) / dimension
    known = {"barrier": top - bottom, "hessian_minimum": h_a, "hessian_saddle": h_b, "batch_size": size, "split": split}
    time = escape_time(dynamics, float(mean), clock="iteration", **known, **more)
    return float(dimension / time)


def exact_rate(setting: Setting, optimizer: str, sharpness: float, dimension: int = 1) -> dict[str, Any]:
    """Escape rate of the SDE per iteration, its error, and by which method; with inertia one coordinate only."""
    motion = setting.motion(setting.dynamics(optimizer, idealized=True), sharpness, dimension)
    passage = motion.passage(*setting.positions(sharpness), GRID_TOLERANCE)
    return {"rate": passage.rate, "error": passage.rate * passage.error, "method": passage.method}
