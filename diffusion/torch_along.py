"""A torch model's loss as the simulator takes landscapes, and the gradients of its minibatches for replicas as rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.directions import directions as eigenvectors
from diffusion.landscapes import Formulas, Landscape
from diffusion.laws import NORMAL, Law
from diffusion.minibatches import Minibatches
from diffusion.torch_landscape import TorchLandscape
from diffusion.torch_minibatches import TorchMinibatches

Array = NDArray[np.float64]
Gradient = Callable[[torch.Tensor, int, NDArray[np.bool_]], torch.Tensor]


class TorchAlong(Landscape):
    """The loss of a `TorchLandscape`, whose model's parameters are the reference point, along some directions.

    Parameters
    ----------
    torch_landscape
        The loss.
    directions
        In which results are given. None: all eigenvectors of the Hessian at the reference point, as the Hessian
        ascends. A number k: those of the k largest eigenvalues. Or orthonormal columns, shape (P, k).

    Raises
    ------
    ValueError
        If the directions are none of these.
    """

    def __init__(self, torch_landscape: TorchLandscape, directions: int | ArrayLike | None = None) -> None:
        self.torch_landscape, self.dimension = torch_landscape, torch_landscape.dimension
        self.asked: Any = directions
        if directions is not None and np.ndim(directions) == 0:
            self.asked = checks.whole("directions", directions, most=self.dimension)  # type: ignore[arg-type]
        elif directions is not None:
            self.asked = torch_landscape.orthonormal(directions)

    @property
    def network(self) -> TorchLandscape:
        """The torch model's loss, whose samples can be drawn."""
        return self.torch_landscape

    @property
    def reference(self) -> Array:
        """The model's parameters, shape (P,)."""
        return self.torch_landscape.parameters.astype(np.float64)

    @property
    def basis(self) -> Array:
        """The directions as columns, shape (P, k)."""
        return self._directions[1]

    @property
    def hessian(self) -> Array:
        """The Hessian at the reference point along the directions, shape (k,)."""
        return self._directions[0]

    @cached_property
    def _directions(self) -> tuple[Array, Array]:
        if self.asked is None:
            return eigenvectors(self.torch_landscape.hessian())
        if isinstance(self.asked, int):
            values, vectors = self.torch_landscape.hessian(self.asked)
            return values, vectors
        products = self.torch_landscape.hessian_product(self.asked.T)
        return np.asarray(np.sum(self.asked.T * products, axis=1)), self.asked

    @property
    def formulas(self) -> Formulas:
        """None that could be compiled: it runs in torch alone."""
        return Formulas(_in_torch_alone, _in_torch_alone, None, np.zeros((0, self.dimension)), coupled=True)

    def loss(self, theta: ArrayLike) -> Array:
        """Loss at positions of shape (..., P)."""
        return np.asarray(self.torch_landscape.loss(theta))

    def gradient(self, theta: ArrayLike) -> Array:
        """Gradient at positions of shape (..., P)."""
        return np.asarray(self.torch_landscape.gradient(theta), np.float64)

    def hessian_matrix(self, theta: ArrayLike) -> Array:
        """The Hessian at one position, shape (P, P)."""
        return np.asarray(self.torch_landscape.hessian(theta=theta))

    def __repr__(self) -> str:
        if self.asked is None:
            return repr(self.torch_landscape)
        told = self.asked if isinstance(self.asked, int) else hashlib.sha256(self.asked.tobytes()).hexdigest()[:16]
        return f"{self.torch_landscape!r} along {told}"


def _in_torch_alone(*_: Any) -> Any:
    raise ValueError("a torch model has no formulas to compile; use simulate_torch or exit_times_torch")


def as_landscape(
    landscape: Landscape | TorchLandscape, noise: Any, directions: int | ArrayLike | None = None
) -> Landscape:
    """What the simulator takes, once it is seen to go with the noise.

    Raises
    ------
    ValueError
        If directions are given of what is no torch model, or for a noise model, which needs all; or for
        `Minibatches` of other data.
    """
    if not isinstance(landscape, TorchLandscape):
        if directions is not None:
            raise ValueError("directions are for a TorchLandscape; those of other landscapes are their own")
        return landscape
    if directions is not None and not isinstance(noise, TorchMinibatches):
        raise ValueError(
            f"directions: {noise!r} would leave out all other directions of {landscape.dimension}; use "
            "TorchMinibatches, or None"
        )
    if isinstance(noise, Minibatches):
        raise ValueError(
            "noise = Minibatches(...): a TorchLandscape has data of its own; use TorchMinibatches(batch_size)"
        )
    if isinstance(noise, TorchMinibatches):
        noise.refuse_too_many(landscape.samples)
    return TorchAlong(landscape, directions)


def deviates(law: Law, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Draws of a law, of unit deviation."""
    normals = torch.randn((law.draws, *shape), generator=generator, dtype=torch.float64)
    return normals[0] if law == NORMAL else torch.from_numpy(law.of_normals(normals.numpy()))


def minibatch_gradient(
    landscape: Landscape, noise: TorchMinibatches | Minibatches, seed: int, replicas: Sequence[int]
) -> Gradient:
    """Gradients of rows (replica, P) by each replica's own minibatch; of a torch model 0 where one is no longer inside.

    A torch model's rows are taken one by one: each has the bits that it has alone, and on CPUs stacking them is no
    faster.
    """
    if isinstance(noise, Minibatches):
        return _sampled(landscape, noise, seed, replicas)
    network = landscape.network
    model, samples = network.sample_losses, network.samples

    def gradient(theta: torch.Tensor, iteration: int, inside: NDArray[np.bool_]) -> torch.Tensor:
        found = torch.zeros_like(theta)
        for row in np.flatnonzero(inside):
            drawn = torch.from_numpy(noise.positions(samples, seed, replicas[int(row)], iteration)).to(model.device)
            found[row] = model.mean_gradient(theta[row].to(model.start), drawn).to(found)
        return found

    return gradient


def _sampled(landscape: Landscape, noise: Minibatches, seed: int, replicas: Sequence[int]) -> Gradient:
    """Mean gradients of the same samples as in the kernels."""
    data, rows = torch.from_numpy(noise.data.copy()), np.array(replicas)

    def gradient(theta: torch.Tensor, iteration: int, inside: NDArray[np.bool_]) -> torch.Tensor:
        drawn = torch.from_numpy(noise.drawn(seed, rows, iteration + 1))
        each = noise.gradients(landscape, theta, data[drawn])
        return torch.stack([torch.broadcast_to(one, drawn.shape).mean(dim=1) for one in each], dim=1)

    return gradient
