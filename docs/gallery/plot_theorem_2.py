"""
Theorem 2 counts the first 1/(1-beta1) iterations twice
=======================================================

How far is Momentum from a saddle after some iterations? Theorem 2 adds the displacement that an initial velocity brings
(drift) to that of a walk without inertia (diffusion). But inertia takes :math:`1/\\gamma` to pass on a kick of the
noise, so the walk without inertia already contains what the formula adds. The theory pages derive both.
"""

import numpy as np
from matplotlib import pyplot as plt

import diffusion
import theory
from diffusion import HessianNoise, Momentum, QuadraticSaddle, simulate

REPLICAS = 40_000
lr, beta1, h, batch_size = 0.01, 0.9, -0.001, 10

saddle, noise = QuadraticSaddle([h]), HessianNoise(batch_size)
run = simulate(Momentum(lr, beta1), saddle, noise=noise, iterations=1000, replicas=REPLICAS, substeps=32)

# %%
# In Newton's equation an iteration lasts one learning rate; mass and damping follow from the rule.
sde = {"hessian": h, "diffusion": lr * abs(h) / batch_size / 2, "mass": lr / (1 - beta1), "damping": (1 - beta1) / lr}
iterations = np.geomspace(1, 1000, 200)
stated = theory.momentum_msd(lr * iterations, **sde)
exact = theory.momentum_msd_exact(lr * iterations, **sde, start="rest")
ratio = float(theory.momentum_msd(lr * 10, **sde) / run.msd.sel(iteration=10).item())

ax = diffusion.plot.msd(run, label="simulation of the SDE")
ax.plot(iterations, stated, color="C1", ls="--", label="Theorem 2")
ax.plot(iterations, exact, color="black", lw=1, label="exact SDE")
ax.axvline(1 / (1 - beta1), color="0.7", lw=1)
ax.set_title(f"Theorem 2 overstates the displacement {ratio:.2f} times\nafter 1/(1-beta1) = 10 iterations from rest")
ax.legend()
plt.show()
