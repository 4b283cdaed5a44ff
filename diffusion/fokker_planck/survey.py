"""Looking along a line before anything is solved on it: bad values, jumps, and how far an open side reaches."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PANELS = 600  # of the search for the end of an open side, each 5 % longer than the one before
VANISHED = 1e-9  # share of its largest value below which the noise has vanished
GAUSS, WEIGHTS = np.polynomial.legendre.leggauss(6)
GAUSS, WEIGHTS = (GAUSS + 1) / 2, WEIGHTS / 2  # on [0, 1]


def refuse_bad(gradient: Callable[[Array], Array], noise: Callable[[Array], Array], x: Array) -> Array:
    """D at x; refused where it or L' is not finite, or where D is not above 0."""
    from scipy.optimize import minimize_scalar

    values, slopes = noise(x), gradient(x)
    for name, of in (("diffusion", values), ("gradient of the landscape", slopes)):
        if not np.all(np.isfinite(of)):
            i = int(np.argmin(np.isfinite(of)))
            raise ValueError(f"{name} = {of[i]} at x = {x[i]:.6g} must be finite all along the path; narrow the path")
    least = int(np.argmin(values))
    place, value = x[least], values[least]
    for i in (np.flatnonzero((values[1:-1] < values[:-2]) & (values[1:-1] <= values[2:])) + 1).tolist():
        found = minimize_scalar(
            lambda y: float(noise(np.array([y]))[0]),
            bounds=(x[i - 1], x[i + 1]),
            method="bounded",
            options={"xatol": 0.0},
        )
        if found.fun < value:
            place, value = found.x, found.fun
        if value <= VANISHED * values.max():
            break
    if value <= VANISHED * values.max():
        raise ValueError(
            f"diffusion = {value:.3g} at x = {place:.6g}: the noise vanishes there; no overdamped path crosses it, and in phase space "
            "no grid resolves it. Keep diffusion above 0 all along the path, as noise frozen at the minimum and at the saddle is"
        )
    return values


def rises(slope: Callable[[Array], Array], a: Array, b: Array) -> Array:
    """Integrals of the slope from each a to each b."""
    x = a[:, None] + (b - a)[:, None] * GAUSS
    return np.asarray((slope(x.ravel()).reshape(x.shape) @ WEIGHTS) * (b - a))


def open_end(slope: Callable[[Array], Array], origin: float, side: int, psi: Array, rise: float, span: float) -> float:
    """Where psi, 0 at the origin and as given on the rest of the path, has risen by `rise` above what it was before."""
    lengths = np.concatenate([[0.0], np.cumsum(span / 100 * 1.05 ** np.arange(PANELS))])
    top, least, height = float(psi.max()), float(psi.min()), 0.0
    for k in range(0, PANELS, 20):
        edges = origin + side * lengths[k : k + 21]
        with np.errstate(all="ignore"):
            steps = rises(slope, edges[:-1], edges[1:])
        if not np.all(np.isfinite(steps)):
            break
        for j, step in enumerate(steps.tolist()):
            height += step
            least = min(least, height)
            if height >= max(top, least) + rise:
                return float(edges[j + 1])
        if height < psi.min() - 1e4:
            break
    raise ValueError(
        f"the landscape does not confine on the open side beyond x = {origin:.6g}: psi = int L'/temperature rises by no more "
        f"than {height - least:.3g} within {abs(edges[-1] - origin):.3g}; give reflecting = or absorbing = a position there"
    )


def thermal_width(
    gradient: Callable[[Array], Array], noise: Callable[[Array], Array], friction: float, x: float
) -> float:
    """A length over which psi changes by about 1 near x."""
    h = 1e-4 * (1 + abs(x))
    temperature = noise(np.array([x]))[0] / friction
    below, here, above = gradient(np.array([x - h, x, x + h]))
    return float(1 / max(abs(here) / temperature, np.sqrt(abs(above - below) / (2 * h * temperature)), 1e-6))


def find_jumps(noise: Callable[[Array], Array], x: Array, values: Array) -> list[float]:
    """Where D jumps, found by halving the intervals of a scan over which it changes much more than over their neighbours."""
    change = np.abs(np.diff(values))
    near = np.maximum(np.append(change[1:], 0.0), np.insert(change[:-1], 0, 0.0))
    found = []
    for i in np.flatnonzero((change > 3 * near) & (change > 1e-9 * values.max())):
        a, b = x[i], x[i + 1]
        at_a, at_b = values[i], values[i + 1]
        while (middle := (a + b) / 2) not in (a, b):
            at_middle = noise(np.array([middle]))[0]
            if abs(at_middle - at_a) > abs(at_b - at_middle):
                b, at_b = middle, at_middle
            else:
                a, at_a = middle, at_middle
        if abs(at_b - at_a) > 0.3 * change[i]:
            found.append(float(b))
    return found
