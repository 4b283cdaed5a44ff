"""When a particle first passes a boundary, and which of two."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics import Dynamics
from diffusion.fokker_planck import overdamped
from diffusion.fokker_planck.chain import Chain
from diffusion.fokker_planck.equation import Equation, plain, pose
from diffusion.fokker_planck.path import Diffusion, Path
from diffusion.fokker_planck.phase_grid import make_grid
from diffusion.fokker_planck.phase_space import Grid
from diffusion.fokker_planck.problems import (
    Boundary,
    Walls,
    check_starts,
    find_path,
    label,
    phase_coordinates,
    two_ends,
)
from diffusion.fokker_planck.refinement import check_tolerance, refined
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel

Array = NDArray[np.float64]
VELOCITIES = ("thermal", "rest")


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

    Without mass and damping it is that of Equation 2, ``dX = -L'(X) dt + sqrt(2 D(X)) dW``; with them, of Equation 8.

    Parameters
    ----------
    landscape
        A landscape of dimension 1.
    start
        Position or positions, shape (n,), in theta, all strictly on one side of the boundary, or between its two ends.
    boundary
        Where the particle is taken out, in theta; in phase space with a velocity that points outwards. Or two ends
        (low, high); None: that side is open.
    diffusion
        D, in loss, half the strength of the noise of the force (eta C/2): a number, or a function of positions, shape
        (n,) to (n,), or of one position. At a boundary it may vanish, and L' grow without bound, without inertia and if
        particles reach that end in a finite time (Feller's test).
    mass, damping
        M and gamma; both or neither.
    dynamics, noise
        An optimizer and the noise of its gradients, instead of diffusion, mass and damping: those of its idealized
        rule, as `diffusion.Motion` has them. Time is dynamical, too; `mfpt_iterations` counts iterations.
    convention
        How noise that depends on position is read: "ito" (Equation 2; what SGD obeys), "stratonovich" or "isothermal". In
        phase space only "ito".
    velocity
        In phase space, at the start: "thermal", of variance ``D(start)/(gamma M^2)``, "rest", or a number in theta per
        dynamical time.
    reflecting
        Position of a wall on the other side of the start. Neither wall nor end: that side is open, and ends where the
        path never comes. A deeper well before a reflecting wall counts, however high the barrier before it.
    breaks
        Positions where D or L'' jumps. Jumps of D, and the joins of landscapes that know them, are found without.
    tolerance
        Relative error at which to stop refining the grid; None: 1e-7, in phase space 2e-3.

    Returns
    -------
    xarray.Dataset
        `mfpt` and `mfpt_error`, an estimate of its absolute error; dims ``()``, or ``("start",)`` for an array. Of two
        ends also, over `exit_side` (-1 the lower, 1 the upper), `exit_probability`, and `mfpt_by_side`, the mean time
        of those that leave there alone, each with its error.

    Raises
    ------
    ValueError
        If an argument is out of range, the start is at or beyond a wall, the noise vanishes on the path, an end is
        never reached, the open side does not confine, the time is beyond floating-point range, or no grid resolves the
        temperature or reaches the tolerance.

    Notes
    -----
    The time u solves the backward equation ``A^T u = -1``. Overdamped: finite volumes on three or more nested grids, and
    Richardson extrapolation; the error is the last change. Phase space: polynomials of degree 3, 4, 5, then smaller
    cells, until two agree; the error is their difference and 3e-5 of the value. Of two ends, P solves ``A^T P = 0`` and
    is 1 at one of them; u P of those that leave there solves ``A^T (u P) = -P``.
    """
    boundary, velocity, tolerance = plain(boundary, velocity, tolerance)
    equation = pose(landscape, diffusion, mass, damping, breaks, convention, dynamics, noise)
    starts = check_starts(start)
    tolerance = check_tolerance(tolerance, equation.phase)
    speed = _check_velocity(velocity, equation)
    path = find_path(equation, starts, boundary=boundary, reflecting=reflecting, velocity=speed or 0.0)
    both = None not in two_ends(boundary, starts)
    parted = both and all(path.absorbing)  # else one of them is never reached
    if equation.phase:
        rows, errors = _in_phase_space(path, equation, starts, speed, parted, tolerance)
    else:
        rows, errors = _overdamped(path, equation, starts, parted, tolerance)
    if both and not parted:
        never = ~np.array(path.absorbing)[:, None] + np.zeros(len(starts))
        rows = np.concatenate([rows, 1 - never, np.where(never, np.nan, rows)])
        errors = np.concatenate([errors, 0 * never, np.where(never, np.nan, errors)])
    dims = ("start",) if np.ndim(start) else ()
    data: dict[str, Any] = {}
    for end, values in (("", rows), ("_error", errors)):
        times, chances, parts = np.split(values, [1, 3])
        data[f"mfpt{end}"] = (dims, times[0] if dims else times[0, 0])
        for name, pair in (("exit_probability", chances), ("mfpt_by_side", parts)) if both else ():
            data[f"{name}{end}"] = ((*dims, "exit_side"), pair.T if dims else pair[:, 0])
    if equation.iteration is not None:
        data["mfpt_iterations"] = (dims, data["mfpt"][1] / equation.iteration)
    coordinates: dict[str, Any] = {"start": starts} if dims else {}
    if both:
        coordinates["exit_side"] = [-1, 1]
    asked = {"start": starts.tolist(), "boundary": boundary, "velocity": velocity, "reflecting": reflecting}
    return label(data, coordinates, equation, **asked, tolerance=tolerance)


