"""Whether functions that a user gave are each other's derivatives, and derivatives that were not given: at any scale.

Nothing here has a length or an energy of its own: steps come from where the functions are used, errors from
their own rounding.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[float], float]
TOLERANCE = 1e-4  # of an integral against a difference, relative to the integral of the magnitude
LARGE = 0.05  # a share by which tables do not differ over a length that they resolve
PIECES, DECADES = 16, 8  # intervals over the whole domain, and towards the reference point
ROUGH = 1e-3  # share of the largest derivative that may be unknown
CRITICAL = 0.01  # share of the largest slope around it that a critical point may have
FINEST = 13  # decades below the width that a step is looked for in


def intervals(reference: float, low: float, high: float) -> list[tuple[float, float]]:
    """Intervals that cover [low, high] evenly, and more that grow tenfold from the reference on."""
    edges = np.linspace(low, high, PIECES + 1)
    far = max(high - reference, reference - low) * 10.0 ** -np.arange(DECADES + 1)
    found = list(pairwise(edges.tolist()))
    for side in (1, -1):
        found += [
            (a, b) for b, a in pairwise((reference + side * far).tolist()) if low <= min(a, b) and max(a, b) <= high
        ]
    return found


def check(
    name: str, of: str, derivative: Function, function: Function, where: list[tuple[float, float]], at: str = ""
) -> bool:
    """Refuse a derivative whose integral over an interval is not what the function gains there.

    Parameters
    ----------
    name, of
        What the two functions are called.
    derivative, function
        Functions of a number, which return NaN rather than raise.
    where
        Intervals.
    at
        Words that tell where they lie, if a number does not.

    Returns
    -------
    bool
        Whether anything could be told: not if rounding hides how the function changes on every interval.

    Raises
    ------
    ValueError
        If a value is not finite; if the two do not agree; or if they are so rough that it cannot be said
        whether they do.
    """
    from scipy.integrate import quad

    found, told = [], False
    for a, b in where:
        ends = [_finite(of, function, x, at) for x in (a, b)]
        samples = np.abs([_finite(name, derivative, x, at) for x in np.linspace(a, b, 7)[1:-1]])
        integral, error, *_ = quad(derivative, a, b, epsabs=0.0, epsrel=TOLERANCE / 100, limit=50, full_output=1)
        if not np.isfinite(integral):
            raise ValueError(f"{name} is not finite between {a:.10g} and {b:.10g}{at}; {_FINITE}")
        change = ends[1] - ends[0]
        size = max(abs(integral), abs(change), float(samples.mean()) * abs(b - a))
        blur = 8 * (_roughness(function, a, b) + float(np.spacing(max(abs(a), abs(b)))) * float(samples.max()))
        told = told or size == 0 or blur < TOLERANCE * size
        apart = abs(integral - change)
        found.append(
            (abs(b - a), apart, size, error > apart / 10, apart > TOLERANCE * size + blur, a, b, integral, change)
        )
    failed = [one for one in found if one[4]]
    if failed:
        wide = [one for one in found if one[0] > 0.9 * max(found)[0]]
        close = sum(one[1] for one in wide) < LARGE * sum(one[2] for one in wide)
        ends = [end for a_and_b in where for end in a_and_b]
        *_, a, b, integral, change = max(failed)
        if close and (any(one[3] for one in failed) or _is_table(function, derivative, min(ends), max(ends))):
            raise ValueError(
                f"{name} and {of} are too rough between {a:.10g} and {b:.10g}{at} to be checked against each other, as "
                f"tables are that are interpolated linearly; {_SMOOTH}"
            )
        raise ValueError(
            f"{name} integrates to {integral:.6g} from {a:.10g} to {b:.10g}{at}, but {of} changes by {change:.6g} "
            "there; one of the two is wrong"
        )
    return told


def refuse_rounding(of: str) -> None:
    """Refuse a function of which no interval told anything."""
    raise ValueError(
        f"{of} is too rough to be checked: its rounding hides how it changes from place to place; subtract its value "
        "at the reference point, or give the domain where it changes"
    )


def warn_slope(point: Array, slopes: Array, around: Array, stacklevel: int = 3) -> None:
    """Warn of a reference point that is no critical point: whose slopes are not small beside those around it."""
    most = float(np.abs(around).max(where=np.isfinite(around), initial=0.0))
    told = ", ".join(f"{slope:.4g}" for slope in slopes)
    if np.abs(slopes).max() > CRITICAL * most:
        warnings.warn(
            f"reference = {point.tolist()} is no critical point: the gradient is [{told}] there, and {most:.3g} "
            "around it; noise and rules that are taken at the reference point are stated for a critical point; give "
            "the minimum, and start= where a run is to begin elsewhere",
            RuntimeWarning,
            stacklevel=stacklevel,
        )


_FINITE = "it must be finite where replicas go: mend it, or narrow domain"
_SMOOTH = (
    "give smooth functions: scipy.interpolate.CubicSpline(positions, values), its derivative() and its derivative(2) "
    "can be given as they are"
)


def _finite(name: str, function: Function, x: float, at: str) -> float:
    value = function(x)
    if not np.isfinite(value):
        raise ValueError(f"{name} is {value} at {x:.10g}{at}; {_FINITE}")
    return value


def _roughness(function: Function, a: float, b: float) -> float:
    """How far values of the function between a and b are from a smooth curve: by their rounding, if it is smooth."""
    values = np.array([function(x) for x in (a + b) / 2 + (b - a) / 2 * _NODES])
    return float(np.abs(values - _SMOOTHER @ values).max()) + float(np.spacing(np.abs(values).max()))


_NODES = np.polynomial.chebyshev.chebpts1(24)
_SMOOTHER = np.polynomial.chebyshev.chebvander(_NODES, 8) @ np.linalg.pinv(
    np.polynomial.chebyshev.chebvander(_NODES, 8)
)


def _is_table(function: Function, derivative: Function, a: float, b: float) -> bool:
    """Whether the function is straight almost everywhere between a and b, though the derivative is not constant."""
    step = 1e-5 * abs(b - a)
    x = np.linspace(a, b, 35)[1:-1]
    bend = np.abs([function(y + step) - 2 * function(y) + function(y - step) for y in x])
    expected = np.abs([(derivative(y + step) - derivative(y - step)) / 2 * step for y in x])
    floor = 32 * float(np.spacing(max(abs(function(y)) for y in x)))
    told = expected > 4 * floor
    return bool(told.sum() > len(x) / 2 and np.mean(bend[told] < expected[told] / 4 + floor) > 0.8)


def jacobian(function: Callable[[Array], Array], point: Array, widths: Array) -> Array:
    """Derivatives of a vector function of positions, shape (n, d) to (n, m): row j by coordinate j, shape (d, m).

    Central differences without their error in the step squared. The step is looked for below a coordinate's width,
    shape (d,): the one of least error, from rounding as the finest steps show it and from the next term, whose estimate
    all finer ones agree with.

    Raises
    ------
    ValueError
        If the function is not finite around the point at any step, or has no derivative there as far as steps can tell.
    """
    rows, errors, slopes = [], [], []
    least = 64 * float(
        np.spacing(np.abs(point).max())
    )  # beside the largest coordinate, smaller ones may be rounded away
    for j, width in enumerate(widths):
        steps = width * 10.0 ** -np.arange(FINEST + 1)
        steps = steps[steps > least]
        if not len(steps):
            raise ValueError(
                f"domain = {width:.3g} in coordinate {j} is lost in the rounding of {point.tolist()}; widen it, or "
                "move reference"
            )
        shifts = (steps[:, None] * np.array([1.0, -1.0, 0.5, -0.5])).ravel()
        positions = np.tile(point, (len(shifts), 1))
        positions[:, j] += shifts
        with np.errstate(all="ignore"):
            values = function(positions).reshape(len(steps), 4, -1)
            at = positions[:, j].reshape(len(steps), 4, 1)  # as rounded
            coarse, fine = ((values[:, k] - values[:, k + 1]) / (at[:, k] - at[:, k + 1]) for k in (0, 2))
            best, apart = (4 * fine - coarse) / 3, np.abs(fine - coarse).sum(axis=1)
        usable = np.isfinite(apart)
        if np.any(moved := np.any(coarse != 0, axis=1) & usable):
            usable = moved  # the others are so coarse that they see nothing, or so fine
        steps, best, apart = steps[usable], best[usable], apart[usable]
        if not len(steps):
            raise ValueError(f"gradient is not finite around {point.tolist()} in coordinate {j}; {_FINITE}")
        error = apart + np.max(apart[-3:] * steps[-3:]) / steps
        distance = np.abs(best[:, None] - best).sum(axis=2)
        agrees = np.tril(distance <= 3 * (error[:, None] + error)).T | np.tri(len(steps), k=-1, dtype=bool)
        k = int(np.argmin(np.where(agrees.all(axis=1), error, np.inf)))
        rows.append(best[k])
        errors.append(error[k])
        slopes.append(np.abs(coarse[usable][0]).max())
    found = np.array(rows)
    j = int(np.argmax(errors))
    if errors[j] > ROUGH * max(np.abs(found).max(), max(slopes)):  # of a flat place, beside what lies around
        raise ValueError(
            f"gradient has no derivative at {point.tolist()} in coordinate {j} that steps from {widths[j]:.3g} down "
            f"tell: {errors[j]:.2g} is unknown beside {np.abs(found).max():.2g}; give a point where it is smooth, or a "
            "domain as wide as what lies there"
        )
    return found
