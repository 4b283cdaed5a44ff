"""What a user of NumPy would write, at its best: blocks that fit the cache, updated in place."""

import math

import numpy as np
from numpy.typing import NDArray

from benchmarks.precision.problems import EULER, NAME, NUMPY_NAME, Problem, Sample, Solver

BLOCK = 1 << 14  # coordinates at a time
FAR = 40.0  # a bridge that crosses with a probability below exp(-40) is not asked


class _Paths:
    """Positions, velocities and scratch of a block of paths, a step of Euler's scheme, semi-implicit with inertia."""

    def __init__(self, problem: Problem, dt: float, coordinates: int, rng: np.random.Generator) -> None:
        self.problem, self.dt, self.rng = problem, dt, rng
        self.x, self.r = np.full(coordinates, problem.start), np.zeros(coordinates)
        self.push, self.xi, self.before = np.empty(coordinates), np.empty(coordinates), np.empty(coordinates)
        self.scale = math.sqrt(2 * problem.diffusion * dt) * (problem.damping or 1.0)

    def step(self, live: int) -> None:
        """Of the first `live` coordinates."""
        x, r, push, xi = self.x[:live], self.r[:live], self.push[:live], self.xi[:live]
        self.rng.standard_normal(out=xi)
        xi *= self.scale
        if self.problem.hessian is None:
            np.multiply(x, x, out=push)
            push *= 2.0
            push -= 16.0
            push *= x
            push += 2.5
        else:
            np.multiply(x, self.problem.hessian, out=push)
        if self.problem.damping is None:
            push *= self.dt
            x -= push
            x += xi
        else:
            r *= 1 - self.problem.damping * self.dt
            push *= self.problem.damping * self.dt
            r -= push
            r += xi
            np.multiply(r, self.dt, out=push)
            x += push

    def step_to(self, live: int, boundary: float) -> NDArray[np.intp]:
        """A step, and the indices of those that fell past the boundary; without inertia also by a Brownian bridge."""
        x, before, ahead = self.x[:live], self.before[:live], self.push[:live]
        if self.problem.damping is not None:
            self.step(live)
            return np.flatnonzero(x < boundary)
        np.subtract(x, boundary, out=before)
        self.step(live)
        np.subtract(x, boundary, out=ahead)
        ahead *= before
        width = self.problem.diffusion * self.dt
        near = np.flatnonzero(ahead < FAR * width)
        return near[self.rng.random(len(near)) < np.exp(np.minimum(-ahead[near] / width, 0.0))]


def solvers(problem: Problem) -> list[Solver]:
    """Euler's scheme, as ours."""

    def moments(substeps: int, paths: int, seed: int) -> Sample:
        rng, d, n = np.random.default_rng(seed), problem.dimension, problem.iterations() * substeps
        squares = []
        for first in range(0, paths, BLOCK // d):
            block = _Paths(problem, problem.lr / substeps, d * min(BLOCK // d, paths - first), rng)
            for _ in range(n):
                block.step(len(block.x))
            squares.append(((block.x - problem.start) ** 2).reshape(-1, d).mean(axis=1))
        every = np.concatenate(squares)
        return Sample(float(every.mean()), float(every.std(ddof=1)), paths, paths * d * n)

    def exits(substeps: int, paths: int, seed: int) -> Sample:
        """Live paths side by side, those at the end moved to where others have left."""
        rng, times = np.random.default_rng(seed), []
        for first in range(0, paths, BLOCK):
            live = min(BLOCK, paths - first)
            block, steps = _Paths(problem, problem.lr / substeps, live, rng), 0
            while live:
                gone = block.step_to(live, problem.boundary)
                steps += 1
                if len(gone):
                    times.append(np.full(len(gone), steps - 0.5 * (problem.damping is None)))
                    left = live - len(gone)
                    holes, moving = gone[gone < left], np.setdiff1d(np.arange(left, live), gone)
                    block.x[holes], block.r[holes] = block.x[moving], block.r[moving]
                    live = left
        every = np.concatenate(times)
        lasted = problem.lr / substeps * every
        return Sample(float(lasted.mean()), float(lasted.std(ddof=1)), paths, float(np.ceil(every).sum()))

    return [Solver(NUMPY_NAME, EULER, exits if problem.exits else moments, alike=f"{NAME}, {EULER}")]