def _check_velocity(velocity: str | float, equation: Equation) -> float | None:
    """The velocity at the start; None: thermal."""
    if isinstance(velocity, str):
        checks.choice("velocity", velocity, VELOCITIES)
    else:
        checks.finite("velocity", velocity)
    if velocity == "thermal":
        return None
    if not equation.phase:
        raise ValueError(
            f"velocity = {velocity!r} has no meaning without inertia; give mass and damping, or leave it out"
        )
    return 0.0 if isinstance(velocity, str) else float(velocity)


def _overdamped(path: Path, equation: Equation, starts: Array, parted: bool, tolerance: float) -> tuple[Array, Array]:
    """Times, and if paths part the probabilities and times of the lower and the upper end; and errors; by starts."""

    def logs(chain: Chain) -> Array:
        at = np.searchsorted(chain.x, starts)
        rows = [chain.solve(np.zeros(len(chain.x)))[at]]
        if parted:
            sides = chain.log_committors()
            rows += [side[at] for side in sides] + [chain.solve(side)[at] - side[at] for side in sides]
        return np.concatenate(rows)

    values, errors = overdamped.extrapolated("mfpt", path, starts, equation.power, logs, tolerance)
    return values.reshape(-1, len(starts)), errors.reshape(-1, len(starts))


def _in_phase_space(
    path: Path, equation: Equation, starts: Array, velocity: float | None, parted: bool, tolerance: float
) -> tuple[Array, Array]:
    """The same with inertia, where the tolerance is that of times, and of probabilities beside 1."""
    mass, damping = equation.inertia
    heats = path.diffusion(starts) / path.friction

    def value(grid: Grid) -> Array:
        rewards = [grid.weights]
        if parted:
            rewards += [*grid.leaving, *(grid.weights * grid.backward(leaving) for leaving in grid.leaving)]
        if velocity is None:
            laws = [grid.maxwell(heat / (mass * grid.speed**2)) for heat in heats]
        else:
            laws = [grid.velocities.at(velocity / grid.speed)] * len(starts)
        collected = (grid.backward(reward) for reward in rewards)
        rows = [[grid.at_start(one, x, law) for x, law in zip(starts, laws, strict=True)] for one in collected]
        return (np.array(rows) + _beside(rows)).ravel()

    found = refined(path, mass, damping, value, tolerance, abs(velocity or 0.0))
    values, errors = (column.reshape(-1, len(starts)) for column in found)
    values = values - _beside(values)
    if parted:
        values[3:], errors[3:] = values[3:] / values[1:3], errors[3:] / values[1:3]
    return values, errors


def _beside(rows: Any) -> Array:
    """What probabilities, and times over one end, are compared beside: 1, and the times over both."""
    times = np.array(rows[0])
    return np.array([0 * times, *([1 + 0 * times] * 2), *([times] * 2)])[: len(rows)]


def committor(
    landscape: Landscape,
    *,
    boundary: tuple[float, float],
    diffusion: Diffusion | None = None,
    mass: float | None = None,
    damping: float | None = None,
    dynamics: Dynamics | None = None,
    noise: NoiseModel | None = None,
    convention: str = "ito",
    breaks: ArrayLike = (),
) -> xarray.Dataset:
    """Probability of leaving by the upper of two ends, from every position.

    Parameters
    ----------
    boundary
        The ends (low, high), in theta.
    landscape, diffusion, mass, damping, dynamics, noise, convention, breaks
        As in `mean_first_passage_time`.

    Returns
    -------
    xarray.Dataset
        `committor` over position, or position and velocity. Overdamped it is exact at every node, up to quadrature.

    Raises
    ------
    ValueError
        If boundary is not two ends in ascending order, or as for `mean_first_passage_time`.
    """
    (boundary,) = plain(boundary)
    equation = pose(landscape, diffusion, mass, damping, breaks, convention, dynamics, noise)
    low, high = two_ends(boundary, np.zeros(1))
    if low is None or high is None:
        raise ValueError(f"boundary = {boundary!r} must be two ends, (low, high)")
    middle = np.array([(low + high) / 2])
    path = find_path(equation, middle, boundary=(low, high), wells=-np.inf)
    data: dict[str, Any]
    if equation.phase:
        grid = make_grid(path, *equation.inertia)
        values = grid.backward(grid.leaving[1])
        shape = (len(grid.positions.points), len(grid.velocities.points))
        data = {"committor": (("position", "velocity"), values.reshape(shape))}
        coordinates = phase_coordinates(grid)
    else:
        chain = overdamped.shown(path, middle, equation.power)
        data = {"committor": (("position",), np.exp(chain.log_committors()[1]))}
        coordinates = {"position": chain.x, "position_width": ("position", chain.widths)}
    return label(data, coordinates, equation, boundary=boundary)
