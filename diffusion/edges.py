"""Boundaries and walls as plain arrays, checked against the start: what the kernels, torch and splitting work with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion import checks
from diffusion.callables import formula
from diffusion.landscapes import Landscape
from diffusion.regions import Ball, Beyond, Boundary, Box, HalfSpace, Interval, LossLevel, Radius, Region, parts_of

Array = NDArray[np.float64]
Walls = float | Sequence[float] | Interval | Beyond | Box | None

# Kinds of parts. From OWN on: the first, second, ... of the user's own functions.
LINES, PLANE, BALL, LEVEL, OWN = range(5)
NO_COORDINATE, NO_PART = -1, -1


@dataclass(frozen=True)
class Edge:
    """A boundary of P parts.

    Outside of LINES is below `first` or above `second` in any coordinate, of any other part where its sign times what
    it goes by is above its limit: the product with `first` (PLANE), the squared distance from it (BALL), the loss
    (LEVEL), or whether the user's function is true (OWN).

    Attributes
    ----------
    boundary
        As the user gave it.
    kinds
        Shape (P,).
    first, second
        Shape (P, d).
    signs, limits
        Shape (P,).
    functions
        The user's, compiled.
    """

    boundary: Boundary
    kinds: NDArray[np.int64]
    first: Array
    second: Array
    signs: Array
    limits: Array
    functions: tuple[Any, ...] = ()

    @property
    def lines(self) -> NDArray[np.bool_]:
        """Which parts are lines, shape (P,)."""
        return np.asarray(self.kinds == LINES)

    @property
    def entered(self) -> NDArray[np.bool_]:
        """Which parts are balls that are entered, shape (P,)."""
        return np.asarray((self.kinds == BALL) & (self.signs < 0))

    @cached_property
    def low(self) -> Array:
        """The lines that any part has below the start, shape (d,); minus infinity where there is none."""
        return np.asarray(self.first[self.lines].max(axis=0, initial=-np.inf))

    @cached_property
    def high(self) -> Array:
        """The lines that any part has above the start, shape (d,); infinity where there is none."""
        return np.asarray(self.second[self.lines].min(axis=0, initial=np.inf))

    @property
    def values(self) -> tuple[Any, ...]:
        """What the kernels are given."""
        return self.low, self.high, self.kinds, self.first, self.second, self.signs, self.limits

    @property
    def specialisation(self) -> dict[str, Any]:
        """What the kernels are specialised with."""
        return {
            "LINE": bool(self.lines.any()),
            "MEASURED": not self.lines.all(),
            "LEVELS": bool(np.any(self.kinds == LEVEL)),
        } | self.own

    @property
    def own(self) -> dict[str, Any]:
        """The user's functions as one of (k, X, lane), for kernels to be specialised with."""
        if not self.functions:
            return {}
        called = [f"function_{k}(X, lane)" for k in range(len(self.functions))]
        text = "".join(f"{one} if k == {k} else " for k, one in enumerate(called[:-1])) + called[-1]
        return {"OWNS": True, "own": formula(f"lambda k, X, lane: {text}", *self.functions)}

    def turned(self, basis: Array) -> Edge:
        """The same for positions along the columns of a rotation, shape (d, d).

        Raises
        ------
        ValueError
            If a part is given in coordinates.
        """
        if np.any(self.lines | (self.kinds >= OWN)):
            what = "a line" if self.lines.any() else "a function"
            raise ValueError(
                f"boundary = {self.boundary!r} is {what} in coordinates, and this rule runs along the eigenvectors of "
                "a rotated saddle; use HalfSpace for a line, else use Radius or LossLevel, or rotation=None"
            )
        return replace(self, first=np.stack([basis.T @ row for row in self.first]))

    def crossed(
        self, landscape: Landscape, positions: Array
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The part that each position is outside of, the first in order, the coordinate farthest out and its side.

        Positions, shape (n, d), in coordinates. NO_PART and NO_COORDINATE where there is none, as where a
        position is NaN.
        """
        part, coordinate, side = (np.full(len(positions), value) for value in (NO_PART, NO_COORDINATE, 0))
        each = np.arange(len(positions))
        for k, kind in enumerate(self.kinds):
            with np.errstate(all="ignore"):  # of positions out of floating-point range
                if kind == LINES:
                    above, below = positions - self.second[k], self.first[k] - positions
                    farthest = np.maximum(above, below).argmax(axis=1)
                    out = np.maximum(above, below)[each, farthest] > 0
                else:
                    out = self.signs[k] * self._gauged(k, landscape, positions) > self.limits[k]
            here = out & (part == NO_PART)
            part[here] = k
            if kind == LINES:
                coordinate[here] = farthest[here]
                side[here] = np.where((above > below)[each, farthest], 1, -1)[here]
        return part, coordinate, side

    def _gauged(self, k: int, landscape: Landscape, positions: Array) -> Array:
        """What a part goes by, at positions of shape (n, d); not of lines."""
        if self.kinds[k] == PLANE:
            return np.asarray(positions @ self.first[k])
        if self.kinds[k] == BALL:
            return np.asarray(np.sum((positions - self.first[k]) ** 2, axis=1))
        if self.kinds[k] == LEVEL:
            return landscape.loss(positions)
        from diffusion.kernels import evaluate
        from diffusion.kernels.jit import specialise

        out = np.empty(len(positions))
        asked = specialise(evaluate.outsides, (), self.own)
        asked(int(self.kinds[k] - OWN), np.ascontiguousarray(positions.T), out)
        return out


def edge_of(boundary: Boundary, landscape: Landscape, origin: Array) -> Edge:
    """A boundary, for replicas that start at `origin`, shape (d,), in coordinates.

    Raises
    ------
    ValueError
        If it is none, or the start is on it or outside; the message names both, and the remedy.
    """
    d = len(origin)
    functions: list[Any] = []
    rows: list[tuple[int, Array, Array, float, float]] = []
    for part in parts_of(boundary):
        named, unused = f"boundary = {part!r}", np.zeros(d)
        if isinstance(part, Radius) and d > 1:
            rows.append((BALL, origin, unused, 1.0, part.value**2))
        elif isinstance(part, Ball):
            center = np.array(part.center)
            if len(center) != d:
                raise ValueError(f"{named}: its center has {len(center)} entries, and the landscape {d} coordinates")
            if not (away := float(np.linalg.norm(origin - center))) > part.radius:
                raise ValueError(
                    f"{named}: the start is {away:.6g} from its center, inside already; choose another start or radius"
                )
            rows.append((BALL, center, unused, -1.0, -(part.radius**2)))
        elif isinstance(part, LossLevel):
            sign = float(np.sign(part.value - landscape.loss(origin)))
            if sign == 0:
                raise ValueError(f"{named} is the loss at the start; choose another start or level")
            rows.append((LEVEL, unused, unused, sign, sign * part.value))
        elif isinstance(part, HalfSpace):
            normal = np.array(part.normal)
            if len(normal) != d:
                raise ValueError(f"{named}: its normal has {len(normal)} entries, and the landscape {d} coordinates")
            if not (there := float(normal @ origin)) < part.offset:
                raise ValueError(
                    f"{named}: normal . theta is {there:.6g} at the start, which is outside already; choose another "
                    "start, or the other half, with the signs of normal and offset changed"
                )
            rows.append((PLANE, normal, unused, 1.0, part.offset))
        elif isinstance(part, Region):
            function = checks.compiled("outside(X, lane) -> bool", part.outside, origin[:, None].copy(), 0)
            said = function(origin[:, None].copy(), 0)
            if not isinstance(said, bool | np.bool_):
                raise ValueError(f"Region outside returns {said!r} at the start; it must return True or False")
            if said:
                raise ValueError(
                    f"{named}: outside(X, lane) is True at the start, {origin.tolist()}; choose another start"
                )
            rows.append((OWN + len(functions), unused, unused, 1.0, 0.5))
            functions.append(function)
        else:
            rows.append((LINES, *_lines(named, part, origin), 1.0, np.inf))
            low, high = rows[-1][1:3]
            for j in np.flatnonzero(~((low < origin) & (origin < high))):
                raise ValueError(
                    f"{named}: the start is {origin[j]:.6g} in coordinate {j}, which is outside already, or on the "
                    "boundary; choose another start or boundary"
                )
    kinds, first, second, signs, limits = (np.array(column) for column in zip(*rows, strict=True))
    return Edge(boundary, kinds.astype(np.int64), first, second, signs, limits, tuple(functions))


def walls_of(reflecting: Any, origin: Array) -> Array:
    """Lower and upper reflecting walls of each coordinate, shape (2, d); infinite where there is none.

    Numbers are walls in every coordinate, each on its side of the start, as on the grids; or what has ends in
    coordinates.

    Raises
    ------
    ValueError
        If a wall is none, two are on one side, or the start is behind one.
    """
    walls = np.array([[-np.inf], [np.inf]]) * np.ones(len(origin))
    if reflecting is None:
        return walls
    given = checks.plain(reflecting)
    if isinstance(given, list | tuple) and None not in given:
        given = given[0] if len(given) == 1 else tuple(sorted(given))
    for part in parts_of(given, "reflecting"):
        if isinstance(part, Ball | HalfSpace | LossLevel | Radius | Region):
            raise ValueError(f"reflecting = {part!r} must be of coordinates: a number, (low, high), Beyond or Box")
        low, high = _lines(f"reflecting = {part!r}", part, origin)
        walls = np.array([np.maximum(walls[0], low), np.minimum(walls[1], high)])
    for j in np.flatnonzero(~((walls[0] <= origin) & (origin <= walls[1]))):
        raise ValueError(
            f"reflecting = {reflecting!r}: the start is {origin[j]:.6g} in coordinate {j}, which is behind a wall; "
            "choose another start or wall"
        )
    return walls


def check_walls(walls: Array, edge: Edge, reflecting: Any) -> None:
    """Refuse walls that no replica comes to, since it left before, and exits that none comes to.

    Raises
    ------
    ValueError
        If a wall is at or behind an exit in its coordinate, or all exits are at or behind walls.
    """
    behind = [(walls[0] > -np.inf) & (walls[0] <= edge.low), (walls[1] < np.inf) & (walls[1] >= edge.high)]
    for j in np.flatnonzero(behind[0] | behind[1]):
        wall, end = (walls[0, j], edge.low[j]) if behind[0][j] else (walls[1, j], edge.high[j])
        raise ValueError(
            f"reflecting = {reflecting!r}: the wall at {wall:.6g} in coordinate {j} is not before the boundary at "
            f"{end:.6g}, so that no replica comes to it; leave it out, or put it before the boundary"
        )
    open_ends = np.any((edge.low > walls[0]) & (edge.low > -np.inf)) or np.any(
        (edge.high < walls[1]) & (edge.high < np.inf)
    )
    if edge.lines.all() and not open_ends:
        raise ValueError(
            f"reflecting = {reflecting!r} is before boundary = {edge.boundary!r} everywhere, so that no replica "
            "leaves; leave out a wall"
        )


def _lines(named: str, part: Any, origin: Array) -> tuple[Array, Array]:
    """Lower and upper ends in each coordinate, infinite where open."""
    d = len(origin)
    low, high = np.full(d, -np.inf), np.full(d, np.inf)
    if isinstance(part, Radius):
        return origin - part.value, origin + part.value
    if isinstance(part, Box | tuple):
        given = part if isinstance(part, tuple) else (part.low, part.high)
        low, high = _ends(named, "low", given[0], d, -np.inf), _ends(named, "high", given[1], d, np.inf)
        if not np.all(low < high):
            raise ValueError(f"{named} must have low below high in every coordinate")
        if not np.any(np.isfinite([low, high])):
            raise ValueError(f"{named} has no end; give one")
        return low, high
    where: Any = slice(None)
    if isinstance(part, Beyond):
        if part.coordinate >= d:
            raise ValueError(f"{named}: the landscape has coordinates 0 to {d - 1}")
        where, part = part.coordinate, part.value
    if np.any(part == origin[where]):
        raise ValueError(f"{named} is where the start is; choose another start or boundary")
    above = part > origin[where]
    low[where], high[where] = np.where(above, -np.inf, part), np.where(above, part, np.inf)
    return low, high


def _ends(named: str, side: str, given: Any, d: int, open_end: float) -> Array:
    """One end of a box in each coordinate."""
    try:
        each = np.array(
            [open_end if one is None else one for one in np.atleast_1d(np.array(given, dtype=object))], float
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{named}: {side} = {given!r} must be numbers or None") from error
    if np.any(np.isnan(each) | (each == -open_end)) or len(each) not in (1, d):
        raise ValueError(
            f"{named}: {side} = {given!r} must be a number or None, or {d} of them, one for each coordinate"
        )
    return np.broadcast_to(each, d).copy()
