"""First passage of ``dX = -L'(X) dt + sqrt(2 D(X)) dW`` to a boundary, exactly: mean, survival and leading rate.

With ``psi = int L'/D``, ``A = e^psi D^(p-1)`` and ``w = e^-psi D^-p``, where p = 1 (Ito), 1/2 (Stratonovich), 0 (isothermal, or
Haenggi-Klimontovich), all three follow from the solution y of ``y' = A g, g' = s w y`` that starts from the far end with
y = 1, g = 0: its terms are positive integrals, so that rates as small as e^-700 keep their relative precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks
from theory.functions import Pointwise
from theory.minimum import CONVENTIONS
from theory.panels import resolve
from theory.reach import behind
from theory.transform import Passage, decay_rate, mean_of_first, outer_share, reduced_survival

Array = NDArray[np.float64]
Function = Callable[[Array], Array]
SHALLOW = 1.0  # depth of wells, in temperatures, that are never the slowest to be left
OUTER = 1e-13  # share of the slowest mode farthest out, below which the path's end there does not matter to it


def first_passage_time(
    gradient: Function,
    diffusion: float | Function,
    *,
    start: float,
    boundary: float,
    convention: str = "ito",
    reflecting: float | None = None,
    breaks: Sequence[float] = (),
    dimension: int = 1,
) -> float:
    """Mean time of first passage, ``int_start^b A(y) int_lo^y w(z) dz dy``, to about 1e-11 relative.

    1. The mean tau solves ``(1/w) (tau'/A)' = -1`` with tau(b) = 0 and no flux at lo.
    2. Integrating once, ``tau'/A = -int_lo^y w``; once more, the formula (boundary above the start; else mirrored).
    3. Of d independent coordinates the first exits at a time of mean ``int_0^inf S(t)^d dt``, S as in `survival`.

    Parameters
    ----------
    gradient
        L', a function of arrays or of one position.
    diffusion
        D, a number or such a function, above 0 on the path. May jump, as may L'.
    start
        Where the path starts.
    boundary
        Where it ends, on either side of the start.
    convention
        "ito" (what discrete SGD obeys), "stratonovich" or "isothermal".
    reflecting
        The other end, at or beyond the start; all wells up to there count. None: infinite, cut where the path never comes.
    breaks
        Where L' or D jumps. Jumps that are not named are found, at some cost in panels.
    dimension
        Number d of independent coordinates, each with the given start; the time is that of the first exit of any.

    Returns
    -------
    float
        Time in the unit in which L' and D are given; inf beyond the range of float64.

    Raises
    ------
    ValueError
        If the start is not between the ends, nothing confines the path on the open side, D is not finite and above 0 on
        the path, or the convention is unknown.
    """
    passage = _pose(gradient, diffusion, start, boundary, convention, reflecting, breaks)
    if _whole(dimension) > 1:
        return mean_of_first(passage, dimension)
    with np.errstate(over="ignore"):
        return float(np.exp(passage.log_mean(passage.first)))


def leading_rate(
    gradient: Function,
    diffusion: float | Function,
    *,
    start: float,
    boundary: float,
    convention: str = "ito",
    reflecting: float | None = None,
    breaks: Sequence[float] = (),
) -> float:
    """Rate at which survival decays at long times, to about 1e-11 relative however small: the escape rate.

    ``y_s(b) = prod_n (1 + s/lambda_n)`` has its zeros at minus the eigenvalues. Newton's method from s = 0 approaches the
    first from one side, as it does for any function with real zeros only; its first step is -1/(mean time from lo).

    Parameters and errors are those of `first_passage_time`; the start tells the side. Where drift carries all paths to the
    boundary it depends on the reflecting end, and is refused without one.
    """
    for wells in (SHALLOW, -np.inf):  # the slowest rate may be that of a well far behind
        passage = _pose(gradient, diffusion, start, boundary, convention, reflecting, breaks, wells=wells)
        rate, settled = decay_rate(passage)
        if not settled:
            raise ValueError(
                f"leading rate from start = {start!r} to boundary = {boundary!r} does not settle (it is at least {rate:.6g}): drift carries all "
                "paths to the boundary; use first_passage_time, or survival"
            )
        if wells < 0 or rate == 0 or outer_share(passage, rate) < OUTER:
            return rate
        if reflecting is None:
            break
    raise ValueError(
        f"leading rate on the open side of start = {start!r}: the slowest mode reaches as far out as one looks, as where drift carries "
        "all paths to the boundary; give a reflecting end, on which the rate depends"
    )


def survival(
    gradient: Function,
    diffusion: float | Function,
    times: ArrayLike,
    *,
    start: float,
    boundary: float,
    convention: str = "ito",
    reflecting: float | None = None,
    breaks: Sequence[float] = (),
    dimension: int = 1,
) -> Array:
    """Probability S(t)^d that the boundary has not been reached, to 1e-11 absolute.

    Where no drift carries the path to the boundary the error is 1e-11 of S itself, however small.

    1. ``E exp(-s T) = y_s(start)/y_s(b)``, since y is the bounded solution of ``(1/w)(y'/A)' = s y`` without flux at lo.
    2. So S has the Laplace transform ``(1 - y_s(start)/y_s(b))/s``, whose poles are minus the eigenvalues.
    3. It is inverted on the parabola of Weideman and Trefethen (2007) around them, shifted by the leading rate.

    Parameters
    ----------
    times
        Times, 0 or above, in the unit in which L' and D are given. Panels resolve the length sqrt(D t) of the shortest.
    gradient, diffusion, start, boundary, convention, reflecting, breaks, dimension
        As in `first_passage_time`.

    Returns
    -------
    numpy.ndarray
        Probabilities, shaped like `times`.

    Raises
    ------
    ValueError
        As `first_passage_time`; if a time is negative, or above 0 but too short to resolve.
    """
    t = checks.nonnegative("times", times)
    passage, d = _pose(gradient, diffusion, start, boundary, convention, reflecting, breaks), _whole(dimension)
    rate, _ = decay_rate(passage)
    out = np.ones(t.shape)
    out[t > 0] = np.exp(-rate * t[t > 0]) * reduced_survival(passage, t[t > 0], rate)
    return np.clip(out, 0, 1) ** d


# --- the problem, mirrored where need be so that the boundary is above the start ----------------------------------


def _pose(
    gradient: Function,
    diffusion: float | Function,
    start: float,
    boundary: float,
    convention: str,
    reflecting: float | None,
    breaks: Sequence[float],
    wells: float = np.inf,
) -> Passage:
    p = CONVENTIONS[checks.choice("convention", convention, CONVENTIONS)]
    x0, b = (checks.number(name, value) for name, value in (("start", start), ("boundary", boundary)))
    if x0 == b:
        raise ValueError(f"start = {start!r} is at the boundary, where the path ends; start it inside the valley")
    sign = 1.0 if b > x0 else -1.0
    x0, b = sign * x0, sign * b
    if not callable(diffusion):
        checks.positive("diffusion", checks.number("diffusion", diffusion))

    if not callable(gradient):
        raise ValueError(f"gradient = {gradient!r} must be a function of positions; give L'")
    slope = Pointwise("gradient", gradient, sign=sign, odd=True)
    spread = Pointwise("diffusion", diffusion, sign=sign)
    end = None if reflecting is None else sign * checks.number("reflecting", reflecting)
    if end is not None and end > x0:
        raise ValueError(
            f"start = {start!r} is not between the reflecting end {reflecting!r} and the boundary {boundary!r}; put it there"
        )
    jumps = sorted(sign * x for x in np.atleast_1d(checks.finite("breaks", breaks)).tolist())
    shares = np.append(np.linspace(0, 1, 9), 0.5 ** np.arange(4.0, 11.0))
    edges = np.unique([*(x0 + (b - x0) * shares[shares < 1]), b, *(x for x in jumps if x0 < x < b)])
    onward = resolve(slope, spread, edges)
    back = behind(slope, spread, onward, p, reflecting=end, breaks=jumps, wells=wells)
    if back is None:
        return Passage(slope, spread, onward, 0, p)
    return Passage(slope, spread, back.before(onward), back.count, p)


def _whole(dimension: int) -> int:
    number = checks.number("dimension", dimension)
    if number < 1 or number != int(number):
        raise ValueError(f"dimension = {dimension!r} must be a whole number, 1 or above")
    return int(number)
