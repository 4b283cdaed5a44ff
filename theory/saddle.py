"""Mean squared displacement (MSD) from a critical point: Theorems 1-2, Propositions 1 and 3, and the exact values.

The dynamics along one Hessian eigenvector with eigenvalue H is either overdamped,
``dx = -H x dt + sqrt(2 D) dW``, or Langevin's, ``M x'' = -gamma M x' - H x + sqrt(2 D) xi`` (Equation 7).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import exprel

from theory import checks

Array = NDArray[np.float64]


# --- as the paper states them -------------------------------------------------------------------------------


def sgd_msd(time: ArrayLike, *, hessian: ArrayLike, diffusion: ArrayLike) -> Array:
    """MSD of SGD from a critical point, Theorem 1: ``D/H [1 - exp(-2 H t)]``, and ``2 D t`` at H = 0.

    Parameters
    ----------
    time
        Dynamical time, learning rate times iterations; 0 or above. All arguments broadcast.
    hessian
        Eigenvalue H of the Hessian, of either sign or zero.
    diffusion
        Diffusion coefficient D = (learning rate / 2) times the variance of one minibatch gradient.

    Returns
    -------
    numpy.ndarray
        MSD in theta units squared.

    Raises
    ------
    ValueError
        If an argument is not finite, or time or diffusion is negative.
    """
    t, h, d = (
        checks.nonnegative("time", time),
        checks.finite("hessian", hessian),
        checks.nonnegative("diffusion", diffusion),
    )
    t, h, d = np.broadcast_arrays(t, h, d)
    with np.errstate(all="ignore"):
        growth = np.where(h < 0, np.maximum(-2 * h * t - _LARGE, 0), 0)  # keeps exp(-2 H t) finite; put back at the end
        bracket = np.where(h == 0, 2 * t, -np.expm1(-2 * h * t - growth) / np.where(h == 0, 1, h))
        return _scaled(d, bracket, growth)


def momentum_drift_msd(time: ArrayLike, *, diffusion: ArrayLike, mass: ArrayLike, damping: ArrayLike) -> Array:
    """Momentum drift, the first term of Theorem 2: ``D/(gamma^3 M^2) [1 - exp(-gamma t)]^2``.

    Parameters are those of `momentum_msd`; the term does not depend on the Hessian.
    """
    t, d, m, g = (
        checks.nonnegative("time", time),
        checks.nonnegative("diffusion", diffusion),
        checks.positive("mass", mass),
        checks.positive("damping", damping),
    )
    return np.asarray(_velocity_scale(d, m, g) * np.expm1(-g * t) ** 2)


def momentum_msd(
    time: ArrayLike, *, hessian: ArrayLike, diffusion: ArrayLike, mass: ArrayLike, damping: ArrayLike
) -> Array:
    """MSD of Momentum from a critical point as Theorem 2 (Equation 9) states it: drift plus diffusion.

    ``D/(gamma^3 M^2) [1 - exp(-gamma t)]^2 + D/(gamma M H) [1 - exp(-2 H t/(gamma M))]``. The second term already
    holds all the noise of the first 1/gamma, so the sum exceeds the exact MSD: see `momentum_msd_exact`.

    Parameters
    ----------
    time
        Dynamical time, learning rate times iterations. All arguments broadcast.
    hessian
        Eigenvalue H of the Hessian, of either sign or zero.
    diffusion
        Diffusion coefficient D = (learning rate / 2) times the variance of one minibatch gradient.
    mass, damping
        M = lr/beta3 and gamma = (1 - beta1)/lr; beta3 is 1 - beta1 (EMA style) or 1 (heavy-ball style).

    Returns
    -------
    numpy.ndarray
        MSD in theta units squared.

    Raises
    ------
    ValueError
        If an argument is not finite, time or diffusion negative, or mass or damping not above 0.
    """
    drift = momentum_drift_msd(time, diffusion=diffusion, mass=mass, damping=damping)
    friction = np.asarray(mass, dtype=float) * np.asarray(damping, dtype=float)
    return drift + sgd_msd(
        time,
        hessian=checks.finite("hessian", hessian) / friction,
        diffusion=np.asarray(diffusion, dtype=float) / friction**2,
    )


def adam_msd(iterations: ArrayLike, *, lr: ArrayLike, beta1: ArrayLike) -> Array:
    """MSD of idealized Adam, Proposition 1: ``lr^2/(2(1-beta1)) [1 - exp(-(1-beta1) T)]^2 + lr^2 T``.

    The leading order of Theorem 2 at the learning rate lr sqrt(B/|H|): the same along every eigenvector. At
    ``beta1 = 0`` (RMSprop) there is no velocity, hence no drift term: the result is ``lr^2 T``.

    Raises
    ------
    ValueError
        If iterations is negative, lr not above 0, or beta1 outside [0, 1).
    """
    t, eta, beta = (
        checks.nonnegative("iterations", iterations),
        checks.positive("lr", lr),
        checks.fraction("beta1", beta1),
    )
    drift = np.where(beta > 0, np.expm1(-(1 - beta) * t) ** 2 / (2 * (1 - beta)), 0.0)
    return np.asarray(eta**2 * (drift + t))


def adai_msd(
    iterations: ArrayLike, *, hessian: ArrayLike, lr: ArrayLike, beta0: ArrayLike, batch_size: ArrayLike
) -> Array:
    """MSD of idealized Adai, Proposition 3: ``lr^2 vbar/(2 beta0) [1 - exp(-beta0 v T/vbar)]^2 + |H| lr^2 T/B``.

    v = |H|/B and vbar is the mean of v over all directions, so **the last axis of hessian holds all eigenvalues**.
    Where beta0 v >= vbar the inertia is 0 and the drift term is left out, as for SGD.

    Parameters
    ----------
    iterations
        Number of iterations T; broadcasts against hessian (for several T give them a trailing axis of length 1).
    hessian
        All eigenvalues, on the last axis; not all zero.
    lr, beta0, batch_size
        Learning rate, Adai's beta0, minibatch size B.

    Returns
    -------
    numpy.ndarray
        MSD in theta units squared.

    Raises
    ------
    ValueError
        If an argument is out of range, or every eigenvalue is zero (then there is no noise and vbar = 0).
    """
    t, h = checks.nonnegative("iterations", iterations), np.atleast_1d(checks.finite("hessian", hessian))
    eta, b0, size = (
        checks.positive("lr", lr),
        checks.positive("beta0", beta0),
        checks.positive("batch_size", batch_size),
    )
    if h.shape[-1] == 0:
        raise ValueError("hessian is empty; give all eigenvalues on its last axis")
    v = np.abs(h) / size
    vbar = v.mean(axis=-1, keepdims=True)
    if np.any(vbar == 0):
        raise ValueError(
            f"hessian = {hessian!r} has only zero eigenvalues; Adai's mean second moment needs one that is not"
        )
    rate = b0 * v / vbar
    drift = np.where(rate < 1, vbar / (2 * b0) * np.expm1(-rate * t) ** 2, 0.0)
    return np.asarray(eta**2 * (drift + v * t))


# --- exact for the stated SDE -------------------------------------------------------------------------------


def sgd_msd_exact(time: ArrayLike, *, hessian: ArrayLike, diffusion: ArrayLike) -> Array:
    """Exact MSD of the overdamped SDE: ``int_0^t 2 D exp(-2 H s) ds``, here as ``2 D t (e^u - 1)/u`` at u = -2 H t.

    Parameters, units and errors are those of `sgd_msd`.
    """
    t, h, d = (
        checks.nonnegative("time", time),
        checks.finite("hessian", hessian),
        checks.nonnegative("diffusion", diffusion),
    )
    with np.errstate(all="ignore"):
        u = np.asarray(-2 * h * t)
        large = u > _LARGE
        return _scaled(
            2 * d * t, np.where(large, 1 / np.where(large, u, 1), exprel(np.where(large, 0, u))), np.where(large, u, 0)
        )


def momentum_msd_exact(
    time: ArrayLike,
    *,
    hessian: ArrayLike,
    diffusion: ArrayLike,
    mass: ArrayLike,
    damping: ArrayLike,
    start: str,
) -> Array:
    """Exact MSD of Langevin's equation (Equation 7) started at the critical point.

    ``2 D/M^2 int_0^t G(s)^2 ds``, plus ``D/(gamma M^2) G(t)^2`` for a thermal start, where G is the displacement that a
    unit initial velocity leads to. Accurate for either sign of H and at H = 0, for real, equal and complex roots.

    Parameters
    ----------
    time, hessian, diffusion, mass, damping
        As in `momentum_msd`; they broadcast.
    start
        "rest" (an optimizer's zero momentum) or "thermal" (velocity variance D/(gamma M^2), the paper's assumption).

    Returns
    -------
    numpy.ndarray
        MSD in theta units squared; inf only where the exact value is beyond the range of float64.

    Raises
    ------
    ValueError
        As `momentum_msd`, and for an unknown start.
    """
    thermal = checks.start(start) == "thermal"
    tau, kappa, scale = _dimensionless(time, hessian, diffusion, mass, damping)
    noise, growth = _response_energy(tau, kappa)
    if thermal:
        response, _ = _response(tau, kappa)
        return _scaled(scale, 2 * noise + response**2, growth)
    return _scaled(scale, 2 * noise, growth)


def momentum_drift_msd_exact(
    time: ArrayLike, *, hessian: ArrayLike, diffusion: ArrayLike, mass: ArrayLike, damping: ArrayLike
) -> Array:
    """Exact share of a thermal initial velocity in the MSD, ``D/(gamma M^2) G(t)^2``: what the drift term describes.

    It is the difference of `momentum_msd_exact` between a thermal start and rest. Parameters, units and errors are
    those of `momentum_msd`.
    """
    tau, kappa, scale = _dimensionless(time, hessian, diffusion, mass, damping)
    response, growth = _response(tau, kappa)
    return _scaled(scale, response**2, growth)


def momentum_velocity_variance(
    time: ArrayLike,
    *,
    hessian: ArrayLike,
    diffusion: ArrayLike,
    mass: ArrayLike,
    damping: ArrayLike,
    start: str,
) -> Array:
    """Exact mean square velocity of Langevin's equation from the critical point; Step I of A.2 has D/(gamma M^2).

    ``D/(gamma M^2) [1 - (H/M) G(t)^2]`` from a thermal start, less ``D/(gamma M^2) G'(t)^2`` from rest, with G
    as in `momentum_msd_exact`. So the thermal velocity stays at H = 0 alone; at a minimum it comes back, at a
    saddle it is lost.

    1. A kick at time u moves the velocity by G'(t-u), so noise makes ``2 D/M^2 int_0^t G'(s)^2 ds`` of it.
    2. ``G'' + gamma G' + (H/M) G = 0``, multiplied by G' and integrated, gives
       ``2 gamma int G'^2 = 1 - G'^2 - (H/M) G^2``.

    Parameters and errors are those of `momentum_msd_exact`.

    Returns
    -------
    numpy.ndarray
        In velocity units squared, displacement per dynamical time; inf only beyond the range of float64.
    """
    thermal = checks.start(start) == "thermal"
    tau, kappa, scale = _dimensionless(time, hessian, diffusion, mass, damping)
    response, growth = _response(tau, kappa)
    rate = _response_rate(tau, kappa, response, growth)
    energy, _ = _response_energy(tau, kappa)
    with np.errstate(all="ignore"):
        late = (kappa < 0) & (
            tau * np.maximum(1, np.sqrt(np.abs(kappa))) > 1
        )  # of two equal forms that without cancellation
        balance = np.exp(-growth) - rate**2 - kappa * response**2
        noise = np.where(late, balance, 2 * kappa * energy + response * (2 * rate + response))
        value = noise + rate**2 if thermal else noise
    return _scaled(scale * np.asarray(damping, dtype=float) ** 2, value, growth)


# --- the dimensionless problem: x'' = -x' - kappa x + noise ----------------------------------------------------

_LARGE = 600.0  # exponents beyond this are carried as logarithms, so that only a result too large for float64 overflows


def _velocity_scale(diffusion: Array, mass: Array, damping: Array) -> Array:
    """D/(gamma^3 M^2), the squared length that a thermal velocity covers in the time 1/gamma."""
    friction = mass * damping
    return np.asarray(diffusion / friction / friction / damping)


def _dimensionless(
    time: ArrayLike, hessian: ArrayLike, diffusion: ArrayLike, mass: ArrayLike, damping: ArrayLike
) -> tuple[Array, Array, Array]:
    """Time in units of 1/gamma, the stiffness kappa = H/(M gamma^2), and the unit of MSD."""
    m, g = checks.positive("mass", mass), checks.positive("damping", damping)
    tau = checks.nonnegative("time", time) * g
    kappa = checks.finite("hessian", hessian) / m / g / g
    scale = _velocity_scale(checks.nonnegative("diffusion", diffusion), m, g)
    tau, kappa, scale = np.broadcast_arrays(tau, kappa, scale)
    return tau, kappa, scale


def _scaled(scale: Array, value: Array, growth: Array) -> Array:
    """scale * value * exp(growth), overflowing only where the product does."""
    with np.errstate(all="ignore"):
        direct = scale * value
        return np.where(growth > 0, np.exp(np.log(scale) + np.log(value) + growth), direct)


def _growth(tau: Array, kappa: Array) -> Array:
    """Twice the growth exponent of the unstable root where that is large, else 0."""
    exponent = -4 * kappa / (1 + np.sqrt(np.maximum(1 - 4 * kappa, 0))) * tau
    return np.where(exponent > _LARGE, exponent, 0.0)


def _response(tau: Array, kappa: Array) -> tuple[Array, Array]:
    """Displacement G(tau) after a unit initial velocity, divided by exp(growth/2), and growth.

    G = (e^{a+ tau} - e^{a- tau})/(a+ - a-) with roots a+- = (-1 +- w)/2, w^2 = 1 - 4 kappa.
    """
    with np.errstate(all="ignore"):
        square = 1 - 4 * kappa
        growth = _growth(tau, kappa)
        w = np.sqrt(np.maximum(square, 0))
        real = tau * np.exp(-2 * kappa / (1 + w) * tau - growth / 2) * exprel(-w * tau)
        omega = np.sqrt(np.maximum(-square, 0)) / 2
        phase = omega * tau
        complex_ = tau * np.exp(-tau / 2) * np.where(phase > 0, np.sin(phase) / np.where(phase > 0, phase, 1), 1)
        return np.where(square >= 0, real, complex_), growth


def _response_rate(tau: Array, kappa: Array, response: Array, growth: Array) -> Array:
    """G'(tau), divided by exp(growth/2) like the response G: ``(e^{a+ tau} + e^{a- tau})/2 - G/2``."""
    with np.errstate(all="ignore"):
        square = 1 - 4 * kappa
        w = np.sqrt(np.maximum(square, 0))
        real = np.exp(-2 * kappa / (1 + w) * tau - growth / 2) * (1 + np.exp(-w * tau)) / 2
        complex_ = np.exp(-tau / 2) * np.cos(np.sqrt(np.maximum(-square, 0)) / 2 * tau)
        return np.asarray(np.where(square >= 0, real, complex_) - response / 2)


