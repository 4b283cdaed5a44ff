"""AdamW: Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion.dynamics.adam import corrections
from diffusion.dynamics.decay import check_decay
from diffusion.dynamics.moments import divided, moments
from diffusion.dynamics.rule import (
    OF_THE_RATE,
    Array,
    Dynamics,
    check_adaptive,
    idealized_learning_rate,
    refuse_unshipped,
)
from diffusion.dynamics.update import Update, kept

if TYPE_CHECKING:
    import torch


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """Algorithm 2 of Loshchilov & Hutter (2019); slots are (m, v), p is (lr, beta1, beta2, eps, weight_decay)."""
    return substep(theta, g, g, slots, shared, p)


def substep(theta: Any, g: Any, rms: Any, slots: Any, shared: Any, p: Any) -> Any:
    """The same where v takes another size of g than m, as in `diffusion.dynamics.adam.substep`."""
    lr, beta1, beta2, eps, decay = p
    weight, correction = shared
    m, v = moments(g, rms, slots[0], slots[1], beta1, beta2)
    return theta - lr * decay * theta - lr / weight * divided(m, np.sqrt(v * correction) + eps), m, v


@dataclass(frozen=True, repr=False)
class AdamW(Dynamics):
    """AdamW in torch's form: Adam, and theta shrinks by ``1 - lr weight_decay`` in each step, past m and v.

    Parameters
    ----------
    lr, beta1, beta2, eps
        As for `Adam`. With eps = 0 a coordinate only decays until a gradient differs from 0 there; torch gives NaN.
    weight_decay
        lambda/lr for the paper's lambda. As an SDE it adds the drift -lr weight_decay theta per iteration, which v
        does not scale. The idealized rule is of gradients alone and has no such drift: it needs weight_decay = 0, and
        is then `Adam`'s.
    second_moment
        "running": as shipped; "following" and "frozen" as for `Adam`.

    Raises
    ------
    ValueError
        If a value is out of range, the decay by itself is unstable (lr weight_decay >= 2), or an idealized rule is to
        decay.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.01
    second_moment: str = "running"

    def __post_init__(self) -> None:
        check_adaptive(self, OF_THE_RATE)
        check_decay(self, 2.0)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """beta1 in every direction."""
        return np.full_like(v, self.beta1)

    def learning_rate(self, v: Array) -> Array:
        """``lr / sqrt(v)``, refused where v is 0."""
        return idealized_learning_rate(self, v)

    @property
    def update(self) -> Update | None:
        """The optimizer as shipped."""
        if self.second_moment != "running":
            return None
        p = (self.lr, self.beta1, self.beta2, self.eps, self.weight_decay)
        return Update(step, p, slots=(0.0, 0.0), betas=(self.beta1, self.beta2), shared=corrections)

    def substep(self, substeps: int) -> Update:
        """At lr/n and the betas that n substeps keep."""
        betas = kept(self.beta1, substeps), kept(self.beta2, substeps)
        p = (self.lr / substeps, *betas, self.eps, self.weight_decay)
        return Update(substep, p, slots=(0.0, 0.0), betas=betas, shared=corrections)

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """``torch.optim.AdamW``, of the optimizer as shipped."""
        import torch

        refuse_unshipped(self)
        return torch.optim.AdamW(params, self.lr, (self.beta1, self.beta2), self.eps, self.weight_decay)
