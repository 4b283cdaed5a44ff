"""What every loss landscape has, and those that are written as a formula.

A formula is a scalar function of a coordinate and that coordinate's parameters, a tuple. It is written with arithmetic
alone, so that it runs on NumPy arrays here and, compiled, in the kernels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks, derivatives, descents
from diffusion.callables import formula
from diffusion.directions import directions
from diffusion.expressions import Derived, derived

if TYPE_CHECKING:
    import xarray

Array = NDArray[np.float64]
PARAMETERS = 5  # of a built-in formula, in each coordinate
LARGEST = 1e300  # of a loss and its derivatives at the reference point
BESIDE = 1e-3  # how far from the origin a descent starts


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
    whole
        Whether gradient(X, lane, table) of a coupled landscape is a tuple of all coordinates.
    """

    loss: Callable[..., Any]
    gradient: Callable[..., Any]
    curvature: Callable[..., Any] | None
    parameters: Array
    coupled: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Pieces:
    """Curvature as the theory sees it along a coordinate: constant around critical points, changing at inflections."""

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

    @staticmethod
    def from_expression(text: str, *, reference: float | Sequence[float] | None = None) -> ExpressionLandscape:
        """A landscape from its loss alone; gradient and Hessian are derived by sympy.

        Parameters
        ----------
        text
            The loss, a smooth formula of the coordinates x, y, z or x0, x1, ..., all of which must appear, with
            numbers, pi, ``+ - * / **``, exp, log, sqrt, sin, cos, tan, sinh, cosh, tanh, asinh and atan. It is
            taken apart, not run.
        reference
            A critical point, one number for every coordinate or one each: where a run starts unless told otherwise.
            None: the minimum that lies downhill of the origin, or of a place just beside it, towards negative
            coordinates, where the origin is no minimum.

        Raises
        ------
        ValueError
            If the text is no such formula, or not smooth, complex or infinite; or if its derivatives are not finite at
            the reference, or no minimum is found.

        Warns
        -----
        RuntimeWarning
            If the reference is no critical point: its gradient is above a hundredth of those around it.

        Examples
        --------
        >>> bent = Landscape.from_expression("(x**2 - 1)**2/4 + 4*(y - 0.5*(1 - x**2)**2)**2")
        >>> bent.reference.round(9).tolist(), bent.hessian.round(9).tolist()
        ([-1.0, 0.0], [2.0, 8.0])
        """
        return ExpressionLandscape(text, reference)

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

    def critical_points(self, box: ArrayLike) -> xarray.Dataset:
        """Minima and saddles in a box, and which saddle joins which minima.

        They are looked for by Newton's method from many places. In two coordinates their indices are held against how
        often the gradient turns along the edge of the box, which is the number of minima and maxima less that of
        saddles; in others nothing tells whether one was missed, but few ``hits``.

        Parameters
        ----------
        box
            A lower and an upper end for each coordinate, shape (d, 2).

        Returns
        -------
        xarray.Dataset
            On point, by ``index`` and then loss: ``index``, the number of negative eigenvalues; ``loss``; ``hits``, how
            many places led there. On (point, coordinate) ``position``, on (point, direction) ``eigenvalue``, ascending.
            On (point, descent) ``joins``: of a saddle of index 1 the points to which steepest descent leads on both of
            its sides, -1 where it leads to none of them.

        Raises
        ------
        ValueError
            If box has another shape, or in two coordinates a critical point lies on its edge, or the gradient is
            not finite there.

        Warns
        -----
        RuntimeWarning
            If in two coordinates points were missed, or a Hessian has an eigenvalue of 0.
        """
        from diffusion.critical_points import critical_points

        return critical_points(self, box)

    @cached_property
    def surroundings(self) -> xarray.Dataset:
        """`critical_points` in a box around the reference point that holds the saddles next to it and what is beyond.

        It grows until it does; what is beyond a saddle may be farther than that.

        Raises
        ------
        ValueError
            If none does.
        """
        from diffusion.critical_points import surroundings

        return surroundings(self)

    @cached_property
    def regions(self) -> tuple[Array, Array]:
        """Minima and saddles of index 1 around the reference point, shape (n, d), and their weights, shape (n,).

        A place is in the region of the point whose squared distance less the weight is least. The planes between a
        saddle and the minima that it joins go through the inflection of the straight line between them.
        """
        from diffusion.critical_points import regions

        return regions(self, self.surroundings)

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
            f"at = 'piecewise' needs a minimum and a saddle, and {type(self).__name__} does not tell them; use "
            "'reference'"
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