def _response_energy(tau: Array, kappa: Array) -> tuple[Array, Array]:
    """F = int_0^tau G^2, divided by exp(growth), and growth. One form per regime, each where it does not cancel."""
    square = 1 - 4 * kappa
    short = tau * np.maximum(1, np.sqrt(np.abs(square))) <= 1
    regimes: list[tuple[NDArray[np.bool_], Callable[[Array, Array], Array]]] = [
        (short, _energy_short),
        (~short & (square >= 0.25), _energy_real),
        (~short & (np.abs(square) < 0.25), _energy_critical),
        (~short & (square <= -0.25), _energy_complex),
    ]
    energy = np.empty(tau.shape)
    with np.errstate(all="ignore"):
        for mask, form in regimes:
            energy[mask] = form(tau[mask], kappa[mask])
        return energy, _growth(tau, kappa)


def _energy_short(tau: Array, kappa: Array) -> Array:
    """Taylor series: p = G^2 obeys p''' + 3 p'' + (2 + 4 kappa) p' + 4 kappa p = 0; p(0) = p'(0) = 0, p''(0) = 2."""
    u = kappa * tau**2
    p = [np.zeros_like(tau), np.zeros_like(tau), np.full_like(tau, 2.0)]  # p^(n)(0) tau^(n-2)
    total, factorial = p[2] / 6, 6.0
    for n in range(3, 40):
        p.append(-3 * tau * p[n - 1] - (2 * tau**2 + 4 * u) * p[n - 2] - 4 * u * tau * p[n - 3])
        factorial *= n + 1
        total = total + p[n] / factorial
    return np.asarray(total * tau**3)


