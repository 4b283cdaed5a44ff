"""The bottoms of wells, taken apart from the rest of an equation so that rare escapes keep their digits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter

from diffusion.fokker_planck.phase_space import factors
from diffusion.fokker_planck.plane_links import Indices, Lattice
from diffusion.landscapes import Landscape

Array = NDArray[np.float64]
NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
WELLS = 20  # most bottoms of wells that are treated apart
REMEDY = "the grid in the plane cannot be solved at these scales of loss and diffusion; choose other units"


@dataclass(frozen=True)
class Parted:
    """The equation in two parts: `rest`, all nodes but the pins, and the pins.

    Attributes
    ----------
    apart
        Factors of minus the matrix of the rest.
    rest
        Its nodes, shape (m,).
    from_pins
        Density in the rest of what comes from a pin at rate 1 and has not come to one since, shape (m, k).
    returns
        Probability to come to each pin before any other and before leaving, shape (m, k).
    rates
        At which particles go from the column's pin to the row's, coming to no other between, shape (k, k).
    lost
        Rates of leaving for good, from each pin without coming to any, shape (k,).
    """

    apart: Any
    rest: Indices
    from_pins: Array
    returns: Array
    rates: Array
    lost: Array

    @cached_property
    def stays(self) -> Array:
        """Mean times spent at the row's pin, from the column's, until leaving; shape (k, k)."""
        return times_spent(self.rates, self.lost)


def take_apart(matrix: sp.csr_array, leaving: Array, pins: Indices) -> Parted:
    """The equation ``dP/dt = matrix P`` between the pins, and without them.

    Without the bottoms of the wells nothing in it is slow, so that factors keep their digits. The rates at which
    particles go from one bottom to another, or leave for good, are sums of what goes, where D is diagonal of positive
    terms: tiny where escapes are rare, they are lost among the rounding of the rates of jumps if they are left for the
    solver to find.

    Parameters
    ----------
    matrix
        Shape (n, n).
    leaving
        Rate at which what is at each node leaves, shape (n,).
    pins
        The bottoms, shape (k,).
    """
    rest = np.delete(np.arange(len(leaving)), pins)
    columns = sp.csc_array(matrix)
    apart = factors(sp.csc_matrix(-columns[rest][:, rest]), REMEDY)
    from_pins = apart.solve(columns[rest][:, pins].toarray())
    into_pins = sp.csr_array(matrix)[pins][:, rest]
    returns = apart.solve(np.asarray(into_pins.T.toarray()), trans="T")
    rates = columns[pins][:, pins].toarray() + into_pins @ from_pins
    return Parted(apart, rest, from_pins, returns, rates, leaving[pins] + leaving[rest] @ from_pins)


def bottoms(lattice: Lattice, landscape: Landscape) -> Indices:
    """Nodes inside where the loss is less than at all neighbours, the deepest first; or that of least loss."""
    inside = lattice.number >= 0
    loss = np.full(len(inside), np.inf)
    loss[inside] = landscape.loss(lattice.frame.theta(lattice.places[inside]))
    around = minimum_filter(loss.reshape(lattice.shape), footprint=NEIGHBOURS, mode="constant", cval=np.inf)
    lowest = np.flatnonzero(loss < around.ravel())
    if not len(lowest):
        lowest = np.array([np.argmin(loss)])
    return lattice.number[lowest[np.argsort(loss[lowest])][:WELLS]]


def times_spent(rates: Array, leaving: Array) -> Array:
    """Mean times spent in each state, from each, by a chain that leaves: sums of positive terms, whatever its rates.

    Parameters
    ----------
    rates
        From column to row; the diagonal is not looked at. Shape (k, k).
    leaving
        Rates of leaving, shape (k,).

    Returns
    -------
    ndarray
        In the row's state, from the column's, shape (k, k): states are left out one after the other (Grassmann, Taksar
        and Heyman 1985).
    """
    if len(leaving) == 1:
        return np.asarray(1 / leaving[:, None])
    out, into = rates[:-1, -1], rates[-1, :-1]
    pivot = leaving[-1] + out.sum()
    inner = times_spent(rates[:-1, :-1] + np.outer(out, into) / pivot, leaving[:-1] + leaving[-1] * into / pivot)
    column, row = inner @ out / pivot, into @ inner / pivot
    return np.block([[inner, column[:, None]], [row, (1 + into @ column) / pivot]])
