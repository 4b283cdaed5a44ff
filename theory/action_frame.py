"""Coordinates in which least actions are sought, and the paths from which the search begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from theory import checks
from theory.action_clock import graded

Array = NDArray[np.float64]
AT_REST = 1e-4  # share of the way between the ends by which a point of rest may be missed
BULGE = 0.2
SAME = 0.02  # share of the way between the ends within which two paths are one
DIRECTIONS = 4  # across the straight path, in each of which it is bent to both sides


@dataclass(frozen=True)
class Frame:
    """Coordinates in which the noise's stationary covariance about the start is a multiple of 1, and the end lies at distance 1.

    Actions are in units of `scale` there.
    """

    origin: Array
    whiten: Array
    scale: float

    @classmethod
    def of(cls, start: Array, end: Array, jacobian: Array, noise: Array, *, discrete: bool = False) -> Frame:
        """From the linear motion about the start: its Jacobian (of the step, if discrete) and its diffusion matrix."""
        if discrete:
            covariance = solve_discrete_lyapunov(np.eye(len(start)) + jacobian, 2 * noise)
        else:
            covariance = solve_continuous_lyapunov(jacobian, -2 * noise)
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        values = np.maximum(values, 1e-9 * values[-1])
        whiten = (vectors / np.sqrt(values)) @ vectors.T
        length = float(np.linalg.norm(whiten @ (end - start)))
        return cls(start, whiten / length, length**2)

    def inside(self, x: Array) -> Array:
        """These coordinates of positions (n, d)."""
        return np.asarray((x - self.origin) @ self.whiten.T)

    def outside(self, z: Array) -> Array:
        """Positions (n, d)."""
        return np.asarray(self.origin + np.linalg.solve(self.whiten, z.T).T)


def ends(start: ArrayLike, end: ArrayLike) -> tuple[Array, Array]:
    """Coordinates of both ends."""
    a, b = _point("start", start), _point("end", end)
    if len(a) != len(b):
        raise ValueError(f"end = {end!r} must have as many coordinates as start = {start!r}")
    if np.array_equal(a, b):
        raise ValueError(f"end = {end!r} is the start itself, which costs nothing; give another point")
    return a, b


def _point(name: str, value: ArrayLike) -> Array:
    """Coordinates of an end; one number is one coordinate."""
    found = np.atleast_1d(checks.finite(name, value))
    if found.ndim != 1:
        raise ValueError(f"{name} = {value!r} must be the coordinates of one point")
    return found


def growth_at_rest(
    name: str, where: Array, away: Array, jacobian: Array, units: Array, *, discrete: bool = False
) -> Array | None:
    """Growth rates of the linear motion about a point; None if the point is not at rest.

    `away` is the motion there; in `units` the distance to rest is judged.
    """
    if not (np.isfinite(away).all() and np.isfinite(jacobian).all()):
        raise ValueError(f"{name} = {where!r}: the motion there, or its slope, is not finite; choose another")
    motion, inner = np.linalg.solve(units, away), np.linalg.solve(units, jacobian @ units)
    distance = np.linalg.lstsq(inner, motion, rcond=None)[0]
    if np.linalg.norm(distance) > AT_REST or np.linalg.norm(inner @ distance - motion) > AT_REST * np.linalg.norm(
        inner
    ):
        return None
    values = np.linalg.eigvals(inner)
    return np.log(np.maximum(np.abs(1 + values), 1e-9)) if discrete else np.asarray(values.real)


def check_start(start: Array, growth: Array | None) -> float:
    """The slowest rate at which the motion returns to the start."""
    if growth is None:
        raise ValueError(f"start = {start!r} is not at rest; give the minimum itself")
    if growth.max() >= 0:
        raise ValueError(f"start = {start!r} is left without noise (growth rate {growth.max():.3g}); give a minimum")
    return float(-growth.max())


def check_end(end: Array, growth: Array | None) -> None:
    """No path of least action ends at a saddle of index 2: one passes beside it."""
    if growth is not None and np.sum(growth > 0) > 1:
        raise ValueError(
            f"end = {end!r} is a saddle of index {np.sum(growth > 0)}, by which no likeliest path leads; give one of index 1"
        )


def bent_paths(end: Array, steps: int, rest: bool) -> list[Array]:
    """Straight from the origin to the end, or bent to either side."""
    share = graded(np.linspace(0, 1, steps + 1), rest)[:, None]
    bends = [side * 4 * BULGE * share * (1 - share) * each for each in transverse(end) for side in (1, -1)]
    return [share * end + bend for bend in bends or [0.0]]


def transverse(way: Array) -> Array:
    """Unit vectors across the way, (k, d), of which there are none in one dimension."""
    return np.asarray(np.linalg.svd(way[None])[2][1:][:DIRECTIONS])


def given_path(path: Any, frame: Frame, end: Array, steps: int, rest: bool) -> Array:
    """A caller's path, in the frame, with graded nodes."""
    found = checks.finite("guess", path)
    if found.ndim != 2 or found.shape[1] != len(end) or len(found) < 2:
        raise ValueError(f"guess has shape {found.shape}; give positions (m, {len(end)}) from start to end")
    nodes = frame.inside(np.concatenate([frame.origin[None], found, end[None]]))
    length = np.append(0, np.cumsum(np.linalg.norm(np.diff(nodes, axis=0), axis=1)))
    share = graded(np.linspace(0, 1, steps + 1), rest) * length[-1]
    return np.stack([np.interp(share, length, column) for column in nodes.T], axis=1)


def distinct(found: list[tuple[float, Array, bool]], near: float) -> list[Array]:
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
        if all(np.max(np.linalg.norm(nodes - other, axis=1)) > SAME for other in kept):
            kept.append(nodes)
    return kept
