"""Exact escape rates for the lines of the sharpness plots: quadrature without inertia, the phase-space grid with it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import fokker_planck
from diffusion.landscapes import Formulas, Landscape
from experiments.sharpness import BETA0, BETA1, GRID_TOLERANCE, Setting
from theory.first_passage import first_passage_time

Array = NDArray[np.float64]


class Normalized(Landscape):
    """One coordinate, under piecewise noise, of a landscape whose gradient is divided by the noise: what Adam sees when v = C follows it.

    Per iteration Adam obeys ``theta'' = -(1-beta1) theta' - (1-beta1) lr (L'/sqrt(C) + xi)``; the loss here is
    ``lr int L'/sqrt(C)``, which the noise, of diffusion coefficient lr^2/2 per iteration, climbs.
    """

    dimension = 1

    def __init__(self, setting: Setting, sharpness: float, lr: float) -> None:
        self._gradient, self._variance = setting.gradient(sharpness), setting.variance(sharpness)
        self._one = setting.landscape(1, sharpness)
        self._switches = np.asarray(setting.breaks(sharpness))
        self._lr = lr
        self._scales = self._pieces(self._switches)

    def _pieces(self, switches: Array) -> Array:
        """1/sqrt(C) in each piece between the switches, where the noise is constant."""
        edges = np.concatenate([switches[:1] - 1, (switches[1:] + switches[:-1]) / 2, switches[-1:] + 1])
        return np.asarray(1 / np.sqrt(self._variance(edges)))

    @property
    def formulas(self) -> Formulas:
        """None: it is solved on a grid, not simulated."""
        raise ValueError(
            "Normalized is for diffusion.fokker_planck; simulate Adam(..., second_moment='following') instead"
        )

    @property
    def reference(self) -> Array:
        """The landscape's."""
        return self._one.reference

    def gradient(self, theta: ArrayLike) -> Array:
        """``lr L'/sqrt(C)``."""
        return np.asarray(
            self._lr * self._one.gradient(theta) / np.sqrt(self._variance(np.asarray(theta)[..., 0]))[..., None]
        )

    def loss(self, theta: ArrayLike) -> Array:
        """``lr int L'/sqrt(C)``: the loss over a constant in each piece, joined at the switches."""
        x = np.asarray(theta, float)[..., 0]
        value = self._one.loss(np.asarray(theta))
        joins = self._one.loss(self._switches[:, None])
        out = value * self._scales[0]
        for k, (switch, join) in enumerate(zip(self._switches, joins, strict=True)):
            out = np.where(x >= switch, out + (value - join) * (self._scales[k + 1] - self._scales[k]), out)
        return np.asarray(self._lr * out)

    def hessian_diagonal(self, theta: ArrayLike) -> Array:
        """``lr L''/sqrt(C)`` away from the switches."""
        scale = np.sqrt(self._variance(np.asarray(theta)[..., 0]))[..., None]
        return np.asarray(self._lr * self._one.hessian_diagonal(theta) / scale)


def exact_rate(setting: Setting, optimizer: str, sharpness: float, dimension: int = 1) -> dict[str, Any]:
    """Escape rate of the SDE per iteration, one over the mean first-passage time, and by which method.

    With inertia one coordinate only, started with a thermal velocity.
    """
    start, boundary = setting.positions(sharpness)
    lr = setting.lr[optimizer]
    if optimizer == "SGD":
        time = first_passage_time(
            setting.gradient(sharpness), setting.diffusion(sharpness, lr), start=start, boundary=boundary,
            dimension=dimension, breaks=setting.breaks(sharpness),
        )  # fmt: skip
        return {"rate": lr / time, "error": 1e-6 * lr / time, "method": "quadrature"}
    assert dimension == 1
    if optimizer == "Adam":
        landscape: Landscape = Normalized(setting, sharpness, lr)
        mass, damping, per_iteration = 1 / (1 - BETA1), 1 - BETA1, 1.0
        diffusion: Any = lr**2 / 2
    else:
        landscape, per_iteration = setting.landscape(1, sharpness), lr
        diffusion = setting.diffusion(sharpness, lr)
        mass = lr if optimizer == "Momentum" else lr / BETA0
        damping = (1 - BETA1 if optimizer == "Momentum" else BETA0) / lr

    found = fokker_planck.mean_first_passage_time(
        landscape, diffusion=diffusion, start=start, boundary=boundary, mass=mass, damping=damping,
        breaks=setting.breaks(sharpness), tolerance=GRID_TOLERANCE,
    )  # fmt: skip
    rate = per_iteration / float(found["mfpt"])
    return {"rate": rate, "error": rate * float(found["mfpt_error"] / found["mfpt"]), "method": "phase-space grid"}
