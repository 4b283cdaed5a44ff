"""Critical points of a loss in a box: minima, saddles, and which saddle joins which minima."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import descents
from diffusion.descents import NOWHERE
from diffusion.variables import describe

if TYPE_CHECKING:
    import xarray

Array = NDArray[np.float64]
STARTS = 64  # of Newton's method, in one coordinate; twice as many in two, and so on up to
MOST = 512
SAME = 1e-6  # of the box: how far apart two starts' ends may be and be one critical point
FLAT = 1e-7  # of the largest eigenvalue: what is taken for 0
OFF = 1e-3  # of the box: how far from a saddle a descent begins
EDGE = 64  # places on an edge at first, and
DOUBLINGS = 36  # how often they may be doubled where the gradient turns fast
GROWING = np.array([1.3, 2.7, 5.9, 13.0])  # sizes of the reference point: boxes in which a saddle is looked for


def critical_points(landscape: Any, box: ArrayLike) -> xarray.Dataset:
    """What `Landscape.critical_points` returns, which see."""
    import xarray
    from scipy.stats import qmc

    d = landscape.dimension
    try:
        ends = np.asarray(box, np.float64)
    except (TypeError, ValueError):  # no numbers, or rows of different lengths
        ends = np.empty(0)
    if ends.shape != (d, 2) or not np.all(np.isfinite(ends)) or not np.all(ends[:, 0] < ends[:, 1]):
        raise ValueError(f"box = {box!r} must be {d} pairs of a lower and an upper end, one for each coordinate")
    low, width = ends[:, 0], np.ptp(ends, axis=1)
    turns = _winding(landscape, ends) if d == 2 else None
    points, hits = np.empty((0, d)), np.empty(0, np.int64)
    for start in low + width * qmc.Sobol(d, seed=0).random(min(STARTS * 2 ** (d - 1), MOST)):
        found = _solved(landscape, start)
        if found is None or np.any(found < low) or np.any(found > ends[:, 1]):
            continue
        near = np.flatnonzero(np.all(np.abs(points - found) <= SAME * width, axis=1))
        if len(near):
            hits[near[0]] += 1
        else:
            points, hits = np.vstack([points, found]), np.append(hits, 1)
    curved = [np.linalg.eigh(landscape.hessian_matrix(point)) for point in points]
    eigenvalues = np.reshape([each[0] for each in curved], (len(points), d))
    losses = np.asarray(landscape.loss(points)).reshape(len(points))
    index = np.count_nonzero(eigenvalues < 0, axis=1)
    near = np.round(losses / max(np.abs(losses).max(initial=0.0), np.finfo(float).tiny), 9)
    order = np.lexsort((*points.T[::-1], near, index))
    points, hits, eigenvalues, losses, index = (
        points[order],
        hits[order],
        eigenvalues[order],
        losses[order],
        index[order],
    )
    flat = np.any(np.abs(eigenvalues) <= FLAT * np.abs(eigenvalues).max(axis=1, initial=0.0, keepdims=True), axis=1)
    joins = np.full((len(points), 2), NOWHERE)
    for k in np.flatnonzero((index == 1) & ~flat):
        along = curved[order[k]][1][:, 0] * OFF * width.min()
        along = along * (1 if along[np.argmax(np.abs(along))] > 0 else -1)
        joins[k] = [_below(landscape, points[k] + side * along, points, SAME * width) for side in (-1, 1)]
    told = int(np.sum(1 - 2 * (index % 2)))
    if flat.any():
        _warn(
            f"the Hessian at {points[flat][0].tolist()} has an eigenvalue of 0: its index and what it joins are not "
            "known"
        )
    elif turns is not None and turns != told:
        _warn(
            f"the gradient turns {turns} times along the edge of box = {ends.tolist()}, and the points found make it "
            f"{told} ({len(points)} of them): some are missing; give a smaller box, or several, if none has a Hessian "
            "of 0, to which Newton's method leads too slowly"
        )
    data = {
        "position": (("point", "coordinate"), points),
        "eigenvalue": (("point", "direction"), eigenvalues),
        "index": ("point", index),
        "loss": ("point", losses),
        "joins": (("point", "descent"), joins),
        "hits": ("point", hits),
    }
    coords = {"point": np.arange(len(points)), "coordinate": np.arange(d), "direction": np.arange(d)}
    parameters = {"landscape": repr(landscape), "box": ends.tolist()}
    return describe(xarray.Dataset(data, coords), parameters)


def surroundings(landscape: Any) -> xarray.Dataset:
    """What `Landscape.surroundings` returns, which see."""
    here, found = landscape.reference, None
    size = max(1.0, float(np.abs(here).max()))
    for half in size * GROWING:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                points = critical_points(landscape, np.column_stack([here - half, here + half]))
        except ValueError:  # a critical point on the edge
            continue
        home = np.flatnonzero(np.all(np.abs(points["position"].values - here) <= SAME * half, axis=1))
        joins = points["joins"].values
        ways = joins[np.any(joins == home[0], axis=1)] if len(home) else joins[:0]
        if len(ways):
            found = points
            if NOWHERE not in ways:  # what lies beyond the saddles is in the box, too
                break
    if found is None:
        raise ValueError(
            f"no saddle next to the minimum of {landscape!r} within {half:.3g} of it, and noise at = 'piecewise' needs "
            "both; give the minimum as reference, or use 'reference' or a position"
        )
    return found


def regions(landscape: Any, points: xarray.Dataset) -> tuple[Array, Array]:
    """What `Landscape.regions` returns, which see."""
    from scipy.optimize import brentq

    position = points["position"].values
    pairs, gaps = [], []
    for saddle, minima in enumerate(points["joins"].values):
        for minimum in set(minima.tolist()) - {NOWHERE}:
            low, way = position[minimum], position[saddle] - position[minimum]
            share = brentq(
                lambda t, low=low, way=way: np.linalg.eigvalsh(landscape.hessian_matrix(low + t * way))[0], 0.0, 1.0
            )
            row = np.zeros(len(position))
            row[minimum], row[saddle] = 1.0, -1.0
            pairs.append(row)
            gaps.append((2.0 * share - 1.0) * float(way @ way))
    joined = np.flatnonzero(np.any(np.array(pairs) != 0, axis=0))
    return position[joined], np.linalg.lstsq(np.array(pairs)[:, joined], np.array(gaps), rcond=None)[0]


def _warn(told: str) -> None:
    warnings.warn(told, RuntimeWarning, stacklevel=4)


def _solved(landscape: Any, start: Array) -> Array | None:
    """The critical point to which a hybrid of Newton's method leads from a place, to rounding; None if to none."""
    from scipy.optimize import root

    with np.errstate(all="ignore"):
        found = root(landscape.gradient, start, jac=landscape.hessian_matrix, tol=1e-8)
        if not found.success or not np.all(np.isfinite(landscape.hessian_matrix(found.x))):
            return None
        return descents.polished(landscape, found.x) + 0.0  # no -0


