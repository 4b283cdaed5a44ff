"""Coordinates in which least actions are sought, and what is asked of a path's ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from theory import checks

Array = NDArray[np.float64]
AT_REST = 1e-4  # share of the way between the ends by which a point of rest may be missed


@dataclass(frozen=True)
class Frame:
    """Coordinates in which the noise's stationary covariance about the start is round and the end is 1 away.

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
            f"end = {end!r} is a saddle of index {np.sum(growth > 0)}, where no likeliest path ends; give index 1"
        )
