"""The line a particle moves on: its force and noise, checked; where it ends; where the grid must have nodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.fokker_planck.survey import find_jumps, open_end, refuse_bad, rises, thermal_width
from diffusion.landscapes import Landscape

Array = NDArray[np.float64]
Diffusion = float | Callable[[Array], ArrayLike]
SCAN = 4001  # points at which force and noise are looked at before anything is solved


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
        Positions inside where D or L'' jumps.
    margin
        How far psi rises, at an end that was open, above the rest; 0 if none was.
    """

    gradient: Callable[[Array], Array]
    diffusion: Callable[[Array], Array]
    friction: float
    lower: float
    upper: float
    absorbing: tuple[bool, bool]
    breaks: tuple[float, ...]
    margin: float

    def slope(self, x: Array) -> Array:
        """psi' = L' / temperature, the slope of the potential in units of the local temperature."""
        return self.friction * self.gradient(x) / self.diffusion(x)

    def jumps(self, x: float) -> bool:
        """Whether D jumps at x."""
        step = 1e-9 * (self.upper - self.lower)
        below, above = self.diffusion(np.array([x - step, x + step]))
        return bool(abs(above - below) > 1e-6 * above)

    def scan(self) -> tuple[Array, Array]:
        """Positions from end to end, and psi there, 0 at the lower end; shape (SCAN,) each."""
        x = np.linspace(self.lower, self.upper, SCAN)
        return x, np.concatenate([[0.0], np.cumsum(rises(self.slope, x[:-1], x[1:]))])


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
    breaks: ArrayLike = (),
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
        How far psi must be, at an open end, above its values between the starts and the other end.
    breaks
        Where D or L'' jumps, as far as the caller knows.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If the landscape has more than one dimension, force or noise is not finite, the noise vanishes on the path, or an
        open side does not confine.
    """
    if landscape.dimension != 1:
        raise ValueError(
            f"landscape has dimension = {landscape.dimension}; Fokker-Planck grids here are for 1: take one coordinate, or "
            "simulate an ensemble with exit_times"
        )

    def gradient(x: Array) -> Array:
        return np.asarray(landscape.gradient(x[:, None]))[:, 0]

    noise = _noise(diffusion)
    marks = [*starts.tolist(), *(end for end in (lower, upper) if end is not None)]
    low, high = min(marks), max(marks)
    span = high - low if high > low else thermal_width(gradient, noise, friction, low)
    refuse_bad(gradient, noise, np.linspace(low, high, SCAN))
    inner = Path(gradient, noise, friction, low, high, absorbing, (), 0.0)
    x, psi = inner.scan() if high > low else (np.array([low]), np.zeros(1))
    if lower is None:
        low = open_end(inner.slope, x[0], -1, psi - psi[0], rise, span)
    if upper is None:
        high = open_end(inner.slope, x[-1], 1, psi - psi[-1], rise, span)
    whole = np.linspace(low, high, SCAN)
    values = refuse_bad(gradient, noise, whole)
    known = checks.finite_vector("breaks", breaks).tolist() if np.size(breaks) else []
    inside = sorted(
        {point for point in [*known, *_switches(landscape), *find_jumps(noise, whole, values)] if low < point < high}
    )
    margin = 0.0 if lower is not None and upper is not None else rise
    separate = [p for k, p in enumerate(inside) if k == 0 or p - inside[k - 1] > 1e-9 * (high - low)]
    return Path(gradient, noise, friction, float(low), float(high), absorbing, tuple(separate), margin)


def graded(fixed: Sequence[float], spacing: Callable[[Array], Array]) -> Array:
    """Nodes that include the fixed ones, with about spacing(x) from one to the next."""
    nodes = [np.array([fixed[0]])]
    for a, b in pairwise(fixed):
        x = np.unique(np.concatenate([np.linspace(a, b, SCAN), a + (b - a) * np.geomspace(1e-7, 1, 300)]))
        x = np.unique(np.concatenate([x, a + b - x]).clip(a, b))
        count = np.concatenate([[0.0], np.cumsum(np.diff(x) / spacing((x[1:] + x[:-1]) / 2))])
        cells = max(1, int(np.ceil(count[-1])))
        inner = np.interp(np.arange(1, cells) * count[-1] / cells, count, x)
        nodes.append(np.append(inner, b))
    return np.concatenate(nodes)


def _noise(diffusion: Diffusion) -> Callable[[Array], Array]:
    if not callable(diffusion):
        checks.positive("diffusion", diffusion)
        return lambda x: np.full(x.shape, float(diffusion))
    return lambda x: np.broadcast_to(np.asarray(diffusion(x), np.float64), x.shape)


def _switches(landscape: Landscape) -> tuple[float, ...]:
    """Where a landscape that is made of pieces changes its curvature."""
    try:
        return landscape.pieces().switches
    except ValueError:
        return ()
