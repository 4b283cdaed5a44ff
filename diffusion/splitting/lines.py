"""Straight lines through the start, along which the landscape is looked at beforehand: what splitting would not see."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion.edges import BALL, LINES, NO_PART, PLANE, Edge
from diffusion.plan import Plan

Array = NDArray[np.float64]
ALONG = 65  # points of a line
FAR = 3.0  # of the way to the boundary that is looked at on the other side
SHALLOW = 3.0  # temperatures; replicas that wander come and go over a lower pass
FLATTER = 10.0  # times as flat as a parabola of the same width: then the width is what counts
AS_LOW = 1.5  # a pass at most so many times as high as the lowest lets out paths that count
NEAR, DOUBLINGS, HALVINGS = 1e-3, 40, 50  # where boundaries that are not straight are looked for along a coordinate
ALIGNED = 0.1  # a coordinate leads to a plane if its share of the normal is at least so much of the largest


def ends_of(plan: Plan, edge: Edge) -> Array:
    """Where each coordinate, others as at the start, meets the boundary: (1, d), with two ends (2, d); NaN: nowhere."""
    ends = np.full((2, len(plan.origin)), np.nan)
    for k, kind in enumerate(edge.kinds):
        if kind == LINES:
            found = np.array([edge.second[k], edge.first[k]])
            found = np.where(np.isfinite(found), found, np.nan)
        elif kind == BALL:
            found = plan.origin + np.sqrt(edge.limits[k]) * np.array([[1.0], [-1.0]])
        elif kind == PLANE:
            normal = np.where(np.abs(edge.first[k]) >= ALIGNED * np.abs(edge.first[k]).max(), edge.first[k], np.nan)
            to = plan.origin + (edge.limits[k] - edge.first[k] @ plan.origin) / normal
            found = np.where([normal > 0, normal < 0], to, np.nan)
        else:
            found = np.array([_searched(plan, edge, side) for side in (1, -1)])
        ends = np.array([np.fmin(ends[0], found[0]), np.fmax(ends[1], found[1])])
    if np.isfinite(ends).all(axis=0).any():
        return ends
    return np.where(np.isfinite(ends[:1]), ends[:1], ends[1:])


def _searched(plan: Plan, edge: Edge, side: int) -> Array:
    """The first place outside, by doubling and halving distances, on each coordinate's side; NaN where none is."""
    origin = plan.origin

    def outside(distance: Array) -> NDArray[np.bool_]:
        return np.asarray(edge.crossed(plan.landscape, origin + np.diag(side * distance))[0] != NO_PART)

    near, far = np.zeros(len(origin)), np.full(len(origin), NEAR * max(1.0, float(np.abs(origin).max())))
    for _ in range(DOUBLINGS):
        inside = ~outside(far)
        near, far = np.where(inside, far, near), np.where(inside, 2 * far, far)
    reached = outside(far)
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        beyond = outside(middle)
        near, far = np.where(beyond, near, middle), np.where(beyond, middle, far)
    return np.where(reached, origin + side * far, np.nan)


def lines_to(plan: Plan, ends: ArrayLike) -> Array:
    """Positions from the start until one coordinate is at its end, the others held, shape (ends found, ALONG, d)."""
    rows = _rows(plan, ends)
    out = [
        np.where(np.arange(len(plan.origin)) == j, np.linspace(plan.origin[j], end, ALONG)[:, None], plan.origin)
        for row in rows
        for j, end in enumerate(row)
        if np.isfinite(end)
    ]
    return np.array(out).reshape(len(out), ALONG, len(plan.origin))


def passes(plan: Plan, ends: ArrayLike) -> Array:
    """The loss above the start at its highest on the line to each end, shape of the ends; NaN where not finite."""
    return np.asarray(_rises(plan, _rows(plan, ends)).max(axis=2))


