"""Fluxes between neighbours on an even grid in the plane: exponentially fitted along each axis.

Along axis k the flux is ``-D_kk^(1-p) e^-psi d/dx(D_kk^p e^psi P)``, psi' = L'_k/D_kk, exact where it is constant
(Scharfetter and Gummel 1969; Chang and Cooper 1970). What D has off its diagonal adds central differences of
``D_kl^(1-p) d/dy(D_kl^p P)``. A link that leaves the region ends where it crosses the boundary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from diffusion.fokker_planck.frame import Frame

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
OUTSIDE, NEVER = -1, -2  # instead of a node's number: beyond the boundary, and where no path comes
HALVINGS = 40  # of a link that is searched for the boundary
SHORTEST, WHOLE = 1e-4, 1 - 1e-4  # of a link that is cut, in cells; more than that is all of it
JUMP, PARTS = 0.2, 64  # relative change of D across a link that is cut into parts, and how many


@dataclass(frozen=True)
class Lattice:
    """Nodes of a rectangle, and which of them are inside.

    Attributes
    ----------
    frame
        Axes.
    nodes
        Positions of nodes along each axis, evenly spaced.
    number
        Of each node among those inside, OUTSIDE or NEVER, shape (n0 n1,).
    """

    frame: Frame
    nodes: tuple[Array, Array]
    number: Indices

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of nodes along each axis."""
        return len(self.nodes[0]), len(self.nodes[1])

    @property
    def inside(self) -> int:
        """How many nodes are inside."""
        return int(self.number.max()) + 1

    @property
    def steps(self) -> Array:
        """Distances of neighbours along each axis, shape (2,)."""
        return np.array([x[1] - x[0] for x in self.nodes])

    @cached_property
    def places(self) -> Array:
        """Positions of all nodes along the axes, shape (n0 n1, 2)."""
        return np.stack(np.meshgrid(*self.nodes, indexing="ij"), -1).reshape(-1, 2)


class Links(NamedTuple):
    """Links along one axis that join a node inside to one inside or outside.

    Attributes
    ----------
    here, there
        Nodes at the lower and the upper end, their places in the rectangle, shape (m,).
    flux
        From densities inside to the flux along the axis, shape (m, n).
    entering
        The flux inwards of a density of 1 on the boundary, where a link is cut; else 0, shape (m,).
    share
        Of a link, that is inside, shape (m,).
    """

    here: Indices
    there: Indices
    flux: sp.csr_array
    entering: Array
    share: Array

    def sum_of(self, lattice: Lattice, values: Array, sign: float) -> Array:
        """For each node inside, the value of the link below it plus a sign times that of the link above; shape (n,)."""
        total = np.zeros(lattice.inside)
        for end, factor in ((self.there, 1.0), (self.here, sign)):
            is_in = lattice.number[end] >= 0
            total += np.bincount(lattice.number[end[is_in]], factor * values[is_in], lattice.inside)
        return total


def links_along(lattice: Lattice, k: int, p: float, outside: Callable[[Array], NDArray[np.bool_]]) -> Links:
    """Links along an axis, with the fluxes of what D has on its diagonal.

    Parameters
    ----------
    lattice
        The nodes.
    k
        Which axis.
    p
        Power of the convention.
    outside
        Whether positions along the axes are beyond the boundary, shape (n, 2) to (n,).
    """
    every = np.arange(len(lattice.number)).reshape(lattice.shape)
    here, there = (every[:-1], every[1:]) if k == 0 else (every[:, :-1], every[:, 1:])
    here, there = here.ravel(), there.ravel()
    numbers = lattice.number[here], lattice.number[there]
    kept = (np.maximum(*numbers) >= 0) & (np.minimum(*numbers) != NEVER)
    here, there = here[kept], there[kept]
    low, high = lattice.places[here], lattice.places[there]
    share = np.ones(len(here))
    for node, end, other in ((here, low, high), (there, high, low)):
        cut = np.flatnonzero(lattice.number[node] == OUTSIDE)
        share[cut] = _share(other[cut], end[cut], outside)
        end[cut] = other[cut] + share[cut, None] * (end[cut] - other[cut])
    length = share * lattice.steps[k]
    at_low, at_high = (lattice.frame.motion(end)[1][:, k, k] for end in (low, high))
    force, noise = (each[:, k] for each in _along(lattice.frame, (low + high) / 2))
    rise = length * force / noise
    up = at_low**p * noise ** (1 - p) / length * _bernoulli(rise)
    down = at_high**p * noise ** (1 - p) / length * _bernoulli(-rise)
    jumps = np.flatnonzero(np.abs(np.log(at_high / at_low)) > JUMP)
    if len(jumps):
        total, resistance = _in_parts(lattice.frame, low[jumps], high[jumps], length[jumps], k, p)
        up[jumps] = at_low[jumps] ** p * np.exp(-np.maximum(total, 0)) / resistance
        down[jumps] = at_high[jumps] ** p * np.exp(np.minimum(total, 0)) / resistance
    entering = np.where(lattice.number[there] == OUTSIDE, down, 0) + np.where(lattice.number[here] == OUTSIDE, up, 0)
    flux = _rows(lattice, here, up) - _rows(lattice, there, down)
    return Links(here, there, flux, entering, share)


