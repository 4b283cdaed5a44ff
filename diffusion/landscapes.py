"""Loss landscapes: the quadratic of the theorems, two wells with a barrier, and a user's own.

A formula is a scalar function of a coordinate and that coordinate's parameters, a tuple. It is written with arithmetic alone,
so that it runs on NumPy arrays here and, compiled, in the kernels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.directions import directions

Array = NDArray[np.float64]
PARAMETERS = 5  # of a built-in formula, in each coordinate


@dataclass(frozen=True)
class Formulas:
    """What the kernels need of a landscape.

    Attributes
    ----------
    loss, gradient, curvature
        Functions of (theta, p), p one coordinate's parameters; of a coupled landscape, loss(X, lane, table) and
        gradient(X, j, lane, table) for X of shape (d, lanes), and no curvature.
    parameters
        Shape (PARAMETERS or more, d); of a coupled landscape any table.
    coupled
        Whether the gradient in one coordinate depends on others.
    """

    loss: Callable[..., Any]
    gradient: Callable[..., Any]
    curvature: Callable[..., Any] | None
    parameters: Array
    coupled: bool = False


@dataclass(frozen=True)
class Pieces:
    """Curvature as the theory sees it along a coordinate: constant around each critical point, changing at inflections."""

    switches: tuple[float, ...]
    curvatures: tuple[float, ...]


@dataclass(frozen=True)
class Valley:
    """What the theory asks of a minimum and its exit along one coordinate, as `theory.momentum_escape_time` does.

    Attributes
    ----------
    minimum, switch, saddle
        Positions: the minimum, where the curvature changes its sign, and the saddle.
    barrier
        Loss at the saddle less that at the minimum, Delta L.
    hessian_minimum, hessian_saddle
        Magnitudes H_a and H_b of the curvatures there.
    split
        Share s of the barrier below the switch, where the theory's noise is that of the minimum.
    """

    minimum: float
    switch: float
    saddle: float
    barrier: float
    hessian_minimum: float
    hessian_saddle: float
    split: float

    @property
    def terms(self) -> dict[str, float]:
        """Barrier, curvatures and split, by the names of the theory's arguments."""
        names = ("barrier", "hessian_minimum", "hessian_saddle", "split")
        return {name: getattr(self, name) for name in names}


