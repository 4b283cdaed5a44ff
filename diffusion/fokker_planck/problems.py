"""What a caller asks, checked, as a path; and results, labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.callables import described
from diffusion.fokker_planck.overdamped import POWERS
from diffusion.fokker_planck.path import Diffusion, Path, make_path
from diffusion.fokker_planck.phase_grid import MARGIN
from diffusion.fokker_planck.phase_space import Grid
from diffusion.landscapes import Landscape
from diffusion.variables import describe

Array = NDArray[np.float64]
RISE = 40.0  # of psi at an open end of the overdamped equation; exp(-40) is below rounding
Walls = float | Sequence[float] | None


def plain(*values: Any) -> Any:
    """NumPy's scalars and arrays of dimension 0 as Python's numbers, everything else as it is."""
    return tuple(
        value.item() if isinstance(value, np.generic | np.ndarray) and value.ndim == 0 else value for value in values
    )


def check_equation(convention: str, mass: float | None, damping: float | None) -> bool:
    """Whether the equation is that of phase space.

    Raises
    ------
    ValueError
        If the convention is unknown, only one of mass and damping is given, or they come with a convention that is not theirs.
    """
    checks.choice("convention", convention, tuple(POWERS))
    if mass is None and damping is None:
        return False
    for name, value, other in (("mass", mass, "damping"), ("damping", damping, "mass")):
        if value is None:
            raise ValueError(
                f"{name} = None, but {other} is given; phase space needs both, the overdamped equation neither"
            )
        checks.positive(name, value)
    if convention != "ito":
        raise ValueError(
            f"convention = {convention!r} has no meaning in phase space, where D multiplies the noise of a velocity that it does "
            "not depend on; leave it at 'ito', the limit of high damping"
        )
    return True


def check_start(start: float) -> Array:
    """One starting position, shape (1,)."""
    starts = check_starts(start)
    if len(starts) > 1:
        raise ValueError(f"start = {start!r} must be one position; call once for each")
    return starts


def check_starts(start: ArrayLike) -> Array:
    """Starting positions, shape (n,)."""
    return checks.finite_vector("start", start)


def find_path(
    landscape: Landscape,
    diffusion: Diffusion,
    starts: Array,
    *,
    boundary: float | None = None,
    mass: float | None = None,
    damping: float | None = None,
    reflecting: Walls = None,
    absorbing: Walls = None,
    breaks: ArrayLike = (),
    wells: float = np.inf,
) -> Path:
    """The path between the walls that lie around the starts.

    Raises
    ------
    ValueError
        If a start is at or on both sides of a wall, two walls are on one side, or as for `make_path`.
    """
    ends: list[float | None] = [None, None]
    absorbs = [False, False]
    low, high = float(starts.min()), float(starts.max())
    walls = [("boundary", boundary, True)] if boundary is not None else []
    walls += [("absorbing", wall, True) for wall in _walls("absorbing", absorbing)]
    walls += [("reflecting", wall, False) for wall in _walls("reflecting", reflecting)]
    for name, wall, takes in walls:
        assert wall is not None
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
                f"{name} = {wall} and {ends[side]} are both {where} start = {starts.tolist()}, which leaves start outside the "
                f"domain; give one wall on each side"
            )
        ends[side], absorbs[side] = float(wall), takes
    phase = mass is not None and damping is not None
    return make_path(
        landscape,
        diffusion,
        starts,
        ends[0],
        ends[1],
        absorbing=(absorbs[0], absorbs[1]),
        friction=float(mass * damping) if mass is not None and damping is not None else 1.0,
        rise=MARGIN if phase else RISE,
        breaks=breaks,
        wells=wells,
    )


def _walls(name: str, walls: Walls) -> list[float]:
    return [] if walls is None else checks.finite_vector(name, walls).tolist()


def label(
    data: Mapping[str, Any],
    coordinates: Mapping[str, Any],
    landscape: Landscape,
    diffusion: Diffusion,
    **parameters: Any,
) -> xarray.Dataset:
    """A Dataset with units, meanings and parameters."""
    named = described(diffusion) if callable(diffusion) else diffusion
    return describe(xarray.Dataset(data, coordinates), {"landscape": repr(landscape), "diffusion": named, **parameters})


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

    In a cell with negative values all are drawn towards the cell's mean until none is negative, which keeps the cell's mass
    (Zhang and Shu 2010, Section 2.2); where a mean is itself negative, the cell becomes that mean.
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
