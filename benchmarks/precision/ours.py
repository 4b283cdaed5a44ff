"""diffusion-lab itself."""

from typing import Any

import numpy as np

import diffusion
from benchmarks.precision.problems import EULER, NAME, Problem, Sample, Solver

CAP = 400  # mean exits after which a path is censored, which none is


def solvers(problem: Problem, mean: float) -> list[Solver]:
    """Euler's scheme and others for the kind of equation; `mean` is the answer, and tells the horizon of exits."""
    options: dict[str, Any] = {
        "dynamics": diffusion.SGD(problem.lr)
        if problem.damping is None
        else diffusion.Momentum(problem.lr, 1 - problem.damping * problem.lr),
        "landscape": diffusion.StyblinskiTang(problem.dimension)
        if problem.hessian is None
        else diffusion.QuadraticSaddle([problem.hessian] * problem.dimension),
        "noise": diffusion.IsotropicNoise(2 * problem.diffusion / problem.lr),
        "start": problem.start,
        "threads": 1,
    }

    def moments(scheme: dict[str, Any], substeps: int, paths: int, seed: int) -> Sample:
        n = problem.iterations()
        data = diffusion.simulate(
            **options, **scheme, iterations=n, save=[n], substeps=substeps, replicas=paths, seed=seed
        )
        errors = data["msd_stderr"].values
        deviation = np.sqrt(np.mean(errors**2) * paths / problem.dimension)
        return Sample(
            float(data["msd"].values.mean()), float(deviation), paths, paths * problem.dimension * n * substeps
        )

    def exits(scheme: dict[str, Any], substeps: int, paths: int, seed: int) -> Sample:
        data = diffusion.exit_times(
            **options,
            **scheme,
            boundary=problem.boundary,
            max_iterations=round(CAP * mean / problem.lr),
            crossing="step" if problem.damping else "bridge",
            substeps=substeps,
            replicas=paths,
            seed=seed,
        )
        times = problem.lr * data["exit_iteration"].values
        return Sample(float(times.mean()), float(times.std(ddof=1)), paths, data.attrs["lane_steps_useful"])

    run = exits if problem.exits else moments
    return [
        Solver(NAME, name, lambda *sizes, scheme=scheme: run(scheme, *sizes))
        for name, scheme in _schemes(problem).items()
    ]


def _schemes(problem: Problem) -> dict[str, dict[str, Any]]:
    """By name; without inertia exits have Brownian bridges, which of other schemes are not known."""
    if problem.exits and problem.damping is None:
        return {EULER: {}}
    name = "Leimkuhler-Matthews" if problem.damping is None else "BAOAB"
    better = {"scheme": name.lower()}
    return {EULER: {}, name: better, f"{name}, three-point": better | {"increments": "three-point"}}
