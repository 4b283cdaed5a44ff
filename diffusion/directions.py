"""Directions in which results are given: eigenvectors of a Hessian, in an order and with signs not left to rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NEGLIGIBLE = 1e-8  # of the root of two curvatures: how much they may be coupled and count as independent
ROUNDING = 1e-11  # of the largest entry of a Hessian: what finite differences cannot tell from 0


def directions(hessian: Array) -> tuple[Array, Array]:
    """Eigenvalues, shape (d,), and eigenvectors as columns, shape (d, d), of a symmetric matrix.

    Those of a diagonal matrix are the coordinate axes, in their order; else eigenvalues ascend. Equal eigenvalues leave
    the basis of their space open, and a single one its vector's sign: both are taken from the space alone.
    """
    diagonal = np.diag(hessian)
    close, size = ROUNDING * np.abs(hessian).max(), np.sqrt(np.abs(diagonal))
    if np.all(np.abs(hessian - np.diag(diagonal)) <= np.maximum(close, NEGLIGIBLE * np.outer(size, size))):
        return diagonal.copy(), np.eye(len(hessian))
    values, vectors = np.linalg.eigh(hessian)
    ends = np.flatnonzero(np.diff(values) > close) + 1
    basis = np.hstack([_frame(space) for space in np.split(vectors, ends, axis=1)])
    return np.einsum("ji,jk,ki->i", basis, hessian, basis, optimize=True), np.ascontiguousarray(basis)


def _frame(space: Array) -> Array:
    """The orthonormal basis of a space, given by any, that follows the coordinate axes one after another.

    Each vector is the projection, into what is left of the space, of the first axis that has no less than half the
    average share of it.
    """
    columns = []
    for _ in range(space.shape[1]):
        share = np.sum(space**2, axis=1)
        along = space[np.argmax(share >= share.mean() / 2)]
        along = along / np.linalg.norm(along)
        columns.append(space @ along)
        space = space - np.outer(columns[-1], along)
    return np.column_stack(columns)
