"""When a particle first passes a boundary, and which of two."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.fokker_planck import overdamped
from diffusion.fokker_planck.chain import Chain
from diffusion.fokker_planck.path import Diffusion
from diffusion.fokker_planck.phase_grid import make_grid
from diffusion.fokker_planck.phase_space import Grid
from diffusion.fokker_planck.problems import (
    Walls,
    check_equation,
    check_starts,
    find_path,
    label,
    phase_coordinates,
    plain,
)
from diffusion.fokker_planck.refinement import check_tolerance, refined
from diffusion.landscapes import Landscape

Array = NDArray[np.float64]


def mean_first_passage_time(
    landscape: Landscape,
    *,
    diffusion: Diffusion,
    start: ArrayLike,
    boundary: float,
    convention: str = "ito",
    mass: float | None = None,
    damping: float | None = None,
    reflecting: Walls = None,
    absorbing: Walls = None,
    breaks: ArrayLike = (),
    tolerance: float | None = None,
) -> xarray.Dataset:
    """Mean time until a particle first reaches a boundary.

    Without mass and damping the equation is Equation 2, ``dX = -L'(X) dt + sqrt(2 D(X)) dW``; with them it is Equation 8, and
    the velocity at the start is thermal, of variance ``D(start)/(gamma M^2)``.

    Parameters
    ----------
    landscape
        A landscape of dimension 1.
    diffusion
        D, in loss, half the strength of the noise of the force (eta C/2): a number, or a function of positions, shape (n,) to (n,), or
        of one position.
    start
        Position or positions, shape (n,), in theta, all strictly on one side of the boundary.
    boundary
        Where the particle is taken out, in theta; in phase space with a velocity that points outwards.
    convention
        How noise that depends on position is read: "ito" (Equation 2; what SGD obeys), "stratonovich" or "isothermal". In
        phase space only "ito".
    mass, damping
        M and gamma; both or neither.
    reflecting, absorbing
        Position of a wall on the other side of the start; with `absorbing` the time is that of the first exit by either end.
        Neither: the other side is open, and ends where the path never comes. A deeper well before a reflecting wall counts, however
        high the barrier before it.
    breaks
        Positions where D or L'' jumps. Jumps of D, and the joins of landscapes that know them, are found without.
    tolerance
        Relative error at which to stop refining the grid; None: 1e-7, in phase space 2e-3.

    Returns
    -------
    xarray.Dataset
        `mfpt` and `mfpt_error`, an estimate of its absolute error; dims ``()``, or ``("start",)`` for an array.

    Raises
    ------
    ValueError
        If an argument is out of range, the start is at or beyond a wall, the noise vanishes on the path, the open side does not
        confine, the time is beyond floating-point range, or no grid resolves the temperature or reaches the tolerance.

    Notes
    -----
    The time u solves the backward equation ``A^T u = -1``. Overdamped: finite volumes on three or more nested grids, and
    Richardson extrapolation; the error is the last change. Phase space: polynomials of degree 3, 4, 5, then smaller cells, until
    two agree; the error is their difference and 3e-5 of the value.
    """
    diffusion, boundary, mass, damping, tolerance = plain(diffusion, boundary, mass, damping, tolerance)
    starts = check_starts(start)
    checks.finite("boundary", boundary)
    phase = check_equation(convention, mass, damping)
    tolerance = check_tolerance(tolerance, phase)
    path = find_path(
        landscape,
        diffusion,
        starts,
        boundary=boundary,
        mass=mass,
        damping=damping,
        reflecting=reflecting,
        absorbing=absorbing,
        breaks=breaks,
    )
    if phase:
        assert mass is not None
        assert damping is not None

        def value(grid: Grid) -> Array:
            times = grid.backward(grid.weights)
            hot = path.diffusion(starts) / path.friction / (mass * grid.speed**2)
            return np.array([grid.at_start(times, x, t) for x, t in zip(starts, hot, strict=True)])

        times, errors = refined(path, mass, damping, value, tolerance)
    else:

        def nodes(chain: Chain) -> Array:
            return chain.solve(np.zeros(len(chain.x)))[np.searchsorted(chain.x, starts)]

        times, errors = overdamped.extrapolated("mfpt", path, starts, overdamped.POWERS[convention], nodes, tolerance)
    dims = ("start",) if np.ndim(start) else ()
    return label(
        {name: (dims, v if dims else v[0]) for name, v in (("mfpt", times), ("mfpt_error", errors))},
        {"start": starts} if dims else {},
        landscape,
        diffusion,
        start=starts.tolist(),
        boundary=boundary,
        convention=convention,
        mass=mass,
        damping=damping,
        reflecting=reflecting,
        absorbing=absorbing,
        tolerance=tolerance,
        breaks=np.ravel(breaks).tolist(),
    )


def committor(
    landscape: Landscape,
    *,
    diffusion: Diffusion,
    left: float,
    right: float,
    convention: str = "ito",
    mass: float | None = None,
    damping: float | None = None,
    breaks: ArrayLike = (),
) -> xarray.Dataset:
    """Probability of reaching `right` before `left`.

    Parameters
    ----------
    left, right
        Positions, in theta; left is the lower.
    landscape, diffusion, convention, mass, damping, breaks
        As in `mean_first_passage_time`.

    Returns
    -------
    xarray.Dataset
        `committor` over position, or position and velocity. Overdamped it is exact at every node, up to quadrature.

    Raises
    ------
    ValueError
        If left is not below right, or as for `mean_first_passage_time`.
    """
    diffusion, left, right, mass, damping = plain(diffusion, left, right, mass, damping)
    checks.finite("left", left)
    checks.finite("right", right)
    if not left < right:
        raise ValueError(f"left = {left} must be below right = {right}; swap them")
    phase = check_equation(convention, mass, damping)
    middle = np.array([(left + right) / 2])
    path = find_path(
        landscape, diffusion, middle, mass=mass, damping=damping, absorbing=[left, right], breaks=breaks, wells=-np.inf
    )
    data: dict[str, Any]
    if phase:
        assert mass is not None
        assert damping is not None
        grid = make_grid(path, mass, damping)
        values = grid.backward(grid.leaving[1])
        shape = (len(grid.positions.points), len(grid.velocities.points))
        data = {"committor": (("position", "velocity"), values.reshape(shape))}
        coordinates = phase_coordinates(grid)
    else:
        chain = overdamped.shown(path, middle, overdamped.POWERS[convention])
        data = {"committor": (("position",), chain.committor())}
        coordinates = {"position": chain.x, "position_width": ("position", chain.widths)}
    return label(
        data,
        coordinates,
        landscape,
        diffusion,
        left=left,
        right=right,
        convention=convention,
        mass=mass,
        damping=damping,
        breaks=np.ravel(breaks).tolist(),
    )
