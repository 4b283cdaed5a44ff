"""Exact moments of the recursions that are actually run: the discrete optimizers, and Euler-Maruyama at any substeps.

One iteration at n substeps of size dt = lr/n, for noise variance C and inertia beta > 0 (semi-implicit scheme):
``r <- (1 - a) r - (beta3/n) H x - beta3 sqrt(C/n) xi``, ``x <- x + dt r`` with a = (1 - beta)/n; n = 1 is the
optimizer. For inertia 0 (Euler-Maruyama): ``x <- x - dt H x - dt sqrt(n C) xi``.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks

Array = NDArray[np.float64]
MOST_STEPS = 2.0**53  # beyond this a step count is not exact in float64


def discrete_msd(
    iterations: ArrayLike,
    *,
    hessian: ArrayLike,
    noise_variance: ArrayLike,
    lr: ArrayLike,
    inertia: ArrayLike,
    gradient_weight: ArrayLike,
    substeps: int | ArrayLike = 1,
    start: str = "rest",
) -> Array:
    """Exact MSD of the recursion, by repeated doubling of ``S <- A S A^T + q q^T``.

    Parameters
    ----------
    iterations
        Number of iterations, whole numbers. All arguments but substeps broadcast.
    hessian
        Eigenvalue H of the Hessian.
    noise_variance
        Variance C of one minibatch gradient along the eigenvector.
    lr, inertia, gradient_weight
        The rule's learning rate eta_i, inertia beta_i and beta3_i (1 for SGD).
    substeps
        Substeps per iteration: one number, or one for each iteration (graded).
    start
        "rest" or "thermal": velocity in the stationary distribution that this recursion has at H = 0.

    Returns
    -------
    numpy.ndarray
        MSD in theta units squared; inf where it is beyond the range of float64.

    Raises
    ------
    ValueError
        If an argument is out of range, or substeps are fewer than iterations.
    """
    thermal = checks.start(start) == "thermal"
    noise, share = _propagate(iterations, hessian, noise_variance, lr, inertia, gradient_weight, substeps)
    return _finite(noise[..., 0, 0] + share[..., 0] ** 2 if thermal else noise[..., 0, 0])


def discrete_drift_msd(
    iterations: ArrayLike,
    *,
    hessian: ArrayLike,
    noise_variance: ArrayLike,
    lr: ArrayLike,
    inertia: ArrayLike,
    gradient_weight: ArrayLike,
    substeps: int | ArrayLike = 1,
) -> Array:
    """Share of the thermal initial velocity in `discrete_msd`: thermal start minus rest. Same parameters and errors."""
    _, share = _propagate(iterations, hessian, noise_variance, lr, inertia, gradient_weight, substeps)
    return _finite(share[..., 0] ** 2)


def discrete_velocity_variance(
    iterations: ArrayLike,
    *,
    hessian: ArrayLike,
    noise_variance: ArrayLike,
    lr: ArrayLike,
    inertia: ArrayLike,
    gradient_weight: ArrayLike,
    substeps: int | ArrayLike = 1,
    start: str = "rest",
) -> Array:
    """Exact mean square of the velocity, which is the momentum m: ``beta3^2 C/(1 - beta^2)`` when thermal at H = 0.

    Parameters, errors and rounding are those of `discrete_msd`, the inertia being above 0.

    Returns
    -------
    numpy.ndarray
        In velocity units squared, displacement per dynamical time.
    """
    checks.positive("inertia", inertia)
    thermal = checks.start(start) == "thermal"
    noise, share = _propagate(iterations, hessian, noise_variance, lr, inertia, gradient_weight, substeps)
    squares = noise[..., 1, 1] + share[..., 1] ** 2 if thermal else noise[..., 1, 1]
    return _finite(squares / np.asarray(lr, dtype=float) ** 2)


def bias_corrected_msd(
    iterations: ArrayLike, *, hessian: ArrayLike, noise_variance: ArrayLike, lr: ArrayLike, inertia: ArrayLike
) -> Array:
    """Exact MSD from rest of EMA momentum divided by ``1 - beta^t``, as Adam ships it, at a fixed learning rate.

    ``m <- beta m + (1-beta) g``, ``x <- x - lr m/(1 - beta^t)``: the second moments of (x, m), iteration by iteration.
    The first step is a full one, and the first gradients weigh more than the later ones: at H = 0 the MSD is above that
    without momentum.

    Parameters
    ----------
    iterations
        Number of iterations, whole numbers. All arguments broadcast.
    hessian, noise_variance, lr, inertia
        As in `discrete_msd`.

    Returns
    -------
    numpy.ndarray
        MSD in theta units squared.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    wanted = checks.nonnegative("iterations", iterations)
    if np.any(wanted != np.floor(wanted)):
        raise ValueError(f"iterations = {iterations!r} must be whole numbers")
    steps, h, c, eta, beta = np.broadcast_arrays(
        wanted,
        checks.finite("hessian", hessian),
        checks.nonnegative("noise_variance", noise_variance),
        checks.positive("lr", lr),
        checks.fraction("inertia", inertia),
    )
    position, mixed, momentum, msd = (np.zeros(steps.shape) for _ in range(4))
    for t in range(1, int(steps.max(initial=0)) + 1):
        rate = eta / (1 - beta**t)
        momentum = beta**2 * momentum + (1 - beta) * (2 * beta * h * mixed + (1 - beta) * (h**2 * position + c))
        mixed = beta * mixed + (1 - beta) * h * position  # of the old position and the new momentum
        position = position - 2 * rate * mixed + rate**2 * momentum
        mixed = mixed - rate * momentum
        msd = np.where(steps == t, position, msd)
    return msd


