"""Ways over saddles that join a well of a coupled landscape to others: what the paper says of them, and what they cost.

Theorem 3 is taken at its word: it goes by the barrier and by the curvatures, at both ends, in the direction in which
the loss falls from the saddle. What is exact as noise vanishes is the least action of a path, and transport along it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import theory
from diffusion import SGD, Adam, HalfSpace, OverdampedMotion, Padam, RMSprop
from diffusion.dynamics import Dynamics
from diffusion.edges import NO_PART, edge_of
from diffusion.landscapes import Landscape
from diffusion.noise import HessianNoise, NoiseModel
from experiments.problems.optimizers import escape_time

Array = NDArray[np.float64]
NEAR = 1e-6  # of the distance to a saddle, by which a start may be off the minimum
FAR = 0.75  # of the way from a saddle to the minimum beyond: where an exit is put
FINAL = 2.0  # temperatures that paths fall from the saddle to an exit, at most 2.3 % of which return


@dataclass(frozen=True)
class _Motion:
    """Drift, diffusion, the time of an iteration, how many coordinates are velocities, and gamma M along the way."""

    drift: Callable[[Array], Array]
    diffusion: Array | Callable[[Array], Array]
    lr: float
    velocities: int
    friction: float

    @classmethod
    def of(cls, motion: OverdampedMotion) -> _Motion:
        """Without inertia."""
        return cls(motion.drift, motion.diffusion, motion.lr, 0, 1.0)


@dataclass(frozen=True, eq=False)
class Way:
    """A saddle next to the well of the reference point.

    Attributes
    ----------
    dynamics, landscape, noise
        The optimizer, idealized, and its problem.
    saddle
        Its position (d,).
    other
        The minimum on its other side (d,); NaN where none is known.
    """

    dynamics: Dynamics
    landscape: Landscape
    noise: NoiseModel
    saddle: Array
    other: Array

    @cached_property
    def minimum(self) -> Array:
        """The well's (d,)."""
        return np.asarray(self.landscape.reference)

    @cached_property
    def direction(self) -> Array:
        """In which the loss falls from the saddle, outwards: a unit vector (d,)."""
        falls = np.linalg.eigh(self.landscape.hessian_matrix(self.saddle))[1][:, 0]
        ahead = np.where(np.isfinite(self.other), self.other, self.saddle) - self.minimum
        return np.asarray(falls * (1.0 if falls @ ahead > 0 else -1.0))

    @cached_property
    def barrier(self) -> float:
        """The saddle's loss over the minimum's."""
        return float(self.landscape.loss(self.saddle) - self.landscape.loss(self.minimum))

    @cached_property
    def curvatures(self) -> tuple[float, float]:
        """In that direction at the minimum, and its magnitude at the saddle."""
        at = (self.landscape.hessian_matrix(place) for place in (self.minimum, self.saddle))
        h_a, h_b = (float(self.direction @ hessian @ self.direction) for hessian in at)
        return h_a, abs(h_b)

    @property
    def _jumps(self) -> bool:
        """Whether the noise is that of the nearest critical point."""
        return getattr(self.noise, "at", None) == "piecewise"

    @cached_property
    def split(self) -> float:
        """Share of the barrier climbed with the minimum's noise, up to the straight line's inflection if it jumps."""
        if not self._jumps:
            return 1.0
        shares = np.linspace(0, 1, 2001)
        line = self.minimum + shares[:, None] * (self.saddle - self.minimum)
        home = self._nearer(line) < 0
        return (
            float(self.landscape.loss(line[np.count_nonzero(home) - 1]) - self.landscape.loss(self.minimum))
            / self.barrier
        )

    @cached_property
    def _known(self) -> dict[str, Any]:
        """Arguments of the formulas; other noise than the Hessian's has the batch size of its variance there."""
        h_a, h_b = self.curvatures
        root = self.direction @ self.noise.roots(self.landscape, self.minimum)
        size = self.noise.batch_size if isinstance(self.noise, HessianNoise) else h_a / float(root @ root)
        known = {"barrier": self.barrier, "hessian_minimum": h_a, "hessian_saddle": h_b, "split": self.split}
        return known | {"batch_size": size}

    @property
    def stated(self) -> float:
        """Mean iterations by Theorem 3, Proposition 2 or 4."""
        mean = float(np.abs(np.linalg.eigvalsh(self.landscape.hessian_matrix(self.saddle))).mean())
        return float(escape_time(self.dynamics, mean, clock="iteration", **self._known))

    @property
    def exponent(self) -> float:
        """The formula's."""
        friction = float(self.dynamics.rule(self.noise.variance_along(self.landscape)).friction[0])
        power = 0.5 if isinstance(self.dynamics, Adam | RMSprop) else 0.0
        more: dict[str, Any] = {"lr": getattr(self.dynamics, "lr", np.nan), "friction": friction, "power": power}
        return float(theory.escape_exponent(**self._known, **more))

    @cached_property
    def _motion(self) -> _Motion:
        """What moves along it; with inertia in positions and velocities."""
        rule = self.dynamics.rule(self.noise.variance_along(self.landscape))
        if not rule.inertia.any():
            return _Motion.of(OverdampedMotion(self.dynamics, self.landscape, self.noise))
        if not rule.inertia.all() or np.ptp(rule.learning_rate) > 0:
            raise ValueError(f"{self.dynamics!r} has no inertia in some directions, or another time in each")
        bare, basis = self._bare(float(rule.learning_rate[0])), self.landscape.basis
        light, drag = (basis * values @ basis.T for values in (1 / rule.mass, rule.friction))
        d = len(drag)

        def drift(z: Array) -> Array:
            return np.concatenate([z[:, d:], (bare.drift(z[:, :d]) - z[:, d:] @ drag) @ light], axis=1)

        def diffusion(z: Array) -> Array:
            spread = np.zeros((len(z), 2 * d, 2 * d))
            spread[:, d:, d:] = light @ _at(bare.diffusion, z[:, :d]) @ light
            return spread

        same = diffusion(np.zeros((1, 2 * d)))[0] if not callable(bare.diffusion) else diffusion
        return _Motion(drift, same, bare.lr, d, float(self.direction @ drag @ self.direction))

    @cached_property
    def least(self) -> theory.LeastAction:
        """The likeliest path to the saddle, and its action; with inertia in positions and velocities."""
        motion, d = self._motion, len(self.minimum)
        jump = (lambda z: self._nearer(z[:, :d])) if self._jumps else None
        ends = (np.concatenate([place, np.zeros(motion.velocities)]) for place in (self.minimum, self.saddle))
        start, end = ends
        return theory.least_action(motion.drift, motion.diffusion, start=start, end=end, jump=jump)

    @property
    def path(self) -> Array:
        """Its positions (m, d)."""
        return self.least.path[:, : len(self.minimum)]

    def limit(self) -> float:
        """Mean iterations to arrive beyond as noise vanishes, by transport along the path.

        Raises
        ------
        ValueError
            Where noise jumps on the way, with the action, which is known; or as for `theory.escape_prefactor`.
        """
        if self._jumps:
            raise ValueError(
                f"noise jumps on the way: the exponent is known, {self.least.action:.4g}, and no prefactor"
            )
        motion = self._motion
        with np.errstate(over="ignore"):
            scale = float(np.exp(self.least.action)) / motion.lr
        return theory.escape_prefactor(motion.drift, motion.diffusion, self.least) * scale

    def before(self, boundary: Any) -> bool:
        """Whether a boundary is crossed before the saddle."""
        edge = edge_of(boundary, self.landscape, self.minimum)
        near = self.saddle + NEAR * (self.minimum - self.saddle)
        return bool(edge.crossed(self.landscape, near[None])[0][0] != NO_PART)

    def final(self, boundary: Any) -> bool:
        """Whether an arrival at a boundary is final: nearly no path returns from there over the saddle."""
        edge = edge_of(boundary, self.landscape, self.minimum)
        bare = self._bare(self._motion.lr)
        noise = self.direction @ _at(bare.diffusion, self.saddle[None])[0] @ self.direction / self._motion.friction
        falling = bare.drift(self.saddle + NEAR * self.direction[None])[0] @ self.direction / NEAR
        reach = np.sqrt(2 * FINAL * noise / falling)
        ahead = self.saddle + np.linspace(0, reach, 33)[:, None] * self.direction
        return bool(np.all(edge.crossed(self.landscape, ahead)[0] == NO_PART))

    def _bare(self, lr: float) -> OverdampedMotion:
        """What gradients do without inertia: as they are, or divided as by a second moment that follows the noise."""
        power = self.dynamics.follows
        rule = Padam(lr, beta1=0.0, partial=power, second_moment="following") if power else SGD(lr)
        return OverdampedMotion(rule, self.landscape, self.noise)

    def _nearer(self, x: Array) -> Array:
        """Below 0 in the minimum's region of piecewise noise, above 0 in others, at positions (n, d)."""
        centres, weights = self.landscape.regions
        far = np.sum((x[:, None, :] - centres) ** 2, axis=-1) - weights
        home = int(np.argmin(np.sum((centres - self.minimum) ** 2, axis=1)))
        return np.asarray(far[:, home] - np.delete(far, home, axis=1).min(axis=1))


