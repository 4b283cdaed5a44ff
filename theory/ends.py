"""Ends of a path at which its drift or noise is singular: whether they are ever reached, and what lies next to them.

At the distance r from such an end let ``A = e^psi D^(p-1)`` be the scale density and ``w = e^-psi D^-p`` the speed
density. Feller (1952): the end is reached, in a finite mean time, if and only if both ``s(r) = int_0^r A`` and
``int_0^r s w`` are finite.
"""

from typing import NamedTuple

import numpy as np

from theory.functions import Pointwise

HALVINGS = 27  # of the way to such an end, after which powers of the distance take over
REGULAR = 1e-2  # powers smaller than this are resolved by panels
MARGIN = 1e-3  # from a power at which an integral diverges
STRONGEST = 1e3  # power of A beyond which it is no power but an exponential


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
       ``s w = r/((1+alpha) D)``.
    2. The first integral is finite for alpha > -1, the second if ``r/((1+alpha) D)`` has a power above -1, where alpha
       may grow, too, towards an end to which the drift is strong.

    Raises
    ------
    ValueError
        If the end is never reached, or the start is too near to it.
    """
    reach = max((end - start) * 0.5**HALVINGS, 2.0**12 * float(np.spacing(abs(end))))
    far = 16 * reach
    r = end - (end - np.array([reach / 2, reach, 2 * reach, far / 2, far, 2 * far]))  # as the positions have it
    with np.errstate(all="ignore"):
        log_d, slope = np.log(diffusion(end - r)), gradient(end - r) / diffusion(end - r)
        powers = (log_d[[2, 5]] - log_d[[0, 3]]) / np.log(r[[2, 5]] / r[[0, 3]])  # of D, near and far
        alpha = -r[[1, 4]] * slope[[1, 4]] + (p - 1) * powers
    steeper = abs(slope[1]) > 2 * abs(
        slope[4]
    )  # at a sixteenth of the distance; else psi is as good as a straight line
    regular = abs(powers[0]) <= REGULAR and (abs(alpha[0]) <= REGULAR or not steeper)
    if not np.all(np.isfinite([powers, alpha])) or regular:
        return None
    where = f"boundary = {gradient.sign * end:.6g}"
    if alpha[0] <= MARGIN - 1:
        raise ValueError(
            f"{where} is never reached: next to it drift and noise keep the path away (Feller's scale integral "
            f"diverges like distance^{1 + alpha[0]:.3g}); put the boundary where paths come, or leave that end open "
            "(None)"
        )
    delay = 1 - powers[0] - np.log((1 + alpha[1]) / (1 + alpha[0])) / np.log(r[4] / r[1])
    if delay <= MARGIN - 1:
        raise ValueError(
            f"{where} is not reached in any finite time: the noise vanishes there like distance^{powers[0]:.3g}, too "
            f"fast (Feller's integral of the time diverges); put the boundary where the noise is above 0"
        )
    if 4 * far > end - start:
        raise ValueError(
            f"start is too near to {where}, where drift or noise is singular; start farther away, or shift positions "
            "so that this end is at 0"
        )
    if alpha[0] > STRONGEST:
        raise ValueError(
            f"{where} is reached by a drift beside which the noise is nothing: psi = int L'/D falls by {alpha[0]:.3g} "
            "where the distance halves; put the boundary farther inside, from where the drift takes about distance/|L'|"
        )
    log_scale = (p - 1) * log_d[1] + np.log(r[1] / (1 + alpha[0]))
    log_delay = np.log(r[1] / (1 + alpha[0])) - log_d[1] + np.log(r[1] / (1 + delay))
    share = (1 + delay) / (2 + delay + alpha[0])
    return Tail(float(end - r[1]), float(log_scale), float(log_delay), float(share))