def _finite(moments: Array) -> Array:
    """Moments, inf where they left the range of float64."""
    return np.where(np.isfinite(moments), moments, np.inf)


def _propagate(
    iterations: ArrayLike,
    hessian: ArrayLike,
    noise_variance: ArrayLike,
    lr: ArrayLike,
    inertia: ArrayLike,
    gradient_weight: ArrayLike,
    substeps: int | ArrayLike,
) -> tuple[Array, Array]:
    """Covariance of (x, lr r) from rest, and what an initial velocity of one thermal deviation adds to each."""
    wanted = checks.nonnegative("iterations", iterations)
    if np.any(wanted != np.floor(wanted)):
        raise ValueError(f"iterations = {iterations!r} must be whole numbers")
    most = wanted.max(initial=0) * np.max(substeps, initial=1)
    if most > MOST_STEPS:
        raise ValueError(
            f"iterations times substeps = {most:.3g} must be at most {MOST_STEPS:.3g}; use the SDE's exact form"
        )
    steps, h, c, eta, beta, weight = np.broadcast_arrays(
        wanted.astype(np.int64),
        checks.finite("hessian", hessian),
        checks.nonnegative("noise_variance", noise_variance),
        checks.positive("lr", lr),
        checks.fraction("inertia", inertia),
        checks.positive("gradient_weight", gradient_weight),
    )
    schedule = _runs(substeps, int(steps.max(initial=0)))
    shape = steps.shape
    transition = np.broadcast_to(np.eye(2), (*shape, 2, 2)).copy()
    covariance = np.zeros((*shape, 2, 2))
    begin = 0
    with np.errstate(all="ignore"):
        for n, length in schedule:
            here = np.clip(steps - begin, 0, length) * n
            moved, noise = power(here, *substep(h, c, eta, beta, weight, n))
            covariance = moved @ covariance @ np.swapaxes(moved, -1, -2) + noise
            transition = moved @ transition
            begin += length
        first = schedule[0][0]
        a = (1 - beta) / first
        velocity = np.where(beta > 0, eta * weight * np.sqrt(c / first / (a * (2 - a))), 0.0)
        return covariance, np.asarray(velocity[..., None] * transition[..., :, 1])


def _runs(substeps: int | ArrayLike, iterations: int) -> list[tuple[int, int]]:
    """The schedule as (substeps, number of iterations) runs."""
    per_iteration = np.asarray(substeps)
    if not np.issubdtype(per_iteration.dtype, np.integer) or per_iteration.ndim > 1 or np.any(per_iteration < 1):
        raise ValueError(f"substeps = {substeps!r} must be a whole number >= 1, or one such number for each iteration")
    if per_iteration.ndim == 0:
        return [(int(per_iteration), max(iterations, 1))]
    if len(per_iteration) < iterations:
        raise ValueError(f"substeps has {len(per_iteration)} entries for {iterations} iterations; give one for each")
    return [(int(n), len(list(group))) for n, group in groupby(per_iteration)]


def substep(h: Array, c: Array, eta: Array, beta: Array, weight: Array, n: int) -> tuple[Array, Array]:
    """Change of the state (x, lr r) in one of n substeps: N = A - 1 and the noise's covariance, both (..., 2, 2).

    Keeping N apart from 1 keeps small rates accurate; lr r is a length, so neither entry overflows before the other.
    """
    dt, a, b = eta / n, (1 - beta) / n, eta * weight * h / n
    inert = beta > 0
    n_matrix = np.empty((*h.shape, 2, 2))
    n_matrix[..., 0, 0] = np.where(inert, -b / n, -dt * h)
    n_matrix[..., 0, 1] = np.where(inert, (1 - a) / n, 0.0)
    n_matrix[..., 1, 0] = np.where(inert, -b, 0.0)
    n_matrix[..., 1, 1] = np.where(inert, -a, -1.0)
    kick = np.where(inert, eta * weight, 0.0) * np.sqrt(c / n)
    q = np.stack([np.where(inert, kick / n, dt * np.sqrt(n * c)), kick], axis=-1)
    return n_matrix, q[..., :, None] * q[..., None, :]


def power(steps: NDArray[np.int64], n_matrix: Array, noise: Array) -> tuple[Array, Array]:
    """A^k = (1 + N)^k and the noise gathered over k steps, elementwise in k, doubling: S_2k = S_k + A^k S_k (A^k)^T."""
    identity = np.eye(2)
    a, total_a, total_s = identity + n_matrix, np.broadcast_to(identity, n_matrix.shape).copy(), np.zeros_like(noise)
    remaining = steps.copy()
    while np.any(remaining):
        odd = (remaining & 1).astype(bool)[..., None, None]
        total_s = np.where(odd, total_s + total_a @ noise @ np.swapaxes(total_a, -1, -2), total_s)
        total_a = np.where(odd, total_a @ a, total_a)
        remaining >>= 1
        noise = noise + a @ noise @ np.swapaxes(a, -1, -2)
        n_matrix = 2 * n_matrix + n_matrix @ n_matrix
        # 1 + N is accurate while A is near 1, A A once every mode has decayed.
        decayed = np.abs(np.einsum("...ii->...i", a)).max(axis=-1)[..., None, None] < 0.5
        a = np.where(decayed, a @ a, identity + n_matrix)
    return total_a, total_s
