"""Equilibrium: variances of position and velocity as the paper has them, and the optimizer's own, for finite steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks

Array = NDArray[np.float64]


def stationary_variance(
    *, hessian: ArrayLike, noise_variance: ArrayLike, lr: ArrayLike, inertia: ArrayLike, gradient_weight: ArrayLike
) -> Array:
    """Variance of the SDE at a minimum, ``D/(gamma M H)``: after Theorem 1 for SGD, Equation 36 with inertia.

    With D = lr C/2 and gamma M = (1-beta)/beta3 it is ``lr beta3 C/(2 (1-beta) H)``, whatever the mass.

    Parameters
    ----------
    hessian
        Eigenvalue H, above 0. All arguments broadcast.
    noise_variance
        Variance C of one minibatch gradient along the eigenvector.
    lr, inertia, gradient_weight
        The rule's learning rate, inertia beta and beta3 (1 for SGD and the heavy ball, 1 - beta in EMA style).

    Returns
    -------
    numpy.ndarray
        Variance in theta units squared.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    h, c, step, beta = _arguments(hessian, noise_variance, lr, inertia, gradient_weight)
    return np.asarray(step * c / (2 * (1 - beta) * h))


def equilibrium_velocity_variance(*, diffusion: ArrayLike, mass: ArrayLike, damping: ArrayLike) -> Array:
    """Mean square velocity in equilibrium, ``D/(gamma M^2)``: Step I of A.2, Equation 25, at minimum and saddle alike.

    It is the temperature D/(gamma M) over the mass. What the velocity does is `theory.momentum_velocity_variance`.

    Parameters
    ----------
    diffusion, mass, damping
        D, M and gamma of Equation 7. They broadcast.

    Returns
    -------
    numpy.ndarray
        In velocity units squared, displacement per dynamical time.

    Raises
    ------
    ValueError
        If an argument is not finite, diffusion negative, or mass or damping not above 0.
    """
    m, g = checks.positive("mass", mass), checks.positive("damping", damping)
    return np.asarray(checks.nonnegative("diffusion", diffusion) / (g * m * m))


def discrete_stationary_variance(
    *, hessian: ArrayLike, noise_variance: ArrayLike, lr: ArrayLike, inertia: ArrayLike, gradient_weight: ArrayLike
) -> Array:
    """Variance of the optimizer itself, derived in docs/theory/recursion.md.

    It is ``(eta C/H)(1+beta)/{(1-beta) [2(1+beta) - eta H]}`` with eta = lr beta3. Parameters and unit are those of
    `stationary_variance`.

    Raises
    ------
    ValueError
        If an argument is out of range, or the step is unstable: ``lr beta3 H >= 2 (1 + beta)``.
    """
    h, c, step, beta = _arguments(hessian, noise_variance, lr, inertia, gradient_weight)
    room = 2 * (1 + beta) - step * h
    if np.any(room <= 0):
        raise ValueError(f"lr = {lr!r} is unstable at hessian = {hessian!r}; use lr beta3 H below 2 (1 + beta)")
    return np.asarray(step * c / h * (1 + beta) / ((1 - beta) * room))


def _arguments(
    hessian: ArrayLike, noise_variance: ArrayLike, lr: ArrayLike, inertia: ArrayLike, gradient_weight: ArrayLike
) -> tuple[Array, Array, Array, Array]:
    step = checks.positive("lr", lr) * checks.positive("gradient_weight", gradient_weight)
    return (
        checks.positive("hessian", hessian),
        checks.nonnegative("noise_variance", noise_variance),
        np.asarray(step),
        checks.fraction("inertia", inertia),
    )
