"""The noise along a line: where it is not finite or vanishes, and where it jumps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from diffusion.fokker_planck.callables import Pointwise
from diffusion.fokker_planck.tails import Tail

Array = NDArray[np.float64]
Function = Callable[[Array], Array]
VANISHED = 1e-9  # share of its largest value below which the noise has vanished
LOWEST = 20  # dips of the noise that are searched for a zero


def level(noise: Pointwise, tails: Sequence[Tail]) -> Function:
    """D over the powers with which it vanishes at singular ends: it is not to vanish anywhere else."""

    def leveled(x: Array) -> Array:
        powers = [np.abs(x - tail.end) ** tail.power for tail in tails]
        return np.asarray(noise(x) / np.prod(powers, axis=0))

    return leveled if tails else noise


def refuse_bad(gradient: Pointwise, noise: Pointwise, leveled: Function, x: Array) -> tuple[Array, Array]:
    """D and L' at x; refused where it or L' is not finite, or where D, leveled by `level`, vanishes."""
    values, slopes = noise(x), gradient(x)
    for function, of in ((noise, values), (gradient, slopes)):
        if not np.all(np.isfinite(of)):
            i = int(np.argmin(np.isfinite(of)))
            raise ValueError(
                f"{function.name} = {of[i]} at x = {x[i]:.6g}{function.failure} must be finite all along the path; "
                "narrow the path"
            )
    levels = values if leveled is noise else leveled(x)
    least = int(np.argmin(levels))
    place, value = x[least], levels[least]
    dips = np.flatnonzero((levels[1:-1] < levels[:-2]) & (levels[1:-1] <= levels[2:])) + 1
    for i in dips[np.argsort(levels[dips])][:LOWEST].tolist():
        if value <= VANISHED * levels.max():
            break
        place, value = min((place, value), _dip(leveled, x[i - 1], x[i + 1]), key=lambda found: found[1])
    if value <= VANISHED * levels.max():
        at = float(noise(np.array([place]))[0])
        raise ValueError(
            f"diffusion = {at:.3g} at x = {place:.6g}: the noise vanishes there; no overdamped path crosses it, and in "
            "phase space no grid resolves it. Keep diffusion above 0 all along the path, as noise frozen at the "
            "minimum and at the saddle is"
        )
    return values, slopes


def _dip(noise: Function, a: float, b: float) -> tuple[float, float]:
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda y: float(noise(np.array([y]))[0]), bounds=(a, b), method="bounded", options={"xatol": 0.0}
    )
    return float(found.x), float(found.fun)


def find_jumps(function: Function, x: Array, values: Array) -> list[float]:
    """Where a function jumps, by halving the intervals of a scan over which it changes much more than next to them."""
    change = np.abs(np.diff(values))
    near = np.maximum(np.append(change[1:], 0.0), np.insert(change[:-1], 0, 0.0))
    k = np.flatnonzero((change > 3 * near) & (change > 1e-9 * np.abs(values).max()))
    a, b, at_a, at_b = x[k], x[k + 1], values[k], values[k + 1]
    shortest = np.spacing(1e-3 * (x[-1] - x[0]))
    while np.any(inside := b - a > np.maximum(shortest, np.spacing(np.maximum(np.abs(a), np.abs(b))))):
        middle = (a + b) / 2
        at_middle = function(middle)
        upper = inside & (np.abs(at_middle - at_a) <= np.abs(at_b - at_middle))
        lower = inside & ~upper
        a, at_a = np.where(upper, middle, a), np.where(upper, at_middle, at_a)
        b, at_b = np.where(lower, middle, b), np.where(lower, at_middle, at_b)
    return [float(place) for place in b[np.abs(at_b - at_a) > 0.3 * change[k]]]
