"""SGD with momentum: constant inertia."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion import checks
from diffusion.dynamics.decay import check_decay, coupled, refuse_coupled
from diffusion.dynamics.rule import Array, Dynamics, Rule
from diffusion.dynamics.update import Update

if TYPE_CHECKING:
    import torch

STYLES = ("ema", "heavy-ball")


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """One iteration; the slot is m, p is (lr, beta1, weight of the gradient)."""
    m = p[1] * slots[0] + p[2] * g
    return theta - p[0] * m, m


def nesterov_step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """Nesterov's form; p is (lr, beta1, weight of the gradient)."""
    lr, beta1, weight = p
    m = beta1 * slots[0] + weight * g
    return theta - lr * (beta1 * m + weight * g), m


@dataclass(frozen=True, repr=False)
class Momentum(Dynamics):
    """SGD with momentum (Equation 4).

    Parameters
    ----------
    lr
        Learning rate, above 0.
    beta1
        Inertia, in [0, 1).
    style
        "ema" (Adam-style, the gradient weighted by 1 - beta1) or "heavy-ball" (SGD-style, weighted by 1).
    nesterov
        Whether the step is ``beta1 m + beta3 g`` instead of m, with beta3 the gradient's weight: Nesterov's form, as
        torch has it. It has no idealized rule.
    weight_decay
        As for `SGD`.
    """

    lr: float
    beta1: float = 0.9
    style: str = "ema"
    nesterov: bool = field(default=False, repr=False)
    weight_decay: float = field(default=0.0, repr=False)

    no_sde = "and in many substeps Nesterov's form is the same SDE as nesterov=False"

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("lr", self.lr)
        checks.fraction("beta1", self.beta1)
        checks.choice("style", self.style, STYLES)
        if self.nesterov and self.beta1 == 0:
            raise ValueError("nesterov = True needs beta1 above 0; without inertia use SGD")
        check_decay(self, self._bound)

    @property
    def weight(self) -> float:
        """beta3: 1 - beta1 (EMA style) or 1 (heavy-ball style)."""
        return 1.0 if self.style == "heavy-ball" else 1 - self.beta1

    def inertia(self, v: Array, mean_v: float) -> Array:
        """beta1 in every direction."""
        return np.full_like(v, self.beta1)

    def learning_rate(self, v: Array) -> Array:
        """lr in every direction."""
        return np.full_like(v, self.lr)

    def gradient_weight(self, inertia: Array) -> Array:
        """beta3 in every direction."""
        return np.full_like(inertia, self.weight)

    def rule(self, noise_variance: Array) -> Rule:
        """The rule, which holds whatever the noise; refused of Nesterov's form."""
        if self.nesterov:
            raise ValueError(self.no_rule)
        return super().rule(noise_variance)

    @property
    def update(self) -> Update | None:
        """Nesterov's form, or the optimizer with weight decay; without, its rule is the same."""
        if not self.nesterov and not self.weight_decay:
            return None
        update = Update(nesterov_step if self.nesterov else step, (self.lr, self.beta1, self.weight), slots=(0.0,))
        return coupled(update, self.weight_decay)

    def substep(self, substeps: int) -> Update:
        """Refused: without decay and Nesterov's form its rule runs in substeps."""
        refuse_coupled(self)
        return super().substep(substeps)

    @property
    def _bound(self) -> float:
        """Of the curvature, decay's included, times lr."""
        return 2 * (1 + self.beta1) / (1 + 2 * self.beta1 * self.nesterov) / self.weight

    @property
    def shipped_bound(self) -> float:
        """That of the linear recursion, less what decay adds to the curvature."""
        return self._bound - self.lr * self.weight_decay

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """``torch.optim.SGD``; not torch's dampening, which leaves the first gradient undamped."""
        import torch

        lr = self.lr * self.weight
        return torch.optim.SGD(
            params, lr=lr, momentum=self.beta1, nesterov=self.nesterov, weight_decay=self.weight_decay
        )
