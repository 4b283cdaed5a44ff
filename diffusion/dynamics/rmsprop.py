"""RMSprop: adaptive learning rate, no inertia."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion import checks
from diffusion.dynamics.decay import check_decay, coupled, refuse_coupled
from diffusion.dynamics.rule import (
    OF_THE_RATE,
    Array,
    Dynamics,
    adaptive_learning_rate,
    idealized_learning_rate,
    refuse_unshipped,
)
from diffusion.dynamics.update import Update, kept, rounded_product

if TYPE_CHECKING:
    import torch


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """One iteration; the slot is v, p is (lr, beta2, eps)."""
    return substep(theta, g, g, slots, shared, p)


def substep(theta: Any, g: Any, rms: Any, slots: Any, shared: Any, p: Any) -> Any:
    """The same where v takes another size of g: in a substep of the SDE, where g varies more than in an iteration."""
    lr, beta2, eps = p
    v = beta2 * slots[0] + (1.0 - beta2) * rms * rms
    return theta - rounded_product(adaptive_learning_rate(v, lr, eps), g), v


@dataclass(frozen=True, repr=False)
class RMSprop(Dynamics):
    """RMSprop: adaptive learning rate, no inertia.

    Parameters
    ----------
    lr, beta2, eps
        Learning rate, decay of the second moment (torch's alpha), and the term added to its root, 0 or above as for
        `Adam`.
    second_moment
        "frozen" and "following" as for `Adam`; "running": the optimizer as torch ships it, whose second moment starts
        at zero and is *not* bias-corrected.
    weight_decay
        As for `Adam`.
    """

    lr: float
    beta2: float = 0.99
    eps: float = 1e-8
    second_moment: str = "frozen"
    weight_decay: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("lr", self.lr)
        checks.fraction("beta2", self.beta2)
        checks.not_negative("eps", self.eps)
        checks.choice("second_moment", self.second_moment, OF_THE_RATE)
        check_decay(self)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """Zero."""
        return np.zeros_like(v)

    def learning_rate(self, v: Array) -> Array:
        """``lr / sqrt(v)``, refused where v is 0."""
        return idealized_learning_rate(self, v)

    @property
    def update(self) -> Update | None:
        """The optimizer as shipped."""
        if self.second_moment != "running":
            return None
        update = Update(step, (self.lr, self.beta2, self.eps), slots=(0.0,), momentum=False)
        return coupled(update, self.weight_decay)

    @property
    def first_walk(self) -> float:
        """That of 1/(1 - beta2) iterations of size ``lr / sqrt(1 - beta2^t)``: gradients of one size, random signs."""
        if self.second_moment != "running":
            return 0.0
        steps = np.arange(1.0, np.ceil(1 / (1 - self.beta2)) + 1)
        return float(np.sum(self.lr**2 / (1 - self.beta2**steps)))

    def substep(self, substeps: int) -> Update:
        """At lr/n and the beta2 that n substeps keep."""
        refuse_coupled(self)
        p = (self.lr / substeps, kept(self.beta2, substeps), self.eps)
        return Update(substep, p, slots=(0.0,), momentum=False)

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """``torch.optim.RMSprop``, of the optimizer as shipped."""
        import torch

        refuse_unshipped(self)
        return torch.optim.RMSprop(params, self.lr, alpha=self.beta2, eps=self.eps, weight_decay=self.weight_decay)
