"""
Where the fate of a path is open
================================

The committor of phase space: the probability of coming out on the right. With inertia a path on the near side of the
saddle, if fast enough, will cross. Near the saddle the line of one half has the slope :math:`-(\\lambda+\\gamma)` of
the growing mode, :math:`\\lambda` Kramers' slow root.
"""

import numpy as np
from matplotlib import pyplot as plt

import diffusion
from diffusion import DoubleParabola, fokker_planck

well, mass, damping, temperature = DoubleParabola(1.0, 1.0, 4.0, 1), 1.0, 1.0, 0.05
run = fokker_planck.committor(
    well,
    diffusion=temperature * damping * mass,
    boundary=(-0.5, well.saddle + 0.8),
    mass=mass,
    damping=damping,
    breaks=[well.join],
)

# %%
# The velocity at which the committor is one half, at each position near the saddle.
near = run.committor.sel(position=slice(well.saddle - 0.25, well.saddle + 0.25))
half = [np.interp(0.5, column.values, column.velocity) for column in near.transpose("position", "velocity")]
slope = float(np.polyfit(near.position, half, 1)[0])
root = (-damping + np.sqrt(damping**2 + 4 * 4.0 / mass)) / 2

ax = diffusion.plot.committor(run)
x = np.array([well.join, well.saddle + 0.5])
ax.plot(x, -(root + damping) * (x - well.saddle), "C1", ls="--", lw=2, label="growing mode")
ax.plot(well.saddle, 0, "o", color="white", mec="black", label="saddle")
ax.set_title(f"The line of one half falls at {slope:.2f}; the growing mode at {-(root + damping):.2f}")
ax.legend(loc="lower left", labelcolor="white")
plt.show()
