"""Convergence of adaptive inertia: the bound of Theorem 4, and the lemmas that it rests on.

The statements of Lemmas 2 to 4 are what the proof of Theorem 4 needs for its constants; the paper's text has lost them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks

Array = NDArray[np.float64]


class Weights(NamedTuple):
    """Lemma 1, term by term: ``lower <= total = identity <= 1``; each has inertias' shape without its first axis."""

    lower: Array
    total: Array
    identity: Array


def convergence_bound(
    iterations: ArrayLike,
    *,
    loss_gap: ArrayLike,
    smoothness: ArrayLike,
    gradient_bound: ArrayLike,
    noise_variance: ArrayLike,
    largest_inertia: ArrayLike,
    lr: ArrayLike,
) -> Array:
    """Upper bound of ``min_k E|grad L(theta_k)|^2`` over the first T iterations, Theorem 4: ``(C1 + C2 + C3)/sqrt(T)``.

    With beta the largest inertia and S = G^2 + delta^2, ``C1 = (L(0)-L*)/((1-beta) c)``,
    ``C2 = beta Lsm c S/(1-beta)^2`` and ``C3 = Lsm c S/(2 (1-beta))``. It holds where the inertias are independent of
    the gradient noise, and can fail for Adai's own, which are not.

    1. Smoothness: ``L_(t+1) <= L_t - eta <grad L_t, m_t> + (Lsm eta^2/2) |m_t|^2``, and ``E|m_t|^2 <= S`` by Lemma 1.
    2. ``<grad L_t, m_t>`` is ``(1-beta_t) |grad L_t|^2`` on average, plus beta_t times its value at t-1 up to
       ``Lsm eta |m_(t-1)|^2``.
    3. Unrolled, summed over T iterations, and divided by ``(1-beta) eta T`` at eta = c/sqrt(T), this is the bound.

    Parameters
    ----------
    iterations
        T, the t + 1 of the paper, above 0. All arguments broadcast.
    loss_gap
        L at the start minus the infimum L* of L.
    smoothness
        Lsm, the Lipschitz constant of grad L.
    gradient_bound
        G, an upper bound of |grad L|.
    noise_variance
        delta^2, an upper bound of the mean square of the norm of the gradient noise. Where coordinates differ
        in inertia, G^2 + delta^2 has to be at least the sum over coordinates of the largest mean square of
        their noisy gradient.
    largest_inertia
        Upper bound of every inertia, in [0, 1).
    lr
        c in the learning rate c/sqrt(T), which is the same for all T iterations.

    Returns
    -------
    numpy.ndarray
        Bound in units of |grad L|^2.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    total, gap = checks.positive("iterations", iterations), checks.nonnegative("loss_gap", loss_gap)
    smooth, c = checks.positive("smoothness", smoothness), checks.positive("lr", lr)
    square = checks.nonnegative("gradient_bound", gradient_bound) ** 2 + checks.nonnegative(
        "noise_variance", noise_variance
    )
    beta = checks.fraction("largest_inertia", largest_inertia)
    c1 = gap / ((1 - beta) * c)
    c2 = beta * smooth * c * square / (1 - beta) ** 2
    c3 = smooth * c * square / (2 * (1 - beta))
    return np.asarray((c1 + c2 + c3) / np.sqrt(total))


def lemma_1(inertias: ArrayLike) -> Weights:
    """Sum of the weights of all gradients in the momentum, Lemma 1: from ``1 - (max_k beta_k)^T`` to 1.

    ``sum_k (1-beta_k) prod_(j>k) beta_j`` telescopes, each term being ``prod_(j>k) beta_j - prod_(j>=k) beta_j``: it is
    ``1 - prod_j beta_j``.

    Parameters
    ----------
    inertias
        beta_0 to beta_t along the first axis, in [0, 1); at least one.

    Returns
    -------
    Weights
        The lower bound ``1 - (max_k beta_k)^T``, the sum as it is written, and ``1 - prod beta``.

    Raises
    ------
    ValueError
        If an inertia is outside [0, 1), or there is none.
    """
    beta = np.atleast_1d(checks.fraction("inertias", inertias))
    if len(beta) == 0:
        raise ValueError(f"inertias = {inertias!r} is empty; give at least one")
    after = np.ones_like(beta)  # prod over j > k
    after[:-1] = np.cumprod(beta[:0:-1], axis=0)[::-1]
    return Weights(
        np.asarray(1 - beta.max(axis=0) ** len(beta)),
        np.asarray(np.sum((1 - beta) * after, axis=0)),
        np.asarray(1 - np.prod(beta, axis=0)),
    )


def lemma_2(*, gradient_bound: ArrayLike, noise_variance: ArrayLike) -> Array:
    """Upper bound of ``E|m_t|^2``, from which Lemma 2's descent follows by smoothness: ``G^2 + delta^2``.

    m_t is a mean of gradients, by Lemma 1 with weights that sum to at most 1; Cauchy and Schwarz do the rest.
    Parameters and errors are those of `convergence_bound`.
    """
    bound = checks.nonnegative("gradient_bound", gradient_bound)
    return np.asarray(bound**2 + checks.nonnegative("noise_variance", noise_variance))


def lemma_3(largest_inertia: ArrayLike) -> Array:
    """Upper bound of the mean age of the gradients in the momentum: ``beta/(1-beta)``.

    The age is ``sum_k (t-k) (1-beta_k) prod_(j>k) beta_j``. With p_i the product of the last i inertias that is
    ``sum_i (p_i - p_(t+1))``, at most ``sum_i beta^i``.
    """
    beta = checks.fraction("largest_inertia", largest_inertia)
    return np.asarray(beta / (1 - beta))


def lemma_4(
    *,
    square_gradient: ArrayLike,
    smoothness: ArrayLike,
    gradient_bound: ArrayLike,
    noise_variance: ArrayLike,
    largest_inertia: ArrayLike,
    step: ArrayLike,
) -> Array:
    """Upper bound of ``-E<grad L_t, m_t>``, Lemma 4: ``-(1-beta) E|grad L_t|^2 + eta Lsm (G^2+delta^2) beta/(1-beta)``.

    A gradient of age a differs from grad L_t by at most ``Lsm eta`` times a momenta, ages are Lemma 3's, and weights
    sum to at least 1 - beta.

    Parameters
    ----------
    square_gradient
        ``E|grad L_t|^2``.
    smoothness, gradient_bound, noise_variance, largest_inertia
        As in `convergence_bound`.
    step
        The learning rate eta of an iteration.
    """
    beta = checks.fraction("largest_inertia", largest_inertia)
    square = lemma_2(gradient_bound=gradient_bound, noise_variance=noise_variance)
    moved = checks.nonnegative("step", step) * checks.positive("smoothness", smoothness) * square * lemma_3(beta)
    return np.asarray(moved - (1 - beta) * checks.nonnegative("square_gradient", square_gradient))
