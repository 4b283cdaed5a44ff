"""
From the discrete optimizer to its SDE
======================================

One substep per iteration is the optimizer, infinitely many are its stochastic differential equation. Momentum's
displacement after 10 iterations from rest, relative to the SDE's, against the number of substeps: points are ensembles,
the line is the exact recursion.
"""

import numpy as np
from matplotlib import pyplot as plt

import diffusion
import theory
from diffusion import HessianNoise, Momentum, QuadraticSaddle, simulate

REPLICAS = 100_000
lr, beta1, h, batch_size = 0.01, 0.9, -0.01, 10
dynamics, saddle, noise = Momentum(lr, beta1), QuadraticSaddle([h]), HessianNoise(batch_size)

sde = {"hessian": h, "diffusion": lr * abs(h) / batch_size / 2, "mass": lr / (1 - beta1), "damping": (1 - beta1) / lr}
limit = float(theory.momentum_msd_exact(10 * lr, **sde, start="rest"))
rule = {"noise_variance": abs(h) / batch_size, "lr": lr, "inertia": beta1, "gradient_weight": 1 - beta1}
counts = np.array([1, 2, 4, 8, 16, 32, 64, 128])
exact = (
    np.array([theory.discrete_msd(10, hessian=h, **rule, substeps=n, start="rest").item() for n in counts]) / limit - 1
)
order = float(-np.polyfit(np.log(counts[-4:]), np.log(exact[-4:]), 1)[0])

ax = plt.figure().add_subplot()
ax.plot(counts, exact, color="black", lw=1, label=f"exact recursion: order {order:.2f}")
for n in counts[:6].tolist():
    run = simulate(dynamics, saddle, noise=noise, iterations=10, replicas=REPLICAS, save=[10], substeps=n, seed=n)
    value, error = run.msd.item() / limit - 1, 1.96 * run.msd_stderr.item() / limit
    label = "simulation" if n == 1 else None
    ax.errorbar(n, value, yerr=error, fmt="o", ms=4, color=diffusion.plot.OPTIMIZERS["Momentum"], label=label)
ax.set(xscale="log", yscale="log", xlabel="substeps per iteration", ylabel="displacement over the SDE's, minus 1")
ax.set_title(
    f"The optimizer moves {100 * exact[0]:.0f} % farther than its SDE;\n"
    f"the difference falls like 1/substeps (order {order:.2f})"
)
ax.legend()
plt.show()
