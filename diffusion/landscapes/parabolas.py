"""Wells made of parabolas, whose Hessians and barriers are what one asks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion import checks
from diffusion.landscapes.base import Formulas, Landscape, Pieces

Array = NDArray[np.float64]


# p = (where the parabolas join, curvature of the first, magnitude of the second's)
def _parabolas_loss(theta: Any, p: Any) -> Any:
    inside, beyond = np.minimum(theta, p[0]), np.maximum(theta - p[0], 0.0)
    return 0.5 * p[1] * inside * inside + p[1] * p[0] * beyond - 0.5 * p[2] * beyond * beyond


def _parabolas_gradient(theta: Any, p: Any) -> Any:
    return p[1] * np.minimum(theta, p[0]) - p[2] * np.maximum(theta - p[0], 0.0)


def _parabolas_curvature(theta: Any, p: Any) -> Any:
    return p[1] - (p[1] + p[2]) * (theta >= p[0])


@dataclass(frozen=True)
class DoubleParabola(Landscape):
    """A well and a barrier, each a parabola, joined with a continuous slope, in every coordinate.

    ``L = H_a x^2/2`` up to the join, then ``barrier - H_b (x - x_b)^2/2``, falling for ever beyond the saddle x_b.

    Parameters
    ----------
    barrier
        Height of the saddle above the minimum at the origin.
    hessian_minimum
        Curvature H_a at the minimum.
    hessian_saddle
        Magnitude H_b of the negative curvature at the saddle.
    dimension
        Number of coordinates.
    """

    barrier: float
    hessian_minimum: float
    hessian_saddle: float
    dimension: int

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("barrier", self.barrier)
        checks.positive("hessian_minimum", self.hessian_minimum)
        checks.positive("hessian_saddle", self.hessian_saddle)
        checks.whole("dimension", self.dimension)

    @property
    def join(self) -> float:
        """Where the parabolas meet."""
        a, b = self.hessian_minimum, self.hessian_saddle
        return float(np.sqrt(2 * self.barrier / (a + a * a / b)))

    @property
    def saddle(self) -> float:
        """The saddle x_b."""
        return self.join * (1 + self.hessian_minimum / self.hessian_saddle)

    @property
    def reference(self) -> Array:
        """The minimum, shape (d,)."""
        return np.zeros(self.dimension)

    @cached_property
    def formulas(self) -> Formulas:
        """What the kernels need."""
        table = self._parameters(self.join, self.hessian_minimum, self.hessian_saddle)
        return Formulas(_parabolas_loss, _parabolas_gradient, _parabolas_curvature, table)

    def next_saddle(self) -> float:
        """The saddle x_b."""
        return self.saddle

    def pieces(self) -> Pieces:
        """H_a in the well and -H_b beyond the join."""
        return Pieces((self.join,), (self.hessian_minimum, -self.hessian_saddle))


# p = (where the first parabola ends, where the last begins, curvature of the first, magnitude of the second's,
# curvature of the last)
def _valleys_loss(theta: Any, p: Any) -> Any:
    inside, above = np.minimum(theta, p[0]), np.minimum(np.maximum(theta - p[0], 0.0), p[1] - p[0])
    beyond, slope = np.maximum(theta - p[1], 0.0), p[2] * p[0]
    climb = 0.5 * p[2] * inside * inside + (slope - 0.5 * p[3] * above) * above
    return climb + (slope - p[3] * (p[1] - p[0]) + 0.5 * p[4] * beyond) * beyond


def _valleys_gradient(theta: Any, p: Any) -> Any:
    above = np.minimum(np.maximum(theta - p[0], 0.0), p[1] - p[0])
    return p[2] * np.minimum(theta, p[0]) - p[3] * above + p[4] * np.maximum(theta - p[1], 0.0)


def _valleys_curvature(theta: Any, p: Any) -> Any:
    return p[2] - (p[2] + p[3]) * (theta >= p[0]) + (p[3] + p[4]) * (theta >= p[1])


@dataclass(frozen=True)
class TripleParabola(Landscape):
    """Two valleys with a barrier between them, three parabolas joined with continuous slopes, in every coordinate.

    ``L = H_a x^2/2`` up to the first join, then ``barrier - H_b (x - x_b)^2/2`` over the saddle x_b, and from the
    second join on a parabola of curvature H_c around the minimum x_c above it: a sharp and a flat valley, as in the
    paper's Figure 9.

    Parameters
    ----------
    barriers
        Height of the saddle above the minimum a, at the origin, and above the minimum c.
    hessian_minima
        Curvatures H_a and H_c at the minima.
    hessian_saddle
        Magnitude H_b of the negative curvature at the saddle.
    dimension
        Number of coordinates.

    Raises
    ------
    ValueError
        If a number is not above 0, or there are not two barriers and two minima.
    """

    barriers: tuple[float, float]
    hessian_minima: tuple[float, float]
    hessian_saddle: float
    dimension: int

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        for name in ("barriers", "hessian_minima"):
            pair = checks.numbers(name, getattr(self, name))
            if len(pair) != 2 or min(pair) <= 0:
                raise ValueError(f"{name} = {getattr(self, name)!r} must be two numbers above 0, of a and of c")
            object.__setattr__(self, name, pair)
        assert self._sides  # it refuses the saddle's curvature and the dimension as `DoubleParabola` does

    @cached_property
    def _sides(self) -> tuple[DoubleParabola, DoubleParabola]:
        """Both ways up to the saddle, each from its own minimum."""
        first, second = (
            DoubleParabola(barrier, h, self.hessian_saddle, self.dimension)
            for barrier, h in zip(self.barriers, self.hessian_minima, strict=True)
        )
        return first, second

    @property
    def saddle(self) -> float:
        """The saddle x_b."""
        return self._sides[0].saddle

    @property
    def minima(self) -> tuple[float, float]:
        """The minima: a, the origin, and x_c."""
        return 0.0, self.saddle + self._sides[1].saddle

    @property
    def reference(self) -> Array:
        """The minimum a, shape (d,)."""
        return np.zeros(self.dimension)

    @cached_property
    def formulas(self) -> Formulas:
        """What the kernels need."""
        h_a, h_c = self.hessian_minima
        table = self._parameters(*self.pieces().switches, h_a, self.hessian_saddle, h_c)
        return Formulas(_valleys_loss, _valleys_gradient, _valleys_curvature, table)

    def next_saddle(self) -> float:
        """The saddle x_b."""
        return self.saddle

    def pieces(self) -> Pieces:
        """H_a in the first valley, -H_b between the joins, H_c in the second valley."""
        return self._pieces

    @cached_property
    def _pieces(self) -> Pieces:
        h_a, h_c = self.hessian_minima
        first, second = self._sides
        return Pieces((first.join, self.minima[1] - second.join), (h_a, -self.hessian_saddle, h_c))
