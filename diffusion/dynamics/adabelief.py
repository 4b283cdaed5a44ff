"""AdaBelief: Adam, whose second moment is that of the gradient about its running mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion.dynamics.adam import corrections
from diffusion.dynamics.decay import coupled
from diffusion.dynamics.moments import divided
from diffusion.dynamics.rule import (
    OF_THE_RATE,
    Array,
    Dynamics,
    check_adaptive,
    idealized_learning_rate,
    refuse_unshipped,
)
from diffusion.dynamics.update import Update

if TYPE_CHECKING:
    import torch


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """Algorithm 2 of Zhuang et al. (2020); slots are (m, s), p is (lr, beta1, beta2, eps)."""
    lr, beta1, beta2, eps = p
    weight, correction = shared
    m = beta1 * slots[0] + (1.0 - beta1) * g
    s = beta2 * slots[1] + (1.0 - beta2) * (g - m) * (g - m) + eps
    return theta - lr / weight * divided(m, np.sqrt(s * correction) + eps), m, s


@dataclass(frozen=True, repr=False)
class AdaBelief(Dynamics):
    """AdaBelief (Zhuang et al., NeurIPS 2020): the belief in a gradient is how near it is to the mean of those before.

    ``s <- beta2 s + (1 - beta2) (g - m)^2 + eps`` about an m that includes g, and, with Adam's corrections,
    ``theta <- theta - lr m/(sqrt(s) + eps)``: eps is in the slot, where it adds up to ``eps/(1 - beta2)``, and outside
    of the root.

    Parameters
    ----------
    lr, beta2
        As for `Adam`.
    beta1
        Inertia, in (0, 1): at 0 m is g itself, and s = 0.
    eps
        0 or above. With 0 a coordinate rests until a gradient differs from 0 there; torch gives NaN.
    second_moment
        "running": the optimizer as shipped; "frozen" and "following": as for `Adam`, but s rests at `level` times the
        noise variance C.
    weight_decay
        lambda: the gradient is ``g + lambda theta``, in m and s too. Idealized rules refuse it. The authors' code since
        its version 0.1 shrinks theta instead, unless told otherwise, and rectifies as `RAdam`; the paper does neither.

    Notes
    -----
    `torch_optimizer` is ``AdaBelief`` of pytorch_optimizer, with its ``weight_decouple`` off.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-16
    second_moment: str = "running"
    weight_decay: float = field(default=0.0, repr=False)

    no_sde = "as its s is that of gradients about m, not of gradients"

    def __post_init__(self) -> None:
        check_adaptive(self, OF_THE_RATE)
        if self.beta1 == 0:
            raise ValueError("beta1 = 0 makes m the gradient itself, and so s = 0; give beta1 above 0, or use RMSprop")

    @property
    def level(self) -> float:
        """s/C at rest for beta2 near 1: ``g - m`` is beta1 times g less the m before it."""
        return 2 * self.beta1**2 / (1 + self.beta1)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """beta1 in every direction."""
        return np.full_like(v, self.beta1)

    def learning_rate(self, v: Array) -> Array:
        """``lr/sqrt(level v)`` for the noise variance v, refused where it is 0."""
        return idealized_learning_rate(self, self.level * v)

    @property
    def update(self) -> Update | None:
        """The optimizer as its authors have it."""
        if self.second_moment != "running":
            return None
        p, betas = (self.lr, self.beta1, self.beta2, self.eps), (self.beta1, self.beta2)
        return coupled(Update(step, p, slots=(0.0, 0.0), betas=betas, shared=corrections), self.weight_decay)

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """``pytorch_optimizer.AdaBelief``, of the optimizer as shipped."""
        import pytorch_optimizer

        refuse_unshipped(self)
        made: torch.optim.Optimizer = pytorch_optimizer.AdaBelief(
            params, self.lr, (self.beta1, self.beta2), self.weight_decay, weight_decouple=False, eps=self.eps
        )
        return made
