"""Where a path ends: at its walls, or before them where it never comes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffusion.fokker_planck.callables import Pointwise
from diffusion.fokker_planck.noise import refuse_bad
from diffusion.fokker_planck.survey import Function, Way, cut, outwards, to_wall

Array = NDArray[np.float64]


def find_ends(
    slope: Function,
    gradient: Pointwise,
    noise: Pointwise,
    leveled: Function,
    hull: Way,
    walls: Sequence[float | None],
    absorbing: tuple[bool, bool],
    rise: float,
    span: float,
    wells: float,
) -> tuple[list[Way], list[bool]]:
    """The ways from the outermost starts to the lower and the upper end, and whether each ends where no path comes.

    A path leaves by the lower of its exits: to come where psi is `rise` above all between the starts and that exit has
    a chance of exp(-rise). An open side ends there. So does a way to a wall, if what lies beyond is too high for any
    mass, or cannot be followed.

    Parameters
    ----------
    slope, gradient, noise
        psi', L' and D as functions of positions.
    leveled
        D as `noise.level` has it.
    hull
        The way from the lowest to the highest start.
    walls
        Lower and upper wall; None: open.
    absorbing
        Whether each wall absorbs.
    rise
        How far psi must rise.
    span
        A length to begin with on an open side.
    wells
        How deep wells may be, between a place where the path never comes and a wall, for the way to end before the
        wall.

    Raises
    ------
    ValueError
        If an open side does not confine, or a way that the path takes cannot be followed.
    """
    origins, offsets = (float(hull.x[0]), float(hull.x[-1])), (0.0, float(hull.psi[-1]))
    ways = [
        Way(np.array([x]), np.zeros(1)) if wall is None else to_wall(slope, x, wall)
        for x, wall in zip(origins, walls, strict=True)
    ]
    short = [False, False]
    certain = [
        ways[i].x for i in (0, 1) if absorbing[i] and not absorbing[1 - i]
    ]  # these are all of the path in any case
    refuse_bad(gradient, noise, leveled, np.unique(np.concatenate([hull.x, *certain])))
    for side in sorted((0, 1), key=lambda side: walls[side] is None):  # the open sides last
        wall, other = walls[side], 1 - side
        exits = offsets[other] + ways[other].psi if absorbing[other] else hull.psi
        level = max(float(hull.psi.max()), float(exits.max())) + rise - offsets[side]
        if wall is None:
            ways[side], short[side] = _open(slope, noise, origins[side], 2 * side - 1, span, level), True
            continue
        may = absorbing[other] or not absorbing[side]
        found = cut(slope, ways[side], _lowered(noise, ways[side]), level) if may else None
        if found is not None:
            kept, beyond, falls = found
            lowest = min(float(kept.psi.min()), float((hull.psi - offsets[side]).min()))
            if falls <= wells and (ways[side].bad is not None or beyond >= lowest + rise):
                ways[side], short[side] = kept, True
        if (bad := ways[side].bad) is not None:
            refuse_bad(gradient, noise, leveled, np.unique(np.append(ways[side].x, bad)))
            raise ValueError(
                "the gradient of the landscape over the diffusion is too rough or too steep to follow at x = "
                f"{bad:.6g}; give smoother ones, name their jumps in breaks, or shorten the path with reflecting ="
            )
    return ways, short


def _open(slope: Function, noise: Pointwise, origin: float, side: int, span: float, level: float) -> Way:
    way = Way(np.array([origin]), np.zeros(1))
    for way in outwards(slope, origin, side, span):
        found = cut(slope, way, _lowered(noise, way), level)
        if found is not None:
            return found[0]
    rise = float(np.max(way.psi - np.minimum.accumulate(way.psi)))
    raise ValueError(
        f"the landscape does not confine on the open side beyond x = {origin:.6g}: psi = int L'/temperature rises by "
        f"no more than {rise:.3g} within {abs(way.x[-1] - origin):.3g}; give reflecting = or absorbing = a position "
        "there"
    )


def _lowered(noise: Pointwise, way: Way) -> Array:
    """How much a noise unlike that at the origin can add, in psi, to how much is there or how often it is reached."""
    values = noise(way.x)
    with np.errstate(all="ignore"):
        return np.asarray(np.abs(np.log(values / values[0])))
