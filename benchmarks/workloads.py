"""The two workloads that every contestant runs, and what a contestant is."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Styblinski-Tang, gradient 2 x^3 - 16 x + 2.5 in every coordinate, by SGD: x <- x - LR (gradient + DEVIATION xi)
DIMENSION = 10
LR = 1e-3
VARIANCE = 9400.0  # of one minibatch gradient: a diffusion coefficient LR VARIANCE / 2 of 4.7
DEVIATION = math.sqrt(VARIANCE)
START = 2.746803  # the local minimum
EVERY = 20  # iterations between two measurements of the mean squared displacement, in A

# B: a replica stops at its first iteration with any coordinate beyond the saddle
BOUNDARY = 0.156731


@dataclass(frozen=True)
class Size:
    """How much of a workload is run; in B, `iterations` is the cap."""

    replicas: int
    iterations: int
    dimension: int = DIMENSION


A = Size(replicas=10_000, iterations=1000)
B = Size(replicas=20_000, iterations=20_000)


@dataclass(frozen=True)
class Contestant:
    """Something that runs a workload.

    Attributes
    ----------
    name
        As the table shows it.
    size
        Of the workload it runs.
    run
        Runs it once. Of A: mean squared displacements, shape (iterations / EVERY, d). Of B: iterations that each
        replica did until its exit or the cap, shape (replicas,).
    useful
        Share of the computed updates that belong to a live replica, where it is known.
    """

    name: str
    size: Size
    run: Callable[[], Array]
    useful: Callable[[], float] | None = None

    def updates(self, result: Array) -> float:
        """Coordinate updates of live replicas in a run that gave `result`."""
        if result.ndim == 2:
            return float(self.size.replicas * self.size.iterations * self.size.dimension)
        return float(result.sum() * self.size.dimension)


class UnavailableError(Exception):
    """A contestant cannot run here; says why."""


def gradient(x: Any) -> Any:
    """Of one coordinate, or of all."""
    return x * (2.0 * x * x - 16.0) + 2.5
