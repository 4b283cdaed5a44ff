"""One coordinate: what both equations share, and the one without inertia."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.fokker_planck import overdamped
from diffusion.fokker_planck.chain import Chain, make_chain
from diffusion.fokker_planck.path import Path
from diffusion.fokker_planck.problems import Walls, check_start, check_starts, find_path, two_ends
from diffusion.fokker_planck.propagator import propagate
from diffusion.fokker_planck.refinement import check_tolerance
from diffusion.fokker_planck.solver import Answer, Solver

Array = NDArray[np.float64]
VELOCITIES = ("thermal", "rest")
SHALLOW = 1.0  # depth of wells, in temperatures, that are never the slowest to be left
OUTER = 1e-9  # share of the slowest mode farthest out, below which the path's end there does not matter to it
LARGEST_CHAIN = 1200  # nodes of a chain whose law is followed in time


class OneCoordinate(Solver):
    """Finds the path that a particle takes; what happens on it the kinds answer."""

    @abstractmethod
    def times(
        self, path: Path, starts: Array, speed: float | None, parted: bool, tolerance: float
    ) -> tuple[Array, Array]:
        """Times, and if paths part the probabilities and times of lower and upper end; and errors; by starts."""

    @abstractmethod
    def upper(self, path: Path, middle: Array) -> Answer:
        """How likely each position is to leave by the upper end."""

    @abstractmethod
    def settled(self, path: Path, starts: Array) -> Answer:
        """The density that does not change."""

    @abstractmethod
    def law(self, path: Path, start: float, spread: float, times: Array, fineness: float) -> Answer:
        """Densities at times."""

    def passage(
        self, start: ArrayLike, boundary: Any, velocity: str | float, reflecting: Any, tolerance: float | None
    ) -> Answer:
        """Of one or several starts, and of two ends also which is left."""
        starts = check_starts(start)
        tolerance = check_tolerance(tolerance, self.equation.phase)
        speed = self._speed(velocity)
        path = find_path(self.equation, starts, boundary=boundary, reflecting=reflecting, velocity=speed or 0.0)
        both = None not in two_ends(boundary, starts)
        parted = both and all(path.absorbing)  # else one of them is never reached
        rows, errors = self.times(path, starts, speed, parted, tolerance)
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
        coordinates: dict[str, Any] = {"start": starts} if dims else {}
        if both:
            coordinates["exit_side"] = [-1, 1]
        return data, coordinates

    def committor(self, boundary: Any, start: ArrayLike | None) -> Answer:
        """Of the upper of two ends."""
        if start is not None:
            raise ValueError(f"start = {start!r} has no meaning between two ends of one coordinate; leave it out")
        low, high = two_ends(boundary, np.zeros(1))
        if low is None or high is None:
            raise ValueError(f"boundary = {boundary!r} must be two ends, (low, high)")
        middle = np.array([(low + high) / 2])
        return self.upper(find_path(self.equation, middle, boundary=(low, high), wells=-np.inf), middle)

    def stationary(self, start: ArrayLike, reflecting: Any) -> Answer:
        """On the path around a position."""
        starts = check_start(start)
        return self.settled(find_path(self.equation, starts, reflecting=reflecting), starts)

    def density(
        self, start: ArrayLike, times: Array, boundary: Any, spread: float, reflecting: Any, fineness: float
    ) -> Answer:
        """From a start in the path's inside."""
        starts = check_start(start)
        ends = [end for end in two_ends(boundary, starts) if end is not None]
        _refuse_cut(float(starts[0]), spread, ends, reflecting)
        around = starts + 5 * spread * np.array([-1, 0, 1]) if spread > 0 else starts
        path = find_path(self.equation, around, boundary=boundary, reflecting=reflecting)
        return self.law(path, float(starts[0]), spread, times, fineness)

    def _speed(self, velocity: str | float) -> float | None:
        """The velocity at the start; None: thermal."""
        if isinstance(velocity, str):
            checks.choice("velocity", velocity, VELOCITIES)
        else:
            checks.finite("velocity", velocity)
        if velocity == "thermal":
            return None
        if not self.equation.phase:
            raise ValueError(
                f"velocity = {velocity!r} has no meaning without inertia; give mass and damping, or leave it out"
            )
        return 0.0 if isinstance(velocity, str) else float(velocity)


