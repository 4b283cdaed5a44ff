"""What a user of Numba would write: a loop over paths with `np.random.normal` inside."""

import math
from typing import Any

import numba
import numpy as np

from benchmarks.precision.problems import EULER, NAME, NUMBA_NAME, Problem, Sample, Solver
from benchmarks.workloads import gradient

_compiled = numba.njit(fastmath=True)
_gradient = _compiled(gradient)


@_compiled
def _run(
    paths: Any,
    d: Any,
    steps: Any,
    dt: Any,
    start: Any,
    deviation: Any,
    damping: Any,
    hessian: Any,
    boundary: Any,
    seed: Any,
) -> Any:
    """Mean squared distance of each path after `steps`, or if 0 its steps to the boundary. damping, hessian 0: none."""
    np.random.seed(seed)  # noqa: NPY002
    out, inertia, exits = np.zeros(paths), damping > 0, steps == 0
    for path in range(paths):
        for _ in range(d):
            x, r, t = start, 0.0, 0
            while exits or t < steps:
                before = x
                slope = _gradient(x) if hessian == 0 else hessian * x
                xi = deviation * np.random.normal()  # noqa: NPY002
                t += 1
                if inertia:
                    r += -damping * dt * (r + slope) + damping * xi
                    x += dt * r
                    if exits and x < boundary:
                        out[path] = t
                        break
                else:
                    x += xi - dt * slope
                    crossing = 2 * (before - boundary) * (x - boundary) / deviation**2 if exits else 0.0
                    # the probability of a Brownian bridge, where it is not below exp(-40)
                    if exits and (
                        crossing <= 0 or (crossing < 40 and np.random.random() < math.exp(-crossing))  # noqa: NPY002
                    ):
                        out[path] = t - 0.5
                        break
            if not exits:
                out[path] += (x - start) ** 2 / d
    return out


def solvers(problem: Problem) -> list[Solver]:
    """Euler's scheme, as ours."""

    def run(substeps: int, paths: int, seed: int) -> Sample:
        dt, d = problem.lr / substeps, problem.dimension
        steps = 0 if problem.exits else problem.iterations() * substeps
        given = (problem.damping or 0.0, problem.hessian or 0.0)
        deviation = math.sqrt(2 * problem.diffusion * dt)
        out = _run(paths, d, steps, dt, problem.start, deviation, *given, problem.boundary, seed)
        updates = float(np.ceil(out).sum()) if problem.exits else float(paths * d * steps)
        values = dt * out if problem.exits else out
        return Sample(float(values.mean()), float(values.std(ddof=1)), paths, updates)

    return [Solver(NUMBA_NAME, EULER, run, alike=f"{NAME}, {EULER}")]
