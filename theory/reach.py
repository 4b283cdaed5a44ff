"""How far a path comes on the side away from the boundary: up to a reflecting end, or to where it never comes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from theory.functions import Pointwise
from theory.panels import MOST_PANELS, Panels, TooManyPanelsError, gains, points, resolve

Array = NDArray[np.float64]

NEGLIGIBLE = 42.0  # e^-42 = 6e-19
NARROW = 1e-13  # share of the way in which a singularity is approached
STRETCH = 64.0  # psi climbs by no more in one step
FARTHEST = 2.0**60  # in first steps
MOST_STEPS = 400
TRIES = 2  # that may take too many panels
DEEPEST = 2000.0  # a psi that falls this far below the start's on the open side is not confined
BEYOND = 800.0  # exponent of a time that is out of floating-point range whatever else
UNSURE = 0.1  # share of how far psi has come by which a look ahead may be wrong


def behind(
    gradient: Pointwise,
    diffusion: Pointwise,
    onward: Panels,
    p: float,
    *,
    reflecting: float | None,
    breaks: Sequence[float],
    wells: float = np.inf,
) -> Panels | None:
    """Panels below the start, in steps each up to twice as long as the one before; None if the start reflects.

    They end where two things hold: the last step has e^-42 of the speed density's mass, and the path comes there before
    the boundary with a chance of e^-42, or psi is seen to rise on and on or to a singularity. Before a reflecting end
    they do so only if no mass lies between.

    Parameters
    ----------
    gradient, diffusion
        L' and D, the boundary above the start.
    onward
        Panels from the start to the boundary.
    p
        The convention's.
    reflecting
        The far end; None: open.
    breaks
        Where L' or D jumps.
    wells
        How deep wells may be, between where the path never comes and a reflecting end, for the panels to end before
        that.

    Raises
    ------
    ValueError
        If nothing confines the path, or it cannot be followed.
    """
    start = right = float(onward.edges[0])
    first = step = float(onward.edges[-1] - start) / 1024
    sign, scale = gradient.sign, onward.densities(p)[0]
    rest = float(np.logaddexp.reduce(np.log(onward.integrate(scale)[:, -1]) + onward.potential()[0]))
    total, passed, psi, tries = -np.inf, -np.inf, 0.0, TRIES
    found: list[Panels] = []

    def joined(*more: Panels) -> Panels | None:
        parts = [*more, *found[::-1]]
        if sum(part.count for part in parts) > MOST_PANELS:
            raise ValueError(
                f"gradient over diffusion is too steep between start = {sign * start:.6g} and x = {sign * right:.6g}: "
                f"{MOST_PANELS} panels do not resolve it; give a closer reflecting end or a larger diffusion"
            )
        return parts[0].before(*parts[1:]) if parts else None

    for _ in range(MOST_STEPS):
        if reflecting is not None and right <= reflecting:
            return joined()
        step = _passable(gradient, diffusion, right, step)
        if step == 0:
            return joined()
        left = right - step if reflecting is None else max(right - step, reflecting)
        inner = [x for x in breaks if left < x < right]
        try:
            panels = resolve(gradient, diffusion, np.unique([left, (left + right) / 2, right, *inner]))
        except ValueError as error:  # a singularity lies on the step, or nothing resolves it
            tries -= isinstance(error, TooManyPanelsError)
            if step < 64 * np.spacing(abs(start)) or tries == 0:
                raise
            step /= 2
            continue
        found.append(panels)
        if sum(part.count for part in found) > MOST_PANELS:
            break
        offset, local = panels.potential()
        scale, speed = panels.densities(p)
        psi -= float(offset[-1] + local[-1, -1])  # now psi at `left`, as it is 0 at the start
        mass = float(np.logaddexp.reduce(np.log(panels.integrate(speed)[:, -1]) - offset)) - psi
        way = float(np.logaddexp.reduce(np.log(panels.integrate(scale)[:, -1]) + offset)) + psi
        total, passed = float(np.logaddexp(total, mass)), float(np.logaddexp(passed, way))
        right, step = left, 2 * step
        never = passed > rest + NEGLIGIBLE or step < NARROW * (start - right) or _confines(gradient, left, step)
        if mass < total - NEGLIGIBLE and never:
            if (
                reflecting is None
                or right <= reflecting
                or _empty(gradient, diffusion, reflecting, left, p, total + psi, wells, step)
            ):
                return joined()
            inner = [x for x in breaks if reflecting < x < left]
            return joined(resolve(gradient, diffusion, np.unique([*np.linspace(reflecting, left, 17), *inner])))
        if reflecting is None and (psi < -DEEPEST or start - right > FARTHEST * first):
            break
        if reflecting is not None and rest + total > BEYOND:
            return joined()
    else:
        if reflecting is not None:
            return joined(resolve(gradient, diffusion, np.linspace(reflecting, right, 17)))
    raise ValueError(
        f"gradient does not confine the path on the side of start = {sign * start:.6g} away from the boundary, so that "
        "the mean time is infinite or beyond what can be told; give a gradient that does, or a reflecting end"
    )


def _passable(gradient: Pointwise, diffusion: Pointwise, right: float, step: float) -> float:
    """The step, halved until psi is finite and climbs by at most STRETCH on it; 0 at a wall that nothing resolves."""
    while True:
        x = points(np.array([right - step]), np.array([right]))
        with np.errstate(all="ignore"):
            slope = gradient(x) / diffusion(x)
            climb = gains(slope, np.array([[step]]))
            gentle = np.ptp(climb) <= STRETCH
        if gentle:
            return step
        if step < 64 * np.spacing(abs(right)) or step < 1e-300:
            if not np.all(np.isfinite(slope)) or climb[0, -1] > 0:
                resolve(gradient, diffusion, np.array([right - step, right]))  # says what is wrong
                raise ValueError(
                    f"gradient over diffusion is too steep at x = {gradient.sign * right:.6g}; give a reflecting end "
                    "before it"
                )
            return 0.0
        step /= 2


def _confines(gradient: Pointwise, left: float, step: float) -> bool:
    """Whether the slope is seen to rise outwards as far as one may look."""
    return bool(np.all(gradient(left - step * np.append(np.linspace(0, 3, 65), np.geomspace(3, 1e12, 400))) <= 0))


def _empty(
    gradient: Pointwise,
    diffusion: Pointwise,
    low: float,
    high: float,
    p: float,
    total: float,
    wells: float,
    step: float,
) -> bool:
    """Whether less than e^-42 of the mass lies between, and no deep well, by a look at the slope.

    total is the mass's logarithm, with psi 0 at `high`. What lies beyond a place where the slope is not finite is
    empty: the path cannot be followed there, and has no chance to come.
    """
    halvings = 6 + max(0.0, np.ceil(np.log2((high - low) / step)))  # down to a small part of the last step
    shares = np.concatenate([np.linspace(0, 1, 65), 0.5 ** np.arange(1.0, halvings + 1)])
    edges = np.unique(high - (high - low) * shares)
    left, right = edges[:-1], edges[1:]
    x, width = points(left, right), (right - left)[:, None]
    with np.errstate(all="ignore"):
        d = diffusion(x)
        rise = -gains(gradient(x) / d, width)
        rise = rise[:, -1:] - rise  # from the right end to every point
        before = np.cumsum(rise[::-1, 0])[::-1, None] - rise[:, :1]
        psi = before + rise
        unsure = UNSURE * np.maximum.accumulate(np.abs(psi).ravel()[::-1])[::-1].reshape(psi.shape)
        mass = (np.log(width) - psi + unsure - p * np.log(d)).max(axis=1)
    blocked = np.flatnonzero(~np.isfinite(mass))
    seen = slice(blocked[-1] + 1 if blocked.size else 0, None)
    out = psi[seen].ravel()[::-1]
    fall = np.max(np.maximum.accumulate(out) - out, initial=0.0)
    return bool(np.logaddexp.reduce(mass[seen], initial=-np.inf) < total - NEGLIGIBLE and fall <= wells)
