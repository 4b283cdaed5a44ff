"""
Many directions
===============

Theorem 3 leaves out what happens across the way. A valley that narrows by a twentieth in every direction across it
hardly counts, if there is one such direction; transport along the path multiplies as many factors as there are.
"""

import numpy as np
from matplotlib import pyplot as plt

import theory
from diffusion import SGD, Channel, HessianNoise, OverdampedMotion

narrowing = (2.0, 2.1)  # curvatures across, at the minimum and at the saddle
motion = OverdampedMotion(SGD(0.1), Channel(*narrowing, 1), HessianNoise(1))
way = theory.least_action(motion.drift, motion.diffusion, start=[-1, 0], end=[0, 0])
alone = 2 * np.pi / np.sqrt(2.0)  # without the direction: the curvatures along the way are 2 and 1
one = theory.escape_prefactor(motion.drift, motion.diffusion, way) / alone

# %%
# An effective loss, with a quarter of the learning rate over B times the trace of the Hessian, has nearly the same.
directions = np.arange(1, 101)
effective = np.exp(directions * (narrowing[1] - narrowing[0]) / (2 * 2.0))
many = float(one**100)

fig, ax = plt.subplots()
ax.plot(directions, one**directions, lw=2, label="transport along the path")
ax.plot(directions, effective, ls=":", lw=2, label="effective loss")
ax.axhline(1, color="black", ls="--", label="Theorem 3")
ax.set(yscale="log", xlabel="directions across the way", ylabel="mean escape time over that of the way alone")
ax.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
ax.minorticks_off()
ax.set_title(f"A hundred directions that narrow by 5 %\nlengthen escapes {many:.1f} times")
ax.legend()
plt.show()
