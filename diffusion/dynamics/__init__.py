"""The optimizers, a file for each: the idealized rule where there is one, the update as shipped, the torch counterpart."""

from diffusion.dynamics.adabound import AdaBound
from diffusion.dynamics.adai import Adai, adaptive_inertia
from diffusion.dynamics.adam import Adam
from diffusion.dynamics.adamw import AdamW
from diffusion.dynamics.amsgrad import AMSGrad
from diffusion.dynamics.momentum import Momentum
from diffusion.dynamics.own import OwnDynamics, OwnOptimizer
from diffusion.dynamics.padam import Padam
from diffusion.dynamics.radam import RAdam
from diffusion.dynamics.rmsprop import RMSprop
from diffusion.dynamics.rule import Dynamics, Rule
from diffusion.dynamics.sgd import SGD
from diffusion.dynamics.update import Update

__all__ = [
    "SGD",
    "AMSGrad",
    "AdaBound",
    "Adai",
    "Adam",
    "AdamW",
    "Dynamics",
    "Momentum",
    "OwnDynamics",
    "OwnOptimizer",
    "Padam",
    "RAdam",
    "RMSprop",
    "Rule",
    "Update",
    "adaptive_inertia",
]
