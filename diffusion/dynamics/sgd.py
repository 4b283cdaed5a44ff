"""Stochastic gradient descent: no inertia."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion import checks
from diffusion.dynamics.decay import check_decay, coupled, refuse_coupled
from diffusion.dynamics.rule import Array, Dynamics
from diffusion.dynamics.update import Update

if TYPE_CHECKING:
    import torch


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """One iteration, without slots; p is (lr,)."""
    return (theta - p[0] * g,)


@dataclass(frozen=True, repr=False)
class SGD(Dynamics):
    """Stochastic gradient descent (Equation 1): no inertia.

    Parameters
    ----------
    lr
        Learning rate, above 0.
    weight_decay
        lambda: the gradient is ``g + lambda theta`` (coupled), as torch has it, and ``lr lambda`` below the bound of
        stability. With it the optimizer runs as shipped alone: for the theory's rule add ``lambda theta^2/2`` to the
        landscape.
    """

    lr: float
    weight_decay: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("lr", self.lr)
        check_decay(self, 2.0)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """Zero."""
        return np.zeros_like(v)

    def learning_rate(self, v: Array) -> Array:
        """lr in every direction."""
        return np.full_like(v, self.lr)

    @property
    def update(self) -> Update | None:
        """The optimizer with weight decay; without, its rule is the same."""
        return coupled(Update(step, (self.lr,), momentum=False), self.weight_decay) if self.weight_decay else None

    def substep(self, substeps: int) -> Update:
        """Refused: without decay its rule runs in substeps."""
        refuse_coupled(self)
        return super().substep(substeps)

    @property
    def shipped_bound(self) -> float:
        """2, less what decay adds to the curvature."""
        return 2 - self.lr * self.weight_decay

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """``torch.optim.SGD``."""
        import torch

        return torch.optim.SGD(params, lr=self.lr, weight_decay=self.weight_decay)
