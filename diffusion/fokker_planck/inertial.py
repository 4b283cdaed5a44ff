"""One coordinate with inertia, in phase space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion.fokker_planck.line import OneCoordinate
from diffusion.fokker_planck.path import Path
from diffusion.fokker_planck.phase_grid import make_grid
from diffusion.fokker_planck.phase_space import Grid
from diffusion.fokker_planck.problems import check_start, find_path, phase_coordinates, phase_density
from diffusion.fokker_planck.refinement import check_tolerance, refined
from diffusion.fokker_planck.solver import Answer
from diffusion.fokker_planck.stepping import integrate
from diffusion.progress import task

Array = NDArray[np.float64]
MOVING_DEGREE = 4  # a step costs a third of what it does at degree 5
FIRST_STEP = 0.1  # in times of flight across the spread
MOST_STEPS = 20_000
STEP_ERROR = 2e-5  # of the mass, in each step


class Inertial(OneCoordinate):
    """With inertia: discontinuous polynomials of position and velocity."""

    def times(
        self, path: Path, starts: Array, speed: float | None, parted: bool, tolerance: float
    ) -> tuple[Array, Array]:
        """The tolerance is that of times, and of probabilities beside 1."""
        mass, damping = self.equation.inertia
        heats = path.diffusion(starts) / path.friction

        def value(grid: Grid) -> Array:
            rewards = [grid.weights]
            if parted:
                rewards += [*grid.leaving, *(grid.weights * grid.backward(leaving) for leaving in grid.leaving)]
            if speed is None:
                laws = [grid.maxwell(heat / (mass * grid.speed**2)) for heat in heats]
            else:
                laws = [grid.velocities.at(speed / grid.speed)] * len(starts)
            collected = (grid.backward(reward) for reward in rewards)
            rows = [[grid.at_start(one, x, law) for x, law in zip(starts, laws, strict=True)] for one in collected]
            return (np.array(rows) + _beside(rows)).ravel()

        found = refined(path, mass, damping, value, tolerance, abs(speed or 0.0))
        values, errors = (column.reshape(-1, len(starts)) for column in found)
        values = values - _beside(values)
        if parted:
            values[3:], errors[3:] = values[3:] / values[1:3], errors[3:] / values[1:3]
        return values, errors

    def rate(self, start: ArrayLike, boundary: Any, reflecting: Any, tolerance: float | None) -> Answer:
        """The slowest rate on the whole way to the walls."""
        starts = check_start(start)
        tolerance = check_tolerance(tolerance, phase=True)
        path = find_path(self.equation, starts, boundary=boundary, reflecting=reflecting, wells=-np.inf)
        inertia = self.equation.inertia
        rates, errors = refined(path, *inertia, lambda grid: np.array([grid.slowest()[0]]), tolerance)
        grid = make_grid(path, *inertia)
        data = phase_density(grid, grid.slowest()[1])
        data |= {"escape_rate": ((), rates[0]), "escape_rate_error": ((), errors[0])}
        return data, phase_coordinates(grid)

    def upper(self, path: Path, middle: Array) -> Answer:
        """From every position and velocity."""
        grid = make_grid(path, *self.equation.inertia)
        values = grid.backward(grid.leaving[1])
        shape = (len(grid.positions.points), len(grid.velocities.points))
        return {"committor": (("position", "velocity"), values.reshape(shape))}, phase_coordinates(grid)

    def settled(self, path: Path, starts: Array) -> Answer:
        """Of position and velocity."""
        grid = make_grid(path, *self.equation.inertia)
        return phase_density(grid, grid.stationary()), phase_coordinates(grid)

    def law(self, path: Path, start: float, spread: float, times: Array, fineness: float) -> Answer:
        """In steps of time."""
        mass, damping = self.equation.inertia
        starts = np.array([start])
        if spread == 0:
            raise ValueError(
                "spread = 0 cannot be resolved in phase space; give the standard deviation of the start, such as "
                f"{0.1 * np.sqrt(path.diffusion(starts)[0] / path.friction / mass) / damping:.2g}"
            )
        grid = make_grid(path, mass, damping, degree=MOVING_DEGREE, fineness=fineness, start=start, spread=spread)
        first = grid.thermal(np.exp(-((grid.positions.points - start) ** 2) / (2 * spread**2)))
        step = FIRST_STEP * spread / grid.speed
        steps = min(times[-1], 10 / damping) / step  # longer steps do once the motion is damped
        if steps > MOST_STEPS:
            raise ValueError(
                f"times = {times.tolist()} take about {steps:.2g} steps at damping = {damping}, more than "
                f"{MOST_STEPS}; end earlier, raise spread or damping, or simulate an ensemble"
            )
        reached = np.zeros(1)
        with task("density", 1.0, lambda: float(np.sqrt(reached[0] / times[-1]))):  # steps grow as the spread does
            laws = integrate(grid, first, times, step, STEP_ERROR, reached)
        data = phase_density(grid, laws, "time")
        data["survival"] = (("time",), laws @ grid.weights)
        return data, phase_coordinates(grid)


def _beside(rows: Any) -> Array:
    """What probabilities, and times over one end, are compared beside: 1, and the times over both."""
    times = np.array(rows[0])
    return np.array([0 * times, *([1 + 0 * times] * 2), *([times] * 2)])[: len(rows)]
