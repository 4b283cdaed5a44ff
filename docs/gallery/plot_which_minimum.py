"""
Which minimum
=============

Two valleys of the same depth, one flatter than the other: how long is each occupied in the long run? SGD's stationary
density answers, and idealized RMSprop's, which is Adam without inertia. The paper's mean escape times are about this
question; of SGD they lack a factor, which is the ratio of the curvatures, of RMSprop nothing.
"""

import numpy as np
from matplotlib import pyplot as plt

import theory
from diffusion import SGD, HessianNoise, Motion, RMSprop, TripleParabola

STEP, BARRIER = 0.1, 3.0  # learning rate times the sharp curvature, and temperatures of the sharp valley
ratios = np.geomspace(1, 4, 5)
rules = {"SGD": SGD(1.0), "RMSprop": RMSprop(np.sqrt(STEP), second_moment="following")}
exact = {name: [] for name in rules}
paper = {name: [] for name in rules}
for ratio in ratios:
    sharp, flat, height = STEP, STEP / ratio, BARRIER * STEP / 2
    valleys = TripleParabola((height, height), (sharp, flat), sharp, 1)
    for name, rule in rules.items():
        motion = Motion(rule, valleys, HessianNoise(1, "piecewise"))
        where = {"minima": valleys.minima, "saddle": valleys.saddle, "breaks": motion.breaks}
        exact[name].append(theory.occupation_ratio(motion.pull, motion.diffusion, **where))
        power = 0.5 if name == "RMSprop" else 0.0
        known = {"barrier": height, "hessian_saddle": sharp, "batch_size": 1, "lr": rule.lr, "clock": "iteration"}
        time = theory.adam_escape_time if power else theory.sgd_escape_time
        more = {"beta1": 0.0} if power else {}
        times = [time(hessian_minimum=h, split=sharp / (h + sharp), **known, **more) for h in (sharp, flat)]
        paper[name].append(float(times[1] / times[0]))

# %%
# At a ratio of 4, how many times too small the paper's preference of SGD is.
lacking = float(exact["SGD"][-1] / paper["SGD"][-1])

fig, ax = plt.subplots()
for name, color in (("SGD", "C0"), ("RMSprop", "C1")):
    ax.plot(ratios, exact[name], color, lw=2.5, label=f"{name}, exact")
    ax.plot(ratios, paper[name], "black", ls="--", lw=1.2, label="the paper's times" if name == "SGD" else None)
ax.set(xscale="log", yscale="log", xlabel="curvature sharp over flat", ylabel="time at flat over time at sharp")
ax.set_xticks([1, 2, 4], ["1", "2", "4"])
ax.minorticks_off()
ax.set_title(f"At a ratio of 4 SGD keeps the flat minimum\n{lacking:.1f} times as long as the paper's times tell")
ax.legend()
plt.show()
