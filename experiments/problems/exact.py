"""What an optimizer does along one coordinate, and its exact escape rate.

It is computed by quadrature without inertia, on the phase-space grid with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import fokker_planck
from diffusion.dynamics import Dynamics
from diffusion.landscapes import Formulas, Landscape
from diffusion.noise import MinibatchNoise, Noise
from theory.first_passage import first_passage_time

Array = NDArray[np.float64]
QUADRATURE, GRID = "quadrature", "phase-space grid"  # methods


@dataclass
class Coordinate:
    """One coordinate of a landscape and its noise, all others being at the same position; functions of arrays."""

    landscape: Landscape
    noise: Noise

    def gradient(self, x: Any) -> Array:
        """L'."""
        return np.asarray(self.landscape.gradient(self._everywhere(x))[..., 0])

    def variance(self, x: Any) -> Array:
        """C, of one minibatch gradient."""
        return np.asarray(self.noise.variance_at(self.landscape, self._everywhere(x))[..., 0])

    def _everywhere(self, x: Any) -> Array:
        return np.asarray(x, float)[..., None] * np.ones(self.landscape.dimension)


class Normalized(Landscape):
    """One coordinate of a landscape whose gradient is divided by piecewise noise: what Adam sees when v = C follows it.

    Per iteration Adam obeys ``theta'' = -(1-beta1) theta' - (1-beta1) lr (L'/sqrt(C) + xi)``; the loss here is
    ``lr int L'/sqrt(C)``, which the noise, of diffusion coefficient lr^2/2 per iteration, climbs.
    """

    dimension = 1

    def __init__(self, landscape: Landscape, noise: Noise, lr: float) -> None:
        self._one, self._lr, self._variance = landscape, lr, Coordinate(landscape, noise).variance
        self._switches = np.asarray(landscape.pieces().switches)
        first, last, between = self._switches[:1], self._switches[-1:], np.diff(self._switches)
        inside = np.concatenate([first - 1, self._switches[:-1] + between / 2, last + 1])
        also = np.concatenate([first - 2, self._switches[:-1] + between / 4, last + 2])
        if np.any(self._variance(inside) != self._variance(also)):
            raise ValueError(f"{noise!r} varies between the joins of {landscape!r}; use piecewise Hessian noise")
        self._scales = np.asarray(1 / np.sqrt(self._variance(inside)))

    @property
    def formulas(self) -> Formulas:
        """None: it is solved on a grid, not simulated."""
        instead = "simulate Adam(..., second_moment='following') instead"
        raise ValueError(f"Normalized is for diffusion.fokker_planck; {instead}")

    @property
    def reference(self) -> Array:
        """The landscape's."""
        return self._one.reference

    def gradient(self, theta: ArrayLike) -> Array:
        """``lr L'/sqrt(C)``."""
        return self._seen(self._one.gradient(theta), theta)

    def loss(self, theta: ArrayLike) -> Array:
        """``lr int L'/sqrt(C)``: the loss over a constant in each piece, joined at the switches."""
        x = np.asarray(theta, float)[..., 0]
        value = self._one.loss(np.asarray(theta))
        joins = self._one.loss(self._switches[:, None])
        out = value * self._scales[0]
        for k, (switch, join) in enumerate(zip(self._switches, joins, strict=True)):
            out = np.where(x >= switch, out + (value - join) * (self._scales[k + 1] - self._scales[k]), out)
        return np.asarray(self._lr * out)

    def hessian_diagonal(self, theta: ArrayLike) -> Array:
        """``lr L''/sqrt(C)`` away from the switches."""
        return self._seen(self._one.hessian_diagonal(theta), theta)

    def _seen(self, derivative: Array, theta: ArrayLike) -> Array:
        return np.asarray(self._lr * derivative / np.sqrt(self._variance(np.asarray(theta, float)[..., 0]))[..., None])


@dataclass(frozen=True)
class Passage:
    """A mean first passage.

    Attributes
    ----------
    time, unit
        Its mean, and the dynamical time of an iteration.
    error
        Relative and numerical.
    method
        `QUADRATURE` or `GRID`.
    """

    time: float
    unit: float
    error: float
    method: str

    @property
    def iterations(self) -> float:
        """The mean in iterations."""
        return self.time / self.unit

    @property
    def rate(self) -> float:
        """One over the mean, per iteration."""
        return self.unit / self.time


