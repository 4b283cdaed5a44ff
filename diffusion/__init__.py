"""The simulator: optimizers as stochastic differential equations, as discrete recursions, and as torch optimizers."""

from typing import TYPE_CHECKING, Any

from diffusion.dynamics import SGD, Adai, Adam, Dynamics, Momentum, OwnDynamics, RMSprop
from diffusion.escape import LossLevel, Radius, exit_times
from diffusion.landscapes import DoubleParabola, QuadraticSaddle, StyblinskiTang
from diffusion.noise import HessianNoise, IsotropicNoise, MinibatchNoise
from diffusion.own_landscapes import CoupledLandscape, SeparableLandscape
from diffusion.rates import escape_rate
from diffusion.simulate import simulate
from diffusion.splitting import rare_escape_rate

if TYPE_CHECKING:
    from diffusion.torch_ensemble import simulate_torch
    from diffusion.torch_exits import Samples, exit_times_torch

__all__ = [
    "SGD",
    "Adai",
    "Adam",
    "CoupledLandscape",
    "DoubleParabola",
    "Dynamics",
    "HessianNoise",
    "IsotropicNoise",
    "LossLevel",
    "MinibatchNoise",
    "Momentum",
    "OwnDynamics",
    "QuadraticSaddle",
    "RMSprop",
    "Radius",
    "Samples",
    "SeparableLandscape",
    "StyblinskiTang",
    "escape_rate",
    "exit_times",
    "exit_times_torch",
    "rare_escape_rate",
    "simulate",
    "simulate_torch",
]


def __getattr__(name: str) -> Any:
    if name == "simulate_torch":  # torch takes seconds to import, so it waits until asked for
        from diffusion.torch_ensemble import simulate_torch

        return simulate_torch
    if name in ("Samples", "exit_times_torch"):
        from diffusion import torch_exits

        return getattr(torch_exits, name)
    if name == "plot":  # needs xarray, which takes half a second
        from importlib import import_module

        return import_module("diffusion.plot")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
