"""Exact mean exit times of signSGD, whose steps all have one length: a birth-death chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from theory import checks
from theory.functions import Pointwise
from theory.panels import resolve
from theory.problem import Boundary, sides

Array = NDArray[np.float64]
Function = Callable[[Any], Any]

NEGLIGIBLE = 42.0  # the open side is cut where its share of time, and the chance to come there, are below e^-this
FIRST, MOST = 256, 2**20  # positions on the open side that are looked at first, and at most on either side
ON_LATTICE = 1e-6  # steps between a boundary and a position of the lattice that rounding may turn round


def sign_exit_time(
    gradient: Function,
    deviation: float | Function,
    *,
    lr: float,
    start: float,
    boundary: Boundary,
    reflecting: float | None = None,
) -> float:
    """Mean number of iterations until signSGD is first beyond a boundary, by finite sums of positive terms.

    With Gaussian noise ``x <- x - lr sign(g)`` (Bernstein et al. 2018; RMSprop at beta2 = 0 and eps = 0) steps by lr
    down with probability ``d = Phi(L'/sigma)``, up with ``u = Phi(-L'/sigma)``, on the positions start + k lr.

    1. The chance P to leave at one end has ``u_k (P_(k+1) - P_k) = d_k (P_k - P_(k-1))``, so that its differences go
       like ``e^psi_k = prod d_i/u_i`` over i up to k. Let S(i, j) be the sum of e^psi from i to j - 1.
    2. From i, j is visited ``G = S(low, min) S(max, high)/[S(low, high) u_j e^psi_j]`` times on average, min and max
       being of i and j. With no lower end, or a reflecting one, the two factors with low cancel.
    3. The mean is the sum of G over all j (Karlin & Taylor 1975, Section 4.7). All is done in logarithms.

    Parameters
    ----------
    gradient
        L'(x), a function of arrays or of one position.
    deviation
        sigma(x), the standard deviation of one minibatch gradient: a number or such a function, above 0.
    lr
        Learning rate, the length of a step.
    start
        Where the path starts.
    boundary
        Where it ends, strictly beyond, on either side of the start; or two ends (low, high), None for an open one.
    reflecting
        The other end, at or beyond the start: a step that would pass it is not made. None: infinite, cut where the
        path never comes.

    Returns
    -------
    float
        Mean in iterations; inf beyond the range of float64.

    Raises
    ------
    ValueError
        If an argument is out of range, a boundary is on the lattice, so that rounding would decide whether a path
        there has left, the noise vanishes, nothing confines the open side, or the lattice has more than 1,048,576
        positions on a side.
    """
    step, x0 = float(checks.positive("lr", checks.number("lr", lr))), checks.number("start", start)
    low, high = sides(x0, boundary)
    if not callable(deviation):
        checks.positive("deviation", checks.number("deviation", deviation))
    up, down = (None if end is None else _steps_beyond(end, x0, step) for end in (high, low))
    if up is not None and down is not None:
        if reflecting is not None:
            raise ValueError(
                f"reflecting = {reflecting!r} has no place beside boundary = {boundary!r}, which ends both sides"
            )
        log_down, log_up = _log_chances(gradient, deviation, x0 + step * np.arange(1 - down, up, dtype=np.float64), 1.0)
        return _mean_visits(log_down, log_up, down - 1, absorbing=True)
    sign = 1.0 if down is None else -1.0  # mirrored, so that the boundary is above
    above = up or down
    assert above is not None

    def chances(below: int) -> tuple[Array, Array]:
        return _log_chances(gradient, deviation, sign * x0 + step * np.arange(-below, above, dtype=np.float64), sign)

    if reflecting is None:
        below = _open_side(chances, above)
    else:
        way = sign * (x0 - checks.number("reflecting", reflecting)) / step
        if not -ON_LATTICE <= way <= MOST:
            raise ValueError(
                f"reflecting = {reflecting!r} must be on the side of start = {start!r} away from the boundary, "
                f"at most {MOST} steps of lr = {lr!r} from it; put it there"
            )
        below = int(np.floor(way + ON_LATTICE))
    return _mean_visits(*chances(below), below, absorbing=False)


def sign_exponent(
    gradient: Function, deviation: float | Function, *, lr: float, minimum: float, saddle: float
) -> float:
    """Exponent of signSGD's escape for a small learning rate.

    ``(1/lr) int ln[Phi(L'/sigma)/Phi(-L'/sigma)] dx`` from minimum to saddle is the limit of psi in
    `sign_exit_time`. Where noise dominates, ``L' << sigma``, it is ``sqrt(2/pi) = 0.798`` of RMSprop's,
    ``(2/lr) int L'/sigma``; where noise is small it grows like the square of L'/sigma, as steps against the gradient
    become impossible.

    Parameters
    ----------
    gradient, deviation, lr
        As in `sign_exit_time`.
    minimum, saddle
        The ends of the integral.

    Returns
    -------
    float
        Without a unit.

    Raises
    ------
    ValueError
        If an argument is out of range, or the functions are not finite on the way.
    """
    eta = float(checks.positive("lr", checks.number("lr", lr)))
    a, b = checks.number("minimum", minimum), checks.number("saddle", saddle)
    if a == b:
        raise ValueError(f"minimum = {minimum!r} is the saddle too; give two positions")
    if not callable(deviation):
        checks.positive("deviation", checks.number("deviation", deviation))
    sign = 1.0 if b > a else -1.0

    def log_odds(x: Array) -> Array:
        log_down, log_up = _log_chances(gradient, deviation, x, sign)
        return log_down - log_up

    panels = resolve(Pointwise("gradient", log_odds), Pointwise("unit", 1.0), np.linspace(sign * a, sign * b, 9))
    offset, local = panels.potential()
    return float(offset[-1] + local[-1, -1]) / eta


def _steps_beyond(end: float, start: float, step: float) -> int:
    """The number of steps from the start to the first position strictly beyond the end."""
    steps = abs(end - start) / step
    if abs(steps - np.round(steps)) < ON_LATTICE:
        raise ValueError(
            f"boundary = {end!r} is {steps:.0f} steps of lr = {step!r} from start = {start!r}, so that rounding "
            f"would decide whether a path there has left; put it between two positions, half a step "
            f"({step / 2:g}) farther or nearer"
        )
    if steps > MOST:
        raise ValueError(
            f"lr = {step!r} takes more than {MOST} steps from start = {start!r} to boundary = {end!r}; "
            "give a larger one"
        )
    return int(np.floor(steps)) + 1


def _log_chances(gradient: Function, deviation: float | Function, x: Array, sign: float) -> tuple[Array, Array]:
    """Logarithms of the chances of a step down and of one up, at positions that are mirrored if the sign is -1."""
    pull, noise = Pointwise("gradient", gradient, sign=sign, odd=True), Pointwise("deviation", deviation, sign=sign)
    slope, sigma = pull(x), noise(x)
    for function, bad, remedy in ((pull, ~np.isfinite(slope), "finite"), (noise, ~(sigma > 0), "above 0")):
        if np.any(bad):
            value = (slope if function is pull else sigma)[bad][0]
            raise ValueError(
                f"{function.name} = {value:g} at x = {sign * x[bad][0]:.6g}{function.failure} must be {remedy} on the "
                "path; give such values, or a reflecting end before it"
            )
    return log_ndtr(slope / sigma), log_ndtr(-slope / sigma)


def _open_side(chances: Callable[[int], tuple[Array, Array]], above: int) -> int:
    """How many positions behind the start matter."""
    below = FIRST
    while below <= MOST:
        log_down, log_up = chances(below)
        psi = np.cumsum(log_down - log_up)
        mass, half = -psi - log_up, below // 2
        total = np.logaddexp.reduce(mass)
        way = np.logaddexp.reduce(psi[half:below]) - np.logaddexp.reduce(psi[below:])
        if np.logaddexp.reduce(mass[:half]) < total - NEGLIGIBLE and way > NEGLIGIBLE:
            return half
        below *= 2
    raise ValueError(
        f"gradient does not confine the path within {MOST} steps on the open side, so that the mean time is "
        "infinite or beyond what can be told; give a reflecting end"
    )


def _mean_visits(log_down: Array, log_up: Array, start: int, *, absorbing: bool) -> float:
    """Mean steps from position number start until beyond the last, or below the first if that absorbs."""
    odds = log_down - log_up  # summed outwards from the start, near which psi is wanted exactly
    psi = np.concatenate([-np.cumsum(odds[start:0:-1])[::-1], [0.0], np.cumsum(odds[start + 1 :])])
    after = np.logaddexp.accumulate(psi[::-1])[::-1]  # log S(k, high)
    before, whole = np.zeros_like(psi), 0.0
    if absorbing:
        before = np.logaddexp.accumulate(np.append(psi[0] - odds[0], psi[:-1]))  # log S(low, k)
        whole = float(np.logaddexp(before[start], after[start]))
    k = np.arange(len(psi))
    visits = before[np.minimum(k, start)] + after[np.maximum(k, start)] - whole - psi - log_up
    with np.errstate(over="ignore"):
        return float(np.exp(np.logaddexp.reduce(visits)))
