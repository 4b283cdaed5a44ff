"""The simulator: optimizers as stochastic differential equations, as discrete recursions, and as torch optimizers."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from diffusion.dynamics import (
    SGD,
    AdaBelief,
    AdaBound,
    Adai,
    AdaiW,
    Adam,
    AdamW,
    AMSGrad,
    Dynamics,
    Lion,
    Momentum,
    OwnDynamics,
    OwnOptimizer,
    Padam,
    RAdam,
    RMSprop,
    SignSGD,
    Yogi,
)
from diffusion.escape import exit_times
from diffusion.landscapes import (
    Channel,
    CoupledLandscape,
    CurvedValley,
    DoubleParabola,
    Landscape,
    MuellerBrown,
    QuadraticSaddle,
    SeparableLandscape,
    StyblinskiTang,
    TripleParabola,
)
from diffusion.laws import Batch, Empirical, Law, Normal, Quantile, Skewed, Stable, StudentT
from diffusion.minibatches import Minibatches
from diffusion.motion import Motion, OverdampedMotion
from diffusion.noise import HessianNoise, IsotropicNoise, MinibatchNoise
from diffusion.own_noise import Noise
from diffusion.progress import progress
from diffusion.prospects import Prospect, escape_prospect
from diffusion.rates import escape_rate
from diffusion.regions import Ball, Beyond, Box, HalfSpace, LossLevel, Radius, Region
from diffusion.simulate import simulate
from diffusion.splitting import rare_escape_rate
from diffusion.torch_minibatches import TorchMinibatches
from diffusion.transitions import rates_between_minima

if TYPE_CHECKING:
    from diffusion.torch_ensemble import simulate_torch
    from diffusion.torch_exits import exit_times_torch
    from diffusion.torch_landscape import TorchLandscape

__all__ = [
    "SGD",
    "AMSGrad",
    "AdaBelief",
    "AdaBound",
    "Adai",
    "AdaiW",
    "Adam",
    "AdamW",
    "Ball",
    "Batch",
    "Beyond",
    "Box",
    "Channel",
    "CoupledLandscape",
    "CurvedValley",
    "DoubleParabola",
    "Dynamics",
    "Empirical",
    "HalfSpace",
    "HessianNoise",
    "IsotropicNoise",
    "Landscape",
    "Law",
    "Lion",
    "LossLevel",
    "MinibatchNoise",
    "Minibatches",
    "Momentum",
    "Motion",
    "MuellerBrown",
    "Noise",
    "Normal",
    "OverdampedMotion",
    "OwnDynamics",
    "OwnOptimizer",
    "Padam",
    "Prospect",
    "QuadraticSaddle",
    "Quantile",
    "RAdam",
    "RMSprop",
    "Radius",
    "Region",
    "SeparableLandscape",
    "SignSGD",
    "Skewed",
    "Stable",
    "StudentT",
    "StyblinskiTang",
    "TorchMinibatches",
    "TripleParabola",
    "Yogi",
    "escape_prospect",
    "escape_rate",
    "exit_times",
    "progress",
    "rare_escape_rate",
    "rates_between_minima",
    "simulate",
]
if find_spec("torch"):
    __all__ += ["TorchLandscape", "exit_times_torch", "simulate_torch"]

# Imported when first asked for: torch takes seconds, plots and grids half a second.
_OF_TORCH = {
    "TorchLandscape": "torch_landscape",
    "exit_times_torch": "torch_exits",
    "optimizers": "",
    "simulate_torch": "torch_ensemble",
}
_MODULES = ("fokker_planck", "optimizers", "plot")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _OF_TORCH and name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_OF_TORCH.get(name) or name}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(f"diffusion.{name} needs torch: pip install '.[torch]' in the project's folder") from error
    return module if name in _MODULES else getattr(module, name)


def __dir__() -> list[str]:
    absent = set() if find_spec("torch") else set(_OF_TORCH)
    return sorted({*globals(), *__all__, *_MODULES} - absent)
