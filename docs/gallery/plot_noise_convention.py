"""
Ito or not: what the noise convention does to the prefactor
===========================================================

Where noise depends on position, "the" overdamped equation is three equations. The paper writes Ito's, which discrete
SGD obeys; its Theorem 3 has the prefactor of the isothermal one. With a saddle four times as curved as the minimum that
is a factor of four in time.
"""

import numpy as np
from matplotlib import pyplot as plt

from diffusion import SGD, DoubleParabola, HessianNoise, exit_times, fokker_planck

REPLICAS = 4000
height = 1.0
well = DoubleParabola(0.5 * height, height, 4 * height, 1)
noise = HessianNoise(1, at="piecewise")
beyond = 1.6 * well.saddle  # far enough down the other side that no path returns


def variance(x):
    return noise.variance_at(well, x[:, None])[:, 0]


# %%
# The exact mean times under each convention, from the Fokker-Planck grid, over Theorem 3's.
exponents = np.array([2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0])
over = {}
for convention in ("ito", "stratonovich", "isothermal"):
    ratios = []
    for exponent in exponents:
        lr = 0.85 / exponent  # so that barrier over temperature is the exponent
        setting = {"start": 0.0, "boundary": beyond, "convention": convention, "breaks": [well.join]}
        grid = fokker_planck.mean_first_passage_time(well, diffusion=lambda x, lr=lr: lr / 2 * variance(x), **setting)
        ratios.append(grid.mfpt.item() / (2 * np.pi / (4 * height) * np.exp(exponent)))
    over[convention] = np.array(ratios)

# %%
# Discrete SGD, at steps that are small compared with the width of the well: which of the three does it obey?
ax = plt.figure().add_subplot()
for (convention, ratios), colour in zip(over.items(), ("C0", "0.5", "C1"), strict=True):
    ax.plot(exponents, ratios, color=colour, label=f"{convention}, exact")
for exponent in (2.0, 3.0, 4.0):
    lr = 0.85 / exponent
    small = DoubleParabola(0.01 * height, 0.02 * height, 0.08 * height, 1)  # the same exponent, a fiftieth of the step
    exits = exit_times(
        SGD(lr), small, noise=noise, boundary=1.6 * small.saddle, max_iterations=10**6, replicas=REPLICAS
    )
    mean, error = exits.exit_iteration.mean().item(), exits.exit_iteration.std().item() / np.sqrt(REPLICAS)
    stated = 2 * np.pi / (4 * height * 0.02 * lr) * np.exp(exponent)
    label = "discrete SGD" if exponent == 2 else None
    ax.errorbar(exponent, mean / stated, yerr=1.96 * error / stated, fmt="o", ms=5, color="black", label=label)
ratio = float(over["ito"][-1])
ax.set(xscale="log", xlabel="barrier over temperature", ylabel="mean escape time over Theorem 3's", ylim=(0, None))
ax.axhline(1, color="0.7", lw=1)
ax.set_title(
    f"Under Ito noise escape takes {ratio:.2f} times what Theorem 3 says,\n"
    f"under isothermal noise {over['isothermal'][-1]:.2f} times"
)
ax.set_xticks([2, 4, 8, 16, 32], ["2", "4", "8", "16", "32"])
ax.minorticks_off()
ax.legend(loc="center right", bbox_to_anchor=(1, 0.65))
plt.show()
