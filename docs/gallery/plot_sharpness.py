"""
Flat or sharp? Two laws of escape, one curve
============================================

Escape rates from minima of sharpness k at one and the same barrier. Under noise that follows the Hessian the exponent
is proportional to 1/k for SGD and to :math:`1/\\sqrt k` for Adam whose second moment follows the noise (Theorem 3,
Proposition 2). Against the exponent, and in units of each optimizer's own clock, both fall on one curve.
"""

import numpy as np
import xarray
from matplotlib import pyplot as plt

import diffusion
import theory
from diffusion import SGD, Adam, DoubleParabola, HessianNoise, escape_rate, exit_times

REPLICAS = 2000
height, split = 0.5, 0.8  # four fifths of the barrier lie before the inflection
noise = HessianNoise(1, at="piecewise")
grids = {"SGD": np.geomspace(1.3, 4, 6), "Adam": np.geomspace(1.3, 12, 6)}

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.4))
slopes = {}
for name, sharpness in grids.items():
    dynamics = SGD(0.1) if name == "SGD" else Adam(0.08, beta1=0.0, second_moment="following")
    rates, exponents, power = [], [], 1.0 if name == "SGD" else 0.5
    for k in sharpness:
        well = DoubleParabola(0.5 * height, height * k, 4 * height * k, 1)
        exits = exit_times(dynamics, well, noise=noise, boundary=well.saddle, max_iterations=10**6, replicas=REPLICAS)
        rates.append(escape_rate(exits))
        known = {"barrier": 0.5 * height, "hessian_minimum": height * k, "hessian_saddle": 4 * height * k}
        exponent = theory.escape_exponent(**known, lr=dynamics.lr, batch_size=1, split=split, power=1 - power)
        exponents.append(exponent.item())
    found = xarray.concat(
        rates, xarray.Variable("sharpness", sharpness, {"long_name": "sharpness k"}), combine_attrs="override"
    )
    look = {"label": name, "color": diffusion.plot.OPTIMIZERS[name]}
    diffusion.plot.rates(found, left, **look)
    clock = dynamics.lr * (height * sharpness) ** power  # learning rate times curvature, in iterations
    scaled = found[["rate", "rate_low", "rate_high"]] / xarray.DataArray(clock, dims="sharpness")
    scaled = scaled.assign_coords(exponent=("sharpness", exponents))
    scaled.exponent.attrs["long_name"] = "barrier over temperature"
    diffusion.plot.rates(scaled, right, against="exponent", **look)
    slopes[name] = float(-np.polyfit(exponents, np.log(scaled.rate), 1)[0])

sgd, adam = slopes["SGD"], slopes["Adam"]
x = np.linspace(1.5, 7, 50)
right.plot(x, np.exp(-x) / np.pi, "k--", lw=1, label="exp(-x)/pi")
left.set(xscale="log", title="against sharpness")
right.set(ylabel="rate over learning rate x curvature", title="against the exponent")
left.set_xticks([1.5, 3, 6, 12], ["1.5", "3", "6", "12"])
left.minorticks_off()
left.legend()
right.legend()
figure.suptitle(f"-log(rate) grows {sgd:.2f} (SGD) and {adam:.2f} (Adam) times the exponent, ~1/k and ~1/sqrt(k)")
plt.show()
