"""Panels on which drift, diffusion and their exponentials are resolved: the quadrature behind `theory.first_passage`.

With psi = int L'/D, the scale density ``A = e^psi D^(p-1)`` and the speed density ``w = e^-psi D^-p`` make the
backward operator ``u -> (1/w) (u'/A)'``. Chebyshev points hold ``L'/D`` and ``log D`` on every panel; panels are
halved until both are interpolated and psi varies by at most 4, so that no exponential on a panel exceeds e^4: psi
itself may reach any value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from theory.functions import Pointwise

Array = NDArray[np.float64]

DEGREE = 16
MOST_PANELS = 20_000


class TooManyPanelsError(ValueError):
    """Panels became too many."""


SINGULAR = 1e-2  # a climb of psi on a panel of least width that is no jump of its slope
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
    def count(self) -> int:
        """How many."""
        return len(self.slope)

    @property
    def width(self) -> Array:
        """Shape (panels, 1)."""
        return np.diff(self.edges)[:, None]

    def before(self, *others: Panels) -> Panels:
        """These and others, each adjacent above the one before."""
        parts = (self, *others)
        edges = [part.edges[:-1] for part in parts[:-1]] + [parts[-1].edges]
        slopes, logs = [part.slope for part in parts], [part.log_diffusion for part in parts]
        return Panels(np.concatenate(edges), np.concatenate(slopes), np.concatenate(logs))

    def onward(self, first: int) -> Panels:
        """Those from panel `first` on."""
        return Panels(self.edges[first:], self.slope[first:], self.log_diffusion[first:])

    @property
    def mirrored(self) -> Panels:
        """The same at the mirrored positions."""
        return Panels(-self.edges[::-1], -self.slope[::-1, ::-1], self.log_diffusion[::-1, ::-1])

    def integrate(self, values: Array) -> Array:
        """Integral from each panel's left end to each of its points."""
        return gains(values, self.width)

    def potential(self) -> tuple[Array, Array]:
        """Psi at the left ends, zero at the first, shape (panels,); and what it gains from there, at the points."""
        local = self.integrate(self.slope)
        return np.concatenate(([0.0], np.cumsum(local[:-1, -1]))), local

    def densities(self, p: float) -> tuple[Array, Array]:
        """A and w at the points, with psi counted from each panel's left end."""
        _, local = self.potential()
        return np.exp(local + (p - 1) * self.log_diffusion), np.exp(-local - p * self.log_diffusion)


def resolve(gradient: Pointwise, diffusion: Pointwise, edges: Sequence[float] | Array) -> Panels:
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
    slope, log_d = _values(gradient, diffusion, left, right)
    done: list[tuple[Array, Array, Array]] = []
    brightest, count = 0.0, 0
    while left.size:
        middle = (left + right) / 2
        # the left halves, then the right ones: the next panels, where these will not do
        finer = _values(gradient, diffusion, np.r_[left, middle], np.r_[middle, right])
        width = (right - left)[:, None]
        wrong_slope, wrong_log_d = (
            np.abs(whole @ _TO_HALVES.T - np.hstack(np.split(halves, 2))).max(axis=1)
            for whole, halves in zip((slope, log_d), finer, strict=True)
        )
        gain = gains(slope, width)
        smallest = width[:, 0] <= least
        climbs, resolved = np.ptp(gain, axis=1), wrong_slope * width[:, 0] < 0.1 * np.ptp(gain, axis=1)
        steep = bool(count + np.sum(climbs[resolved & ~smallest]) / 8 > MOST_PANELS)
        brightest, at = max(brightest, float(np.exp(log_d.max()))), left
        _refuse_zero(left[smallest], log_d[smallest], brightest, diffusion.sign)
        # the rounding of x, on this panel
        noise = 8 * np.spacing(np.maximum(np.abs(left), np.abs(right))) / width[:, 0]
        good = wrong_slope * width[:, 0] < 1e-12 + noise * np.ptp(slope, axis=1) * width[:, 0]
        good &= wrong_log_d < 1e-11 + noise * np.ptp(log_d, axis=1)
        good = good & (climbs <= 4) & (_bent(gain) < 1e-12) | smallest
        done.append((left[good], slope[good], log_d[good]))
        count += int(good.sum())
        steep |= bool(np.any(climbs[smallest] > SINGULAR))
        worst = left[int(np.argmax(np.where(good & ~smallest, 0, climbs)))] if left.size else 0.0
        left, right = np.r_[left[~good], middle[~good]], np.r_[middle[~good], right[~good]]
        slope, log_d = (halves[np.tile(~good, 2)] for halves in finer)
        if count + left.size > MOST_PANELS or steep:
            _refuse_zero(at, log_d, brightest, diffusion.sign)
            raise TooManyPanelsError(
                f"gradient over diffusion is too rough or too steep near x = {gradient.sign * worst:.6g}: "
                f"{MOST_PANELS} panels, on each of which psi = int L'/D may climb by 4, do not resolve it; give a "
                "smoother function, its jumps in breaks, a closer reflecting end or boundary, or a larger diffusion"
            )
    order = np.argsort(np.concatenate([d[0] for d in done]))
    parts = [np.concatenate([d[i] for d in done])[order] for i in range(3)]
    return Panels(np.r_[parts[0], edges[-1]], parts[1], parts[2])


