"""Escape rates in any number of dimensions that have a closed form: Langer's over a saddle, and through a plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks

Array = NDArray[np.float64]


def langer_rate(
    *,
    barrier: float,
    hessian_minimum: ArrayLike,
    hessian_saddle: ArrayLike,
    temperature: float,
    friction: ArrayLike,
    mass: ArrayLike = 0.0,
) -> float:
    """Langer's rate over a saddle at one low temperature, ``(lambda/2 pi) sqrt(det H_a/|det H_b|) exp(-Delta L/T)``.

    lambda is the growth rate of ``M x'' = -F x' - H_b x`` at the saddle, without noise; F the friction gamma M (Langer
    1969). It counts arrivals beyond the saddle, at friction strong enough that the well stays thermal.

    Parameters
    ----------
    barrier
        Delta L, above 0.
    hessian_minimum, hessian_saddle
        (n, n), symmetric: positive definite, and with one negative eigenvalue.
    temperature
        T, above 0: noise of the force is ``sqrt(2 T F) dW``.
    friction, mass
        gamma M and M: a number, one for each coordinate, or (n, n), positive definite; mass 0 is the overdamped motion.

    Returns
    -------
    float
        Per unit of time.

    Raises
    ------
    ValueError
        If an argument is out of range or a Hessian has the wrong signs.
    """
    height, temp = (
        float(checks.positive(name, checks.number(name, value)))
        for name, value in (("barrier", barrier), ("temperature", temperature))
    )
    minimum, saddle = _symmetric("hessian_minimum", hessian_minimum), _symmetric("hessian_saddle", hessian_saddle)
    if saddle.shape != minimum.shape:
        raise ValueError(
            f"hessian_saddle has shape {saddle.shape} but hessian_minimum {minimum.shape}; give both (n, n)"
        )
    if (lowest := np.linalg.eigvalsh(minimum)[0]) <= 0:
        raise ValueError(f"hessian_minimum has the eigenvalue {lowest:.6g}; at a minimum all are above 0")
    if (negative := int(np.sum(np.linalg.eigvalsh(saddle) < 0))) != 1:
        raise ValueError(f"hessian_saddle has {negative} negative eigenvalues; give a saddle of index 1")
    n = len(minimum)
    drag = _definite("friction", friction, n)
    if np.all(np.asarray(mass) == 0):
        motion = -np.linalg.solve(drag, saddle)
    else:
        inertia = _definite("mass", mass, n)
        motion = np.block(
            [[np.zeros((n, n)), np.eye(n)], [-np.linalg.solve(inertia, saddle), -np.linalg.solve(inertia, drag)]]
        )
    growth = float(np.linalg.eigvals(motion).real.max())
    ratio = np.linalg.slogdet(minimum)[1] - np.linalg.slogdet(saddle)[1]
    return float(growth / (2 * np.pi) * np.exp(ratio / 2 - height / temp))


def plane_exit_rate(*, hessian: ArrayLike, normal: ArrayLike, distance: float, noise: float) -> float:
    """Rate of leaving a quadratic well through a plane, D = eps H: ``(n.H n) d/sqrt(2 pi eps) exp(-d^2/(2 eps))``.

    Its quasi-potential is ``|x - a|^2/2`` whatever H is, so that the way out is through the *nearest* point of the
    plane, not that of least loss. In the limit of low noise.

    Parameters
    ----------
    hessian
        H, (n, n), positive definite; the motion is ``dx = -H (x - a) dt + sqrt(2 eps H) dW``.
    normal
        Of the plane, (n,), of any length.
    distance
        d of the plane from the minimum, above 0.
    noise
        eps, above 0: lr/(2B) for SGD with the noise of Equation 3.

    Returns
    -------
    float
        Per unit of time.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    matrix, way = _symmetric("hessian", hessian), checks.finite("normal", normal)
    if way.shape != matrix.shape[:1] or not np.any(way):
        raise ValueError(f"normal = {normal!r} must be a vector of {len(matrix)} coordinates that is not 0")
    if (lowest := np.linalg.eigvalsh(matrix)[0]) <= 0:
        raise ValueError(f"hessian has the eigenvalue {lowest:.6g}; at a minimum all are above 0")
    d, eps = (
        float(checks.positive(name, checks.number(name, value)))
        for name, value in (("distance", distance), ("noise", noise))
    )
    pull = way @ matrix @ way / (way @ way)
    return float(pull * d / np.sqrt(2 * np.pi * eps) * np.exp(-(d**2) / (2 * eps)))


def _symmetric(name: str, value: ArrayLike) -> Array:
    matrix = np.atleast_2d(checks.finite(name, value))
    if matrix.ndim != 2 or len(matrix) != len(matrix.T) or not np.allclose(matrix, matrix.T, rtol=1e-9, atol=0):
        raise ValueError(f"{name} = {value!r} must be a symmetric matrix (n, n)")
    return matrix


def _definite(name: str, value: ArrayLike, n: int) -> Array:
    given = checks.finite(name, value)
    matrix = np.diag(np.broadcast_to(given, n)) if given.shape in ((), (1,), (n,)) else given
    if matrix.shape != (n, n) or np.linalg.eigvalsh((matrix + matrix.T) / 2)[0] <= 0:
        raise ValueError(f"{name} = {value!r} must be above 0, or a positive definite matrix ({n}, {n})")
    return matrix
