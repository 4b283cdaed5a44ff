"""The overdamped equation in the plane: finite volumes on an even grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import label

from diffusion.edges import NO_PART, Edge
from diffusion.fokker_planck.frame import DIAGONAL, Frame
from diffusion.fokker_planck.matrices import refuse_singular
from diffusion.fokker_planck.plane_links import NEVER, OUTSIDE, Indices, Lattice, Links, links_along, sheared
from diffusion.fokker_planck.wells import Parted, bottoms, take_apart, times_spent
from diffusion.landscapes import Landscape

Array = NDArray[np.float64]
NUDGE = 1e-6  # cells by which a node on a boundary counts as outside
ROUNDS, STEADY = 200, 1e-10  # of the search for the slowest decay, and the relative change of the rate at which it ends


@dataclass(frozen=True)
class PlaneGrid:
    """The equation as ``dP/dt = matrix P`` for the density at the nodes inside.

    Attributes
    ----------
    lattice
        The nodes.
    links
        Along each axis.
    matrix
        Shape (n, n).
    part
        The part of the boundary that each node of the rectangle is outside of, shape (n0 n1,).
    pins
        Nodes where particles stay long: bottoms of wells, numbers of those inside.
    """

    lattice: Lattice
    links: tuple[Links, Links]
    matrix: sp.csr_array
    part: Indices
    pins: Indices

    @property
    def area(self) -> float:
        """Of a cell, in theta."""
        return float(np.prod(self.lattice.steps) / abs(np.linalg.det(self.lattice.frame.axes)))

    @cached_property
    def positions(self) -> Array:
        """Of the nodes of the rectangle, in theta, shape (n0 n1, 2)."""
        return self.lattice.frame.theta(self.lattice.places)

    def leaving(self, part: int | None = None) -> Array:
        """Rate at which what is at each node leaves, by one part of the boundary or by all; shape (n,)."""
        rate = np.zeros(self.lattice.inside)
        for links, step in zip(self.links, self.lattice.steps, strict=True):
            for end, sign in ((links.there, 1), (links.here, -1)):
                out = (self.lattice.number[end] == OUTSIDE) & ((part is None) | (self.part[end] == part))
                rate += sign / step * np.asarray(links.flux[np.flatnonzero(out)].sum(axis=0)).ravel()
        return rate

    def entering(self, part: int, density: Array) -> tuple[Array, Array]:
        """Fluxes along links from one part of the boundary, given the density on both sides of it, shape (n0 n1,)."""
        log, fluxes = np.log(np.maximum(density, 1e-300)), []
        for here, there, _, entering, share in self.links:
            below = self.lattice.number[here] == OUTSIDE
            inner, outer = np.where(below, log[there], log[here]), np.where(below, log[here], log[there])
            sign = 1.0 * (self.part[here] == part) - (self.part[there] == part)
            fluxes.append(sign * entering * np.exp(share * outer + (1 - share) * inner))
        return fluxes[0], fluxes[1]

    def net(self, fluxes: tuple[Array, Array]) -> Array:
        """What fluxes along links bring to each node inside, per cell; shape (n,)."""
        each = zip(self.links, fluxes, self.lattice.steps, strict=True)
        return np.asarray(sum(links.sum_of(self.lattice, flux, -1.0) / step for links, flux, step in each))

    def current(self, density: Array, entering: tuple[Array, Array] | None = None) -> Array:
        """The current at each node, in theta, the mean of those along its links; shape (n, 2)."""
        fluxes = [links.flux @ density for links in self.links]
        if entering is not None:
            fluxes = [flux + more for flux, more in zip(fluxes, entering, strict=True)]
        along = [links.sum_of(self.lattice, flux / 2, 1.0) for links, flux in zip(self.links, fluxes, strict=True)]
        return self.lattice.frame.theta(np.stack(along, -1))

    def pushed(self, values: Array, outside: Array) -> Array:
        """D times the gradient of values at each node, in theta, given those outside, shape (n0 n1,); shape (n, 2)."""
        lattice = self.lattice
        inside = lattice.number >= 0
        full = np.where(inside, self.spread(values, 0.0).ravel(), outside).reshape(lattice.shape)
        slopes = [slope.ravel()[inside] for slope in np.gradient(full, *lattice.steps)]
        noise = lattice.frame.diffusion(self.positions[inside])
        return np.asarray(np.einsum("nij,nj->ni", noise, np.stack(slopes, -1) @ lattice.frame.axes))

    @cached_property
    def _parted(self) -> Parted:
        return take_apart(self.matrix, self.leaving(), self.pins)

    def solve(self, density: Array) -> Array:
        """Time spent at each node by particles that start from a density: ``-matrix^-1 density``, shape (n,)."""
        parted = self._parted
        at_pins = parted.stays @ (density[self.pins] + density[parted.rest] @ parted.returns)
        return self._joined(parted.apart.solve(density[parted.rest]) + parted.from_pins @ at_pins, at_pins)

    def backward(self, reward: Array) -> Array:
        """What particles from each node collect until they leave, of a reward per unit time; shape (n,)."""
        parted = self._parted
        at_pins = (reward[self.pins] + reward[parted.rest] @ parted.from_pins) @ parted.stays
        return self._joined(parted.apart.solve(reward[parted.rest], trans="T") + parted.returns @ at_pins, at_pins)

    def stationary(self) -> Array:
        """The density that does not change, of mass 1, where nothing leaves; shape (n,)."""
        first = np.eye(len(self.pins))[0]  # where particles are taken out, to be put back there
        at_pins = times_spent(self._parted.rates, first) @ first
        return self._normal(self._joined(self._parted.from_pins @ at_pins, at_pins))

    def slowest(self) -> tuple[float, Array]:
        """Escape rate and quasi-stationary density, of mass 1; shape (n,)."""
        density, leaving, rate = np.ones(self.lattice.inside), self.leaving(), np.inf
        for _ in range(ROUNDS):
            density = self._normal(self.solve(density))
            before, rate = rate, float(leaving @ density) * self.area
            if abs(rate - before) < STEADY * abs(rate):
                return rate, density
        raise ValueError(
            "escape_rate: the slowest rate cannot be told from the next, as where two wells decay by exits of their "
            "own; part the wells by the boundary, or use mean_first_passage_time"
        )

    def _normal(self, density: Array) -> Array:
        return np.asarray(density / (density.sum() * self.area))

    def _joined(self, rest: Array, at_pins: Array) -> Array:
        values = np.empty(self.lattice.inside)
        values[self._parted.rest], values[self.pins] = rest, at_pins
        return values

    def at(self, values: Array, theta: Array) -> float:
        """A value at a position, by cubic interpolation between nodes; outside it is 0."""
        rows = []
        for x, y in zip(self.lattice.nodes, self.lattice.frame.axes @ theta, strict=True):
            place = (y - x[0]) / (x[1] - x[0])
            first = int(np.clip(np.floor(place) - 1, 0, len(x) - 4))
            near = first + np.arange(4)
            row = np.zeros(len(x))
            row[near] = [np.prod([(place - b) / (a - b) for b in near if b != a]) for a in near]
            rows.append(row)
        return float(rows[0] @ self.spread(values, 0.0) @ rows[1])

    def spread(self, values: Array, outside: float = np.nan) -> Array:
        """Values on the whole rectangle, shape (n0, n1), with one for all nodes that are not inside."""
        full = np.full(len(self.lattice.number), outside)
        full[self.lattice.number >= 0] = values
        return full.reshape(self.lattice.shape)


def make_plane_grid(
    frame: Frame,
    nodes: tuple[Array, Array],
    comes: Callable[[Array], NDArray[np.bool_]],
    landscape: Landscape,
    edge: Edge | None,
    start: Array,
    p: float,
) -> PlaneGrid:
    """Assemble the equation.

    Parameters
    ----------
    frame
        Axes of the grid.
    nodes
        Positions of nodes along each axis, evenly spaced.
    comes
        Function of positions along the axes, shape (n, 2): whether paths come there.
    landscape
        For boundaries that go by its loss, and for where particles stay longest.
    edge
        The boundary; None: nothing leaves.
    start
        In theta, shape (2,).
    p
        Power of the convention.
    """
    rectangle = Lattice(frame, nodes, np.full(len(nodes[0]) * len(nodes[1]), NEVER))
    places, origin = rectangle.places, frame.axes @ start

    def part_of(y: Array) -> Indices:
        return np.full(len(y), NO_PART) if edge is None else edge.crossed(landscape, frame.theta(y))[0]

    part = part_of(places + NUDGE * rectangle.steps * np.sign(places - origin))
    number = np.where(part != NO_PART, OUTSIDE, NEVER)
    joined = label(((part == NO_PART) & comes(places)).reshape(rectangle.shape))[0].ravel()
    away = np.where(joined > 0, np.sum(((places - origin) / rectangle.steps) ** 2, axis=1), np.inf)
    inside = np.flatnonzero(joined == joined[np.argmin(away)])
    number[inside] = np.arange(len(inside))
    lattice = Lattice(frame, nodes, number)
    noise = frame.motion(places[inside])[1]
    refuse_singular(noise, frame.theta(places[inside]))
    across = noise[:, 0, 1]
    diagonal = np.all(np.abs(across) <= DIAGONAL * np.sqrt(noise[:, 0, 0] * noise[:, 1, 1]))
    matrix, links = sp.csr_array((len(inside), len(inside))), []
    for k, step in enumerate(lattice.steps):
        along = links_along(lattice, k, p, lambda y: part_of(y) != NO_PART)
        if not diagonal:
            along = along._replace(flux=along.flux + sheared(lattice, across, along, k, p))
        links.append(along)
        for end, sign in ((along.here, -1), (along.there, 1)):
            row = np.flatnonzero(number[end] >= 0)
            share = sp.csr_array(
                (np.full(len(row), sign / step), (number[end[row]], row)), shape=along.flux.shape[::-1]
            )
            matrix = matrix + share @ along.flux
    return PlaneGrid(lattice, (links[0], links[1]), matrix, part, bottoms(lattice, landscape))
