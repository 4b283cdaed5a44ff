"""The optimizers, a file for each: the idealized rule where there is one, the update as shipped, the torch counterpart."""

from diffusion.dynamics.adai import Adai, adaptive_inertia
from diffusion.dynamics.adam import Adam
from diffusion.dynamics.momentum import Momentum
from diffusion.dynamics.own import OwnDynamics, OwnOptimizer
from diffusion.dynamics.rmsprop import RMSprop
from diffusion.dynamics.rule import Dynamics, Rule
from diffusion.dynamics.sgd import SGD
from diffusion.dynamics.update import Update

__all__ = [
    "SGD",
    "Adai",
    "Adam",
    "Dynamics",
    "Momentum",
    "OwnDynamics",
    "OwnOptimizer",
    "RMSprop",
    "Rule",
    "Update",
    "adaptive_inertia",
]
