"""The line a particle moves on: its force and noise, checked; where it ends; where the grid must have nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.fokker_planck.callables import Pointwise
from diffusion.fokker_planck.ends import find_ends
from diffusion.fokker_planck.noise import find_jumps, level, refuse_bad
from diffusion.fokker_planck.survey import thermal_width, to_wall
from diffusion.fokker_planck.tails import Tail, find_tail
from diffusion.landscapes import Landscape

Array = NDArray[np.float64]
Diffusion = float | Sequence[float] | Array | Callable[[Array], ArrayLike]  # a pair or a matrix of two coordinates


@dataclass(frozen=True)
class Path:
    """An interval, what acts on it, and what its ends do.

    Attributes
    ----------
    gradient, diffusion
        L' and D as functions of positions, shape (n,) to (n,).
    friction
        gamma M; 1 for the overdamped equation. The temperature is D / friction.
    lower, upper
        Ends of the interval.
    absorbing
        Whether each end takes particles out; one that does not sends them back.
    breaks
        Positions inside where D, L' or L'' jumps.
    margin
        How far psi rises, at an end that is put where the path never comes, above the rest; 0 if none is.
    x, psi
        Positions from end to end, and psi there, 0 at the lowest start; shape (n,) each.
    tails
        What lies beyond each end that is put before a singular one.
    """

    gradient: Pointwise
    diffusion: Pointwise
    friction: float
    lower: float
    upper: float
    absorbing: tuple[bool, bool]
    breaks: tuple[float, ...]
    margin: float
    x: Array
    psi: Array
    tails: tuple[Tail | None, Tail | None] = (None, None)

    def slope(self, x: Array) -> Array:
        """psi' = L' / temperature, the slope of the potential in units of the local temperature."""
        with np.errstate(all="ignore"):
            return np.asarray(self.friction * self.gradient(x) / self.diffusion(x))

    def jumps(self, x: float) -> bool:
        """Whether D jumps at x."""
        step = 1e-9 * (self.upper - self.lower)
        below, above = self.diffusion(np.array([x - step, x + step]))
        return bool(abs(above - below) > 1e-6 * above)


def make_path(
    landscape: Landscape,
    diffusion: Diffusion,
    starts: Array,
    lower: float | None,
    upper: float | None,
    *,
    absorbing: tuple[bool, bool],
    friction: float,
    rise: float,
    energy: float = 0.0,
    breaks: ArrayLike = (),
    wells: float = np.inf,
    power: float | None = None,
) -> Path:
    """The path around the starts; an end that is None is open, and is put where psi has risen high enough.

    Parameters
    ----------
    landscape, diffusion
        As in `mean_first_passage_time`.
    starts
        Positions that the path must contain, shape (n,).
    lower, upper
        Ends; None: open.
    absorbing
        Whether each end absorbs.
    friction
        gamma M, or 1.
    rise
        How far psi must be, at an end that is not a wall, above its values between the starts and the exit.
    energy
        Kinetic, at the start: so much higher that end must be, in temperatures there.
    breaks
        Where D or L'' jumps, as far as the caller knows.
    wells
        As in `find_ends`; -inf: the path goes to its walls.
    power
        Of the convention, for absorbing ends to be allowed at which force or noise is singular; None: in phase space,
        where none is.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If force or noise is not finite, the noise vanishes on the path, an
        end is never reached, or an open side does not confine.
    """
    gradient = Pointwise(
        "gradient of the landscape", lambda x: np.asarray(landscape.gradient(x[:, None]))[:, 0], checked=False
    )
    noise = _noise(diffusion)

    def slope(x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(friction * gradient(x) / noise(x))

    tails: list[Tail | None] = [None, None]
    walls = [lower, upper]
    for side, origin in enumerate((starts.min(), starts.max())):
        wall = walls[side]
        if power is not None and absorbing[side] and wall is not None:
            tail = tails[side] = find_tail(gradient, noise, float(origin), wall, power)
            walls[side] = wall if tail is None else tail.edge
    leveled = level(noise, [tail for tail in tails if tail is not None])
    known = checks.finite_vector("breaks", breaks).tolist() if np.size(breaks) else []
    marks = [*starts.tolist(), *(end for end in walls if end is not None)]
    if energy > 0:
        rise += energy * friction / float(noise(starts).min())
    hull = to_wall(slope, float(starts.min()), float(starts.max()))
    span = max(marks) - min(marks) or thermal_width(slope, marks[0])
    ways, short = find_ends(slope, gradient, noise, leveled, hull, walls, absorbing, rise, span, wells)
    x = np.concatenate([ways[0].x[:0:-1], hull.x, ways[1].x[1:]])
    psi = np.concatenate([ways[0].psi[:0:-1], hull.psi, hull.psi[-1] + ways[1].psi[1:]])
    low, high = float(x[0]), float(x[-1])
    closer = np.sort(np.append(x, (x[1:] + x[:-1]) / 2))
    values, slopes = refuse_bad(gradient, noise, leveled, closer)
    jumps = find_jumps(noise, closer, values) + find_jumps(gradient, closer, slopes)
    inside = sorted({point for point in [*known, *landscape.switches, *jumps] if low < point < high})
    separate = [p for k, p in enumerate(inside) if k == 0 or p - inside[k - 1] > 1e-9 * (high - low)]
    ends = (absorbing[0] and not short[0], absorbing[1] and not short[1])
    kept = (None if short[0] else tails[0], None if short[1] else tails[1])
    return Path(gradient, noise, friction, low, high, ends, tuple(separate), rise if any(short) else 0.0, x, psi, kept)


def graded(
    path: Path, fixed: Sequence[float], spacing: Callable[[Array], Array], most: int, near: Sequence[float] = ()
) -> Array:
    """Nodes that include the fixed ones, with about spacing(x) from one to the next.

    Parameters
    ----------
    path
        Its positions, and positions closer and closer to those in `near`, are where the spacing is looked at.
    fixed
        Ascending, from end to end.
    spacing
        Function of positions, shape (n,) to (n,), above 0.
    most
        Nodes beyond which the grid is refused.
    near
        Positions around which the spacing changes fast.
    """
    shrinking = (path.upper - path.lower) * np.geomspace(1e-12, 1, 400)
    around = [point + side * shrinking for point in near for side in (-1, 1)]
    x = np.concatenate([path.x, (path.x[1:] + path.x[:-1]) / 2, fixed, *around])
    x = np.unique(x.clip(path.lower, path.upper))
    count = np.concatenate([[0.0], np.cumsum(np.diff(x) / spacing((x[1:] + x[:-1]) / 2))])
    if not count[-1] < most:
        raise ValueError(
            f"diffusion is too small: the path from {path.lower:.6g} to {path.upper:.6g}, on which psi = int "
            f"L'/temperature changes by {np.ptp(path.psi):.3g}, needs {count[-1]:.3g} nodes to be resolved, more than "
            f"{most}; raise diffusion, or shorten the path by closer ends"
        )
    marks = np.interp(fixed, x, count)
    nodes = [np.asarray(fixed[:1], np.float64)]
    for a, b, end in zip(marks[:-1], marks[1:], fixed[1:], strict=True):
        cells = max(1, int(np.ceil(b - a)))
        nodes.append(np.append(np.interp(a + (b - a) * np.arange(1, cells) / cells, count, x), end))
    return np.concatenate(nodes)


def _noise(diffusion: Diffusion) -> Pointwise:
    if callable(diffusion):
        return Pointwise("diffusion", diffusion)
    constant = cast(float, diffusion)  # which the check refuses if it is none
    checks.positive("diffusion", constant)
    return Pointwise("diffusion", lambda x: float(constant), checked=False)
