"""The real optimizers: torch.optim's, and our Adai, on the same problem with all replicas in one tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics import Dynamics
from diffusion.engine import Interruptible, thread_count
from diffusion.landscapes import Landscape, QuadraticSaddle
from diffusion.minibatches import Minibatches
from diffusion.noise import NoiseModel
from diffusion.plan import DIVERGED, Plan, label, plan_run
from diffusion.progress import task
from diffusion.torch_along import Gradient, as_landscape, deviates, minibatch_gradient
from diffusion.torch_factory import Factory, as_dynamics
from diffusion.torch_landscape import TorchLandscape
from diffusion.torch_minibatches import TorchMinibatches

if TYPE_CHECKING:
    import xarray

BLOCK_BYTES = 2**27  # of the positions of a block of replicas that draw for themselves
BLOCK = 1500  # most replicas in a tensor: it stays in a core's cache, and does not depend on the threads


def simulate_torch(
    dynamics: Dynamics | Factory,
    landscape: Landscape | TorchLandscape,
    *,
    noise: NoiseModel,
    iterations: int,
    replicas: int,
    start: ArrayLike | None = None,
    save: ArrayLike | None = None,
    keep: str = "moments",
    directions: int | ArrayLike | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> xarray.Dataset:
    """Run the shipped torch optimizer on many replicas at once, in float64, from rest.

    Each step hands the optimizer the gradient of the loss plus a normal draw from the noise model, or, under
    `Minibatches` and of a `TorchLandscape` under `TorchMinibatches`, each replica's gradient of its own minibatch.
    Parameters, result and errors are those of `diffusion.simulate`; the seed is that of a `torch.Generator` for each
    block of replicas, so the draws differ from `simulate`'s. Adam, RMSprop and Adai must have
    ``second_moment="running"``: torch ships no other. Any other torch optimizer is given by a function that makes it,
    as `exit_times_torch` takes it; an iteration then lasts its learning rate in ``dynamical_time``.

    Of a `TorchLandscape`, `directions` says along which ``msd`` and ``eigenvalue`` are: None: all eigenvectors of the
    Hessian at the model's own parameters, which are the start unless another is given; a number k: those of the k
    largest eigenvalues; or orthonormal columns, shape (P, k). Noise models need all. A replica has the same bits
    among any others.
    """
    checks.whole("replicas", replicas)
    landscape = as_landscape(landscape, noise, directions)
    dynamics = as_dynamics(dynamics, min(BLOCK, replicas), landscape.dimension)
    plan = plan_run(dynamics, landscape, noise, iterations, replicas, start, "rest", save, keep, 1, seed, "float64")
    threads, replicas = thread_count(threads), plan.replicas

    shape = (len(plan.save), landscape.dimension)
    squares, fourths = (np.zeros((len(plan.save), plan.basis.shape[1])) for _ in range(2))
    diverged = np.zeros(len(plan.save), dtype=np.int64)
    states = np.empty((replicas if keep == "states" else 0, *shape))
    drawn = isinstance(noise, TorchMinibatches)  # for each replica by itself, so that blocks may be of any size
    blocks = -(-replicas // (min(BLOCK, max(1, BLOCK_BYTES // (8 * shape[0] * shape[1]))) if drawn else BLOCK))
    ends = [round(replicas * k / blocks) for k in range(blocks + 1)]
    clocks, pool = np.zeros(blocks, np.int64), Interruptible(min(threads, blocks))
    total = blocks * int(plan.save[-1])
    with task("simulate_torch", total, lambda: int(clocks.sum())), pool, one_thread_each():
        parts = pool.map(lambda k: _run(plan, k, range(ends[k], ends[k + 1]), pool.stop, clocks), range(blocks))
        for k, positions in enumerate(parts):
            displacement = (positions - plan.origin) @ plan.basis
            out = ~np.all(np.abs(displacement) < DIVERGED, axis=2)
            displacement[out] = 0
            diverged += out.sum(axis=0)
            squares += np.sum(displacement**2, axis=0)
            fourths += np.sum(displacement**4, axis=0)
            if keep == "states":
                states[ends[k] : ends[k + 1]] = positions
    return label(plan, squares, fourths, diverged, states if keep == "states" else None)


def _run(
    plan: Plan, block: int, replicas: range, stop: NDArray[np.int64], clocks: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Positions of a block of replicas, shape (replicas, saves, d); clocks[block] counts its iterations."""
    torch.set_num_threads(1)  # again: matrix products ask the thread that they run in
    theta = torch.nn.Parameter(torch.from_numpy(np.tile(plan.origin, (len(replicas), 1))))
    optimizer = plan.dynamics.torch_optimizer([theta])
    gradient, everyone = _gradient(plan, block, replicas), np.ones(len(replicas), bool)
    positions = np.empty((len(replicas), len(plan.save), len(plan.origin)))
    done = 0
    for s, target in enumerate(plan.save):
        for iteration in range(done, int(target)):
            if stop[0]:
                return positions
            theta.grad = gradient(theta.detach(), iteration, everyone)
            optimizer.step()
            clocks[block] += 1
        done = int(target)
        positions[:, s] = theta.detach().numpy()
    return positions


def _gradient(plan: Plan, block: int, replicas: range) -> Gradient:
    """The minibatch gradients of a block of replicas: of their own minibatches, or from the noise model."""
    if isinstance(plan.noise, TorchMinibatches | Minibatches):
        return minibatch_gradient(plan.landscape, plan.noise, int(plan.seed), replicas)
    seed = np.random.SeedSequence([int(plan.seed), block]).generate_state(1, np.uint64)[0]
    generator, modelled = torch.Generator().manual_seed(int(seed)), _modelled(plan)

    def gradient(theta: torch.Tensor, iteration: int, inside: NDArray[np.bool_]) -> torch.Tensor:
        return modelled(theta, deviates(plan.noise.law, theta.shape, generator))

    return gradient


def _modelled(plan: Plan) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """A function of positions and standard normals, both (replicas, d)."""
    landscape, noise = plan.landscape, plan.noise
    if isinstance(landscape, QuadraticSaddle):
        hessian = torch.from_numpy(landscape.hessian_matrix(plan.origin))
        spread = torch.from_numpy((plan.basis * np.sqrt(plan.variance)).T.copy())
        return lambda theta, draws: theta @ hessian + draws @ spread
    if landscape.formulas.coupled:
        mixing = noise.mixing(landscape)
        if noise.field(landscape) is not None:

            def varying(theta: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
                position = theta.numpy()
                shaken = np.einsum("njk,nk->nj", noise.roots(landscape, position), draws.numpy())
                return torch.from_numpy(landscape.gradient(position) + shaken)

            return varying
        return lambda theta, draws: torch.from_numpy(landscape.gradient(theta.numpy()) + draws.numpy() @ mixing.T)

    variance = noise.variance_on(landscape)

    def separable(theta: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        position = theta.numpy()
        deviation = np.sqrt(variance(position))
        return torch.from_numpy(landscape.gradient(position) + deviation * draws.numpy())

    return separable


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep torch from starting threads of its own: on tensors this small they would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
