"""
Over the hill: a density leaks out of a well
============================================

All replicas start at the bottom. The density of those still inside spreads to its quasi-stationary shape and then only
shrinks; what has leaked is what the ensemble finds to have left.
"""

import numpy as np
from matplotlib import pyplot as plt

import diffusion
from diffusion import SGD, DoubleParabola, IsotropicNoise, exit_times, fokker_planck

REPLICAS = 10_000
lr, variance = 0.02, 12.5
well = DoubleParabola(0.25, 1.0, 4.0, 1)

times = np.array([0.1, 0.5, 2.0, 8.0, 16.0])
run = fokker_planck.density(well, diffusion=lr * variance / 2, start=0.0, times=times, boundary=well.saddle)
exits = exit_times(
    SGD(lr),
    well,
    noise=IsotropicNoise(variance),
    boundary=well.saddle,
    max_iterations=800,
    replicas=REPLICAS,
    substeps=8,
    crossing="bridge",
)
inside = 1 - exits.exited.mean().item()
ratio = inside / run.survival[-1].item()

ax = diffusion.plot.density(run)
barrier = ax.twinx()
diffusion.plot.landscape(well, barrier, between=(-1, well.saddle))
barrier.set_ylim(-0.05, 0.6)
ax.set_xlim(-1, 1)
ax.axvline(well.saddle, color="0.7", lw=1)
ax.set_title(
    f"At t = 16, {100 * run.survival[-1].item():.1f} % are inside by Fokker-Planck, {100 * inside:.1f} % in the "
    "ensemble"
)
ax.legend(title="dynamical time", loc="upper right", bbox_to_anchor=(0.9, 1))
plt.show()
