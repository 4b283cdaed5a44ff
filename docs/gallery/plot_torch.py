"""
Our Adam is torch's Adam
========================

The compiled ensemble with a running second moment and bias corrections beside `torch.optim.Adam` itself, on the same
saddle under the same noise, with different random numbers. And beside Proposition 1, which idealizes it.
"""

import numpy as np
from matplotlib import pyplot as plt

import diffusion
import theory
from diffusion import Adam, HessianNoise, QuadraticSaddle, simulate, simulate_torch

REPLICAS = 20_000
adam, saddle = Adam(0.01, second_moment="running"), QuadraticSaddle([0.1, -0.001])
setting = {
    "noise": HessianNoise(10),
    "iterations": 200,
    "replicas": REPLICAS,
    "save": [1, 2, 3, 6, 10, 20, 40, 100, 200],
}

ours = simulate(adam, saddle, **setting)
torchs = simulate_torch(adam, saddle, **setting)
ratio = float((ours.msd / torchs.msd).isel(direction=1).mean())

t = np.geomspace(1, 200, 100)
stated = theory.adam_msd(t, lr=0.01, beta1=0.9)
ax = diffusion.plot.msd(torchs, direction=1, color="black", fmt="^", ms=8, mfc="none", label="torch.optim.Adam")
diffusion.plot.msd(ours, ax, direction=1, label="compiled ensemble")
ax.plot(t, stated, color="black", ls="--", lw=1, label="Proposition 1")
farthest = max((np.interp(ours.iteration, t, stated) / ours.msd.isel(direction=1)).values, key=lambda x: abs(np.log(x)))
ax.set_title(
    f"The ensemble is {ratio:.3f} times torch;\nProposition 1 is up to {max(farthest, 1 / farthest):.1f} times off"
)
ax.legend()
plt.show()
