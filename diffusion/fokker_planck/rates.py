"""How often particles escape, and where they are meanwhile."""

from __future__ import annotations

import numpy as np
import xarray
from numpy.typing import ArrayLike, NDArray

from diffusion.dynamics import Dynamics
from diffusion.fokker_planck import overdamped
from diffusion.fokker_planck.equation import plain, pose
from diffusion.fokker_planck.path import Diffusion
from diffusion.fokker_planck.phase_grid import make_grid
from diffusion.fokker_planck.problems import (
    Boundary,
    Walls,
    check_start,
    find_path,
    label,
    phase_coordinates,
    phase_density,
)
from diffusion.fokker_planck.refinement import check_tolerance, refined
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel

Array = NDArray[np.float64]
SHALLOW = 1.0  # depth of wells, in temperatures, that are never the slowest to be left
OUTER = 1e-9  # share of the slowest mode farthest out, below which the path's end there does not matter to it


def escape_rate(
    landscape: Landscape,
    *,
    start: float,
    boundary: Boundary,
    diffusion: Diffusion | None = None,
    mass: float | None = None,
    damping: float | None = None,
    dynamics: Dynamics | None = None,
    noise: NoiseModel | None = None,
    convention: str = "ito",
    reflecting: Walls = None,
    breaks: ArrayLike = (),
    tolerance: float | None = None,
) -> xarray.Dataset:
    """Rate at which particles that have not yet escaped do so, and where they are meanwhile.

    Parameters
    ----------
    start
        A position that tells the side of the boundary; the rate does not depend on it further.
    landscape, boundary, diffusion, mass, damping, dynamics, noise, convention, reflecting, breaks, tolerance
        As in `mean_first_passage_time`.

    Returns
    -------
    xarray.Dataset
        `escape_rate`, the smallest eigenvalue, `escape_rate_error`, an estimate of its absolute error, and the
        quasi-stationary `density`, of mass 1, over position or position and velocity; `position_width` and
        `velocity_width` turn sums into integrals. Of an optimizer also `escape_rate_per_iteration`. In phase space also
        `position_density` and `undershoot`, how far the density falls below zero, as a share of its largest value.

    Raises
    ------
    ValueError
        As for `mean_first_passage_time`; or if the slowest rate cannot be told from the next, or depends on where an open side ends.
    """
    start, boundary, tolerance = plain(start, boundary, tolerance)
    equation = pose(landscape, diffusion, mass, damping, breaks, convention, dynamics, noise)
    starts = check_start(start)
    phase, power = equation.phase, equation.power
    tolerance = check_tolerance(tolerance, phase)
    for wells in (-np.inf if phase else SHALLOW, -np.inf):  # the slowest rate may be that of a well far behind
        path = find_path(equation, starts, boundary=boundary, reflecting=reflecting, wells=wells)
        if phase or not path.margin:
            break
        overdamped.refuse_rare("1 / escape_rate", path, starts)
        if overdamped.outer_share(path, starts, power) < OUTER:
            break
    else:
        raise ValueError(
            f"start = {start}: the slowest mode reaches as far out on the open side as one looks, as where drift carries all particles to "
            "the boundary; give reflecting = a position there, on which the rate depends"
        )
    if phase:
        rates, errors = refined(path, *equation.inertia, lambda g: np.array([g.slowest()[0]]), tolerance)
        grid = make_grid(path, *equation.inertia)
        data = phase_density(grid, grid.slowest()[1])
        coordinates = phase_coordinates(grid)
    else:
        times, errors = overdamped.extrapolated(
            "1 / escape_rate", path, starts, power, lambda chain: np.array([-chain.slowest()[0]]), tolerance
        )
        rates = 1 / times
        errors = rates * errors / times
        chain = overdamped.shown(path, starts, power)
        mass_here = chain.weights + chain.slowest()[1]
        mass_here = np.exp(mass_here - mass_here.max())
        data = {"density": (("position",), mass_here / mass_here.sum() / chain.widths)}
        coordinates = {"position": chain.x, "position_width": ("position", chain.widths)}
    data |= {"escape_rate": ((), rates[0]), "escape_rate_error": ((), errors[0])}
    if equation.iteration is not None:
        data["escape_rate_per_iteration"] = ((), rates[0] * equation.iteration)
    asked = {"start": start, "boundary": boundary, "reflecting": reflecting, "tolerance": tolerance}
    return label(data, coordinates, equation, **asked)
