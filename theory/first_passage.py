"""First passage of ``dX = -L'(X) dt + sqrt(2 D(X)) dW`` to a boundary, exactly: mean, survival and leading rate.

With ``psi = int L'/D``, ``A = e^psi D^(p-1)`` and ``w = e^-psi D^-p``, where p = 1 (Ito), 1/2 (Stratonovich), 0 (isothermal, or
Haenggi-Klimontovich), all three follow from the solution y of ``y' = A g, g' = s w y`` that starts from the far end with
y = 1, g = 0: its terms are positive integrals, so that rates as small as e^-700 keep their relative precision.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks
from theory.minimum import CONVENTIONS
from theory.panels import open_end, resolve
from theory.transform import Passage, decay_rate, mean_of_first, reduced_survival

Array = NDArray[np.float64]
Function = Callable[[Array], Array]


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
        L', a function of arrays.
    diffusion
        D, a number or a function of arrays, above 0 on the path. May jump, as may L'.
    start
        Where the path starts.
    boundary
        Where it ends, on either side of the start.
    convention
        "ito" (what discrete SGD obeys), "stratonovich" or "isothermal".
    reflecting
        The other end, at or beyond the start. None: infinite, cut where the path never comes.
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

    Parameters and errors are those of `first_passage_time`; the start tells the side.
    """
    return decay_rate(_pose(gradient, diffusion, start, boundary, convention, reflecting, breaks))


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
    rate = decay_rate(passage)
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
) -> Passage:
    p = CONVENTIONS[checks.choice("convention", convention, CONVENTIONS)]
    x0, b = (float(checks.finite(name, value)) for name, value in (("start", start), ("boundary", boundary)))
    if x0 == b:
        raise ValueError(f"start = {start!r} is at the boundary, where the path ends; start it inside the valley")
    sign = 1.0 if b > x0 else -1.0
    x0, b = sign * x0, sign * b
    number = None if callable(diffusion) else float(checks.positive("diffusion", diffusion))

    def slope(x: Array) -> Array:
        return sign * np.asarray(gradient(sign * x), dtype=np.float64)

    def spread(x: Array) -> Array:
        return np.asarray(diffusion(sign * x) if callable(diffusion) else np.full(x.shape, number), dtype=np.float64)

    if reflecting is None:
        far = open_end(slope, spread, start=x0, step=(b - x0) / 1024, p=p)
    else:
        far = [sign * float(checks.finite("reflecting", reflecting))]
        if far[0] > x0:
            raise ValueError(
                f"start = {start!r} is not between the reflecting end {reflecting!r} and the boundary {boundary!r}; "
                f"put it there"
            )
    jumps = [x for x in sign * checks.finite("breaks", breaks) if far[-1] < x < b]
    edges = np.unique(np.r_[far, jumps, np.linspace(far[-1], b, 17), np.linspace(x0, b, 9)])
    panels = resolve(slope, spread, edges)
    return Passage(slope, spread, panels, int(np.searchsorted(panels.edges, x0)), p)


def _whole(dimension: int) -> int:
    if dimension < 1 or dimension != int(dimension):
        raise ValueError(f"dimension = {dimension!r} must be a whole number, 1 or above")
    return int(dimension)
