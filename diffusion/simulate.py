"""Ensembles of replicas: mean squared displacements at chosen iterations."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics import Adai, Dynamics, RMSprop
from diffusion.landscapes import QuadraticSaddle
from diffusion.noise import Noise
from diffusion.plan import Plan, label, plan_run

if TYPE_CHECKING:
    import xarray

CHUNK = 256  # replicas summed together: fixed, so that sums do not depend on the number of threads

Array = NDArray[np.float64]


def simulate(
    dynamics: Dynamics,
    landscape: QuadraticSaddle,
    *,
    noise: Noise,
    iterations: int,
    replicas: int,
    start: ArrayLike | None = None,
    velocity: str = "rest",
    save: ArrayLike | None = None,
    keep: str = "moments",
    substeps: int | Sequence[int] = 1,
    seed: int = 0,
    threads: int | None = None,
) -> "xarray.Dataset":
    """Run independent replicas of an optimizer, or of its SDE, and measure how far they move.

    Parameters
    ----------
    dynamics
        `SGD`, `Momentum`, `RMSprop`, `Adam` or `Adai`. With ``second_moment="frozen"`` the rule holds along the
        eigenvectors of the Hessian (the theory's full-matrix idealization); with "running" in coordinates, as shipped.
    landscape
        The loss.
    noise
        Model of the minibatch noise, for example ``HessianNoise(batch_size=10)``.
    iterations
        Number of iterations.
    replicas
        Number of independent replicas.
    start
        Position in theta units, one number for every coordinate or one each; None: the landscape's critical point.
    velocity
        "rest" (zero momentum) or "thermal": the stationary velocity that the recursion performed has without a
        gradient, variance D/(gamma M^2) in the limit of many substeps.
    save
        Iterations at which to measure, ascending, 0 to `iterations`; None: 50 log-spaced ones including the last.
    keep
        "moments", or "states" to add every replica's position (refused above 2 GiB).
    substeps
        SDE substeps per iteration: 1 is the discrete optimizer with Gaussian noise, many approach the SDE. A
        sequence gives one number for each iteration.
    seed
        Seed, a whole number from 0 to 2^64 - 1. The same seed gives the same bits for any number of threads, and a run
        with fewer replicas is the beginning of a run with more.
    threads
        Threads; None: all cores.

    Returns
    -------
    xarray.Dataset
        ``msd`` (mean over replicas of the squared displacement from the start, no mean subtracted, along the
        eigenvectors in the order given) and ``msd_stderr`` in theta^2 on (iteration, direction); ``diverged`` on
        iteration counts replicas out of floating-point range, and where there are any, msd is NaN. With
        ``keep="states"`` also ``position`` on (replica, iteration, coordinate). All parameters are in attrs.

    Raises
    ------
    ValueError
        If a parameter is out of range, a discrete step is unstable, or a combination has no meaning; the message
        names the parameter, the value and the remedy.

    Warns
    -----
    RuntimeWarning
        If replicas diverged.
    """
    plan = plan_run(dynamics, landscape, noise, iterations, replicas, start, velocity, save, keep, substeps, seed)
    threads = checks.whole("threads", threads if threads is not None else _cores())
    run = _running(plan, dynamics) if plan.running else _frozen(plan)

    shape = (len(plan.save), landscape.dimension)
    squares, fourths = np.zeros(shape), np.zeros(shape)
    diverged = np.zeros(len(plan.save), dtype=np.int64)
    states = np.empty((replicas if keep == "states" else 0, *shape))
    for first, part in _map_chunks(run, replicas, threads):
        squares += part.squares
        fourths += part.fourths
        diverged += part.diverged
        states[first : first + len(part.positions)] = part.positions
    return label(plan, squares, fourths, diverged, states if keep == "states" else None)


@dataclass
class _Part:
    """What one chunk of replicas returns."""

    squares: Array
    fourths: Array
    diverged: NDArray[np.int64]
    positions: Array


def _frozen(plan: Plan) -> Callable[[int, int], _Part]:
    """The idealized rule: constant coefficients along each eigenvector, so the eigenbasis is simulated."""
    from diffusion.kernels.ensemble import frozen_chunk

    last = int(plan.save[-1])
    used, stage = np.unique(plan.substeps[: max(last, 1)], return_inverse=True)
    rule = plan.dynamics.rule(plan.variance)
    keep, force, noise, step = (np.stack(rows) for rows in zip(*(rule.coefficients(int(n)) for n in used), strict=True))
    momentum = rule.thermal_momentum(int(plan.substeps[0])) if plan.thermal else np.zeros(len(plan.hessian))
    origin = plan.basis.T @ plan.origin

    def run(first: int, count: int) -> _Part:
        part = _empty_part(plan, count)
        frozen_chunk(
            plan.seed, first, count, origin, momentum, plan.hessian, keep, force, noise, step, used, stage[:last], plan.save,
            part.squares, part.fourths, part.diverged, part.positions,
        )  # fmt: skip
        part.positions = part.positions @ plan.basis.T
        return part

    return run


def _running(plan: Plan, dynamics: Any) -> Callable[[int, int], _Part]:
    """The optimizer as shipped, in coordinates."""
    from diffusion.kernels.ensemble import running_chunk

    adapts_inertia = isinstance(dynamics, Adai)
    beta = dynamics.beta0 if adapts_inertia else getattr(dynamics, "beta1", 0.0)
    corrects = not isinstance(dynamics, RMSprop)

    def run(first: int, count: int) -> _Part:
        part = _empty_part(plan, count)
        running_chunk(
            plan.seed, first, count, plan.origin, plan.basis, plan.hessian, np.sqrt(plan.variance), adapts_inertia,
            float(dynamics.lr), float(beta), float(dynamics.beta2), float(dynamics.eps), corrects, plan.save,
            part.squares, part.fourths, part.diverged, part.positions,
        )  # fmt: skip
        part.positions = part.positions @ plan.basis.T
        return part

    return run


def _empty_part(plan: Plan, count: int) -> _Part:
    shape = (len(plan.save), len(plan.hessian))
    kept = count if plan.keep_states else 0
    return _Part(np.zeros(shape), np.zeros(shape), np.zeros(len(plan.save), dtype=np.int64), np.empty((kept, *shape)))


def _map_chunks(run: Callable[[int, int], _Part], replicas: int, threads: int) -> Iterator[tuple[int, _Part]]:
    """Chunks in order, whichever thread finishes first, so that sums have one order."""
    starts = range(0, replicas, CHUNK)
    run(0, 0)  # compiles, once, before the threads start
    pool = ThreadPoolExecutor(min(threads, len(starts)))
    try:
        parts = pool.map(lambda first: run(first, min(CHUNK, replicas - first)), starts)
        yield from zip(starts, parts, strict=True)
    finally:
        pool.shutdown(cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