class Landscape(ABC):
    """A loss and its derivatives; positions have shape (..., d), in coordinates."""

    dimension: int

    @property
    @abstractmethod
    def formulas(self) -> Formulas:
        """What the kernels need."""

    @property
    @abstractmethod
    def reference(self) -> Array:
        """The critical point where a run starts unless told otherwise, shape (d,)."""

    @property
    def basis(self) -> Array:
        """Directions in which results are given, as columns, shape (d, d): eigenvectors at the reference point.

        Where coordinates are independent, and where that Hessian is diagonal, these are the coordinate axes.
        """
        return self._directions[1] if self.formulas.coupled else np.eye(self.dimension)

    @property
    def hessian(self) -> Array:
        """Eigenvalues at the reference point along the directions in which results are given, shape (d,)."""
        return self._directions[0] if self.formulas.coupled else self.hessian_diagonal(self.reference)

    @cached_property
    def _directions(self) -> tuple[Array, Array]:
        return directions(self.hessian_matrix(self.reference))

    def loss(self, theta: ArrayLike) -> Array:
        """Loss."""
        return np.asarray(np.sum(self.losses(theta), axis=-1))

    def losses(self, theta: ArrayLike) -> Array:
        """Each coordinate's part of the loss, where coordinates are independent."""
        formulas = self.formulas
        return np.asarray(formulas.loss(np.asarray(theta, np.float64), tuple(formulas.parameters)))

    def gradient(self, theta: ArrayLike) -> Array:
        """Gradient, in coordinates."""
        formulas = self.formulas
        return np.asarray(formulas.gradient(np.asarray(theta, np.float64), tuple(formulas.parameters)))

    def hessian_diagonal(self, theta: ArrayLike) -> Array:
        """Diagonal of the Hessian, in coordinates."""
        formulas = self.formulas
        assert formulas.curvature is not None
        return np.asarray(formulas.curvature(np.asarray(theta, np.float64), tuple(formulas.parameters)))

    def hessian_matrix(self, theta: ArrayLike) -> Array:
        """The Hessian at one position, shape (d, d)."""
        return np.diag(self.hessian_diagonal(theta))

    @property
    def network(self) -> Any:
        """The `TorchLandscape` that it stands for, whose samples can be drawn.

        Raises
        ------
        ValueError
            If it stands for none.
        """
        raise ValueError(f"{self!r} has no samples to draw; use a TorchLandscape")

    def pieces(self) -> Pieces:
        """Curvature around each critical point, for piecewise noise.

        Raises
        ------
        ValueError
            If the landscape has no saddle next to its minimum.
        """
        raise ValueError(
            f"at = 'piecewise' needs a minimum and a saddle, and {type(self).__name__} does not tell them; use 'reference'"
        )

    @property
    def switches(self) -> tuple[float, ...]:
        """Where `pieces` changes its curvature; none, if the landscape has none."""
        try:
            return self.pieces().switches
        except ValueError:
            return ()

    def next_saddle(self) -> float:
        """The saddle next to the reference point along a coordinate, in theta units.

        Raises
        ------
        ValueError
            If there is none.
        """
        raise ValueError(f"{type(self).__name__} tells no saddle next to its minimum along a coordinate")

    @property
    def valley(self) -> Valley:
        """The minimum at the reference point and the exit next to it, along the first coordinate.

        Raises
        ------
        ValueError
            If the landscape tells no saddle.
        """
        pieces, saddle, minimum = self.pieces(), self.next_saddle(), float(self.reference[0])
        switch = next(x for x in pieces.switches if (x - minimum) * (x - saddle) < 0)
        here, join, top = (float(self.losses(np.full(self.dimension, x))[0]) for x in (minimum, switch, saddle))
        h_a, h_b = (abs(float(self.hessian_diagonal(np.full(self.dimension, x))[0])) for x in (minimum, saddle))
        return Valley(minimum, switch, saddle, top - here, h_a, h_b, (join - here) / (top - here))

    @property
    def split(self) -> float:
        """Share s of the barrier that is climbed before the inflection, L(inflection) - L(a) over L(b) - L(a)."""
        return self.valley.split

    def _parameters(self, *values: float | Array) -> Array:
        table = np.zeros((max(PARAMETERS, len(values)), self.dimension))
        for k, value in enumerate(values):
            table[k] = value
        return table


def _quadratic_loss(theta: Any, p: Any) -> Any:
    return 0.5 * p[0] * theta * theta


def _quadratic_gradient(theta: Any, p: Any) -> Any:
    return p[0] * theta


def _quadratic_curvature(theta: Any, p: Any) -> Any:
    return p[0] + 0.0 * theta


def _matrix_loss(x: Any, lane: Any, table: Any) -> Any:
    total = 0.0
    for j in range(table.shape[0]):
        for k in range(table.shape[0]):
            total += 0.5 * x[j, lane] * table[j, k] * x[k, lane]
    return total


def _matrix_gradient(x: Any, j: Any, lane: Any, table: Any) -> Any:
    total = 0.0
    for k in range(table.shape[0]):
        total += table[j, k] * x[k, lane]
    return total


