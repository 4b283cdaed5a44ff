"""First passage of ``dX = -L'(X) dt + sqrt(2 D(X)) dW`` to a boundary, or to the first of two, exactly.

With ``psi = int L'/D``, ``A = e^psi D^(p-1)`` and ``w = e^-psi D^-p``, where p = 1 (Ito), 1/2 (Stratonovich), 0
(isothermal, or Haenggi-Klimontovich), all follow from the solution y of ``y' = A g, g' = s w y`` that starts from
the far end with y = 1, g = 0: its terms are positive integrals, so that rates as small as e^-700 keep their
relative precision.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks, two_ends
from theory.problem import Boundary, Function, pose, regular
from theory.transform import decay_rate, mean_of_first, outer_share, reduced_survival

Array = NDArray[np.float64]
SHALLOW = 1.0  # depth of wells, in temperatures, that are never the slowest to be left
OUTER = 1e-13  # share of the slowest mode farthest out, below which the path's end there does not matter to it


def first_passage_time(
    gradient: Function,
    diffusion: float | Function,
    *,
    start: float,
    boundary: Boundary,
    convention: str = "ito",
    reflecting: float | None = None,
    breaks: Sequence[float] = (),
    dimension: int = 1,
    through: str | None = None,
) -> float:
    """Mean time of first passage, ``int_start^b A(y) int_lo^y w(z) dz dy``, to about 1e-11 relative.

    1. The mean tau solves ``(1/w) (tau'/A)' = -1`` with tau(b) = 0 and no flux at lo.
    2. Integrating once, ``tau'/A = -int_lo^y w``; once more, the formula (boundary above the start; else mirrored).
    3. With two ends tau is 0 at both: ``int G(start, y) w(y) dy``, where ``G = S(lo, x) S(y, b)/S(lo, b)`` for x < y
       (else mirrored) and S is the integral of A from one position to the other.
    4. Of d independent coordinates the first exits at a time of mean ``int_0^inf S(t)^d dt``, S as in `survival`.

    Parameters
    ----------
    gradient
        L', a function of arrays or of one position.
    diffusion
        D, a number or such a function, above 0 on the path. May jump, as may L'. At a boundary it may vanish, and L'
        grow without bound, if paths reach that end in a finite time (Feller's test; error below 1e-8 relative).
    start
        Where the path starts.
    boundary
        Where it ends, on either side of the start. Or two ends (low, high), the first to be reached; None: that side
        is open.
    convention
        "ito" (what discrete SGD obeys), "stratonovich" or "isothermal".
    reflecting
        The other end, at or beyond the start; all wells up to there count. None: infinite, cut where no path comes.
    breaks
        Where L' or D jumps. Jumps that are not named are found, at some cost in panels.
    dimension
        Number d of independent coordinates, each with the given start; the time is that of the first exit of any.
    through
        "low" or "high": the mean over those paths alone that leave by this one of two ends; None: over all.

    Returns
    -------
    float
        Time in the unit in which L' and D are given; inf beyond the range of float64.

    Raises
    ------
    ValueError
        If the start is not between the ends, nothing confines the path on the open side, D is not finite and above 0 on
        the path, a boundary is never reached, or a name is unknown.
    """
    passage = pose(gradient, diffusion, start, boundary, convention, reflecting, breaks)
    if through is not None:
        checks.choice("through", through, ("low", "high"))
        if passage.opposite is None or dimension != 1:
            raise ValueError(f"through = {through!r} needs boundary = (low, high) and one coordinate; leave it out")
    if _whole(dimension) > 1:
        return mean_of_first(regular(passage), dimension)
    if passage.opposite is None:
        log_time = passage.log_mean(passage.first)
    elif through is None:
        log_time = two_ends.log_mean(passage)
    else:
        log_time = two_ends.log_mean_through(passage, int(through == "high"))
    with np.errstate(over="ignore"):
        return float(np.exp(log_time))


def exit_probabilities(
    gradient: Function,
    diffusion: float | Function,
    *,
    start: float,
    boundary: tuple[float, float],
    convention: str = "ito",
    breaks: Sequence[float] = (),
) -> tuple[float, float]:
    """Probabilities of leaving by the lower and by the upper of two ends, to about 1e-11 relative however small.

    1. P(high) solves ``(P'/A)' = 0`` with P = 0 at low and 1 at high.
    2. Hence ``P(high) = int_low^start A / int_low^high A``, with ``A = e^psi D^(p-1)``.

    Parameters
    ----------
    boundary
        (low, high), around the start.
    gradient, diffusion, start, convention, breaks
        As in `first_passage_time`.

    Returns
    -------
    tuple of float
        P(low) and P(high); their sum is 1.

    Raises
    ------
    ValueError
        As `first_passage_time`; or if an end is None.
    """
    passage = pose(gradient, diffusion, start, boundary, convention, None, breaks)
    if passage.opposite is None:
        raise ValueError(f"boundary = {boundary!r} must be two ends, (low, high), to tell which is reached first")
    low, high = np.exp(two_ends.log_chances(passage))
    return float(low), float(high)


def leading_rate(
    gradient: Function,
    diffusion: float | Function,
    *,
    start: float,
    boundary: Boundary,
    convention: str = "ito",
    reflecting: float | None = None,
    breaks: Sequence[float] = (),
) -> float:
    """Rate at which survival decays at long times, to about 1e-11 relative however small: the escape rate.

    ``y_s(b) = prod_n (1 + s/lambda_n)`` has its zeros at minus the eigenvalues. Newton's method from s = 0 approaches
    the first from one side, as it does for any function with real zeros only; its first step is -1/(mean time from lo).

    Parameters and errors are those of `first_passage_time`; the start tells the side. Where drift carries all
    paths to the boundary it depends on the reflecting end, and is refused without one. Noise must be above 0 at
    both of two ends.
    """
    for wells in (SHALLOW, -np.inf):  # the slowest rate may be that of a well far behind
        passage = regular(pose(gradient, diffusion, start, boundary, convention, reflecting, breaks, wells=wells))
        rate, settled = decay_rate(passage)
        if not settled:
            raise ValueError(
                f"leading rate from start = {start!r} to boundary = {boundary!r} does not settle (it is at least "
                f"{rate:.6g}): drift carries all paths to the boundary; use first_passage_time, or survival"
            )
        if wells < 0 or rate == 0 or passage.absorbing or outer_share(passage, rate) < OUTER:
            return rate
        if reflecting is None:
            break
    raise ValueError(
        f"leading rate on the open side of start = {start!r}: the slowest mode reaches as far out as one looks, as "
        "where drift carries all paths to the boundary; give a reflecting end, on which the rate depends"
    )


def survival(
    gradient: Function,
    diffusion: float | Function,
    times: ArrayLike,
    *,
    start: float,
    boundary: Boundary,
    convention: str = "ito",
    reflecting: float | None = None,
    breaks: Sequence[float] = (),
    dimension: int = 1,
) -> Array:
    """Probability S(t)^d that the boundary has not been reached, to 1e-11 absolute.

    Where no drift carries the path to the boundary the error is 1e-11 of S itself, however small.

    1. ``E exp(-s T) = y_s(start)/y_s(b)``, since y is the bounded solution of ``(1/w)(y'/A)' = s y`` without flux at
       lo.
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
    passage = regular(pose(gradient, diffusion, start, boundary, convention, reflecting, breaks))
    d = _whole(dimension)
    rate, _ = decay_rate(passage)
    out = np.ones(t.shape)
    out[t > 0] = np.exp(-rate * t[t > 0]) * reduced_survival(passage, t[t > 0], rate)
    return np.clip(out, 0, 1) ** d


def _whole(dimension: int) -> int:
    number = checks.number("dimension", dimension)
    if number < 1 or number != int(number):
        raise ValueError(f"dimension = {dimension!r} must be a whole number, 1 or above")
    return int(number)
