"""Landscapes in several coordinates whose paths bend, widen or narrow: where exponents in one dimension fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics.elementary import exp
from diffusion.landscapes.base import Formulas, Landscape, Written

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CurvedValley(Written):
    """``L = (x^2 - 1)^2/4 + 4 (y - c (1 - x^2)^2)^2``: a valley bent from (-1, 0) over the saddle at (0, c) to (1, 0).

    Both Hessians are diagonal, (2, 8) at the minima and (-1, 8) at the saddle, whatever c is, and the barrier is 1/4.

    Parameters
    ----------
    c
        How far the valley bends; 0: it is straight.

    Raises
    ------
    ValueError
        If c is not a finite number.
    """

    c: float = 0.5

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.finite("c", self.c)

    @property
    def text(self) -> str:
        """The loss."""
        return "(x**2 - 1)**2/4 + 4*(y - c*(1 - x**2)**2)**2"

    @property
    def constants(self) -> dict[str, float]:
        """The bend."""
        return {"c": self.c}

    @property
    def reference(self) -> Array:
        """The minimum at (-1, 0)."""
        return np.array([-1.0, 0.0])


# table = (curvature across at the minima, logarithm of how many times larger it is at the saddle)
def _channel_width(along: Any, table: Any) -> Any:
    return table[0, 0] * exp(table[0, 1] * (1.0 - along * along))


def _channel_loss(x: Any, lane: Any, table: Any) -> Any:
    along, across = x[0, lane], 0.0
    for k in range(1, x.shape[0]):
        across += x[k, lane] * x[k, lane]
    return along * along * (0.25 * along * along - 0.5) + 0.5 * _channel_width(along, table) * across


def _channel_gradient(x: Any, j: Any, lane: Any, table: Any) -> Any:
    along, across = x[0, lane], 0.0
    width = _channel_width(along, table)
    if j > 0:
        return width * x[j, lane]
    for k in range(1, x.shape[0]):
        across += x[k, lane] * x[k, lane]
    return along * (along * along - 1.0) - table[0, 1] * along * width * across


@dataclass(frozen=True)
class Channel(Landscape):
    """A straight way over a pass, as wide as the curvature h across it lets it be.

    ``L = x^4/4 - x^2/2 + h(x) (y_1^2 + ... + y_n^2)/2``, ``h = h_a (h_b/h_a)^(1 - x^2)``, from h_a at the minima x = -1
    and 1 to h_b at the saddle x = 0; every Hessian on the way is diagonal. The Hessian along x is 2 at the minima and
    -1 at the saddle, and the barrier is 1/4.

    Parameters
    ----------
    minimum, saddle
        Curvatures h_a and h_b across the way.
    directions
        Number n of directions across it; the landscape has one coordinate more.

    Raises
    ------
    ValueError
        If a curvature is not above 0, or directions not a whole number from 1 up.
    """

    minimum: float
    saddle: float
    directions: int

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("minimum", self.minimum)
        checks.positive("saddle", self.saddle)
        checks.whole("directions", self.directions)

    @property
    def dimension(self) -> int:  # type: ignore[override]
        """Number of coordinates, one more than of directions across."""
        return self.directions + 1

    @property
    def reference(self) -> Array:
        """The minimum at x = -1."""
        return np.concatenate([[-1.0], np.zeros(self.directions)])

    @property
    def formulas(self) -> Formulas:
        """What the kernels need."""
        return Formulas(_channel_loss, _channel_gradient, None, self._table, coupled=True)

    @property
    def _table(self) -> Array:
        return np.array([[self.minimum, np.log(self.saddle / self.minimum)]])

    def _lanes(self, theta: ArrayLike) -> Array:
        """Positions of shape (..., d) as the formulas take them, shape (d, ...)."""
        return np.asarray(np.moveaxis(np.asarray(theta, np.float64), -1, 0))

    def loss(self, theta: ArrayLike) -> Array:
        """Loss at positions of shape (..., d)."""
        return np.asarray(_channel_loss(self._lanes(theta), ..., self._table))

    def gradient(self, theta: ArrayLike) -> Array:
        """Gradient at positions of shape (..., d)."""
        x = self._lanes(theta)
        return np.stack([_channel_gradient(x, j, ..., self._table) for j in range(self.dimension)], axis=-1)

    def hessian_matrix(self, theta: ArrayLike) -> Array:
        """The Hessian at one position, shape (d, d)."""
        here = np.asarray(theta, np.float64)
        along, across, table = here[0], here[1:], self._table
        width, growth = _channel_width(along, table), table[0, 1]
        matrix: Array = width * np.eye(self.dimension)
        bend = growth * (2.0 * growth * along * along - 1.0) * width * np.sum(across**2)
        matrix[0, 0] = 3.0 * along * along - 1.0 + bend
        matrix[0, 1:] = matrix[1:, 0] = -2.0 * growth * along * width * across
        return matrix

    def hessian_diagonal(self, theta: ArrayLike) -> Array:
        """Diagonal of the Hessian at positions of shape (..., d)."""
        positions = np.asarray(theta, np.float64)
        flat = [np.diag(self.hessian_matrix(each)) for each in positions.reshape(-1, self.dimension)]
        return np.reshape(flat, positions.shape)


_WELLS = (  # amplitude, exponents a, b, c, centre
    (-200, -1, 0, -10, 1, 0),
    (-100, -1, 0, -10, 0, 0.5),
    (-170, -6.5, 11, -6.5, -0.5, 1.5),
    (15, 0.7, 0.6, 0.7, -1, 1),
)


@dataclass(frozen=True)
class MuellerBrown(Written):
    """Three minima, two saddles in a plane, of four Gaussians (Müller and Brown, Theoretica Chimica Acta 53, 75, 1979).

    Minima at (-0.558224, 1.441726), (-0.050011, 0.466694) and (0.623499, 0.028038), where the loss is -146.700, -80.768
    and -108.167; saddles at (-0.822002, 0.624313) and (0.212487, 0.292988), where it is -40.665 and -72.249.
    """

    @property
    def text(self) -> str:
        """The loss."""
        return " + ".join(
            f"({height})*exp(({a})*(x-({x}))**2 + ({b})*(x-({x}))*(y-({y})) + ({c})*(y-({y}))**2)"
            for height, a, b, c, x, y in _WELLS
        )

    @property
    def reference(self) -> Array:
        """The deepest minimum."""
        return np.array([-0.5582236346330242, 1.4417258418046686])
