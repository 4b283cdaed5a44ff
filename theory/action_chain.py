"""The least costly chain of positions between two ends, by Newton's method, its steps being of given durations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded

from theory.hamiltonians import Hamiltonian

Array = NDArray[np.float64]
ROUNDS = 200


@dataclass(frozen=True)
class Chain:
    """Steps whose cost is taken at a share of the way from one node to the next.

    Parameters
    ----------
    hamiltonian
        What a velocity costs.
    durations
        Of the steps, (n,).
    at
        The share: 1/2 is the midpoint rule, 0 a chain whose steps depend on where they begin.
    pin
        (k, place, normal): node k is drawn to the plane through the place, which costs nothing where a path may be
        run through sooner or later.
    """

    hamiltonian: Hamiltonian
    durations: Array
    at: float = 0.5
    pin: tuple[int, Array, Array] | None = None

    def steps(self, nodes: Array) -> tuple[Array, Array]:
        """Where the cost of each step is taken, and its velocity."""
        return (1 - self.at) * nodes[:-1] + self.at * nodes[1:], np.diff(nodes, axis=0) / self.durations[:, None]

    def action(self, nodes: Array) -> float:
        """Cost of all steps, with that of the pin; infinite if it cannot be had."""
        with np.errstate(all="ignore"):
            total = float(self.durations @ self.hamiltonian.rate(*self.steps(nodes)))
        if self.pin is not None:
            k, place, normal = self.pin
            total += float((nodes[k] - place) @ normal) ** 2 / 2
        return total if np.isfinite(total) else np.inf

    def relaxed(self, nodes: Array, tolerance: float) -> tuple[Array, float, bool]:
        """Nodes of least action near the given ones, that action, and whether it is a minimum.

        Newton's steps where the second derivatives are positive, else those of Gauss and Newton; each is halved until
        the action falls. It ends where a step gains less than the tolerance.
        """
        nodes, action, minimum = nodes.copy(), self.action(nodes), False
        for _ in range(ROUNDS):
            gradient, stiff, soft = self._derivatives(nodes)
            try:
                factor, minimum = (
                    cholesky_banded(_banded(*(a - b for a, b in zip(stiff, soft, strict=True))), lower=True),
                    True,
                )
            except LinAlgError:
                minimum = False
                try:
                    factor = cholesky_banded(_banded(*stiff), lower=True)
                except LinAlgError:  # rounding, where the noise is all but singular
                    break
            move = np.zeros_like(nodes)
            move[1:-1] = -cho_solve_banded((factor, True), gradient.ravel()).reshape(gradient.shape)
            gain = -float(np.sum(move[1:-1] * gradient))
            if gain < tolerance:
                break
            for share in 0.5 ** np.arange(20):
                reached = self.action(nodes + share * move)
                if reached < action - 1e-4 * share * gain:
                    break
            else:
                break
            nodes, action = nodes + share * move, reached
        return nodes, action, minimum

    def _derivatives(self, nodes: Array) -> tuple[Array, tuple[Array, Array], tuple[Array, Array]]:
        """Gradient by the inner nodes; diagonal and lower blocks of second derivatives, positive less a rest."""
        h, at, back_at = self.durations[:, None, None], self.at, 1 - self.at
        cost = self.hamiltonian.cost(*self.steps(nodes))
        pull = self.durations[:, None] * cost.slope
        gradient = (cost.momentum - at * pull)[:-1] - (cost.momentum + back_at * pull)[1:]
        eye = np.eye(nodes.shape[1])
        forth, back = eye - at * h * cost.mixed, -eye - back_at * h * cost.mixed
        eased_forth, eased_back = (np.linalg.solve(h * cost.spread, side) for side in (forth, back))
        forth, back = np.swapaxes(forth, 1, 2), np.swapaxes(back, 1, 2)
        diagonal = (forth @ eased_forth)[:-1] + (back @ eased_back)[1:]
        if self.pin is not None:
            k, place, normal = self.pin
            gradient[k - 1] += ((nodes[k] - place) @ normal) * normal
            diagonal[k - 1] += np.outer(normal, normal)
        bend = h * cost.curvature
        soft = at**2 * bend[:-1] + back_at**2 * bend[1:], at * back_at * bend[1:-1]
        return gradient, (diagonal, (forth @ eased_back)[1:-1]), soft


def _banded(diagonal: Array, lower: Array) -> Array:
    """The lower part of a symmetric matrix of blocks, as `scipy.linalg.cholesky_banded` takes it."""
    n, d = diagonal.shape[:2]
    found = np.zeros((2 * d, n * d))
    for row in range(d):
        for column in range(d):
            if row >= column:
                found[row - column, column::d] = diagonal[:, row, column]
            found[d + row - column, column : (n - 1) * d : d] = lower[:, row, column]
    return found
