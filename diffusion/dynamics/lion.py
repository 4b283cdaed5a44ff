"""Lion: steps of one length, along the sign of a mixture of the gradient and its running mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from diffusion import checks
from diffusion.dynamics.decay import check_decay
from diffusion.dynamics.rule import Dynamics, check_second_moment
from diffusion.dynamics.signsgd import sign
from diffusion.dynamics.update import Update

if TYPE_CHECKING:
    import torch


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """Algorithm 2 of Chen et al. (2023); the slot is m, p is (lr, beta1, beta2, what decay leaves of theta)."""
    lr, beta1, beta2, left = p
    m = slots[0]
    return left * theta - lr * sign(beta1 * m + (1.0 - beta1) * g), beta2 * m + (1.0 - beta2) * g


@dataclass(frozen=True, repr=False)
class Lion(Dynamics):
    """Lion (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023).

    ``theta <- (1 - lr weight_decay) theta - lr sign(beta1 m + (1 - beta1) g)``, then ``m <- beta2 m + (1 - beta2) g``,
    with m first 0 and not corrected for that. sign(0) = 0. There is no idealized rule: steps do not shrink with the
    gradient.

    Parameters
    ----------
    lr
        Length of each step, above 0.
    beta1, beta2
        Weight of m in the mixture, and decay of m, in [0, 1).
    second_moment
        "running": it has no idealized rule.
    weight_decay
        lambda: theta shrinks by ``1 - lr lambda`` in each step (decoupled); ``lr lambda`` must be below 2.

    Notes
    -----
    `torch_optimizer` is ``Lion`` of pytorch_optimizer, which is the same but for the rounding of the mixture: its sign
    may differ where the mixture vanishes but for that.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.99
    second_moment: str = field(default="running", repr=False)
    weight_decay: float = field(default=0.0, repr=False)

    no_sde = "as the sign of a minibatch gradient is not that of a substep's"

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("lr", self.lr)
        checks.fraction("beta1", self.beta1)
        checks.fraction("beta2", self.beta2)
        check_second_moment(self)
        check_decay(self, 2.0)

    @property
    def update(self) -> Update:
        """The optimizer as its authors have it."""
        p = (self.lr, self.beta1, self.beta2, 1.0 - self.lr * self.weight_decay)
        return Update(step, p, slots=(0.0,))

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """``pytorch_optimizer.Lion``."""
        import pytorch_optimizer

        betas = (self.beta1, self.beta2)
        made: torch.optim.Optimizer = pytorch_optimizer.Lion(params, self.lr, betas, weight_decay=self.weight_decay)
        return made
