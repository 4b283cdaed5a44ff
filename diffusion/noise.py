"""Models of the noise of a minibatch gradient: its variance along each eigenvector of the Hessian."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diffusion import checks
from diffusion.landscapes import QuadraticSaddle


class Noise(Protocol):
    """What `diffusion.simulate` needs of a noise model."""

    def variance_along(self, landscape: QuadraticSaddle) -> NDArray[np.float64]:
        """Variance of one minibatch gradient along each eigenvector, shape (d,)."""
        ...


@dataclass(frozen=True)
class HessianNoise:
    """Covariance ``[H]^+ / B`` near a critical point, Equation 3: variance ``|H_i| / B`` along eigenvector i.

    Parameters
    ----------
    batch_size
        Minibatch size B, at least 1.

    Raises
    ------
    ValueError
        If batch_size is below 1.
    """

    batch_size: float

    def __post_init__(self) -> None:
        checks.positive("batch_size", self.batch_size)
        if self.batch_size < 1:
            raise ValueError(f"batch_size = {self.batch_size!r} must be at least 1")

    def variance_along(self, landscape: QuadraticSaddle) -> NDArray[np.float64]:
        """Variance of one minibatch gradient along each eigenvector, shape (d,)."""
        return np.abs(landscape.hessian) / self.batch_size


@dataclass(frozen=True)
class IsotropicNoise:
    """The same variance in every direction, whatever the curvature.

    Parameters
    ----------
    variance
        Variance of one minibatch gradient per coordinate, above 0.

    Raises
    ------
    ValueError
        If variance is not above 0.
    """

    variance: float

    def __post_init__(self) -> None:
        checks.positive("variance", self.variance)

    def variance_along(self, landscape: QuadraticSaddle) -> NDArray[np.float64]:
        """Variance of one minibatch gradient along each eigenvector, shape (d,)."""
        return np.full(landscape.dimension, float(self.variance))
