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
NEAREST = 2.0**-27  # of the way from the start to such an end: where the grid ends and the series begins
REGULAR = 1e-2  # power of the distance that the grid resolves by itself
DIVERGES = 1e-3  # from the ratio 1 of a series that does not converge
STEEPEST = 300.0  # by how much psi may change on two shells
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
    """

    end: float
    edge: float
    log_resistance: float
    log_weight: float
    power: float


def find_tail(gradient: Pointwise, noise: Pointwise, start: float, end: float, p: float) -> Tail | None:
    """The tail at an absorbing end; None at a regular one, and at one of which `refuse_bad` has to say what is wrong.

    Raises
    ------
    ValueError
        If the end is never reached, or not in any finite time, or the start is too near to it.
    """
    side = float(np.sign(end - start))
    reach = max(abs(end - start) * NEAREST, 2.0**12 * float(np.spacing(abs(end))))
    far, near = reach * 0.5 ** np.arange(2.0), reach * 0.5 ** np.arange(1.0, 3.0)
    width = (far - near)[:, None]  # of two shells, the outer one first
    x = end - side * (near[:, None] + width * GAUSS)
    d, force = (function(x.ravel()).reshape(x.shape) for function in (noise, gradient))
    with np.errstate(all="ignore"):
        log_d, slope = np.log(d), -side * force / d  # the slope of psi by the distance
        psi = slope @ INTEGRALS.T * width - np.cumsum(slope @ WEIGHTS * width[:, 0])[:, None]  # 0 at the edge
    if not np.all(np.isfinite([log_d, psi])):
        return None
    power, rise = float(np.log2(d[0, 0] / d[1, 0])), float(np.ptp(psi))
    steeper = abs(slope[1, 0]) > 1.5 * abs(slope[0, 0])  # at half the distance; else psi is as good as a straight line
    if abs(power) <= REGULAR and (rise <= REGULAR or not steeper):
        return None
    scale, speed = psi + (p - 1) * log_d, -psi - p * log_d
    tops = scale.max(), speed.max()
    where = f"boundary = {end:.6g}"
    if scale[1].max() - scale[0].max() + np.log(0.5) > (0.0 if rise > STEEPEST else np.inf):
        raise ValueError(NEVER.format(where))
    if rise > STEEPEST:
        raise ValueError(
            f"{where} is reached by a force beside which the noise is nothing: psi = int L'/D changes by {rise:.3g} "
            "where the distance halves; put the boundary farther inside"
        )
    a, w = np.exp(scale - tops[0]), np.exp(speed - tops[1])
    shells = a @ WEIGHTS * width[:, 0]
    ratio = shells[1] / shells[0]
    if ratio > 1 - DIVERGES:
        raise ValueError(NEVER.format(where))
    s = shells[:, None] * ratio / (1 - ratio) + a @ INTEGRALS.T * width
    times = (s * w) @ WEIGHTS * width[:, 0]
    if times[1] / times[0] > 1 - DIVERGES:
        raise ValueError(
            f"{where} is not reached in any finite time: the noise vanishes there like distance^{power:.3g}, too fast "
            "(Feller's integral of the time diverges); put the boundary where the noise is above 0"
        )
    if 16 * reach > abs(end - start):
        raise ValueError(
            f"start is too near to {where}, where force or noise is singular; start farther away, or shift positions so "
            "that this end is at 0"
        )
    whole = shells[0] / (1 - ratio), times[0] / (1 - times[1] / times[0])
    log_weight = np.log(whole[1] / whole[0]) + tops[1]
    return Tail(end, end - side * reach, float(np.log(whole[0]) + tops[0]), float(log_weight), power)
