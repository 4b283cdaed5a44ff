"""The regimes in which claims are tried: one problem, and grids of curvature, inertia and iterations."""

import numpy as np
from numpy.typing import NDArray

LR = 0.01
BATCH_SIZE = 10
EIGENVALUES = (1.0, 0.1, 0.01, 0.001, 0.0, -0.001, -0.01, -0.1, -1.0)
ISOTROPIC_VARIANCE = 0.001  # for eigenvalue 0, where Equation 3 has no noise: that of |H| = 0.01
FLATTEST = 0.001
BETAS = (0.5, 0.9, 0.99)
MEMORY_TIMES = (0.1, 0.3, 1, 3, 10, 30, 100)  # x = iterations times (1 - beta1)
LONGEST_SIMULATED = {0.99: 10}  # largest x that is simulated, where not all are


def iteration_grid(beta: float) -> NDArray[np.int64]:
    """T = max(1, round(x/(1-beta))) without repeats."""
    return np.unique([max(1, round(x / (1 - beta))) for x in MEMORY_TIMES]).astype(np.int64)


def simulated_grid(beta: float) -> NDArray[np.int64]:
    """The part of `iteration_grid` that is simulated."""
    grid = iteration_grid(beta)
    return grid[grid <= round(LONGEST_SIMULATED.get(beta, np.inf) / (1 - beta))] if beta in LONGEST_SIMULATED else grid


def substeps(iterations: int) -> NDArray[np.int64]:
    """Substeps of the SDE ensembles, graded: the relative error of the scheme after T iterations is about 1/steps taken."""
    return np.maximum(2, np.ceil(64 / np.arange(1, iterations + 1))).astype(np.int64)
