"""What it costs noise to push a state along: the Hamiltonian of a diffusion, or of steps of any law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Field = Callable[[Array], Array]
STEP = 1e-3  # of finite differences, where a path is about 1 long
CORNERS = ((1, 1), (1, -1), (-1, 1), (-1, -1))
HALVINGS = 30
NEWTON = 60  # rounds in which the momentum of a step is sought


@dataclass(frozen=True)
class Cost:
    """The least cost ``p.v - H(x, p)`` of velocities, the momenta p that make it so, and the derivatives of H there.

    Shapes (n,), (n, d), (n, d) for ``H_x``, and (n, d, d) for ``H_xx``, ``H_px`` and ``H_pp``.
    """

    rate: Array
    momentum: Array
    slope: Array
    curvature: Array
    mixed: Array
    spread: Array


class Hamiltonian(Protocol):
    """H of positions and momenta, known by the cost of velocities."""

    def rate(self, x: Array, v: Array) -> Array:
        """The cost alone."""

    def cost(self, x: Array, v: Array) -> Cost:
        """Cost and derivatives."""


@dataclass(frozen=True)
class Diffusing:
    """``H = b.p + p.D p`` of ``dx = b dt + sqrt(2 D) dW``.

    Parameters
    ----------
    drift, diffusion
        From (n, d) to (n, d) and to (n, d, d); the diffusion may be one (d, d).
    added
        Diffusion added in all directions, that D may be singular.
    """

    drift: Field
    diffusion: Field | Array
    added: float = 0.0

    def spread(self, x: Array) -> Array:
        """D at positions, with what is added."""
        values = self.diffusion(x) if callable(self.diffusion) else self.diffusion
        return np.broadcast_to(values + self.added * np.eye(x.shape[1]), (*x.shape, x.shape[1]))

    def rate(self, x: Array, v: Array) -> Array:
        """``(v - b) D^-1 (v - b)/4``."""
        return squared(v - self.drift(x), self.spread(x)) / 4

    def cost(self, x: Array, v: Array) -> Cost:
        """Cost and derivatives."""
        away, matrix = v - self.drift(x), self.spread(x)
        p = np.linalg.solve(matrix, away[..., None])[..., 0] / 2
        return Cost(np.einsum("ni,ni->n", away, p) / 2, p, *self.derivatives(x, p), 2 * matrix)

    def derivatives(self, x: Array, p: Array) -> tuple[Array, Array, Array]:
        """``H_x``, ``H_xx`` and ``H_px``."""
        _, b_x, b_xx = differentiated(self.drift, x)
        slope, mixed = np.einsum("nij,ni->nj", b_x, p), b_x
        curvature = np.einsum("nijk,ni->njk", b_xx, p)
        if callable(self.diffusion):
            _, d_x, d_xx = differentiated(self.diffusion, x)
            slope = slope + np.einsum("nijk,ni,nj->nk", d_x, p, p)
            mixed = mixed + 2 * np.einsum("nijk,nj->nik", d_x, p)
            curvature = curvature + np.einsum("nijkl,ni,nj->nkl", d_xx, p, p)
        return slope, curvature, mixed


@dataclass(frozen=True)
class Stepping:
    """``H = log E exp(p.step)`` of a chain whose steps have any law.

    Parameters
    ----------
    cumulant
        H, from positions and momenta (n, d) to (n,); infinite or NaN where there is no such moment.
    added
        Diffusion added in all directions, that the noise of a step may leave some out.
    """

    cumulant: Callable[[Array, Array], Array]
    added: float = 0.0

    def value(self, x: Array, p: Array) -> Array:
        """H; infinite where it is not finite."""
        with np.errstate(all="ignore"):
            found = np.asarray(self.cumulant(x, p), dtype=np.float64) + self.added * np.einsum("ni,ni->n", p, p)
        return np.where(np.isfinite(found), found, np.inf)

    def momentum(self, x: Array, v: Array) -> tuple[Array, Array]:
        """The momenta that make steps v the mean ones, and ``p.v - H``, infinite if there are none."""
        p = np.zeros_like(v)
        reached = -self.value(x, p)
        for _ in range(NEWTON):
            with np.errstate(all="ignore"):
                _, mean, spread = differentiated(lambda q: self.value(np.tile(x, (len(q) // len(x), 1)), q), p)
                flat = ~(np.isfinite(mean).all(axis=1) & (np.linalg.det(spread) > 0))
            spread[flat] = np.eye(x.shape[1])
            off = np.where(flat[:, None], 0.0, v - mean)
            move = np.linalg.solve(spread, off[..., None])[..., 0]
            for _ in range(HALVINGS):
                trial = np.einsum("ni,ni->n", p + move, v) - self.value(x, p + move)
                worse = ~(trial >= reached - 1e-13 * (1 + np.abs(reached)))
                if not worse.any():
                    break
                move[worse] /= 2
            else:
                move[worse] = 0
            p = p + move
            reached = np.einsum("ni,ni->n", p, v) - self.value(x, p)
            if np.max(np.abs(off * move)) < 1e-15:
                break
        return p, np.where(flat | (np.abs(off) > 1e-3 * (1e-3 + np.abs(v))).any(axis=1), np.inf, reached)

    def rate(self, x: Array, v: Array) -> Array:
        """The cost of steps."""
        return self.momentum(x, v)[1]

    def cost(self, x: Array, v: Array) -> Cost:
        """Cost and derivatives."""
        d = x.shape[1]
        p, reached = self.momentum(x, v)
        _, first, second = differentiated(lambda both: self.value(both[:, :d], both[:, d:]), np.hstack([x, p]))
        return Cost(reached, p, first[:, :d], second[:, :d, :d], second[:, d:, :d], second[:, d:, d:])


def squared(vectors: Array, matrices: Array) -> Array:
    """``v M^-1 v``, of (n, d) and (n, d, d)."""
    return np.asarray(np.einsum("ni,ni->n", vectors, np.linalg.solve(matrices, vectors[..., None])[..., 0]))


def differentiated(function: Field, x: Array) -> tuple[Array, Array, Array]:
    """A function of (n, d), its gradient (..., d) and second derivatives (..., d, d), by central differences.

    The gradient is of fourth order in `STEP`.
    """
    n, d = x.shape
    unit = STEP * np.eye(d)
    pairs = list(combinations(range(d), 2))
    moves = [0 * unit[:1], unit, -unit, 2 * unit, -2 * unit]
    moves += [np.array([s * unit[i] + t * unit[j] for i, j in pairs]).reshape(-1, d) for s, t in CORNERS]
    shifts = np.concatenate(moves)
    values = np.asarray(function((x + shifts[:, None]).reshape(-1, d)))
    values = values.reshape(len(shifts), n, *values.shape[1:])
    here, up, down, up2, down2 = np.split(values[: 1 + 4 * d], [1, 1 + d, 1 + 2 * d, 1 + 3 * d])
    first = (8 * (up - down) - (up2 - down2)) / (12 * STEP)
    second = np.zeros((d, d, *here[0].shape))
    second[range(d), range(d)] = (16 * (up + down) - (up2 + down2) - 30 * here) / (12 * STEP**2)
    if pairs:
        corners = values[1 + 4 * d :].reshape(4, len(pairs), *here[0].shape)
        i, j = np.transpose(pairs)
        second[i, j] = second[j, i] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * STEP**2)
    return here[0], np.moveaxis(first, 0, -1), np.moveaxis(second, (0, 1), (-2, -1))
