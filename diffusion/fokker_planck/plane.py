"""Two coordinates without inertia."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion.fokker_planck.plane_grid import PlaneGrid
from diffusion.fokker_planck.plane_links import OUTSIDE
from diffusion.fokker_planck.plane_problem import PlaneProblem
from diffusion.fokker_planck.solver import Answer, Solver

Array = NDArray[np.float64]
SHOWN = 3.0  # fineness of a grid that is shown
SETTLED = 40.0  # cost, in temperatures, up to which a density that does not change is followed


class Plane(Solver):
    """Finite volumes on an even grid, along axes that suit boundary and noise."""

    def passage(
        self, start: ArrayLike, boundary: Any, velocity: str | float, reflecting: Any, tolerance: float | None
    ) -> Answer:
        """Of one start, and of a boundary of several parts also which is left."""
        if velocity != "thermal":
            raise ValueError(f"velocity = {velocity!r} has no meaning without inertia; leave it out")
        problem = PlaneProblem(self.equation, start, boundary, reflecting)
        if problem.edge is None:
            raise ValueError("boundary = None is never reached; give what is left, as a number, HalfSpace or Box")
        parts = len(problem.edge.kinds)

        def value(grid: PlaneGrid) -> Array:
            rewards = [np.ones(grid.lattice.inside)]
            rewards += [grid.leaving(part) for part in range(parts)] if parts > 1 else []
            return np.array([grid.at(grid.backward(reward), problem.start) for reward in rewards])

        values, errors = problem.refined(value, tolerance, np.array([0.0] + [1.0] * (parts if parts > 1 else 0)))
        data: dict[str, Any] = {"mfpt": ((), values[0]), "mfpt_error": ((), errors[0])}
        if parts == 1:
            return data, {}
        data["exit_probability"] = (("exit_part",), values[1:])
        data["exit_probability_error"] = (("exit_part",), errors[1:])
        return data, {"exit_part": np.arange(parts)}

    def rate(self, start: ArrayLike, boundary: Any, reflecting: Any, tolerance: float | None) -> Answer:
        """With the quasi-stationary density, and the current with which it leaves."""
        problem = PlaneProblem(self.equation, start, boundary, reflecting)
        rates, errors = problem.refined(lambda grid: np.array([grid.slowest()[0]]), tolerance, np.zeros(1))
        grid = problem.grid(SHOWN)
        data, coordinates = _shown(grid, grid.slowest()[1])
        data |= {"escape_rate": ((), rates[0]), "escape_rate_error": ((), errors[0])}
        return data, coordinates

    def committor(self, boundary: Any, start: ArrayLike | None) -> Answer:
        """Of the second of two parts, with the current of paths that last left the first and come to the second."""
        start = self.equation.landscape.reference if start is None else start
        problem = PlaneProblem(self.equation, start, boundary, None, every=True)
        if problem.edge is None or len(problem.edge.kinds) != 2:
            raise ValueError(
                f"boundary = {boundary!r} must be two regions, first | second: with two coordinates the committor is "
                "the probability of coming to the second before the first"
            )
        grid, whole = problem.grid(SHOWN), problem.grid(SHOWN, bounded=False)
        for part, name in enumerate(("first", "second")):
            if not grid.leaving(part).any():
                raise ValueError(
                    f"boundary = {boundary!r}: no path from start = {np.asarray(start).tolist()} comes to the {name} "
                    "region before the other, which encloses it or the start; give two regions that are apart, and a "
                    "start outside both"
                )
        stationary = whole.stationary()
        committor = grid.backward(grid.leaving(1))
        entering = grid.entering(0, whole.spread(stationary, 0.0).ravel())
        last_in_first = grid.solve(grid.net(entering))
        current = grid.current(last_in_first, entering) * committor[:, None]
        current = current + last_in_first[:, None] * grid.pushed(committor, 1.0 * (grid.part == 1))
        everywhere = np.where(grid.lattice.number == OUTSIDE, 1.0 * (grid.part == 1), grid.spread(committor).ravel())
        everywhere[whole.lattice.number < 0] = np.nan
        data, coordinates = _shown(whole, stationary)
        data["committor"] = (("first", "second"), everywhere.reshape(grid.lattice.shape))
        data["current"] = _field(grid, current)
        data["transition_rate"] = ((), float(grid.leaving(1) @ last_in_first) * grid.area)
        return data, coordinates

    def stationary(self, start: ArrayLike, reflecting: Any) -> Answer:
        """With the current that keeps it up; none, where noise and loss are in detailed balance."""
        problem = PlaneProblem(self.equation, start, None, reflecting, margin=SETTLED)
        grid = problem.grid(SHOWN)
        return _shown(grid, grid.stationary())

    def density(
        self, start: ArrayLike, times: Array, boundary: Any, spread: float, reflecting: Any, fineness: float
    ) -> Answer:
        """Not followed."""
        raise ValueError(
            "landscape has dimension = 2: densities are followed in time with one coordinate; with two take "
            "stationary_density or escape_rate, or simulate an ensemble"
        )


def _shown(grid: PlaneGrid, density: Array) -> Answer:
    data = {
        "density": (("first", "second"), grid.spread(density)),
        "current": _field(grid, grid.current(density)),
        "undershoot": ((), max(0.0, -float(density.min())) / float(density.max())),
        "cell_area": ((), grid.area),
    }
    places = grid.positions.reshape(*grid.lattice.shape, 2)
    return data, {"position": (("first", "second", "coordinate"), places), "coordinate": [0, 1]}


def _field(grid: PlaneGrid, vectors: Array) -> tuple[tuple[str, ...], Array]:
    return ("first", "second", "coordinate"), np.stack([grid.spread(one) for one in vectors.T], -1)
