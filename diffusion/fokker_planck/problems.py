"""What a caller asks, checked, as a path; and results, labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.fokker_planck.equation import Equation, plain
from diffusion.fokker_planck.path import Path, make_path
from diffusion.fokker_planck.phase_grid import MARGIN
from diffusion.fokker_planck.phase_space import Grid
from diffusion.regions import Shape
from diffusion.variables import describe

Array = NDArray[np.float64]
RISE = 40.0  # of psi at an open end of the overdamped equation; exp(-40) is below rounding
Walls = float | Sequence[float] | None
Boundary = float | tuple[float | None, float | None] | Shape


def check_start(start: ArrayLike) -> Array:
    """One starting position, shape (1,)."""
    starts = check_starts(start)
    if len(starts) > 1:
        raise ValueError(f"start = {start!r} must be one position; call once for each")
    return starts


def check_starts(start: ArrayLike) -> Array:
    """Starting positions, shape (n,)."""
    return checks.finite_vector("start", start)


def find_path(
    equation: Equation,
    starts: Array,
    *,
    boundary: Boundary | None = None,
    reflecting: Walls = None,
    wells: float = np.inf,
    velocity: float = 0.0,
) -> Path:
    """The path between the walls that lie around the starts, for particles that start as fast as this.

    Raises
    ------
    ValueError
        If a start is at or on both sides of a wall, two walls are on one side, or as for `make_path`.
    """
    ends: list[float | None] = [None, None]
    absorbs = [False, False]
    low, high = float(starts.min()), float(starts.max())
    walls = [("boundary", wall, True) for wall in two_ends(boundary, starts)]
    if reflecting is not None:
        walls += [("reflecting", wall, False) for wall in checks.finite_vector("reflecting", reflecting).tolist()]
    for name, wall, takes in walls:
        if wall is None:
            continue
        checks.finite(name, wall)
        if takes and low <= wall <= high:
            what = "at" if wall in starts else "on both sides of"
            raise ValueError(f"start = {starts.tolist()} is {what} {name} = {wall}; start strictly on one side of it")
        if low < wall < high:
            raise ValueError(f"start = {starts.tolist()} is on both sides of {name} = {wall}; start on one side of it")
        side = 1 if wall > high or (wall == high and ends[0] is not None) else 0
        if ends[side] is not None:
            where = "above" if side else "below"
            raise ValueError(
                f"{name} = {wall} and {ends[side]} are both {where} start = {starts.tolist()}, which leaves start "
                "outside the domain; give one wall on each side"
            )
        ends[side], absorbs[side] = float(wall), takes
    return make_path(
        equation.landscape,
        equation.diffusion,
        starts,
        ends[0],
        ends[1],
        absorbing=(absorbs[0], absorbs[1]),
        friction=float(np.prod(equation.inertia)) if equation.phase else 1.0,
        rise=MARGIN if equation.phase else RISE,
        energy=equation.inertia[0] * velocity**2 / 2 if velocity else 0.0,
        breaks=equation.breaks,
        wells=wells,
        power=None if equation.phase else equation.power,
    )


def two_ends(boundary: Any, starts: Array) -> tuple[float | None, float | None]:
    """The lower and the upper end; None where there is none.

    Raises
    ------
    ValueError
        If the boundary is neither a position nor two ends.
    """
    if boundary is None:
        return None, None
    if not isinstance(boundary, Sequence):
        checks.finite("boundary", boundary)
        return (boundary, None) if boundary < starts.mean() else (None, boundary)
    if len(boundary) != 2 or all(end is None for end in boundary):
        raise ValueError(
            f"boundary = {boundary!r} must be a position or two ends (low, high), at most one of them None"
        )
    low, high = plain(*boundary)
    if None not in (low, high) and not low < high:
        raise ValueError(f"boundary = {boundary!r} must be two ends in ascending order, (low, high)")
    return low, high


def label(
    data: Mapping[str, Any], coordinates: Mapping[str, Any], equation: Equation, **parameters: Any
) -> xarray.Dataset:
    """A Dataset with units, meanings and parameters."""
    return describe(xarray.Dataset(data, coordinates), {**equation.record, **parameters})


def phase_coordinates(grid: Grid) -> dict[str, Any]:
    """Positions and velocities of the grid's points, and the widths by which sums over them are integrals."""
    return {
        "position": grid.positions.points,
        "velocity": grid.speed * grid.velocities.points,
        "position_width": ("position", grid.positions.weights),
        "velocity_width": ("velocity", grid.speed * grid.velocities.weights),
    }


def phase_density(grid: Grid, density: Array, *leading: str) -> dict[str, Any]:
    """A density over position and velocity, its marginal, and how far it undershoots zero.

    In a cell with negative values all are drawn towards the cell's mean until none is negative, which keeps the cell's
    mass (Zhang and Shu 2010, Section 2.2); where a mean is itself negative, the cell becomes that mean.
    """
    n = grid.positions.degree + 1
    cells = (len(grid.positions.edges) - 1, n, len(grid.velocities.edges) - 1, n)
    values = density.reshape(*density.shape[:-1], *cells) / grid.speed
    share = grid.positions.gauss[1][:, None, None] * grid.velocities.gauss[1]
    mean = np.sum(values * share, axis=(-3, -1), keepdims=True)
    least = values.min(axis=(-3, -1), keepdims=True)
    kept = np.where(least < 0, np.maximum(mean, 0) / np.maximum(mean - least, 1e-300), 1.0)
    limited = (mean + kept * (values - mean)).reshape(
        *density.shape[:-1], len(grid.positions.points), len(grid.velocities.points)
    )
    marginal = limited @ (grid.speed * grid.velocities.weights)
    return {
        "density": ((*leading, "position", "velocity"), limited),
        "position_density": ((*leading, "position"), marginal),
        "undershoot": ((), max(0.0, -float(limited.min())) / float(limited.max())),
    }