def sheared(lattice: Lattice, across: Array, links: Links, k: int, p: float) -> sp.csr_array:
    """The flux along an axis of what D has off its diagonal: the mean of central differences at both ends of each link.

    Parameters
    ----------
    lattice
        The nodes.
    across
        D's entry off the diagonal at nodes inside, shape (n,).
    links
        Along the axis.
    k
        Which axis.
    p
        1 (Ito) or 0 (isothermal).
    """
    other, flux = 1 - k, sp.csr_array((len(links.here), lattice.inside))
    place = np.stack(np.unravel_index(np.arange(len(lattice.number)), lattice.shape), axis=1)[:, other]
    middle = (lattice.places[links.here] + lattice.places[links.there]) / 2
    at_middle = np.ones(len(middle)) if p else lattice.frame.motion(middle)[1][:, 0, 1]
    at_nodes = across if p else np.ones(lattice.inside)
    for end in (links.here, links.there):
        for side in (-1, 1):
            row = np.flatnonzero((place[end] + side >= 0) & (place[end] + side < lattice.shape[other]))
            node = lattice.number[end[row] + side * (lattice.shape[1] if other == 0 else 1)]
            row, node = row[node >= 0], node[node >= 0]
            values = -side / (4 * lattice.steps[other]) * at_middle[row] * at_nodes[node]
            flux = flux + sp.csr_array((values, (row, node)), shape=flux.shape)
    return flux


def _share(inside: Array, outside_end: Array, outside: Callable[[Array], NDArray[np.bool_]]) -> Array:
    """Which share of each way, from inside to outside, is inside."""
    if not len(inside):
        return np.ones(0)
    low, high = np.zeros(len(inside)), np.ones(len(inside))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        beyond = outside(inside + middle[:, None] * (outside_end - inside))
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.where(low > WHOLE, 1.0, np.maximum(low, SHORTEST))


def _in_parts(frame: Frame, low: Array, high: Array, length: Array, k: int, p: float) -> tuple[Array, Array]:
    """How far psi rises from end to end, and the integral of ``e^psi D^(p-1)``, psi being at most 0 at both ends."""
    parts = (np.arange(PARTS)[:, None, None] + 0.5) / PARTS
    force, noise = (
        each[:, k].reshape(PARTS, -1) for each in _along(frame, (low + parts * (high - low)).reshape(-1, 2))
    )
    rises = length / PARTS * force / noise
    total = rises.sum(axis=0)
    reached = np.cumsum(rises, axis=0) - rises / 2 - np.maximum(total, 0)
    return total, np.sum(np.exp(reached) * noise ** (p - 1), axis=0) * length / PARTS


def _along(frame: Frame, places: Array) -> tuple[Array, Array]:
    """L' and the diagonal of D, shape (n, 2) each."""
    force, noise = frame.motion(places)
    return force, np.diagonal(noise, axis1=1, axis2=2)


def _rows(lattice: Lattice, end: Indices, rate: Array) -> sp.csr_array:
    """A row for each link, with its rate at the node at its end, if that is inside."""
    row = np.flatnonzero(lattice.number[end] >= 0)
    return sp.csr_array((rate[row], (row, lattice.number[end[row]])), shape=(len(end), lattice.inside))


def _bernoulli(x: Array) -> Array:
    """x/(e^x - 1)."""
    with np.errstate(all="ignore"):
        return np.where(np.abs(x) < 1e-9, 1 - x / 2, np.where(x > 700, 0.0, x / np.expm1(np.minimum(x, 700))))
