"""Mean exit times of discrete SGD in one dimension: the integral equation of its Markov chain, noise of any law."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory import checks
from theory.functions import Pointwise
from theory.step_laws import Density, kinks, law_weights

Array = NDArray[np.float64]

ORDER = 16  # Gauss-Legendre nodes in a panel
PANEL = 4.0  # width of a panel in standard deviations of a step, at first
NARROWER = 1.6  # the same of another law than the normal, which may be less smooth
DEPTH = 45.0  # the far side is cut where its stationary density is e^-DEPTH of its maximum
FIRST_DEPTH = 30.0  # the same where it is only tried first
FARTHER = 40  # times 1.6, from the way between start and boundary, that the far side is looked for
MOST_NODES = 6000
WIDER = 1.6  # the far side is moved out so, until the result stands, where the law's tail is unknown
SLOWEST = 0.9  # share of the addition before that is told from no convergence
WORST = 1e-2  # relative error where rounding allows no better


def discrete_first_passage_time(
    gradient: Callable[[Any], Any],
    deviation: float | Callable[[Any], Any],
    *,
    lr: float,
    start: float,
    boundary: float,
    substeps: int = 1,
    breaks: Sequence[float] = (),
    law: Density | None = None,
    law_breaks: Sequence[float | Callable[[Any], Any]] = (),
    tolerance: float = 1e-8,
) -> float:
    """Mean number of iterations until discrete SGD is first beyond a boundary.

    The chain is ``x <- x - lr L'(x) - lr sigma(x) z``; its mean tau solves ``tau(x) = 1 + int p(x, y) tau(y) dy`` over
    the inside, with p the density of a step, Gaussian unless a law is given. The integral is done by Gauss-Legendre
    panels, refined until the result stands to the tolerance, or to rounding, 4e-15 times the result. Being the exact
    mean of the recursion itself, it has no error in the learning rate; with substeps it is that of Euler-Maruyama.

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
    law
        Density of z, the noise of one step over its deviation, added to the gradient: a function of (z, x), arrays that
        broadcast, of mean 0 and variance 1 in z. None: normal.
    law_breaks
        The z at which that density, or a low derivative, jumps: numbers, or functions of arrays of positions.
    tolerance
        Relative; less is asked of a law whose values are known to few digits.

    Returns
    -------
    float
        Mean in iterations.

    Raises
    ------
    ValueError
        If an argument is out of range, the noise vanishes inside, nothing confines the far side, steps are so small
        that the integral would need more than 6000 nodes, or exits so rare that rounding would be above 1 %.
    """
    checks.positive("lr", lr)
    checks.positive("tolerance", tolerance)
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
    jumps = sign * np.atleast_1d(checks.finite("breaks", breaks))
    law_jumps = [_moved(each, sign) for each in law_breaks]
    if law is None:
        low, mirrored = _far_side(drift, spread, first, top), None
    else:
        low = _far_side(drift, spread, first, top, graded=True)

        def mirrored(z: Array, x: Array) -> Any:
            return law(sign * z, sign * x)

    previous, width, widening = np.nan, PANEL if law is None else NARROWER, False
    added, limit = np.nan, np.nan  # by the last move of the far side, and where such moves lead
    while True:
        corners = [low, *sorted(float(x) for x in jumps if low < x < top), top]
        if law_jumps:
            corners = kinks(drift, spread, law_jumps, corners)
        time = _mean_steps(drift, spread, corners, first, width, mirrored, law_jumps) / substeps  # ends at MOST_NODES
        # one minus the transition matrix is singular but for 1/time, so that rounding grows with the time
        rounding = 20 * np.finfo(float).eps * time * substeps
        if not 0 < rounding <= WORST:  # of far longer times rounding leaves not even the sign
            most = WORST / (20 * np.finfo(float).eps * substeps)
            raise ValueError(
                f"an exit takes more than {most:.1g} iterations, which is beyond what the chain's integral can tell; "
                "use theory.first_passage_time, or diffusion.rare_escape_rate"
            )
        if abs(time - previous) <= max(tolerance, rounding) * time:
            if law is None or widening:
                return time
            widening = True
        elif widening:  # of a power law's tail each move adds the same share of what the one before has added
            before, added, last = added, time - previous, limit
            share = added / before
            limit = time + added * share / (1 - share) if 0 < share < SLOWEST else np.nan
            if abs(limit - last) <= max(tolerance, rounding) * time:
                return float(limit)
        previous = time
        low, width = (first - (first - low) * WIDER, width) if widening else (low, width / 1.6)


def _moved(jump: float | Callable[[Any], Any], sign: float) -> Callable[[Array], Array]:
    """Where the law jumps, as a function of mirrored positions."""
    if callable(jump):
        return lambda x: np.asarray(sign * np.asarray(jump(sign * x), dtype=np.float64))
    place = sign * checks.number("law_breaks", jump)
    return lambda x: np.full_like(x, place)


def _far_side(
    drift: Callable[[Array], Array], spread: Callable[[Array], Array], start: float, top: float, *, graded: bool = False
) -> float:
    """Where the density is down to e^-DEPTH, away from the boundary; graded: a first guess, for power laws too."""
    depth = FIRST_DEPTH if graded else DEPTH
    scale = np.sinh(np.linspace(20.0, 0.0, 400)) / np.sinh(20.0)
    reach = top - start
    for _ in range(FARTHER):
        x = np.linspace(start - reach, top, 4001)
        if graded:
            x = np.concatenate([start - reach * scale, np.linspace(start, top, 101)[1:]])
        sigma = spread(x)
        if not np.all(sigma > 0) or not np.all(np.isfinite(sigma)):
            where = x[np.argmax(~(np.isfinite(sigma) & (sigma > 0)))]
            raise ValueError(
                f"deviation is {sigma[x == where][0]:g} at |x| = {abs(where):.6g}; it must be above 0 inside"
            )
        slope = 2 * drift(x) / sigma**2
        psi = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(x))])
        inside = psi[x <= start].min()
        if psi[0] - inside > depth:
            bottom = int(np.argmin(np.where(x <= start, psi, np.inf)))
            return float(x[np.flatnonzero(psi[:bottom] - inside > depth)[-1]])
        reach *= 1.6
    raise ValueError("nothing confines the side away from the boundary: the mean exit time is infinite or needs a wall")


def _edges(spread: Callable[[Array], Array], left: float, right: float, width: float) -> Array:
    """Edges of panels that are so many deviations wide, of a step from either end of each."""
    edges = [right]
    while edges[-1] > left and len(edges) * ORDER <= MOST_NODES:
        end = edges[-1]
        step = width * float(spread(np.array([end]))[0])
        edges.append(max(left, end - min(step, width * float(spread(np.array([max(left, end - step)]))[0]))))
    return np.array([left, *edges[-2::-1]])


def _mean_steps(
    drift: Callable[[Array], Array],
    spread: Callable[[Array], Array],
    corners: Sequence[float],
    start: float,
    width: float,
    law: Density | None,
    law_jumps: Sequence[Callable[[Array], Array]],
) -> float:
    nodes, weights = np.polynomial.legendre.leggauss(ORDER)
    x, w, ends = [], [], []
    for left, right in itertools.pairwise(corners):
        finest = float(np.min(spread(np.linspace(left, right, 201)[1:-1])))
        if law is None:
            edges = np.linspace(left, right, int(np.ceil((right - left) / (width * finest))) + 1)
        else:
            edges = _edges(spread, left, right, width)
        half = np.diff(edges)[:, None] / 2
        x.append((edges[:-1, None] + half * (1 + nodes)).ravel())
        w.append((half * weights).ravel())
        ends.append(edges[:-1])
        if sum(map(len, x)) > MOST_NODES:
            raise ValueError(
                f"a step of {finest:.3g} is too small beside the valley for the chain's integral; name jumps in "
                "breaks, or use theory.first_passage_time, the limit of small steps"
            )
    x_all, w_all, all_edges = np.concatenate(x), np.concatenate(w), np.append(np.concatenate(ends), corners[-1])

    def transition(points: Array) -> Array:
        if law is not None:
            middle = points - drift(points)
            return law_weights(law, law_jumps, points, middle, spread(points), all_edges, x_all, w_all)
        sigma = spread(points)[:, None]
        z = (x_all - (points - drift(points))[:, None]) / sigma
        return np.asarray(np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * sigma) * w_all)

    try:
        times = np.linalg.solve(np.eye(len(x_all)) - transition(x_all), np.ones(len(x_all)))
    except np.linalg.LinAlgError:  # no exit that rounding leaves
        return np.inf
    return float(1 + (transition(np.array([start])) @ times)[0])
