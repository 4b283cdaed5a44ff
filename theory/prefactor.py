"""Mean escape times beyond their exponent: transport of the density's amplitude along the likeliest path."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import expm

from theory.action_problem import Field, Problem, check_smooth
from theory.diffusion_action import LeastAction

Array = NDArray[np.float64]
NEAR_END = 2e-3  # distance, in that of the ends, within which the saddle's linear motion is taken
ARRIVING = 0.01  # distance at which the direction of arrival is judged
LATE = 0.3  # distance from the end within which errors along the path would grow
LONGEST = 10.0  # exponents of growth in a part of a step
MOST = 200  # parts


def escape_prefactor(drift: Field, diffusion: ArrayLike | Field, found: LeastAction) -> float:
    """Prefactor of the mean time to arrive beyond a saddle: ``time = prefactor * exp(action)`` for weak noise.

    ``(2 pi/lambda_+) sqrt(|det Z_b|/det Z_a) exp{int [div b + 2 (div D).p + tr(D Z)] dt}`` (Maier & Stein 1997; Bouchet
    & Reygner 2016), Ito's reading of D(x). lambda_+ is the growth rate of the drift at the saddle, p and Z the gradient
    and the second derivatives of the quasi-potential along the path, with

    1. ``dZ/dt = -H_xx - H_xp Z - Z H_px - 2 Z D Z``, ``H = b.p + p.D p``, from Z_a at the minimum, the inverse of the
       covariance there;
    2. Z_b the like at the saddle, where ``J Z^-1 + Z^-1 J^T = -2 D``, with one negative eigenvalue.

    Overdamped and with D invertible, half of it is the mean time to reach the separatrix.

    Parameters
    ----------
    drift, diffusion
        As in `theory.least_action`, smooth: a jump has to be spread over a width by the caller.
    found
        What that returned for them, its end a saddle.

    Returns
    -------
    float
        In units of time.

    Raises
    ------
    ValueError
        If there are several paths of near-equal action, whose rates add up in a way that no single one knows; if the
        end is no saddle of index 1; at a caustic, where neighbouring paths cross; or if the path enters the saddle
        otherwise than against its growing direction, so that the quasi-potential is not smooth there.
    """
    if len(found.paths) > 1:
        raise ValueError(f"found has {len(found.paths)} paths of near-equal action; a prefactor belongs to one alone")
    problem = Problem.of(drift, diffusion, found.path[0], found.path[-1], None)
    check_smooth(problem.diffusion, found.path)
    values = np.linalg.eigvals(problem.slope).real
    if not problem.rest or np.sum(values > 0) != 1:
        raise ValueError(f"found ends at {found.path[-1]!r}, which is no saddle of index 1; take the path to one")
    frame, h = problem.frame, np.diff(found.times)
    nodes = frame.inside(found.path)
    momenta = np.asarray(found.momenta @ np.linalg.inv(frame.whiten) / frame.scale)
    motion = problem.motion(0.0, len(h))
    covariance = _covariance(frame.whiten @ problem.slope @ np.linalg.inv(frame.whiten), motion.spread(nodes[-1:])[0])
    middles = (nodes[1:] + nodes[:-1]) / 2
    near = int(np.argmax(np.linalg.norm(middles - nodes[-1], axis=1) < ARRIVING))
    away = middles[near] - nodes[-1]
    if np.linalg.norm(covariance @ momenta[near] - away) > 0.1 * np.linalg.norm(away):
        raise ValueError("found enters the saddle otherwise than against its growing direction; it has no prefactor")
    slope, curvature, mixed = motion.derivatives(middles, momenta)
    flow = np.block([[mixed, 2 * motion.spread(middles)], [-curvature, -np.swapaxes(mixed, 1, 2)]])
    stiff = h * np.abs(flow).sum(axis=2).max(axis=1)
    parts = np.clip(np.ceil(stiff / LONGEST), 1, MOST).astype(int)
    h = h * np.minimum(1, MOST * LONGEST / stiff)  # at the ends nothing changes any more
    from_end = np.linalg.norm(middles - middles[-1], axis=1)
    kept = slice(1 + int(np.argmax(from_end < NEAR_END)))
    halves = expm((h / 2 / parts)[kept, None, None] * flow[kept])
    volumes = np.trace(mixed, axis1=1, axis2=2) * h
    exponent = _transported(
        halves, parts, volumes, np.diff(nodes, axis=0) / np.diff(found.times)[:, None], -slope, from_end
    )
    return float(2 * np.pi / values.max() / np.sqrt(abs(np.linalg.det(covariance))) * np.exp(exponent))


def _transported(halves: Array, parts: Array, volumes: Array, way: Array, pull: Array, from_end: Array) -> float:
    """``int [div b + 2 (div D).p + tr(D Z)] dt``: half the growth of the plane of neighbouring paths and of volumes."""
    d = way.shape[1]
    curvature, total = np.eye(d), 0.0
    late = from_end < LATE
    for k, half in enumerate(halves):
        growth = volumes[k]
        for part in range(2 * parts[k]):
            if part == parts[k] and late[k]:
                curvature = _along(curvature, way[k], pull[k])
            plane = half[:d, :d] + half[:d, d:] @ curvature
            sign, size = np.linalg.slogdet(plane)
            if sign <= 0:
                raise ValueError("found passes a caustic, beyond which neighbouring paths cross; it has no prefactor")
            growth += size
            curvature = (half[d:, :d] + half[d:, d:] @ curvature) @ np.linalg.inv(plane)
            curvature = (curvature + curvature.T) / 2
        total += growth / 2
        if from_end[k] < NEAR_END:  # what is left falls off like the distance
            ratio = from_end[k - 1] / from_end[k]
            return float(total + growth / 2 / (ratio - 1))
    return total


def _along(curvature: Array, way: Array, pull: Array) -> Array:
    """The nearest symmetric matrix that takes the path's velocity to the rate of its momentum, as Z does."""
    unit = way / np.linalg.norm(way)
    rest = pull / np.linalg.norm(way) - curvature @ unit
    return np.asarray(curvature + np.outer(rest, unit) + np.outer(unit, rest) - (rest @ unit) * np.outer(unit, unit))


def _covariance(slope: Array, spread: Array) -> Array:
    """The solution of ``J C + C J^T = -2 D``, that of least norm if there are several."""
    eye = np.eye(len(slope))
    found = np.linalg.lstsq(np.kron(slope, eye) + np.kron(eye, slope), -2 * spread.ravel(), rcond=1e-10)[0]
    return np.asarray(found.reshape(slope.shape))
