"""How often particles escape, and where they are meanwhile."""

from __future__ import annotations

import xarray
from numpy.typing import ArrayLike

from diffusion.dynamics import Dynamics
from diffusion.fokker_planck.equation import plain, pose
from diffusion.fokker_planck.kinds import solver_of
from diffusion.fokker_planck.path import Diffusion
from diffusion.fokker_planck.problems import Boundary, Walls, label
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel


def escape_rate(
    landscape: Landscape,
    *,
    start: ArrayLike,
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
        `position_density` and `undershoot`, how far the density falls below zero, as a share of its largest value. With
        two coordinates `density` and `current` over the grid's axes, `first` and `second`, at `position`; NaN where no
        path comes; `cell_area` turns sums into integrals.

    Raises
    ------
    ValueError
        As for `mean_first_passage_time`; or if the slowest rate cannot be told from the next, or depends on where
        an open side ends.
    """
    start, boundary, tolerance = plain(start, boundary, tolerance)
    equation = pose(landscape, diffusion, mass, damping, breaks, convention, dynamics, noise)
    data, coordinates = solver_of(equation).rate(start, boundary, reflecting, tolerance)
    if equation.iteration is not None:
        data["escape_rate_per_iteration"] = ((), data["escape_rate"][1] * equation.iteration)
    asked = {"start": start, "boundary": boundary, "reflecting": reflecting, "tolerance": tolerance}
    return label(data, coordinates, equation, **asked)
