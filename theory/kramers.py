"""Kramers' escape time at a constant temperature and any damping, with the turnover at weak damping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.optimize import brentq

from theory import checks
from theory.functions import Pointwise
from theory.minimum import effective_diffusion

Array = NDArray[np.float64]


def kramers_escape_time(
    *,
    barrier: ArrayLike,
    hessian_minimum: ArrayLike,
    hessian_saddle: ArrayLike,
    temperature: ArrayLike,
    mass: ArrayLike,
    damping: ArrayLike,
    action: ArrayLike = np.inf,
) -> Array:
    """Mean time to arrive beyond the saddle at a constant, low temperature and any damping, in dynamical time.

    ``(2 pi/omega_a) (omega_b/lambda) e^(Delta L/T)/A`` with lambda the slow root at the saddle (Kramers 1940) and
    A(gamma S/T) <= 1 the depopulation of energies near the barrier (Mel'nikov & Meshkov 1986): the turnover.

    1. Moderate damping: flux over the saddle of a thermal well, ``omega_a/(2 pi) (lambda/omega_b) e^(-Delta L/T)``.
    2. Weak damping: one orbit at the barrier's height loses the energy gamma S, S the action; if that is below T the
       well is not thermal there, and ``A = exp{(2/pi) int_0^(pi/2) ln[1 - exp(-(gamma S/T)/(4 cos^2 x))] dx}``.
    3. A tends to gamma S/T (Kramers' energy diffusion) for weak damping and to 1 for strong.

    Parameters
    ----------
    barrier, hessian_minimum, hessian_saddle
        As in `momentum_escape_time`.
    temperature
        T = D/(gamma M), above 0.
    mass, damping
        M and gamma.
    action
        ``S = 2 int sqrt(2 M (L(b) - L(x))) dx`` over the well, from the turning point to the saddle: `barrier_action`.
        inf leaves the turnover out.

    Returns
    -------
    numpy.ndarray
        Mean time; inf beyond the range of float64.

    Raises
    ------
    ValueError
        If an argument is not above 0.
    """
    h_a, h_b = checks.positive("hessian_minimum", hessian_minimum), checks.positive("hessian_saddle", hessian_saddle)
    factor = effective_diffusion(hessian_saddle=h_b, mass=mass, damping=damping)
    temp = checks.positive("temperature", temperature)
    friction = np.asarray(mass, float) * np.asarray(damping, float)
    if not np.all(np.asarray(action, float) > 0):
        raise ValueError(f"action = {action!r} must be above 0; inf leaves weak damping out")
    loss = np.asarray(damping, float) * np.asarray(action, float) / temp
    prefactor = 2 * np.pi * friction / np.sqrt(h_a * h_b) / factor / depopulation(loss)
    with np.errstate(over="ignore"):
        return np.asarray(prefactor * np.exp(checks.positive("barrier", barrier) / temp))


def effective_temperature(
    *,
    temperature_minimum: ArrayLike,
    temperature_saddle: ArrayLike,
    hessian_saddle: ArrayLike,
    mass: ArrayLike,
    damping: ArrayLike,
) -> Array:
    """Temperature at which the barrier beyond the join counts, with inertia: ``(lambda T_a+gamma T_b)/(lambda+gamma)``.

    Theorem 3's exponent, ``Delta L [s/T_a + (1-s)/T_b]``, is that of the overdamped path; with inertia T_b is replaced
    by this (not in the paper; exact in the limit of low temperature for a double parabola whose join is crossed once:
    `join_is_crossed_once`).

    1. To reach the join at velocity r costs ``(s Delta L + M r^2/2)/T_a``: the kinetic energy was climbed at T_a.
    2. Beyond, the growing mode ``y = r - (lambda + gamma) l``, l the way to the saddle, is brought to 0 at
       ``lambda M y^2/(2 gamma T_b)``.
    3. The least sum over r is ``Delta L [s/T_a + (1-s)/T_eff]``.

    Parameters
    ----------
    temperature_minimum, temperature_saddle
        T_a = D_a/(gamma M) and T_b.
    hessian_saddle, mass, damping
        As in `momentum_escape_time`.

    Returns
    -------
    numpy.ndarray
        Between T_a (weak damping) and T_b (strong).

    Raises
    ------
    ValueError
        If an argument is not above 0.
    """
    t_a = checks.positive("temperature_minimum", temperature_minimum)
    t_b = checks.positive("temperature_saddle", temperature_saddle)
    h, g = checks.positive("hessian_saddle", hessian_saddle), checks.positive("damping", damping)
    friction = checks.positive("mass", mass) * g
    slow = h / friction * effective_diffusion(hessian_saddle=h, mass=mass, damping=g)
    return np.asarray((slow * t_a + g * t_b) / (slow + g))


def join_is_crossed_once(
    *,
    temperature_minimum: ArrayLike,
    temperature_saddle: ArrayLike,
    hessian_minimum: ArrayLike,
    hessian_saddle: ArrayLike,
    mass: ArrayLike,
    damping: ArrayLike,
) -> NDArray[np.bool_]:
    """Whether `effective_temperature` applies: the likeliest path out of a double parabola crosses the join x_s once.

    1. That path arrives at the join with the velocity r* that makes the sum of `effective_temperature` least:
       ``r* = lambda T_a (lambda+gamma) l/(lambda T_a + gamma T_b)``, l the way from the join to the saddle.
    2. At one temperature the likeliest way up is the way down run backwards: the path to ``(x_s, r*)`` is the
       relaxation that begins at ``(x_s, -r*)``. It has to stay before the join, as the temperature beyond it is
       another.
    3. Relaxation swings past the minimum and back if ``gamma < 2 omega_a``, ``omega_a^2 = H_a/M``, each swing less far
       than the one before. So it stays before the join if its first return ends there.

    Parameters
    ----------
    temperature_minimum, temperature_saddle, hessian_saddle, mass, damping
        As in `effective_temperature`.
    hessian_minimum
        H_a, above 0; the join is where a double parabola of these curvatures has it, ``l = x_s H_a/H_b``.

    Returns
    -------
    numpy.ndarray
        False where the exponent is another, as the path crosses the join three times or more.

    Raises
    ------
    ValueError
        If an argument is not above 0.
    """
    t_a, t_b = (
        checks.positive(name, value)
        for name, value in (("temperature_minimum", temperature_minimum), ("temperature_saddle", temperature_saddle))
    )
    h_a, h_b = checks.positive("hessian_minimum", hessian_minimum), checks.positive("hessian_saddle", hessian_saddle)
    m, g = checks.positive("mass", mass), checks.positive("damping", damping)
    slow = h_b / (m * g) * effective_diffusion(hessian_saddle=h_b, mass=m, damping=g)
    speed = slow * t_a * (slow + g) * (h_a / h_b) / (slow * t_a + g * t_b)  # r*/x_s
    with np.errstate(all="ignore"):
        frequency = np.sqrt(h_a / m - g**2 / 4)  # NaN where it does not swing
        # the velocity vanishes at the far end of the swing, and half a period later where it returns to
        far = np.arctan2(speed * frequency, g * speed / 2 - h_a / m) % np.pi / frequency
        back = far + np.pi / frequency
        returned = np.cos(frequency * back) + (g / 2 - speed) / frequency * np.sin(frequency * back)
        returned = returned * np.exp(-g * back / 2)
    return np.asarray(~(returned >= 1))


def depopulation(energy_loss: ArrayLike) -> Array:
    """Mel'nikov & Meshkov's A for the energy lost per orbit at the barrier's height, in temperatures; inf gives 1."""
    loss = np.asarray(energy_loss, dtype=np.float64)
    if not np.all(loss > 0):
        raise ValueError(f"energy_loss = {energy_loss!r} must be above 0")
    # midpoints in y, x = y + sin(2y)/2: the integrand's logarithm at the ends becomes smooth
    y = (np.arange(256) + 0.5) * (np.pi / 512)
    x, weight = y + np.sin(2 * y) / 2, (1 + np.cos(2 * y)) * (np.pi / 512)
    with np.errstate(divide="ignore", over="ignore"):
        values = np.log(-np.expm1(-loss[..., None] / (4 * np.cos(x) ** 2)))
    return np.asarray(np.exp(2 / np.pi * np.sum(values * weight, axis=-1)))


def barrier_action(loss: Callable[[Any], Any], *, minimum: float, saddle: float, mass: float) -> float:
    """Action of the orbit at the barrier's height, ``2 int sqrt(2 M (L(b) - L(x))) dx``, for `kramers_escape_time`.

    Parameters
    ----------
    loss
        L, a function of a position in theta units.
    minimum, saddle
        Where the valley's bottom and its exit are; the wall opposite to the saddle must rise above it.
    mass
        M, above 0.

    Raises
    ------
    ValueError
        If the saddle is not above the minimum, or no wall of that height is found opposite to it.
    """
    m, function = float(checks.positive("mass", mass)), Pointwise("loss", loss)
    a, b = (float(checks.finite(name, value)) for name, value in (("minimum", minimum), ("saddle", saddle)))

    def height(x: float) -> float:
        return float(function(np.array([x]))[0])

    bottom, top = height(a), height(b)
    if not bottom < top < np.inf:
        raise ValueError(
            f"saddle = {saddle!r}, where loss is {top:g}, is not above minimum = {minimum!r}, where it is {bottom:g}"
            f"{function.failure}; there is no barrier"
        )
    wall = a
    for _ in range(60):
        wall += 0.5 * (a - b)
        if height(wall) > top:
            break
    else:
        raise ValueError(
            f"loss does not rise to {top:g} opposite to saddle = {saddle!r}{function.failure}; the valley has no wall "
            "there"
        )
    turn = brentq(lambda x: height(x) - top, a, wall, xtol=1e-14 * abs(b - a))

    def momentum(u: float) -> float:  # x = turn + (saddle - turn) u^2 makes the root smooth at the turning point
        kinetic = max(top - height(turn + (b - turn) * u * u), 0.0)
        return float(2 * u * np.sqrt(2 * m * kinetic))

    found, _, _, *trouble = quad(momentum, 0, 1, epsrel=1e-9, limit=200, full_output=1)
    if trouble or not np.isfinite(found):
        raise ValueError(
            f"loss cannot be integrated to 1e-9 between {turn:.6g} and saddle = {saddle!r}{function.failure}; give a "
            "smoother one"
        )
    return float(2 * abs(b - turn) * found)
