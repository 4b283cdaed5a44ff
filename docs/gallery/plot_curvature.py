"""
Adam does not see the curvature, idealized Adai sees it most
============================================================

Table 1 of the paper says which optimizers leave flat directions fast. Here is the displacement after 100 iterations
from rest against the curvature of the direction, under noise proportional to it. With the second moment held at the
noise variance (the paper's idealization) Adam's learning rate cancels the curvature, and Adai's inertia shields flat
directions from the noise.
"""

import numpy as np
from matplotlib import pyplot as plt

import diffusion
from diffusion import SGD, Adai, Adam, HessianNoise, Momentum, QuadraticSaddle, simulate

REPLICAS = 16_000
curvatures = np.geomspace(1e-4, 1e-1, 7)
saddle = QuadraticSaddle(-curvatures)

ax = plt.figure().add_subplot()
powers = {}
for dynamics in (SGD(0.01), Momentum(0.01), Adam(0.01), Adai(0.01)):
    run = simulate(dynamics, saddle, noise=HessianNoise(10), iterations=100, replicas=REPLICAS, save=[100], substeps=4)
    name, msd = type(dynamics).__name__, run.msd.sel(iteration=100)
    powers[name] = float(np.polyfit(np.log(curvatures[:4]), np.log(msd[:4]), 1)[0])
    look = {"color": diffusion.plot.OPTIMIZERS[name], "label": f"{name}: power {powers[name]:.2f}"}
    ax.errorbar(curvatures, msd, yerr=1.96 * run.msd_stderr.sel(iteration=100), marker="o", ms=4, lw=1, **look)

adam, adai = powers["Adam"], powers["Adai"]
ax.set(
    xscale="log", yscale="log", xlabel="curvature |H| [loss / theta^2]", ylabel="mean squared displacement [theta^2]"
)
ax.set_title(
    f"The MSD grows like $|H|^p$:\np = {abs(adam):.2f} for Adam, {powers['SGD']:.2f} for SGD, {adai:.2f} for Adai"
)
ax.legend()
plt.show()
