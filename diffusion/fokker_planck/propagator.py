"""The law of a chain of jumps at later times."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Propagator:
    """The law of a chain at later times: ``exp(A t)`` from non-negative terms only, so that no probability turns negative.

    Parameters
    ----------
    rates
        A generator, column to row, shape (n, n).
    longest
        The longest time to be asked for.
    """

    def __init__(self, rates: Array, longest: float) -> None:
        self._fastest = float(-rates.diagonal().min())
        doublings = max(0, int(np.ceil(np.log2(max(self._fastest * longest, 1.0)))))
        self._step = longest / 2**doublings  # at most one jump on average
        self._shifted = rates + self._fastest * np.eye(len(rates))
        power = self._short(np.eye(len(rates)), self._step)
        self._powers = [power]
        for _ in range(doublings):
            power = power @ power
            power /= power.sum(axis=0)  # rounding must not add up to a loss of mass
            self._powers.append(power)

    def __call__(self, state: Array, time: float) -> Array:
        """The law after a time from a law; shape (n,) each."""
        count, bit = int(time / self._step), 0
        state = self._short(state, max(0.0, time - count * self._step))
        for bit, power in enumerate(self._powers):
            if count >> bit & 1:
                state = power @ state
        return state

    def _short(self, states: Array, time: float) -> Array:
        term, total = states, states.copy()
        for k in range(1, 25):
            term = self._shifted @ term * (time / k)
            total = total + term
        return np.asarray(total / total.sum(axis=0) * states.sum(axis=0))
