"""What every run and every estimate is given: an optimizer, a landscape and its noise, each of its kind."""

from typing import Any

from diffusion.dynamics import Dynamics
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel

REMEDIES = {
    "dynamics": (
        Dynamics,
        "an optimizer, such as SGD(lr=0.1); those of torch run in simulate_torch and exit_times_torch alone",
    ),
    "landscape": (
        Landscape,
        "a landscape; a TorchLandscape runs in simulate_torch and exit_times_torch alone",
    ),
    "noise": (
        NoiseModel,
        "a model of noise, such as IsotropicNoise(variance), HessianNoise(batch_size) or Minibatches",
    ),
}


def check_kinds(**given: Any) -> None:
    """Refuse what is no optimizer, landscape or noise, given by these names, such as a number in its place."""
    for name, value in given.items():
        kind, remedy = REMEDIES[name]
        if not isinstance(value, kind):
            raise ValueError(f"{name} = {value!r} must be {remedy}")
