"""What a user of Numba would write: a loop over replicas with `np.random.normal` inside."""

from typing import Any

import numba
import numpy as np

from benchmarks import workloads
from benchmarks.workloads import Array, Contestant, Size, gradient

_compiled = numba.njit(fastmath=True)
_gradient = _compiled(gradient)


def _moments(replicas: Any, d: Any, iterations: Any, every: Any, start: Any, lr: Any, deviation: Any) -> Any:
    np.random.seed(0)  # noqa: NPY002
    sums, x = np.zeros((iterations // every, d)), np.empty(d)
    for _ in range(replicas):
        x[:] = start
        for t in range(1, iterations + 1):
            for j in range(d):
                x[j] -= lr * (_gradient(x[j]) + deviation * np.random.normal())  # noqa: NPY002
            if t % every == 0:
                for j in range(d):
                    sums[t // every - 1, j] += (x[j] - start) ** 2
    return sums / replicas


def _exits(replicas: Any, d: Any, cap: Any, start: Any, lr: Any, deviation: Any, boundary: Any) -> Any:
    np.random.seed(0)  # noqa: NPY002
    steps, x = np.full(replicas, float(cap)), np.empty(d)
    for replica in range(replicas):
        x[:] = start
        for t in range(1, cap + 1):
            left = False
            for j in range(d):
                x[j] -= lr * (_gradient(x[j]) + deviation * np.random.normal())  # noqa: NPY002
                left |= x[j] < boundary
            if left:
                steps[replica] = t
                break
    return steps


moments, exits = _compiled(_moments), _compiled(_exits)


def workload_a(size: Size) -> Contestant:
    """Workload A."""

    def run() -> Array:
        shape = (size.replicas, size.dimension, size.iterations, workloads.EVERY)
        return np.asarray(moments(*shape, workloads.START, workloads.LR, workloads.DEVIATION))

    return Contestant("naive numba", size, run)


def workload_b(size: Size) -> Contestant:
    """Workload B."""

    def run() -> Array:
        shape = (size.replicas, size.dimension, size.iterations)
        return np.asarray(exits(*shape, workloads.START, workloads.LR, workloads.DEVIATION, workloads.BOUNDARY))

    return Contestant("naive numba", size, run)
