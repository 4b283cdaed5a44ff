"""Mean escape time from a minimum: Theorem 3, Propositions 2 and 4, Equation 57, and what they should have been.

a is the minimum, b the saddle, e the escape direction. The noise is Hessian noise (Equation 3): |H|/B before the
inflection at the share s of the barrier, |H_be|/B beyond it, so that a temperature lr H/(2 gamma M B) holds on each
side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks

Array = NDArray[np.float64]

# the power p of D in the stationary density e^(-psi) D^(-p)
CONVENTIONS = {"ito": 1.0, "stratonovich": 0.5, "isothermal": 0.0}


# --- as the paper states them -------------------------------------------------------------------------------


def sgd_escape_time(
    *,
    barrier: ArrayLike,
    hessian_minimum: ArrayLike,
    hessian_saddle: ArrayLike,
    lr: ArrayLike,
    batch_size: ArrayLike,
    split: ArrayLike,
    clock: str = "dynamical",
) -> Array:
    """Theorem 3 without inertia: ``2 pi/|H_be| exp{(2 B Delta L/lr) [s/H_ae + (1-s)/|H_be|]}``.

    Parameters, units and errors are those of `momentum_escape_time`.
    """
    h_b = checks.positive("hessian_saddle", hessian_saddle)
    exponent = escape_exponent(
        barrier=barrier, hessian_minimum=hessian_minimum, hessian_saddle=h_b, lr=lr, batch_size=batch_size, split=split
    )
    return _in_clock(2 * np.pi / h_b, exponent, lr, clock)


def momentum_escape_time(
    *,
    barrier: ArrayLike,
    hessian_minimum: ArrayLike,
    hessian_saddle: ArrayLike,
    lr: ArrayLike,
    batch_size: ArrayLike,
    mass: ArrayLike,
    damping: ArrayLike,
    split: ArrayLike,
    clock: str = "dynamical",
) -> Array:
    """Mean escape time of Momentum, Theorem 3.

    ``pi [sqrt(1 + 4|H_be|/(gamma^2 M)) + 1]/|H_be| exp{(2 gamma M B Delta L/lr) [s/H_ae + (1-s)/|H_be|]}``.

    Parameters
    ----------
    barrier
        Delta L, the height of the saddle above the minimum. All arguments broadcast.
    hessian_minimum
        Curvature H_ae at the minimum along the escape direction, above 0.
    hessian_saddle
        Magnitude |H_be| of the negative curvature at the saddle, above 0.
    lr, batch_size
        Learning rate and minibatch size B.
    mass, damping
        M and gamma of Equation 7: lr/(1-beta1) and (1-beta1)/lr (EMA style), lr and (1-beta1)/lr (heavy ball).
    split
        Share s of the barrier climbed at the minimum's temperature, in [0, 1].
    clock
        "dynamical" (time is lr times iterations) or "iteration".

    Returns
    -------
    numpy.ndarray
        Mean time to arrive beyond the saddle; inf beyond the range of float64.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    factor = effective_diffusion(hessian_saddle=hessian_saddle, mass=mass, damping=damping)
    exponent = escape_exponent(
        barrier=barrier,
        hessian_minimum=hessian_minimum,
        hessian_saddle=hessian_saddle,
        lr=lr,
        batch_size=batch_size,
        split=split,
        friction=np.asarray(mass, float) * np.asarray(damping, float),
    )
    return _in_clock(2 * np.pi / np.asarray(hessian_saddle, float) / factor, exponent, lr, clock)


