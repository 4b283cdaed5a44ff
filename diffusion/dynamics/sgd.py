"""Stochastic gradient descent: no inertia."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion import checks
from diffusion.dynamics.rule import Array, Dynamics

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, repr=False)
class SGD(Dynamics):
    """Stochastic gradient descent (Equation 1): no inertia.

    Parameters
    ----------
    lr
        Learning rate, above 0.
    """

    lr: float

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("lr", self.lr)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """Zero."""
        return np.zeros_like(v)

    def learning_rate(self, v: Array) -> Array:
        """lr in every direction."""
        return np.full_like(v, self.lr)

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """``torch.optim.SGD``."""
        import torch

        return torch.optim.SGD(params, lr=self.lr)
