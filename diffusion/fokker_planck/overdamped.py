"""The overdamped equation in one dimension: exponentially fitted finite volumes, exact for a constant flux.

With psi = int L'/D and the power p of the convention (1 Ito, 1/2 Stratonovich, 0 isothermal) the flux is
``-D^(1-p) e^-psi d/dx(D^p e^psi P)``. Between nodes it is constant and its integrals are done by Gauss' rule, so that the chain
jumps between neighbours at rates that have the exact stationary law, whatever the step of psi or the jump of D.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion.fokker_planck.path import Path, graded
from diffusion.fokker_planck.survey import GAUSS, WEIGHTS

Array = NDArray[np.float64]
POWERS = {"ito": 1.0, "stratonovich": 0.5, "isothermal": 0.0}
NODES = 2_000_000  # of the finest grid
SHOWN = 8.0  # fineness of results that cost no more than their nodes
ROUNDING = 2e-13  # relative, for each unit of psi
LARGEST = 700.0  # exponent beyond which a time is out of floating-point range
# Row k integrates a polynomial through the Gauss points from 0 to point k.
_VANDERMONDE = np.vander(GAUSS, increasing=True)
_INTEGRALS = (np.vander(GAUSS, increasing=True) * GAUSS[:, None] / np.arange(1, len(GAUSS) + 1)) @ np.linalg.inv(
    _VANDERMONDE
)


@dataclass(frozen=True)
class Chain:
    """A birth-death chain on nodes x, reversible with respect to the weights.

    Attributes
    ----------
    x
        Nodes, shape (n,), absorbing ones at the ends left out.
    weights
        ``int e^-psi D^-p`` over each node's cell, divided by exp(-least), shape (n,).
    resistances
        ``int e^psi D^(p-1)`` between neighbours, divided by exp(most), shape (n + 1,); infinite at reflecting ends.
    widths
        Widths of the cells, shape (n,).
    scale
        most - least: times are exp(scale) times products of weights and resistances.
    """

    x: Array
    weights: Array
    resistances: Array
    widths: Array
    scale: float

    def solve(self, f: Array) -> Array:
        """u of ``-A^T u = f``, where A is the generator, in units of exp(scale): sums of positive terms only, so that no
        digits are lost; shape (n,)."""
        load = self.weights * f
        r = self.resistances
        if np.isinf(r[0]):
            right = np.cumsum(r[1:][::-1])[::-1]
            return np.asarray(right * np.cumsum(load) + _after(right * load))
        if np.isinf(r[-1]):
            left = np.cumsum(r[:-1])
            return np.asarray(left * np.cumsum(load[::-1])[::-1] + _after((left * load)[::-1])[::-1])
        left, right = np.cumsum(r[:-1]), np.cumsum(r[1:][::-1])[::-1]
        return np.asarray((right * np.cumsum(left * load) + left * _after(right * load)) / r.sum())

    def slowest(self) -> tuple[float, Array]:
        """Smallest rate, in units of exp(-scale), and its left eigenvector: how likely each start is to survive, shape (n,)."""
        u, rate = np.ones(len(self.x)), 0.0
        for _ in range(20_000):
            v = self.solve(u)
            new = float(np.sum(self.weights * u * u) / np.sum(self.weights * u * v))
            u = v / v.max()
            if abs(new - rate) < 1e-14 * new:
                break
            rate = new
        return new, u

    def generator(self) -> Array:
        """Rates of jumps, column to row, shape (n + 1, n + 1); the last state is having been absorbed."""
        n = len(self.x)
        rates = np.zeros((n + 1, n + 1))
        with np.errstate(divide="ignore"):
            conductances = np.exp(-self.scale) / self.resistances
        k = np.arange(n - 1)
        rates[k + 1, k] = conductances[1:-1] / self.weights[:-1]
        rates[k, k + 1] = conductances[1:-1] / self.weights[1:]
        rates[n, 0] += conductances[0] / self.weights[0]
        rates[n, n - 1] += conductances[-1] / self.weights[-1]
        rates[np.arange(n + 1), np.arange(n + 1)] = -rates.sum(axis=0)
        return rates


def grid(path: Path, points: Array, fineness: float = 1.0, start: float = 0.0, width: float = np.inf) -> Array:
    """Nodes from end to end through the points and breaks, closer where psi or D changes fast, and within `width` of a start."""
    x, _ = path.scan()
    slope = np.abs(path.slope((x[1:] + x[:-1]) / 2))
    change = np.abs(np.diff(np.log(path.diffusion(x)))) / np.diff(x)
    for point in path.breaks:  # a jump is no slope
        change[max(0, int(np.searchsorted(x, point)) - 1)] = 0.0
    density = fineness * (4 * slope + 8 * change + 200 / (path.upper - path.lower))
    fixed = sorted({path.lower, path.upper, *path.breaks, *points.tolist()})

    def spacing(y: Array) -> Array:
        near = np.maximum(width, np.abs(y - start) / 3) / (6 * fineness)
        return np.asarray(np.minimum(near, 1 / np.interp(y, (x[1:] + x[:-1]) / 2, density)))

    return graded(fixed, spacing)


def chain(path: Path, x: Array, power: float) -> Chain:
    """The chain on the nodes x, shape (n,)."""
    edges = np.sort(np.concatenate([x, (x[1:] + x[:-1]) / 2]))  # cells meet halfway
    h = np.diff(edges)
    points = edges[:-1, None] + h[:, None] * GAUSS
    noise = path.diffusion(points.ravel()).reshape(points.shape)
    slope = path.gradient(points.ravel()).reshape(points.shape) / noise
    start = np.concatenate([[0.0], np.cumsum((slope @ WEIGHTS) * h)[:-1]])
    psi = start[:, None] + h[:, None] * (slope @ _INTEGRALS.T)
    least, most = psi.min(), psi.max()
    weights = (np.exp(least - psi) * noise**-power) @ WEIGHTS * h
    resistances = (np.exp(psi - most) * noise ** (power - 1)) @ WEIGHTS * h
    cells = np.concatenate([[weights[0]], weights[1:-1:2] + weights[2::2], [weights[-1]]])
    widths = np.concatenate([[h[0]], h[1:-1:2] + h[2::2], [h[-1]]])
    between = np.concatenate([[np.inf], resistances[::2] + resistances[1::2], [np.inf]])
    keep = slice(1 if path.absorbing[0] else 0, -1 if path.absorbing[1] else None)
    links = slice(keep.start, keep.stop)
    return Chain(x[keep], cells[keep], between[links], widths[keep], float(most - least))


def extrapolated(
    path: Path, points: Array, power: float, value: Callable[[Chain], Array], tolerance: float
) -> tuple[Array, Array]:
    """A value of the chain without its errors in h^2 and h^4, by Richardson extrapolation, and the change that h^4 made.

    Parameters
    ----------
    path, power
        The equation.
    points
        Positions that are nodes of every grid.
    value
        Numbers computed from a chain, in units of exp(its scale), shape (m,).
    tolerance
        The grid is halved until the change is below this share of the value.

    Returns
    -------
    tuple of ndarray
        Logarithms of the values, and relative errors, shape (m,) each.

    Raises
    ------
    ValueError
        If the finest grid does not reach the tolerance.
    """
    x = grid(path, points)
    values, errors = np.zeros(0), np.zeros(0)
    logs: list[Array] = []
    while len(x) < NODES:
        found = chain(path, x, power)
        logs.append(np.log(value(found)) + found.scale)
        if len(logs) >= 3:
            a, b, c = (np.exp(log - logs[-1]) for log in logs[-3:])
            before, after = (4 * b - a) / 3, (4 * c - b) / 3
            best = (16 * after - before) / 15
            values, errors = logs[-1] + np.log(best), np.abs(after / best - 1) + ROUNDING * (1 + found.scale)
            if np.all(errors < tolerance):
                return values, errors
            if tolerance < ROUNDING * (1 + found.scale):
                break
        x = np.insert(x, np.arange(1, len(x)), (x[1:] + x[:-1]) / 2)
    raise ValueError(
        f"tolerance = {tolerance:.3g} is not reached with {len(x)} nodes (relative error {errors.max():.3g}); loosen tolerance, "
        "or name the positions where the noise or the curvature jumps in breaks"
    )


def _after(values: Array) -> Array:
    """Sum of the entries after each, shape (n,)."""
    return np.append(np.cumsum(values[:0:-1])[::-1], 0.0)
