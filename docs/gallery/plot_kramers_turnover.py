"""
Too little friction, and escape slows down again
================================================

Theorem 3's dependence on damping is Kramers' of 1940, for friction that is not too weak. Below, a particle cannot gain
the barrier's energy fast enough: the turnover, which the formula of Mel'nikov and Meshkov describes. Exact times from
the phase-space grid.
"""

import numpy as np
from matplotlib import pyplot as plt

import theory
from diffusion import DoubleParabola, fokker_planck

well, temperature = DoubleParabola(1.0, 1.0, 4.0, 1), 1 / 4.5
beyond = well.saddle + np.sqrt(8 * 2 * temperature / 4.0)  # eight temperatures down the other side


def kramers(ratio, turnover):
    damping = 4.0 * ratio**2  # for damping over omega_b = ratio, at damping x mass = 1
    setting = {"barrier": 1.0, "hessian_minimum": 1.0, "hessian_saddle": 4.0, "temperature": temperature}
    action = theory.barrier_action(lambda x: well.loss([x]).item(), minimum=0.0, saddle=well.saddle, mass=1 / damping)
    return theory.kramers_escape_time(
        **setting, mass=1 / damping, damping=damping, action=action if turnover else np.inf
    ).item()


ratios = np.array([0.025, 0.06, 0.2, 1.0, 4.0])
exact = []
for ratio in ratios:
    friction = {"damping": 4.0 * ratio**2, "mass": 1 / (4.0 * ratio**2)}
    setting = {"start": 0.0, "boundary": beyond, "breaks": [well.join], "tolerance": 0.01}
    exact.append(fokker_planck.mean_first_passage_time(well, diffusion=temperature, **setting, **friction).mfpt.item())
slower = exact[0] / kramers(ratios[0], turnover=False)

line = np.geomspace(0.02, 5, 60)
ax = plt.figure().add_subplot()
ax.plot(
    ratios, [e / kramers(r, False) for e, r in zip(exact, ratios, strict=True)], "o", label="phase-space grid, exact"
)
melnikov = [kramers(r, True) / kramers(r, False) for r in line]
ax.plot(line, melnikov, color="C1", label="Mel'nikov and Meshkov")
ax.axhline(1, color="black", ls="--", lw=1, label="Kramers' slow root, as in Theorem 3")
ax.set(xscale="log", xlabel="damping over omega_b", ylabel="mean escape time over Kramers'")
ax.set_title(f"At damping/omega_b = {ratios[0]:g} escape takes {slower:.2f} times Kramers' time")
ax.legend()
plt.show()