def _energy_real(tau: Array, kappa: Array) -> Array:
    """[J(2 a+) - 2 J(-1) + J(2 a-)]/w^2 with J(l) = (e^{l tau} - 1)/l."""
    w = np.sqrt(1 - 4 * kappa)
    plus, minus = -4 * kappa / (1 + w), -(1 + w)
    large = plus * tau > _LARGE

    def j(rate: Any) -> Array:
        return np.asarray(tau * exprel(rate * tau))

    moderate = j(np.where(large, 0, plus)) - 2 * j(-1.0) + j(minus)
    return np.asarray(np.where(large, 1 / np.where(large, plus, 1), moderate) / w**2)


def _energy_critical(tau: Array, kappa: Array) -> Array:
    """Energy balance, [1 - (G + G')^2 - kappa G^2]/(2 kappa), smooth through w = 0."""
    half = np.sqrt((1 - 4 * kappa).astype(complex)) * tau / 2
    # e^{-tau/2} goes into both exponentials, so that neither overflows; |Re half| <= tau/4 here.
    up, down = np.exp(half - tau / 2), np.exp(-half - tau / 2)
    cosh = ((up + down) / 2).real
    small = np.abs(half) < 1e-4
    safe = np.where(small, 1, half)
    sinhc = np.where(small, np.exp(-tau / 2) * (1 + half**2 / 6), (up - down) / 2 / safe).real
    g = tau * sinhc
    return np.asarray((1 - (cosh + g / 2) ** 2 - kappa * g**2) / (2 * kappa))


def _energy_complex(tau: Array, kappa: Array) -> Array:
    """int_0^tau e^{-s} sin^2(omega s)/omega^2 ds in real terms."""
    omega = np.sqrt(4 * kappa - 1) / 2
    decayed = -np.expm1(-tau)
    swing = np.exp(-tau) * (2 * np.sin(omega * tau) ** 2 + 2 * omega * np.sin(2 * omega * tau))
    return np.asarray((4 * omega**2 * decayed - swing) / (8 * kappa * omega**2))
