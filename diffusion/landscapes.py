"""Loss landscapes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class QuadraticSaddle:
    """The loss around a critical point at the origin (Assumption 1): ``L = theta^T H theta / 2``.

    Parameters
    ----------
    eigenvalues
        Eigenvalues of the Hessian, of any sign.
    rotation
        Orthogonal (d, d) matrix whose columns are the eigenvectors, in the order of the eigenvalues. None: the
        eigenvectors are the coordinate axes. The theorems live in the eigenbasis, optimizers in coordinates.

    Raises
    ------
    ValueError
        If eigenvalues is empty or not finite, or rotation is not an orthogonal (d, d) matrix.
    """

    eigenvalues: ArrayLike
    rotation: ArrayLike | None = None

    def __post_init__(self) -> None:
        eigenvalues = checks.finite_vector("eigenvalues", self.eigenvalues)
        object.__setattr__(self, "eigenvalues", eigenvalues)
        if self.rotation is not None:
            rotation = np.asarray(self.rotation, dtype=np.float64)
            d = len(eigenvalues)
            if rotation.shape != (d, d) or not np.allclose(rotation.T @ rotation, np.eye(d), atol=1e-8):
                raise ValueError(
                    f"rotation of shape {rotation.shape} must be an orthogonal ({d}, {d}) matrix; "
                    "scipy.stats.ortho_group.rvs(d) draws one"
                )
            object.__setattr__(self, "rotation", rotation)

    @property
    def hessian(self) -> Array:
        """Eigenvalues along the directions in which results are given, shape (d,)."""
        return np.asarray(self.eigenvalues)

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return len(self.hessian)

    @property
    def basis(self) -> Array:
        """Eigenvectors as columns, shape (d, d)."""
        return np.eye(self.dimension) if self.rotation is None else np.asarray(self.rotation)

    @property
    def reference(self) -> Array:
        """The critical point, shape (d,): where a run starts unless told otherwise."""
        return np.zeros(self.dimension)

    def loss(self, theta: ArrayLike) -> Array:
        """Loss at positions of shape (..., d)."""
        return np.asarray(0.5 * np.sum(self.hessian * (np.asarray(theta) @ self.basis) ** 2, axis=-1))

    def gradient(self, theta: ArrayLike) -> Array:
        """Gradient at positions of shape (..., d), in coordinates."""
        return np.asarray((np.asarray(theta) @ self.basis * self.hessian) @ self.basis.T)

    def __repr__(self) -> str:
        rotation = "" if self.rotation is None else f", rotation={self.basis.tolist()}"
        return f"QuadraticSaddle({self.hessian.tolist()}{rotation})"
