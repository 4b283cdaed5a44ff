"""A user's own landscapes, from functions that numba can compile, checked against each other before they are used."""

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.landscapes import Formulas, Landscape, Pieces

Array = NDArray[np.float64]
CHECK_POINTS = 16
TOLERANCE = 1e-4  # of a derivative against finite differences, relative to its largest value over the points checked


class SeparableLandscape(Landscape):
    """A sum over coordinates of one function of u: ``L(theta) = sum_i f(sqrt(sharpness) theta_i)``.

    Parameters
    ----------
    loss, gradient, curvature
        f, f' and f'' as scalar functions of u; plain Python that numba can compile, or already compiled with njit.
    dimension
        Number of coordinates.
    reference
        A critical point in u, where a run starts unless told otherwise: usually the minimum of the well.
    saddle
        The saddle next to it in u, if there is one: piecewise noise needs it.
    sharpness
        Scales every Hessian eigenvalue and leaves the barriers as they are.
    domain
        Range of u over which the functions are checked against each other; None: from reference - 1 to reference + 1, and
        as far as the saddle.

    Raises
    ------
    ValueError
        If a function does not compile, returns NaN or infinity, or disagrees with the finite differences of another; the
        message names the function and the point.
    """

    def __init__(
        self,
        loss: Callable[[float], float],
        gradient: Callable[[float], float],
        curvature: Callable[[float], float],
        *,
        dimension: int = 1,
        reference: float = 0.0,
        saddle: float | None = None,
        sharpness: float = 1.0,
        domain: tuple[float, float] | None = None,
    ) -> None:
        checks.whole("dimension", dimension)
        checks.positive("sharpness", sharpness)
        checks.finite_vector("reference", reference)
        if saddle is not None:
            checks.finite_vector("saddle", saddle)
        marks = [reference - 1, reference + 1] + ([] if saddle is None else [saddle])
        low, high = domain if domain is not None else (min(marks), max(marks))
        points = checks.finite_vector("domain", np.linspace(low, high, CHECK_POINTS + 1)[:-1] + (high - low) / 37)
        functions = {"loss": loss, "gradient": gradient, "curvature": curvature}
        compiled = {name: checks.compiled(name, function, 0.0) for name, function in functions.items()}
        values = {name: _evaluated(name, function, points) for name, function in compiled.items()}
        step = 1e-5 * (1 + np.abs(points))
        for name, of in (("gradient", "loss"), ("curvature", "gradient")):
            ends = [_evaluated(of, compiled[of], points + sign * step) for sign in (1, -1)]
            _check_derivative(name, of, values[name], (ends[0] - ends[1]) / (2 * step), points)
        self.loss_function, self.gradient_function, self.curvature_function = loss, gradient, curvature
        self.dimension, self.reference_point, self.saddle = dimension, float(reference), saddle
        self.sharpness = float(sharpness)
        self._compiled = tuple(compiled.values())

    @property
    def reference(self) -> Array:
        """The reference point in every coordinate, in theta units, shape (d,)."""
        return np.full(self.dimension, self.reference_point / np.sqrt(self.sharpness))

    @property
    def formulas(self) -> Formulas:
        """What the kernels need."""
        loss, gradient, curvature = (_scaled(function, power) for power, function in enumerate(self._compiled))
        return Formulas(None, loss, gradient, curvature, self._parameters(np.sqrt(self.sharpness)))

    def loss(self, theta: ArrayLike) -> Array:
        """Loss."""
        return np.asarray(np.sum(self._each(0, theta), axis=-1))

    def gradient(self, theta: ArrayLike) -> Array:
        """Gradient."""
        return self._each(1, theta)

    def hessian_diagonal(self, theta: ArrayLike) -> Array:
        """Diagonal of the Hessian."""
        return self._each(2, theta)

    def pieces(self) -> Pieces:
        """Curvature at the reference point and at the saddle, changing at the inflection between them."""
        from scipy.optimize import brentq

        if self.saddle is None:
            return super().pieces()
        root = np.sqrt(self.sharpness)
        ends = np.sort([self.reference_point, self.saddle]) / root
        curvatures = self.hessian_diagonal(ends[:, None] * np.ones(self.dimension))[:, 0]
        if curvatures[0] * curvatures[1] >= 0:
            raise ValueError(
                f"saddle = {self.saddle}: the curvature there and at reference = {self.reference_point} has the same sign"
            )
        switch = brentq(lambda x: float(self.hessian_diagonal(np.full(self.dimension, x))[0]), *ends)
        return Pieces((float(switch),), tuple(curvatures.tolist()))

    def _each(self, power: int, theta: ArrayLike) -> Array:
        root = np.sqrt(self.sharpness)
        values = np.vectorize(self._compiled[power], otypes=[float])(root * np.asarray(theta, np.float64))
        return np.asarray(root**power * values)

    def __repr__(self) -> str:
        return (
            f"SeparableLandscape(loss={_source(self.loss_function)}, gradient={_source(self.gradient_function)}, "
            f"curvature={_source(self.curvature_function)}, dimension={self.dimension}, reference={self.reference_point}, "
            f"saddle={self.saddle}, sharpness={self.sharpness})"
        )


