"""The quadratic saddle of the theorems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.landscapes.base import Formulas, Landscape

Array = NDArray[np.float64]


def _quadratic_loss(theta: Any, p: Any) -> Any:
    return 0.5 * p[0] * theta * theta


def _quadratic_gradient(theta: Any, p: Any) -> Any:
    return p[0] * theta


def _quadratic_curvature(theta: Any, p: Any) -> Any:
    return p[0] + 0.0 * theta


def _matrix_loss(x: Any, lane: Any, table: Any) -> Any:
    total = 0.0
    for j in range(table.shape[0]):
        for k in range(table.shape[0]):
            total += 0.5 * x[j, lane] * table[j, k] * x[k, lane]
    return total


def _matrix_gradient(x: Any, j: Any, lane: Any, table: Any) -> Any:
    total = 0.0
    for k in range(table.shape[0]):
        total += table[j, k] * x[k, lane]
    return total


@dataclass(frozen=True, eq=False)
class QuadraticSaddle(Landscape):
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
    def dimension(self) -> int:  # type: ignore[override]
        """Number of coordinates d."""
        return len(self.hessian)

    @property
    def basis(self) -> Array:
        """Eigenvectors as columns, shape (d, d)."""
        return np.eye(self.dimension) if self.rotation is None else np.asarray(self.rotation)

    @property
    def reference(self) -> Array:
        """The critical point, shape (d,)."""
        return np.zeros(self.dimension)

    @property
    def formulas(self) -> Formulas:
        """What the kernels need: separable along the axes, or a matrix."""
        if self.rotation is None:
            return self.eigen_formulas
        return Formulas(_matrix_loss, _matrix_gradient, None, self.hessian_matrix(self.reference), coupled=True)

    @property
    def eigen_formulas(self) -> Formulas:
        """What the kernels need to work along the eigenvectors."""
        return Formulas(_quadratic_loss, _quadratic_gradient, _quadratic_curvature, self._parameters(self.hessian))

    def loss(self, theta: ArrayLike) -> Array:
        """Loss at positions of shape (..., d)."""
        return np.asarray(0.5 * np.sum(self.hessian * (np.asarray(theta) @ self.basis) ** 2, axis=-1))

    def gradient(self, theta: ArrayLike) -> Array:
        """Gradient at positions of shape (..., d), in coordinates."""
        return np.asarray((np.asarray(theta) @ self.basis * self.hessian) @ self.basis.T)

    def hessian_diagonal(self, theta: ArrayLike) -> Array:
        """Diagonal of the Hessian, in coordinates."""
        return np.broadcast_to(np.diag(self.hessian_matrix(theta)), np.shape(theta))

    def hessian_matrix(self, theta: ArrayLike) -> Array:
        """The Hessian, shape (d, d); the same at every position."""
        return np.asarray(self.basis * self.hessian @ self.basis.T)

    def __repr__(self) -> str:
        rotation = "" if self.rotation is None else f", rotation={self.basis.tolist()}"
        return f"QuadraticSaddle({self.hessian.tolist()}{rotation})"
