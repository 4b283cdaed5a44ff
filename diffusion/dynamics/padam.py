"""Padam: Adam with any power of the second moment, between SGD's and Adam's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffusion.dynamics.amsgrad import GROWS
from diffusion.dynamics.decay import coupled, refuse_coupled
from diffusion.dynamics.elementary import power
from diffusion.dynamics.moments import moments
from diffusion.dynamics.rule import OF_THE_RATE, Array, Dynamics, check_adaptive, idealized_learning_rate
from diffusion.dynamics.update import Update, kept


def correction(t: Any, powers: Any, p: Any) -> Any:
    """``lr sqrt(1 - beta2^t)/(1 - beta1^t)``, alone in a tuple."""
    return (p[0] * np.sqrt(1.0 - powers[1]) / (1.0 - powers[0]),)


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """One iteration; slots are (m, v, largest v), p is (lr, beta1, beta2, eps, 2 partial)."""
    return substep(theta, g, g, slots, shared, p)


def substep(theta: Any, g: Any, rms: Any, slots: Any, shared: Any, p: Any) -> Any:
    """The same where v takes another size of g than m, as in `diffusion.dynamics.adam.substep`."""
    m, v = moments(g, rms, slots[0], slots[1], p[1], p[2])
    largest = np.maximum(slots[2], v)
    root = np.sqrt(largest) + p[3]
    return theta - (0.0 if root == 0.0 else shared[0] * m / power(root, p[4])), m, v, largest


@dataclass(frozen=True, repr=False)
class Padam(Dynamics):
    """Padam (Chen & Gu 2018): the gradient's mean over v^partial, v the largest second moment so far, as in `AMSGrad`.

    As in its authors' code: ``theta <- theta - lr sqrt(1 - beta2^t)/(1 - beta1^t) m/(sqrt(v) + eps)^(2 partial)``. The
    paper has neither the corrections, of which that of v fits partial = 1/2 alone, nor eps. It has no torch
    counterpart: `pytorch_optimizer.PAdam` is the same but takes the present v, not the largest.

    Parameters
    ----------
    lr, beta1, beta2, eps
        As for `Adam`. With eps = 0 a coordinate rests until a gradient differs from 0 there.
    partial
        Power of v, in (0, 1/2]; at 1/2 it is AMSGrad.
    second_moment
        "running": as shipped; "frozen" and "following" as for `Adam`, with the learning rate lr/C^partial: there is no
        maximum then, and weight_decay must be 0.
    weight_decay
        Coefficient of theta added to the gradient.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    partial: float = 0.125
    second_moment: str = "running"
    weight_decay: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        check_adaptive(self, OF_THE_RATE)
        if not 0 < self.partial <= 0.5:
            raise ValueError(f"partial = {self.partial!r} must lie in (0, 0.5]; for 0 use Momentum")

    @property
    def exponent(self) -> float:  # type: ignore[override]
        """partial."""
        return self.partial

    def inertia(self, v: Array, mean_v: float) -> Array:
        """beta1 in every direction."""
        return np.full_like(v, self.beta1)

    def learning_rate(self, v: Array) -> Array:
        """``lr / v^partial``, refused where v is 0."""
        return idealized_learning_rate(self, v)

    @property
    def update(self) -> Update | None:
        """The optimizer as shipped."""
        if self.second_moment != "running":
            return None
        betas = (self.beta1, self.beta2)
        p = (self.lr, *betas, self.eps, 2 * self.partial)
        return coupled(Update(step, p, slots=(0.0, 0.0, 0.0), betas=betas, shared=correction), self.weight_decay)

    @property
    def unsteady(self) -> str:
        """The maximum, where there is one."""
        return GROWS if self.second_moment == "running" else ""

    def substep(self, substeps: int) -> Update:
        """At lr/n and the betas that n substeps keep."""
        refuse_coupled(self)
        betas = kept(self.beta1, substeps), kept(self.beta2, substeps)
        p = (self.lr / substeps, *betas, self.eps, 2 * self.partial)
        return Update(substep, p, slots=(0.0, 0.0, 0.0), betas=betas, shared=correction)
