"""AMSGrad: Adam that divides by the largest second moment so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion.dynamics.adam import corrections
from diffusion.dynamics.decay import coupled, refuse_coupled
from diffusion.dynamics.moments import divided, moments
from diffusion.dynamics.rule import Dynamics, check_adaptive
from diffusion.dynamics.update import Update, kept

if TYPE_CHECKING:
    import torch

GROWS = "the largest second moment so far grows as long as it runs"


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """One iteration; slots are (m, v, largest v), p is (lr, beta1, beta2, eps)."""
    return substep(theta, g, g, slots, shared, p)


def substep(theta: Any, g: Any, rms: Any, slots: Any, shared: Any, p: Any) -> Any:
    """The same where v takes another size of g than m, as in `diffusion.dynamics.adam.substep`."""
    lr, beta1, beta2, eps = p
    weight, correction = shared
    m, v = moments(g, rms, slots[0], slots[1], beta1, beta2)
    largest = np.maximum(slots[2], v)
    return theta - lr / weight * divided(m, np.sqrt(largest * correction) + eps), m, v, largest


@dataclass(frozen=True, repr=False)
class AMSGrad(Dynamics):
    """AMSGrad (Reddi et al. 2018) in torch's form: the largest second moment so far takes the place of the last.

    The maximum is taken before the correction 1/(1 - beta2^t), so that early in a run the learning rate may rise. In
    the paper nothing is corrected, there is no eps, and lr falls like 1/sqrt(t). In substeps the maximum is that of a v
    without the noise of g^2, so that steps are longer than as shipped.

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

    def __post_init__(self) -> None:
        check_adaptive(self)

    @property
    def update(self) -> Update:
        """The optimizer as shipped."""
        p, betas = (self.lr, self.beta1, self.beta2, self.eps), (self.beta1, self.beta2)
        return coupled(Update(step, p, slots=(0.0, 0.0, 0.0), betas=betas, shared=corrections), self.weight_decay)

    @property
    def unsteady(self) -> str:
        """Its maximum."""
        return GROWS

    def substep(self, substeps: int) -> Update:
        """At lr/n and the betas that n substeps keep."""
        refuse_coupled(self)
        betas = kept(self.beta1, substeps), kept(self.beta2, substeps)
        p = (self.lr / substeps, *betas, self.eps)
        return Update(substep, p, slots=(0.0, 0.0, 0.0), betas=betas, shared=corrections)

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """``torch.optim.Adam`` with ``amsgrad=True``."""
        import torch

        betas = (self.beta1, self.beta2)
        return torch.optim.Adam(params, self.lr, betas, self.eps, self.weight_decay, amsgrad=True)
