"""What a user of diffrax would write: its solvers for Langevin's equation and additive noise, and Euler's, in an array.

Its events end a solution, not one path of many, and know nothing of Brownian bridges, so that exits step the solver
themselves. A path that leaves begins again, as many times as every path of the batch is to: no array changes its shape,
and few steps are wasted.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.precision.problems import EULER, LIBRARIES, Problem, Sample, Solver

BATCH = 4096  # coordinates at a time: the fastest of 1024, 4096, 16384 and 65536
SMALL = 512  # of a batch when fewer paths are asked for
ROUNDS = 8  # exits of each path of a large batch, at least: of fewer the last to leave would keep all others waiting


def solvers(problem: Problem) -> list[Solver]:
    """Euler's scheme, and the best for the kind of equation."""
    names = (EULER, "SRA1") if problem.damping is None else (EULER, "ALIGN")
    made = _exits if problem.exits else _moments
    return [Solver(LIBRARIES[0], name, made(problem, name), problem.alike(name)) for name in names]


def _posed(problem: Problem, name: str, shape: tuple[int, ...], key: Any) -> tuple[Any, Any, Any]:
    """Terms, solver and start."""
    import diffrax
    import jax
    import lineax

    jnp = jax.numpy
    solver = getattr(diffrax, name)()
    levy = {EULER: diffrax.BrownianIncrement}.get(name, diffrax.SpaceTimeLevyArea)
    x, still = jnp.full(shape, problem.start), jnp.zeros(shape)
    path = diffrax.UnsafeBrownianPath(shape=shape, key=key, levy_area=levy)
    deviation = jnp.full(shape, (2 * problem.diffusion) ** 0.5 * (problem.damping or 1.0))

    def gradient(x: jax.Array, args: None = None) -> jax.Array:
        return problem.gradient(x)

    if problem.damping is None:
        noise = diffrax.ControlTerm(lambda t, y, args: lineax.DiagonalLinearOperator(deviation), path)
        return diffrax.MultiTerm(diffrax.ODETerm(lambda t, y, args: -problem.gradient(y)), noise), solver, x
    damping: float = problem.damping
    if name == EULER:

        def drift(t: Any, y: Any, args: None) -> Any:
            return y[1], -damping * (y[1] + problem.gradient(y[0]))

        def only_velocity(t: Any, y: Any, args: None) -> Any:
            return lineax.FunctionLinearOperator(lambda dw: (jnp.zeros(shape), deviation * dw), still)

        return diffrax.MultiTerm(diffrax.ODETerm(drift), diffrax.ControlTerm(only_velocity, path)), solver, (x, still)
    temperature = problem.diffusion  # D/(gamma M) at gamma M = 1
    ours = (jnp.asarray(damping), jnp.asarray(damping * temperature))
    terms = diffrax.MultiTerm(
        diffrax.UnderdampedLangevinDriftTerm(*ours, lambda x, *args: problem.gradient(x) / temperature),
        diffrax.UnderdampedLangevinDiffusionTerm(*ours, path),
    )
    return terms, solver, (x, still)


def _batches(paths: int, d: int) -> tuple[int, int]:
    """How many paths at a time, and how many times."""
    batch = (SMALL if paths * d <= SMALL else BATCH) // d
    return batch, -(-paths // batch)


def _position(y: Any) -> Any:
    return y[0] if isinstance(y, tuple) else y


def _moments(problem: Problem, name: str) -> Callable[[int, int, int], Sample]:
    import diffrax
    import jax

    jax.config.update("jax_enable_x64", True)

    @jax.jit  # type: ignore[untyped-decorator]
    def _solve(key: jax.Array, dt: jax.Array, like: jax.Array) -> jax.Array:
        terms, solver, start = _posed(problem, name, like.shape, key)
        assert problem.horizon is not None
        # no largest number of steps: it would be a part of the program, which would be compiled for each dt
        options = {"max_steps": None, "adjoint": diffrax.DirectAdjoint(), "saveat": diffrax.SaveAt(t1=True)}
        found = diffrax.diffeqsolve(terms, solver, 0.0, problem.horizon, dt, start, **options)
        return jax.numpy.mean((_position(found.ys)[0] - problem.start) ** 2, axis=1)

    def run(substeps: int, paths: int, seed: int) -> Sample:
        d, steps = problem.dimension, problem.iterations() * substeps
        batch, times = _batches(paths, d)
        # a hair above, as the solver adds up steps, and would take one more
        dt, like = problem.lr / substeps * (1 + 1e-9), np.zeros((batch, d))
        keys = [jax.random.fold_in(jax.random.key(seed), k) for k in range(times)]
        squares = np.concatenate([np.asarray(_solve(key, dt, like)) for key in keys])
        return Sample(float(squares.mean()), float(squares.std(ddof=1)), len(squares), len(squares) * d * steps)

    return run


def _exits(problem: Problem, name: str) -> Callable[[int, int, int], Sample]:
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    @jax.jit  # type: ignore[untyped-decorator]
    def _solve(key: jax.Array, dt: jax.Array, rounds: jax.Array, like: jax.Array) -> tuple[jax.Array, ...]:
        """Sums over paths of steps and their squares, when each of the batch has left `rounds` times."""
        key, other = jax.random.split(key)
        terms, solver, start = _posed(problem, name, like.shape, key)

        def step(carried: tuple[Any, ...]) -> tuple[Any, ...]:
            t, y, state, again, steps, left, total, squares = carried
            new, _, _, state, _ = solver.step(terms, t * dt, (t + 1) * dt, y, None, state, made_jump=again)
            before, after = _position(y) - problem.boundary, _position(new) - problem.boundary
            if problem.damping is None:
                u = jax.random.uniform(jax.random.fold_in(other, t), like.shape)
                gone, half = u < jnp.exp(-before * after / (problem.diffusion * dt)), 0.5
            else:
                gone, half = after < 0, 0.0
            steps = steps + 1.0
            counted = gone & (left < rounds)
            lasted = jnp.where(counted, steps - half, 0.0)
            y = jax.tree.map(lambda first, reached: jnp.where(gone, first, reached), start, new)
            total, squares, left = total + lasted, squares + lasted**2, left + counted
            return t + 1, y, state, gone.any(), jnp.where(gone, 0.0, steps), left, total, squares

        state = solver.init(terms, 0.0, dt, start, None)
        none = jnp.zeros(like.shape)
        carried = (jnp.asarray(0), start, state, jnp.asarray(False), none, jnp.zeros(like.shape, int), none, none)
        carried = jax.lax.while_loop(lambda carried: (carried[5] < rounds).any(), step, carried)
        return carried[6].sum(), carried[7].sum()

    def run(substeps: int, paths: int, seed: int) -> Sample:
        dt = problem.lr / substeps
        batch = SMALL if paths < ROUNDS * BATCH else BATCH
        rounds = -(-paths // batch)
        total, squares = (float(value) for value in _solve(jax.random.key(seed), dt, rounds, np.zeros(batch)))
        count = rounds * batch
        mean = total / count
        return Sample(dt * mean, dt * (squares / count - mean**2) ** 0.5, count, total)

    return run
