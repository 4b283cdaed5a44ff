"""
How an escape happens
=====================

Of the paths that leave the local minimum of a landscape in two dimensions, here is how they went: over one
saddle or the other, one coordinate at a time. Each coordinate is a way out of its own, so the rate is twice that
of one dimension.
"""

from matplotlib import pyplot as plt

import diffusion
import theory
from diffusion import SGD, IsotropicNoise, StyblinskiTang, rare_escape_rate

REPLICAS = 3200
lr, variance, height = 0.002, 400.0, 0.1
tang = StyblinskiTang(2, height=height)
crest = tang.critical_coordinates[1]

run = rare_escape_rate(
    SGD(lr),
    tang,
    noise=IsotropicNoise(variance),
    boundary=crest,
    replicas=REPLICAS,
    repetitions=4,
    substeps=4,
    paths=True,
)

# %%
# Exactly: the mean first-passage time of one coordinate, by quadrature; in dynamical time, hence the learning rate.
one = StyblinskiTang(1, height=height)
time = theory.first_passage_time(
    lambda x: one.gradient(x[..., None])[..., 0], lr * variance / 2, start=one.reference.item(), boundary=crest
)
ratio = float(run.rate * time / lr)

ax = diffusion.plot.landscape(tang, between=(-0.5, 4.2), other=1)
diffusion.plot.paths(run, ax, most=60, color=diffusion.plot.OPTIMIZERS["Adai"])
ax.plot(*tang.reference, "o", color="black")
ax.set(
    aspect="equal",
    title=f"Two ways out: {ratio:.2f} times the rate of one coordinate\n({run.rate.item():.1e} per iteration)",
)
plt.show()
