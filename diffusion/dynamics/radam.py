"""RAdam: Adam whose first steps do not adapt, and whose next are small."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion.dynamics.decay import coupled
from diffusion.dynamics.moments import divided, moments
from diffusion.dynamics.rule import Dynamics, check_adaptive
from diffusion.dynamics.update import Update

if TYPE_CHECKING:
    import torch


def rectification(t: Any, powers: Any, p: Any) -> Any:
    """``(1 - beta1^t, r_t sqrt(1 - beta2^t))``, the second 0 as long as the step does not adapt."""
    weight = 1.0 - powers[1]
    most = 2.0 / (1.0 - p[2]) - 1.0
    rho = most - 2.0 * t * powers[1] / weight
    adapts = rho > 5.0
    ratio = (rho - 4.0) * (rho - 2.0) * most / ((most - 4.0) * (most - 2.0) * rho) if adapts else 0.0
    return 1.0 - powers[0], np.sqrt(ratio * weight)


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """Algorithm 2 of Liu et al. (2020); slots are (m, v), p is (lr, beta1, beta2, eps)."""
    lr, beta1, beta2, eps = p
    weight, rectified = shared
    m, v = moments(g, g, slots[0], slots[1], beta1, beta2)
    adapted = rectified * divided(m, np.sqrt(v) + eps)
    return theta - lr / weight * (adapted if rectified > 0.0 else m), m, v


@dataclass(frozen=True, repr=False)
class RAdam(Dynamics):
    """RAdam (Liu et al. 2020) in torch's form: EMA momentum while rho_t <= 5, then Adam's step times r_t, rising to 1.

    ``rho_t = rho_inf - 2 t beta2^t/(1 - beta2^t)``, ``rho_inf = 2/(1 - beta2) - 1``: at beta2 = 0.999 five steps do not
    adapt, below beta2 = 2/3 none does. In the paper the threshold is 4, so that at beta2 = 0.999 step 5 adapts too. eps
    is added to the root of the uncorrected v. The authors' code decouples the decay.

    Parameters
    ----------
    lr, beta1, beta2, eps
        As for `Adam`. With eps = 0 a coordinate rests until a gradient differs from 0 there; torch gives NaN.
    second_moment
        "running": it has no idealized rule.
    weight_decay
        Coefficient of theta added to the gradient.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    second_moment: str = field(default="running", repr=False)
    weight_decay: float = field(default=0.0, repr=False)

    no_sde = "as its first ones, which do not adapt, are no small steps"

    def __post_init__(self) -> None:
        check_adaptive(self)

    @property
    def update(self) -> Update:
        """The optimizer as shipped."""
        p, betas = (self.lr, self.beta1, self.beta2, self.eps), (self.beta1, self.beta2)
        return coupled(Update(step, p, slots=(0.0, 0.0), betas=betas, shared=rectification), self.weight_decay)

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """``torch.optim.RAdam``."""
        import torch

        return torch.optim.RAdam(params, self.lr, (self.beta1, self.beta2), self.eps, self.weight_decay)
