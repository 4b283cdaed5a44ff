"""Adam: adaptive learning rate, constant inertia."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion import checks
from diffusion.dynamics.decay import check_decay, coupled, refuse_coupled
from diffusion.dynamics.moments import moments
from diffusion.dynamics.rule import (
    OF_THE_RATE,
    Array,
    Dynamics,
    adaptive_learning_rate,
    idealized_learning_rate,
    refuse_unshipped,
)
from diffusion.dynamics.update import Update, kept

if TYPE_CHECKING:
    import torch


def corrections(t: Any, powers: Any, p: Any) -> Any:
    """``(1 - beta1^t, 1/(1 - beta2^t))``."""
    return 1.0 - powers[0], 1.0 / (1.0 - powers[1])


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """Algorithm 1 of Kingma & Ba (2015); slots are (m, v), p is (lr, beta1, beta2, eps)."""
    return substep(theta, g, g, slots, shared, p)


def substep(theta: Any, g: Any, rms: Any, slots: Any, shared: Any, p: Any) -> Any:
    """The same where v takes another size of g than m: in a substep of the SDE, where g varies more."""
    lr, beta1, beta2, eps = p
    weight, correction = shared
    m, v = moments(g, rms, slots[0], slots[1], beta1, beta2)
    return theta - adaptive_learning_rate(v * correction, lr, eps) * m / weight, m, v


@dataclass(frozen=True, repr=False)
class Adam(Dynamics):
    """Adam: adaptive learning rate, constant inertia (Algorithm 1).

    Parameters
    ----------
    lr, beta1, beta2, eps
        As in Kingma & Ba (2015). With eps = 0 a coordinate rests until a gradient differs from 0 there; torch gives
        NaN.
    second_moment
        "frozen": v = C at the reference point, the theory's idealization, in which eps and beta2 play no part;
        "following": v = C at the present position, each gradient divided by sqrt(v) as it arrives, as Proposition 2 has
        it; "running": the optimizer as shipped, with its bias corrections.
    weight_decay
        lambda: the gradient is ``g + lambda theta``, in every slot too (coupled), as torch has it. Idealized rules
        refuse it.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    second_moment: str = "frozen"
    weight_decay: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("lr", self.lr)
        checks.fraction("beta1", self.beta1)
        checks.fraction("beta2", self.beta2)
        checks.not_negative("eps", self.eps)
        checks.choice("second_moment", self.second_moment, OF_THE_RATE)
        check_decay(self)

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
        p, betas = (self.lr, self.beta1, self.beta2, self.eps), (self.beta1, self.beta2)
        return coupled(Update(step, p, slots=(0.0, 0.0), betas=betas, shared=corrections), self.weight_decay)

    def substep(self, substeps: int) -> Update:
        """At lr/n and the betas that n substeps keep."""
        refuse_coupled(self)
        betas = kept(self.beta1, substeps), kept(self.beta2, substeps)
        p = (self.lr / substeps, *betas, self.eps)
        return Update(substep, p, slots=(0.0, 0.0), betas=betas, shared=corrections)

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """``torch.optim.Adam``, of the optimizer as shipped."""
        import torch

        refuse_unshipped(self)
        betas = (self.beta1, self.beta2)
        return torch.optim.Adam(params, self.lr, betas, self.eps, self.weight_decay)
