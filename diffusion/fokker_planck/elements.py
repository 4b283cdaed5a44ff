"""Discontinuous polynomial elements on a line: the matrices of transport and diffusion, on Gauss points."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Elements:
    """Polynomials of one degree in each cell, given by their values at the Gauss points.

    Attributes
    ----------
    edges
        Edges of the cells, shape (cells + 1,).
    degree
        Of the polynomials.
    """

    edges: Array
    degree: int

    @cached_property
    def gauss(self) -> tuple[Array, Array]:
        """Points and weights on [0, 1], shape (degree + 1,) each."""
        x: Array
        w: Array
        x, w = np.polynomial.legendre.leggauss(self.degree + 1)
        return (x + 1) / 2, w / 2

    @cached_property
    def _monomials(self) -> Array:
        """Column k: coefficients of the polynomial that is 1 at point k and 0 at the others."""
        return np.linalg.inv(np.vander(self.gauss[0], increasing=True)).astype(np.float64)

    @property
    def points(self) -> Array:
        """Gauss points of all cells, shape (n,)."""
        return np.asarray((self.edges[:-1, None] + np.diff(self.edges)[:, None] * self.gauss[0]).ravel())

    @property
    def weights(self) -> Array:
        """Weights of all Gauss points, shape (n,)."""
        return np.outer(np.diff(self.edges), self.gauss[1]).ravel()

    @property
    def ends(self) -> tuple[Array, Array]:
        """Values of the polynomials of a cell at its lower and upper edge, shape (degree + 1,) each."""
        return self._monomials[0], self._monomials.sum(axis=0)

    @property
    def slopes(self) -> Array:
        """Row a: derivatives by the cell's own coordinate at point a, shape (degree + 1, degree + 1)."""
        powers = np.arange(1, self.degree + 1)
        return np.asarray((np.vander(self.gauss[0], self.degree, increasing=True) * powers) @ self._monomials[1:])

    def at(self, x: float) -> Array:
        """Row that evaluates at x, shape (n,)."""
        cell = int(np.clip(np.searchsorted(self.edges, x) - 1, 0, len(self.edges) - 2))
        s = (x - self.edges[cell]) / (self.edges[cell + 1] - self.edges[cell])
        row = np.zeros((len(self.edges) - 1, self.degree + 1))
        row[cell] = s ** np.arange(self.degree + 1) @ self._monomials
        return row.ravel()

    def transport(self, velocity: Array, faces: Array) -> sp.csr_array:
        """``d(v P)/dx``, values at the faces taken from where the flow comes; nothing enters at the ends.

        Parameters
        ----------
        velocity
            v at the points, shape (n,).
        faces
            v at the edges, shape (cells + 1,). At an end whose v points outwards P leaves.

        Returns
        -------
        sparse array
            Shape (n, n). Weights times it is minus what enters: mass is conserved to rounding.
        """
        n, cells = self.degree + 1, len(self.edges) - 1
        low, high = self.ends
        matrix = np.zeros((n * cells, n * cells))
        interior = -(self.slopes.T * self.gauss[1])
        for i in range(cells):
            here = slice(i * n, (i + 1) * n)
            matrix[here, here] = interior * velocity[here]
        for f, v in enumerate(faces):
            left, right = slice((f - 1) * n, f * n), slice(f * n, (f + 1) * n)
            source, trace = (left, high) if v > 0 else (right, low)
            if (v > 0 and f == 0) or (v <= 0 and f == cells):
                continue
            if f > 0:
                matrix[left, source] += v * np.outer(high, trace)
            if f < cells:
                matrix[right, source] -= v * np.outer(low, trace)
        return sp.csr_array(sp.diags_array(1 / self.weights) @ sp.csr_array(matrix))

    def diffusion(self) -> sp.csr_array:
        """``d^2 P/dx^2`` by the symmetric interior penalty method, no flux at the ends; shape (n, n)."""
        n, h = self.degree + 1, np.diff(self.edges)
        low, high = self.ends
        slopes = self.slopes
        slope_low, slope_high = (end @ slopes for end in self.ends)
        matrix = np.zeros((n * len(h), n * len(h)))
        for i, width in enumerate(h):
            here = slice(i * n, (i + 1) * n)
            matrix[here, here] = -(slopes.T * self.gauss[1]) @ slopes / width
        for f in range(1, len(h)):
            both = slice((f - 1) * n, (f + 1) * n)
            jump = np.append(high, -low)
            mean = np.append(slope_high / h[f - 1], slope_low / h[f]) / 2
            penalty = n * n * (1 / h[f - 1] + 1 / h[f])
            matrix[both, both] += np.outer(jump, mean) + np.outer(mean, jump) - penalty * np.outer(jump, jump)
        return sp.csr_array(sp.diags_array(1 / self.weights) @ sp.csr_array(matrix))
