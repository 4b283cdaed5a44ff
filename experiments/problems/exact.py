"""What an optimizer does along one coordinate, and its exact escape rate.

It is computed by quadrature without inertia, on the phase-space grid with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diffusion import fokker_planck, motion
from diffusion.dynamics import Dynamics
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel
from theory.chain import discrete_first_passage_time
from theory.first_passage import first_passage_time

Boundary = float | tuple[float | None, float | None]
QUADRATURE, GRID, PLANE = "quadrature", "phase-space grid", "grid in the plane"  # methods


@dataclass(frozen=True)
class Passage:
    """A mean first passage.

    Attributes
    ----------
    time, unit
        Its mean, and the dynamical time of an iteration.
    error
        Relative and numerical.
    method
        `QUADRATURE`, `GRID` or `PLANE`.
    """

    time: float
    unit: float
    error: float
    method: str

    @property
    def iterations(self) -> float:
        """The mean in iterations."""
        return self.time / self.unit

    @property
    def rate(self) -> float:
        """One over the mean, per iteration."""
        return self.unit / self.time


class Motion(motion.Motion):
    """What an optimizer does along one coordinate, with its exact mean first passage."""

    def passage(self, start: float, boundary: Boundary, tolerance: float = 1e-3) -> Passage:
        """The mean first passage of the SDE, with inertia of one coordinate only, started with a thermal velocity.

        Start and boundary are those of every coordinate; `tolerance` is the relative one of the phase-space grid.

        Raises
        ------
        ValueError
            If with inertia there are several coordinates, or the grid cannot reach the tolerance.
        """
        where: dict[str, Any] = {"start": start, "boundary": boundary}
        dimension = self.landscape.dimension
        if not self.inertia:
            where |= {"dimension": dimension, "breaks": self.breaks}
            return Passage(first_passage_time(self.pull, self.diffusion, **where), self.lr, 1e-6, QUADRATURE)
        if dimension > 1:
            unknown = f"no exact rate is known of {self.dynamics!r} in {dimension} coordinates"
            raise ValueError(f"{unknown}; use dimension = 1, or a rare_escape_rate")
        where |= {"dynamics": self.dynamics, "noise": self.noise, "tolerance": tolerance}
        grid = fokker_planck.mean_first_passage_time(self.landscape, **where)
        return Passage(float(grid["mfpt"]), self.lr, float(grid["mfpt_error"] / grid["mfpt"]), GRID)

    def chain(self, start: float, boundary: float, substeps: int = 1) -> float:
        """Mean iterations of whole steps, or of as many substeps, exact; without inertia in one coordinate."""
        self._refuse_more("the exact chain")
        options: dict[str, Any] = {"substeps": substeps, "lr": self.lr, "breaks": self.breaks}
        return discrete_first_passage_time(self.pull, self.deviation, start=start, boundary=boundary, **options)

    def grid(self, start: float, boundary: Boundary) -> float:
        """Mean iterations of the SDE by finite volumes; without inertia in one coordinate."""
        self._refuse_more("the grid")
        where: dict[str, Any] = {"start": start, "boundary": boundary, "breaks": self.breaks}
        time = fokker_planck.mean_first_passage_time(self.seen, diffusion=self.diffusion, **where)
        return float(time["mfpt"]) / self.lr

    def _refuse_more(self, what: str) -> None:
        if self.inertia or self.landscape.dimension > 1:
            raise ValueError(f"{what} is of one coordinate without inertia")


def plane_passage(dynamics: Dynamics, landscape: Landscape, noise: NoiseModel, start: Any, boundary: Any) -> Passage:
    """The mean first passage of the SDE in two coordinates without inertia, on the grid.

    Raises
    ------
    ValueError
        As for `diffusion.fokker_planck.mean_first_passage_time`.
    """
    options: dict[str, Any] = {"dynamics": dynamics, "noise": noise, "start": start, "boundary": boundary}
    grid = fokker_planck.mean_first_passage_time(landscape, **options)
    time = float(grid["mfpt"])
    return Passage(time, time / float(grid["mfpt_iterations"]), float(grid["mfpt_error"]) / time, PLANE)


def exact_rate(
    dynamics: Dynamics,
    landscape: Landscape,
    noise: NoiseModel,
    *,
    start: float,
    boundary: float,
    tolerance: float = 1e-3,
) -> tuple[float, float]:
    """Escape rate of the SDE per iteration, one over the mean first-passage time, and its numerical error.

    Arguments and refusals are those of `Motion` and `Motion.passage`.
    """
    passage = Motion(dynamics, landscape, noise).passage(start, boundary, tolerance)
    return passage.rate, passage.rate * passage.error
