"""Panels on which drift, diffusion and their exponentials are resolved: the quadrature behind `theory.first_passage`.

With psi = int L'/D, the scale density ``A = e^psi D^(p-1)`` and the speed density ``w = e^-psi D^-p`` make the backward operator
``u -> (1/w) (u'/A)'``. Chebyshev points hold ``L'/D`` and ``log D`` on every panel; panels are halved until both are
interpolated and psi varies by at most 4, so that no exponential on a panel exceeds e^4: psi itself may reach any value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

DEGREE = 16
MOST_PANELS = 20_000
NEGLIGIBLE = 42.0  # e^-42 = 6e-19
MOST_DOUBLINGS = 60
DEEPEST = 2000.0  # a psi that falls this far below the start's on the open side is not confined

_NODES = -np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)
_TO_COEFFICIENTS = np.linalg.inv(chebyshev.chebvander(_NODES, DEGREE))
# value at the two halves' nodes, and integral from the left end to every node, of the interpolant
_TO_HALVES = chebyshev.chebvander(np.r_[(_NODES - 1) / 2, (_NODES + 1) / 2], DEGREE) @ _TO_COEFFICIENTS
_INTEGRATE = (
    chebyshev.chebvander(_NODES, DEGREE + 1) @ chebyshev.chebint(np.eye(DEGREE + 1), lbnd=-1) @ _TO_COEFFICIENTS
)


@dataclass(frozen=True)
class Panels:
    """Adjacent panels, left to right.

    Attributes
    ----------
    edges
        Shape (panels + 1,).
    slope, log_diffusion
        L'/D and log D at the Chebyshev points, shape (panels, DEGREE + 1).
    """

    edges: Array
    slope: Array
    log_diffusion: Array

    @property
    def width(self) -> Array:
        """Shape (panels, 1)."""
        return np.diff(self.edges)[:, None]

    def integrate(self, values: Array) -> Array:
        """Integral from each panel's left end to each of its points."""
        return np.asarray(values @ _INTEGRATE.T * self.width / 2)

    def potential(self) -> tuple[Array, Array]:
        """Psi at the left ends, zero at the first, shape (panels,); and what it gains from there, at the points."""
        local = self.integrate(self.slope)
        return np.concatenate(([0.0], np.cumsum(local[:-1, -1]))), local

    def densities(self, p: float) -> tuple[Array, Array]:
        """A and w at the points, with psi counted from each panel's left end."""
        _, local = self.potential()
        return np.exp(local + (p - 1) * self.log_diffusion), np.exp(-local - p * self.log_diffusion)


def resolve(gradient: Function, diffusion: Function, edges: Sequence[float] | Array) -> Panels:
    """Halve the panels between `edges` until L'/D, log D and the exponential of psi are resolved.

    A jump that is not one of the edges is closed in upon until the panel that holds it is 1e-13 of the whole.

    Raises
    ------
    ValueError
        If L' or D is not finite, D is not above 0 or falls to nothing, or the panels become too many.
    """
    edges = np.asarray(edges, dtype=np.float64)
    least = max(1e-13 * (edges[-1] - edges[0]), 16 * np.spacing(np.abs(edges).max()))
    left, right = edges[:-1], edges[1:]
    done: list[tuple[Array, Array, Array]] = []
    brightest, count = 0.0, 0
    while left.size:
        middle = (left + right) / 2
        slope, log_d = _values(gradient, diffusion, left, right)
        finer = [_values(gradient, diffusion, *ends) for ends in ((left, middle), (middle, right))]
        width = (right - left)[:, None]
        wrong_slope = np.abs(slope @ _TO_HALVES.T - np.hstack([f[0] for f in finer])).max(axis=1)
        wrong_log_d = np.abs(log_d @ _TO_HALVES.T - np.hstack([f[1] for f in finer])).max(axis=1)
        gain = slope @ _INTEGRATE.T * width / 2
        smallest = width[:, 0] <= least
        brightest, at = max(brightest, float(np.exp(log_d.max()))), left
        _refuse_zero(left[smallest], log_d[smallest], brightest)
        noise = (
            8 * np.spacing(np.maximum(np.abs(left), np.abs(right))) / width[:, 0]
        )  # the rounding of x, on this panel
        good = wrong_slope * width[:, 0] < 1e-12 + noise * np.ptp(slope, axis=1) * width[:, 0]
        good &= wrong_log_d < 1e-11 + noise * np.ptp(log_d, axis=1)
        good = good & (np.ptp(gain, axis=1) <= 4) | smallest
        done.append((left[good], slope[good], log_d[good]))
        count += int(good.sum())
        left, right = np.r_[left[~good], middle[~good]], np.r_[middle[~good], right[~good]]
        if count + left.size > MOST_PANELS:
            _refuse_zero(at, log_d, brightest)
            raise ValueError(
                f"gradient over diffusion is too rough or too steep near x = {left[0]:.6g}: {MOST_PANELS} panels do not "
                f"resolve it; give a smoother function, its jumps in breaks, or a closer reflecting end"
            )
    order = np.argsort(np.concatenate([d[0] for d in done]))
    parts = [np.concatenate([d[i] for d in done])[order] for i in range(3)]
    return Panels(np.r_[parts[0], edges[-1]], parts[1], parts[2])


