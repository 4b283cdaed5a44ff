"""AdaiW: Adai with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from diffusion.dynamics import adai
from diffusion.dynamics.decay import check_decay
from diffusion.dynamics.rule import Rule
from diffusion.dynamics.update import Update

if TYPE_CHECKING:
    import torch


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """Adai's step from what decay leaves of theta; p is Adai's, then that share."""
    return adai.step(p[4] * theta, g, slots, shared, p)


def substep(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """The same in a substep; p is Adai's, then that share."""
    return adai.substep(p[5] * theta, g, slots, shared, p)


@dataclass(frozen=True, repr=False)
class AdaiW(adai.Adai):
    """Adai with decoupled weight decay (Xie et al., "Adaptive Inertia", ICML 2022, and their code).

    theta shrinks by ``1 - lr weight_decay`` in each step, and decay enters neither m nor v.

    Parameters
    ----------
    lr, beta0, beta2, eps
        As for `Adai`.
    second_moment
        "running" alone: there is no idealized rule.
    weight_decay
        lambda; ``lr lambda`` must be below 2.
    """

    second_moment: str = "running"
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_decay(self, 2.0)
        if self.second_moment != "running":
            raise ValueError(f"second_moment = {self.second_moment!r}: {self.no_rule}")

    def rule(self, noise_variance: Any) -> Rule:
        """Refused: see `Adai`."""
        raise ValueError(self.no_rule)

    @property
    def update(self) -> Update:
        """The optimizer as shipped."""
        p = (self.lr, self.beta0, self.eps, self.beta2, 1.0 - self.lr * self.weight_decay)
        start, betas = (0.0, 0.0, 1.0), (self.beta2,)
        return Update(step, p, slots=start, betas=betas, shared=adai.correction, observe=adai.observe)

    def substep(self, substeps: int) -> Update:
        """Adai's, from what decay leaves of theta in a substep."""
        undecayed = adai.Adai.substep(replace(self, weight_decay=0.0), substeps)
        p = (*undecayed.parameters, 1.0 - self.lr * self.weight_decay / substeps)
        return replace(undecayed, step=substep, parameters=p)

    @property
    def shipped_bound(self) -> float:
        """Where the inertia is at its largest, 1 - eps."""
        return (2 - self.lr * self.weight_decay) * (2 - self.eps) / self.eps

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """`diffusion.optimizers.AdaiW`."""
        from diffusion.optimizers import AdaiW as TorchAdaiW

        betas = (self.beta0, self.beta2)
        return TorchAdaiW(params, self.lr, betas, self.eps, self.weight_decay, replicas=True)
