"""Adai and its relatives for torch: constant learning rate, adaptive inertia.

Xie et al., "Adaptive Inertia" (ICML 2022), Algorithm 2. For each coordinate, with dampening d (d = 1 is Adai)::

    v     <- beta2 v + (1 - beta2) g^2,   vhat = v / (1 - beta2^t),   vbar = mean of vhat over all parameters
    beta1 =  clip(1 - beta0 (vhat / vbar)^(1 / (3 - 2 d)), 0, 1 - eps)
    m     <- beta1 m + (1 - beta1)^d g,   mhat = m / (1 - prod beta1) beta0^(1 - d)
    theta <- theta - lr mhat
"""

import math
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer


class Adai(Optimizer):
    """Adai with L2 weight decay (Xie et al., "Adaptive Inertia", ICML 2022, Algorithm 2).

    Parameters
    ----------
    params
        Parameters, or parameter groups; vbar spans all groups, over the parameters that have a gradient.
    lr
        Learning rate, above 0.
    betas
        (beta0, beta2): scale of the damping 1 - beta1, above 0, and decay of the second moment, in [0, 1).
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
    """

    _decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        betas: tuple[float, float] = (0.1, 0.99),
        eps: float = 1e-3,
        weight_decay: float = 0.0,
        *,
        decoupled: bool | None = None,
        dampening: float = 1.0,
        replicas: bool = False,
    ) -> None:
        decoupled = self._decoupled if decoupled is None else decoupled
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, settings | {"decoupled": decoupled, "dampening": dampening, "replicas": replicas})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with its own settings, checked; `replicas` must be the same in all groups."""
        super().add_param_group(param_group)
        try:
            _check(self.param_groups)
        except ValueError:
            self.param_groups.pop()
            raise

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
            If a gradient is sparse or complex; nothing has changed then.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moving = [(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None]
        for p, _ in moving:
            if p.grad.layout != torch.strided or p.grad.is_complex():
                kind = "complex" if p.grad.is_complex() else "sparse"
                raise ValueError(f"gradient of shape {tuple(p.shape)} is {kind}; Adai needs dense real gradients")
        if not moving:
            return loss
        observed = [self._observe(p, group) for p, group in moving]
        vbar = _mean([vhat for _, vhat in observed], moving[0][1]["replicas"])
        for (p, group), (g, vhat) in zip(moving, observed, strict=True):
            beta0, d, state = group["betas"][0], group["dampening"], self.state[p]
            mean = vbar.to(vhat).view([-1, *[1] * p.dim()][: p.dim()])
            ratio = vhat.div_(mean).masked_fill_(mean == 0, 1)
            damping = ratio.pow_(1 / (3 - 2 * d)).mul_(beta0).clamp_(group["eps"], 1)  # 1 - beta1
            beta1 = 1 - damping
            state["exp_avg"].mul_(beta1).addcmul_(g, damping.pow(d))
            state["weight"].mul_(beta1).add_(damping)  # 1 - prod beta1, which never rounds to 0
            mhat = state["exp_avg"] / state["weight"]
            p.add_(mhat, alpha=-group["lr"] * beta0 ** (1 - d))
        return loss

    def _observe(self, p: Tensor, group: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Apply weight decay and update the second moment: the gradient and vhat."""
        g, state, beta2 = p.grad, self.state[p], group["betas"][1]
        assert g is not None
        if not state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"], state["weight"] = (torch.zeros_like(p) for _ in range(3))
        state["step"] += 1
        if group["decoupled"]:
            p.mul_(1 - group["lr"] * group["weight_decay"])
        elif group["weight_decay"] != 0:
            g = g.add(p, alpha=group["weight_decay"])
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
    wide = torch.promote_types(vhats[0].dtype, torch.float32)  # a sum in float16 overflows
    totals = [vhat.reshape(rows, -1).sum(dim=1, dtype=wide).to(device) for vhat in vhats]
    return torch.stack(totals).sum(dim=0) / (sum(vhat.numel() for vhat in vhats) / rows)


def _check(groups: list[dict[str, Any]]) -> None:
    """Check the settings of the last group, and that the groups agree about replicas."""
    group = groups[-1]
    if not isinstance(group["betas"], tuple | list) or len(group["betas"]) != 2:
        raise ValueError(f"betas = {group['betas']!r} must be a pair (beta0, beta2)")
    values = group | dict(zip(("beta0", "beta2"), group["betas"], strict=True))
    ranges: dict[str, tuple[Callable[[Any], bool], str]] = {
        "lr": (lambda x: 0 < x < math.inf, "be above 0 and finite"),
        "beta0": (lambda x: 0 < x < math.inf, "be above 0 and finite"),
        "beta2": (lambda x: 0 <= x < 1, "lie in [0, 1)"),
        "eps": (lambda x: 0 < x <= 1, "lie in (0, 1]: it bounds the inertia by 1 - eps"),
        "weight_decay": (lambda x: 0 <= x < math.inf, "be 0 or above and finite"),
        "dampening": (lambda x: 0 <= x <= 1, "lie in [0, 1]"),
    }
    for name, (holds, remedy) in ranges.items():
        if not isinstance(values[name], Real) or not holds(values[name]):
            raise ValueError(f"{name} = {values[name]!r} must {remedy}")
    if any(other["replicas"] != group["replicas"] for other in groups):
        raise ValueError(f"replicas = {group['replicas']!r} must be the same in all parameter groups")
    sizes = sorted({p.shape[0] if p.dim() else 0 for other in groups for p in other["params"]})
    if group["replicas"] and (len(sizes) > 1 or 0 in sizes):
        raise ValueError(f"replicas = True needs the same leading axis in every parameter, found sizes {sizes}")