def open_end(gradient: Function, diffusion: Function, *, start: float, step: float, p: float) -> list[float]:
    """Points below `start`, each twice as far on, until beyond the last the speed density holds less than e^-42 of the rest.

    Raises
    ------
    ValueError
        If nothing confines the path on that side.
    """
    total, psi, right, ends = -np.inf, 0.0, start, list[float]()
    for _ in range(MOST_DOUBLINGS):
        left = right - step
        panels = resolve(gradient, diffusion, np.linspace(left, right, 3))
        offset, local = panels.potential()
        _, speed = panels.densities(p)
        psi -= offset[-1] + local[-1, -1]  # now psi at `left`, as it is 0 at the start
        mass = float(np.logaddexp.reduce(np.log(panels.integrate(speed)[:, -1]) - offset)) - psi
        total = float(np.logaddexp(total, mass))
        right, step = left, 2 * step
        ends.append(left)
        ahead = np.asarray(gradient(left - step * np.linspace(0, 3, 65)), dtype=np.float64)
        if mass < total - NEGLIGIBLE and np.all(ahead <= 0):
            return ends
        if psi < -DEEPEST:
            break
    raise ValueError(
        f"gradient does not confine the path on the side of start = {start:.6g} away from the boundary, so that the mean "
        f"time is infinite; give a gradient that does, or a reflecting end"
    )


def _values(gradient: Function, diffusion: Function, left: Array, right: Array) -> tuple[Array, Array]:
    """L'/D and log D at the panels' points. The ends are taken just inside: one-sided limits where a function jumps."""
    x = left[:, None] + (right - left)[:, None] * (1 + _NODES) / 2
    x[:, 0], x[:, -1] = np.nextafter(left, right), np.nextafter(right, left)
    slope = np.broadcast_to(np.asarray(gradient(x), dtype=np.float64), x.shape)
    d = np.broadcast_to(np.asarray(diffusion(x), dtype=np.float64), x.shape)
    if not np.all(np.isfinite(slope)):
        raise ValueError(
            f"gradient is not finite at x = {x[~np.isfinite(slope)][0]:.6g}; give finite values on the path"
        )
    if not np.all(np.isfinite(d)):
        raise ValueError(f"diffusion is not finite at x = {x[~np.isfinite(d)][0]:.6g}; give finite values on the path")
    if np.any(d < 0):
        raise ValueError(f"diffusion is negative at x = {x[d < 0][0]:.6g}; give values above 0")
    if np.any(d == 0):
        raise ValueError(_VANISHES.format(x[d == 0][0]))
    return slope / d, np.log(d)


def _refuse_zero(left: Array, log_d: Array, brightest: float) -> None:
    """A zero of D that no point has hit shows as a panel of least width on which D is next to nothing."""
    if left.size and np.exp(log_d.min()) < 1e-9 * brightest:
        raise ValueError(_VANISHES.format(left[log_d.min(axis=1).argmin()]))


_VANISHES = (
    "diffusion: noise vanishes at x = {:.6g}, and no overdamped path crosses it; give a diffusion above 0 on the path"
)
