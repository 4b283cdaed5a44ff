"""
The momentum drift never adds more than a fifth
===============================================

The drift term of Theorem 2 is the paper's reason why Momentum leaves flat saddles fast. Along a flat direction it is
:math:`(1-e^{-y})^2/(2y)` of the diffusion term, with :math:`y=\\gamma t`: by the formula itself, whatever the
hyperparameters.
"""

import numpy as np
from matplotlib import pyplot as plt

import diffusion
import theory
from diffusion import HessianNoise, Momentum, QuadraticSaddle, simulate

REPLICAS = 40_000
lr, beta1, h, batch_size = 0.01, 0.9, -0.0001, 10

sde = {"diffusion": lr * abs(h) / batch_size / 2, "mass": lr / (1 - beta1), "damping": (1 - beta1) / lr}
y = np.geomspace(0.01, 100, 400)
time = y / sde["damping"]
drift = theory.momentum_drift_msd(time, **sde)
share = drift / (theory.momentum_msd(time, hessian=h, **sde) - drift)
largest = float(share.max())

# %%
# Measured, the same share is what a thermal start gains over a start from rest.
setting = {
    "noise": HessianNoise(batch_size),
    "iterations": 300,
    "replicas": REPLICAS,
    "substeps": 32,
    "save": [1, 3, 10, 30, 100],
}
rest, thermal = (
    simulate(Momentum(lr, beta1), QuadraticSaddle([h]), velocity=velocity, seed=seed, **setting)
    for seed, velocity in enumerate(("rest", "thermal"))
)
gain = (thermal.msd - rest.msd).isel(direction=0)
error = 1.96 * np.hypot(thermal.msd_stderr, rest.msd_stderr).isel(direction=0)
walk = 2 * sde["diffusion"] * lr * gain.iteration

ax = plt.figure().add_subplot()
ax.plot(y, share, color="black", lw=1, label="Theorem 2")
look = {"color": diffusion.plot.OPTIMIZERS["Momentum"], "label": "simulation: thermal start minus rest"}
ax.errorbar(gain.iteration * (1 - beta1), gain / walk, yerr=error / walk, fmt="o", ms=4, **look)
ax.set(xscale="log", xlabel="damping x time", ylabel="drift term over diffusion term")
ax.set_title(f"Drift adds at most {100 * largest:.1f} % to diffusion,\nat damping x time = {y[share.argmax()]:.2f}")
ax.legend()
plt.show()