def points(left: Array, right: Array) -> Array:
    """The panels' points, shape (panels, DEGREE + 1). The ends are just inside, for one-sided limits at a jump."""
    x = left[:, None] + (right - left)[:, None] * (1 + _NODES) / 2
    x[:, 0], x[:, -1] = np.nextafter(left, right), np.nextafter(right, left)
    return np.asarray(x)


def gains(values: Array, width: Array) -> Array:
    """Integrals of values at the panels' points, shape (panels, DEGREE + 1), from each left end; width (panels, 1)."""
    return np.asarray(values @ _INTEGRATE.T * width / 2)


def _bent(gain: Array) -> Array:
    """Relative errors of the interpolants of exp(psi) and exp(-psi), shape (panels,)."""
    level = np.clip(gain - gain.mean(axis=1, keepdims=True), -8, 8)
    between = level @ _TO_HALVES.T
    wrong = [np.abs(np.exp(s * level) @ _TO_HALVES.T / np.exp(s * between) - 1).max(axis=1) for s in (1, -1)]
    return np.asarray(np.maximum(*wrong))


def _values(gradient: Pointwise, diffusion: Pointwise, left: Array, right: Array) -> tuple[Array, Array]:
    """L'/D and log D at the panels' points."""
    x = points(left, right)
    slope, d = gradient(x), diffusion(x)
    for function, values in ((gradient, slope), (diffusion, d)):
        if not np.all(np.isfinite(values)):
            raise ValueError(
                f"{function.name} is not finite at x = "
                f"{function.sign * x[~np.isfinite(values)][0]:.6g}{function.failure}; give finite values on the path"
            )
    if np.any(d < 0):
        raise ValueError(f"diffusion is negative at x = {diffusion.sign * x[d < 0][0]:.6g}; give values above 0")
    if np.any(d == 0):
        raise ValueError(_VANISHES.format(diffusion.sign * x[d == 0][0]))
    with np.errstate(over="ignore"):
        ratio = slope / d
    if not np.all(np.isfinite(ratio)):
        raise ValueError(
            "gradient over diffusion is beyond the range of numbers at x = "
            f"{gradient.sign * x[~np.isfinite(ratio)][0]:.6g}"
        )
    return ratio, np.log(d)


def _refuse_zero(left: Array, log_d: Array, brightest: float, sign: float) -> None:
    """A zero of D that no point has hit shows as a panel of least width on which D is next to nothing."""
    if left.size and np.exp(log_d.min()) < 1e-9 * brightest:
        raise ValueError(_VANISHES.format(sign * left[log_d.min(axis=1).argmin()]))


_VANISHES = (
    "diffusion: noise vanishes at x = {:.6g}, and no overdamped path crosses it; give a diffusion above 0 on the path"
)
