"""Durations of the steps of a path that takes for ever to leave its start: nodes lie closer towards ends at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit, logit

from theory.hamiltonians import Diffusing, squared

Array = NDArray[np.float64]
SHORTEST = 1e-12  # step, of the longest
SMOOTH = 3.0  # steps over which durations are smoothed


@dataclass(frozen=True)
class Clock:
    """Time as a function of a parameter s from 0 to 1, from minus infinity on; to infinity if the end is at rest.

    Any such function leaves the least action as it is. Here nodes of equal distance in s have lengths ``s^3`` along the
    path near an end at rest, and in proportion to s near another.
    """

    pace: PchipInterpolator
    rest: bool

    @classmethod
    def of(cls, durations: Array, rest: bool) -> Clock:
        """The clock with which steps of equal size in s take about these durations."""
        n = len(durations)
        s = middles(n)
        pace = np.log(durations * n * _bound(s, rest))
        pace[:4], pace[-4:] = np.median(pace[4:9]), np.median(pace[-9:-4])  # what the ends have is rounding
        return cls(PchipInterpolator(s, gaussian_filter1d(pace, SMOOTH, mode="nearest")), rest)

    def durations(self, edges: Array) -> Array:
        """Of steps between these values of s."""
        s = (edges[1:] + edges[:-1]) / 2
        pace = self.pace(np.clip(s, self.pace.x[0], self.pace.x[-1]))
        found = np.exp(pace) / _bound(s, self.rest) * np.diff(edges)
        return np.asarray(np.maximum(found, SHORTEST * found.max()))


def graded(s: Array, rest: bool) -> Array:
    """Share of the path's length at s."""
    return s**3 * (10 - 15 * s + 6 * s**2) if rest else s**3 * (2 - s)


def middles(n: int) -> Array:
    """Midpoints of n equal steps from 0 to 1."""
    return (np.arange(n) + 0.5) / n


def geometric_durations(motion: Diffusing, nodes: Array, longest: float) -> Array:
    """Durations that make the cost of given steps least: those at which ``H = 0``."""
    x = (nodes[1:] + nodes[:-1]) / 2
    matrices = motion.spread(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = squared(np.diff(nodes, axis=0), matrices) / squared(motion.drift(x), matrices)
    return np.clip(np.sqrt(ratio), SHORTEST * longest, longest)


def regraded(nodes: Array, durations: Array, rest: bool) -> tuple[Array, Array]:
    """As many nodes on the same path, of the lengths that `graded` wants, and the durations between them."""
    n = len(durations)
    length = np.append(0, np.cumsum(np.linalg.norm(np.diff(nodes, axis=0), axis=1)))
    share = logit(np.clip(length[1:-1] / length[-1], 1e-15, 1 - 1e-15))
    share = share + 1e-12 * np.arange(n - 1)  # rises even where the path stands
    at = logit(np.arange(1, n) / n)
    wanted = logit(graded(np.arange(1, n) / n, rest))
    low, high = (at[4] - at[0]) / (share[4] - share[0]), (at[-1] - at[-5]) / (share[-1] - share[-5])
    new = PchipInterpolator(share, at)(np.clip(wanted, share[0], share[-1]))
    new = new + low * np.minimum(wanted - share[0], 0) + high * np.maximum(wanted - share[-1], 0)
    edges = np.concatenate([[0], expit(new), [1]])
    return interpolated(nodes, edges), Clock.of(durations, rest).durations(edges)


def interpolated(nodes: Array, edges: Array) -> Array:
    """Nodes at other values of s; the first and the last stay."""
    n = len(nodes) - 1
    at = logit(np.arange(1, n) / n)
    inner = CubicSpline(at, nodes[1:-1])(np.clip(logit(edges[1:-1]), at[0], at[-1]))
    return np.concatenate([nodes[:1], inner, nodes[-1:]])


def _bound(s: Array, rest: bool) -> Array:
    """What keeps ``dt/ds`` times it finite at the ends."""
    return np.maximum(s * (1 - s) if rest else s, 1e-12)
