"""
Two temperatures, and inertia
=============================

Noise that goes with the curvature makes a flat saddle colder than the sharp valley before it. Theorem 3 climbs the
valley's share of the barrier at the valley's temperature, and the rest at the saddle's. With inertia a particle that
passes the inflection carries heat of the valley with it: the least action in positions and velocities is smaller. One
effective temperature tells it, unless the likeliest path swings back.
"""

import numpy as np
from matplotlib import pyplot as plt

import theory
from diffusion import DoubleParabola

flatter = 1 / 4  # curvature and temperature at the saddle over those at the minimum
well = DoubleParabola(1.0, 1.0, flatter, 1)
climbed = flatter / (1 + flatter)  # share of the barrier before the inflection
stated = climbed + (1 - climbed) / flatter


def friction(ratio):
    """Mass and damping at damping x mass = 1, for damping over omega_b = ratio."""
    damping = ratio**2 * flatter
    return {"mass": 1 / damping, "damping": damping}


def cheapest(ratio):
    """The least action from the minimum to the saddle, the valley's temperature being 1."""
    mass, damping = friction(ratio).values()

    def drift(z):
        return np.stack([z[:, 1], -damping * z[:, 1] - well.gradient(z[:, :1])[:, 0] / mass], axis=1)

    def diffusion(z):
        temperature = np.where(z[:, 0] < well.join, 1.0, flatter)
        return (temperature * damping / mass)[:, None, None] * np.diag([0.0, 1.0])

    ends = {"start": [0.0, 0.0], "end": [well.saddle, 0.0]}
    return theory.least_action(drift, diffusion, **ends, jump=lambda z: z[:, 0] - well.join)


def by_temperature(ratio):
    """The exponent by the effective temperature."""
    heat = {"temperature_minimum": 1.0, "temperature_saddle": flatter, "hessian_saddle": flatter}
    return climbed + (1 - climbed) / theory.effective_temperature(**heat, **friction(ratio))


# %%
# At weak damping the likeliest path crosses the inflection three times, and costs more than the formula says.
ratios = [0.3, 1.0]
paths = [cheapest(ratio) for ratio in ratios]
least = paths[0].action / stated
crossings = int(np.sum(np.diff(np.sign(paths[0].path[:, 0] - well.join)) != 0))

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
line = np.geomspace(0.2, 30, 80)
left.axhline(1, color="black", ls="--", lw=1, label="Theorem 3")
left.plot(line, [by_temperature(ratio) / stated for ratio in line], color="C1", label="effective temperature")
left.plot(ratios, [path.action / stated for path in paths], "o", color="C0", label="least action")
left.set(xscale="log", xlabel="damping over omega_b", ylabel="exponent over Theorem 3's", ylim=(0, 1.1))
left.legend(loc="lower right")
right.axvspan(well.join, 1.05 * well.saddle, color="0.9")
right.text(2, -0.28, "a quarter as hot", ha="center")
for ratio, path in zip(ratios, paths, strict=True):
    right.plot(*path.path.T, label=f"damping {ratio:g} omega_b")
right.plot([0, well.saddle], [0, 0], "ko", ms=5)
right.set(xlabel="position", ylabel="velocity of the likeliest path")
right.legend(loc="upper right", fontsize="small")
figure.suptitle(
    f"At damping {ratios[0]:g} omega_b escapes cost {least:.3f} of Theorem 3's exponent;\n"
    f"the path crosses the inflection {crossings} times, "
    f"and the effective temperature says {by_temperature(ratios[0]) / stated:.3f}"
)
plt.show()
