"""Which of two ends a path reaches first, and when: positive integrals over the ways from the start to each."""

import numpy as np
from numpy.typing import NDArray

from theory.transform import Passage

Array = NDArray[np.float64]


def log_chances(passage: Passage) -> tuple[float, float]:
    """Logarithms of the probabilities of leaving by the far end and by the boundary."""
    low, high = (log_scale(way) for way in ways(passage))
    total = float(np.logaddexp(low, high))
    return high - total, low - total


def log_mean(passage: Passage) -> float:
    """Logarithm of the mean time until either end is reached.

    ``tau = P_b U_b + P_lo U_lo``, where U is the mean time to one end of paths that the start keeps on its side.
    """
    times = [way.log_mean(0) for way in ways(passage)]
    low, high = (chance + time for chance, time in zip(log_chances(passage), times, strict=True))
    return float(np.logaddexp(low, high))


def log_mean_through(passage: Passage, end: int) -> float:
    """Logarithm of the mean time of the paths that leave by one end: 0, the far one, or 1, the boundary.

    1. With P(y) the chance of leaving by that end, ``u = tau P`` solves ``(1/w) (u'/A)' = -P`` with u = 0 at both ends.
    2. So tau is the integral of ``w P S`` over the way to that end, S the scale that is left; and that over the other
       way, times the ratio of the two ways' scales.
    """
    own, other = ways(passage)[end], ways(passage)[1 - end]
    scales = log_scale(own), log_scale(other)
    total = float(np.logaddexp(*scales))
    return float(np.logaddexp(_log_time(own, total, scales[1]), scales[0] - scales[1] + _log_time(other, total)))


def ways(passage: Passage) -> tuple[Passage, Passage]:
    """From the start to the far end, mirrored, and to the boundary; each as a passage that begins there."""
    back = passage.opposite
    assert back is not None
    far, near = (
        Passage(one.gradient, one.diffusion, one.panels.onward(one.first), 0, one.p, one.tail)
        for one in (back, passage)
    )
    return far, near


def log_scale(way: Passage) -> float:
    """Logarithm of ``int A`` over a way, psi being 0 at its start."""
    return float(_scales(way)[1][0])


def _scales(way: Passage) -> tuple[Array, Array]:
    """Logarithms of ``int A`` before, and from, each panel's left end and the last one's right."""
    psi, local = way.panels.potential()
    parts = np.log(way.panels.integrate(way.panels.densities(way.p)[0])[:, -1]) + psi
    last = -np.inf if way.tail is None else way.tail.log_scale + psi[-1] + local[-1, -1]
    before = np.r_[-np.inf, np.logaddexp.accumulate(parts)]
    return before, np.logaddexp.accumulate(np.r_[parts, last][::-1])[::-1]


def _log_time(way: Passage, total: float, behind: float | None = None) -> float:
    """Logarithm of ``int w S P`` over a way, S the scale that is left and P the chance of leaving by its end.

    `total` is the logarithm of the scale from end to end, `behind` that of what is behind the start; None: P is the
    chance of leaving by the other end, which is S over the whole scale.
    """
    panels = way.panels
    psi = panels.potential()[0][:, None]
    scale, speed = panels.densities(way.p)
    run = panels.integrate(scale)
    before, after = _scales(way)
    with np.errstate(divide="ignore"):
        left = np.logaddexp(np.log(np.maximum(run[:, -1:] - run, 0)) + psi, after[1:, None])
        here = np.logaddexp(before[:-1, None], np.log(np.maximum(run, 0)) + psi)
    chance = left if behind is None else np.logaddexp(here, behind)
    logs = left + np.log(speed) - psi + chance - total
    top = logs.max(axis=1, keepdims=True)
    times = np.log(panels.integrate(np.exp(logs - top))[:, -1]) + top[:, 0]
    if way.tail is not None:
        times = np.r_[times, way.tail.log_delay]
        if behind is None:
            times[-1] += np.log(way.tail.share) + after[-1] - total
    return float(np.logaddexp.reduce(times))
