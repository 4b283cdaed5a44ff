"""Schemes for the SDE, and the law of their increments: what for, what they refuse, and the numbers of the kernels.

Beside the Euler scheme, which at one substep is the optimizer itself, there is one recursion. Of the splitting methods
of Leimkuhler and Matthews it is BAOAB, begun at a kick ("B"), so that it needs one gradient a step: a kick, half a step
of position ("A"), the exact Ornstein-Uhlenbeck part of the momentum ("O"), half a step of position. Without inertia
nothing is kept of the momentum, and what is left is their scheme for Brownian dynamics: each step moves by the mean of
two neighbouring draws.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion import checks
from diffusion.dynamics import Dynamics, Rule
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel, refuse_other_laws

SCHEMES = ("euler", "baoab", "leimkuhler-matthews")
INCREMENTS = ("normal", "three-point")
FINE = 10**6  # substeps

Array = NDArray[np.float64]


def stride_of(substeps: Any, scheme: str) -> int:
    """Iterations in a step: k where `substeps` is 1/k, else 1.

    Raises
    ------
    ValueError
        If it is another share of 1, or the scheme is Euler's, of which a step is no longer than an iteration.
    """
    share = checks.plain(substeps)
    if not isinstance(share, Real) or not 0 < float(share) < 1:
        return 1
    k = round(1 / float(share))
    if scheme == "euler":
        raise ValueError(
            f"substeps = {substeps!r} must be a whole number >= 1: scheme = 'euler' takes an iteration or parts of it; "
            "use scheme='baoab' with inertia, 'leimkuhler-matthews' without"
        )
    if abs(k * float(share) - 1) > 1e-9:
        raise ValueError(f"substeps = {substeps!r} must be 1/k for a step of k iterations, as {1 / k:.6g}")
    return k


def check_scheme(
    scheme: str, increments: str, dynamics: Dynamics, landscape: Landscape, noise: NoiseModel, substeps: Any
) -> None:
    """Refuse schemes, and laws of their increments, for what they are not made for.

    Raises
    ------
    ValueError
        The message names the parameter, the value and the remedy.
    """
    checks.choice("scheme", scheme, SCHEMES)
    checks.choice("increments", increments, INCREMENTS)
    if increments != "normal":
        refuse_other_laws(noise, f"increments = {increments!r}")
        if scheme == "euler" and np.min(substeps) == 1:
            raise ValueError(
                f"increments = {increments!r}: one step of scheme = 'euler' is one iteration, whose noise is a "
                "minibatch's; use more substeps or another scheme for the SDE, or a law of the noise, such as "
                "Empirical(values)"
            )
    if scheme == "euler":
        return
    named = f"scheme = {scheme!r}"
    refuse_other_laws(noise, named)
    if np.ndim(substeps):
        raise ValueError(f"{named} takes equal steps, and substeps has one number for each iteration; give one for all")
    if dynamics.update is not None or dynamics.second_moment == "running":
        raise ValueError(
            f"{named} is of the SDE of an idealized rule, and {dynamics!r} runs as shipped; use scheme='euler', or "
            "second_moment='frozen' without weight decay"
        )
    inert = dynamics.rule(noise.variance_along(landscape)).inertia > 0
    if scheme == "baoab" and not inert.all():
        raise ValueError(
            f"{named} needs inertia in every direction, and {dynamics!r} has none in direction "
            f"{int(np.argmin(inert))}; use scheme='{'euler' if inert.any() else 'leimkuhler-matthews'}'"
        )
    if scheme == "leimkuhler-matthews" and inert.any():
        raise ValueError(f"{named} is for dynamics without inertia, and {dynamics!r} has inertia; use scheme='baoab'")
    if scheme == "leimkuhler-matthews" and not _additive(dynamics, landscape, noise):
        raise ValueError(
            f"{named} needs noise that is the same everywhere, and {noise!r} may depend on the position; use "
            "scheme='euler' or IsotropicNoise(variance), HessianNoise(batch_size) or Noise(number)"
        )


def _additive(dynamics: Dynamics, landscape: Landscape, noise: NoiseModel) -> bool:
    """Whether the noise is the same everywhere: by itself, or because each gradient is divided by its deviation."""
    if landscape.formulas.coupled:
        return noise.field(landscape) is None
    return noise.deviation(landscape).constant or dynamics.follows == 0.5


def stability_bound(scheme: str, rule: Rule, n: float) -> Array:
    """Largest ``eta_i H_i`` at which a step, one of n in an iteration, does not overshoot ever further."""
    if scheme == "euler":
        return rule.stability_bound(int(n))
    return np.where(rule.inertia > 0, 4.0 * n * n, 2.0 * n) / rule.gradient_weight


def overshooting(scheme: str, substeps: float) -> float:
    """Of how many substeps an Euler scheme overshoots as this one does: the others do not, to their order."""
    return substeps if scheme == "euler" else FINE


def coefficients(scheme: str, rule: Rule, n: float) -> tuple[Array, Array, Array, Array]:
    """(keep, force, share, step) of one of n equal steps of an iteration: of Euler's those of `Rule.coefficients`.

    Of the others those of ``m <- m + force grad L``, ``theta <- theta - step m``, ``m <- keep m + share sqrt(C) xi``,
    ``theta <- theta - step m``.
    """
    if scheme == "euler":
        return rule.coefficients(int(n))
    weight, lr = rule.gradient_weight, rule.learning_rate
    if scheme == "baoab":
        forgotten = (1 - rule.inertia) / n
        share = weight * np.sqrt(-np.expm1(-2 * forgotten) / (2 * (1 - rule.inertia)))
        return np.exp(-forgotten), weight / n, share, lr / (2 * n)
    return np.zeros_like(lr), lr * weight / n, lr * weight / (2 * np.sqrt(n)), np.ones_like(lr)


def first_momentum(force: Array, pull: Array) -> Array:
    """What BAOAB's slot for the momentum holds at a start at rest where the gradient is `pull`, all of shape (d,).

    A step begins and ends with half a kick; here both are made at once, which is half a kick too many in the first.
    """
    return -force / 2 * pull


def first_deviation(scheme: str, keep: Array, share: Array, variance: Array) -> Array:
    """Standard deviation of what the momentum's slot holds at first, shape (d,).

    With inertia that of the stationary state of the recursion without a gradient. Without inertia the slot holds half
    a draw of a step before the first: it is taken ``sqrt(3)`` as wide, so that a free walk has the right variance
    after every step.
    """
    if scheme == "leimkuhler-matthews":
        return np.sqrt(3 * variance) * share
    return np.where(keep > 0, share * np.sqrt(variance / (1 - keep**2)), 0.0)


def first_mixing(scheme: str, keep: Array, share: Array, mixing: Array) -> Array:
    """Matrix (d, d) that does so to normals, for the noise of `mixing`; both along the directions of the rule."""
    share = np.where(keep > 0, share, 0.0) if scheme != "leimkuhler-matthews" else np.sqrt(3.0) * share
    values, vectors = np.linalg.eigh(np.outer(share, share) * (mixing @ mixing.T) / (1 - np.outer(keep, keep)))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T)
