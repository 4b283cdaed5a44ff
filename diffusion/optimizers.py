"""Adai and its relatives for torch: constant learning rate, adaptive inertia.

Xie et al., "Adaptive Inertia" (ICML 2022), Algorithm 2. For each coordinate, with dampening d (d = 1 is Adai)::

    v     <- beta2 v + (1 - beta2) g^2,   vhat = v / (1 - beta2^t),   vbar = mean of vhat over all parameters
    beta1 =  clip(1 - beta0 (vhat / vbar)^(1 / (3 - 2 d)), 0, 1 - eps)
    m     <- beta1 m + (1 - beta1)^d g,   mhat = m / (1 - prod beta1) beta0^(1 - d)
    theta <- theta - lr mhat
"""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer


class Adai(Optimizer):
    """Adai with L2 weight decay.

    Parameters
    ----------
    params
        Parameters, or parameter groups.
    lr
        Learning rate, above 0.
    betas
        (beta0, beta2): scale of the damping 1 - beta1, above 0, and decay of the second moment, in [0, 1).
    eps
        The inertia beta1 is at most 1 - eps; in (0, 1]. Not a term in a denominator: Adai is scale-free.
    weight_decay
        Coefficient of theta added to the gradient, or with `decoupled` of theta's own decay per unit of lr; 0 or above.
    decoupled
        Whether weight decay acts on theta before the step, and not through the gradient.
    dampening
        d in [0, 1].
    replicas
        Whether the leading axis of every parameter indexes independent replicas: vbar is then one per replica.

    Raises
    ------
    ValueError
        If a value, here or in a parameter group, is out of range.

    Notes
    -----
    The first step at dampening 1 is an SGD step. Where all gradients so far are 0, the ratio vhat/vbar is taken as 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        betas: tuple[float, float] = (0.1, 0.99),
        eps: float = 1e-3,
        weight_decay: float = 0.0,
        *,
        decoupled: bool = False,
        dampening: float = 1.0,
        replicas: bool = False,
    ) -> None:
        self.replicas = replicas
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "decoupled": decoupled, "dampening": dampening,
        }  # fmt: skip
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with its own settings, checked."""
        super().add_param_group(param_group)
        _check(self.param_groups[-1])

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step; a closure reevaluates the model and returns the loss.

        Raises
        ------
        ValueError
            If a gradient is sparse or complex, or with replicas the parameters' leading axes differ.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        seen = [self._observe(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None]
        if not seen:
            return loss
        vbar = self._mean([vhat for _, _, _, vhat in seen])
        for p, group, g, vhat in seen:
            beta0, d, state = group["betas"][0], group["dampening"], self.state[p]
            mean = vbar.to(p.device).view(-1, *[1] * (p.dim() - 1)) if self.replicas else vbar.to(p.device)
            ratio = torch.where(mean > 0, vhat / mean, torch.ones_like(vhat))
            damping = beta0 * (ratio if d == 1 else ratio.pow(1 / (3 - 2 * d)))
            beta1 = (1 - damping).clamp_(0, 1 - group["eps"])
            weight = 1 - beta1
            state["exp_avg"].mul_(beta1).add_(g * (weight if d == 1 else weight.pow(d)))
            state["beta1_product"].mul_(beta1)
            mhat = state["exp_avg"] / (1 - state["beta1_product"])
            p.add_(mhat, alpha=-group["lr"] * beta0 ** (1 - d))
        return loss

    def _observe(self, p: Tensor, group: dict[str, Any]) -> tuple[Tensor, dict[str, Any], Tensor, Tensor]:
        """Apply weight decay and update the second moment: the parameter, its group, gradient and vhat."""
        g = p.grad
        assert g is not None
        if g.is_sparse or g.is_complex():
            kind = "sparse" if g.is_sparse else "complex"
            raise ValueError(f"gradient of shape {tuple(g.shape)} is {kind}; Adai needs dense real gradients")
        state = self.state[p]
        if not state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
            state["beta1_product"] = torch.ones_like(p)
        state["step"] += 1
        if group["decoupled"]:
            p.mul_(1 - group["lr"] * group["weight_decay"])
        elif group["weight_decay"] != 0:
            g = g.add(p, alpha=group["weight_decay"])
        beta2 = group["betas"][1]
        state["exp_avg_sq"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
        return p, group, g, state["exp_avg_sq"] / (1 - beta2 ** state["step"])

    def _mean(self, vhats: list[Tensor]) -> Tensor:
        """vbar: the mean over all coordinates of all parameters, a scalar, or with replicas one per leading index."""
        if not self.replicas:
            return torch.stack([vhat.sum() for vhat in vhats]).sum() / sum(vhat.numel() for vhat in vhats)
        sizes = sorted({vhat.shape[0] if vhat.dim() else 0 for vhat in vhats})
        if len(sizes) > 1 or sizes[0] == 0:
            raise ValueError(f"replicas = True needs the same leading axis in every parameter, found sizes {sizes}")
        total = torch.stack([vhat.reshape(sizes[0], -1).sum(dim=1) for vhat in vhats]).sum(dim=0)
        return total / sum(vhat[0].numel() for vhat in vhats)


class AdaiW(Adai):
    """Adai with decoupled weight decay (AdaiS, AdaiW: Appendix G): theta shrinks by 1 - lr weight_decay before the step."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        betas: tuple[float, float] = (0.1, 0.99),
        eps: float = 1e-3,
        weight_decay: float = 0.0,
        *,
        replicas: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, decoupled=True, replicas=replicas)


class AdaiV2(Adai):
    """Adai with dampening d in [0, 1], decoupled weight decay unless told otherwise; d = 1 is AdaiW."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        betas: tuple[float, float] = (0.1, 0.99),
        eps: float = 1e-3,
        weight_decay: float = 0.0,
        *,
        dampening: float = 1.0,
        decoupled: bool = True,
        replicas: bool = False,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, decoupled=decoupled, dampening=dampening, replicas=replicas
        )  # fmt: skip


def _check(group: dict[str, Any]) -> None:
    beta0, beta2 = group["betas"]
    for name, value, good, remedy in (
        ("lr", group["lr"], group["lr"] > 0, "be above 0"),
        ("beta0", beta0, beta0 > 0, "be above 0"),
        ("beta2", beta2, 0 <= beta2 < 1, "lie in [0, 1)"),
        ("eps", group["eps"], 0 < group["eps"] <= 1, "lie in (0, 1]: it bounds the inertia by 1 - eps"),
        ("weight_decay", group["weight_decay"], group["weight_decay"] >= 0, "be 0 or above"),
        ("dampening", group["dampening"], 0 <= group["dampening"] <= 1, "lie in [0, 1]"),
    ):
        if not good:
            raise ValueError(f"{name} = {value!r} must {remedy}")
