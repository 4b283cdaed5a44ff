"""AdaBound: Adam that turns into SGD with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion import checks
from diffusion.dynamics.decay import coupled, refuse_coupled
from diffusion.dynamics.moments import moments
from diffusion.dynamics.rule import Dynamics, check_adaptive
from diffusion.dynamics.update import Update, kept

if TYPE_CHECKING:
    import torch


def bounds(t: Any, powers: Any, p: Any) -> Any:
    """``lr sqrt(1 - beta2^t)/(1 - beta1^t)`` and the lower and upper bound of the learning rate."""
    lr, _, _, _, final_lr, gamma = p
    corrected = lr * np.sqrt(1.0 - powers[1]) / (1.0 - powers[0])
    return corrected, final_lr * (1.0 - 1.0 / (gamma * t + 1.0)), final_lr * (1.0 + 1.0 / (gamma * t))


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """One iteration; slots are (m, v), p is (lr, beta1, beta2, eps, final_lr, gamma)."""
    return substep(theta, g, g, slots, shared, p)


def substep(theta: Any, g: Any, rms: Any, slots: Any, shared: Any, p: Any) -> Any:
    """The same where v takes another size of g than m, as in `diffusion.dynamics.adam.substep`."""
    corrected, lower, upper = shared
    m, v = moments(g, rms, slots[0], slots[1], p[1], p[2])
    root = np.sqrt(v) + p[3]
    rate = upper if root == 0.0 else np.minimum(np.maximum(corrected / root, lower), upper)
    return theta - rate * m, m, v


@dataclass(frozen=True, repr=False)
class AdaBound(Dynamics):
    """AdaBound (Luo et al. 2019) as in its authors' code: Adam's learning rate, clipped; the bounds meet at final_lr.

    They are ``final_lr (1 - 1/(gamma t + 1))`` and ``final_lr (1 + 1/(gamma t))``: after t >> 1/gamma it is EMA
    momentum with final_lr. The bias corrections of the code, both of them inside the clip, and its eps are not in the
    paper, whose lr and bounds are divided by sqrt(t).

    Parameters
    ----------
    lr, beta1, beta2, eps
        As for `Adam`; eps is added to the root of the uncorrected v. With eps = 0 a coordinate rests until a gradient
        differs from 0 there. It has no scaling symmetry at eps = 0, as the bounds do not scale.
    final_lr, gamma
        Where the bounds meet, and how fast, per iteration.
    second_moment
        "running": it has no idealized rule.
    weight_decay
        Coefficient of theta added to the gradient.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    final_lr: float = 0.1
    gamma: float = 1e-3
    second_moment: str = field(default="running", repr=False)
    weight_decay: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        check_adaptive(self)
        checks.positive("final_lr", self.final_lr)
        checks.positive("gamma", self.gamma)

    @property
    def update(self) -> Update:
        """The optimizer as shipped."""
        betas = (self.beta1, self.beta2)
        p = (self.lr, *betas, self.eps, self.final_lr, self.gamma)
        return coupled(Update(step, p, slots=(0.0, 0.0), betas=betas, shared=bounds), self.weight_decay)

    @property
    def unsteady(self) -> str:
        """Its bounds."""
        return f"the bounds of its learning rate close over some {1 / self.gamma:.3g} iterations"

    def substep(self, substeps: int) -> Update:
        """At lr/n and final_lr/n, with the betas that n substeps keep and the bounds of the whole iteration."""
        refuse_coupled(self)
        betas = kept(self.beta1, substeps), kept(self.beta2, substeps)
        p = (self.lr / substeps, *betas, self.eps, self.final_lr / substeps, self.gamma)
        return Update(substep, p, slots=(0.0, 0.0), betas=betas, shared=bounds)

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """``pytorch_optimizer.AdaBound``, which has 1e-15 more in the root: the same for gradients far above 1e-7."""
        from pytorch_optimizer import AdaBound as TorchAdaBound

        optimizer: torch.optim.Optimizer = TorchAdaBound(
            params,
            lr=self.lr,
            final_lr=self.final_lr,
            betas=(self.beta1, self.beta2),
            gamma=self.gamma,
            weight_decay=self.weight_decay,
            weight_decouple=False,
            eps=self.eps,
        )
        return optimizer
