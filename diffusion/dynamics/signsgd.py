"""SignSGD and Signum: steps of one length, along the sign of the gradient or of its running mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from diffusion import checks
from diffusion.dynamics.decay import check_decay, coupled
from diffusion.dynamics.rule import Dynamics, check_second_moment
from diffusion.dynamics.update import Update

if TYPE_CHECKING:
    import torch


def sign(x: Any) -> Any:
    """1, -1, or x itself, which is 0 or no number."""
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else x)


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """Algorithms 1 and 3 of Bernstein et al. (2018); the slot is m, p is (lr, beta1)."""
    m = p[1] * slots[0] + (1.0 - p[1]) * g
    return theta - p[0] * sign(m), m


@dataclass(frozen=True, repr=False)
class SignSGD(Dynamics):
    """signSGD, ``theta <- theta - lr sign(g)``, or with beta1 Signum, ``theta <- theta - lr sign(m)``.

    m is the running mean of the gradients (Bernstein et al., ICML 2018), first 0 and not corrected for that, which no
    sign needs. sign(0) = 0. There is no idealized rule: steps do not shrink with the gradient.

    Parameters
    ----------
    lr
        Length of each step, above 0.
    beta1
        Inertia, in [0, 1).
    second_moment
        "running": it has no idealized rule.
    weight_decay
        lambda: the gradient is ``g + lambda theta``, as torch's optimizers have it. Signum's authors shrink theta
        instead, outside of the sign, as `Lion` does.

    Notes
    -----
    `torch_optimizer` is ``SignSGD`` of pytorch_optimizer, whose own defaults are ``momentum=0.9`` and decay outside of
    the sign.
    """

    lr: float
    beta1: float = 0.0
    second_moment: str = field(default="running", repr=False)
    weight_decay: float = field(default=0.0, repr=False)

    no_sde = "as the sign of a minibatch gradient is not that of a substep's"

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("lr", self.lr)
        checks.fraction("beta1", self.beta1)
        check_second_moment(self)
        check_decay(self)

    @property
    def update(self) -> Update:
        """The optimizer as its authors have it."""
        return coupled(Update(step, (self.lr, self.beta1), slots=(0.0,)), self.weight_decay)

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """``pytorch_optimizer.SignSGD``."""
        import pytorch_optimizer

        made: torch.optim.Optimizer = pytorch_optimizer.SignSGD(
            params, self.lr, self.beta1, weight_decay=self.weight_decay, weight_decouple=False
        )
        return made
