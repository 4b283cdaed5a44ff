"""The law of a chain of jumps at later times."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MOST_DOUBLINGS = 128  # each is a product of matrices


def propagate(rates: Array, law: Array, times: Array) -> Array:
    """The law of a chain at later times: ``exp(A t)`` from non-negative terms, so that no probability turns negative.

    Parameters
    ----------
    rates
        A generator, column to row, shape (n, n).
    law
        At time 0, shape (n,).
    times
        Shape (m,).

    Returns
    -------
    ndarray
        Shape (m, n).
    """
    fastest, longest = float(-rates.diagonal().min()), float(times.max())
    doublings = max(0, int(np.ceil(np.log2(fastest) + np.log2(longest))))
    if doublings > MOST_DOUBLINGS:
        raise ValueError(
            f"times = {longest:.3g} is longer than can be followed, 2^{MOST_DOUBLINGS} jumps of the grid or "
            f"{2.0**MOST_DOUBLINGS / fastest:.3g}; what is there in the end is stationary_density's, and how survival "
            "decays escape_rate's"
        )
    step = longest / 2.0**doublings  # at most one jump on average
    shifted = rates + fastest * np.eye(len(rates))
    counts = [int(time / step) for time in times.tolist()]
    laws = np.array([_short(shifted, law, max(0.0, t - n * step)) for t, n in zip(times.tolist(), counts, strict=True)])
    power = _short(shifted, np.eye(len(rates)), step)
    for bit in range(doublings + 1):
        if bit:
            power = power @ power
            power /= power.sum(axis=0)  # rounding must not add up to a loss of mass
        jump = [i for i, count in enumerate(counts) if count >> bit & 1]
        laws[jump] = laws[jump] @ power.T
    return laws


def _short(shifted: Array, states: Array, time: float) -> Array:
    term, total = states, states.copy()
    for k in range(1, 25):
        term = shifted @ term * (time / k)
        total = total + term
    return np.asarray(total / total.sum(axis=0) * states.sum(axis=0))
