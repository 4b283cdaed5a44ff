"""Straight lines through the start, along which the landscape is looked at beforehand: what splitting would not see."""

import numpy as np
from numpy.typing import NDArray

from diffusion.plan import Plan

Array = NDArray[np.float64]
ALONG = 65  # points of a line
FAR = 3.0  # of the way to the boundary that is looked at on the other side
SHALLOW = 3.0  # temperatures; replicas that wander come and go over a lower pass
FLATTER = 10.0  # times as flat as a parabola of the same width: then the width is what counts
AS_LOW = 1.5  # a pass at most so many times as high as the lowest lets out paths that count


def lines_to(origin: Array, ends: Array) -> Array:
    """Positions from the start until each coordinate in turn is at its end, the others held, shape (d, ALONG, d)."""
    out = np.tile(origin, (len(origin), ALONG, 1))
    for j, start in enumerate(origin):
        out[j, :, j] = np.linspace(start, ends[j], ALONG)
    return out


def passes(plan: Plan, boundary: float) -> Array:
    """How high the loss is, above the start, at its highest on the line to each coordinate's boundary, shape (d,); NaN where it is not finite."""
    return np.asarray(_rises(plan, np.full(len(plan.origin), boundary)).max(axis=1))


def curvatures(plan: Plan, boundary: float) -> Array:
    """Sizes of the second derivatives at the reference point, shape (d,); where a well is flatter than parabolic, of the parabola that is as wide.

    As wide at one temperature above the start: a quartic's curvature vanishes, but not its width.
    """
    size = np.abs(plan.hessian)
    if plan.landscape.formulas.coupled:
        return size
    temperature, rises = _temperature(plan)[:, None], _rises(plan, np.full(len(plan.origin), boundary))
    width = (
        np.abs(boundary - plan.origin) * np.argmax(rises >= temperature, axis=1) / (ALONG - 1)
    )  # 0 if it is never so high
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = np.where(width > 0, 2 * temperature[:, 0] / width**2, 0.0)
    return np.where(size < wide / FLATTER, wide, size)


def second_valley(plan: Plan, boundary: float) -> str:
    """What is wrong if behind the well, away from the boundary, the loss falls again past a pass lower than the exit's; else nothing.

    Replicas that went there would stay, and their time counts in the mean time to leave, but not here.
    """
    temperature, ways_out = _temperature(plan), passes(plan, boundary)
    rises = _rises(plan, plan.origin - FAR * (boundary - plan.origin))
    crests = np.maximum.accumulate(rises, axis=1)
    for j, crest in enumerate(crests):
        with np.errstate(invalid="ignore"):  # of an infinite wall, or where the temperature is not known
            fallen = np.flatnonzero(rises[j] < crest - SHALLOW * temperature[j])
        if len(fallen) and SHALLOW * temperature[j] < crest[fallen[0]] < ways_out[j]:
            return (
                f"away from the boundary, in coordinate {j}, the loss falls again past a pass {crest[fallen[0]]:.3g} above the start, lower than the "
                f"exit's, {ways_out[j]:.3g}: a second valley, the time in which is not counted"
            )
    return ""


def unseen(name: str, ends: Array, middle: float, heights: Array) -> str:
    """What is wrong if a function is no higher on some coordinate's boundary than in the middle of the well, although paths leave there.

    `ends` (d, 2): its values at the start and on each coordinate's boundary.
    """
    with np.errstate(invalid="ignore"):
        low = heights <= AS_LOW * np.nanmin(heights, initial=np.inf)
    blind = np.flatnonzero((ends[:, 1] <= np.maximum(ends[:, 0], middle)) & low)
    if not len(blind):
        return ""
    return f"coordinate = {name!r} does not grow towards the exit by coordinate {blind[0]}, over a pass {heights[blind[0]]:.3g} above the start"


def _rises(plan: Plan, ends: Array) -> Array:
    """Loss above that of the start, on the line to each coordinate's end, shape (d, ALONG)."""
    with np.errstate(all="ignore"):
        if plan.landscape.formulas.coupled:
            values = np.asarray(plan.landscape.loss(lines_to(plan.origin, ends)))
        else:  # a coordinate's loss is its own: all lines at once
            values = plan.landscape.losses(np.linspace(plan.origin, ends, ALONG)).T
    return np.asarray(values - values[:, :1])


def _temperature(plan: Plan) -> Array:
    """Of each coordinate, in units of the loss, at the reference point; infinite where it is not known."""
    if plan.dynamics.running is not None or plan.dynamics.second_moment == "following":
        return np.full(len(plan.origin), np.inf)
    rule = plan.dynamics.rule(plan.variance)
    return np.asarray(rule.diffusion / np.where(rule.inertia > 0, rule.mass * rule.damping, 1.0))
