"""First exits of the real torch optimizers, all replicas in one tensor: under a noise model, or on minibatches of real data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from diffusion import checks, regions
from diffusion.dynamics import Dynamics
from diffusion.edges import NO_COORDINATE, NO_PART, Edge, edge_of
from diffusion.engine import Interruptible
from diffusion.escape import label_exits, warn_any_coordinate
from diffusion.landscapes import Landscape, StyblinskiTang
from diffusion.noise import NoiseModel
from diffusion.progress import task
from diffusion.prospects import warn_hopeless
from diffusion.regions import Boundary
from diffusion.torch_along import Gradient, as_landscape, deviates, minibatch_gradient
from diffusion.torch_ensemble import one_thread_each
from diffusion.torch_factory import Factory, as_dynamics
from diffusion.torch_landscape import TorchLandscape
from diffusion.torch_minibatches import TorchMinibatches

if TYPE_CHECKING:
    import xarray

STRIDE = 64  # minibatches drawn at a time, so that the generator is called rarely
MOST_DRAWS = 4_000_000  # indices drawn at a time

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """Real data for `StyblinskiTang`: `size` draws of x ~ N(0, data_variance), shared by all replicas.

    Parameters
    ----------
    batch_size
        Samples in a minibatch, drawn with replacement, anew for every replica and iteration.
    size
        Samples in the data set.
    """

    batch_size: int
    size: int = 50_000

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.whole("batch_size", self.batch_size)
        checks.whole("size", self.size)


def exit_times_torch(
    dynamics: Dynamics | Factory,
    landscape: Landscape | TorchLandscape,
    *,
    noise: NoiseModel | Samples,
    start: ArrayLike | None = None,
    boundary: Boundary,
    max_iterations: int,
    replicas: int,
    positions: bool = False,
    partial: bool = False,
    seed: int = 0,
) -> xarray.Dataset:
    """Run the shipped torch optimizer, in float64 and from rest, until each replica leaves, or for `max_iterations`.

    Parameters
    ----------
    dynamics
        An optimizer that has a counterpart in torch, `RMSprop`, `Adam` and `Adai` with ``second_moment="running"``; or a
        function that makes any other torch optimizer of a list of parameters, as ``lambda params: torch.optim.NAdam(params, lr=0.01)``. As all
        replicas are one parameter, of shape (replicas, d), it must update each element by itself. One with the setting
        `replicas`, as `diffusion.optimizers.Adai`, may mix the coordinates of a replica. This is tried before the run,
        over 40 steps. Optimizers that draw random numbers are refused, as `seed` would not fix the result.
    landscape
        Any landscape; for `Samples` a `StyblinskiTang` with data_variance above 0, whose loss of one
        sample is ``f(u - x)``; or a `TorchLandscape`, whose model's parameters are the start unless another is given.
    noise
        A noise model, drawn as normals, or `Samples`, or of a `TorchLandscape` `TorchMinibatches` of its data, under which a
        replica has the same bits among any others.
    start, boundary, max_iterations, replicas, positions, partial
        As in `diffusion.exit_times`.
    seed
        Seed of a `torch.Generator`, for the data as well: the draws differ from those of `diffusion.exit_times`.

    Returns
    -------
    xarray.Dataset
        As `diffusion.exit_times` gives it, with ``crossing="step"``.

    Raises
    ------
    ValueError
        If a parameter is out of range, the landscape has no data to draw, or the start is outside or on the boundary; if
        the optimizer mixes elements, draws random numbers, or does not step on gradients alone.

    Warns
    -----
    RuntimeWarning
        As `diffusion.exit_times` does; of optimizers that are made by a function, nothing is known in advance.
    """
    max_iterations, replicas = checks.whole("max_iterations", max_iterations), checks.whole("replicas", replicas)
    seed, boundary = checks.whole("seed", seed, least=0, most=2**63 - 1), regions.plain(boundary)
    landscape = as_landscape(landscape, noise)
    dynamics = as_dynamics(dynamics, replicas, landscape.dimension)
    origin = landscape.reference if start is None else checks.per_coordinate("start", start, landscape.dimension)
    edge = edge_of(boundary, landscape, origin)
    generator = torch.Generator().manual_seed(seed)
    if isinstance(noise, TorchMinibatches):
        gradient = minibatch_gradient(landscape, noise, seed, range(replicas))
    elif isinstance(noise, Samples):
        gradient = _sampled(landscape, noise, replicas, generator)
    else:
        warn_hopeless(dynamics, landscape, noise, edge, origin, replicas=replicas, max_iterations=max_iterations)
        gradient = _modelled(landscape, noise, generator)
    out = {
        "exit_iteration": np.full(replicas, np.nan), "exited": np.zeros(replicas, bool),
        "diverged": np.zeros(replicas, bool), "exit_coordinate": np.full(replicas, NO_COORDINATE),
        "exit_side": np.zeros(replicas, np.int8), "exit_part": np.full(replicas, NO_PART, np.int16),
        "exit_position": np.full((replicas, landscape.dimension), np.nan),
    }  # fmt: skip
    iterations, reached = np.zeros(1, np.int64), None

    def done() -> float:
        """The share of all iterations, if replicas leave at the rate so far until the last of them is out."""
        exited, now = out["exited"], int(iterations[0])
        at_risk = now * np.count_nonzero(~exited) + out["exit_iteration"][exited].sum()
        to_come = np.log(1.0 + np.count_nonzero(~exited)) * at_risk / max(np.count_nonzero(exited), 1)
        return now / max(float(min(now + to_come, max_iterations)), 1.0)

    with one_thread_each(), task("exit_times_torch", 1.0, done), Interruptible(1) as pool:
        try:
            arguments = dynamics, gradient, landscape, origin, edge
            for _ in pool.map(lambda most: _run(*arguments, most, out, iterations, pool.stop), [max_iterations]):
                pass
        except KeyboardInterrupt:
            if not partial:
                raise
            reached = np.zeros(replicas)
    if reached is not None:  # by now the thread is still
        reached[:] = iterations[0]
    left_out = {"exit_part": len(edge.kinds) == 1, "exit_position": not positions}
    data = {
        name: (("replica", "coordinate")[: values.ndim], values)
        for name, values in out.items()
        if not left_out.get(name, False)
    }
    parameters = {
        "dynamics": repr(dynamics), "landscape": repr(landscape), "noise": repr(noise), "start": origin.tolist(),
        "boundary": repr(boundary), "crossing": "step", "max_iterations": max_iterations, "replicas": replicas,
        "seed": seed, "optimizer": "torch",
    }  # fmt: skip
    result = label_exits(data, parameters, reached)
    warn_any_coordinate(landscape, boundary, out["exit_coordinate"])
    return result


def _sampled(landscape: Landscape, noise: Samples, replicas: int, generator: torch.Generator) -> Gradient:
    """The gradient of f(u - x), averaged over each replica's own minibatch."""
    if not isinstance(landscape, StyblinskiTang) or landscape.data_variance == 0:
        raise ValueError(f"{landscape!r} has no data to draw; use StyblinskiTang(..., data_variance=v), v > 0")
    root, spread = float(np.sqrt(landscape.sharpness)), float(np.sqrt(landscape.data_variance))
    data = spread * torch.randn(noise.size, landscape.dimension, generator=generator, dtype=torch.float64)
    data = data.to(torch.float32)  # halves the memory traffic of the gather; the loss is computed in float64
    stride = max(1, min(STRIDE, MOST_DRAWS // (replicas * noise.batch_size)))
    drawn = torch.empty(0)

    def gradient(theta: torch.Tensor, iteration: int, inside: NDArray[np.bool_]) -> torch.Tensor:
        nonlocal drawn
        if iteration % stride == 0:
            drawn = torch.randint(noise.size, (stride, replicas, noise.batch_size), generator=generator)
        w = theta[:, None, :] * root - data[drawn[iteration % stride]]
        return landscape.height * root * (w * (2.0 * w * w - 16.0) + 2.5).mean(dim=1)

    return gradient


def _modelled(landscape: Landscape, noise: NoiseModel, generator: torch.Generator) -> Gradient:
    mixing = noise.mixing(landscape) if landscape.formulas.coupled else None
    varying = mixing is not None and noise.field(landscape) is not None
    if mixing is None:
        noise.deviation(landscape)  # refuses what the landscape cannot give

    def gradient(theta: torch.Tensor, iteration: int, inside: NDArray[np.bool_]) -> torch.Tensor:
        draws = deviates(noise.law, theta.shape, generator).numpy()
        position = theta.numpy()
        if mixing is None:
            shaken = np.sqrt(noise.variance_at(landscape, position)) * draws
        elif varying:
            shaken = np.einsum("njk,nk->nj", noise.roots(landscape, position), draws)
        else:
            shaken = draws @ mixing.T
        return torch.from_numpy(landscape.gradient(position) + shaken)

    return gradient


def _run(
    dynamics: Dynamics,
    gradient: Gradient,
    landscape: Landscape,
    origin: Array,
    edge: Edge,
    max_iterations: int,
    out: dict[str, NDArray[Any]],
    iterations: NDArray[np.int64],
    stop: NDArray[np.int64],
) -> None:
    """Tell in `out` what becomes of every replica, as `diffusion.exit_times` does, and in iterations[0] how many are done.

    It stops early once stop[0] is not 0.
    """
    torch.set_num_threads(1)  # again: matrix products ask the thread that they run in
    theta = torch.nn.Parameter(torch.from_numpy(np.tile(origin, (len(out["exited"]), 1))))
    optimizer, inside = dynamics.torch_optimizer([theta]), np.ones(len(theta), dtype=bool)
    while inside.any() and iterations[0] < max_iterations and not stop[0]:
        theta.grad = gradient(theta.detach(), int(iterations[0]), inside)
        optimizer.step()
        here = theta.detach().numpy()
        parts, coordinates, sides = edge.crossed(landscape, here)
        lost = ~np.isfinite(here).all(axis=1)
        gone = inside & ((parts != NO_PART) | lost)
        iterations[0] += 1
        if gone.any():
            left = gone & ~lost
            out["exit_iteration"][left], out["exited"][left], out["exit_position"][left] = (
                iterations[0],
                True,
                here[left],
            )
            for name, values in (("part", parts), ("coordinate", coordinates), ("side", sides)):
                out[f"exit_{name}"][left] = values[left]
            out["diverged"] |= inside & lost
            inside &= ~gone
            stay = torch.from_numpy(~inside)
            theta.data[stay] = torch.from_numpy(origin)  # runs that are done wait at the start, where nothing overflows
