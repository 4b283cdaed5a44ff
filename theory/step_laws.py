"""Transitions of a chain whose steps have any law: Gauss-Legendre panels, split where the law jumps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.optimize import brentq

Array = NDArray[np.float64]
Function = Callable[[Array], Array]
Density = Callable[[Any, Any], Any]

GENERATIONS = 3  # of kinks that a jump of the law makes in the mean time, each smoother than the one before
TAIL = 64  # nodes of the law's tail beyond the far side


def kinks(drift: Function, spread: Function, jumps: Sequence[Function], corners: Sequence[float]) -> list[float]:
    """The corners, and the positions from which a jump of the law lands on one of them."""
    low, top = corners[0], corners[-1]
    x = np.linspace(low, top, 1001)
    found, fresh = set(corners), list(corners[1:])
    moves = [x - drift(x) - jump(x) * spread(x) for jump in jumps]
    for _ in range(GENERATIONS):
        landed = []
        for (jump, move), target in itertools.product(zip(jumps, moves, strict=True), fresh):
            side = move > target

            def beyond(y: float, jump: Function = jump, target: float = target) -> float:
                at = np.array([y])
                return float((at - drift(at) - jump(at) * spread(at) - target)[0])

            landed += [float(brentq(beyond, x[i], x[i + 1])) for i in np.flatnonzero(side[1:] != side[:-1])]
        fresh = [y for y in landed if min(abs(y - known) for known in found) > 1e-9 * (top - low)]
        found.update(fresh)
    return sorted(found)


def law_weights(
    law: Density, jumps: Sequence[Function], at: Array, middle: Array, sigma: Array, edges: Array, x: Array, w: Array
) -> Array:
    """Weights of the mean times at the nodes in the expectation after a step, shape (positions, nodes).

    Parameters
    ----------
    law, jumps
        Density of z at a position, the step going from the middle down by sigma z; where it jumps in z.
    at, middle, sigma
        Positions, where their steps go on average, and the steps' deviations, shape (positions,).
    edges, x, w
        Of the panels; nodes and weights. What falls below the first edge is put on the first node. Where no jump lands
        beyond the last edge, the weights of a position add up to one less the chance of that.
    """
    order = len(x) // (len(edges) - 1)
    nodes, weights = legendre.leggauss(order)
    interpolate = np.linalg.inv(legendre.legvander(nodes, order - 1))
    share, step = legendre.leggauss(TAIL)
    far = 4 * (1 + share) / (1 - share)
    out = edges[-1] + sigma[:, None] * far
    columns = [np.broadcast_to(x, (len(at), len(x))), edges[0] - sigma[:, None] * far, *([out] if jumps else [])]
    places = np.array([jump(at) for jump in jumps]).reshape(len(jumps), len(at)).T
    landed = np.sort(middle[:, None] - sigma[:, None] * places, axis=1)
    split = []
    for target in landed.T:
        panel = np.clip(np.searchsorted(edges, target) - 1, 0, len(edges) - 2)
        left, right = edges[panel][:, None], edges[panel + 1][:, None]
        cuts = np.hstack([left, np.clip(landed, left, right), right])
        half = np.diff(cuts, axis=1)[..., None] / 2
        y = (cuts[:, :-1, None] + half * (1 + nodes)).reshape(len(at), -1)
        inside = 2 * (y - left) / (right - left) - 1
        basis = legendre.legvander(inside, order - 1) @ interpolate
        split.append((panel, (half * weights).reshape(len(at), -1, 1) * basis))
        columns.append(y)
    y = np.hstack(columns)
    density = np.asarray(law((middle[:, None] - y) / sigma[:, None], at[:, None]), dtype=np.float64) / sigma[:, None]
    if not np.all(density >= 0) or not np.all(np.isfinite(density)):
        raise ValueError(
            "law has values that are below 0 or not finite; give a density of (z, x), of mean 0 and variance 1"
        )
    found = density[:, : len(x)] * w
    tails = [density[:, begin : begin + TAIL] for begin in range(len(x), len(x) + TAIL * (1 + bool(jumps)), TAIL)]
    tail, *beyond = (np.sum(each * step * 8 / (1 - share) ** 2, axis=1) * sigma for each in tails)
    rows, begin = np.arange(len(at))[:, None], len(x) + TAIL * len(tails)
    for panel, basis in split:
        end = begin + basis.shape[1]
        found[rows, panel[:, None] * order + np.arange(order)] = np.einsum("rk,rkj->rj", density[:, begin:end], basis)
        begin = end
    found[:, 0] += tail
    if jumps:  # what does not leave stays: a law that is steep where it ends is known to fewer digits than that
        inside = landed[:, -1] < edges[-1]
        found[inside] *= ((1 - beyond[0]) / found.sum(axis=1))[inside, None]
    return np.asarray(found)
