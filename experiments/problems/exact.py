"""The exact escape rate of a dynamics along one coordinate: quadrature without inertia, the phase-space grid with it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import fokker_planck
from diffusion.dynamics import Adam, Dynamics
from diffusion.landscapes import Formulas, Landscape
from diffusion.noise import HessianNoise, MinibatchNoise, Noise
from theory.first_passage import first_passage_time

Array = NDArray[np.float64]
QUADRATURE_ERROR = 1e-6


class Normalized(Landscape):
    """One coordinate, under piecewise noise, of a landscape whose gradient is divided by the noise: what Adam sees when v = C follows it.

    Per iteration Adam obeys ``theta'' = -(1-beta1) theta' - (1-beta1) lr (L'/sqrt(C) + xi)``; the loss here is
    ``lr int L'/sqrt(C)``, which the noise, of diffusion coefficient lr^2/2 per iteration, climbs.
    """

    dimension = 1

    def __init__(self, landscape: Landscape, noise: Noise, lr: float) -> None:
        self._one, self._noise, self._lr = landscape, noise, lr
        self._switches = np.asarray(landscape.pieces().switches)
        edges = np.concatenate(
            [self._switches[:1] - 1, (self._switches[1:] + self._switches[:-1]) / 2, self._switches[-1:] + 1]
        )
        self._scales = np.asarray(
            1 / np.sqrt(self._variance(edges))
        )  # in each piece between the switches, where the noise is constant

    def _variance(self, x: Array) -> Array:
        return np.asarray(self._noise.variance_at(self._one, x[..., None])[..., 0])

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
        x = np.asarray(theta, float)[..., 0]
        return np.asarray(self._lr * self._one.gradient(theta) / np.sqrt(self._variance(x))[..., None])

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
        x = np.asarray(theta, float)[..., 0]
        return np.asarray(self._lr * self._one.hessian_diagonal(theta) / np.sqrt(self._variance(x))[..., None])


def exact_rate(
    dynamics: Dynamics, landscape: Landscape, noise: Noise, *, start: float, boundary: float, tolerance: float = 1e-3
) -> tuple[float, float]:
    """Escape rate of the SDE per iteration, one over the mean first-passage time, and its numerical error.

    Parameters
    ----------
    dynamics, landscape, noise
        As in `diffusion.exit_times`; idealized, separable, and with inertia in one coordinate, started with a thermal velocity.
    start, boundary
        In theta units, of every coordinate.
    tolerance
        Relative, of the phase-space grid.

    Raises
    ------
    ValueError
        If no exact rate is known for the combination, or the grid cannot reach the tolerance.
    """
    if dynamics.running is not None or landscape.formulas.coupled:
        raise ValueError(
            f"no exact rate is known of {dynamics!r} on {type(landscape).__name__}: it needs an idealized rule and a separable loss"
        )
    d = landscape.dimension
    rule = dynamics.rule(noise.variance_along(landscape))
    lr = float(rule.learning_rate[0])
    breaks = [] if isinstance(noise, MinibatchNoise) else _kinks(landscape)

    def diffusion(x: Any) -> Array:
        return np.asarray(lr / 2 * noise.variance_at(landscape, _everywhere(x, d))[..., 0])

    if not rule.inertia.any() and dynamics.second_moment != "following":
        gradient = lambda x: np.asarray(landscape.gradient(_everywhere(x, d))[..., 0])  # noqa: E731
        time = first_passage_time(gradient, diffusion, start=start, boundary=boundary, dimension=d, breaks=breaks)
        return lr / time, QUADRATURE_ERROR * lr / time
    if d > 1:
        raise ValueError(
            f"no exact rate is known of {dynamics!r} in {d} coordinates; use dimension = 1, or a rare_escape_rate"
        )
    mass, damping, well, spread, per_iteration = float(rule.mass[0]), float(rule.damping[0]), landscape, diffusion, lr
    if dynamics.second_moment == "following":
        if not isinstance(dynamics, Adam) or not isinstance(noise, HessianNoise) or noise.at == "pointwise":
            raise ValueError(
                f"no exact rate is known of {dynamics!r} under {noise!r}; use Adam under piecewise Hessian noise"
            )
        well, spread, per_iteration = Normalized(landscape, noise, dynamics.lr), dynamics.lr**2 / 2, 1.0  # type: ignore[assignment]
        mass, damping = 1 / (1 - dynamics.beta1), 1 - dynamics.beta1
    found = fokker_planck.mean_first_passage_time(
        well,
        diffusion=spread,
        start=start,
        boundary=boundary,
        mass=mass,
        damping=damping,
        breaks=breaks,
        tolerance=tolerance,
    )
    rate = per_iteration / float(found["mfpt"])
    return rate, rate * float(found["mfpt_error"] / found["mfpt"])


def _kinks(landscape: Landscape) -> list[float]:
    """Where noise or gradient may have one."""
    try:
        return list(landscape.pieces().switches)
    except ValueError:  # it does not tell
        return []


def _everywhere(x: Any, dimension: int) -> Array:
    """The same position in every coordinate."""
    return np.asarray(x, float)[..., None] * np.ones(dimension)
