"""What a replica leaves: every kind of boundary that a user can give, joined by ``|``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from diffusion import checks

Interval = tuple[float | None, float | None]
Ends = float | None | Sequence[float | None]
KINDS = "a number, (low, high), Beyond, Box, HalfSpace, Radius, Ball, LossLevel or Region, or several joined by |"


class Shape:
    """A boundary that can be joined with others: ``a | b`` is left as soon as one of them is."""

    def __or__(self, other: Boundary) -> Union:
        return Union((*_parts(self), *_parts(other)))

    def __ror__(self, other: float | Interval) -> Union:
        return Union((*_parts(other), *_parts(self)))


@dataclass(frozen=True)
class LossLevel(Shape):
    """Out where the loss is strictly beyond `value`, on the far side from the start.

    Parameters
    ----------
    value
        A loss.
    """

    value: float

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.finite("LossLevel value", self.value)


@dataclass(frozen=True)
class Radius(Shape):
    """Out where the distance from the start exceeds `value`.

    Parameters
    ----------
    value
        A distance in theta units, above 0.
    """

    value: float

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("Radius value", self.value)


@dataclass(frozen=True)
class Ball(Shape):
    """Out where the distance from `center` is below `radius`: it is entered, from a start outside of it.

    Parameters
    ----------
    center
        In theta units, shape (d,).
    radius
        A distance in theta units, above 0.
    """

    center: Sequence[float]
    radius: float

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        object.__setattr__(self, "center", checks.numbers("Ball center", self.center))
        checks.positive("Ball radius", self.radius)


@dataclass(frozen=True)
class Beyond(Shape):
    """Out where one coordinate is strictly beyond `value`, on the far side from the start, whatever the others are.

    Parameters
    ----------
    coordinate
        Which coordinate of theta, from 0.
    value
        A number in theta units.
    """

    coordinate: int
    value: float

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.whole("Beyond coordinate", self.coordinate, least=0)
        checks.finite("Beyond value", self.value)


@dataclass(frozen=True)
class HalfSpace(Shape):
    """Out where ``normal @ theta`` is strictly above `offset`.

    Parameters
    ----------
    normal
        The direction outwards, of any length above 0, shape (d,).
    offset
        In units of ``normal . theta``.
    """

    normal: Sequence[float]
    offset: float

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        object.__setattr__(self, "normal", checks.numbers("HalfSpace normal", self.normal))
        if not any(self.normal):
            raise ValueError(f"HalfSpace normal = {self.normal!r} must have an entry that is not 0")
        checks.finite("HalfSpace offset", self.offset)


@dataclass(frozen=True)
class Box(Shape):
    """Out where a coordinate is strictly below its `low` or above its `high`.

    Parameters
    ----------
    low, high
        In theta units, one number for every coordinate or one each; None, or an infinite one: open.
    """

    low: Ends = None
    high: Ends = None

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        for name in ("low", "high"):
            if isinstance(ends := getattr(self, name), list):
                object.__setattr__(self, name, tuple(ends))


@dataclass(frozen=True)
class Region(Shape):
    """Out where a function of yours says so.

    Parameters
    ----------
    outside
        ``outside(X, lane)``: whether the replica at ``X[:, lane]`` is out, True or False; plain Python that numba can
        compile, or already compiled with njit. Values that it reads besides are read once, here. It is asked at every
        step, so that one without loops or branches costs little.

    Raises
    ------
    ValueError
        If it is no function that can be compiled.
    """

    outside: Callable[..., Any]

    def __post_init__(self) -> None:
        from diffusion.callables import plain
        from diffusion.kernels.jit import snapshot

        object.__setattr__(self, "outside", snapshot(plain("Region outside", self.outside)))

    def __repr__(self) -> str:
        from diffusion.callables import described

        return f"Region(outside={described(self.outside)})"


@dataclass(frozen=True, repr=False)
class Union(Shape):
    """Out where any part is left; made by ``a | b``. Of the parts that a step leaves the first, in order, counts.

    Parameters
    ----------
    parts
        Boundaries of any kind.
    """

    parts: tuple[Any, ...]

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.parts))


Boundary = float | Interval | Shape


def plain(boundary: Any) -> Any:
    """NumPy's numbers as Python's, and two ends as a tuple, so that equal boundaries are written alike."""
    value = checks.plain(boundary)
    return tuple(value) if isinstance(value, list) else value


def _parts(boundary: Any) -> tuple[Any, ...]:
    return boundary.parts if isinstance(boundary, Union) else (plain(boundary),)


def parts_of(boundary: Any, name: str = "boundary") -> tuple[Any, ...]:
    """The parts of a union, or the one that a boundary is. An error calls it by its name.

    Raises
    ------
    ValueError
        If a part is no boundary.
    """
    parts = _parts(boundary)
    for part in parts:
        if isinstance(part, float | int) and not isinstance(part, bool):
            checks.finite(name, part)
        elif not isinstance(part, Shape) and not (isinstance(part, tuple) and len(part) == 2):
            raise ValueError(f"{name} = {part!r} must be {KINDS}")
    return parts
