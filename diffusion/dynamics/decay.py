"""Weight decay through the gradient (coupled), as torch has it: ``lambda theta`` is added, and enters every slot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from diffusion import checks
from diffusion.dynamics.update import Update


def check_decay(dynamics: Any, bound: float = np.inf) -> None:
    """Refuse weight decay below 0, and such that by it alone theta grows: from ``lr weight_decay = bound`` on."""
    decay, lr = dynamics.weight_decay, dynamics.lr
    checks.not_negative("weight_decay", decay)
    if lr * decay >= bound:
        raise ValueError(
            f"weight_decay = {decay!r} is unstable: lr * weight_decay is {lr * decay:.6g}, the bound is {bound:.6g}; "
            f"lower weight_decay below {bound / lr:.6g}, or lr"
        )


def refuse_coupled(dynamics: Any) -> None:
    """Refuse coupled decay in an SDE, whose landscape can have it."""
    if dynamics.weight_decay:
        raise ValueError(
            f"weight_decay = {dynamics.weight_decay!r}: in substeps decay is decoupled (AdamW, AdaiW) or of the "
            f"landscape; use weight_decay=0 and add {dynamics.weight_decay:g} theta^2/2 to the landscape, or substeps=1"
        )


def coupled(update: Update, weight_decay: float) -> Update:
    """The update with ``weight_decay theta`` added to each gradient; at 0 the update itself."""
    if weight_decay == 0:
        return update
    return replace(
        update,
        step=_pulled(update.step),
        observe=update.observe and _pulled(update.observe),
        shared=_shared(update.shared),
        parameters=(*update.parameters, weight_decay),
    )


@lru_cache(maxsize=1024)
def _pulled(formula: Callable[..., Any]) -> Callable[..., Any]:
    def decayed(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
        return formula(theta, g + p[-1] * theta, slots, shared, p[:-1])

    return decayed


@lru_cache(maxsize=1024)
def _shared(formula: Callable[..., Any]) -> Callable[..., Any]:
    def undecayed(t: Any, powers: Any, p: Any) -> Any:
        return formula(t, powers, p[:-1])

    return undecayed
