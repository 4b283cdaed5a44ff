"""First exits of the real torch optimizers, all replicas in one tensor: under a noise model, or on minibatches of real data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics import SGD, Dynamics, Momentum
from diffusion.edges import NO_COORDINATE, NO_PART, Edge, edge_of
from diffusion.escape import label_exits, warn_any_coordinate
from diffusion.landscapes import Landscape, StyblinskiTang
from diffusion.noise import Noise
from diffusion.prospects import warn_hopeless
from diffusion.regions import Boundary
from diffusion.torch_ensemble import one_thread_each, shipped_optimizer

if TYPE_CHECKING:
    import xarray

STRIDE = 64  # minibatches drawn at a time, so that the generator is called rarely
MOST_DRAWS = 4_000_000  # indices drawn at a time

Array = NDArray[np.float64]
Gradient = Callable[[torch.Tensor, int], torch.Tensor]  # of positions (replicas, d) and the iteration


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
    dynamics: Dynamics,
    landscape: Landscape,
    *,
    noise: Noise | Samples,
    start: ArrayLike | None = None,
    boundary: Boundary,
    max_iterations: int,
    replicas: int,
    positions: bool = False,
    seed: int = 0,
) -> xarray.Dataset:
    """Run the shipped torch optimizer, in float64 and from rest, until each replica leaves, or for `max_iterations`.

    Parameters
    ----------
    dynamics
        `SGD` or `Momentum`, or `RMSprop`, `Adam` or `Adai` with ``second_moment="running"``.
    landscape
        Any landscape; for `Samples` a `StyblinskiTang` with data_variance above 0, whose loss of one
        sample is ``f(u - x)``.
    noise
        A noise model, drawn as normals, or `Samples`.
    start, boundary, max_iterations, replicas, positions
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
        If a parameter is out of range, the landscape has no data to draw, or the start is outside or on the boundary.

    Warns
    -----
    RuntimeWarning
        As `diffusion.exit_times` does.
    """
    max_iterations, replicas = checks.whole("max_iterations", max_iterations), checks.whole("replicas", replicas)
    seed, boundary = checks.whole("seed", seed, least=0, most=2**63 - 1), checks.plain(boundary)
    if not isinstance(dynamics, SGD | Momentum) and dynamics.second_moment != "running":
        raise ValueError(
            f"second_moment = {dynamics.second_moment!r}: torch ships only the running second moment; use 'running'"
        )
    origin = landscape.reference if start is None else checks.per_coordinate("start", start, landscape.dimension)
    edge = edge_of(boundary, landscape, origin)
    warn_hopeless(dynamics, landscape, noise, edge, origin, replicas=replicas, max_iterations=max_iterations)
    generator = torch.Generator().manual_seed(seed)
    if isinstance(noise, Samples):
        gradient = _sampled(landscape, noise, replicas, generator)
    else:
        gradient = _modelled(landscape, noise, generator)
    with one_thread_each():
        out = _run(dynamics, gradient, landscape, origin, edge, max_iterations, replicas)
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
    result = label_exits(data, parameters)
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

    def gradient(theta: torch.Tensor, iteration: int) -> torch.Tensor:
        nonlocal drawn
        if iteration % stride == 0:
            drawn = torch.randint(noise.size, (stride, replicas, noise.batch_size), generator=generator)
        w = theta[:, None, :] * root - data[drawn[iteration % stride]]
        return landscape.height * root * (w * (2.0 * w * w - 16.0) + 2.5).mean(dim=1)

    return gradient


def _modelled(landscape: Landscape, noise: Noise, generator: torch.Generator) -> Gradient:
    mixing = noise.mixing(landscape) if landscape.formulas.coupled else None
    if mixing is None:
        noise.deviation(landscape)  # refuses what the landscape cannot give

    def gradient(theta: torch.Tensor, iteration: int) -> torch.Tensor:
        draws = torch.randn(theta.shape, generator=generator, dtype=torch.float64).numpy()
        position = theta.numpy()
        shaken = np.sqrt(noise.variance_at(landscape, position)) * draws if mixing is None else draws @ mixing.T
        return torch.from_numpy(landscape.gradient(position) + shaken)

    return gradient


def _run(
    dynamics: Dynamics,
    gradient: Gradient,
    landscape: Landscape,
    origin: Array,
    edge: Edge,
    max_iterations: int,
    replicas: int,
) -> dict[str, NDArray[Any]]:
    """What became of every replica, as `diffusion.exit_times` tells it."""
    theta = torch.nn.Parameter(torch.from_numpy(np.tile(origin, (replicas, 1))))
    optimizer = shipped_optimizer(dynamics, theta)
    time, inside, exited = np.full(replicas, np.nan), np.ones(replicas, dtype=bool), np.zeros(replicas, dtype=bool)
    coordinate, side = np.full(replicas, NO_COORDINATE), np.zeros(replicas, np.int8)
    part, position = np.full(replicas, NO_PART, np.int16), np.full((replicas, len(origin)), np.nan)
    for t in range(max_iterations):
        theta.grad = gradient(theta.detach(), t)
        optimizer.step()
        here = theta.detach().numpy()
        parts, coordinates, sides = edge.crossed(landscape, here)
        lost = ~np.isfinite(here).all(axis=1)
        out = inside & ((parts != NO_PART) | lost)
        if out.any():
            left = out & ~lost
            time[left], exited[left], position[left] = t + 1, True, here[left]
            part[left], coordinate[left], side[left] = parts[left], coordinates[left], sides[left]
            inside &= ~out
            if not inside.any():
                break
            stay = torch.from_numpy(~inside)
            theta.data[stay] = torch.from_numpy(origin)  # runs that are done wait at the start, where nothing overflows
    return {
        "exit_iteration": time, "exited": exited, "diverged": ~inside & ~exited, "exit_coordinate": coordinate,
        "exit_side": side, "exit_part": part, "exit_position": position,
    }  # fmt: skip
