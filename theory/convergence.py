"""Convergence of adaptive inertia: the bound of Theorem 4, and the sums of Lemma 1 that it rests on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks

Array = NDArray[np.float64]


class Weights(NamedTuple):
    """Lemma 1, term by term: ``lower <= total = identity <= 1``; each has the shape of inertias without the first axis."""

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

    With beta the largest inertia and S = G^2 + delta^2, ``C1 = (L(0)-L*)/((1-beta) c)``, ``C2 = beta Lsm c S/(1-beta)^2`` and
    ``C3 = Lsm c S/(2 (1-beta))``. It holds where the inertias are independent of the gradient noise, and can fail for
    Adai's own, which are not.

    1. Smoothness: ``L_(t+1) <= L_t - eta <grad L_t, m_t> + (Lsm eta^2/2) |m_t|^2``, and ``E|m_t|^2 <= S`` by Lemma 1.
    2. ``<grad L_t, m_t>`` is ``(1-beta_t) |grad L_t|^2`` on average, plus beta_t times its value at t-1 up to ``Lsm eta |m_(t-1)|^2``.
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
        delta^2, an upper bound of the mean square of the norm of the gradient noise. Where coordinates differ in inertia,
        G^2 + delta^2 has to be at least the sum over coordinates of the largest mean square of their noisy gradient.
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
    """Sum of the weights of all gradients in the momentum, Lemma 1: ``1 - bmax^T <= sum_k (1-beta_k) prod_(j>k) beta_j <= 1``.

    The sum telescopes, since each term is ``prod_(j>k) beta_j - prod_(j>=k) beta_j``: it is ``1 - prod_j beta_j``.

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
