"""Fokker-Planck equations on a grid: overdamped (Equation 2) in one coordinate or two, in phase space (Equation 8)."""

from diffusion.fokker_planck.densities import density, stationary_density
from diffusion.fokker_planck.passage import committor, mean_first_passage_time
from diffusion.fokker_planck.rates import escape_rate

__all__ = ["committor", "density", "escape_rate", "mean_first_passage_time", "stationary_density"]
