"""Exact mean exit times of discrete SGD with Gaussian noise in one dimension, by the integral equation of its Markov chain."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory import checks
from theory.functions import Pointwise

Array = NDArray[np.float64]

ORDER = 16  # Gauss-Legendre nodes in a panel
PANEL = 4.0  # width of a panel in standard deviations of a step, at first
DEPTH = 45.0  # the far side is cut where its stationary density is e^-DEPTH of its maximum
FARTHER = 40  # times 1.6, from the way between start and boundary, that the far side is looked for
MOST_NODES = 6000
TOLERANCE, WORST = 1e-8, 1e-2  # relative; the second where rounding allows no better


def discrete_first_passage_time(
    gradient: Callable[[Any], Any],
    deviation: float | Callable[[Any], Any],
    *,
    lr: float,
    start: float,
    boundary: float,
    substeps: int = 1,
    breaks: Sequence[float] = (),
) -> float:
    """Mean number of iterations until discrete SGD is first beyond a boundary.

    The chain is ``x <- x - lr L'(x) + lr sigma(x) xi``; its mean tau solves ``tau(x) = 1 + int p(x, y) tau(y) dy`` over the inside, with p
    Gaussian. The integral is done by Gauss-Legendre panels, refined until the result stands to 1e-8, or to rounding, 4e-15 times the result. Being the exact mean of the
    recursion itself, it has no error in the learning rate; with substeps it is that of Euler-Maruyama.

    Parameters
    ----------
    gradient
        L'(x), a function of arrays or of one position.
    deviation
        sigma(x), the standard deviation of one minibatch gradient: a number or such a function.
    lr
        Learning rate.
    start, boundary
        Positions; exits are seen after a step, strictly beyond the boundary.
    substeps
        Euler-Maruyama steps per iteration; 1 is discrete SGD.
    breaks
        Where gradient or deviation jump.

    Returns
    -------
    float
        Mean in iterations.

    Raises
    ------
    ValueError
        If an argument is out of range, the noise vanishes inside, nothing confines the far side, steps are so small that the
        integral would need more than 6000 nodes, or exits so rare that rounding would be above 1 %.
    """
    checks.positive("lr", lr)
    if substeps < 1 or int(substeps) != substeps:
        raise ValueError(f"substeps = {substeps!r} must be a whole number >= 1")
    first, top = (float(checks.finite(name, value)) for name, value in (("start", start), ("boundary", boundary)))
    if first == top:
        raise ValueError(f"start = {start!r} is on the boundary; choose another")
    if not callable(deviation):
        checks.positive("deviation", deviation)
    sign = 1.0 if top > first else -1.0  # mirrored, so that the boundary is above
    pull = Pointwise("gradient", gradient, sign=sign, odd=True)
    noise = Pointwise("deviation", deviation, sign=sign)

    def drift(x: Array) -> Array:
        values = pull(x)
        if not np.all(np.isfinite(values)):
            where = sign * x[~np.isfinite(values)][0]
            raise ValueError(f"gradient is not finite at x = {where:.6g}{pull.failure}; give finite values inside")
        return np.asarray(values * lr / substeps)

    def spread(x: Array) -> Array:
        return np.asarray(noise(x) * lr / np.sqrt(substeps))

    first, top = sign * first, sign * top
    low = _far_side(drift, spread, first, top)
    jumps = sign * np.atleast_1d(checks.finite("breaks", breaks))
    corners = [low, *sorted(float(x) for x in jumps if low < x < top), top]
    previous, width = np.nan, PANEL
    while True:
        time = _mean_steps(drift, spread, corners, first, width) / substeps  # ends at MOST_NODES
        # one minus the transition matrix is singular but for 1/time, so that rounding grows with the time
        rounding = 20 * np.finfo(float).eps * time * substeps
        if not 0 < rounding <= WORST:  # of far longer times rounding leaves not even the sign
            most = WORST / (20 * np.finfo(float).eps * substeps)
            raise ValueError(
                f"an exit takes more than {most:.1g} iterations, which is beyond what the chain's integral can tell; use "
                "theory.first_passage_time, or diffusion.rare_escape_rate"
            )
        if abs(time - previous) <= max(TOLERANCE, rounding) * time:
            return time
        previous, width = time, width / 1.6


def _far_side(drift: Callable[[Array], Array], spread: Callable[[Array], Array], start: float, top: float) -> float:
    """Where the density has fallen to e^-DEPTH on the side away from the boundary."""
    reach = top - start
    for _ in range(FARTHER):
        x = np.linspace(start - reach, top, 4001)
        sigma = spread(x)
        if not np.all(sigma > 0) or not np.all(np.isfinite(sigma)):
            where = x[np.argmax(~(np.isfinite(sigma) & (sigma > 0)))]
            raise ValueError(
                f"deviation is {sigma[x == where][0]:g} at |x| = {abs(where):.6g}; it must be above 0 inside"
            )
        slope = 2 * drift(x) / sigma**2
        psi = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(x))])
        inside = psi[x <= start].min()
        if psi[0] - inside > DEPTH:
            bottom = int(np.argmin(np.where(x <= start, psi, np.inf)))
            return float(x[np.flatnonzero(psi[:bottom] - inside > DEPTH)[-1]])
        reach *= 1.6
    raise ValueError("nothing confines the side away from the boundary: the mean exit time is infinite or needs a wall")


def _mean_steps(
    drift: Callable[[Array], Array],
    spread: Callable[[Array], Array],
    corners: Sequence[float],
    start: float,
    width: float,
) -> float:
    nodes, weights = np.polynomial.legendre.leggauss(ORDER)
    x, w = [], []
    for left, right in itertools.pairwise(corners):
        finest = float(np.min(spread(np.linspace(left, right, 201)[1:-1])))
        edges = np.linspace(left, right, int(np.ceil((right - left) / (width * finest))) + 1)
        half = np.diff(edges)[:, None] / 2
        x.append((edges[:-1, None] + half * (1 + nodes)).ravel())
        w.append((half * weights).ravel())
        if sum(map(len, x)) > MOST_NODES:
            raise ValueError(
                f"a step of {finest:.3g} is too small beside the valley for the chain's integral; name jumps in "
                "breaks, or use theory.first_passage_time, the limit of small steps"
            )
    x_all, w_all = np.concatenate(x), np.concatenate(w)

    def transition(points: Array) -> Array:
        sigma = spread(points)[:, None]
        z = (x_all - (points - drift(points))[:, None]) / sigma
        return np.asarray(np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * sigma) * w_all)

    try:
        times = np.linalg.solve(np.eye(len(x_all)) - transition(x_all), np.ones(len(x_all)))
    except np.linalg.LinAlgError:  # no exit that rounding leaves
        return np.inf
    return float(1 + (transition(np.array([start])) @ times)[0])
