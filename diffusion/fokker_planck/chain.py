"""Chains of jumps between neighbours: sums of positive terms, carried as logarithms, so that psi may have any range."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from diffusion.fokker_planck.path import Path
from diffusion.fokker_planck.survey import GAUSS, INTEGRALS, WEIGHTS

Array = NDArray[np.float64]
SEGMENT = 500.0  # by how much logarithms may grow within a sum of their exponentials
ROUNDS, WORK = 500, 3_000_000  # of the search for the slowest decay; nodes times rounds
AGREE = 1e-8  # by how much the rates that all nodes and the likeliest survivor tell may differ, relative
ROUNDING = 2e-13  # relative, for each unit of psi


@dataclass(frozen=True)
class Chain:
    """A birth-death chain on nodes x, reversible with respect to the weights; both are known by their logarithms.

    Attributes
    ----------
    x
        Nodes, shape (n,), absorbing ones at the ends left out.
    weights
        log of ``int e^-psi D^-p`` over each node's cell, shape (n,).
    resistances
        log of ``int e^psi D^(p-1)`` between neighbours, shape (n + 1,); infinite at reflecting ends.
    widths
        Widths of the cells, shape (n,).
    span
        How far psi goes, highest less lowest.
    """

    x: Array
    weights: Array
    resistances: Array
    widths: Array
    span: float

    def solve(self, f: Array) -> Array:
        """log of u of ``-A^T u = e^f``, A the generator, shape (n,): of positive terms, so that no digits are lost."""
        load, r = self.weights + f, self.resistances
        if np.isinf(r[0]):
            return running_sums((running_sums(load) + r[1:])[::-1])[::-1]
        if np.isinf(r[-1]):
            return running_sums(running_sums(load[::-1])[::-1] + r[:-1])
        left, right = running_sums(r[:-1]), running_sums(r[:0:-1])[::-1]
        after = np.append(running_sums((right + load)[:0:-1])[::-1], -np.inf)
        return np.asarray(np.logaddexp(right + running_sums(left + load), left + after) - running_sums(r)[-1])

    def slowest(self) -> tuple[float, Array]:
        """log of the smallest rate, and of its left eigenvector: how likely each start is to survive, shape (n,).

        Raises
        ------
        ValueError
            If another rate is so near that their modes cannot be told apart.
        """
        u, rate, change, steady = np.zeros(len(self.x)), np.inf, np.inf, 0
        for _ in range(min(ROUNDS, max(12, WORK // len(self.x)))):
            v = self.solve(u)
            before, rate = rate, running_sums(self.weights + 2 * u)[-1] - running_sums(self.weights + u + v)[-1]
            # a well that holds nearly all mass has the mean to itself for some rounds, although its mode decays sooner
            agrees = abs(rate + v.max() - u[v.argmax()]) < AGREE
            u = v - v.max()
            last, change = change, abs(before - rate)
            # what is left if changes go on as the last two
            left = change * change / (last - change) if change < last < np.inf else np.inf
            steady = steady + 1 if left < 1e-12 else 0
            if agrees and (steady > 2 or change < ROUNDING * (1 + self.span)):
                return float(rate), u
        raise ValueError(
            "escape_rate: the slowest rate cannot be told from the next, as where two wells decay by exits of their "
            "own, or drift carries all particles to the boundary; part the wells by absorbing = or reflecting =, or "
            "use mean_first_passage_time"
        )

    def log_committors(self) -> Array:
        """log of how likely each node is to leave by the lower and by the upper end, if both absorb; shape (2, n)."""
        passed, left = running_sums(self.resistances), running_sums(self.resistances[::-1])[::-1]
        return np.asarray(np.array([left[1:], passed[:-1]]) - passed[-1])

    def stationary(self) -> Array:
        """The density that does not change where nothing is absorbed, of mass 1, shape (n,)."""
        return np.asarray(np.exp(self.weights - running_sums(self.weights)[-1]) / self.widths)

    def generator(self) -> Array:
        """Rates of jumps, column to row, shape (n + 1, n + 1); the last state is having been absorbed."""
        n = len(self.x)
        rates = np.zeros((n + 1, n + 1))
        up, down = np.exp(-self.resistances[1:] - self.weights), np.exp(-self.resistances[:-1] - self.weights)
        k = np.arange(n - 1)
        rates[k + 1, k] = up[:-1]
        rates[k, k + 1] = down[1:]
        rates[n, 0] += down[0]
        rates[n, n - 1] += up[-1]
        rates[np.arange(n + 1), np.arange(n + 1)] = -rates.sum(axis=0)
        return rates


def make_chain(path: Path, x: Array, p: float) -> Chain:
    """The chain on the nodes x, shape (n,), for the power p of a convention."""
    edges = np.sort(np.concatenate([x, (x[1:] + x[:-1]) / 2]))  # cells meet halfway
    h = np.diff(edges)
    points = edges[:-1, None] + h[:, None] * GAUSS
    noise = path.diffusion(points.ravel()).reshape(points.shape)
    slope = path.gradient(points.ravel()).reshape(points.shape) / noise
    start = np.concatenate([[0.0], np.cumsum((slope @ WEIGHTS) * h)])
    psi = start[:-1, None] + h[:, None] * (slope @ INTEGRALS.T)
    weights, resistances = (
        _log_mean(sign * psi - power * np.log(noise)) + np.log(h) for sign, power in ((-1, p), (1, 1 - p))
    )
    cells = np.concatenate([[weights[0]], np.logaddexp(weights[1:-1:2], weights[2::2]), [weights[-1]]])
    widths = np.concatenate([[h[0]], h[1:-1:2] + h[2::2], [h[-1]]])
    between = np.concatenate([[np.inf], np.logaddexp(resistances[::2], resistances[1::2]), [np.inf]])
    for end, height, tail in zip((0, -1), (0.0, start[-1]), path.tails, strict=True):
        if tail is not None:  # from the edge, a node, one more link leads out
            cells[end] = np.logaddexp(cells[end], tail.log_weight - height)
            between[end] = tail.log_resistance + height
    out = [takes and tail is None for takes, tail in zip(path.absorbing, path.tails, strict=True)]
    first, last = int(out[0]), len(x) - out[1]
    kept = slice(first, last)
    return Chain(x[kept], cells[kept], between[first : last + 1], widths[kept], float(np.ptp(psi)))


def _log_mean(logs: Array) -> Array:
    """Logarithm of the mean of exp(logs) by Gauss' rule, shape (n, points) to (n,)."""
    top = logs.max(axis=1)
    return np.asarray(top + np.log(np.exp(logs - top[:, None]) @ WEIGHTS))


def running_sums(logs: Array) -> Array:
    """Logarithms of the running sums of exp(logs), shape (n,), to rounding whatever their range."""
    highest = np.maximum.accumulate(logs)
    parts = np.flatnonzero(np.diff(np.floor((highest - highest[0]) / SEGMENT))) + 1
    out, before = np.empty_like(logs), -np.inf
    for a, b in pairwise([0, *parts.tolist(), len(logs)]):
        top = highest[b - 1]
        out[a:b] = top + np.log(np.cumsum(np.exp(logs[a:b] - top)) + np.exp(before - top))
        before = out[b - 1]
    return out
