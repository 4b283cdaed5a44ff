"""What a user of NumPy would write, at its best: arrays allocated once and updated in place."""

import numpy as np

from benchmarks import workloads
from benchmarks.workloads import Array, Contestant, Size


def workload_a(size: Size) -> Contestant:
    """Workload A, all replicas side by side."""

    def run() -> Array:
        rng = np.random.default_rng(0)
        shape = (size.replicas, size.dimension)
        x, push, xi = np.full(shape, workloads.START), np.empty(shape), np.empty(shape)
        msd = np.zeros((size.iterations // workloads.EVERY, size.dimension))
        for t in range(1, size.iterations + 1):
            step(x, push, xi, rng)
            if t % workloads.EVERY == 0:
                np.subtract(x, workloads.START, out=push)
                msd[t // workloads.EVERY - 1] = np.einsum("nd,nd->d", push, push) / size.replicas
        return msd

    return Contestant("numpy, in place", size, run)


def workload_b(size: Size) -> Contestant:
    """Workload B with an alive mask: live replicas side by side, the last ones moved to where others have left.

    No update of a dead replica is computed; compacting whole arrays at every death would take longer.
    """

    def run() -> Array:
        rng = np.random.default_rng(0)
        shape = (size.replicas, size.dimension)
        x, push, xi = np.full(shape, workloads.START), np.empty(shape), np.empty(shape)
        beyond, owner = np.empty(shape, bool), np.arange(size.replicas)
        steps = np.full(size.replicas, float(size.iterations))
        live = size.replicas
        for t in range(1, size.iterations + 1):
            step(x[:live], push[:live], xi[:live], rng)
            np.less(x[:live], workloads.BOUNDARY, out=beyond[:live])
            dead = np.unique(np.flatnonzero(beyond[:live]) // size.dimension)
            if len(dead) == 0:
                continue
            steps[owner[dead]] = t
            left = live - len(dead)
            holes, moving = dead[dead < left], np.setdiff1d(np.arange(left, live), dead)
            x[holes], owner[holes] = x[moving], owner[moving]
            live = left
            if live == 0:
                break
        return steps

    return Contestant("numpy, alive mask", size, run)


def step(x: Array, push: Array, xi: Array, rng: np.random.Generator) -> None:
    """One iteration in place; push and xi are scratch."""
    rng.standard_normal(out=xi)
    np.multiply(x, x, out=push)
    push *= 2.0
    push -= 16.0
    push *= x
    push += 2.5
    xi *= workloads.DEVIATION
    push += xi
    push *= workloads.LR
    x -= push
