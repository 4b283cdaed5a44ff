"""
Over the pass
=============

In two dimensions the way out need not follow the valley. Here both Hessians are diagonal, and the noise is that of the
minimum, so that Theorem 3's exponent is the barrier over the curvature along the valley, 1/8; but the valley bends, and
a path that cuts the corner costs less. SGD's rates fall as the cheapest path has it: splitting goes along that path,
and finds where it leaves.
"""

import numpy as np
from matplotlib import pyplot as plt

import diffusion
import theory
from diffusion import SGD, Beyond, CurvedValley, HessianNoise, rare_escape_rate

REPLICAS = 400
lr, valley, pass_over = 0.025, CurvedValley(0.5), np.array([0.0, 0.5])
barrier = float(valley.loss(pass_over) - valley.loss(valley.reference))
paper = barrier / valley.hessian[0]

# %%
# Noise of the covariance H/B is ``D = eps H`` with ``eps = lr/2B``; rates go like ``exp(-action/eps)``.
cheapest = theory.least_action(
    lambda theta: -valley.gradient(theta), np.diag(valley.hessian), start=valley.reference, end=pass_over
)
costs = np.array([6.0, 12.0])  # action over eps
runs = [
    rare_escape_rate(
        SGD(lr),
        valley,
        noise=HessianNoise(lr / 2 * cost / cheapest.action),
        boundary=Beyond(0, 0.5),
        coordinate=cheapest.path,
        replicas=REPLICAS,
        paths=True,
    )
    for cost in costs
]
slope = float(-np.diff(np.log([run.rate for run in runs]))[0] / np.diff(costs)[0] * cheapest.action)

ax = diffusion.plot.escape_map(valley, path=cheapest.path, exits=runs[1], between=[(-1.4, 0.9), (-0.4, 0.95)])
ax.plot(*valley.reference, "o", color="black")
ax.plot(*pass_over, "X", color="black", ms=9)
ax.set_title(
    f"Rates fall like exp(-{slope:.4f}/eps); the path drawn costs {cheapest.action:.4f},\n"
    f"and Theorem 3's exponent is {paper:.3f}, {paper / cheapest.action:.2f} times that"
)
ax.legend(loc="lower center", ncols=2)
plt.show()