def _at(diffusion: Array | Callable[[Array], Array], x: Array) -> Array:
    """D at positions (n, d)."""
    return diffusion(x) if callable(diffusion) else np.broadcast_to(diffusion, (len(x), *diffusion.shape))


def ways_out(
    dynamics: Dynamics, landscape: Landscape, noise: NoiseModel, leads: Callable[[Array], bool] | None = None
) -> tuple[Way, ...]:
    """Over the saddles that join the well to minima from which a condition holds, or to none that is known.

    Raises
    ------
    ValueError
        If there are none.
    """
    try:
        points = landscape.surroundings
    except ValueError as error:
        raise ValueError(
            f"no saddle is found next to the minimum at {landscape.reference.tolist()} of {landscape!r}; give a "
            "boundary, or the minimum as reference"
        ) from error
    position, joins = points["position"].values, points["joins"].values
    home = int(np.argmin(np.sum((position - landscape.reference) ** 2, axis=1)))
    found = []
    for saddle in np.flatnonzero(np.any(joins == home, axis=1)):
        others = [k for k in joins[saddle] if k != home]
        other = position[others[0]] if others and others[0] >= 0 else np.full(landscape.dimension, np.nan)
        if others and (leads is None or others[0] < 0 or leads(other)):
            found.append(Way(dynamics, landscape, noise, position[saddle], other))
    if not found:
        raise ValueError(f"no saddle next to the minimum at {landscape.reference.tolist()} leads there")
    return tuple(found)


def beyond(landscape: Landscape, ways: tuple[Way, ...]) -> HalfSpace:
    """Most of the way from the only saddle to the minimum beyond, across the direction in which the loss falls.

    Raises
    ------
    ValueError
        If there are several saddles, or what lies beyond is not known or not ahead.
    """
    (way, *more) = ways
    ahead = float(way.direction @ (way.other - way.saddle))
    if more or not ahead > 0:
        places = ", ".join(str(way.saddle.round(4).tolist()) for way in ways)
        raise ValueError(
            f"boundary = None: {landscape!r} is left over the saddles at {places}; say by boundary= what counts "
            "as left, as HalfSpace or Box"
        )
    return HalfSpace(way.direction.tolist(), float(way.direction @ way.saddle) + FAR * ahead)
