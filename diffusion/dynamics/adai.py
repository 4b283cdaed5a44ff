"""Adai: constant learning rate, adaptive inertia."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion import checks
from diffusion.dynamics.decay import check_decay, coupled, refuse_coupled
from diffusion.dynamics.rule import SECOND_MOMENTS, Array, Dynamics, refuse_unshipped
from diffusion.dynamics.update import Update, kept

if TYPE_CHECKING:
    import torch


def adaptive_inertia(v: Any, mean_v: Any, p: Any) -> Any:
    """``clip(1 - beta0 v / mean(v), 0, 1 - eps)``, p = (lr, beta0, eps, ...); where all v are 0 they count as equal."""
    ratio = v / mean_v if mean_v > 0 else 1.0
    return np.minimum(np.maximum(1.0 - p[1] * ratio, 0.0), 1.0 - p[2])


def correction(t: Any, powers: Any, p: Any) -> Any:
    """``1/(1 - beta2^t)``, alone in a tuple."""
    return (1.0 / (1.0 - powers[0]),)


def observe(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """The corrected second moment; slots are (m, v, product of the inertias so far), p is (lr, beta0, eps, beta2)."""
    return observe_size(theta, g, g, slots, shared, p)


def observe_size(theta: Any, g: Any, rms: Any, slots: Any, shared: Any, p: Any) -> Any:
    """The same where v takes another size of g: in a substep of the SDE, where g varies more than in an iteration."""
    m, v, product = slots
    v = p[3] * v + (1.0 - p[3]) * rms * rms
    return v * shared[0], m, v, product


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """Algorithm 2 of the paper, after `observe`."""
    return move(theta, g, slots, adaptive_inertia(slots[1] * shared[0], shared[1], p), p)


def substep(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """The same in a substep, of which p[4] are an iteration."""
    return move(theta, g, slots, kept(adaptive_inertia(slots[1] * shared[0], shared[1], p), p[4]), p)


def move(theta: Any, g: Any, slots: Any, beta: Any, p: Any) -> Any:
    """A step with the inertia beta."""
    m, v, product = slots
    m = beta * m + (1.0 - beta) * g
    product *= beta
    return theta - p[0] * m / (1.0 - product), m, v, product


@dataclass(frozen=True, repr=False)
class Adai(Dynamics):
    """Adaptive inertia: constant learning rate (Algorithm 2).

    Parameters
    ----------
    lr
        Learning rate, above 0.
    beta0, beta2
        Scale of the damping 1 - inertia, and decay of the second moment.
    eps
        Inertia is at most 1 - eps.
    second_moment
        "frozen": v = C, the theory's idealization; "running": the optimizer as shipped, with its bias corrections.
    weight_decay
        As for `Adam`; ``lr lambda`` must be below the bound of stability, `shipped_bound`. Decoupled it is `AdaiW`.
    """

    lr: float
    beta0: float = 0.1
    beta2: float = 0.99
    eps: float = 1e-3
    second_moment: str = "frozen"
    weight_decay: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("lr", self.lr)
        checks.positive("beta0", self.beta0)
        checks.fraction("beta2", self.beta2)
        if not 0 < self.eps <= 1:
            raise ValueError(f"eps = {self.eps!r} must lie in (0, 1]: it bounds the inertia by 1 - eps")
        checks.choice("second_moment", self.second_moment, SECOND_MOMENTS)
        check_decay(self, 2 * (2 - self.eps) / self.eps)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """``clip(1 - beta0 v / mean(v), 0, 1 - eps)``, refused where all v are 0."""
        if not mean_v > 0:
            raise ValueError(
                "noise variance is 0 in every direction: idealized Adai has no inertia; use IsotropicNoise"
            )
        return np.asarray(adaptive_inertia(v, mean_v, (self.lr, self.beta0, self.eps)))

    def learning_rate(self, v: Array) -> Array:
        """lr in every direction."""
        return np.full_like(v, self.lr)

    @property
    def update(self) -> Update | None:
        """The optimizer as shipped."""
        if self.second_moment != "running":
            return None
        p = (self.lr, self.beta0, self.eps, self.beta2)
        start, betas = (0.0, 0.0, 1.0), (self.beta2,)
        return coupled(Update(step, p, start, betas, shared=correction, observe=observe), self.weight_decay)

    def substep(self, substeps: int) -> Update:
        """At lr/n and the inertia and beta2 that n substeps keep."""
        refuse_coupled(self)
        beta2 = kept(self.beta2, substeps)
        p = (self.lr / substeps, self.beta0, self.eps, beta2, float(substeps))
        return Update(substep, p, slots=(0.0, 0.0, 1.0), betas=(beta2,), shared=correction, observe=observe_size)

    @property
    def shipped_bound(self) -> float:
        """Where the inertia is at its largest, 1 - eps."""
        return 2 * (2 - self.eps) / self.eps - self.lr * self.weight_decay

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """`diffusion.optimizers.Adai`, of the optimizer as shipped."""
        from diffusion.optimizers import Adai as TorchAdai

        refuse_unshipped(self)
        betas = (self.beta0, self.beta2)
        return TorchAdai(params, self.lr, betas, self.eps, self.weight_decay, replicas=True)
