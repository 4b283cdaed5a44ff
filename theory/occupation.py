"""Which of two valleys is occupied in the long run: exact, of the SDE and of discrete SGD, whose steps are whole."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory import checks
from theory.functions import Pointwise
from theory.problem import pose
from theory.transform import Passage

Array = NDArray[np.float64]
ORDER, PANEL = 16, 4.0  # Gauss-Legendre nodes in a panel, and its width in standard deviations of a step, at first
FINER = 1.6
MOST_NODES = 6000
REACH = 2.0  # times the way from a minimum to the saddle, that the other side reaches at first
WIDENINGS = 8  # times 1.6
WORST = 1e-2  # relative error where rounding allows no better
SURE = 1e-5  # what widening may change at last: that of the next would be this to the power 2.6


def occupation_ratio(
    gradient: Callable[[Any], Any],
    diffusion: float | Callable[[Any], Any],
    *,
    minima: tuple[float, float],
    saddle: float,
    convention: str = "ito",
    breaks: Sequence[float] = (),
) -> float:
    """Time spent above the saddle over time spent below it, in the long run, to about 1e-11 relative.

    The stationary density is ``e^-psi D^-p``, psi = int L'/D, p = 1, 1/2, 0 in the Ito, Stratonovich and isothermal
    convention. At low temperature, and where D is proportional to the curvature at each minimum, the ratio is
    ``(H_low/H_high)^p exp(psi_high - psi_low)``, with psi from each minimum up to the saddle.

    Parameters
    ----------
    gradient, diffusion, convention, breaks
        As in `theory.first_passage_time`.
    minima
        A position in the valley below the saddle and one in the valley above, such as their minima.
    saddle
        Where the valleys are parted.

    Returns
    -------
    float
        The ratio; inf or 0 beyond the range of float64.

    Raises
    ------
    ValueError
        If the saddle is not between the minima, nothing confines a valley, or as for `theory.first_passage_time`.
    """
    low, high = _around(minima, saddle)
    below, above = (pose(gradient, diffusion, x, saddle, convention, None, breaks) for x in (low, high))
    with np.errstate(over="ignore"):
        return float(np.exp(_log_mass(above) - _log_mass(below)))


def discrete_occupation_ratio(
    gradient: Callable[[Any], Any],
    deviation: float | Callable[[Any], Any],
    *,
    lr: float,
    minima: tuple[float, float],
    saddle: float,
    substeps: int = 1,
    breaks: Sequence[float] = (),
    tolerance: float = 1e-8,
) -> float:
    """The same of discrete SGD, ``x <- x - lr L'(x) - lr sigma(x) z`` with normal z.

    The stationary density solves ``p(y) = int p(x) k(x, y) dx``, k the density of a step. The integral is done by
    Gauss-Legendre panels, refined and moved out until the ratio stands to the tolerance: there is no error in the
    learning rate.

    Parameters
    ----------
    gradient, deviation, lr, substeps, breaks, tolerance
        As in `theory.discrete_first_passage_time`.
    minima, saddle
        As in `theory.occupation_ratio`.

    Returns
    -------
    float
        The ratio, to the tolerance or to rounding, about 4e-15 times the iterations between hops.

    Raises
    ------
    ValueError
        If an argument is out of range, the noise vanishes, nothing confines a valley, as where steps are unstable,
        or steps are so small that the integral would need more than 6000 nodes, or hops so rare that rounding
        would be above 1 %.
    """
    low, high = _around(minima, saddle)
    checks.positive("lr", lr)
    checks.positive("tolerance", tolerance)
    if substeps < 1 or int(substeps) != substeps:
        raise ValueError(f"substeps = {substeps!r} must be a whole number >= 1")
    if not callable(deviation):
        checks.positive("deviation", deviation)
    slope, noise = Pointwise("gradient", gradient, odd=True), Pointwise("deviation", deviation)

    def drift(x: Array) -> Array:
        return np.asarray(slope(x) * lr / substeps)

    def spread(x: Array) -> Array:
        return np.asarray(noise(x) * lr / np.sqrt(substeps))

    jumps = np.atleast_1d(checks.finite("breaks", breaks)).tolist()

    def ratio_on(reach: float, width: float) -> tuple[float, float]:
        """The ratio, and what rounding may have made of it."""
        bottom, top = (end + reach * (end - saddle) for end in (low, high))
        corners = sorted({bottom, top, float(saddle), *(x for x in jumps if bottom < x < top)})
        x, w = _nodes(spread, corners, width)
        z = (x - (x - drift(x))[:, None]) / spread(x)[:, None]
        steps = np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * spread(x)[:, None]) * w
        balance = steps.T - np.eye(len(x))
        spare = int(np.argmin(np.abs(x - low)))  # its equation follows from the others: in its place all sum to 1
        balance[spare] = 1.0
        shares = np.linalg.solve(balance, np.arange(len(x)) == spare)
        above = x > saddle
        crossing, parts = (
            shares[~above] @ steps[~above][:, above].sum(axis=1),
            (shares[~above].sum(), shares[above].sum()),
        )
        return float(parts[1] / parts[0]), float(20 * np.finfo(float).eps * min(np.abs(parts)) / abs(crossing))

    (ratio, rounding), width, reach = (np.nan, 0.0), PANEL, REACH
    for _ in range(WIDENINGS):
        narrower, (ratio, rounding) = ratio, ratio_on(reach, width)
        if not rounding <= WORST:
            raise ValueError(
                f"saddle = {saddle!r} is crossed too rarely for the chain's integral, whose rounding is {rounding:.1g} "
                "of the ratio; raise lr, or use theory.occupation_ratio, the limit of small steps"
            )
        if abs(ratio - narrower) <= max(SURE, rounding) * ratio:
            break
        reach *= FINER
    else:
        raise ValueError(f"lr = {lr!r}: nothing confines the valleys, as where steps are unstable; lower it")
    coarser = np.nan
    while not abs(ratio - coarser) <= max(tolerance, rounding) * ratio:
        width /= FINER
        coarser, (ratio, rounding) = ratio, ratio_on(reach, width)
    return ratio


def _nodes(spread: Callable[[Array], Array], corners: Sequence[float], width: float) -> tuple[Array, Array]:
    """Nodes and weights of panels between the corners, each of at most `width` of the steps' least deviation there."""
    nodes, weights = np.polynomial.legendre.leggauss(ORDER)
    x: list[Array] = []
    w: list[Array] = []
    for left, right in pairwise(corners):
        sigma = spread(np.linspace(left, right, 201)[1:-1])
        if not np.all((sigma > 0) & (sigma < np.inf)):
            raise ValueError(f"deviation must be finite and above 0 between {left:.6g} and {right:.6g}")
        edges = np.linspace(left, right, int(np.ceil((right - left) / (width * sigma.min()))) + 1)
        half = np.diff(edges)[:, None] / 2
        x.append((edges[:-1, None] + half * (1 + nodes)).ravel())
        w.append((half * weights).ravel())
        if sum(map(len, x)) > MOST_NODES:
            raise ValueError(
                f"a step of {sigma.min():.3g} is too small beside the valleys for the chain's integral; name jumps in "
                "breaks, or use theory.occupation_ratio, the limit of small steps"
            )
    return np.concatenate(x), np.concatenate(w)


def _around(minima: tuple[float, float], saddle: float) -> tuple[float, float]:
    """The minima as numbers; refused if they are not on both sides of the saddle."""
    low, high = checks.finite("minima", minima).tolist()
    if not low < checks.number("saddle", saddle) < high:
        raise ValueError(f"saddle = {saddle!r} is not between minima = {minima!r}; give one below and one above it")
    return low, high


def _log_mass(passage: Passage) -> float:
    """Logarithm of the stationary weight of the valley that the path leaves, psi counted from the boundary."""
    panels = passage.panels
    psi, local = panels.potential()
    _, speed = panels.densities(passage.p)
    masses = np.log(panels.integrate(speed)[:, -1]) - psi
    return float(np.logaddexp.reduce(masses) + psi[-1] + local[-1, -1])
