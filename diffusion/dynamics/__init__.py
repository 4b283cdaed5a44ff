"""The optimizers, a file for each: the idealized rule if it has one, the update as shipped, the torch counterpart."""

from diffusion.dynamics.adabelief import AdaBelief
from diffusion.dynamics.adabound import AdaBound
from diffusion.dynamics.adai import Adai, adaptive_inertia
from diffusion.dynamics.adaiw import AdaiW
from diffusion.dynamics.adam import Adam
from diffusion.dynamics.adamw import AdamW
from diffusion.dynamics.amsgrad import AMSGrad
from diffusion.dynamics.lion import Lion
from diffusion.dynamics.momentum import Momentum
from diffusion.dynamics.own import OwnDynamics, OwnOptimizer
from diffusion.dynamics.padam import Padam
from diffusion.dynamics.radam import RAdam
from diffusion.dynamics.rmsprop import RMSprop
from diffusion.dynamics.rule import Dynamics, Rule
from diffusion.dynamics.sgd import SGD
from diffusion.dynamics.signsgd import SignSGD
from diffusion.dynamics.update import Update
from diffusion.dynamics.yogi import Yogi

__all__ = [
    "SGD",
    "AMSGrad",
    "AdaBelief",
    "AdaBound",
    "Adai",
    "AdaiW",
    "Adam",
    "AdamW",
    "Dynamics",
    "Lion",
    "Momentum",
    "OwnDynamics",
    "OwnOptimizer",
    "Padam",
    "RAdam",
    "RMSprop",
    "Rule",
    "SignSGD",
    "Update",
    "Yogi",
    "adaptive_inertia",
]
