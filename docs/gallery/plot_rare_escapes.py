"""
Rates that no direct simulation can see
=======================================

Discrete SGD leaves a well with a rate that falls exponentially with the barrier. Splitting paths measures it in
seconds, where one exit would take hours; the line is the exact mean of the Markov chain that discrete SGD is.
"""

import numpy as np
import xarray
from matplotlib import pyplot as plt

import diffusion
import theory
from diffusion import SGD, DoubleParabola, HessianNoise, rare_escape_rate

REPLICAS = 2000
noise = HessianNoise(1, at="piecewise")
exponents = np.array([4.0, 8.0, 12.0, 16.0])
rates, exact = [], []
for exponent in exponents:
    lr = 0.85 / exponent
    height = 0.05 / lr  # learning rate times curvature is 0.05
    well = DoubleParabola(0.5 * height, height, 4 * height, 1)
    rates.append(rare_escape_rate(SGD(lr), well, noise=noise, boundary=well.saddle, replicas=REPLICAS))
    mean = theory.discrete_first_passage_time(
        lambda x, well=well: well.gradient(x[..., None])[..., 0],
        lambda x, well=well: np.sqrt(noise.variance_at(well, x[..., None])[..., 0]),
        lr=lr,
        start=0.0,
        boundary=well.saddle,
        breaks=[well.join],
    )
    exact.append(1 / mean)

label = xarray.Variable("exponent", exponents, {"long_name": "barrier over temperature"})
found = xarray.concat(rates, label, combine_attrs="override")
ratio = float(np.exp(np.mean(np.log(found.rate / exact))))
ax = diffusion.plot.rates(found, label="splitting", theory={"exact chain": exact})
ax.set_title(
    f"Rates from {exact[0]:.1e} down to {exact[-1]:.1e} per iteration:\nsplitting is {ratio:.2f} times the exact rate"
)
ax.legend()
plt.show()
