"""The overdamped equation in one dimension: exponentially fitted finite volumes, exact for a constant flux.

With psi = int L'/D and the power p of the convention (1 Ito, 1/2 Stratonovich, 0 isothermal) the flux is
``-D^(1-p) e^-psi d/dx(D^p e^psi P)``. Between nodes it is constant and its integrals are done by Gauss' rule,
so that the chain jumps between neighbours at rates that have the exact stationary law, whatever the step of psi
or the jump of D.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from diffusion.fokker_planck.chain import ROUNDING, Chain, make_chain, running_sums
from diffusion.fokker_planck.path import Path, graded

Array = NDArray[np.float64]
POWERS = {"ito": 1.0, "stratonovich": 0.5, "isothermal": 0.0}
NODES = 400_000  # of the finest grid
SHOWN, SHOWN_NODES = 8.0, 50_000  # fineness, and most nodes, of results that cost no more than their nodes
LARGEST = 700.0  # exponent beyond which a time is out of floating-point range
PREFACTOR = 80.0  # exponent of what may multiply exp(the rise of psi)


def grid(
    path: Path, points: Array, fineness: float = 1.0, starts: Sequence[float] = (), width: float = np.inf
) -> Array:
    """Nodes from end to end through points and breaks, closer where psi or D changes fast, or by `width` at starts."""
    x = path.x
    middle = (x[1:] + x[:-1]) / 2
    slope = np.abs(path.slope(middle))
    change = np.abs(np.diff(np.log(path.diffusion(x)))) / np.diff(x)
    for point in path.breaks:  # a jump is no slope
        change[max(0, int(np.searchsorted(x, point)) - 1)] = 0.0
    density = fineness * (4 * slope + 8 * change + 200 / (path.upper - path.lower))
    fixed = sorted({path.lower, path.upper, *path.breaks, *points.tolist()})

    def spacing(y: Array) -> Array:
        away = np.min([np.abs(y - start) for start in starts], axis=0, initial=np.inf)
        near = np.maximum(width, away / 3) / (6 * fineness)
        return np.asarray(np.minimum(near, 1 / np.interp(y, middle, density)))

    near = [*(starts if np.isfinite(width) else []), *(tail.end for tail in path.tails if tail is not None)]
    return graded(path, fixed, spacing, NODES // 4, near)


def extrapolated(
    name: str, path: Path, points: Array, p: float, value: Callable[[Chain], Array], tolerance: float
) -> tuple[Array, Array]:
    """A value of the chain without its errors in h^2 and h^4, by Richardson's way, and the change that h^4 made.

    Parameters
    ----------
    name
        Of the value.
    path, p
        The equation.
    points
        Positions that are nodes of every grid.
    value
        Logarithms of numbers computed from a chain, shape (m,).
    tolerance
        The grid is halved until the change is below this share of the value.

    Returns
    -------
    tuple of ndarray
        Values, and their absolute errors, shape (m,) each.

    Raises
    ------
    ValueError
        If a value is beyond the range of floating-point numbers, or no grid is seen to reach the tolerance.
    """
    refuse_rare(name, path, points)
    exits = [end for end, takes in zip((path.lower, path.upper), path.absorbing, strict=True) if takes]
    width = float(min((np.abs(points - end).min() for end in exits), default=np.inf))
    x = grid(path, points, 1.0, points.tolist(), width)  # a far end must not set the size of what lies at the start
    best, errors, ratio = np.zeros(0), np.array([np.inf]), 0.0
    left_out = sum(tail.error for tail in path.tails if tail is not None)
    logs: list[Array] = []
    while len(x) < NODES:
        found = make_chain(path, x, p)
        logs.append(value(found))
        rounding = ROUNDING * (1 + found.span)
        if len(logs) >= 3:
            a, b, c = (np.exp(np.clip(log - logs[-1], -LARGEST, LARGEST)) for log in logs[-3:])
            before, after = (4 * b - a) / 3, (4 * c - b) / 3
            best, last = (16 * after - before) / 15, errors
            errors = np.where(best > 0, np.abs(after - best) / np.maximum(np.abs(best), 1e-9), np.inf) + rounding
            if np.all(errors < tolerance):
                _refuse_large(name, logs[-1], LARGEST)
                values = np.exp(logs[-1]) * best
                return values, (errors + left_out) * values
            ratio = float(np.clip(np.max(errors) / np.max(last), 1 / 64, 1 / 4)) if np.all(np.isfinite(last)) else ratio
        halvings = np.floor(np.log2(NODES / len(x)))
        if tolerance < rounding or (ratio and np.max(errors) * ratio**halvings > tolerance):
            break
        x = np.insert(x, np.arange(1, len(x)), (x[1:] + x[:-1]) / 2)
    raise ValueError(
        f"tolerance = {tolerance:.3g} is not reached with {len(x)} nodes (relative error {errors.max():.3g}); loosen "
        "tolerance, or name the positions where the noise or the curvature jumps in breaks"
    )


def outer_share(path: Path, points: Array, p: float) -> float:
    """Share of the slowest mode in the outermost cells at ends that do not absorb."""
    found = make_chain(path, grid(path, points), p)
    logs = found.weights + 2 * found.slowest()[1]
    ends = [logs[i] for i, absorbs in zip((0, -1), path.absorbing, strict=True) if not absorbs]
    return float(np.exp(np.logaddexp.reduce(ends) - running_sums(logs)[-1]))


def shown(path: Path, points: Array, p: float) -> Chain:
    """The chain on as fine a grid as is shown."""
    coarse = grid(path, points)
    return make_chain(path, grid(path, points, max(1.0, min(SHOWN, SHOWN_NODES / len(coarse)))), p)


def refuse_rare(name: str, path: Path, points: Array) -> None:
    """Refuse a time whose exponent is out of range: how far psi at least rises from the points to the boundary."""
    if not all(path.absorbing):
        x, psi = (path.x, path.psi) if path.absorbing[1] else (-path.x[::-1], path.psi[::-1])
        first = points.min() if path.absorbing[1] else -points.max()
        rise = (psi - np.minimum.accumulate(psi))[x >= first].max()
        _refuse_large(name, np.array([rise]), LARGEST + PREFACTOR)


def _refuse_large(name: str, logs: Array, largest: float) -> None:
    if np.any(logs > largest):
        raise ValueError(
            f"diffusion is too small: {name} would be exp({logs.max():.4g}), beyond floating-point range; raise "
            f"diffusion, at least {logs.max() / LARGEST:.3g} times, or compare exponents only "
            "(theory.escape_exponent); if it comes from a deeper well behind the start that is not meant, put "
            "reflecting = before that"
        )
    if np.any(logs < -LARGEST):
        raise ValueError(
            f"{name} would be exp({logs.min():.4g}), beyond floating-point range; choose units in which it is larger"
        )
