"""
A ball on a saddle, ten thousand times
======================================

Replicas leave a saddle that falls steeply one way and gently the other. SGD's noise follows the curvature and spreads
along the steep direction; Adam divides it by its own size and spreads both ways alike. Ellipses: two standard
deviations of the exact recursion.
"""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.patches import Ellipse

import diffusion
import theory
from diffusion import SGD, Adam, HessianNoise, QuadraticSaddle, simulate

REPLICAS = 20_000
h = np.array([-0.1, -0.001])
saddle = QuadraticSaddle(h)

figure, axes = plt.subplots(1, 2, figsize=(9, 4.6))
spreads = {}
for ax, dynamics in zip(axes, (SGD(0.01), Adam(0.0003)), strict=True):
    run = simulate(
        dynamics, saddle, noise=HessianNoise(10), iterations=300, replicas=REPLICAS, save=[300], keep="states"
    )
    rule = dynamics.rule(abs(h) / 10)
    exact = theory.discrete_msd(
        300,
        hessian=h,
        noise_variance=rule.noise_variance,
        lr=rule.learning_rate,
        inertia=rule.inertia,
        gradient_weight=rule.gradient_weight,
        start="rest",
    )
    edge = 4.5 * np.sqrt(exact.max())
    diffusion.plot.landscape(saddle, ax, between=(-edge, edge), other=1)
    diffusion.plot.cloud(run, ax)
    ax.add_patch(Ellipse((0, 0), *(4 * np.sqrt(exact)), fill=False, lw=1.5, zorder=3))
    name = type(dynamics).__name__
    spreads[name] = float(np.sqrt(run.msd[0, 0] / run.msd[0, 1]))
    ax.set(title=f"{name}: {spreads[name]:.1f} times as far along the steep direction", aspect="equal")
    ax.title.set_fontsize(10)

sgd, adam = spreads["SGD"], spreads["Adam"]
figure.suptitle(f"SGD spreads {sgd:.1f} times as far where curvature is 100 times larger, Adam {adam:.1f} times")
plt.show()
