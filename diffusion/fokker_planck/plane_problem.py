"""What is asked in two coordinates, checked; the grids for it, and how far they are refined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.edges import Edge, check_walls, edge_of, walls_of
from diffusion.fokker_planck.equation import Equation
from diffusion.fokker_planck.frame import make_frame
from diffusion.fokker_planck.matrices import Matrices, refuse_singular
from diffusion.fokker_planck.plane_grid import PlaneGrid, make_plane_grid
from diffusion.fokker_planck.valley import MARGIN, find_valley
from diffusion.progress import through
from diffusion.regions import Boundary

Array = NDArray[np.float64]
STRAIGHT, OTHER = 2e-3, 2e-2  # default tolerances, where the boundary is made of lines of the grid and where it is not
FINENESS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # of grids, one after the other
BASE = 2.0  # cells in a thermal width, at fineness 1
LEFT_OUT = 1e-5  # relative error of what is beyond the box, and of rounding
UNKNOWNS = 300_000  # beyond which a grid is refused
DEEPEST = 60.0  # cost of leaving, in temperatures, beyond which rounding may leave nothing


class PlaneProblem:
    """What is asked, checked, with the valley that paths are in."""

    def __init__(
        self,
        equation: Equation,
        start: ArrayLike,
        boundary: Boundary | None,
        reflecting: Any,
        *,
        every: bool = False,
        margin: float = MARGIN,
    ) -> None:
        self.landscape = equation.landscape
        if np.size(equation.breaks):
            raise ValueError(
                f"breaks = {equation.breaks!r} are of one coordinate; leave them out, jumps of D are found"
            )
        self.start = checks.finite_vector("start", start)
        if len(self.start) != 2:
            raise ValueError(f"start = {start!r} must be a pair: landscape has dimension = 2")
        self.edge: Edge | None = None if boundary is None else edge_of(boundary, self.landscape, self.start)
        walls = walls_of(reflecting, self.start)
        if self.edge is not None:
            check_walls(walls, self.edge, reflecting)
        matrices = Matrices(equation.diffusion)
        refuse_singular(matrices(self.start[None]), self.start[None])
        self.power = matrices.power(equation.convention)
        turns = self.power in (0.0, 1.0)
        self.frame = make_frame(self.edge, self.landscape.gradient, matrices, self.start, turns)
        self.valley = find_valley(self.frame, self.landscape, self.edge, self.start, walls, margin=margin, every=every)
        if self.valley.exit > DEEPEST:
            raise ValueError(
                f"diffusion is too small: paths leave at a cost of about {self.valley.exit:.4g} temperatures, more "
                f"than {DEEPEST:.3g}, of which rounding leaves nothing; raise diffusion "
                f"{self.valley.exit / DEEPEST:.2g} times, or see theory.least_action for the exponent (found in a box "
                f"from {self.valley.low.round(4).tolist()} to {self.valley.high.round(4).tolist()}: if you know of no "
                "place so far off, the landscape does not confine)"
            )

    def grid(self, fineness: float, *, bounded: bool = True) -> PlaneGrid:
        """A grid in the valley.

        Raises
        ------
        ValueError
            If it would have too many unknowns.
        """
        nodes = self._nodes(fineness)
        cell = np.prod((self.valley.high - self.valley.low) / (np.array(self.valley.cost.shape) - 1))
        steps = np.prod([x[1] - x[0] for x in nodes])
        unknowns = float((self.valley.cost <= self.valley.level).sum() * cell / steps)
        if unknowns > UNKNOWNS:
            raise ValueError(
                f"diffusion is too small: a grid from {np.round(self.valley.low, 4).tolist()} to "
                f"{np.round(self.valley.high, 4).tolist()} that resolves thermal widths of "
                f"{self.valley.scale.min():.3g} has {unknowns:.3g} unknowns, more than {UNKNOWNS}; raise diffusion, "
                "or choose a nearer boundary"
            )
        return make_plane_grid(
            self.frame,
            nodes,
            lambda y: self.valley.costs(y) <= self.valley.level,
            self.landscape,
            self.edge if bounded else None,
            self.start,
            self.power,
        )

    def refined(
        self, value: Callable[[PlaneGrid], Array], tolerance: float | None, beside: Array
    ) -> tuple[Array, Array]:
        """Values without their errors in h^2, and what is left of these errors.

        Where the boundary is no line of the grid its steps leave no power of h to rely on; then all of the correction
        is error.

        Parameters
        ----------
        value
            Of a grid, shape (m,).
        tolerance
            Relative error at which to stop; None: the default, and up to OTHER where no grid reaches that, as where D
            jumps.
        beside
            What each value is added to before errors are taken relative to it, shape (m,).
        """
        accepted = OTHER if tolerance is None else tolerance
        if tolerance is None:
            tolerance = STRAIGHT if self.frame.aligned else OTHER
        checks.positive("tolerance", tolerance)
        if tolerance < LEFT_OUT:
            raise ValueError(
                f"tolerance = {tolerance:.3g} is not reached in the plane, where {LEFT_OUT:.0e} may be left out; "
                "loosen it"
            )
        values: list[Array] = []
        best: list[Array] = []
        errors = np.array([np.inf])
        for k, fineness in enumerate(through(FINENESS, "grid in the plane", [f**3 for f in FINENESS])):
            try:
                values.append(value(self.grid(fineness)))
            except ValueError:
                if k < 2:
                    raise
                break
            if k:
                ratio = (fineness / FINENESS[k - 1]) ** 2
                best.append((ratio * values[-1] - values[-2]) / (ratio - 1))
            if k > 1:
                errors = np.abs(best[-1] - best[-2]) + LEFT_OUT * np.abs(best[-1] + beside)
                if not self.frame.aligned:
                    errors = errors + np.abs(best[-1] - values[-1])
                if np.all(errors <= tolerance * np.abs(best[-1] + beside)):
                    return best[-1], errors
        if np.all(errors <= accepted * np.abs(best[-1] + beside)):
            return best[-1], errors
        raise ValueError(
            f"tolerance = {accepted:.3g} is not reached in the plane (relative error "
            f"{np.max(errors / np.abs(best[-1] + beside)):.3g}); loosen tolerance, or raise diffusion"
        )

    def _nodes(self, fineness: float) -> tuple[Array, Array]:
        """Along each axis evenly from a wall, with one at the start where that can be."""
        axes = []
        for k, at in enumerate(self.frame.axes @ self.start):
            low, high = (end[k] for end in self.valley.ends)
            ends = [end for end in (self.frame.low[k], self.frame.high[k]) if low <= end <= high]
            step = self.valley.scale[k] / BASE
            span = ends[1] - ends[0] if len(ends) == 2 else abs(ends[0] - at) if ends else 2 * step
            if span > step:
                step = span / (2 * np.ceil(span / step / 2))
            step /= fineness
            anchor = ends[0] if ends else at
            first, last = (low - anchor) / step, (high - anchor) / step
            axes.append(anchor + step * np.arange(np.floor(first + 1e-6), np.ceil(last - 1e-6) + 1))
        return axes[0], axes[1]
