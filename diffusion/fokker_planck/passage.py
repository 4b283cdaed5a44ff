"""When a particle first passes a boundary, and by which of two parts."""

from __future__ import annotations

import numpy as np
import xarray
from numpy.typing import ArrayLike

from diffusion.dynamics import Dynamics
from diffusion.fokker_planck.equation import plain, pose
from diffusion.fokker_planck.kinds import solver_of
from diffusion.fokker_planck.path import Diffusion
from diffusion.fokker_planck.problems import Boundary, Walls, label
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel


def mean_first_passage_time(
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
    velocity: str | float = "thermal",
    reflecting: Walls = None,
    breaks: ArrayLike = (),
    tolerance: float | None = None,
) -> xarray.Dataset:
    """Mean time until a particle first reaches a boundary, or either of two.

    Without mass and damping it is that of Equation 2, ``dX = -L'(X) dt + sqrt(2 D(X)) dW``, in one coordinate or two;
    with them, of Equation 8 in one.

    Parameters
    ----------
    landscape
        A landscape of dimension 1; without inertia also 2.
    start
        Position or positions, shape (n,), in theta, all strictly on one side of the boundary, or between its two ends.
        With two coordinates a pair.
    boundary
        Where the particle is taken out, in theta; in phase space with a velocity that points outwards. Or two ends
        (low, high); None: that side is open. With two coordinates any boundary of `diffusion.exit_times`.
    diffusion
        D, in loss, half the strength of the noise of the force (eta C/2): a number, or a function of positions, shape
        (n,) to (n,), or of one position. At a boundary it may vanish, and L' grow without bound, without inertia and if
        particles reach that end in a finite time (Feller's test). With two coordinates a pair (the diagonal), a matrix,
        or a function of positions, shape (n, 2) to (n, 2) or (n, 2, 2); symmetric, with eigenvalues above 0.
    mass, damping
        M and gamma; both or neither.
    dynamics, noise
        An optimizer and the noise of its gradients, instead of diffusion, mass and damping: those of its idealized
        rule, as `diffusion.Motion` has them. Time is dynamical, too; `mfpt_iterations` counts iterations.
    convention
        How noise that depends on position is read: "ito" (Equation 2; what SGD obeys), "stratonovich" or "isothermal".
        In phase space only "ito". With two coordinates "stratonovich" needs a D that is constant or diagonal, else it
        depends on the root of D.
    velocity
        In phase space, at the start: "thermal", of variance ``D(start)/(gamma M^2)``, "rest", or a number in theta per
        dynamical time.
    reflecting
        Position of a wall on the other side of the start. Neither wall nor end: that side is open, and ends where the
        path never comes. A deeper well before a reflecting wall counts, however high the barrier before it. With two
        coordinates the box of the grid is found without; walls that cut the valley are refused.
    breaks
        Positions where D or L'' jumps. Jumps of D, and the joins of landscapes that know them, are found without.
    tolerance
        Relative error at which to stop refining the grid; None: 1e-7, in phase space and with two coordinates 2e-3.
        With two up to 2e-2 is taken where the boundary is not straight, or a full D jumps.

    Returns
    -------
    xarray.Dataset
        `mfpt` and `mfpt_error`, an estimate of its absolute error; dims ``()``, or ``("start",)`` for an array. Of two
        ends also, over `exit_side` (-1 the lower, 1 the upper), `exit_probability`, and `mfpt_by_side`, the mean time
        of those that leave there alone, each with its error. With two coordinates and a boundary of several parts, over
        `exit_part`, also `exit_probability`.

    Raises
    ------
    ValueError
        If an argument is out of range, the start is at or beyond a wall, the noise vanishes on the path, an end is
        never reached, the open side does not confine, the time is beyond floating-point range, or no grid resolves the
        temperature or reaches the tolerance; with two coordinates also if the landscape does not confine.

    Notes
    -----
    The time u solves the backward equation ``A^T u = -1``. Overdamped: finite volumes on three or more nested grids,
    and Richardson extrapolation; the error is the last change. Phase space: polynomials of degree 3, 4, 5, then smaller
    cells, until two agree; the error is their difference and 3e-5 of the value. Of two ends, P solves ``A^T P = 0`` and
    is 1 at one of them; u P of those that leave there solves ``A^T (u P) = -P``. Two coordinates: finite volumes,
    exponentially fitted along each axis, on three or more even grids, and Richardson extrapolation; the error is the
    last change, and where the boundary is not made of lines of the grid also all of the correction.
    """
    boundary, velocity, tolerance = plain(boundary, velocity, tolerance)
    equation = pose(landscape, diffusion, mass, damping, breaks, convention, dynamics, noise)
    data, coordinates = solver_of(equation).passage(start, boundary, velocity, reflecting, tolerance)
    if equation.iteration is not None:
        dims, times = data["mfpt"]
        data["mfpt_iterations"] = (dims, times / equation.iteration)
    starts = np.atleast_1d(np.asarray(start, np.float64)).tolist()
    asked = {"start": starts, "boundary": boundary, "velocity": velocity, "reflecting": reflecting}
    return label(data, coordinates, equation, **asked, tolerance=tolerance)


def committor(
    landscape: Landscape,
    *,
    boundary: Boundary,
    start: ArrayLike | None = None,
    diffusion: Diffusion | None = None,
    mass: float | None = None,
    damping: float | None = None,
    dynamics: Dynamics | None = None,
    noise: NoiseModel | None = None,
    convention: str = "ito",
    breaks: ArrayLike = (),
) -> xarray.Dataset:
    """Probability of leaving by the upper of two ends, or by the second of two regions, from every position.

    Parameters
    ----------
    boundary
        The ends (low, high), in theta; with two coordinates two regions, ``first | second``.
    start
        With two coordinates, a position in neither region, from which the box is found; None: the landscape's
        reference point.
    landscape, diffusion, mass, damping, dynamics, noise, convention, breaks
        As in `mean_first_passage_time`.

    Returns
    -------
    xarray.Dataset
        `committor` over position, or position and velocity. Overdamped it is exact at every node, up to
        quadrature. With two coordinates also the stationary `density` of paths that nothing takes out, the
        reactive `current` of those that come from the first region straight to the second, and `transition_rate`,
        how many do in a unit of time.

    Raises
    ------
    ValueError
        If boundary is not two ends in ascending order, or two regions, or as for `mean_first_passage_time`.
    """
    (boundary,) = plain(boundary)
    equation = pose(landscape, diffusion, mass, damping, breaks, convention, dynamics, noise)
    data, coordinates = solver_of(equation).committor(boundary, start)
    asked = {"boundary": boundary} | ({} if start is None else {"start": start})
    return label(data, coordinates, equation, **asked)
