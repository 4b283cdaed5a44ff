"""The paths from which a search for the least action begins, and those that it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from theory import checks
from theory.action_frame import Frame

Array = NDArray[np.float64]
Found = tuple[float, Array, bool]  # an action, its path, and whether that is a minimum
BULGE = 0.2
SAME = 0.02  # share of the way between the ends within which two paths are one
DIRECTIONS = 4  # across the straight path, in each of which it is bent to both sides
ADDED = (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5)  # noise in all directions while that of the problem leaves some out
NEAR = 1e-3  # actions that differ by less, relatively, are near-equal


def stages(spread: Array) -> tuple[float, ...]:
    """Noise that is added to diffusion matrices, stage by stage."""
    values = np.linalg.eigvalsh(spread)
    return ADDED if values.min() < 1e-6 * values.max() else (0.0,)


def descended(begin: list[Array], added: Sequence[float], relaxed: Callable[[Array, float], Found]) -> list[Array]:
    """The paths of near-least action to which the given ones lead, stage by stage."""
    for noise in added:
        found = [relaxed(nodes, noise) for nodes in begin]
        begin = _distinct(found, np.inf)
    return _distinct(found, NEAR)


def bent_paths(end: Array, shares: Array) -> list[Array]:
    """Nodes at shares of the way from the origin to the end, straight or, if there is room, bent to either side."""
    share = shares[:, None]
    across = np.linalg.svd(end[None])[2][1:][:DIRECTIONS]
    bends = [side * 4 * BULGE * share * (1 - share) * each for each in across for side in (1, -1)]
    return [share * end + bend for bend in bends or [0.0]]


def given_path(path: Any, frame: Frame, end: Array, shares: Array) -> Array:
    """Nodes at shares of the way along a caller's path, in the frame."""
    found = checks.finite("guess", path)
    if found.ndim != 2 or found.shape[1] != len(end) or len(found) < 2:
        raise ValueError(f"guess has shape {found.shape}; give positions (m, {len(end)}) from start to end")
    nodes = frame.inside(np.concatenate([frame.origin[None], found, end[None]]))
    length = np.append(0, np.cumsum(np.linalg.norm(np.diff(nodes, axis=0), axis=1)))
    return np.stack([np.interp(shares * length[-1], length, column) for column in nodes.T], axis=1)


def _distinct(found: list[Found], near: float) -> list[Array]:
    """Of paths with their actions, those within a share of the least, each once, the best first.

    Only minima count, if there are any.
    """
    kept: list[Array] = []
    ordered = sorted(
        (each for each in found if each[2] or not any(other[2] for other in found)), key=lambda each: each[0]
    )
    for action, nodes, _ in ordered:
        if action > ordered[0][0] * (1 + near) + 1e-12:
            break
        if not any(_one_curve(nodes, other) for other in kept):
            kept.append(nodes)
    return kept


def _one_curve(nodes: Array, other: Array) -> bool:
    """Whether each node has a node of another path beside it."""
    spacing = np.linalg.norm(np.diff(other, axis=0), axis=1).max()
    return bool(cdist(nodes, other).min(axis=1).max() < max(SAME, spacing))
