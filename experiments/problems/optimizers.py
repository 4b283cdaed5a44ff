"""The one place that knows which optimizer is which: its words, its inertia, and what of it torch ships."""

from dataclasses import replace
from typing import Any, cast

from diffusion import Adai, Momentum
from diffusion.dynamics import Dynamics

STYLES = {"ema": "EMA", "heavy-ball": "heavy ball"}
HEAVY_TAILED = {
    "shipped": 4,
    "torch": 10,
}  # times more replicas where displacements have heavy tails along flat directions


def name(dynamics: Dynamics) -> str:
    """Its name."""
    return type(dynamics).__name__


def inertia(dynamics: Dynamics) -> dict[str, float]:
    """The parameter that sets its inertia, by name; empty without one."""
    return {one: getattr(dynamics, one) for one in ("beta1", "beta0") if hasattr(dynamics, one)}


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
