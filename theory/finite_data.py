"""Exact mean exit times under minibatches of finite data, the law of whose sum comes by FFT."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from theory import checks
from theory.chain import discrete_first_passage_time

Array = NDArray[np.float64]

GRID = 2**15  # points of the law of a minibatch's sum
NORMAL_REACH = 12.0  # deviations of the sum, beside two of the largest samples, that the grid holds to each side
TOLERANCE = 1e-4  # relative; the grid's values have eight digits, of which the chain loses as many as its time has
SPACING, STENCIL = 0.5, 6  # deviations of a step between positions of which the law is taken, and how many interpolate
ROUGH = 1e-7  # of the characteristic function at the grid's highest frequencies


def minibatch_first_passage_time(
    data: ArrayLike,
    gradient: Callable[[Any, Any], Any],
    batch_size: int,
    *,
    lr: float,
    start: float,
    boundary: float,
    breaks: Sequence[float] = (),
    weights: ArrayLike | None = None,
    tolerance: float = TOLERANCE,
) -> float:
    """Mean number of iterations until SGD on minibatches of data, drawn with replacement, is first beyond a boundary.

    No Gaussian stands in for the noise: at every position the sum of B samples' gradients has the B-th power of one
    sample's characteristic function, taken by FFT, as its own; the chain's integral equation does the rest.

    Parameters
    ----------
    data
        Samples, shape (N,) or (N, d).
    gradient
        A sample's gradient as a function of (theta, sample); it gets all samples at once, shape (N,) or (d, N).
    batch_size
        B; at least so many that the sum has a smooth density, which 4 of 1000 or more samples without ties have.
    lr, start, boundary, breaks
        As in `theory.discrete_first_passage_time`; breaks are where the gradient, as a function of theta, jumps.
        Between them it must be smooth, as what depends on theta is interpolated between positions half a step's
        deviation apart.
    weights
        How likely each sample is to be drawn, relative to others: with them, nodes of a quadrature stand for infinite
        data. None: all alike.
    tolerance
        Relative, 1e-5 at least.

    Returns
    -------
    float
        Mean in iterations, for these data, to the tolerance.

    Raises
    ------
    ValueError
        As `theory.discrete_first_passage_time`, or if the minibatches' law is too rough for a density.
    """
    if batch_size < 1 or int(batch_size) != batch_size:
        raise ValueError(f"batch_size = {batch_size!r} must be a whole number >= 1")
    samples, size = checks.finite("data", data).T, int(batch_size)
    shares = np.full(samples.shape[-1], 1 / samples.shape[-1])
    if weights is not None:
        shares = np.broadcast_to(checks.positive("weights", weights), shares.shape) / np.sum(weights)
    jumps = sorted(checks.finite("breaks", np.atleast_1d(breaks)).tolist())

    at_start = np.asarray(gradient(start, samples))
    if at_start.shape != shares.shape or at_start.dtype.kind not in "fiu" or not np.isfinite(at_start).all():
        raise ValueError(
            f"gradient at start = {start!r} has shape {at_start.shape} for data of shape {samples.T.shape}; it must "
            f"give {len(shares)} finite numbers, one for each sample"
        )

    @functools.cache
    def moments(x: float) -> tuple[float, float]:
        gradients = np.asarray(gradient(x, samples), dtype=np.float64)
        middle = float(shares @ gradients)
        return middle, float(np.sqrt(shares @ (gradients - middle) ** 2))

    @functools.cache
    def law(x: float) -> tuple[Array, float]:
        middle, spread = moments(x)
        return _sum_law((np.asarray(gradient(x, samples), dtype=np.float64) - middle) / spread, shares, size)

    def spacing(x: float) -> float:
        step = SPACING * lr * moments(x)[1] / size**0.5
        return step if np.isfinite(step) and step > 0 else np.inf

    ends = [-np.inf, *jumps, np.inf]
    pieces = [_Lattice(start, low, high, spacing) for low, high in itertools.pairwise(ends)]

    @functools.cache
    def around(x: float) -> tuple[tuple[float, ...], Array]:
        return pieces[int(np.searchsorted(jumps, x))].around(x)

    @functools.cache
    def interpolated(x: float) -> Array:
        nodes, parts = around(x)
        return np.asarray(parts @ np.array([moments(node) for node in nodes]))

    def mean(x: Array) -> Array:
        return np.array([interpolated(position)[0] for position in np.ravel(x).tolist()])

    def deviation(x: Array) -> Array:
        return np.asarray([interpolated(position)[1] / size**0.5 for position in np.ravel(x).tolist()])

    def density(z: Array, x: Array) -> Array:
        found = np.zeros_like(z)
        for row, position in enumerate(np.ravel(x).tolist()):
            for node, share in zip(*around(position), strict=True):
                spline, step = law(node)
                place = z[row] * (size**0.5 / step) + GRID // 2
                found[row] += share * ndimage.map_coordinates(spline, [place], order=3, prefilter=False)
        return np.asarray(np.maximum(found, 0.0) * size**0.5)

    return discrete_first_passage_time(
        mean, deviation, lr=lr, start=start, boundary=boundary, breaks=breaks, law=density, tolerance=tolerance
    )


class _Lattice:
    """Positions between two jumps, between which what depends on position is interpolated; more are added as needed."""

    def __init__(self, start: float, low: float, high: float, spacing: Callable[[float], float]) -> None:
        self.low, self.high = np.nextafter(low, np.inf), np.nextafter(high, -np.inf)
        self.nodes, self.spacing = [float(np.clip(start, self.low, self.high))], spacing

    def around(self, x: float) -> tuple[tuple[float, ...], Array]:
        """The `STENCIL` nodes about a position, fewer if there are no more, and their shares of the value there."""
        nodes, half = self.nodes, STENCIL // 2
        while nodes[-1] < self.high and (len(nodes) < half or nodes[-half] <= x):
            nodes.append(min(nodes[-1] + self.spacing(nodes[-1]), self.high))
        while nodes[0] > self.low and (len(nodes) < half or nodes[half - 1] >= x):
            nodes.insert(0, max(nodes[0] - self.spacing(nodes[0]), self.low))
        first = int(np.clip(np.searchsorted(nodes, x) - half, 0, max(len(nodes) - STENCIL, 0)))
        near = np.array(nodes[first : first + STENCIL])
        apart = near[:, None] - near + np.eye(len(near))
        factors = np.where(np.eye(len(near), dtype=bool), 1.0, (x - near) / apart)
        return tuple(near.tolist()), np.asarray(factors.prod(axis=1))


def _sum_law(values: Array, shares: Array, size: int) -> tuple[Array, float]:
    """Density of the sum of `size` draws of values of mean 0 and variance 1: a cubic spline, and its step."""
    reach = 2 * float(np.abs(values).max()) + NORMAL_REACH * np.sqrt(size)
    step = 2 * reach / GRID
    counts = np.zeros(GRID)
    for index, share in _neighbours(values / step):
        counts += np.bincount(index, share * shares, minlength=GRID)
    characteristic = _power(np.fft.rfft(counts), size)
    if np.abs(characteristic[GRID // 4 :]).max() > ROUGH:
        raise ValueError(
            f"batch_size = {size} leaves the law of a minibatch of {values.size} samples too rough for a density; give "
            "more, or data without ties, or simulate"
        )
    spline = characteristic / (2 + np.cos(2 * np.pi / GRID * np.arange(GRID // 2 + 1))) * 3
    return np.fft.fftshift(np.fft.irfft(spline, GRID)) / step, step


def _power(base: Any, exponent: int) -> Any:
    """A whole power by squaring: for complex numbers much faster than numpy's."""
    result = base if exponent % 2 else 1.0
    return result if exponent < 2 else _power(base * base, exponent // 2) * result


def _neighbours(position: Array) -> list[tuple[NDArray[np.int64], Array]]:
    """Four points of a periodic grid and their shares in cubic interpolation, which keep the first three moments."""
    whole = np.floor(position)
    f, index = position - whole, whole.astype(np.int64)
    shares = (
        -f * (f - 1) * (f - 2) / 6,
        (f + 1) * (f - 1) * (f - 2) / 2,
        -(f + 1) * f * (f - 2) / 2,
        (f + 1) * f * (f - 1) / 6,
    )
    return [((index + offset) % GRID, share) for offset, share in zip((-1, 0, 1, 2), shares, strict=True)]
