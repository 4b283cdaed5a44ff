"""Densities in phase space as time goes on."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from diffusion.fokker_planck.phase_space import Grid, factors

Array = NDArray[np.float64]
MOST_STEPS = 2.0**40  # of the size that the one before was given
# Hairer and Wanner, Solving Ordinary Differential Equations II, Table IV.6.5: stages, and weights minus
# embedded weights
STAGES = np.array(
    [
        [1 / 4, 0, 0, 0, 0],
        [1 / 2, 1 / 4, 0, 0, 0],
        [17 / 50, -1 / 25, 1 / 4, 0, 0],
        [371 / 1360, -137 / 2720, 15 / 544, 1 / 4, 0],
        [25 / 24, -49 / 48, 125 / 16, -85 / 12, 1 / 4],
    ]
)
MOST_PARTS = 2**40  # of the way from one time to the next
EMBEDDED = STAGES[4] - np.array([59 / 48, -17 / 96, 225 / 32, -85 / 12, 0])


def integrate(grid: Grid, density: Array, times: Array, step: float, tolerance: float, reached: Array) -> Array:
    """Densities at ascending times from one at time 0, by the L-stable diagonally implicit method of order 4.

    Parameters
    ----------
    grid
        The equation.
    density
        At time 0, shape (n,).
    times
        Ascending, shape (m,).
    step
        About the first step.
    tolerance
        Of the mass misplaced in each step.
    reached
        Shape (1,); is set to the time that is reached.

    Returns
    -------
    ndarray
        Shape (m, n).
    """
    known: dict[float, Any] = {}
    eye = sp.eye_array(len(density))
    results, now = [], 0.0
    for time in times:
        left = time - now
        if left > MOST_STEPS * step:
            raise ValueError(
                f"times = {time:.3g} is longer than can be followed in phase space, {MOST_STEPS * step:.3g} from one "
                "to the next; what is there in the end is stationary_density's, and how survival decays escape_rate's"
            )
        parts = 1 if step >= left else 2 ** int(np.ceil(np.log2(left / step)))
        done = 0
        while done < parts:
            step = left / parts
            key = float(f"{step:.12g}")
            if key not in known:
                if len(known) > 3:
                    known.pop(next(iter(known)))
                known[key] = factors(sp.csc_matrix(eye - step * STAGES[0, 0] * grid.matrix))
            after, error = _step(grid, known[key], density, step)
            if not error <= tolerance:
                if parts > MOST_PARTS:
                    raise ValueError(
                        f"times: no step resolves the density at {now + done * step:.6g}; give a wider spread, or more "
                        "damping"
                    )
                parts, done = 2 * parts, 2 * done
                continue
            density, done = after, done + 1
            reached[0] = now + done * step
            if error < tolerance / 50 and done % 2 == 0 and parts > 1:
                parts, done = parts // 2, done // 2
        now = time
        results.append(density)
    return np.array(results)


def _step(grid: Grid, factors: Any, density: Array, step: float) -> tuple[Array, float]:
    slopes = np.zeros((5, len(density)))
    for i in range(5):
        slopes[i] = factors.solve(grid.matrix @ (density + step * STAGES[i, :i] @ slopes[:i]))
    error = float(grid.weights @ np.abs(step * EMBEDDED @ slopes))
    return density + step * STAGES[4] @ slopes, error
