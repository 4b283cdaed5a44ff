"""A user's own landscapes, from functions that numba can compile, checked against each other before they are used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks, derivatives
from diffusion.callables import described, formula
from diffusion.landscapes.base import Formulas, Landscape, Pieces

Array = NDArray[np.float64]
SEGMENTS = np.concatenate(
    [np.ones(4), 3.0 ** -np.arange(1, 9)]
)  # of a coordinate: widths of checks, in that of the domain
MANY = 32  # coordinates; of more, each is checked on fewer of these


class SeparableLandscape(Landscape):
    """A sum over coordinates of one function of u: ``L(theta) = sum_i f(sqrt(sharpness) theta_i)``.

    Parameters
    ----------
    loss, gradient, curvature
        f, f' and f'' as functions of u, or of u and the parameters; plain Python that numba can compile, or already
        compiled with njit, or polynomials of NumPy's or piecewise ones of SciPy's, such as a `CubicSpline` and its
        derivatives. What they read besides, as globals or closed over, is read once, here; each set of such values
        is compiled anew.
    parameters
        Numbers handed to the three functions after u. A sweep over them compiles once.
    dimension
        Number of coordinates.
    reference
        A critical point in u, where a run starts unless told otherwise: usually the minimum of the well.
    saddle
        The saddle next to it in u, if there is one: piecewise noise needs it.
    sharpness
        Scales every Hessian eigenvalue and leaves the barriers as they are.
    domain
        Range of u over which the functions are checked against each other. None: around the reference as far as the
        saddle is away; without a saddle, by 1 or the reference's own size, whichever is more.

    Raises
    ------
    ValueError
        If a function does not compile, returns NaN or infinity, is not the derivative of another, or is too rough for
        that to be seen; the message names the function and the place.

    Warns
    -----
    RuntimeWarning
        If the reference is no critical point: its gradient is above a hundredth of those around it.
    """

    def __init__(
        self,
        loss: Callable[..., float],
        gradient: Callable[..., float],
        curvature: Callable[..., float],
        *,
        parameters: ArrayLike = (),
        dimension: int = 1,
        reference: float = 0.0,
        saddle: float | None = None,
        sharpness: float = 1.0,
        domain: tuple[float, float] | None = None,
    ) -> None:
        self.dimension = checks.whole("dimension", dimension)
        checks.positive("sharpness", sharpness)
        checks.finite("reference", reference)
        self.parameters, self.sharpness, self.reference_point = (
            checks.numbers("parameters", parameters),
            float(sharpness),
            float(reference),
        )
        self.saddle = None
        if saddle is not None:
            checks.finite("saddle", saddle)
            self.saddle = float(saddle)
            if self.saddle == self.reference_point:
                raise ValueError(f"saddle = {saddle} is the reference; give the saddle next to it, or None")
        given = {"loss": loss, "gradient": gradient, "curvature": curvature}
        self._functions = tuple(
            checks.compiled(f"{name}(u, *parameters) -> float", function, self.reference_point, *self.parameters)
            for name, function in given.items()
        )
        names = list(given)
        ends = self._domain(domain)
        where = derivatives.intervals(self.reference_point, *ends)
        called = [_number(name, one, self.parameters) for name, one in zip(names, self._functions, strict=True)]
        for derivative, of in ((1, 0), (2, 1)):
            if not derivatives.check(names[derivative], names[of], called[derivative], called[of], where):
                derivatives.refuse_rounding(names[of])
        slopes = np.array([called[1](u) for u in (self.reference_point, *np.linspace(*ends, derivatives.PIECES + 1))])
        derivatives.warn_slope(np.array([self.reference_point]), slopes[:1], slopes[1:])

    def _domain(self, domain: tuple[float, float] | None) -> tuple[float, float]:
        if domain is None:
            here = self.reference_point
            width = max(1.0, abs(here)) if self.saddle is None else abs(self.saddle - here)
            return here - width, here + width
        ends = checks.finite_vector("domain", domain)
        if len(ends) != 2 or not ends[0] < ends[1]:
            raise ValueError(f"domain = {domain!r} must be two positions in ascending order")
        return float(ends[0]), float(ends[1])

    @property
    def reference(self) -> Array:
        """The reference point in every coordinate, in theta units, shape (d,)."""
        return np.full(self.dimension, self.reference_point / np.sqrt(self.sharpness))

    @property
    def formulas(self) -> Formulas:
        """What the kernels need: sharpness and parameters are in the table, so that a sweep over them compiles once."""
        rest = "".join(f", p[{k + 1}]" for k in range(len(self.parameters)))
        loss, gradient, curvature = (
            formula(f"lambda theta, p: {'p[0] * ' * power}function(p[0] * theta{rest})", function)
            for power, function in enumerate(self._functions)
        )
        return Formulas(loss, gradient, curvature, self._parameters(np.sqrt(self.sharpness), *self.parameters))

    def losses(self, theta: ArrayLike) -> Array:
        """Each coordinate's part of the loss."""
        return self._each(0, theta)

    def gradient(self, theta: ArrayLike) -> Array:
        """Gradient."""
        return self._each(1, theta)

    def hessian_diagonal(self, theta: ArrayLike) -> Array:
        """Diagonal of the Hessian."""
        return self._each(2, theta)

    def next_saddle(self) -> float:
        """The saddle, in theta units."""
        return super().next_saddle() if self.saddle is None else self.saddle / float(np.sqrt(self.sharpness))

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
                f"saddle = {self.saddle}: the curvature there and at reference = {self.reference_point} has the same "
                "sign"
            )
        accuracy = 1e-13 * float(ends[1] - ends[0])
        switch = brentq(lambda x: float(self.hessian_diagonal(np.full(self.dimension, x))[0]), *ends, xtol=accuracy)
        return Pieces((float(switch),), tuple(curvatures.tolist()))

    def _each(self, power: int, theta: ArrayLike) -> Array:
        root, function = np.sqrt(self.sharpness), self._functions[power]
        each = np.vectorize(lambda u: function(u, *self.parameters), otypes=[float])
        return np.asarray(root**power * each(root * np.asarray(theta, np.float64)))

    def __repr__(self) -> str:
        loss, gradient, curvature = map(described, self._functions)
        return (
            f"SeparableLandscape(loss={loss}, gradient={gradient}, curvature={curvature}, "
            f"parameters={self.parameters}, dimension={self.dimension}, reference={self.reference_point}, "
            f"saddle={self.saddle}, sharpness={self.sharpness})"
        )