class Motion(Coordinate):
    """What an idealized optimizer does along one coordinate: its SDE, and a step of its rule.

    Where its second moment follows the noise it is as if the gradient were divided by the noise's standard deviation.

    Raises
    ------
    ValueError
        If the second moment is a running one, or coordinates are coupled.
    """

    def __init__(self, dynamics: Dynamics, landscape: Landscape, noise: Noise) -> None:
        super().__init__(landscape, noise)
        if dynamics.running is not None or landscape.formulas.coupled:
            unknown = f"no exact rate is known of {dynamics!r} on {type(landscape).__name__}"
            raise ValueError(f"{unknown}: it needs an idealized rule and a separable loss")
        rule = dynamics.rule(noise.variance_along(landscape))
        self.follows, self.name = dynamics.second_moment == "following", repr(dynamics)
        self.lr, self.inertia = float(rule.learning_rate[0]), float(rule.inertia.max())
        self.mass, self.damping = float(rule.mass[0]), float(rule.damping[0])
        self.friction = (1 - self.inertia) / float(rule.gradient_weight[0])  # gamma M, without rounding

    def pull(self, x: Any) -> Array:
        """What moves it: L', or L'/sqrt(C) where the second moment follows."""
        return self.gradient(x) / np.sqrt(self.variance(x)) if self.follows else self.gradient(x)

    def deviation(self, x: Any) -> Array:
        """Standard deviation of the noise of what moves it."""
        return 1.0 + 0.0 * np.asarray(x, float) if self.follows else np.sqrt(self.variance(x))

    def diffusion(self, x: Any) -> Array:
        """D, half the learning rate times the variance of that noise."""
        return self.lr / 2 * (self.deviation(x) if self.follows else self.variance(x))

    def temperature(self, x: float) -> float:
        """D/(gamma M) in units of the loss: where the second moment follows, of int L'/sqrt(C) but times sqrt(C)."""
        variance = float(self.variance(np.array([x]))[0])
        return self.lr / self.friction / 2 * (np.sqrt(variance) if self.follows else variance)

    @property
    def breaks(self) -> list[float]:
        """Where noise or gradient may have a kink, if the landscape tells."""
        if isinstance(self.noise, MinibatchNoise):
            return []
        try:
            return list(self.landscape.pieces().switches)
        except ValueError:
            return []

    def passage(self, start: float, boundary: float, tolerance: float = 1e-3) -> Passage:
        """The mean first passage of the SDE, with inertia of one coordinate only, started with a thermal velocity.

        Start and boundary are those of every coordinate; `tolerance` is the relative one of the phase-space grid.

        Raises
        ------
        ValueError
            If with inertia there are several coordinates, or a second moment follows noise that varies within a piece;
            or the grid cannot reach the tolerance.
        """
        where: dict[str, Any] = {"start": start, "boundary": boundary, "breaks": self.breaks}
        dimension = self.landscape.dimension
        if not self.inertia:
            time = first_passage_time(self.pull, self.diffusion, dimension=dimension, **where)
            return Passage(time, self.lr, 1e-6, QUADRATURE)
        if dimension > 1:
            unknown = f"no exact rate is known of {self.name} in {dimension} coordinates"
            raise ValueError(f"{unknown}; use dimension = 1, or a rare_escape_rate")
        well, unit, mass, damping = self.landscape, self.lr, self.mass, self.damping
        diffusion: Any = self.diffusion
        if self.follows:
            well, unit, diffusion = Normalized(well, self.noise, self.lr), 1.0, self.lr**2 / 2
            mass, damping = 1 / (1 - self.inertia), 1 - self.inertia
        where |= {"mass": mass, "damping": damping, "tolerance": tolerance}
        grid = fokker_planck.mean_first_passage_time(well, diffusion=diffusion, **where)
        return Passage(float(grid["mfpt"]), unit, float(grid["mfpt_error"] / grid["mfpt"]), GRID)


def exact_rate(
    dynamics: Dynamics, landscape: Landscape, noise: Noise, *, start: float, boundary: float, tolerance: float = 1e-3
) -> tuple[float, float]:
    """Escape rate of the SDE per iteration, one over the mean first-passage time, and its numerical error.

    Arguments and refusals are those of `Motion` and `Motion.passage`.
    """
    passage = Motion(dynamics, landscape, noise).passage(start, boundary, tolerance)
    return passage.rate, passage.rate * passage.error
