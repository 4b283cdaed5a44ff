"""Absorbing ends of the overdamped equation at which force or noise is singular: whether they are reached, and how.

Next to such an end, shells of the distance that halve hold shares of Feller's integrals, ``s = int A`` and ``int s w``
with ``A = e^psi D^(p-1)`` and ``w = e^-psi D^-p``, that go like a geometric series. The end is reached, in a finite
mean time, if both series converge; their sums are what the grid leaves out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion.fokker_planck.callables import Pointwise
from diffusion.fokker_planck.survey import GAUSS, INTEGRALS, WEIGHTS

Array = NDArray[np.float64]
NEAREST = 2.0**-27  # of the way: nearer to the end no grid goes
SHELLS = 960  # that are looked at, if positions are not rounded before
ROUNDED = 2.0**14  # spacings of floating-point numbers at the end: less is no distance
FEWEST, DEEP = 8, 25  # shells that are needed, and after which changes below REGULAR are resolved by the grid
REGULAR = 1e-2  # of psi, and of log D in units of log 2
DIVERGES = 7e-4  # from the ratio 1 of a series that does not converge
STEEPEST = 4.0  # by how much psi may change on a shell for Gauss' rule to hold
SMALLEST = 1e-290  # of D
GOOD, ALLOWED = 1e-13, 1e-7  # errors of what the grid leaves out, relative to all of the way
RULE = 2e-9  # relative error of Gauss' rule on a shell
NEVER = (
    "{} is never reached: next to it force and noise keep the path away (Feller's scale integral diverges); put the "
    "boundary where paths come, or leave that end open (None)"
)


@dataclass(frozen=True)
class Tail:
    """What lies between the grid and a singular end.

    Attributes
    ----------
    end, edge
        The end, and where the grid begins.
    log_resistance, log_weight
        Logarithms of ``s`` at the edge and of ``int s w`` over s, psi being 0 at the edge: a link of the chain, and
        what its last node holds in addition.
    power
        With which the noise vanishes.
    error
        Of these sums, relative to all of the way.
    """

    end: float
    edge: float
    log_resistance: float
    log_weight: float
    power: float
    error: float


def find_tail(gradient: Pointwise, noise: Pointwise, start: float, end: float, p: float) -> Tail | None:
    """The tail at an absorbing end; None at a regular one, and at one of which `refuse_bad` has to say what is wrong.

    The grid ends at the shell from which on the series, taken as geometric, differs little from one more shell and the
    series from there, as a share of all of the way.

    Raises
    ------
    ValueError
        If the end is never reached, or not in any finite time, or what lies next to it cannot be told accurately.
    """
    side, spacing, where = float(np.sign(end - start)), float(np.spacing(abs(end))), f"boundary = {end:.6g}"
    far = abs(end - start) * 0.5 ** np.arange(3.0, SHELLS)
    far = far[far > 2 * ROUNDED * spacing]
    if len(far) < FEWEST:
        ends = noise(np.array([start, np.nextafter(end, start)]))
        if ends[1] < 0.5 * ends[0]:
            raise ValueError(
                f"start is too near to {where}, where the noise vanishes, for distances to be told; start farther "
                "away, or shift positions so that this end is at 0"
            )
        return None
    width = far[:, None] / 2
    x = end - side * width * (1 + GAUSS)
    d, force = (function(x.ravel()).reshape(x.shape) for function in (noise, gradient))
    with np.errstate(all="ignore"):
        slope, log_d = -side * force / d * width, np.log(d)  # the slope of psi by the distance in widths
        across = slope @ WEIGHTS  # what psi falls by on a shell, outwards
        told = np.all((d > SMALLEST) & np.isfinite(d) & np.isfinite(slope), axis=1)
    deep = min(len(far), DEEP) - 1
    if not told[deep - 1 : deep + 1].all():
        return None
    power = float((log_d[deep - 1, 0] - log_d[deep, 0]) / np.log(2))
    steeper = abs(across[deep]) > 0.75 * abs(across[deep - 1])  # else psi is as good as a straight line
    if abs(power) <= REGULAR and (abs(across[deep]) <= REGULAR or not steeper):
        return None
    gentle = told & (np.abs(across) < STEEPEST)
    last = len(far) - int(np.argmax(gentle[::-1])) if gentle.any() else 0
    first = last - int(np.argmin(gentle[:last][::-1])) if not gentle[:last].all() else 0
    beyond = across[last] if last < len(far) and told[last] else 0.0
    if beyond < 0:
        raise ValueError(NEVER.format(where))
    if last - first < FEWEST:
        raise ValueError(
            f"{where} is reached by a force beside which the noise is nothing: psi = int L'/D changes by {beyond:.3g} "
            "where the distance halves; put the boundary before it"
        )
    log_d, slope, width = log_d[first:last], slope[first:last], np.log(width[first:last])
    across, far = across[first:last], far[first:last]
    with np.errstate(all="ignore"):
        psi = slope @ INTEGRALS.T - across[:, None]  # 0 at each shell's far edge
        scale, speed = psi + (p - 1) * log_d, -psi - p * log_d
        top = scale.max(axis=1, keepdims=True)
        held = np.exp(scale - top)
        shells = np.log(held @ WEIGHTS) + top[:, 0] + width[:, 0]
        ratios = np.exp(shells[1:] - across[:-1] - shells[:-1])
        if not ratios[-1] < 1 - DIVERGES:
            raise ValueError(NEVER.format(where))
        within = np.log(held @ INTEGRALS.T) + top + width
        s = np.logaddexp((shells[1:-1] - across[:-2] - np.log1p(-ratios[1:]))[:, None], within[:-2])
        times = s + speed[:-2] + width[:-2]
        top = times.max(axis=1, keepdims=True)
        times = np.log(np.exp(times - top) @ WEIGHTS) + top[:, 0]
        slower = np.exp(np.diff(times))
        if not slower[-1] < 1 - DIVERGES:
            raise ValueError(
                f"{where} is not reached in any finite time: the noise vanishes there like distance^{power:.3g}, too "
                "fast (Feller's integral of the time diverges); put the boundary where the noise is above 0"
            )
        scales, shares, wrong = _rest(shells, across, ratios)
        delays, slow_shares, slow = _rest(times, 0 * times, slower)
        usable = len(slow)
        shares, wrong = shares[:usable], wrong[:usable]
        error = (shares + slow_shares) * (wrong + RULE + spacing / far[:usable]) + slow_shares * slow
    error = np.where(np.isnan(error) | (far[:usable] < NEAREST * abs(end - start)), np.inf, error)
    k = int(np.argmax(error < GOOD)) if np.any(error < GOOD) else int(np.argmin(error))
    if not error[k] < ALLOWED:
        raise ValueError(
            f"{where}: what lies next to this end, where force or noise is singular, cannot be told within "
            f"{ALLOWED:.0e}; put the boundary before it{', or shift positions so that it is at 0' if end else ''}"
        )
    return Tail(end, float(end - side * far[k]), float(scales[k]), float(delays[k] - scales[k]), power, float(error[k]))


def _rest(parts: Array, falls: Array, ratios: Array) -> tuple[Array, Array, Array]:
    """Sums of the series from each shell on, their shares of the whole, and how much one more shell changes them.

    Parts and sums are logarithms, in units in which psi is 0 at the shell's far edge; psi falls by `falls` on each.
    """
    sums = parts[: len(ratios)] - np.log1p(-ratios)
    height = -np.append(0.0, np.cumsum(falls))[: len(sums)]
    before = np.append(-np.inf, np.logaddexp.accumulate(parts[: len(sums) - 1] + height[:-1]))
    shares = 1 / (1 + np.exp(before - sums - height))
    wrong = np.abs((1 - ratios[:-1]) * (1 + ratios[:-1] / (1 - ratios[1:])) - 1)
    return sums[:-1], shares[:-1], wrong