class CoupledLandscape(Landscape):
    """A loss whose gradient in one coordinate depends on others.

    Parameters
    ----------
    loss
        ``loss(X, lane, *parameters)``: the loss of ``X[:, lane]``; plain Python that numba can compile, or already
        compiled with njit. Values that it reads besides are read once, here, as for `SeparableLandscape`.
    gradient
        ``gradient(X, j, lane, *parameters)``: its derivative by ``X[j, lane]``. Lanes are replicas that run side by
        side: a gradient that reads few coordinates, without loops or branches, runs at the speed of a built-in.
    dimension
        Number of coordinates d.
    parameters
        Numbers handed to both functions after their other arguments. A sweep over them compiles once.
    reference
        A critical point, one number for every coordinate or one each: where a run starts unless told otherwise.
    domain
        Half-width of the box around the reference in which the functions are checked against each other, one number or
        one for each coordinate. Give it where coordinates have scales far apart, or far from 1. None: 1 or the
        reference's own size, whichever is more.

    Raises
    ------
    ValueError
        As for `SeparableLandscape`.

    Warns
    -----
    RuntimeWarning
        Likewise.
    """

    def __init__(
        self,
        loss: Callable[..., float],
        gradient: Callable[..., float],
        *,
        dimension: int,
        parameters: ArrayLike = (),
        reference: float | Sequence[float] = 0.0,
        domain: float | Sequence[float] | None = None,
    ) -> None:
        self.dimension = checks.whole("dimension", dimension)
        self._reference, self.parameters = (
            checks.per_coordinate("reference", reference, dimension),
            checks.numbers("parameters", parameters),
        )
        width = max(1.0, float(np.abs(self._reference).max())) if domain is None else domain
        self._widths = checks.per_coordinate("domain", width, dimension)
        for width in self._widths:
            checks.positive("domain", width)
        start = self._reference[:, None].copy()
        self._functions = (
            checks.compiled("loss(X, lane, *parameters) -> float", loss, start, 0, *self.parameters),
            checks.compiled("gradient(X, j, lane, *parameters) -> float", gradient, start, 0, 0, *self.parameters),
        )
        self._check()
        slopes = np.array([self._slopes(j) for j in range(self.dimension)])
        derivatives.warn_slope(self._reference, slopes[:, 0], slopes[:, 1:])

    def _check(self) -> None:
        """Along each coordinate, from places ever closer to the reference."""
        rng = np.random.default_rng(0)
        told, stride = False, min(1 + self.dimension // MANY, len(SEGMENTS))
        for j in range(self.dimension):
            for share in SEGMENTS[j % stride :: stride]:
                box, width = share * self._widths, float(share * self._widths[j])
                place = (self._reference + rng.uniform(-box, box))[:, None]
                begin = float(self._reference[j] - width * rng.uniform(0, 1))
                loss, gradient = (
                    _number(name, _along(function, place, j, *more), self.parameters)
                    for name, function, more in zip(("loss", "gradient"), self._functions, ((), (j,)), strict=True)
                )
                at = f" in coordinate {j}, the others at {np.delete(place[:, 0], j)}" if self.dimension > 1 else ""
                where = [(begin, begin + width)]
                told |= derivatives.check(f"gradient (coordinate {j})", "loss", gradient, loss, where, at)
        if not told:
            derivatives.refuse_rounding("loss")

    def _slopes(self, j: int) -> list[float]:
        """The gradient along a coordinate: at the reference, and on both sides of it."""
        along = _along(self._functions[1], self._reference[:, None], j, j)
        slope, width = _number("gradient", along, self.parameters), self._widths[j] / 2
        return [slope(float(self._reference[j] + shift)) for shift in (0.0, width, -width)]

    @property
    def reference(self) -> Array:
        """The reference point, shape (d,)."""
        return self._reference

    @property
    def formulas(self) -> Formulas:
        """What the kernels need; the parameters are in the table."""
        rest = "".join(f", table[0, {k}]" for k in range(len(self.parameters)))
        loss = formula(f"lambda x, lane, table: function(x, lane{rest})", self._functions[0])
        gradient = formula(f"lambda x, j, lane, table: function(x, j, lane{rest})", self._functions[1])
        return Formulas(loss, gradient, None, np.array([self.parameters or (0.0,)]), coupled=True)

    def loss(self, theta: ArrayLike) -> Array:
        """Loss at positions of shape (..., d)."""
        positions = np.asarray(theta, np.float64)
        return np.asarray(self._evaluated("losses", positions)[0].reshape(positions.shape[:-1]))

    def gradient(self, theta: ArrayLike) -> Array:
        """Gradient at positions of shape (..., d)."""
        positions = np.asarray(theta, np.float64)
        return np.asarray(self._evaluated("gradients", positions).T.reshape(positions.shape))

    def _evaluated(self, what: str, positions: Array) -> Array:
        """Values at positions of shape (..., d), one row for the loss or one for each coordinate of the gradient."""
        from diffusion.kernels import evaluate
        from diffusion.kernels.jit import specialise

        lanes = np.ascontiguousarray(positions.reshape(-1, self.dimension).T)
        formulas = self.formulas
        out = np.empty((1 if what == "losses" else self.dimension, lanes.shape[1]))
        parts = {"loss": formulas.loss, "gradient": formulas.gradient}
        specialise(getattr(evaluate, what), (), parts)(
            lanes, formulas.parameters, out if what == "gradients" else out[0]
        )
        return out

    def hessian_diagonal(self, theta: ArrayLike) -> Array:
        """Diagonal of the Hessian at positions of shape (..., d), by finite differences of the gradient."""
        positions = np.asarray(theta, np.float64)
        flat = [np.diag(self.hessian_matrix(one)) for one in positions.reshape(-1, self.dimension)]
        return np.reshape(flat, positions.shape)

    def hessian_matrix(self, theta: ArrayLike) -> Array:
        """The Hessian at one position, shape (d, d), by finite differences of the gradient."""
        matrix = derivatives.jacobian(self.gradient, np.asarray(theta, np.float64), self._widths)
        return np.asarray((matrix + matrix.T) / 2)

    def __repr__(self) -> str:
        loss, gradient = map(described, self._functions)
        return (
            f"CoupledLandscape(loss={loss}, gradient={gradient}, parameters={self.parameters}, "
            f"dimension={self.dimension}, reference={self._reference.tolist()})"
        )


def _along(function: Any, place: Array, j: int, *more: int) -> Callable[..., Any]:
    """A coupled function along one coordinate, the others held."""
    here = place.copy()

    def along(x: float, *parameters: float) -> Any:
        here[j, 0] = x
        return function(here, *more, 0, *parameters)

    return along


def _number(name: str, function: Callable[..., Any], parameters: tuple[float, ...]) -> Callable[[float], float]:
    """The function of one number; NaN where it raises, refused if what it returns is no number."""

    def number(x: float) -> float:
        try:
            value = function(x, *parameters)
        except (ArithmeticError, ValueError):
            return np.nan
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} returns {value!r} at {x:.6g}; it must return a number") from error

    return number