@dataclass(frozen=True, eq=False)
class QuadraticSaddle(Landscape):
    """The loss around a critical point at the origin (Assumption 1): ``L = theta^T H theta / 2``.

    Parameters
    ----------
    eigenvalues
        Eigenvalues of the Hessian, of any sign.
    rotation
        Orthogonal (d, d) matrix whose columns are the eigenvectors, in the order of the eigenvalues. None: the
        eigenvectors are the coordinate axes. The theorems live in the eigenbasis, optimizers in coordinates.

    Raises
    ------
    ValueError
        If eigenvalues is empty or not finite, or rotation is not an orthogonal (d, d) matrix.
    """

    eigenvalues: ArrayLike
    rotation: ArrayLike | None = None

    def __post_init__(self) -> None:
        eigenvalues = checks.finite_vector("eigenvalues", self.eigenvalues)
        object.__setattr__(self, "eigenvalues", eigenvalues)
        if self.rotation is not None:
            rotation = np.asarray(self.rotation, dtype=np.float64)
            d = len(eigenvalues)
            if rotation.shape != (d, d) or not np.allclose(rotation.T @ rotation, np.eye(d), atol=1e-8):
                raise ValueError(
                    f"rotation of shape {rotation.shape} must be an orthogonal ({d}, {d}) matrix; "
                    "scipy.stats.ortho_group.rvs(d) draws one"
                )
            object.__setattr__(self, "rotation", rotation)

    @property
    def hessian(self) -> Array:
        """Eigenvalues along the directions in which results are given, shape (d,)."""
        return np.asarray(self.eigenvalues)

    @property
    def dimension(self) -> int:  # type: ignore[override]
        """Number of coordinates d."""
        return len(self.hessian)

    @property
    def basis(self) -> Array:
        """Eigenvectors as columns, shape (d, d)."""
        return np.eye(self.dimension) if self.rotation is None else np.asarray(self.rotation)

    @property
    def reference(self) -> Array:
        """The critical point, shape (d,)."""
        return np.zeros(self.dimension)

    @property
    def formulas(self) -> Formulas:
        """What the kernels need: separable along the axes, or a matrix."""
        if self.rotation is None:
            return self.eigen_formulas
        return Formulas(_matrix_loss, _matrix_gradient, None, self.hessian_matrix(self.reference), coupled=True)

    @property
    def eigen_formulas(self) -> Formulas:
        """What the kernels need to work along the eigenvectors."""
        return Formulas(_quadratic_loss, _quadratic_gradient, _quadratic_curvature, self._parameters(self.hessian))

    def loss(self, theta: ArrayLike) -> Array:
        """Loss at positions of shape (..., d)."""
        return np.asarray(0.5 * np.sum(self.hessian * (np.asarray(theta) @ self.basis) ** 2, axis=-1))

    def gradient(self, theta: ArrayLike) -> Array:
        """Gradient at positions of shape (..., d), in coordinates."""
        return np.asarray((np.asarray(theta) @ self.basis * self.hessian) @ self.basis.T)

    def hessian_diagonal(self, theta: ArrayLike) -> Array:
        """Diagonal of the Hessian, in coordinates."""
        return np.broadcast_to(np.diag(self.hessian_matrix(theta)), np.shape(theta))

    def hessian_matrix(self, theta: ArrayLike) -> Array:
        """The Hessian, shape (d, d); the same at every position."""
        return np.asarray(self.basis * self.hessian @ self.basis.T)

    def __repr__(self) -> str:
        rotation = "" if self.rotation is None else f", rotation={self.basis.tolist()}"
        return f"QuadraticSaddle({self.hessian.tolist()}{rotation})"


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
        Variance v of the data: the loss of one sample is that of ``u - x`` with x ~ N(0, v) in every coordinate, and the
        expected loss has 16 - 6v in place of 16. It has a barrier for v below 1.936. The reference point is the local
        minimum, u = 2.746803 for v = 0; without a barrier, the only one.
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

    def critical_points(self) -> Array:
        """Critical points along a coordinate, ascending, in theta units: (minimum, saddle, local minimum) or one minimum."""
        roots = np.roots([2.0, 0.0, -self._parabola, 2.5])
        real = np.sort(roots[np.abs(roots.imag) < 1e-9 * (1 + np.abs(roots.real))].real)
        for _ in range(3):  # to the last bit, as callers compare barriers
            real = real - (2 * real**3 - self._parabola * real + 2.5) / (6 * real**2 - self._parabola)
        return np.asarray(real / np.sqrt(self.sharpness))

    @property
    def reference(self) -> Array:
        """The local minimum in every coordinate, shape (d,)."""
        return np.full(self.dimension, self.critical_points()[-1])

    @property
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
        points = self.critical_points()
        if len(points) == 1:
            raise ValueError(f"data_variance = {self.data_variance} leaves no saddle; keep it below 1.936")
        return float(points[1])

    def pieces(self) -> Pieces:
        """Curvature at the minimum, the saddle and the local minimum, changing at the inflections."""
        points = self.critical_points()
        if len(points) == 1:
            raise ValueError(
                f"at = 'piecewise' needs a saddle, and data_variance = {self.data_variance} has none; keep it below 1.936"
            )
        inflection = float(np.sqrt(self._parabola / 6 / self.sharpness))
        curvatures = _quartic_curvature(points, self._coefficients)
        return Pieces((-inflection, inflection), tuple(curvatures.tolist()))


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

    @property
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


# p = (where the first parabola ends, where the last begins, curvature of the first, magnitude of the second's, curvature of the last)
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

    ``L = H_a x^2/2`` up to the first join, then ``barrier - H_b (x - x_b)^2/2`` over the saddle x_b, and from the second join on a
    parabola of curvature H_c around the minimum x_c above it: a sharp and a flat valley, as in the paper's Figure 9.

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

    @property
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
