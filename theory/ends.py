"""Ends of a path at which its drift or noise is singular: whether they are ever reached, and what lies next to them.

At the distance r from such an end let ``A = e^psi D^(p-1)`` be the scale density and ``w = e^-psi D^-p`` the speed
density. Feller (1952): the end is reached, in a finite mean time, if and only if both ``s(r) = int_0^r A`` and
``int_0^r s w`` are finite.
"""

from typing import NamedTuple

import numpy as np

from theory.functions import Pointwise

OCTAVES = 960  # halvings of the way to such an end that are looked at, if positions are not rounded before
ROUNDED = 2.0**14  # spacings of floating-point numbers at the end: less is no distance
FEWEST, DEEP = 8, 25  # halvings that are needed, and after which powers below REGULAR are resolved by panels
REGULAR = 1e-2
MARGIN = 1e-3  # from a power at which an integral diverges
STRONGEST = 1e3  # power of A beyond which panels would be too many
SMALLEST = 1e-290  # of D
GOOD, ALLOWED = 1e-13, 1e-7  # errors of the tail, relative to all of the way


class Tail(NamedTuple):
    """The last piece of the way to a singular end, on which A and s w are powers of the distance.

    Attributes
    ----------
    edge
        Where it begins; panels end there.
    log_scale, log_delay
        Logarithms of ``int A`` and of ``int s w`` over it, psi being 0 at the edge.
    share
        ``int s^2 w`` over it, divided by ``s`` at the edge and by ``int s w``.
    """

    edge: float
    log_scale: float
    log_delay: float
    share: float


def find_tail(gradient: Pointwise, diffusion: Pointwise, start: float, end: float, p: float) -> Tail | None:
    """The tail at an end above the start; None at a regular one, and at one of which panels have to say what is wrong.

    1. Let D have the power a, and A the power alpha, of the distance; then ``s = A r/(1+alpha)`` and
       ``s w = r/((1+alpha) D)``, of the power phi.
    2. The first integral is finite for alpha > -1, the second for phi > -1. Powers are taken at every halving of the
       way: they change where the drift is no power, and the verdict is that of the last.
    3. Taken as constant from r on, they are wrong by about ``alpha'/(1+alpha)^2`` and ``phi'/(1+phi)^2`` (by the
       logarithm of r) of what is left. The tail begins where that is little of the whole, or least.

    Raises
    ------
    ValueError
        If the end is never reached, or the tail cannot be told accurately.
    """
    way = end - start
    r = end - (end - way * 0.5 ** np.arange(3.0, OCTAVES))  # as the positions have it
    r = r[r > ROUNDED * np.spacing(abs(end))]
    with np.errstate(all="ignore"):
        d, slope = diffusion(end - r), gradient(end - r)
        slope = -r * slope / d  # of psi, by the logarithm of r
        seen = (d > SMALLEST) & np.isfinite(d) & np.isfinite(slope)
    count = len(r) if seen.all() else int(np.argmin(seen))
    where = f"boundary = {gradient.sign * end:.6g}"
    if count < FEWEST:
        ends = diffusion(np.array([start, np.nextafter(end, start)]))
        if seen.all() and ends[1] < 0.5 * ends[0]:
            raise ValueError(
                f"start is too near to {where}, where the noise vanishes, for distances to be told; start farther "
                "away, or shift positions so that this end is at 0"
            )
        return None
    r, log_d, slope = r[:count], np.log(d[:count]), slope[:count]
    by, level, deep = np.log(r), np.log(way / r), min(count, DEEP) - 1
    a = np.gradient(log_d, by)
    steeper = abs(slope[deep]) > 0.5 * abs(slope[deep - 4])  # else psi is as good as a straight line
    if abs(a[deep]) <= REGULAR and (abs(slope[deep]) <= REGULAR or not steeper):
        return None
    alpha = slope + (p - 1) * a
    if alpha[-1] <= MARGIN - 1:
        raise ValueError(
            f"{where} is never reached: next to it drift and noise keep the path away (Feller's scale integral "
            f"diverges like distance^{1 + alpha[-1]:.3g}); put the boundary where paths come, or leave that end open "
            "(None)"
        )
    with np.errstate(all="ignore"):
        phi = 1 - a - np.gradient(np.log1p(alpha), by)
        if phi[-1] <= MARGIN - 1:
            raise ValueError(
                f"{where} is not reached in any finite time: the noise vanishes there like distance^{a[-1]:.3g}, too "
                "fast (Feller's integral of the time diverges); put the boundary where the noise is above 0"
            )
        wrong = np.abs(np.gradient(alpha, by)) / (1 + alpha) ** 2, np.abs(np.gradient(phi, by)) / (1 + phi) ** 2
        shares = np.exp(-(1 + alpha) * level), np.exp(-(1 + phi) * level)
        error = shares[0] * wrong[0] + shares[1] * (wrong[0] + wrong[1])
        error += np.maximum(*shares) * np.spacing(abs(end)) / r
        error[~((alpha > MARGIN - 1) & (phi > MARGIN - 1) & (alpha < STRONGEST)) | np.isnan(error)] = np.inf
    k = int(np.argmax(error < GOOD)) if np.any(error < GOOD) else int(np.argmin(error))
    if not error[k] < ALLOWED:
        raise ValueError(
            f"{where}: what lies next to this end, where drift or noise is singular, cannot be told within "
            f"{ALLOWED:.0e}; put the boundary before it{', or shift positions so that it is at 0' if end else ''}"
        )
    log_scale = (p - 1) * log_d[k] + by[k] - np.log1p(alpha[k])
    log_delay = 2 * by[k] - log_d[k] - np.log1p(alpha[k]) - np.log1p(phi[k])
    share = (1 + phi[k]) / (2 + phi[k] + alpha[k])
    return Tail(float(end - r[k]), float(log_scale), float(log_delay), float(share))
