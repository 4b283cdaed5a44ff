"""Exact mean squared displacement of SGD and Momentum on shuffled epochs, as training loops draw them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks
from theory.recursion import power, substep

Array = NDArray[np.float64]
WHOLE = 1e-9  # how far epochs times batches may be from a whole number of minibatches, relative


def shuffled_msd(
    epochs: ArrayLike,
    *,
    hessian: ArrayLike,
    noise_variance: ArrayLike,
    lr: ArrayLike,
    batches: int,
    inertia: ArrayLike = 0.0,
    gradient_weight: ArrayLike = 1.0,
) -> Array:
    """Exact MSD from a critical point when each epoch is a new order of the same data.

    The deviations of an epoch's E minibatch gradients from the full one, which is 0 at the critical point, sum to 0:
    two of them have the covariance ``-C/(E-1)``. With w_j the displacement that a unit gradient j steps ago has made,
    an epoch adds
    ``C E/(E-1) [sum w^2 - (sum w)^2/E]``, computed as squares of w minus its mean, without cancellation. For SGD in a
    flat direction that is ``(lr H E)^2/12`` of what Theorem 1 says. Inside an epoch the deviations are a bridge, whose
    r draws so far leave ``sum w^2 - (sum w)^2/E`` over those.

    Parameters
    ----------
    epochs
        Number of epochs, 0 or above; a fraction is inside an epoch, after a whole number of minibatches. All arguments
        but batches broadcast.
    hessian
        Eigenvalue H of the Hessian, of all samples' losses alike.
    noise_variance
        Variance C of one minibatch gradient drawn without replacement: ``(N - B)/(N - 1)`` of that with replacement,
        for B of N samples.
    lr, inertia, gradient_weight
        The rule's learning rate eta_i, inertia beta_i and beta3_i, as in `theory.discrete_msd`; from rest.
    batches
        Minibatches an epoch, E, at least 2, all of one size.

    Returns
    -------
    numpy.ndarray
        MSD in theta units squared; inf where it is beyond the range of float64.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    number = checks.number("batches", batches)
    if number < 2 or int(number) != number:
        raise ValueError(f"batches = {batches!r} must be a whole number >= 2; one minibatch of all data has no noise")
    batches = int(number)
    steps = checks.nonnegative("epochs", epochs) * batches
    if np.any(np.abs(steps - np.round(steps)) > WHOLE * np.maximum(steps, 1)) or np.any(steps > 2.0**53):
        raise ValueError(
            f"epochs = {epochs!r} must be whole minibatches, of which an epoch has {batches}, and at most 2**53 of "
            f"them; give multiples of 1/{batches}"
        )
    h, c, eta, beta, weight = np.broadcast_arrays(
        checks.finite("hessian", hessian),
        checks.nonnegative("noise_variance", noise_variance),
        checks.positive("lr", lr),
        checks.fraction("inertia", inertia),
        checks.positive("gradient_weight", gradient_weight),
    )
    whole, rest = np.divmod(np.round(steps).astype(np.int64), batches)
    whole, rest = (np.broadcast_to(count, np.broadcast_shapes(count.shape, h.shape)) for count in (whole, rest))
    with np.errstate(all="ignore"):
        change, noise = substep(h, c * batches / (batches - 1), eta, beta, weight, 1)
        kick = np.sqrt(np.einsum("...ii->...i", noise))  # both of one sign
        grown = _grown(kick, change, batches)
        no_noise = np.zeros_like(change)
        over_epoch, _ = power(np.full(h.shape, batches), change, no_noise)
        identity, shape = np.eye(2), (*whole.shape, 2, 2)
        _, gathered = power(
            whole,
            np.broadcast_to(over_epoch - identity, shape),
            np.broadcast_to(_left(kick, grown, batches), shape),
        )
        inside, _ = power(rest, np.broadcast_to(change, shape), np.broadcast_to(no_noise, shape))
        msd = (inside @ gathered @ np.swapaxes(inside, -1, -2))[..., 0, 0]
        for r in np.unique(rest[rest > 0]):
            msd = msd + np.where(rest == r, _left(kick, grown[:r], batches)[..., 0, 0], 0.0)
    return np.where(np.isfinite(msd), msd, np.inf)


def _grown(kick: Array, change: Array, batches: int) -> Array:
    """``A^j q - q`` for every j below batches, shape (batches, ..., 2), by doubling, which keeps small rates."""
    grown = np.zeros((1, *kick.shape))
    while len(grown) < batches:
        further = grown + np.einsum("...ij,k...j->k...i", change, kick + grown)
        grown, change = np.concatenate([grown, further]), 2 * change + change @ change
    return grown[:batches]


def _left(kick: Array, grown: Array, batches: int) -> Array:
    """Covariance that r draws of an epoch, ``q + grown`` each, have left, shape (..., 2, 2), by positive terms."""
    drawn, middle = len(grown), grown.mean(axis=0)
    apart, mean = grown - middle, kick + middle
    spread = np.einsum("k...i,k...j->...ij", apart, apart)
    return np.asarray(spread + drawn * (1 - drawn / batches) * mean[..., :, None] * mean[..., None, :])