class CoupledLandscape(Landscape):
    """A loss whose gradient in one coordinate depends on others.

    Parameters
    ----------
    loss
        ``loss(X, lane)``: the loss of ``X[:, lane]``; plain Python that numba can compile, or already compiled with njit.
    gradient
        ``gradient(X, j, lane)``: its derivative by ``X[j, lane]``. Lanes are replicas that run side by side: a gradient that
        reads few coordinates, without loops or branches, runs at the speed of a built-in.
    dimension
        Number of coordinates d.
    reference
        A critical point, one number for every coordinate or one each: where a run starts unless told otherwise.
    domain
        Half-width of the box around the reference in which the functions are checked against each other.

    Raises
    ------
    ValueError
        As for `SeparableLandscape`.
    """

    def __init__(
        self,
        loss: Callable[..., float],
        gradient: Callable[..., float],
        *,
        dimension: int,
        reference: float | Sequence[float] = 0.0,
        domain: float = 1.0,
    ) -> None:
        checks.whole("dimension", dimension)
        checks.positive("domain", domain)
        point = checks.per_coordinate("reference", reference, dimension)
        box = np.random.default_rng(0).uniform(-domain, domain, (CHECK_POINTS, dimension)) + point
        compiled = (
            checks.compiled("loss", loss, np.zeros((dimension, 1)), 0),
            checks.compiled("gradient", gradient, np.zeros((dimension, 1)), 0, 0),
        )
        self.loss_function, self.gradient_function, self.dimension, self._reference = loss, gradient, dimension, point
        self._formulas = _coupled(*compiled)
        step = 1e-5 * (1 + np.abs(box))
        for j in range(dimension):
            shift = np.eye(dimension)[j] * step
            ends = [self._checked(box + shift), self._checked(box - shift)]
            values = np.array([compiled[1](x[:, None].copy(), j, 0) for x in box])
            _check_finite(f"gradient (coordinate {j})", values, box)
            _check_derivative(f"gradient (coordinate {j})", "loss", values, (ends[0] - ends[1]) / (2 * step[:, j]), box)

    def _checked(self, positions: Array) -> Array:
        values = self.loss(positions)
        _check_finite("loss", values, positions)
        return values

    @property
    def reference(self) -> Array:
        """The reference point, shape (d,)."""
        return self._reference

    @property
    def formulas(self) -> Formulas:
        """What the kernels need."""
        return Formulas(None, *self._formulas, None, np.zeros((1, 1)), coupled=True)

    def loss(self, theta: ArrayLike) -> Array:
        """Loss at positions of shape (..., d)."""
        positions = np.asarray(theta, np.float64)
        lanes = np.ascontiguousarray(positions.reshape(-1, self.dimension).T)
        function = checks.compiled("loss", self.loss_function)
        return np.reshape([function(lanes, lane) for lane in range(lanes.shape[1])], positions.shape[:-1])

    def gradient(self, theta: ArrayLike) -> Array:
        """Gradient at positions of shape (..., d)."""
        positions = np.asarray(theta, np.float64)
        lanes = np.ascontiguousarray(positions.reshape(-1, self.dimension).T)
        function = checks.compiled("gradient", self.gradient_function)
        each = [[function(lanes, j, lane) for j in range(self.dimension)] for lane in range(lanes.shape[1])]
        return np.reshape(each, positions.shape)

    def hessian_diagonal(self, theta: ArrayLike) -> Array:
        """Diagonal of the Hessian at one position, shape (d,), by differences of the gradient."""
        return np.diag(self.hessian_matrix(theta)).copy()

    def hessian_matrix(self, theta: ArrayLike) -> Array:
        """The Hessian at one position, shape (d, d), by central differences of the gradient."""
        position = np.asarray(theta, np.float64)
        shifts = np.diag(1e-5 * (1 + np.abs(position)))
        matrix = (self.gradient(position + shifts) - self.gradient(position - shifts)) / (
            2 * shifts.sum(axis=1)[:, None]
        )
        return np.asarray((matrix + matrix.T) / 2)

    def __repr__(self) -> str:
        return (
            f"CoupledLandscape(loss={_source(self.loss_function)}, gradient={_source(self.gradient_function)}, "
            f"dimension={self.dimension}, reference={self._reference.tolist()})"
        )


# One wrapper for each user's function: sharpness is a parameter, so that a sweep compiles once.
@lru_cache(maxsize=256)
def _scaled(function: Any, power: int) -> Callable[..., Any]:
    if power == 0:

        def scaled(theta: Any, p: Any) -> Any:
            return function(p[0] * theta)
    elif power == 1:

        def scaled(theta: Any, p: Any) -> Any:
            return p[0] * function(p[0] * theta)
    else:

        def scaled(theta: Any, p: Any) -> Any:
            return p[0] * p[0] * function(p[0] * theta)

    return scaled


@lru_cache(maxsize=256)
def _coupled(loss: Any, gradient: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def loss_of_lane(x: Any, lane: Any, table: Any) -> Any:
        return loss(x, lane)

    def gradient_of_lane(x: Any, j: Any, lane: Any, table: Any) -> Any:
        return gradient(x, j, lane)

    return loss_of_lane, gradient_of_lane


def _evaluated(name: str, function: Any, points: Array) -> Array:
    values = np.array([function(point) for point in points], dtype=np.float64)
    _check_finite(name, values, points)
    return values


def _check_finite(name: str, values: Array, points: Array) -> None:
    if not np.all(np.isfinite(values)):
        i = int(np.argmin(np.isfinite(values)))
        raise ValueError(f"{name} is {values[i]} at {points[i]}; it must be finite where replicas go, or narrow domain")


def _check_derivative(name: str, of: str, values: Array, differences: Array, points: Array) -> None:
    error = np.abs(values - differences)
    allowed = TOLERANCE * max(np.abs(values).max(), np.abs(differences).max(), 1e-8)
    if error.max() > allowed:
        i = int(np.argmax(error))
        raise ValueError(
            f"{name} is {values[i]:.6g} at {points[i]}, but finite differences of {of} give {differences[i]:.6g}; "
            "one of the two is wrong"
        )


def _source(function: Any) -> str:
    """The function's source, so that a result tells what it was made with."""
    try:
        return inspect.getsource(getattr(function, "py_func", function)).strip()
    except (OSError, TypeError):
        return str(getattr(function, "__name__", function))
