"""The phase-space equation on a grid of position and velocity: discontinuous polynomials in both.

In the velocity u = r / speed, with T_0 the temperature of that speed, Equation 8 is
``dP/dt = -speed u dP/dx + gamma d(u P)/du + L'/(M speed) dP/du + gamma (T(x)/T_0) d^2P/du^2``. Every edge at u = 0
parts the velocities that carry P to the right from those that carry it to the left, so that upwind traces in position
are exact characteristics: at an absorbing end the outgoing half leaves and nothing enters.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from diffusion.fokker_planck.elements import Elements
from diffusion.progress import task

Array = NDArray[np.float64]
ROUNDS = 60  # of the search for the slowest decay
REMEDY = (
    "the phase-space grid cannot be solved with these scales of mass, damping and diffusion; at strong damping leave "
    "out mass and damping, at weak see theory.kramers_escape_time"
)


@dataclass(frozen=True)
class Grid:
    """The equation as ``dP/dt = matrix P`` for the values of P at the points, position by position.

    Attributes
    ----------
    positions, velocities
        Elements in x, and in u = velocity / speed.
    speed
        Unit of velocity.
    temperature
        At the positions' points, in units of mass speed^2, shape (positions,).
    matrix
        Shape (n, n), n = positions times velocities.
    leaving
        Rows: rate at which each value's share leaves by the lower and by the upper end, shape (2, n).
    pin
        The unknown at the bottom of the deepest well.
    """

    positions: Elements
    velocities: Elements
    speed: float
    temperature: Array
    matrix: sp.csr_array
    leaving: Array
    pin: int

    @cached_property
    def weights(self) -> Array:
        """Integral of P = weights @ P in x and u, shape (n,)."""
        return np.asarray(np.kron(self.positions.weights, self.velocities.weights))

    @cached_property
    def _factors(self) -> Any:
        """The equation with its row `pin` replaced by the balance of mass.

        Summed with the weights, all rows say that mass changes by what leaves. That sum is exact and tiny where escapes
        are rare, and lost among the rounding of the rows if it is left for the solver to find.
        """
        keep = np.ones(self.matrix.shape[0])
        keep[self.pin] = 0.0
        balance = self._row(-self.leaving.sum(axis=0) if np.any(self.leaving) else self.weights)
        return factors(sp.csc_matrix(sp.diags_array(keep) @ self.matrix + balance))

    def _row(self, values: Array) -> sp.csr_array:
        columns = np.flatnonzero(values)
        shape = self.matrix.shape
        return sp.csr_array((values[columns], (np.full(len(columns), self.pin), columns)), shape=shape)

    def solve(self, density: Array) -> Array:
        """Time spent at each point by particles that start from a density: ``-matrix^-1 density``, shape (n,)."""
        source = -density
        source[self.pin] = -self.weights @ density
        return np.asarray(self._factors.solve(source))

    def backward(self, reward: Array) -> Array:
        """What particles from each point collect until they leave; reward per unit time times the weights; (n,)."""
        y = self._factors.solve(reward, trans="T")
        values = -y / self.weights
        values[self.pin] = 0.0
        return np.asarray(values - y[self.pin])

    def stationary(self) -> Array:
        """The density that does not change, of mass 1, where nothing leaves; shape (n,)."""
        source = np.zeros(self.matrix.shape[0])
        source[self.pin] = 1.0
        return np.asarray(self._factors.solve(source))

    def slowest(self) -> tuple[float, Array]:
        """Escape rate and quasi-stationary density, of mass 1; shape (n,)."""
        density = self.thermal(np.ones(len(self.positions.points)))
        rate, change, steady = 0.0, np.inf, 0
        for _ in range(ROUNDS):
            density = self.solve(density)
            density /= self.weights @ density
            before, rate = rate, float(self.leaving.sum(axis=0) @ density)
            last, change = change, abs(rate - before) / abs(rate)
            # what is left if changes go on as the last two
            left = change * change / (last - change) if change < last < np.inf else np.inf
            steady = steady + 1 if left < 1e-8 else 0
            if steady > 2 or change < 1e-10:
                return rate, density
        raise ValueError(
            "escape_rate: the slowest rate in phase space cannot be told from the next, as where two wells decay by "
            "exits of their own, or damping is weak; part the wells by absorbing = or reflecting =, or use "
            "mean_first_passage_time"
        )

    def thermal(self, profile: Array) -> Array:
        """The density with this profile in x and a thermal velocity everywhere, of mass 1; shape (n,)."""
        u = self.velocities.points
        maxwell = np.exp(-(u**2) / 2 / self.temperature[:, None])
        maxwell /= (maxwell @ self.velocities.weights)[:, None]
        density = (profile[:, None] * maxwell).ravel()
        return np.asarray(density / (self.weights @ density))

    def at_start(self, values: Array, x: float, law: Array) -> float:
        """Mean of values over a law of velocities at x, a row for the velocities' points."""
        return float(self.positions.at(x) @ values.reshape(-1, len(law)) @ law)

    def maxwell(self, temperature: float) -> Array:
        """The law of thermal velocities; the temperature in units of mass speed^2."""
        weights = self.velocities.weights * np.exp(-(self.velocities.points**2) / 2 / temperature)
        return np.asarray(weights / weights.sum())


def factors(matrix: sp.csc_matrix, remedy: str | None = None) -> Any:
    """A matrix as a product of triangular ones; refused, with what to do instead, where rounding leaves none.

    Its pattern is nearly symmetric. Ordered so, and with pivots taken on the diagonal where they are a tenth of their
    column's largest, the factors have half the entries that columns ordered alone would give, and take half the time.
    """
    try:
        if np.all(np.isfinite(matrix.data)):
            with task(f"equations in {matrix.shape[0]} unknowns"):
                return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.1)
    except (RuntimeError, MemoryError):
        pass
    raise ValueError(remedy or REMEDY)
