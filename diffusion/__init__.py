"""The simulator: optimizers as stochastic differential equations, as discrete recursions, and as torch optimizers."""

from typing import TYPE_CHECKING, Any

from diffusion.dynamics import SGD, Adai, Adam, Dynamics, Momentum, RMSprop
from diffusion.landscapes import QuadraticSaddle
from diffusion.noise import HessianNoise, IsotropicNoise
from diffusion.simulate import simulate

if TYPE_CHECKING:
    from diffusion.torch_ensemble import simulate_torch

__all__ = [
    "SGD",
    "Adai",
    "Adam",
    "Dynamics",
    "HessianNoise",
    "IsotropicNoise",
    "Momentum",
    "QuadraticSaddle",
    "RMSprop",
    "simulate",
    "simulate_torch",
]


def __getattr__(name: str) -> Any:
    if name == "simulate_torch":  # torch takes seconds to import, so it waits until asked for
        from diffusion.torch_ensemble import simulate_torch

        return simulate_torch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
