"""A path as reaction coordinate: its nodes, from the start to where it crosses the boundary."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion.edges import NO_PART, Edge
from diffusion.plan import Plan

Array = NDArray[np.float64]
NODES = 16  # at equal distances along a path; every step is compared with all, and 64 cost as much as the step
FINE = 256  # places between two nodes, at which the boundary is looked for
BEGINS = 0.05  # of a path, within which the point nearest to the start must be


def nodes_of(path: ArrayLike, plan: Plan, edge: Edge) -> Array:
    """Nodes at equal distances from the first position of a path to its first outside, else to its last, (NODES, d).

    Raises
    ------
    ValueError
        If it is no path in these coordinates, does not begin at the start, or is outside at once.
    """
    try:
        positions = np.array(path, np.float64)
    except (TypeError, ValueError):
        positions = np.empty(0)
    d = len(plan.origin)
    if positions.ndim != 2 or len(positions) < 2 or positions.shape[1] != d or not np.all(np.isfinite(positions)):
        raise ValueError(
            f"coordinate, of shape {positions.shape}, must be a path: two or more positions, of {d} finite numbers "
            "each, from the minimum over the saddle; or 'exit', 'loss' or a function of theta"
        )
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(positions, axis=0), axis=1))])
    fine = _at(np.linspace(0, lengths[-1], (NODES - 1) * FINE + 1), lengths, positions)
    distance = np.linalg.norm(fine - plan.origin, axis=1)
    begins = int(distance.argmin()) / (len(fine) - 1)
    if lengths[-1] == 0 or begins > BEGINS:
        raise ValueError(
            f"coordinate is a path that begins at {positions[0].tolist()} and is nearest to the start, "
            f"{plan.origin.tolist()}, after {begins:.2g} of its way; it must lead from the start over the saddle: turn "
            "it round, or give another start"
        )
    outside = np.flatnonzero(edge.crossed(plan.landscape, fine)[0] != NO_PART)
    if len(outside) and outside[0] < NODES:
        raise ValueError(
            f"coordinate is a path that begins at {positions[0].tolist()}, where boundary = {edge.boundary!r} is "
            "crossed already; it must begin at the minimum"
        )
    end = lengths[-1] * (outside[0] / (len(fine) - 1) if len(outside) else 1.0)
    return _at(np.linspace(0, end, NODES), lengths, positions)


def values_along(nodes: Array, positions: Array) -> Array:
    """How far along the nodes positions of shape (n, d) are, by the kernels' own function, shape (n,)."""
    from diffusion.kernels import excursions

    along_path: Any = excursions.along_path
    return np.array([along_path(position, nodes) for position in positions])


def written(path: ArrayLike, nodes: Array) -> str:
    """A path for the record."""
    told = hashlib.sha256(np.ascontiguousarray(path, np.float64).tobytes()).hexdigest()[:16]
    ends = f"from {np.round(nodes[0], 6).tolist()} to {np.round(nodes[-1], 6).tolist()}"
    return f"path of shape {np.shape(path)} {ends}, SHA-256 {told}"


def _at(where: Array, lengths: Array, positions: Array) -> Array:
    """Positions at these lengths along a path."""
    return np.stack([np.interp(where, lengths, column) for column in positions.T], axis=1)
