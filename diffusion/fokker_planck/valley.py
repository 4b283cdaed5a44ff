"""Where a path in the plane goes: what it costs to come to each place, and the box that holds all that matters."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from diffusion.edges import NO_PART, Edge
from diffusion.fokker_planck.frame import Frame
from diffusion.fokker_planck.matrices import definite
from diffusion.landscapes import Landscape

Array = NDArray[np.float64]
NODES = (40, 96, 192, 384)  # of the survey along each axis: the first while the box is sought, then until exits agree
AGREE, SHARE = 1.0, 0.05  # by how much costs of the exit may differ, in temperatures, and as a share
MARGIN = 16.0  # cost, in temperatures, above that of the exit, that the box contains
REACH = 3  # cells that a link of the survey spans
ROUNDS = 80  # of enlarging and shrinking the box
SPARE, LOOSE = (
    0.1,
    0.7,
)  # of the valley's size, what a box has beyond it, and of the box's, what the valley with that must have
GROWTH = 0.35  # of the box's width, by which a side that cuts the valley moves out
NEAR = 6.0  # cost of the exit up to which a start counts as near to it
RELEVANT = 3.0  # cost above that of the exit, of paths through places that the grid must resolve
STEPS = [(i, j) for i in range(-REACH, REACH + 1) for j in range(-REACH, REACH + 1) if gcd(i, j) == 1]


@dataclass(frozen=True)
class Valley:
    """The part of the plane in which paths are until they leave.

    Attributes
    ----------
    low, high
        Corners of the box along the frame's axes, shape (2,).
    cost
        Of coming there, in temperatures, on an even lattice from corner to corner, shape (n, n): the least action of
        paths of the lattice.
    exit
        Cost of the cheapest exit; 0 where there is no boundary.
    level
        Cost beyond which nothing matters.
    scale
        Length over which the density changes by a factor, along each axis, shape (2,).
    """

    low: Array
    high: Array
    cost: Array
    exit: float
    level: float
    scale: Array

    @property
    def ends(self) -> tuple[Array, Array]:
        """Corners of the smaller box that holds all that matters, shape (2,) each."""
        step = (self.high - self.low) / (len(self.cost) - 1)
        within = np.argwhere(self.cost <= self.level)
        low, high = self.low + step * (within.min(axis=0) - 1), self.low + step * (within.max(axis=0) + 1)
        return np.maximum(low, self.low), np.minimum(high, self.high)

    def costs(self, y: Array) -> Array:
        """The cost at positions in the box, by bilinear interpolation; shape (n, 2) to (n,)."""
        place = (y - self.low) / (self.high - self.low) * (np.array(self.cost.shape) - 1)
        cell = np.clip(place.astype(int), 0, np.array(self.cost.shape) - 2)
        (i, j), (s, t) = cell.T, (place - cell).T
        with np.errstate(invalid="ignore"):
            c = self.cost
            return np.asarray(
                (1 - s) * ((1 - t) * c[i, j] + t * c[i, j + 1]) + s * ((1 - t) * c[i + 1, j] + t * c[i + 1, j + 1])
            )


def find_valley(
    frame: Frame,
    landscape: Landscape,
    edge: Edge | None,
    start: Array,
    walls: Array,
    *,
    margin: float = MARGIN,
    every: bool = False,
) -> Valley:
    """Enlarge a box around the start until it holds all that matters, and shrink it to that.

    Parameters
    ----------
    frame
        Axes of the grid.
    landscape
        For boundaries that go by its loss.
    edge
        What is left; None: nothing.
    start
        In theta, shape (2,).
    walls
        Where the box must end, in theta, infinite where open, shape (2, 2).
    margin
        Cost, in temperatures, above that of the exit, that the box contains.
    every
        Whether all parts of the boundary matter, and what lies beyond them too, rather than the one that is left most
        easily.

    Raises
    ------
    ValueError
        If the valley does not end, as where the landscape does not confine; or a wall cuts it.
    """
    origin = frame.axes @ start
    low, high = origin - _first_size(frame, origin), origin + _first_size(frame, origin)
    limits = np.array([np.where(np.isfinite(frame.low), frame.low, -np.inf), frame.high])
    if every:
        limits = np.array([[-np.inf] * 2, [np.inf] * 2])
    nodes, last = NODES[0], np.inf
    for _ in range(ROUNDS):
        low, high = np.maximum(low, limits[0]), np.minimum(high, limits[1])
        with np.errstate(over="ignore", invalid="ignore"):  # in a box that grows without end, until that is refused
            survey = _Survey(frame, landscape, edge, (low, high), origin, nodes, margin, every)
        size = high - low
        if not survey.seen:
            low, high = low - size, high + size
            continue
        within = survey.cost <= survey.level
        cut = np.array([[within[0].any(), within[:, 0].any()], [within[-1].any(), within[:, -1].any()]])
        cut &= np.array([low > limits[0], high < limits[1]])
        if cut.any():
            low, high = np.where(cut[0], low - GROWTH * size, low), np.where(cut[1], high + GROWTH * size, high)
            continue
        ends = np.array([np.flatnonzero(within.any(axis=1 - k))[[0, -1]] for k in (0, 1)]).T / (nodes - 1)
        new = low + (ends + SPARE * (ends[1] - ends[0]) * np.array([[-1], [1]])) * size
        if np.all(np.ptp(new, axis=0) > LOOSE * size):
            if nodes == NODES[-1] or abs(survey.exit - last) <= AGREE + SHARE * survey.exit:
                break
            nodes, last = NODES[NODES.index(nodes) + 1], survey.exit
        else:
            low, high = new
    else:
        if every and not survey.seen:
            raise ValueError(
                f"boundary = {edge.boundary if edge else None!r}: no path comes from start = {start.tolist()} to both "
                "of the regions; give two that are apart, neither within the other, and a start outside both"
            )
        raise ValueError(
            f"the landscape does not confine: within {np.linalg.norm(high - low):.3g} of start = {start.tolist()} "
            + ("no path comes to the boundary" if not survey.seen else "paths go on at a cost below that of the exit")
            + "; choose a boundary that is reached, or one that encloses the valley, such as Box"
            + ("" if definite(survey.noise).all() else ", and a diffusion whose eigenvalues are above 0 everywhere")
        )
    _refuse_cut(frame, survey, walls)
    scale = survey.scale()
    if survey.exit <= NEAR:  # then the start may be in the layer at the boundary in which few stay
        force, noise = frame.motion(origin[None])
        scale = np.minimum(scale, np.diag(noise[0]) / np.maximum(np.abs(force[0]), 1e-300))
    return Valley(low, high, survey.cost, survey.exit, survey.level, scale)


def _first_size(frame: Frame, origin: Array) -> Array:
    """A length along each axis over which the cost of moving is about 1."""
    lengths = 2.0 ** np.arange(-60, 60)
    sizes = []
    for axis in np.eye(2):
        with np.errstate(all="ignore"):
            ends = np.concatenate([origin + lengths[:, None] * side * axis for side in (-1, 1)])
            force, noise = frame.motion(ends)
            across = np.abs(force @ axis) / (noise @ axis @ axis) * np.tile(lengths, 2)
        reached = across.reshape(2, -1).max(axis=0) > 1
        sizes.append(lengths[np.argmax(reached)] if reached.any() else 1.0)
    return np.array(sizes)


class _Survey:
    """Costs on a lattice in a box: of links, by the geometric action, and the least of their sums from the start."""

    def __init__(
        self,
        frame: Frame,
        landscape: Landscape,
        edge: Edge | None,
        box: tuple[Array, Array],
        origin: Array,
        nodes: int,
        margin: float,
        every: bool,
    ) -> None:
        self.nodes, self.step = nodes, (box[1] - box[0]) / (nodes - 1)
        axes = [np.linspace(low, high, nodes) for low, high in zip(*box, strict=True)]
        self.places = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
        with np.errstate(all="ignore"):
            self.force, self.noise = frame.motion(self.places)
        nudged = self.places + 1e-6 * self.step * np.sign(self.places - origin)
        inside = np.full(len(nudged), NO_PART)
        part = inside if edge is None else edge.crossed(landscape, frame.theta(nudged))[0]
        away = np.sum(((self.places - origin) / self.step) ** 2, axis=1)
        start = int(np.argmin(np.where(part == NO_PART, away, np.inf)))
        self._links = self._joined(inside if every else part)
        cost = dijkstra(self._links, indices=start)
        exits = [float(cost[part == k].min(initial=np.inf)) for k in range(0 if edge is None else len(edge.kinds))]
        self.exit = (max if every else min)(exits, default=0.0)
        self.seen = bool(np.isfinite(self.exit))
        self.level = self.exit + margin
        self.cost = cost.reshape(nodes, nodes)
        self._out = np.flatnonzero((part != NO_PART) & (cost <= self.level))

    def _joined(self, part: NDArray[np.int64]) -> sp.csr_array:
        """Costs of links between places; a place that is outside has none that lead on."""
        number = np.arange(self.nodes**2).reshape(self.nodes, -1)
        passable = definite(self.noise)[:, None, None]
        metric = np.linalg.inv(np.where(passable, self.noise, np.eye(2))) * np.where(passable, 1.0, np.nan)
        toll = np.einsum("ni,nij->nj", self.force, metric)
        pushed = np.sum(toll * self.force, axis=1)
        rows, columns, costs = [], [], []
        for i, j in STEPS:
            here = number[max(0, -i) : self.nodes - max(0, i), max(0, -j) : self.nodes - max(0, j)].ravel()
            here = here[part[here] == NO_PART]
            there = here + i * self.nodes + j
            move = np.array([i, j]) * self.step
            each = np.sqrt(pushed * (metric @ move @ move)) + toll @ move
            cost = (each[here] + each[there]) / 4  # the trapezoid rule
            known = np.isfinite(cost)
            rows.append(here[known])
            columns.append(there[known])
            costs.append(np.maximum(cost[known], 1e-12))
        n = self.nodes**2
        return sp.csr_array((np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))), shape=(n, n))

    def scale(self) -> Array:
        """The shortest thermal width, along each axis, on paths that matter."""
        matters = self.cost.ravel() <= self.exit + RELEVANT
        if len(self._out):
            onwards = dijkstra(self._links.T, indices=self._out, min_only=True)
            matters = self.cost.ravel() + onwards <= self.exit + RELEVANT
        force = self.force.reshape(self.nodes, self.nodes, 2)
        widths = []
        for k in (0, 1):
            bend = np.abs(np.gradient(force[..., k], self.step[k], axis=k)).ravel()
            width = np.sqrt(self.noise[:, k, k] / np.maximum(bend, 1e-300))
            widths.append(np.quantile(width[matters], 0.02))
        return np.minimum(widths, self.step * self.nodes / 8)


def _refuse_cut(frame: Frame, survey: _Survey, walls: Array) -> None:
    """Refuse walls before which the valley does not end."""
    theta = frame.theta(survey.places[survey.cost.ravel() <= survey.level])
    for wall, extreme, side in ((walls[0], theta.min(axis=0), -1), (walls[1], theta.max(axis=0), 1)):
        for k in np.flatnonzero(side * (extreme - wall) > 0):
            raise ValueError(
                f"reflecting: the wall at {wall[k]:.6g} in coordinate {k} cuts the valley, in which paths come to "
                f"{extreme[k]:.6g} at a cost of no more than {survey.level - survey.exit:.3g} temperatures above that "
                "of the exit; move the wall there, or leave it out: the box is found without"
            )