def adam_escape_time(
    *,
    barrier: ArrayLike,
    hessian_minimum: ArrayLike,
    hessian_saddle: ArrayLike,
    lr: ArrayLike,
    beta1: ArrayLike,
    batch_size: ArrayLike,
    split: ArrayLike,
    clock: str = "dynamical",
) -> Array:
    """Mean escape time of idealized Adam (v = C where the parameters are), Proposition 2; beta1 = 0 is RMSprop.

    ``pi [sqrt(1 + 4 lr sqrt(B|H_be|)/(1-beta1)) + 1] |H_be/H_ae|^(1/4)/|H_be|
    exp{(2 sqrt(B) Delta L/lr) [s/sqrt(H_ae) + (1-s)/sqrt|H_be|]}``, the determinants those of the escape direction.

    Parameters
    ----------
    barrier, hessian_minimum, hessian_saddle, lr, batch_size, split
        As in `momentum_escape_time`.
    beta1
        Inertia, in [0, 1). At 0 the square root is left out, as the SDE then has no inertia.
    clock
        "dynamical": Adam's adaptive time at the saddle, or "iteration", sqrt(|H_be|/B)/lr times that.

    Returns
    -------
    numpy.ndarray
        Mean time to arrive beyond the saddle; inf beyond the range of float64.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    h_a, h_b = checks.positive("hessian_minimum", hessian_minimum), checks.positive("hessian_saddle", hessian_saddle)
    size, eta, beta = (
        checks.positive("batch_size", batch_size),
        checks.positive("lr", lr),
        checks.fraction("beta1", beta1),
    )
    exponent = escape_exponent(
        barrier=barrier, hessian_minimum=h_a, hessian_saddle=h_b, lr=eta, batch_size=size, split=split, power=0.5
    )
    factor = 2 / (1 + np.sqrt(1 + np.where(beta > 0, 4 * eta * np.sqrt(size * h_b) / (1 - beta), 0)))
    return _in_clock(2 * np.pi / h_b / factor * (h_b / h_a) ** 0.25, exponent, eta * np.sqrt(size / h_b), clock)


def adai_escape_time(
    *,
    barrier: ArrayLike,
    hessian_minimum: ArrayLike,
    hessian_saddle: ArrayLike,
    lr: ArrayLike,
    beta0: ArrayLike,
    batch_size: ArrayLike,
    mean_curvature: ArrayLike,
    split: ArrayLike,
    clock: str = "dynamical",
) -> Array:
    """Mean escape time of idealized Adai, Proposition 4: SGD's exponent, and an inertia that follows the Hessian.

    ``pi [sqrt(1 + 4 lr B vbar/beta0) + 1]/|H_be| exp{(2 B Delta L/lr) [s/H_ae + (1-s)/|H_be|]}``.

    Parameters
    ----------
    barrier, hessian_minimum, hessian_saddle, lr, batch_size, split, clock
        As in `momentum_escape_time`.
    beta0
        Scale of the damping, above 0.
    mean_curvature
        B vbar, the mean of |H_j| over all directions.

    Returns
    -------
    numpy.ndarray
        Mean time to arrive beyond the saddle; inf beyond the range of float64.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    h_b, mean = checks.positive("hessian_saddle", hessian_saddle), checks.positive("mean_curvature", mean_curvature)
    eta, b0 = checks.positive("lr", lr), checks.positive("beta0", beta0)
    exponent = escape_exponent(
        barrier=barrier, hessian_minimum=hessian_minimum, hessian_saddle=h_b, lr=eta, batch_size=batch_size, split=split
    )
    return _in_clock(np.pi * (np.sqrt(1 + 4 * eta * mean / b0) + 1) / h_b, exponent, eta, clock)


def effective_diffusion(*, hessian_saddle: ArrayLike, mass: ArrayLike, damping: ArrayLike) -> Array:
    """Factor by which inertia slows the crossing of the saddle, Equation 57: ``2/[1 + sqrt(1 + 4|H_be|/(gamma^2 M))]``.

    It is Kramers' (1940): along the saddle the slow root of ``M l^2 + gamma M l - |H| = 0`` is
    ``l = |H|/(gamma M)`` times this factor. 1 for infinite damping, with mass and damping positive.

    Raises
    ------
    ValueError
        If an argument is not above 0.
    """
    h, m, g = (
        checks.positive("hessian_saddle", hessian_saddle),
        checks.positive("mass", mass),
        checks.positive("damping", damping),
    )
    return np.asarray(2 / (1 + np.sqrt(1 + 4 * h / (g * g * m))))


# --- exponents ----------------------------------------------------------------------------------------------


