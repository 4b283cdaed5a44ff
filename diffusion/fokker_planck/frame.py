"""Axes of a grid in the plane: turned or sheared, to have straight boundaries as lines of it and a diagonal D."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion.edges import LINES, PLANE, Edge

Array = NDArray[np.float64]
PARALLEL = 1e-9  # of two directions: their sine
DIAGONAL = 1e-10  # of D: its correlation off the diagonal


@dataclass(frozen=True)
class Frame:
    """Linear coordinates ``y = axes @ theta`` of the plane.

    Attributes
    ----------
    axes
        Rows, shape (2, 2).
    low, high
        Straight boundaries along each axis, infinite where there is none, shape (2,) each.
    aligned
        Whether all of the boundary is made of these.
    gradient, diffusion
        L' and D as functions of theta, shape (n, 2) to (n, 2) and to (n, 2, 2).
    """

    axes: Array
    low: Array
    high: Array
    aligned: bool
    gradient: Callable[[Array], Array]
    diffusion: Callable[[Array], Array]

    def theta(self, y: Array) -> Array:
        """Positions in theta of positions on the grid, shape (n, 2)."""
        return np.asarray(y @ np.linalg.inv(self.axes).T)

    def motion(self, y: Array) -> tuple[Array, Array]:
        """L' and D along the axes at positions on the grid, shape (n, 2) to (n, 2) and (n, 2, 2)."""
        theta = self.theta(y)
        force = self.gradient(theta) @ self.axes.T
        return force, self.axes @ self.diffusion(theta) @ self.axes.T


def make_frame(
    edge: Edge | None,
    gradient: Callable[[Array], Array],
    diffusion: Callable[[Array], Array],
    start: Array,
    turns: bool = True,
) -> Frame:
    """The frame for a boundary.

    One direction of straight boundaries is the first axis; the second is then conjugate to it, such that D at the start
    is diagonal. Two directions are both axes. Without any, or with more, the axes are those of D at the start. With
    turns = False they are those of theta.
    """
    noise = diffusion(start[None])[0]
    normals: list[Array] = []
    lines = [] if edge is None else _straight(edge)
    for normal, _ in lines:
        if all(abs(_sine(normal, other)) > PARALLEL for other in normals):
            normals.append(normal)
    straight = 0 < len(normals) < 3
    if not turns:
        axes = np.eye(2)
        lines = [line for line in lines if np.abs(line[0]).max() > 1 - PARALLEL]
    elif len(normals) == 2:
        axes = np.array(normals)
    elif len(normals) == 1:
        conjugate = noise @ normals[0]
        second = np.array([-conjugate[1], conjugate[0]])
        axes = np.array([normals[0], second / np.linalg.norm(second)])
    elif abs(noise[0, 1]) <= DIAGONAL * np.sqrt(noise[0, 0] * noise[1, 1]):
        axes = np.eye(2)
    else:
        axes = np.linalg.eigh(noise)[1].T
    if abs(axes[0, 0]) < abs(axes[1, 0]):  # as near to the axes of theta as can be
        axes = axes[::-1]
    axes = axes * np.sign([row[np.argmax(np.abs(row))] for row in axes])[:, None]
    low, high = np.full(2, -np.inf), np.full(2, np.inf)
    for normal, offset in lines if straight or not turns else ():
        k = int(np.argmin([abs(_sine(normal, axis)) for axis in axes]))
        if normal @ axes[k] > 0:
            high[k] = min(high[k], offset)
        else:
            low[k] = max(low[k], -offset)
    known = edge is None or bool(np.all((edge.kinds == LINES) | (edge.kinds == PLANE)))
    aligned = known and all(np.any(np.abs(axes @ normal) > 1 - PARALLEL) for normal in normals)
    return Frame(axes, low, high, aligned, gradient, diffusion)


def _sine(a: Array, b: Array) -> float:
    return float(a[0] * b[1] - a[1] * b[0])


def _straight(edge: Edge) -> list[tuple[Array, float]]:
    """Unit normals, outwards, and offsets of the straight parts of a boundary."""
    lines: list[tuple[Array, float]] = []
    for kind, first, second, limit in zip(edge.kinds, edge.first, edge.second, edge.limits, strict=True):
        if kind == PLANE:
            lines.append((first / np.linalg.norm(first), float(limit / np.linalg.norm(first))))
        elif kind == LINES:
            for axis, low, high in zip(np.eye(2), first, second, strict=True):
                lines += [(axis, float(high))] if np.isfinite(high) else []
                lines += [(-axis, float(-low))] if np.isfinite(low) else []
    return lines
