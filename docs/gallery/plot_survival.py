"""
An escape that is rare enough has no memory
===========================================

Replicas of SGD leave a well, and the share still inside is plotted against time. The straight line on a logarithmic
axis is the exponential law at the rate of the Fokker-Planck equation, computed without random numbers.
"""

import numpy as np
from matplotlib import pyplot as plt

import diffusion
from diffusion import SGD, DoubleParabola, IsotropicNoise, escape_rate, exit_times, fokker_planck

REPLICAS = 4000
lr, variance = 0.02, 5.0
temperature = lr * variance / 2
well = DoubleParabola(0.25, 1.0, 4.0, 1)

exits = exit_times(
    SGD(lr),
    well,
    noise=IsotropicNoise(variance),
    boundary=well.saddle,
    max_iterations=20_000,
    replicas=REPLICAS,
    substeps=4,
    crossing="bridge",
)
found = escape_rate(exits, burn_in=200)
grid = fokker_planck.escape_rate(well, diffusion=temperature, start=0.0, boundary=well.saddle)
per_iteration = lr * grid.escape_rate.item()  # the grid's clock is dynamical time
ratio = found.rate.item() / per_iteration

settled = 1 - np.mean(exits.exit_iteration <= 200).item()  # the share inside when counting starts
law = {"Fokker-Planck rate": lambda t: settled * np.exp(-per_iteration * (t - 200))}
ax = diffusion.plot.survival(exits, theory=law)
ax.set_title(
    f"Simulated rate {found.rate.item():.2e} per iteration: {ratio:.2f} times Fokker-Planck\n"
    f"(exponential law: p = {found.exponential_p.item():.2f})"
)
ax.legend()
plt.show()
