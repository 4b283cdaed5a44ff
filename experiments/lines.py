"""Exact escape rates for the lines of the sharpness plots."""

from typing import Any

from experiments import exact
from experiments.sharpness import GRID_TOLERANCE, Setting


def exact_rate(setting: Setting, optimizer: str, sharpness: float, dimension: int = 1) -> dict[str, Any]:
    """Escape rate of the SDE per iteration, its error, and by which method; with inertia one coordinate only."""
    start, boundary = setting.positions(sharpness)
    dynamics = setting.dynamics(optimizer, idealized=True)
    rate, error = exact.exact_rate(
        dynamics,
        setting.landscape(dimension, sharpness),
        setting.noise,
        start=start,
        boundary=boundary,
        tolerance=GRID_TOLERANCE,
    )
    return {"rate": rate, "error": error, "method": "quadrature" if optimizer == "SGD" else "phase-space grid"}
