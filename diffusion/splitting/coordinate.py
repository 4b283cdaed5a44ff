"""What splitting goes by: a reaction coordinate, compiled for the kernels, and its scale from start to boundary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.callables import described
from diffusion.edges import BALL, LEVEL, LINES, OWN, PLANE, Edge
from diffusion.engine import Prepared
from diffusion.plan import Plan
from diffusion.splitting.lines import ends_of, lines_to
from diffusion.splitting.path import nodes_of, values_along, written

Array = NDArray[np.float64]
Coordinate = str | Callable[[Array], float] | ArrayLike


@dataclass(frozen=True)
class Scale:
    """A reaction coordinate.

    Attributes
    ----------
    prepared
        What the kernels are specialised with, the coordinate included.
    edge
        Its value on the boundary: the well must lie below.
    top
        Where its levels end: what is above counts as the highest level until it is out.
    name, record
        For messages, and for the record: of a function, all that it reads.
    ends
        The reaction coordinate at the start, and where one coordinate alone is at the boundary, shape (ways, 2), or (1,
        2) if all are alike.
    outside
        The boundary as the kernels take it: see `diffusion.kernels.excursions`.
    places
        Where each coordinate alone is at the boundary, as `ends_of` has them.
    nodes
        Of a path that is the reaction coordinate, shape (n, d), alone in a tuple; else nothing.
    """

    prepared: Prepared
    edge: float
    top: float
    name: str
    record: str
    ends: Array
    outside: tuple[NDArray[Any], ...]
    places: Array
    nodes: tuple[Array, ...] = ()

    @property
    def regarded(self) -> tuple[NDArray[Any], ...]:
        """What the kernels look at: the boundary, and the path if there is one."""
        return (*self.outside, *self.nodes)


def scale_of(coordinate: Coordinate, plan: Plan, prepared: Prepared, edge: Edge) -> Scale:
    """The coordinate asked for, compiled and tried on the straight lines from the start over each boundary.

    The loss is scaled by the line with the lowest pass, a user's function by the line at whose end it is highest, a
    path by where it crosses the boundary, or where it ends.

    Raises
    ------
    ValueError
        If it is unknown, does not compile, is not a finite number on those lines, or is no higher at their ends
        than at the start.
    """
    places = ends_of(plan, edge)
    prepared, still = prepared.specialised(**_kinds(edge, places)), np.zeros(len(plan.origin))
    if isinstance(coordinate, str) and checks.choice("coordinate", coordinate, ("exit", "loss")) == "exit":
        if edge.functions:
            raise ValueError(
                f"coordinate = 'exit': boundary = {edge.boundary!r} does not tell how far out a path is; use 'loss', "
                "or a function of theta that grows on the way out"
            )
        prepared, ahead = _ahead(plan, prepared)
        return Scale(
            prepared, 1.0, 1.0, "exit", "exit", np.array([[0.0, 1.0]]), _outside(plan, edge, places, ahead), places
        )
    lines = lines_to(plan, places)
    given: Any = coordinate
    if not isinstance(given, str) and hasattr(given, "__len__"):
        nodes = nodes_of(given, plan, edge)
        prepared, ahead = _ahead(plan, prepared.specialised(ON_PATH=True))
        ends = values_along(nodes, lines[:, [0, -1]].reshape(-1, len(plan.origin))).reshape(-1, 2)
        outside, record = _outside(plan, edge, places, ahead), written(given, nodes)
        return Scale(prepared, 1.0, 1.0, "path", record, ends, outside, places, (nodes,))
    if not len(lines):
        raise ValueError(
            f"boundary = {edge.boundary!r} is not met on any straight line along a coordinate from the start, which "
            f"scales coordinate = {coordinate!r}; use another start, or lines of the region as boundary"
        )
    if isinstance(coordinate, str):
        values = np.asarray(plan.landscape.loss(lines))
        best = int(np.argmin(values.max(axis=1)))
        ends = values[best : best + 1, [0, -1]]
        prepared, name = prepared.specialised(ON_LOSS=True), "loss"
        record = name
    else:
        function = checks.compiled("coordinate(theta) -> float", given, plan.origin.copy())
        name, record = str(getattr(coordinate, "__name__", coordinate)), described(function)
        values = _evaluated(name, function, lines)
        best = int(np.argmax(values[:, -1]))
        ends = values[:, [0, -1]]
        prepared = prepared.specialised(ON_OWN=True, own=function)
    if not values[best, -1] > values[best, 0]:
        raise ValueError(
            f"coordinate = {name!r} does not separate the well from the boundary: it is {values[best, 0]:.6g} at the "
            f"start and {values[best, -1]:.6g} on the boundary, and must grow on the way out"
        )
    outside = _outside(plan, edge, places, still)
    return Scale(prepared, float(values[best, -1]), float(values[best].max()), name, record, ends, outside, places)


def _ahead(plan: Plan, prepared: Prepared) -> tuple[Prepared, Array]:
    """How far a momentum of 1 carries each coordinate, and the kernels told if it carries any."""
    along = prepared.parts.get("ALONG", False)  # a momentum along other directions carries no coordinate by itself
    ahead = np.zeros(len(plan.origin)) if along else carried(plan)
    return prepared.specialised(AHEAD=True) if ahead.any() else prepared, ahead


def _simple(edge: Edge, places: Array) -> bool:
    """Whether the boundary is one line in each coordinate."""
    return bool(edge.lines.all()) and len(places) == 1 and bool(np.isfinite(places).all())


def _kinds(edge: Edge, places: Array) -> dict[str, Any]:
    """What the kernels are specialised with for the boundary."""
    if _simple(edge, places):
        return {}
    own = edge.own
    return {"PARTS": True, "LEVELS": bool(np.any(edge.kinds == LEVEL))} | (
        {"LEAVES": True, "leaves": own["own"]} if own else {}
    )


def _outside(plan: Plan, edge: Edge, places: Array, ahead: Array) -> tuple[NDArray[Any], ...]:
    """(origin, scale, ahead) of one line in each coordinate; else origin, kinds, first, second, base, scale, ahead."""
    origin = plan.origin.copy()
    if _simple(edge, places):
        return origin, 1.0 / (places[0] - origin), ahead
    first, second = np.zeros_like(edge.first), np.zeros_like(edge.second)
    base, scale = np.zeros(len(edge.kinds)), np.ones(len(edge.kinds))
    for k, kind in enumerate(edge.kinds):
        if kind == LINES:
            first[k], second[k] = 1.0 / (edge.second[k] - origin), 1.0 / (edge.first[k] - origin)
        elif kind == PLANE:
            first[k] = edge.first[k] / (edge.limits[k] - edge.first[k] @ origin)
        elif kind == BALL:
            scale[k] = 1.0 / edge.limits[k]
        elif kind < OWN:
            base[k] = float(plan.landscape.loss(origin))
            scale[k] = 1.0 / (edge.signs[k] * edge.limits[k] - base[k])
    return origin, edge.kinds, first, second, base, scale, ahead


def carried(plan: Plan) -> Array:
    """How far a momentum of 1 carries each coordinate, shape (d,): to rest without force, or for a quarter of a period.

    Without force m shrinks by a factor `keep` in each substep, and ``theta <- theta - step m`` sums to
    ``step keep/(1 - keep)``: velocity over damping. A well of curvature H swings with ``step force H`` as the square of
    the frequency, and turns back sooner if damping is weak. As shipped, the rule at the reference point's noise stands
    for the one that follows it.
    """
    shipped = plan.dynamics.update
    try:
        rule = plan.dynamics.rule(plan.variance)
    except ValueError:  # it has none, or none where a noise is 0
        rule = None
    if rule is None or (shipped is not None and not shipped.momentum):
        return np.zeros(len(plan.origin))
    keep, force, _, step = rule.coefficients(int(plan.substeps[0]))  # Euler's: other schemes carry nearly as far
    curvature = plan.landscape.hessian_diagonal(plan.origin)
    curvature = curvature / plan.variance**plan.dynamics.follows
    swings = np.sqrt(step / (force * np.where(curvature > 0, curvature, np.nan)))
    return np.fmin(step * keep / (1 - keep), np.pi / 2 * swings)


def _evaluated(name: str, function: Any, lines: Array) -> Array:
    values = np.empty(lines.shape[:2])
    for place in np.ndindex(values.shape):
        theta = lines[place].copy()
        try:
            values[place] = float(function(theta))
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise ValueError(f"coordinate = {name!r} must return a number: at {lines[place]} {error}") from error
        if not np.isfinite(values[place]):
            where = "at the start" if place[1] == 0 else f"at {lines[place]}, between the start and the boundary"
            raise ValueError(f"coordinate = {name!r} is {values[place]} {where}; it must be finite there")
        if np.any(theta != lines[place]):
            raise ValueError(f"coordinate = {name!r} changes theta; it must only read it")
    return values