class Line(OneCoordinate):
    """Without inertia: chains of jumps."""

    def times(
        self, path: Path, starts: Array, speed: float | None, parted: bool, tolerance: float
    ) -> tuple[Array, Array]:
        """From logarithms of the chain's solutions, extrapolated."""

        def logs(chain: Chain) -> Array:
            at = np.searchsorted(chain.x, starts)
            rows = [chain.solve(np.zeros(len(chain.x)))[at]]
            if parted:
                sides = chain.log_committors()
                rows += [side[at] for side in sides] + [chain.solve(side)[at] - side[at] for side in sides]
            return np.concatenate(rows)

        values, errors = overdamped.extrapolated("mfpt", path, starts, self.equation.power, logs, tolerance)
        return values.reshape(-1, len(starts)), errors.reshape(-1, len(starts))

    def rate(self, start: ArrayLike, boundary: Any, reflecting: Any, tolerance: float | None) -> Answer:
        """The slowest rate may be that of a well far behind."""
        starts, power = check_start(start), self.equation.power
        tolerance = check_tolerance(tolerance, phase=False)
        for wells in (SHALLOW, -np.inf):
            path = find_path(self.equation, starts, boundary=boundary, reflecting=reflecting, wells=wells)
            if not path.margin:
                break
            overdamped.refuse_rare("1 / escape_rate", path, starts)
            if overdamped.outer_share(path, starts, power) < OUTER:
                break
        else:
            raise ValueError(
                f"start = {start!r}: the slowest mode reaches as far out on the open side as one looks, as where "
                "drift carries all particles to the boundary; give reflecting = a position there, on which the rate "
                "depends"
            )
        times, errors = overdamped.extrapolated(
            "1 / escape_rate", path, starts, power, lambda chain: np.array([-chain.slowest()[0]]), tolerance
        )
        rates = 1 / times
        errors = rates * errors / times
        chain = overdamped.shown(path, starts, power)
        mass = chain.weights + chain.slowest()[1]
        mass = np.exp(mass - mass.max())
        data = {
            "density": (("position",), mass / mass.sum() / chain.widths),
            "escape_rate": ((), rates[0]),
            "escape_rate_error": ((), errors[0]),
        }
        return data, _coordinates(chain)

    def upper(self, path: Path, middle: Array) -> Answer:
        """Exact at every node, up to quadrature."""
        chain = overdamped.shown(path, middle, self.equation.power)
        return {"committor": (("position",), np.exp(chain.log_committors()[1]))}, _coordinates(chain)

    def settled(self, path: Path, starts: Array) -> Answer:
        """In closed form."""
        chain = overdamped.shown(path, starts, self.equation.power)
        return {"density": (("position",), chain.stationary())}, _coordinates(chain)

    def law(self, path: Path, start: float, spread: float, times: Array, fineness: float) -> Answer:
        """Of the chain of jumps."""
        points = np.array([start])
        width = float(np.sqrt(2 * path.diffusion(points)[0] * times[0] + spread**2))
        x = overdamped.grid(path, points, fineness, [start], width)
        if len(x) > LARGEST_CHAIN:
            raise ValueError(
                f"diffusion = {path.diffusion(points)[0]:.3g} needs {len(x)} nodes to be resolved, more than "
                f"{LARGEST_CHAIN}; raise it by {len(x) / LARGEST_CHAIN:.2g} times, shorten the path with reflecting "
                "=, or leave out the earliest times"
            )
        chain = make_chain(path, x, self.equation.power)
        if spread > 0:
            law = np.exp(-((chain.x - start) ** 2) / (2 * spread**2)) * chain.widths
            law /= law.sum()
        else:
            law = (chain.x == start).astype(np.float64)
        laws = propagate(chain.generator(), np.append(law, 0.0), times)[:, :-1]
        data = {
            "density": (("time", "position"), laws / chain.widths),
            "survival": (("time",), laws.sum(axis=1)),
        }
        return data, _coordinates(chain)


def _coordinates(chain: Chain) -> dict[str, Any]:
    return {"position": chain.x, "position_width": ("position", chain.widths)}


def _refuse_cut(start: float, spread: float, *walls: Walls) -> None:
    for wall in [w for group in walls if group is not None for w in np.atleast_1d(np.asarray(group, np.float64))]:
        if abs(wall - start) < 5 * spread:
            raise ValueError(
                f"spread = {spread}: the starting density reaches the wall at {wall}; take at most "
                f"{abs(wall - start) / 5:.3g}"
            )
