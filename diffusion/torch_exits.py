"""First exits of the real optimizers on a real sampled loss: minibatches of data, all replicas in one tensor."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics import SGD, Dynamics, Momentum
from diffusion.escape import label_exits
from diffusion.landscapes import StyblinskiTang
from diffusion.torch_ensemble import one_thread_each, shipped_optimizer

if TYPE_CHECKING:
    import xarray

STRIDE = 64  # minibatches drawn at a time, so that the generator is called rarely
MOST_DRAWS = 4_000_000  # indices drawn at a time


def exit_times_torch(
    dynamics: Dynamics,
    landscape: StyblinskiTang,
    *,
    samples: int = 50_000,
    batch_size: int,
    start: ArrayLike,
    boundary: float,
    max_iterations: int,
    replicas: int,
    seed: int = 0,
) -> "xarray.Dataset":
    """Run the shipped torch optimizer on minibatches of a data set until each replica leaves, or `max_iterations`.

    The loss of one sample is ``f(u - x)`` (see `StyblinskiTang`); `samples` draws of ``x ~ N(0, data_variance)`` in every coordinate
    are made once and shared by all replicas. Each minibatch is drawn from them with replacement, anew for every replica and iteration.

    Parameters
    ----------
    dynamics
        `SGD` or `Momentum`, or `RMSprop`, `Adam` or `Adai` with ``second_moment="running"``.
    landscape
        A `StyblinskiTang` with data_variance above 0.
    samples, batch_size
        Size of the data set and of a minibatch.
    start, boundary, max_iterations, replicas
        As in `diffusion.exit_times`; the boundary is a number.
    seed
        Seed of the data and of the minibatches.

    Returns
    -------
    xarray.Dataset
        As `diffusion.exit_times` gives it, with ``crossing="step"``.

    Raises
    ------
    ValueError
        If a parameter is out of range, the landscape has no data, or the start is on the boundary.
    """
    checks.whole("samples", samples)
    checks.whole("batch_size", batch_size)
    checks.whole("max_iterations", max_iterations)
    checks.whole("replicas", replicas)
    checks.whole("seed", seed, least=0, most=2**63 - 1)
    checks.finite("boundary", boundary)
    if not isinstance(landscape, StyblinskiTang) or landscape.data_variance == 0:
        raise ValueError(f"{landscape!r} has no data to draw; use StyblinskiTang(..., data_variance=v), v > 0")
    if not isinstance(dynamics, SGD | Momentum) and dynamics.second_moment != "running":
        raise ValueError(
            f"second_moment = {dynamics.second_moment!r}: torch ships only the running second moment; use 'running'"
        )
    d = landscape.dimension
    origin = checks.per_coordinate("start", start, d)
    if np.any(origin == boundary):
        raise ValueError(f"boundary = {boundary!r} is where the start is; choose another start or boundary")
    with one_thread_each():
        time, coordinate, diverged = _run(
            dynamics, landscape, samples, batch_size, origin, boundary, max_iterations, replicas, seed
        )
    data = {
        "exit_iteration": ("replica", time),
        "exited": ("replica", coordinate >= 0),
        "diverged": ("replica", diverged),
        "exit_coordinate": ("replica", np.where(coordinate >= 0, coordinate, -1)),
    }
    parameters = {
        "dynamics": repr(dynamics), "landscape": repr(landscape), "samples": samples, "batch_size": batch_size,
        "start": origin.tolist(), "boundary": repr(boundary), "crossing": "step", "max_iterations": max_iterations,
        "replicas": replicas, "seed": seed, "optimizer": "torch",
    }  # fmt: skip
    return label_exits(data, parameters)


def _run(
    dynamics: Dynamics, landscape: StyblinskiTang, samples: int, batch_size: int, origin: NDArray[np.float64],
    boundary: float, max_iterations: int, replicas: int, seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:  # fmt: skip
    """Exit iterations, coordinates (-1: none) and divergence of every replica."""
    generator = torch.Generator().manual_seed(seed)
    d, root = landscape.dimension, float(np.sqrt(landscape.sharpness))
    data = torch.randn(samples, d, generator=generator, dtype=torch.float64) * np.sqrt(landscape.data_variance)
    data = data.to(torch.float32)  # halves the memory traffic of the gather; the loss is computed in float64
    theta = torch.nn.Parameter(torch.from_numpy(np.tile(origin, (replicas, 1))))
    optimizer = shipped_optimizer(dynamics, theta)
    sign = torch.from_numpy(np.where(boundary > origin, 1.0, -1.0))
    time, coordinate = np.full(replicas, np.nan), np.full(replicas, -1)
    stride = max(1, min(STRIDE, MOST_DRAWS // (replicas * batch_size)))
    alive = np.ones(replicas, dtype=bool)
    for t in range(max_iterations):
        if t % stride == 0:
            draws = torch.randint(samples, (stride, replicas, batch_size), generator=generator)
        # the gradient of f(u - x) for each sample, averaged over the minibatch
        w = theta.detach()[:, None, :] * root - data[draws[t % stride]]
        theta.grad = landscape.height * root * (w * (2.0 * w * w - 16.0) + 2.5).mean(dim=1)
        optimizer.step()
        past = (sign * (theta.detach() - boundary)).amax(dim=1).numpy()
        out = alive & ~(past <= 0)  # NaN is out as well
        if out.any():
            left = out & np.isfinite(past)
            beyond = (sign * (theta.detach() - boundary)).numpy()
            time[left], coordinate[left] = t + 1, beyond[left].argmax(axis=1)
            alive &= ~out
            if not alive.any():
                break
    diverged = ~alive & (coordinate < 0)
    return time, coordinate, diverged
