"""
Adai as shipped is not Adai as idealized
========================================

Idealized Adai has an inertia close to 1 along flat directions and starts from rest, so it hardly moves. The optimizer
as it ships divides its momentum by :math:`1-\\prod\\beta`, which makes its first step one of SGD.
"""

from matplotlib import pyplot as plt

import diffusion
from diffusion import Adai, HessianNoise, QuadraticSaddle, simulate

REPLICAS = 40_000
saddle = QuadraticSaddle([0.1, -0.001])
setting = {"noise": HessianNoise(10), "iterations": 1000, "replicas": REPLICAS}

ideal = simulate(Adai(0.01), saddle, **setting)
shipped = simulate(Adai(0.01, second_moment="running"), saddle, **setting)

ax = diffusion.plot.msd(ideal, direction=1, label="idealized, from rest", mfc="white")
diffusion.plot.msd(shipped, ax, direction=1, label="as shipped")
first, last = ((shipped.msd / ideal.msd).isel(iteration=k, direction=1).item() for k in (0, -1))
ax.set_title(
    f"As shipped, Adai's MSD is {first:.2g} times as large\nat the first iteration, {last:.2g} times after 1000"
)
ax.legend()
plt.show()
