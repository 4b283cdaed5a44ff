"""Steepest descent: where a loss leads to from a place, as water would run."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FLAT = 1e-9  # of the steepest gradient on the way: how small one is taken for that of a critical point
LONG, FAR = 100_000, 1e3  # steps, and sizes of the start or of 1, after which a descent is given up
NOWHERE = -1  # in place of the number of a minimum: a descent leads to none
NEWTON = 50  # steps that polish a critical point
RESTLESS = 1e-3  # of the way so far: a Newton step that is left is longer on a slope without end,
SHRINKS = 0.99  # and the one after it is no shorter


class Slope(Protocol):
    """What a descent needs of a landscape."""

    def loss(self, theta: Any) -> Array:
        """Loss."""

    def gradient(self, theta: Any) -> Array:
        """Gradient."""

    def hessian_matrix(self, theta: Any) -> Array:
        """The Hessian at one position."""


def minimum_below(landscape: Slope, start: Array) -> Array:
    """The minimum to which steepest descent leads, to rounding.

    Raises
    ------
    ValueError
        If there is none within reach.
    """
    found = polished(landscape, flowed(landscape, start))
    if not np.all(np.linalg.eigvalsh(landscape.hessian_matrix(found)) > 0):
        raise ValueError(f"the descent ends at {found.tolist()}, where the Hessian has no positive eigenvalues alone")
    left = _newton(landscape, found, 0.0)
    further = _newton(landscape, found - left, 0.0)
    way, first, second = (float(np.linalg.norm(each)) for each in (found - start, left, further))
    if first > RESTLESS * way and second > SHRINKS * first:  # as on exp(x), which is flat far out and rests nowhere
        raise ValueError(f"from {start.tolist()} it runs away to {found.round(3).tolist()}")
    return found


def flowed(landscape: Slope, start: Array) -> Array:
    """Where the flow ``dx/dt = -grad L`` from `start` comes to rest.

    Raises
    ------
    ValueError
        If it does not.
    """
    from scipy.integrate import LSODA

    first = landscape.gradient(start)
    steepest = float(np.linalg.norm(first))
    if not np.isfinite(steepest + landscape.loss(start)):
        raise ValueError(f"loss or gradient is not finite at {start.tolist()}")
    with np.errstate(all="ignore"):
        flow = LSODA(lambda _, x: -landscape.gradient(x), 0.0, start, np.inf, rtol=1e-6, atol=1e-9)
    for _ in range(LONG):
        slope = float(np.linalg.norm(landscape.gradient(flow.y)))
        steepest = max(steepest, slope)
        if slope <= FLAT * steepest:
            return np.asarray(flow.y)
        if not slope < np.inf or np.abs(flow.y).max() > FAR * max(1.0, float(np.abs(start).max())):
            break
        flow.step()
        if flow.status == "failed":
            break
    raise ValueError(f"from {start.tolist()} it runs away to {flow.y.round(3).tolist()}")


def polished(landscape: Slope, start: Array) -> Array:
    """The critical point near a place, by Newton's method, to rounding."""
    here = np.array(start, np.float64)
    for _ in range(NEWTON):
        step = _newton(landscape, here, 1e-12)
        here = here - step
        if np.abs(step).max() <= 4 * np.spacing(max(1.0, float(np.abs(here).max()))):
            break
    return here


def _newton(landscape: Slope, here: Array, smallest: float) -> Array:
    """Newton's step, to be subtracted; singular values below this share of the largest are left out."""
    return np.asarray(np.linalg.lstsq(landscape.hessian_matrix(here), landscape.gradient(here), rcond=smallest)[0])
