"""Styblinski-Tang: two wells in each coordinate, also as the mean loss of data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion import checks
from diffusion.landscapes.base import Formulas, Landscape, Pieces

Array = NDArray[np.float64]


# p = (root of the sharpness, coefficient of the parabola, height, height times the root of the sharpness)
def _quartic_loss(theta: Any, p: Any) -> Any:
    u = p[0] * theta
    return 0.5 * p[2] * u * (u * (u * u - p[1]) + 5.0)


def _quartic_gradient(theta: Any, p: Any) -> Any:
    u = p[0] * theta
    return p[3] * (u * (2.0 * u * u - p[1]) + 2.5)


def _quartic_curvature(theta: Any, p: Any) -> Any:
    u = p[0] * theta
    return p[0] * p[3] * (6.0 * u * u - p[1])


@dataclass(frozen=True)
class StyblinskiTang(Landscape):
    """``L = height sum_i (u_i^4 - 16 u_i^2 + 5 u_i)/2``, ``u = sqrt(sharpness) theta``: two wells in every coordinate.

    Parameters
    ----------
    dimension
        Number of coordinates.
    sharpness
        Scales every Hessian eigenvalue and leaves the barriers as they are.
    data_variance
        Variance v of the data: the loss of one sample is that of ``u - x`` with x ~ N(0, v) in every coordinate, and
        the expected loss has 16 - 6v in place of 16. It has a barrier for v below 1.936. The reference point is the
        local minimum, u = 2.746803 for v = 0; without a barrier, the only one.
    height
        Multiplies the loss, and with it barriers and Hessian.
    """

    dimension: int
    sharpness: float = 1.0
    data_variance: float = 0.0
    height: float = 1.0

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.whole("dimension", self.dimension)
        checks.positive("sharpness", self.sharpness)
        checks.positive("height", self.height)
        checks.not_negative("data_variance", self.data_variance)

    @property
    def _parabola(self) -> float:
        return 16.0 - 6.0 * self.data_variance

    @cached_property
    def critical_coordinates(self) -> Array:
        """Critical points along a coordinate, ascending, in theta: minimum, saddle, local minimum; or one minimum."""
        roots = np.roots([2.0, 0.0, -self._parabola, 2.5])
        real = np.sort(roots[np.abs(roots.imag) < 1e-9 * (1 + np.abs(roots.real))].real)
        for _ in range(3):  # to the last bit, as callers compare barriers
            real = real - (2 * real**3 - self._parabola * real + 2.5) / (6 * real**2 - self._parabola)
        return np.asarray(real / np.sqrt(self.sharpness))

    @property
    def reference(self) -> Array:
        """The local minimum in every coordinate, shape (d,)."""
        return np.full(self.dimension, self.critical_coordinates[-1])

    @cached_property
    def formulas(self) -> Formulas:
        """What the kernels need."""
        table = self._parameters(*self._coefficients)
        return Formulas(_quartic_loss, _quartic_gradient, _quartic_curvature, table)

    @property
    def _coefficients(self) -> tuple[float, ...]:
        root = float(np.sqrt(self.sharpness))
        return root, self._parabola, self.height, self.height * root

    def next_saddle(self) -> float:
        """The saddle between the minima."""
        points = self.critical_coordinates
        if len(points) == 1:
            raise ValueError(f"data_variance = {self.data_variance} leaves no saddle; keep it below 1.936")
        return float(points[1])

    def pieces(self) -> Pieces:
        """Curvature at the minimum, the saddle and the local minimum, changing at the inflections."""
        points = self.critical_coordinates
        if len(points) == 1:
            raise ValueError(
                f"at = 'piecewise' needs a saddle, and data_variance = {self.data_variance} has none; keep it below "
                "1.936"
            )
        inflection = float(np.sqrt(self._parabola / 6 / self.sharpness))
        curvatures = _quartic_curvature(points, self._coefficients)
        return Pieces((-inflection, inflection), tuple(curvatures.tolist()))