def escape_exponent(
    *,
    barrier: ArrayLike,
    hessian_minimum: ArrayLike,
    hessian_saddle: ArrayLike,
    lr: ArrayLike,
    batch_size: ArrayLike,
    split: ArrayLike,
    friction: ArrayLike = 1.0,
    power: ArrayLike = 0.0,
) -> Array:
    """Barrier over temperature at the learning rate lr C^-q.

    ``(2 gamma M B^(1-q) Delta L/lr) [s/H_ae^(1-q) + (1-s)/|H_be|^(1-q)]`` is ``psi = (2 gamma M/lr) int L' C^(q-1)``
    from the minimum to the saddle: that of Theorem 3 and Proposition 4 at q = 0, of Proposition 2 at q = 1/2. The
    learning rate is lr v^-q with v = C where the parameters are. If v rests at c C, as in `resting_second_moment`, lr
    is to be divided by c^q; if it stays at the minimum's, use q = 0 at ``lr (B/H_ae)^q``.

    Parameters
    ----------
    barrier, hessian_minimum, hessian_saddle, lr, batch_size, split
        As in `momentum_escape_time`.
    friction
        gamma M: 1, or 1 - beta1 for the heavy ball.
    power
        q, 0 or above: 0 is SGD and Adai, 1/2 Adam and RMSprop, and Padam's is its `partial`.

    Returns
    -------
    numpy.ndarray
        psi, without a unit.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    h_a, h_b = checks.positive("hessian_minimum", hessian_minimum), checks.positive("hessian_saddle", hessian_saddle)
    share, rest = _share(split), 1 - checks.nonnegative("power", power)
    slope = share / h_a**rest + (1 - share) / h_b**rest
    size, eta, gm = (
        checks.positive("batch_size", batch_size),
        checks.positive("lr", lr),
        checks.positive("friction", friction),
    )
    return np.asarray(2 * gm * size**rest * checks.positive("barrier", barrier) / eta * slope)


# --- what the stated dynamics does at low temperature ---------------------------------------------------------


def low_temperature_escape_time(
    *,
    barrier: ArrayLike,
    hessian_minimum: ArrayLike,
    hessian_saddle: ArrayLike,
    lr: ArrayLike,
    batch_size: ArrayLike,
    split: ArrayLike,
    convention: str = "ito",
    arrival: str = "beyond",
    friction: ArrayLike = 1.0,
    power: ArrayLike = 0.0,
    clock: str = "dynamical",
) -> Array:
    """Mean escape time without inertia for vanishing temperature, which Theorem 3's prefactor should have been.

    ``2 pi gamma M B^-q H_ae^(-q/2-p(1-2q)) |H_be|^(-q/2-(1-p)(1-2q)) exp(exponent)`` beyond the saddle, half of it at
    the saddle, with p = 1 (Ito, what discrete SGD obeys), 1/2 (Stratonovich) or 0 (isothermal, the paper's) and the
    learning rate lr C^-q. For SGD, q = 0, it is ``2 pi gamma M |H_be|^(p-1)/H_ae^p``; at q = 1/2 the noise is additive
    and p drops out. Corrections vanish slowly: for numbers use `theory.first_passage_time`.

    1. In dynamical time drift is ``L' C^-q/(gamma M)`` and diffusion ``D = lr C^(1-2q)/(2 (gamma M)^2)``. The exact
       mean is ``int e^psi D^(p-1) int e^-psi D^-p`` with ``psi = (2 gamma M/lr) int L' C^(q-1)``.
    2. Each integral is a Gaussian's: over the well ``D_a^-p sqrt(2 pi/psi_a'')``, over the saddle
       ``D_b^(p-1) sqrt(2 pi/|psi_b''|)`` (half of it up to the saddle), with ``|psi''| = 2 gamma M |H| C^(q-1)/lr``.
    3. With C = |H|/B all powers of lr, and all but one of gamma M, cancel.

    Parameters
    ----------
    barrier, hessian_minimum, hessian_saddle, lr, batch_size, split, clock
        As in `momentum_escape_time`.
    convention
        "ito", "stratonovich" or "isothermal".
    arrival
        "beyond" the saddle, where no path returns, or first passage "at saddle".
    friction, power
        As in `escape_exponent`.

    Returns
    -------
    numpy.ndarray
        Mean time; inf beyond the range of float64.

    Raises
    ------
    ValueError
        If an argument is out of range or a name unknown.
    """
    h_a, h_b = checks.positive("hessian_minimum", hessian_minimum), checks.positive("hessian_saddle", hessian_saddle)
    p = CONVENTIONS[checks.choice("convention", convention, CONVENTIONS)]
    half = {"beyond": 1.0, "at saddle": 0.5}
    share = half[checks.choice("arrival", arrival, half)]
    exponent = escape_exponent(
        barrier=barrier,
        hessian_minimum=h_a,
        hessian_saddle=h_b,
        lr=lr,
        batch_size=batch_size,
        split=split,
        friction=friction,
        power=power,
    )
    q = np.asarray(power, float)
    at_saddle, at_minimum = (p - 1) * (1 - 2 * q) - q / 2, p * (1 - 2 * q) + q / 2  # powers of the curvatures
    prefactor = share * 2 * np.pi * np.asarray(friction, float) * h_b**at_saddle / h_a**at_minimum
    prefactor = prefactor / np.asarray(batch_size, float) ** q
    return _in_clock(prefactor, exponent, lr, clock)


def _in_clock(prefactor: ArrayLike, exponent: Array, lr: ArrayLike, clock: str) -> Array:
    """A time in dynamical units, or in iterations of lr each."""
    checks.choice("clock", clock, ("dynamical", "iteration"))
    with np.errstate(over="ignore"):
        time = np.exp(exponent) * prefactor
    return np.asarray(time if clock == "dynamical" else time / np.asarray(lr, float))


def _share(split: ArrayLike) -> Array:
    share = checks.finite("split", split)
    if np.any((share < 0) | (share > 1)):
        raise ValueError(f"split = {split!r} must lie in [0, 1]")
    return share
