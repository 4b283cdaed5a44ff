"""The Kramers turnover: mean escape time against damping on the double parabola, at one temperature everywhere."""

from typing import Any

import numpy as np

import theory
from diffusion import DoubleParabola, fokker_planck
from experiments.problems.wells import GRID_TOLERANCE

HESSIAN_MINIMUM, HESSIAN_SADDLE, EXPONENT = 1.0, 4.0, 4.5
BARRIER = 1.0
TEMPERATURE = BARRIER / EXPONENT
DEPTH = 8.0  # temperatures below the saddle at which an arrival beyond it is final
DAMPINGS = (10.0, 4.0, 1.0, 0.4, 0.15, 0.05, 0.025)  # gamma/omega_b

WELL = DoubleParabola(BARRIER, HESSIAN_MINIMUM, HESSIAN_SADDLE, 1)


def beyond() -> float:
    """A position so far down the other side that no path returns."""
    return float(WELL.saddle + np.sqrt(2 * DEPTH * TEMPERATURE / HESSIAN_SADDLE))


def escape_times(ratio: float) -> dict[str, Any]:
    """Mean times from the minimum by every route without sampling, at damping over omega_b = `ratio`.

    "paper" is Theorem 3's form at one temperature, "kramers" the same with Kramers' prefactor, "melnikov" that with the turnover;
    "saddle" and "beyond" are the grid's first passage at the saddle and far beyond it.
    """
    damping = ratio**2 * HESSIAN_SADDLE  # omega_b^2 = H_b gamma
    mass = 1 / damping  # gamma M = 1, as Theorem 3 has no other friction
    factor = theory.effective_diffusion(hessian_saddle=HESSIAN_SADDLE, mass=mass, damping=damping)
    known: dict[str, Any] = {
        "barrier": BARRIER, "hessian_minimum": HESSIAN_MINIMUM, "hessian_saddle": HESSIAN_SADDLE,
        "temperature": TEMPERATURE, "mass": mass, "damping": damping,
    }  # fmt: skip
    action = theory.barrier_action(
        lambda x: float(WELL.loss(np.array([x]))), minimum=0.0, saddle=WELL.saddle, mass=mass
    )
    found: dict[str, Any] = {
        "ratio": ratio,
        "paper": float(2 * np.pi / HESSIAN_SADDLE / factor * np.exp(EXPONENT)),
        "kramers": float(theory.kramers_escape_time(**known)),
        "melnikov": float(theory.kramers_escape_time(**known, action=action)),
    }
    for name, boundary in (("saddle", WELL.saddle), ("beyond", beyond())):
        grid = fokker_planck.mean_first_passage_time(
            WELL, diffusion=TEMPERATURE, start=0.0, boundary=boundary, mass=mass, damping=damping,
            breaks=[WELL.join], tolerance=GRID_TOLERANCE,
        )  # fmt: skip
        found |= {name: float(grid["mfpt"]), f"{name}_error": float(grid["mfpt_error"])}
    return found
