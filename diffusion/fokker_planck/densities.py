"""Where particles are: densities at given times, and in the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics import Dynamics
from diffusion.fokker_planck import overdamped
from diffusion.fokker_planck.chain import Chain, make_chain
from diffusion.fokker_planck.equation import plain, pose
from diffusion.fokker_planck.path import Diffusion, Path
from diffusion.fokker_planck.phase_grid import make_grid
from diffusion.fokker_planck.problems import (
    Boundary,
    Walls,
    check_start,
    find_path,
    label,
    phase_coordinates,
    phase_density,
    two_ends,
)
from diffusion.fokker_planck.propagator import propagate
from diffusion.fokker_planck.stepping import integrate
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel
from diffusion.progress import task

Array = NDArray[np.float64]
LARGEST_CHAIN = 1200  # nodes of a chain whose law is followed in time
MOVING_DEGREE = 4  # a step costs a third of what it does at degree 5
FIRST_STEP = 0.1  # in times of flight across the spread
MOST_STEPS = 20_000
STEP_ERROR = 2e-5  # of the mass, in each step in phase space


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
    """Density of particles at times after their start.

    Parameters
    ----------
    start
        Position at time 0, in theta.
    times
        Ascending times above 0, shape (m,), dynamical.
    boundary
        Where particles are taken out, a position or two ends (low, high); None: nowhere.
    spread
        Standard deviation of the normal law of positions at time 0; 0: all at the start. In phase space it must be above 0, and
        velocities are thermal: from one position the density at early times is a line that no grid resolves.
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
        `density` over time and position, and in phase space velocity; `survival`, the mass that is left. Overdamped, the density
        is the mass of a node's cell over its `position_width`, and never negative. In phase space also `position_density` and
        `undershoot`.

    Raises
    ------
    ValueError
        If times do not ascend from above 0, the grid would be too large, or as for `mean_first_passage_time`.
    """
    start, boundary, spread, fineness = plain(start, boundary, spread, fineness)
    equation = pose(landscape, diffusion, mass, damping, breaks, convention, dynamics, noise)
    starts = check_start(start)
    moments = checks.finite_vector("times", times)
    if moments[0] <= 0 or np.any(np.diff(moments) <= 0):
        raise ValueError(f"times = {moments.tolist()} must be above 0 and ascend")
    checks.not_negative("spread", spread)
    checks.positive("fineness", fineness)
    ends = [end for end in two_ends(boundary, starts) if end is not None]
    _refuse_cut(float(starts[0]), spread, ends, reflecting)
    around = starts + 5 * spread * np.array([-1, 0, 1]) if spread > 0 else starts
    path = find_path(equation, around, boundary=boundary, reflecting=reflecting)
    if equation.phase:
        mass, damping = equation.inertia
        if spread == 0:
            raise ValueError(
                "spread = 0 cannot be resolved in phase space; give the standard deviation of the start, such as "
                f"{0.1 * np.sqrt(path.diffusion(starts)[0] / path.friction / mass) / damping:.2g}"
            )
        grid = make_grid(
            path, mass, damping, degree=MOVING_DEGREE, fineness=fineness, start=float(starts[0]), spread=spread
        )
        first = grid.thermal(np.exp(-((grid.positions.points - starts[0]) ** 2) / (2 * spread**2)))
        step = FIRST_STEP * spread / grid.speed
        steps = min(moments[-1], 10 / damping) / step  # longer steps do once the motion is damped
        if steps > MOST_STEPS:
            raise ValueError(
                f"times = {moments.tolist()} take about {steps:.2g} steps at damping = {damping}, more than {MOST_STEPS}; end earlier, "
                "raise spread or damping, or simulate an ensemble"
            )
        reached = np.zeros(1)
        with task("density", 1.0, lambda: float(np.sqrt(reached[0] / moments[-1]))):  # steps grow as the spread does
            found = integrate(grid, first, moments, step, STEP_ERROR, reached)
        data = phase_density(grid, found, "time")
        data["survival"] = (("time",), found @ grid.weights)
        coordinates = phase_coordinates(grid)
    else:
        chain, law = _chain_law(path, float(starts[0]), spread, moments, equation.power, fineness)
        data = {
            "density": (("time", "position"), law / chain.widths),
            "survival": (("time",), law.sum(axis=1)),
        }
        coordinates = {"position": chain.x, "position_width": ("position", chain.widths)}
    asked = {"start": start, "boundary": boundary, "reflecting": reflecting, "spread": spread, "fineness": fineness}
    return label(data, {"time": moments, **coordinates}, equation, **asked)


def stationary_density(
    landscape: Landscape,
    *,
    start: float | None = None,
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

    Overdamped it is ``exp(-int L'/D) D^-p``, p = 1, 1/2, 0 in the Ito, Stratonovich and isothermal convention. In phase space it is
    Gibbs' where D is constant; where D depends on position there is no closed form.

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
        `density`, as in `density` but without time.

    Raises
    ------
    ValueError
        As for `mean_first_passage_time`.
    """
    (start,) = plain(start)
    equation = pose(landscape, diffusion, mass, damping, breaks, convention, dynamics, noise)
    inside = start if start is not None else float(landscape.reference[0])
    starts = check_start(inside)
    path = find_path(equation, starts, reflecting=reflecting)
    data: dict[str, Any]
    if equation.phase:
        grid = make_grid(path, *equation.inertia)
        data = phase_density(grid, grid.stationary())
        coordinates = phase_coordinates(grid)
    else:
        chain = overdamped.shown(path, starts, equation.power)
        data = {"density": (("position",), chain.stationary())}
        coordinates = {"position": chain.x, "position_width": ("position", chain.widths)}
    return label(data, coordinates, equation, start=inside, reflecting=reflecting)


def _refuse_cut(start: float, spread: float, *walls: Walls) -> None:
    for wall in [w for group in walls if group is not None for w in np.atleast_1d(np.asarray(group, np.float64))]:
        if abs(wall - start) < 5 * spread:
            raise ValueError(
                f"spread = {spread}: the starting density reaches the wall at {wall}; take at most {abs(wall - start) / 5:.3g}"
            )


def _chain_law(
    path: Path, start: float, spread: float, times: Array, power: float, fineness: float
) -> tuple[Chain, Array]:
    """A chain, and its law at the times, shape (times, nodes)."""
    points = np.array([start])
    width = float(np.sqrt(2 * path.diffusion(points)[0] * times[0] + spread**2))
    x = overdamped.grid(path, points, fineness, [start], width)
    if len(x) > LARGEST_CHAIN:
        raise ValueError(
            f"diffusion = {path.diffusion(points)[0]:.3g} needs {len(x)} nodes to be resolved, more than {LARGEST_CHAIN}; raise "
            f"it by {len(x) / LARGEST_CHAIN:.2g} times, shorten the path with reflecting =, or leave out the earliest times"
        )
    chain = make_chain(path, x, power)
    if spread > 0:
        law = np.exp(-((chain.x - start) ** 2) / (2 * spread**2)) * chain.widths
        law /= law.sum()
    else:
        law = (chain.x == start).astype(np.float64)
    return chain, propagate(chain.generator(), np.append(law, 0.0), times)[:, :-1]