def _below(landscape: Any, start: Array, points: Array, close: Array) -> int:
    """The number of the minimum to which steepest descent leads."""
    try:
        found = descents.minimum_below(landscape, start)
    except ValueError:
        return NOWHERE
    near = np.flatnonzero(np.all(np.abs(points - found) <= close, axis=1))
    return int(near[0]) if len(near) else NOWHERE


def _winding(landscape: Any, ends: Array) -> int:
    """How often the gradient turns along the edge of a box in a plane, counterclockwise."""
    (left, right), (bottom, top) = ends
    corners = np.array([(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)])
    shares = np.linspace(0, 4, 4 * EDGE + 1)
    for _ in range(DOUBLINGS):
        sides = np.minimum(shares.astype(int), 3)
        here = corners[sides] + (shares - sides)[:, None] * np.diff(corners, axis=0)[sides]
        slopes = landscape.gradient(here)
        angles = np.arctan2(slopes[:, 1], slopes[:, 0])
        steps = (np.diff(angles) + np.pi) % (2 * np.pi) - np.pi
        if not np.all(np.isfinite(slopes)):
            raise ValueError(
                f"box = {ends.tolist()}: the gradient is not finite on its edge; give a box where the loss is smooth"
            )
        fast = np.flatnonzero(np.abs(steps) > np.pi / 4)
        if not len(fast):
            return round(float(steps.sum()) / (2 * np.pi))
        shares = np.sort(np.concatenate([shares, (shares[fast] + shares[fast + 1]) / 2]))
    raise ValueError(
        f"box = {ends.tolist()}: a critical point lies on its edge, near {here[fast[0]].tolist()}, or so near that "
        "rounding hides it; move that edge"
    )
