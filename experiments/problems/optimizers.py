"""The one place that knows which optimizer is which: its words, inertia and escapes, and what of it torch ships."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import theory
from diffusion import SGD, Adai, Adam, Momentum
from diffusion.dynamics import Dynamics

BETA1, BETA0 = 0.9, 0.1  # of optimizers that leave a minimum

STYLES = {"ema": "EMA", "heavy-ball": "heavy ball"}
HEAVY_TAILED = {"shipped": 4, "torch": 10}  # times more replicas where displacements have heavy tails


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


@dataclass(frozen=True)
class Leaver:
    """An optimizer that leaves a minimum.

    Attributes
    ----------
    make
        The optimizer, a function of its learning rate and the kind of its second moment.
    escape_time
        The paper's formula, of the arguments of `theory.sgd_escape_time` and the mean of the curvatures.
    friction
        gamma M.
    adaptive
        Whether its learning rate is divided by the root of the second moment.
    """

    make: Callable[[float, str], Dynamics]
    escape_time: Callable[..., Any]
    friction: float = 1.0
    adaptive: bool = False


def _momentum_time(mean_curvature: float, lr: float, **known: Any) -> Any:
    return theory.momentum_escape_time(lr=lr, mass=lr, damping=(1 - BETA1) / lr, **known)


LEAVERS = {
    "SGD": Leaver(lambda lr, _: SGD(lr), lambda mean_curvature, **known: theory.sgd_escape_time(**known)),
    "Momentum": Leaver(lambda lr, _: Momentum(lr, BETA1, "heavy-ball"), _momentum_time, friction=1 - BETA1),
    "Adam": Leaver(
        lambda lr, moment: Adam(lr, BETA1, second_moment=moment),
        lambda mean_curvature, beta1=BETA1, **known: theory.adam_escape_time(beta1=beta1, **known),
        adaptive=True,
    ),
    "Adai": Leaver(
        lambda lr, moment: Adai(lr, BETA0, second_moment=moment),
        lambda **known: theory.adai_escape_time(beta0=BETA0, **known),
    ),
}
