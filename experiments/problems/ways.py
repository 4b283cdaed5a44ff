"""Ways over saddles that join a well of a coupled landscape to others: what the paper says of them, and what they cost.

Theorem 3 is taken at its word: it goes by the barrier and by the curvatures in the direction in which the loss falls from the
saddle, at both ends. What is exact as noise vanishes is the least action of a path, and transport along it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import theory
from diffusion import Adam, HalfSpace, OverdampedMotion, RMSprop
from diffusion.dynamics import Dynamics
from diffusion.edges import NO_PART, edge_of
from diffusion.landscapes import Landscape
from diffusion.noise import HessianNoise, NoiseModel
from experiments.problems.optimizers import escape_time

Array = NDArray[np.float64]
NEAR = 1e-6  # of the distance to a saddle, by which a start may be off the minimum
FAR = 0.75  # of the way from a saddle to the minimum beyond: where an exit is put
FINAL = 2.0  # temperatures that paths fall from the saddle to an exit, at most 2.3 % of which return


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

    @cached_property
    def split(self) -> float:
        """Share of the barrier that is climbed with the minimum's noise: up to the inflection of the straight line, if it changes."""
        if getattr(self.noise, "at", None) != "piecewise":
            return 1.0
        shares = np.linspace(0, 1, 2001)
        line = self.minimum + shares[:, None] * (self.saddle - self.minimum)
        home = self._nearer(line) < 0
        return float(self.landscape.loss(line[np.count_nonzero(home) - 1]) - self.landscape.loss(self.minimum)) / self.barrier

    @cached_property
    def _known(self) -> dict[str, Any]:
        """Arguments of the formulas; noise that is not the Hessian's has the batch size that gives its variance at the minimum."""
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
    def motion(self) -> OverdampedMotion:
        """Drift and diffusion; refused with inertia."""
        return OverdampedMotion(self.dynamics, self.landscape, self.noise)

    @cached_property
    def least(self) -> theory.LeastAction:
        """The likeliest path to the saddle, and its action."""
        jump = self._nearer if getattr(self.noise, "at", None) == "piecewise" else None
        return theory.least_action(self.motion.drift, self.motion.diffusion, start=self.minimum, end=self.saddle, jump=jump)

    def limit(self) -> float:
        """Mean iterations to arrive beyond as noise vanishes, by transport along the path."""
        prefactor = theory.escape_prefactor(self.motion.drift, self.motion.diffusion, self.least)
        with np.errstate(over="ignore"):
            return float(prefactor * np.exp(self.least.action) / self.motion.lr)

    def final(self, boundary: Any) -> bool:
        """Whether an arrival at a boundary is final: nearly no path returns from there over the saddle."""
        edge = edge_of(boundary, self.landscape, self.minimum)
        spread = self.motion.diffusion
        noise = spread(self.saddle[None])[0] if callable(spread) else spread
        growth = float(self.direction @ self.motion.drift((self.saddle + NEAR * self.direction)[None])[0]) / NEAR
        reach = np.sqrt(2 * FINAL * float(self.direction @ noise @ self.direction) / growth)
        ahead = self.saddle + np.linspace(0, reach, 33)[:, None] * self.direction
        return bool(np.all(edge.crossed(self.landscape, ahead)[0] == NO_PART))

    def _nearer(self, x: Array) -> Array:
        """Below 0 in the minimum's region of piecewise noise, above 0 in others, at positions (n, d)."""
        centres, weights = self.landscape.regions
        far = np.sum((x[:, None, :] - centres) ** 2, axis=-1) - weights
        home = int(np.argmin(np.sum((centres - self.minimum) ** 2, axis=1)))
        return np.asarray(far[:, home] - np.delete(far, home, axis=1).min(axis=1))


def ways_out(
    dynamics: Dynamics, landscape: Landscape, noise: NoiseModel, leads: Callable[[Array], bool] | None = None
) -> tuple[Way, ...]:
    """Over the saddles that join the well to minima from which a condition holds, or to none that is known.

    Raises
    ------
    ValueError
        If there are none.
    """
    points = landscape.surroundings
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
            f"boundary = None: {landscape!r} is left over the saddles at {places}; say by boundary= what counts as left, as HalfSpace or Box"
        )
    return HalfSpace(way.direction.tolist(), float(way.direction @ way.saddle) + FAR * ahead)
