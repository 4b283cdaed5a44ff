"""Looking along a line before anything is solved on it: how psi rises and falls, and how far the path comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Array]
EVEN = 256  # panels of a way to a wall, at first; those at its ends are halved further
BLOCK, BLOCKS = 20, 30  # panels of an open side, each 5 % longer than the one before
MOST = 5000  # panels of one way
ERROR, RELATIVE = 1e-3, 1e-9  # of psi on a panel: absolute, and of how far psi has come on the way there
NEAR = 10.0  # psi by which a cut may be above its level
HUGE = 1e300
GAUSS, WEIGHTS = np.polynomial.legendre.leggauss(6)
GAUSS, WEIGHTS = (GAUSS + 1) / 2, WEIGHTS / 2  # on [0, 1]
# Row k integrates a polynomial through the points from 0 to point k.
INTEGRALS = (np.vander(GAUSS, increasing=True) * GAUSS[:, None] / np.arange(1, len(GAUSS) + 1)) @ np.linalg.inv(
    np.vander(GAUSS, increasing=True)
)


@dataclass(frozen=True)
class Way:
    """A way from an origin outwards, in panels on which psi is known.

    Attributes
    ----------
    x, psi
        Edges of the panels and psi there, 0 at the origin, shape (n + 1,).
    bad
        Where the slope is not finite or too rough to follow, if the way ends before its goal for that; else None.
    """

    x: Array
    psi: Array
    bad: float | None = None


def rises(slope: Function, a: Array, b: Array) -> Array:
    """Integrals of the slope from each a to each b."""
    x = a[:, None] + (b - a)[:, None] * GAUSS
    return np.asarray((slope(x.ravel()).reshape(x.shape) @ WEIGHTS) * (b - a))


def to_wall(slope: Function, origin: float, wall: float) -> Way:
    """The way to a wall on either side."""
    if wall == origin:
        return Way(np.array([origin]), np.zeros(1))
    near = 0.5 ** np.arange(9, 25)
    parts = np.unique(np.concatenate([np.linspace(0, 1, EVEN + 1), near, 1 - near]))
    edges = origin + (wall - origin) * parts
    edges[-1] = wall
    return follow(slope, edges[np.append(True, np.diff(edges) != 0)])


def outwards(slope: Function, origin: float, side: int, span: float) -> Iterator[Way]:
    """The way on an open side, growing by a stretch at a time."""
    lengths = np.concatenate([[0.0], np.cumsum(span / 100 * 1.05 ** np.arange(BLOCK * BLOCKS))])
    way = Way(np.array([origin]), np.zeros(1))
    for k in range(0, BLOCK * BLOCKS, BLOCK):
        edges = origin + side * lengths[k : k + BLOCK + 1]
        more = follow(slope, edges[np.append(True, np.diff(edges) != 0)], float(np.abs(way.psi).max()))
        way = Way(np.append(way.x, more.x[1:]), np.append(way.psi, way.psi[-1] + more.psi[1:]), more.bad)
        yield way
        if way.bad is not None:
            return


def follow(slope: Function, edges: Array, come: float = 0.0) -> Way:
    """Psi along edges, in the order of the way, on panels halved until their integrals stand.

    Parameters
    ----------
    slope
        psi'.
    edges
        Shape (n + 1,), ascending or descending.
    come
        How far psi has come before.
    """
    a, b = edges[:-1], edges[1:]
    shortest, end = np.spacing(1e-3 * np.abs(edges[-1] - edges[0])), None
    gain, rough = _look(slope, a, b)
    while True:
        bad = np.flatnonzero(~(np.abs(gain) <= HUGE))
        if bad.size:  # nothing beyond the first bad panel can be followed
            last = int(bad[0]) + 1
            if _least(a[last - 1], b[last - 1], shortest):
                return _way(edges[0], b, gain, last - 1, float(a[last - 1] + b[last - 1]) / 2)
            a, b, gain, rough = a[:last], b[:last], gain[:last], rough[:last]
        k = np.flatnonzero(rough & ~_least(a, b, shortest))
        if not k.size:
            return _way(edges[0], b, gain, len(gain), end)
        middle = (a[k] + b[k]) / 2
        halves = [_look(slope, a[k], middle), _look(slope, middle, b[k])]
        with np.errstate(all="ignore"):
            far = np.maximum(come, np.maximum.accumulate(np.abs(np.cumsum(gain) - gain))[k])
            wrong = ~(np.abs(halves[0][0] + halves[1][0] - gain[k]) <= ERROR + RELATIVE * far)
        rough[k] = False
        split = k[wrong]
        if len(a) + len(split) > MOST:  # what is nearer can perhaps be followed
            nearer = len(a) // 2
            end, a, b, gain = float(a[nearer]), a[:nearer], b[:nearer], gain[:nearer]
            rough = np.ones(nearer, bool)
            continue
        a, b = np.insert(a, split + 1, middle[wrong]), np.insert(b, split, middle[wrong])
        gain[split], rough[split] = (column[wrong] for column in halves[0])
        gain, rough = (np.insert(old, split + 1, new[wrong]) for old, new in zip((gain, rough), halves[1], strict=True))


def cut(slope: Function, way: Way, lowered: Array, level: float) -> tuple[Way, float, float] | None:
    """The way to where its height first reaches a level, the least height beyond, how deep psi falls there; or None.

    The height is psi less `lowered`, shape (n + 1,), which changes little on a panel. A panel that climbs far above the
    level is searched for the place; a step higher than NEAR that nothing resolves is a wall.
    """
    height = way.psi - lowered
    over = np.flatnonzero(height[1:] >= level)
    if not over.size:
        return None
    k = int(over[0])
    (a, b), (at_a, at_b) = way.x[k : k + 2].tolist(), way.psi[k : k + 2].tolist()
    goal = level + float(lowered[k + 1])
    while not at_b <= goal + NEAR and not _least(a, b, 0.0):
        middle = (a + b) / 2
        at_middle = at_a + float(rises(slope, np.array([a]), np.array([middle]))[0])
        if at_middle < goal:
            a, at_a = middle, at_middle
        else:
            b, at_b = middle, at_middle
    if not at_b <= goal + NEAR:
        b, at_b = a, at_a
    beyond = (height - RELATIVE * np.cumsum(np.maximum.accumulate(np.abs(way.psi))))[k + 1 :]
    falls = (np.maximum.accumulate(way.psi) - way.psi)[k + 1 :]
    return to_wall(slope, float(way.x[0]), b), float(beyond.min()), float(falls.max())


def thermal_width(slope: Function, x: float) -> float:
    """The length, to a factor of 2, over which psi changes by 1 around x; the longest tried where it does not."""
    smallest = np.log2(16 * np.spacing(max(abs(x), 1e-150)))
    lengths = 2.0 ** np.arange(np.ceil(smallest), 500)
    with np.errstate(all="ignore"):
        changes = [np.abs(rises(slope, np.full_like(lengths, x), x + side * lengths)) for side in (-1, 1)]
        changed = ~(np.maximum(*changes) < 1)
    return float(lengths[np.argmax(changed)] if changed.any() else lengths[-1])


def _way(origin: float, outer: Array, gain: Array, panels: int, bad: float | None) -> Way:
    return Way(np.append(origin, outer[:panels]), np.append(0.0, np.cumsum(gain[:panels])), bad)


def _look(slope: Function, a: Array, b: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Integrals of the slope over panels, and whether it varies so much that they need a check; shape (n,) each."""
    values = slope((a[:, None] + (b - a)[:, None] * GAUSS).ravel()).reshape(-1, len(GAUSS))
    with np.errstate(all="ignore"):
        return (values @ WEIGHTS) * (b - a), ~(np.ptp(values, axis=1) * np.abs(b - a) <= ERROR)


def _least(a: Any, b: Any, shortest: float) -> Any:
    """Whether panels are as short as rounding allows."""
    return np.abs(b - a) <= 16 * np.maximum(shortest, np.spacing(np.maximum(np.abs(a), np.abs(b))))
