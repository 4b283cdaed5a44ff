"""First exits of the real torch optimizers, all replicas in a tensor: under a noise model, or on data's minibatches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from diffusion import checks, regions
from diffusion.dynamics import Dynamics
from diffusion.edges import NO_COORDINATE, NO_PART, Edge, edge_of
from diffusion.engine import Interruptible
from diffusion.escape import label_exits, warn_any_coordinate
from diffusion.landscapes import Landscape
from diffusion.minibatches import Minibatches
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

Array = NDArray[np.float64]


def exit_times_torch(
    dynamics: Dynamics | Factory,
    landscape: Landscape | TorchLandscape,
    *,
    noise: NoiseModel,
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
        An optimizer that has a counterpart in torch, `RMSprop`, `Adam` and `Adai` with ``second_moment="running"``; or
        a function that makes any other torch optimizer of a list of parameters, as
        ``lambda params: torch.optim.NAdam(params, lr=0.01)``. As all replicas are one parameter, of shape (replicas,
        d), it must update each element by itself. One with the setting `replicas`, as `diffusion.optimizers.Adai`, may
        mix the coordinates of a replica. This is tried before the run, over 40 steps. Optimizers that draw random
        numbers are refused, as `seed` would not fix the result.
    landscape
        Any landscape, or a `TorchLandscape`, whose model's parameters are the start unless another is given.
    noise
        A noise model, drawn as normals; `Minibatches`, the same ones as in `diffusion.exit_times`; or of a
        `TorchLandscape` `TorchMinibatches` of its data, under which a replica has the same bits among any others.
    start, boundary, max_iterations, replicas, positions, partial
        As in `diffusion.exit_times`.
    seed
        Seed of a `torch.Generator`: the draws of a noise model differ from those of `diffusion.exit_times`.

    Returns
    -------
    xarray.Dataset
        As `diffusion.exit_times` gives it, with ``crossing="step"``.

    Raises
    ------
    ValueError
        If a parameter is out of range, the data are not the landscape's, or the start is outside or on the boundary; if
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
    if isinstance(noise, Minibatches):
        noise.check(landscape, origin)
    if isinstance(noise, TorchMinibatches | Minibatches):
        gradient = minibatch_gradient(landscape, noise, seed, range(replicas))
    else:
        warn_hopeless(dynamics, landscape, noise, edge, origin, replicas=replicas, max_iterations=max_iterations)
        gradient = _modelled(landscape, noise, generator)
    out = {
        "exit_iteration": np.full(replicas, np.nan),
        "exited": np.zeros(replicas, bool),
        "diverged": np.zeros(replicas, bool),
        "exit_coordinate": np.full(replicas, NO_COORDINATE),
        "exit_side": np.zeros(replicas, np.int8),
        "exit_part": np.full(replicas, NO_PART, np.int16),
        "exit_position": np.full((replicas, landscape.dimension), np.nan),
    }
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
        "dynamics": repr(dynamics),
        "landscape": repr(landscape),
        "noise": repr(noise),
        "start": origin.tolist(),
        "boundary": repr(boundary),
        "crossing": "step",
        "max_iterations": max_iterations,
        "replicas": replicas,
        "seed": seed,
        "optimizer": "torch",
    }
    result = label_exits(data, parameters, reached)
    warn_any_coordinate(landscape, boundary, out["exit_coordinate"])
    return result


def _modelled(landscape: Landscape, noise: NoiseModel, generator: torch.Generator) -> Gradient:
    mixing = noise.mixing(landscape) if landscape.formulas.coupled else None
    varying = mixing is not None and noise.field(landscape) is not None
    variance = noise.variance_on(landscape)  # refuses what the landscape cannot give

    def gradient(theta: torch.Tensor, iteration: int, inside: NDArray[np.bool_]) -> torch.Tensor:
        draws = deviates(noise.law, theta.shape, generator).numpy()
        position = theta.numpy()
        if mixing is None:
            shaken = np.sqrt(variance(position)) * draws
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
    """Tell in `out` what becomes of every replica, as `diffusion.exit_times` does, until stop[0] is not 0.

    iterations[0] tells meanwhile how many are done.
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
