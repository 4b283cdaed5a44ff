"""Adai and its relatives for torch: constant learning rate, adaptive inertia.

Xie et al., "Adaptive Inertia" (ICML 2022), Algorithm 2. For each coordinate, with dampening d (d = 1 is Adai)::

    v     <- beta2 v + (1 - beta2) g^2,   vhat = v / (1 - beta2^t),   vbar = mean of vhat over all parameters
    beta1 =  clip(1 - beta0 (vhat / vbar)^(1 / (3 - 2 d)), 0, 1 - eps)
    m     <- beta1 m + (1 - beta1)^d g,   mhat = m / (1 - prod beta1) beta0^(1 - d)
    theta <- theta - lr mhat
"""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, overload

import torch
from torch import Tensor

from diffusion.optimizer_settings import CheckedOptimizer, check_leading_axes, coordinates, pair, precision


class Adai(CheckedOptimizer):
    """Adai with L2 weight decay (Xie et al., "Adaptive Inertia", ICML 2022, Algorithm 2).

    Parameters
    ----------
    params
        Parameters, or parameter groups; vbar spans all groups, over the parameters that have a gradient. A complex
        number is two coordinates.
    lr
        Learning rate, 0 or above; a number, or a tensor of one element, as every setting may be.
    betas
        (beta0, beta2): scale of the damping 1 - beta1, above 0, and decay of the second moment, in [0, 1). A group
        holds them as ``beta0`` and ``beta2``.
    eps
        The inertia beta1 is at most 1 - eps; in (0, 1]. Not a term in a denominator: Adai is scale-free.
    weight_decay
        Coefficient of theta added to the gradient, or with `decoupled` of theta's own decay per unit of lr; 0 or above.
    decoupled
        Whether theta shrinks by 1 - lr weight_decay before the step, instead of decaying through the gradient; unless
        given, no for Adai, and yes for AdaiW and AdaiV2.
    dampening
        d in [0, 1].
    replicas
        Whether the leading axis of every parameter indexes independent replicas: vbar is then one per replica.

    Raises
    ------
    ValueError
        If a value, here or in a parameter group, is out of range, or with `replicas` the leading axes differ.

    Notes
    -----
    The first step at dampening 1 is an SGD step. Where all gradients so far are 0, the ratio vhat/vbar is taken as 1.

    State and arithmetic are in float32, of float64 parameters in float64; a step is rounded to the parameter's own
    precision once. Squares of gradients must be numbers in float32, as from 1e-18 to 1e18: gradients whose squares
    overflow have no inertia and all others the most; where squares vanish the ratio is taken as 1.

    Inertia is not scheduled: a momentum that a scheduler writes has no effect, and the next step says so, once.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor,
        betas: tuple[float, float] = (0.1, 0.99),
        eps: float = 1e-3,
        weight_decay: float = 0.0,
        *,
        decoupled: bool | None = None,
        dampening: float = 1.0,
        replicas: bool = False,
    ) -> None:
        decoupled = self._decoupled if decoupled is None else decoupled
        settings = {"lr": lr, **pair(betas), "momentum": 0.0, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, settings | {"decoupled": decoupled, "dampening": dampening, "replicas": replicas})

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
            If a gradient is sparse, or `betas` that were written into a group are wrong; nothing has moved then.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.heed_groups()
        moving = [(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None]
        for p, _ in moving:
            if p.grad.layout != torch.strided:
                raise ValueError(f"gradient of shape {tuple(p.shape)} is sparse; Adai needs dense gradients")
        if not moving:
            return loss
        replicas = moving[0][1]["replicas"]
        if replicas:
            check_leading_axes(p for p, _ in moving)
        observed = [self._observe(p, group) for p, group in moving]
        vbar = _mean([vhat for _, vhat in observed], replicas)
        for (p, group), (g, vhat) in zip(moving, observed, strict=True):
            lr, beta0, eps, decay, d = (
                float(group[name]) for name in ("lr", "beta0", "eps", "weight_decay", "dampening")
            )
            state = self.state[p]
            mean = vbar.to(vhat).clamp(
                max=torch.finfo(vhat.dtype).max
            )  # squares that overflow: infinite ratios, not NaN
            mean = mean.view([-1, *[1] * vhat.dim()][: vhat.dim()])
            ratio = vhat.div_(mean).masked_fill_(mean == 0, 1)
            if d != 1:
                ratio.pow_(1 / (3 - 2 * d))
            damping = ratio.mul_(beta0).clamp_(eps, 1)  # 1 - beta1
            beta1 = 1 - damping
            state["exp_avg"].mul_(beta1).addcmul_(g, damping if d == 1 else damping.pow(d))
            state["weight"].mul_(beta1).add_(damping)  # 1 - prod beta1, which never rounds to 0
            mhat = state["exp_avg"] / state["weight"]
            theta = coordinates(p)
            wide = theta.to(vhat.dtype)
            if group["decoupled"]:
                wide.mul_(1 - lr * decay)
            wide.add_(mhat, alpha=-lr * beta0 ** (1 - d))
            if wide.dtype != theta.dtype:
                theta.copy_(wide)
        return loss

    def _observe(self, p: Tensor, group: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Add L2 weight decay and update the second moment: the gradient and vhat, both wide."""
        theta, state = coordinates(p), self.state[p]
        beta2, decay, dtype = float(group["beta2"]), float(group["weight_decay"]), precision(theta)
        assert p.grad is not None
        g = coordinates(p.grad).to(dtype)
        if not state:
            state["step"] = 0
            for name in ("exp_avg", "exp_avg_sq", "weight"):
                state[name] = torch.zeros_like(theta, dtype=dtype)
        state["step"] += 1
        if decay != 0 and not group["decoupled"]:
            g = g.add(theta.to(dtype), alpha=decay)
        state["exp_avg_sq"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
        return g, state["exp_avg_sq"] / (1 - beta2 ** state["step"])


class AdaiW(Adai):
    """Adai with decoupled weight decay unless told otherwise: theta shrinks by 1 - lr weight_decay before the step."""

    _decoupled = True


class AdaiV2(AdaiW):
    """AdaiW with dampening: d below 1 brings the inertias of the coordinates closer together; d = 1 is AdaiW."""


def _mean(vhats: list[Tensor], replicas: bool) -> Tensor:
    """vbar, the mean over all coordinates of all parameters: one entry, or with replicas one per leading index."""
    rows, device = (len(vhats[0]) if replicas else 1), vhats[0].device
    dtype = reduce(torch.promote_types, (vhat.dtype for vhat in vhats))
    totals = [vhat.reshape(rows, -1).sum(dim=1, dtype=dtype).to(device) for vhat in vhats]
    return torch.stack(totals).sum(dim=0) / (sum(vhat.numel() for vhat in vhats) / rows)
