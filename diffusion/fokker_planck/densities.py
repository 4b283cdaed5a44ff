"""Where particles are: densities at given times, and in the end."""

from __future__ import annotations

import numpy as np
import xarray
from numpy.typing import ArrayLike

from diffusion import checks
from diffusion.dynamics import Dynamics
from diffusion.fokker_planck.equation import plain, pose
from diffusion.fokker_planck.kinds import solver_of
from diffusion.fokker_planck.path import Diffusion
from diffusion.fokker_planck.problems import Boundary, Walls, label
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel


def density(
    landscape: Landscape,
    *,
    start: float,
    times: ArrayLike,
    boundary: Boundary | None = None,
    diffusion: Diffusion | None = None,
    mass: float | None = None,
    damping: float | None = None,
    dynamics: Dynamics | None = None,
    noise: NoiseModel | None = None,
    convention: str = "ito",
    spread: float = 0.0,
    reflecting: Walls = None,
    breaks: ArrayLike = (),
    fineness: float = 1.0,
) -> xarray.Dataset:
    """Density of particles at times after their start, in one coordinate.

    Parameters
    ----------
    start
        Position at time 0, in theta.
    times
        Ascending times above 0, shape (m,), dynamical.
    boundary
        Where particles are taken out, a position or two ends (low, high); None: nowhere.
    spread
        Standard deviation of the normal law of positions at time 0; 0: all at the start. In phase space it must be
        above 0, and velocities are thermal: from one position the density at early times is a line that no grid
        resolves.
    reflecting
        Position of a wall, or of two, one on each side of the start. A side without wall or end is open. Positions end
        before one that the path never reaches.
    fineness
        Multiplies the number of nodes or cells in each direction.
    landscape, diffusion, mass, damping, dynamics, noise, convention, breaks
        As in `mean_first_passage_time`.

    Returns
    -------
    xarray.Dataset
        `density` over time and position, and in phase space velocity; `survival`, the mass that is left. Overdamped,
        the density is the mass of a node's cell over its `position_width`, and never negative. In phase space also
        `position_density` and `undershoot`.

    Raises
    ------
    ValueError
        If times do not ascend from above 0, the grid would be too large, or as for `mean_first_passage_time`.
    """
    start, boundary, spread, fineness = plain(start, boundary, spread, fineness)
    equation = pose(landscape, diffusion, mass, damping, breaks, convention, dynamics, noise)
    moments = checks.finite_vector("times", times)
    if moments[0] <= 0 or np.any(np.diff(moments) <= 0):
        raise ValueError(f"times = {moments.tolist()} must be above 0 and ascend")
    checks.not_negative("spread", spread)
    checks.positive("fineness", fineness)
    data, coordinates = solver_of(equation).density(start, moments, boundary, spread, reflecting, fineness)
    asked = {"start": start, "boundary": boundary, "reflecting": reflecting, "spread": spread, "fineness": fineness}
    return label(data, {"time": moments, **coordinates}, equation, **asked)


def stationary_density(
    landscape: Landscape,
    *,
    start: ArrayLike | None = None,
    diffusion: Diffusion | None = None,
    mass: float | None = None,
    damping: float | None = None,
    dynamics: Dynamics | None = None,
    noise: NoiseModel | None = None,
    convention: str = "ito",
    reflecting: Walls = None,
    breaks: ArrayLike = (),
) -> xarray.Dataset:
    """The density that does not change, of mass 1.

    Overdamped it is ``exp(-int L'/D) D^-p``, p = 1, 1/2, 0 in the Ito, Stratonovich and isothermal convention. In phase
    space it is Gibbs' where D is constant; where D depends on position there is no closed form.

    Parameters
    ----------
    start
        A position inside; None: the landscape's reference point.
    landscape, diffusion, mass, damping, dynamics, noise, convention, breaks
        As in `mean_first_passage_time`.
    reflecting
        Position of a wall, or of two, one on each side of the start. A side without a wall is open.

    Returns
    -------
    xarray.Dataset
        `density`, as in `density` but without time. With two coordinates as in `escape_rate`: around the start,
        as far as places are that cost no more than 40 temperatures to come to; `current` is what detailed
        balance would not have.

    Raises
    ------
    ValueError
        As for `mean_first_passage_time`.
    """
    (start,) = plain(start)
    equation = pose(landscape, diffusion, mass, damping, breaks, convention, dynamics, noise)
    reference = landscape.reference.tolist()
    inside = start if start is not None else reference[0] if len(reference) == 1 else reference
    data, coordinates = solver_of(equation).stationary(inside, reflecting)
    return label(data, coordinates, equation, start=inside, reflecting=reflecting)
