"""The one place that knows which optimizer is which: its words, inertia and escapes, and what of it torch ships."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

import theory
from diffusion import SGD, Adai, Adam, Momentum, RMSprop
from diffusion.dynamics import Dynamics

BETA1, BETA0 = 0.9, 0.1  # of optimizers that leave a minimum

STYLES = {"ema": "EMA", "heavy-ball": "heavy ball"}
STATED = {
    "SGD": ("Theorem 1", "Theorem 3"),
    "Momentum": ("Theorem 2", "Theorem 3"),
    "Adam": ("Proposition 1", "Proposition 2"),
    "RMSprop": ("Proposition 1", "Proposition 2"),
    "Adai": ("Proposition 3", "Proposition 4"),
}
HEAVY_TAILED = {"shipped": 4, "torch": 4}  # times more replicas where displacements have heavy tails


def name(dynamics: Dynamics) -> str:
    """Its name."""
    return type(dynamics).__name__


def inertia(dynamics: Dynamics) -> dict[str, float]:
    """The parameter that sets its inertia, by name; empty without one."""
    return {parameter: getattr(dynamics, parameter) for parameter in ("beta1", "beta0") if hasattr(dynamics, parameter)}


def parameters(dynamics: Dynamics) -> dict[str, Any]:
    """What rows tell of it besides the learning rate."""
    return inertia(dynamics) | ({"style": dynamics.style} if isinstance(dynamics, Momentum) else {})


def variant(dynamics: Dynamics) -> str:
    """Its name, of Momentum with the style."""
    return f"{name(dynamics)} ({STYLES[dynamics.style]})" if isinstance(dynamics, Momentum) else name(dynamics)


def describe(dynamics: Dynamics) -> str:
    """It in words, for tables and titles."""
    return ", ".join([variant(dynamics), *(f"{one} = {value:g}" for one, value in inertia(dynamics).items())])


def has_second_moment(dynamics: Dynamics) -> bool:
    """Whether its rule reads a second moment, so that what is shipped differs from the theory's idealization."""
    return hasattr(dynamics, "beta2")


def as_shipped(dynamics: Dynamics) -> Dynamics:
    """The optimizer with a running second moment, if it has any."""
    return replace(cast(Any, dynamics), second_moment="running") if has_second_moment(dynamics) else dynamics


def more_replicas(dynamics: Dynamics, route: str) -> int:
    """How many times more replicas the ensemble as shipped needs by this route."""
    return HEAVY_TAILED[route] if isinstance(dynamics, Adai) else 1


def stated(dynamics: Dynamics) -> tuple[str, str]:
    """Where the paper states its displacement from a saddle, and its escape from a minimum; empty where it does not."""
    return STATED.get(name(dynamics), ("", ""))


def escape_time(dynamics: Dynamics, mean_curvature: float, **known: Any) -> Any:
    """The paper's formula for its mean escape time.

    Parameters
    ----------
    dynamics
        The optimizer.
    mean_curvature
        The mean of the curvatures of all directions.
    known
        Arguments of `theory.sgd_escape_time` besides its learning rate; of Adam, beta1 too.

    Raises
    ------
    ValueError
        If the paper states none.
    """
    known["lr"] = getattr(dynamics, "lr", np.nan)
    match dynamics:
        case SGD():
            return theory.sgd_escape_time(**known)
        case Momentum():
            rule = dynamics.rule(np.ones(1))
            return theory.momentum_escape_time(mass=rule.mass[0], damping=rule.damping[0], **known)
        case Adam() | RMSprop():
            known.setdefault("beta1", getattr(dynamics, "beta1", 0.0))
            return theory.adam_escape_time(**known)
        case Adai():
            return theory.adai_escape_time(beta0=dynamics.beta0, mean_curvature=mean_curvature, **known)
    raise ValueError(f"the paper states nothing of {dynamics!r}")


@dataclass(frozen=True)
class Leaver:
    """An optimizer that leaves a minimum.

    Attributes
    ----------
    make
        The optimizer, a function of its learning rate and the kind of its second moment.
    friction
        gamma M.
    adaptive
        Whether its learning rate is divided by the root of the second moment.
    """

    make: Callable[[float, str], Dynamics]
    friction: float = 1.0
    adaptive: bool = False


LEAVERS = {
    "SGD": Leaver(lambda lr, _: SGD(lr)),
    "Momentum": Leaver(lambda lr, _: Momentum(lr, BETA1, "heavy-ball"), friction=1 - BETA1),
    "Adam": Leaver(lambda lr, moment: Adam(lr, BETA1, second_moment=moment), adaptive=True),
    "Adai": Leaver(lambda lr, moment: Adai(lr, BETA0, second_moment=moment)),
}