class Written(Landscape):
    """A landscape written as a formula, in which constants may have names; one coordinate, or several, coupled."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The loss, as `Landscape.from_expression` takes it."""

    @property
    def constants(self) -> dict[str, float]:
        """Numbers that have names in it; a sweep over them compiles once."""
        return {}

    @property
    def dimension(self) -> int:  # type: ignore[override]
        """Number of coordinates d."""
        return len(self._derived.names)

    @property
    def _derived(self) -> Derived:
        return derived(self.text, tuple(self.constants))

    @property
    def formulas(self) -> Formulas:
        """What the kernels need; the constants are in the table."""
        functions, values, d = self._derived, tuple(self.constants.values()), self.dimension
        if d == 1:
            arguments = ", ".join(["theta", *(f"p[{k}]" for k in range(len(values)))])
            loss, gradient, curvature = (
                formula(f"lambda theta, p: function({arguments}){first}", function)
                for function, first in ((functions.loss, ""), (functions.gradient, "[0]"), (functions.hessian, "[0]"))
            )
            return Formulas(loss, gradient, curvature, self._parameters(*values))
        arguments = ", ".join([*(f"x[{j}, lane]" for j in range(d)), *(f"table[0, {k}]" for k in range(len(values)))])
        loss, gradient = (
            formula(f"lambda x, lane, table: function({arguments})", function)
            for function in (functions.loss, functions.gradient)
        )
        return Formulas(loss, gradient, None, np.array([values or (0.0,)]), coupled=True, whole=True)

    def _evaluated(self, function: Callable[..., Any], theta: ArrayLike, *shape: int) -> Array:
        """Values at positions of shape (..., d), shape (..., *shape)."""
        positions = np.asarray(theta, np.float64)
        if positions.shape[-1:] != (self.dimension,):
            raise ValueError(
                f"positions of shape {positions.shape} must have {self.dimension} coordinates, along the last axis"
            )
        with np.errstate(all="ignore"):
            values = function(*np.moveaxis(positions, -1, 0), *self.constants.values())
        values = values if shape else (values,)
        columns = [np.broadcast_to(value, positions.shape[:-1]) for value in values]
        return np.stack(columns, axis=-1) if shape else np.array(columns[0], np.float64)

    def loss(self, theta: ArrayLike) -> Array:
        """Loss at positions of shape (..., d)."""
        return self._evaluated(self._derived.loss, theta)

    def losses(self, theta: ArrayLike) -> Array:
        """The loss of the one coordinate."""
        return self.loss(theta)[..., None]

    def gradient(self, theta: ArrayLike) -> Array:
        """Gradient at positions of shape (..., d)."""
        return self._evaluated(self._derived.gradient, theta, self.dimension)

    def hessians(self, theta: ArrayLike) -> Array:
        """Hessians at positions of shape (..., d), shape (..., d, d)."""
        entries = self._derived.entries
        values = self._evaluated(self._derived.hessian, theta, len(entries))
        matrices = np.zeros((*np.shape(theta), self.dimension))
        for at, (j, k) in enumerate(entries):
            matrices[..., j, k] = matrices[..., k, j] = values[..., at]
        return matrices

    def hessian_matrix(self, theta: ArrayLike) -> Array:
        """The Hessian at one position, shape (d, d)."""
        return self.hessians(theta)

    def hessian_diagonal(self, theta: ArrayLike) -> Array:
        """Diagonal of the Hessian, in coordinates."""
        return np.diagonal(self.hessians(theta), axis1=-2, axis2=-1)

    def _way_out(self) -> list[float]:
        """Along one coordinate: the reference point, the saddle next to it, and the minimum beyond if there is one."""
        if self.dimension > 1:
            super().next_saddle()  # refuses
        points = self.surroundings
        position, joins = points["position"].values[:, 0], points["joins"].values
        home = int(np.argmin(np.abs(position - self.reference)))
        saddle = min(np.flatnonzero(np.any(joins == home, axis=1)), key=lambda k: abs(position[k] - position[home]))
        beyond = [k for k in joins[saddle] if k not in (home, descents.NOWHERE)]
        return [float(position[k]) for k in (home, saddle, *beyond)]

    def next_saddle(self) -> float:
        """The saddle next to the reference point, of one coordinate."""
        return self._way_out()[1]

    def pieces(self) -> Pieces:
        """Of one coordinate, the curvature at the reference point, the saddle next to it and the minimum beyond."""
        from scipy.optimize import brentq

        if self.dimension > 1:
            return super().pieces()  # refuses
        points = sorted(self._way_out())
        curved = [float(self.hessian_matrix([x])[0, 0]) for x in points]
        switches = [
            float(brentq(lambda x: float(self.hessian_matrix([x])[0, 0]), *ends, xtol=1e-13 * (ends[1] - ends[0])))
            for ends in pairwise(points)
        ]
        return Pieces(tuple(switches), tuple(curved))


class ExpressionLandscape(Written):
    """A user's own formula, by `Landscape.from_expression`, which says what it takes."""

    text = ""

    def __init__(self, text: str, reference: float | Sequence[float] | None = None) -> None:
        self.text, self._given = text, checks.plain(reference)
        d = self.dimension
        self._reference = self._downhill() if reference is None else checks.per_coordinate("reference", reference, d)
        values = self.loss(self._reference), self.gradient(self._reference), self.hessians(self._reference)
        if not all(np.all(np.abs(each) < LARGEST) for each in values):
            raise ValueError(
                f"text = {text!r}: at reference = {self._reference.tolist()} the loss or a derivative is complex or "
                "infinite; give a reference= where it is smooth"
            )
        width = max(1.0, float(np.abs(self._reference).max())) / 2
        around = self._reference + width * np.concatenate([np.eye(d), -np.eye(d)])
        derivatives.warn_slope(self._reference, values[1], self.gradient(around), stacklevel=4)

    def _downhill(self) -> Array:
        """The minimum downhill of the origin, or of a place beside it."""
        beside = -BESIDE / np.arange(1.0, self.dimension + 1)
        try:
            return descents.minimum_below(self, beside)
        except ValueError as error:
            raise ValueError(
                f"text = {self.text!r}: no minimum was found downhill of the origin: {error}; give reference="
            ) from None

    @property
    def reference(self) -> Array:
        """The reference point, shape (d,)."""
        return self._reference

    def __repr__(self) -> str:
        given = "" if self._given is None else f", reference={self._given!r}"
        return f"Landscape.from_expression({self.text!r}{given})"
