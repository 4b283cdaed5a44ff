"""How far a grid is refined."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from diffusion import checks
from diffusion.fokker_planck.path import Path
from diffusion.fokker_planck.phase_grid import make_grid, well_depths
from diffusion.fokker_planck.phase_space import Grid
from diffusion.progress import through

Array = NDArray[np.float64]
LADDER = ((3, 1.0), (4, 1.0), (5, 1.0), (5, 1.4), (5, 2.0))  # degrees, and how much finer the cells
CORNER = 3e-5  # relative error where boundary and velocity 0 meet, as measured; rungs share most of it
ROUNDING = 1e-20  # relative error for a well of depth 0, growing like exp(depth): 1e-3 was seen at 40 temperatures
SLOWEST, FASTEST = 1 / 6, 1 / 30  # by how much a rung reduces the error, where it is to be reached
OVERDAMPED, PHASE_SPACE = 1e-7, 2e-3  # default tolerances


def check_tolerance(tolerance: float | None, phase: bool) -> float:
    """A relative error above 0; None: the equation's own."""
    if tolerance is None:
        return PHASE_SPACE if phase else OVERDAMPED
    checks.positive("tolerance", tolerance)
    return float(tolerance)


def refined(
    path: Path,
    mass: float,
    damping: float,
    value: Callable[[Grid], Array],
    tolerance: float,
    fastest: float = 0.0,
) -> tuple[Array, Array]:
    """Climb the ladder until two rungs agree: the value on the finer, and its error.

    Raises
    ------
    ValueError
        If no rung can, which is told before any grid is made where psi, the depth of the well, is too large.
    """
    depth = float(well_depths(path.psi, path.absorbing).max())
    deepest = float(np.log(max(tolerance - CORNER, ROUNDING) / ROUNDING))
    if depth > deepest > 0:
        raise ValueError(
            f"psi = {depth:.3g}: the mean time is about 1e{depth / np.log(10):.0f} relaxation times, of which rounding "
            f"leaves a phase-space grid no digit; tolerance = {tolerance:.3g} is in reach for psi <= {deepest:.2g}, "
            f"that is a diffusion {depth / deepest:.2g} times as large. See theory.kramers_escape_time at one "
            "temperature; where damping is strong leave out mass and damping"
        )
    before, relative, hope = None, np.array([max(CORNER, tolerance)]), SLOWEST
    rungs = LADDER if tolerance > CORNER else ()
    work = [((degree + 1) * fineness) ** 3 for degree, fineness in rungs]  # about the unknowns to the power 3/2
    for rung, (degree, fineness) in enumerate(through(rungs, "phase-space grid", work)):
        try:
            grid = make_grid(path, mass, damping, degree=degree, fineness=fineness, fastest=fastest)
        except ValueError:
            if before is None or fineness == 1:
                raise
            break
        floor = CORNER + ROUNDING * np.exp(depth)
        values = value(grid)
        if before is not None:
            last, relative = relative, np.abs(values - before) / np.abs(values) + floor
            if np.all(relative <= tolerance):
                return values, relative * np.abs(values)
            hope = min(hope, max(float(np.max(relative / last)), FASTEST)) if rung > 1 else hope
            if not np.all(relative * hope ** (len(LADDER) - 1 - rung) <= tolerance):
                break
        before = values
    raise ValueError(
        f"tolerance = {tolerance:.3g} is not reached in phase space (relative error {relative.max():.3g}, well of "
        f"{depth:.3g} temperatures); loosen tolerance, raise diffusion, or name the positions where force, noise or "
        "curvature jumps in breaks; at strong damping leave out mass and damping, at weak see "
        "theory.kramers_escape_time"
    )
