"""Plots of the library's results: each takes a Dataset and draws on `ax`, or on new axes, and returns them.

Axes that a function makes have the library's style, which is `STYLE`; axes that you give keep yours.
"""

from diffusion.plot.ensembles import msd, rates, survival
from diffusion.plot.grids import committor, current, density, landscape
from diffusion.plot.landscapes import escape_map
from diffusion.plot.positions import cloud, paths
from diffusion.plot.style import OPTIMIZERS, STYLE

__all__ = [
    "OPTIMIZERS",
    "STYLE",
    "cloud",
    "committor",
    "current",
    "density",
    "escape_map",
    "landscape",
    "msd",
    "paths",
    "rates",
    "survival",
]
