"""Ensembles of replicas: mean squared displacements at chosen iterations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion.dynamics import Dynamics
from diffusion.edges import Walls
from diffusion.engine import Interruptible, allocate, kernel, lanes_for, prepare, thread_count
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel
from diffusion.plan import DIVERGED, Plan, label, plan_run
from diffusion.progress import task

if TYPE_CHECKING:
    import xarray

CHUNK = 1024  # replicas that a thread takes at a time, and sums: fixed, so that sums do not depend on threads

Array = NDArray[np.float64]


def simulate(
    dynamics: Dynamics,
    landscape: Landscape,
    *,
    noise: NoiseModel,
    iterations: int,
    replicas: int,
    start: ArrayLike | None = None,
    velocity: str = "rest",
    save: ArrayLike | None = None,
    keep: str = "moments",
    substeps: float | Sequence[int] = 1,
    scheme: str = "euler",
    increments: str = "normal",
    reflecting: Walls = None,
    precision: str = "float64",
    seed: int = 0,
    threads: int | None = None,
) -> xarray.Dataset:
    """Run independent replicas of an optimizer, or of its SDE, and measure how far they move.

    Parameters
    ----------
    dynamics
        Any optimizer of `diffusion.dynamics`, or your own `OwnOptimizer`. With ``second_moment="frozen"`` the rule
        holds along the eigenvectors of the Hessian (the theory's full-matrix idealization); with "running" in
        coordinates, as shipped.
    landscape
        The loss: `QuadraticSaddle`, `StyblinskiTang`, `DoubleParabola`, `TripleParabola`, or your own
        `SeparableLandscape` or `CoupledLandscape`.
    noise
        Model of the minibatch noise, for example ``HessianNoise(batch_size=10)``.
    iterations
        Number of iterations.
    replicas
        Number of independent replicas.
    start
        Position in theta units, one number for every coordinate or one each; None: the landscape's reference point.
    velocity
        "rest" (zero momentum) or "thermal": the stationary velocity that the recursion performed has without a
        gradient, variance D/(gamma M^2) in the limit of many substeps.
    save
        Iterations at which to measure, ascending, 0 to `iterations`; None: 50 log-spaced ones including the last.
    keep
        "moments", or "states" to add every replica's position (refused above 2 GiB).
    substeps
        SDE substeps per iteration: 1 is the discrete optimizer, many approach the SDE. A sequence gives one number
        for each iteration. More than 1 are refused of noise of another law with a variance, the limit of which is
        normal; the noise of a `Stable` law then grows with the time to the power 1/alpha, not 1/2, as the
        attribute ``noise_scaling`` says. Of optimizers as shipped RMSprop, Adam, AdamW, AMSGrad, AdaBound, Padam,
        Adai and AdaiW have an SDE, by one number: see `diffusion.Dynamics.substep`. With another scheme than
        Euler's 1/k, such as 0.25, is a step of k iterations, of which `iterations` and `save` are then multiples:
        an SDE knows no iterations.
    scheme
        "euler": semi-implicit with inertia, Euler-Maruyama without, and at one substep the optimizer itself. The others
        are the SDE's at any number of substeps, one too, of idealized rules and normal noise. "baoab", with inertia in
        every direction: the splitting of Leimkuhler and Matthews (2013), of weak order 2, also where noise depends on
        the position. "leimkuhler-matthews", without inertia and for noise that is the same everywhere: their scheme for
        Brownian dynamics, of order 2 in the stationary state where coordinates are independent or the noise is
        isotropic, else of order 1.
    increments
        "normal", or "three-point": a draw is sqrt(3) up or down, in a sixth of all cases each, else 0. Its first five
        moments are a normal's, which keeps the weak order; it costs less, and its tails are none. Of the SDE alone:
        refused where a step is an iteration of the optimizer.
    reflecting
        Walls, as in `exit_times`.
    precision
        "float64", or "mixed": positions in float64, normals in float32, which never exceed 6.7 standard deviations.
    seed
        Seed, a whole number from 0 to 2^64 - 1. The same seed gives the same bits for any number of threads, and a run
        with fewer replicas is the beginning of a run with more.
    threads
        Threads; None: all cores.

    Returns
    -------
    xarray.Dataset
        ``msd`` (mean over replicas of the squared displacement from the start, no mean subtracted, along the
        eigenvectors of the Hessian at the reference point) and ``msd_stderr`` in theta^2 on (iteration, direction);
        ``diverged`` on iteration counts replicas out of floating-point range, and where there are any, msd is NaN. With
        ``keep="states"`` also ``position`` on (replica, iteration, coordinate). All parameters are in attrs.

    Raises
    ------
    ValueError
        If a parameter is out of range, a discrete step is unstable, or a combination has no meaning; the message
        names the parameter, the value and the remedy.

    Warns
    -----
    RuntimeWarning
        If replicas diverged, or the noise has no fourth moment, so that msd or its error have no expectation.
    """
    plan = plan_run(
        dynamics,
        landscape,
        noise,
        iterations,
        replicas,
        start,
        velocity,
        save,
        keep,
        substeps,
        seed,
        precision,
        reflecting,
        scheme,
        increments,
    )
    threads, replicas, last, summed = thread_count(threads), plan.replicas, int(plan.saved_steps[-1]), 0
    clocks: dict[int, NDArray[np.uint64]] = {}  # of chunks that are not summed yet
    run = _kernel(plan, clocks)

    shape = (len(plan.save), landscape.dimension)
    squares, fourths = np.zeros(shape), np.zeros(shape)
    diverged = np.zeros(len(plan.save), dtype=np.int64)
    states = np.empty((replicas if keep == "states" else 0, *shape))
    starts = range(0, replicas, CHUNK)

    def done() -> int:
        return summed * last + sum(int(clock[0]) for clock in tuple(clocks.values()))

    with task("simulate", replicas * last, done), Interruptible(min(threads, len(starts))) as pool:
        run(0, 0, pool.stop)  # compiles, once, before the threads start
        parts = pool.map(lambda first: run(first, min(CHUNK, replicas - first), pool.stop), starts)
        for first, part in zip(starts, parts, strict=True):
            squares += part.squares
            fourths += part.fourths
            diverged += part.diverged
            states[first : first + len(part.positions)] = part.positions
            del clocks[first]
            summed = min(first + CHUNK, replicas)
    return label(plan, squares, fourths, diverged, states if keep == "states" else None)


@dataclass
class _Part:
    """What one chunk of replicas returns."""

    squares: Array
    fourths: Array
    diverged: NDArray[np.int64]
    positions: Array


def _kernel(plan: Plan, clocks: dict[int, NDArray[np.uint64]]) -> Callable[[int, int, NDArray[np.int64]], _Part]:
    """A function that runs the replicas first to first + count; clocks[first][0] tells how many iterations are done."""
    from diffusion.kernels import ensemble

    last = int(plan.saved_steps[-1])
    used, stages = np.unique(plan.substeps[: max(last, 1)], return_inverse=True)
    prepared = prepare(plan, used)
    moments = kernel(ensemble.moments, ensemble.HELPERS, prepared)
    d = plan.landscape.dimension
    turn = np.zeros((0, 0)) if prepared.turned or not plan.rotated else np.ascontiguousarray(plan.basis)
    shape = (len(plan.save), d)

    def run(first: int, count: int, stop: NDArray[np.int64]) -> _Part:
        kept = count if plan.keep_states else 0
        part = _Part(
            np.zeros(shape), np.zeros(shape), np.zeros(len(plan.save), dtype=np.int64), np.empty((kept, *shape))
        )
        width = lanes_for(count, ensemble.UNIT)
        scratch = np.zeros((2, d, width)), np.zeros((2, ensemble.UNIT)), np.zeros(width)
        carried, state, lanes = allocate(prepared, width)
        clocks[first] = lanes[1]
        where = prepared.problem, prepared.rule, used, stages, plan.saved_steps, prepared.start, turn
        sums = part.squares, part.fourths, part.diverged, part.positions
        moments(first, count, width, *where, DIVERGED, plan.seed, stop, carried, state, lanes, scratch, *sums)
        if prepared.turned and plan.rotated:
            part.positions = part.positions @ plan.basis.T
        return part

    return run
