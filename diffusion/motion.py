"""What an idealized optimizer does along one coordinate: a rule, a loss and its noise as an equation of motion."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion.dynamics import Dynamics
from diffusion.landscapes import Formulas, Landscape
from diffusion.noise import MinibatchNoise, NoiseModel, refuse_other_laws

Array = NDArray[np.float64]


class Coordinate:
    """One coordinate of a landscape and its noise, all others being at the same position; functions of arrays."""

    def __init__(self, landscape: Landscape, noise: NoiseModel) -> None:
        self.landscape, self.noise = landscape, noise

    def gradient(self, x: Any) -> Array:
        """L'."""
        return np.asarray(self.landscape.gradient(self._everywhere(x))[..., 0])

    def variance(self, x: Any) -> Array:
        """C, of one minibatch gradient."""
        return np.asarray(self.noise.variance_at(self.landscape, self._everywhere(x))[..., 0])

    def _everywhere(self, x: Any) -> Array:
        return np.asarray(x, float)[..., None] * np.ones(self.landscape.dimension)


class Motion(Coordinate):
    """``M x'' = -gamma M x' - F(x) + sqrt(2 D(x)) xi``, or without inertia ``x' = -F(x) + sqrt(2 D(x)) xi``.

    It assumes the theory's idealization: the second moment is the noise variance at the reference point (frozen) or at
    the present position (following), and noise is Gaussian. F is L', and L'/C^q where the second moment follows the
    variance C of a minibatch gradient: q is 1/2, and Padam's is its partial. Time is dynamical, `lr` for each iteration.

    Parameters
    ----------
    dynamics
        The optimizer.
    landscape, noise
        Where it moves.

    Attributes
    ----------
    lr
        Dynamical time of an iteration.
    inertia
        beta; 0: the equation without inertia.
    mass, damping, friction
        M, gamma and gamma M; without inertia gamma M is 1.

    Raises
    ------
    ValueError
        If the second moment is a running one, coordinates are coupled, or the noise is not normal.
    """

    def __init__(self, dynamics: Dynamics, landscape: Landscape, noise: NoiseModel) -> None:
        if dynamics.update is not None or landscape.formulas.coupled:
            unknown = f"no equation along one coordinate is known of {dynamics!r} on {type(landscape).__name__}"
            raise ValueError(f"{unknown}: it needs an idealized rule and a separable loss")
        refuse_other_laws(noise, "an equation of motion")
        super().__init__(landscape, noise)
        self.dynamics = dynamics
        rule = dynamics.rule(noise.variance_along(landscape))
        self.follows = dynamics.follows
        self.lr, self.inertia = float(rule.learning_rate[0]), float(rule.inertia.max())
        self.mass, self.damping, self.friction = (float(each[0]) for each in (rule.mass, rule.damping, rule.friction))

    def pull(self, x: Any) -> Array:
        """F."""
        return np.asarray(self.gradient(x) / self.variance(x) ** self.follows)

    def deviation(self, x: Any) -> Array:
        """Standard deviation of the noise of F."""
        return np.asarray(self.variance(x) ** (0.5 - self.follows))

    def diffusion(self, x: Any) -> Array:
        """D, half the learning rate times the variance of the noise of F."""
        return np.asarray(self.lr / 2 * self.variance(x) ** (1 - 2 * self.follows))

    def temperature(self, x: float) -> float:
        """D/(gamma M) at a position, in units of the loss: where the second moment follows, times C^q."""
        heat = self.variance(np.array([x])) ** (1 - self.follows)
        return float(self.lr / self.friction / 2 * heat[0])

    @property
    def split(self) -> float:
        """Share of the barrier climbed at the minimum's temperature: the landscape's, or 1 at one temperature.

        The theory's two temperatures are those of the minimum, before the inflection, and of the saddle, beyond it.
        """
        valley = self.landscape.valley
        same = self.temperature(valley.minimum) == self.temperature(valley.saddle)
        return 1.0 if same else valley.split

    @property
    def breaks(self) -> tuple[float, ...]:
        """Where noise or gradient may have a kink, if the landscape tells."""
        return () if isinstance(self.noise, MinibatchNoise) else self.landscape.switches

    @cached_property
    def seen(self) -> Landscape:
        """The landscape whose gradient is F."""
        return Seen(self) if self.follows else self.landscape


class Seen(Landscape):
    """What an optimizer sees whose second moment follows the noise: the gradient divided by a power of the noise."""

    def __init__(self, motion: Motion) -> None:
        self._motion, self.dimension = motion, motion.landscape.dimension

    @property
    def formulas(self) -> Formulas:
        """None: it is solved on a grid, not simulated."""
        raise ValueError("a landscape as an optimizer sees it is not simulated; simulate the optimizer itself")

    @property
    def reference(self) -> Array:
        """The landscape's."""
        return self._motion.landscape.reference

    def gradient(self, theta: ArrayLike) -> Array:
        """``L'/C^q``."""
        x = np.asarray(theta, np.float64)
        variance = self._motion.noise.variance_at(self._motion.landscape, x)
        return np.asarray(self._motion.landscape.gradient(x) / variance**self._motion.follows)

    def __repr__(self) -> str:
        return f"Seen({self._motion.landscape!r}, {self._motion.noise!r})"