def curvatures(plan: Plan, ends: ArrayLike) -> Array:
    """Sizes of the second derivatives at the reference point, shape (d,).

    Where a well is flatter than parabolic, that of the parabola which is as wide at one temperature above the start: a
    quartic's curvature vanishes, but not its width.
    """
    size = np.abs(plan.hessian)
    if plan.landscape.formulas.coupled:
        return size
    rows = _rows(plan, ends)
    temperature, rises = _temperature(plan), _rises(plan, rows)
    reached = np.argmax(rises >= temperature[:, None], axis=2) / (ALONG - 1)  # 0 if it is never so high
    width = np.where(reached > 0, np.abs(rows - plan.origin) * reached, np.inf).min(axis=0)
    with np.errstate(invalid="ignore"):
        wide = np.where(width < np.inf, 2 * temperature / width**2, 0.0)
    return np.where(size < wide / FLATTER, wide, size)


def second_valley(plan: Plan, ends: ArrayLike) -> str:
    """What is wrong if behind the well, away from the boundary, the loss falls again past a pass lower than the exit's.

    Nothing if it does not. Replicas that went there would stay, and their time counts in the mean time to leave, but
    not here.
    """
    rows = _rows(plan, ends)
    if len(rows) > 1:  # of coordinates with two ends, there is nothing behind
        rows = np.where(np.isfinite(rows).all(axis=0), np.nan, np.fmin(rows[:1], rows[1:]))
    temperature, ways_out = _temperature(plan), passes(plan, rows)[0]
    rises = _rises(plan, plan.origin - FAR * (rows - plan.origin))[0]
    crests = np.maximum.accumulate(rises, axis=1)
    for j, crest in enumerate(crests):
        with np.errstate(invalid="ignore"):  # of an infinite wall, or where the temperature is not known
            fallen = np.flatnonzero(rises[j] < crest - SHALLOW * temperature[j])
        if len(fallen) and SHALLOW * temperature[j] < crest[fallen[0]] < ways_out[j]:
            return (
                f"away from the boundary, in coordinate {j}, the loss falls again past a pass {crest[fallen[0]]:.3g} "
                f"above the start, lower than the exit's, {ways_out[j]:.3g}: a second valley, the time in which is not "
                "counted"
            )
    return ""


def unseen(name: str, ends: Array, middle: float, heights: Array, coordinates: NDArray[np.int64] | None = None) -> str:
    """What is wrong if a function is no higher on a coordinate's boundary than in the well, though paths leave there.

    `ends` (ways, 2): its values at the start and where each way meets the boundary; coordinates: which each goes along,
    if not in order.
    """
    with np.errstate(invalid="ignore"):
        low = heights <= AS_LOW * np.nanmin(heights, initial=np.inf)
    blind = np.flatnonzero((ends[:, 1] <= np.maximum(ends[:, 0], middle)) & low)
    if not len(blind):
        return ""
    by = blind[0] if coordinates is None else coordinates[blind[0]]
    towards = f"coordinate = {name!r} does not grow towards the exit by coordinate {by}"
    return f"{towards}, over a pass {heights[blind[0]]:.3g} above the start"


def _rows(plan: Plan, ends: ArrayLike) -> Array:
    """Ends of each coordinate, shape (1 or 2, d); one number for all."""
    return np.asarray(np.atleast_2d(np.asarray(ends, np.float64)) * np.ones(len(plan.origin)))


def _rises(plan: Plan, rows: Array) -> Array:
    """Loss above the start's, on the line to each coordinate's end, shape (1 or 2, d, ALONG); NaN where none is."""
    with np.errstate(all="ignore"):
        if plan.landscape.formulas.coupled:
            values = np.full((*rows.shape, ALONG), np.nan)
            values[np.isfinite(rows)] = plan.landscape.loss(lines_to(plan, rows))
        else:  # a coordinate's loss is its own: all lines at once
            values = np.stack([plan.landscape.losses(np.linspace(plan.origin, row, ALONG)).T for row in rows])
        return np.asarray(values - values[..., :1])


def _temperature(plan: Plan) -> Array:
    """Of each coordinate, in units of the loss, at the reference point; infinite where it is not known."""
    if plan.dynamics.update is not None or plan.dynamics.second_moment == "following":
        return np.full(len(plan.origin), np.inf)
    rule = plan.dynamics.rule(plan.variance)
    return np.asarray(rule.diffusion / np.where(rule.inertia > 0, rule.mass * rule.damping, 1.0))
