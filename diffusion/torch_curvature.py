"""Curvature of a torch model's loss: products with the Hessian, its matrix and top eigenpairs, and Gauss-Newton."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import grad, jacrev, jvp, vmap

from diffusion.torch_model import Index, SampleLosses, chunks, count

TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-4}  # of eigenpairs found by Lanczos, relative; above rounding

Array = NDArray[Any]


def hessian_products(model: SampleLosses, theta: torch.Tensor, vectors: torch.Tensor, index: Index) -> torch.Tensor:
    """The Hessian of the mean loss of some samples times each row of (m, P), by differentiating the gradient again."""
    theta = theta.detach().requires_grad_()
    total = torch.zeros_like(vectors)
    for part in chunks(index):
        (slope,) = torch.autograd.grad(model.losses(theta, part).sum(), theta, create_graph=True)
        for row, vector in enumerate(vectors if slope.requires_grad else ()):  # else the loss is linear
            total[row] += torch.autograd.grad(slope, theta, vector, retain_graph=True, materialize_grads=True)[0]
    return total / count(index)


def hessian_matrix(model: SampleLosses, theta: torch.Tensor, index: Index) -> torch.Tensor:
    """The whole Hessian, shape (P, P), symmetric to the last bit."""
    identity = torch.eye(model.dimension, dtype=model.dtype, device=model.device)
    matrix = hessian_products(model, theta, identity, index)
    return (matrix + matrix.T) / 2


def gauss_newton_matrix(model: SampleLosses, theta: torch.Tensor, index: Index) -> torch.Tensor:
    """The generalised Gauss-Newton matrix, (P, P): the Hessian without second derivatives of the model's outputs."""
    total = torch.zeros(model.dimension, model.dimension, dtype=model.dtype, device=model.device)
    slopes = vmap(jacrev(lambda theta, x: model.called(theta, x[None])[0]), in_dims=(None, 0))
    width = max(1, model.outputs(theta, slice(0, 1)).numel())
    for part in chunks(index, max(1, model.at_once() // width)):
        _, bend = by_outputs(model, theta, part)
        jacobian = slopes(theta, model.inputs[part]).detach().reshape(len(bend), width, -1)
        total += jacobian.flatten(0, 1).T @ (bend @ jacobian).flatten(0, 1)
    return (total + total.T) / (2 * count(index))


def top_eigenpairs(model: SampleLosses, theta: torch.Tensor, k: int) -> tuple[Array, Array]:
    """The k largest eigenvalues, descending, and their eigenvectors as columns, by Lanczos from one fixed start."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    everything = slice(0, model.samples)
    if 2 * k >= model.dimension:
        values, vectors = np.linalg.eigh(hessian_matrix(model, theta, everything).cpu().numpy())
        values, vectors = values[-k:], vectors[:, -k:]
    else:

        def product(vector: Array) -> Array:
            rows = torch.as_tensor(vector.reshape(1, -1)).to(theta)
            return np.asarray(hessian_products(model, theta, rows, everything)[0].cpu().numpy(), np.float64)

        operator = LinearOperator((model.dimension,) * 2, matvec=product, dtype=np.float64)
        start = np.random.Generator(np.random.Philox(0)).standard_normal(model.dimension)
        values, vectors = eigsh(operator, k, which="LA", v0=start, tol=TOLERANCE[model.dtype])
    order = np.argsort(values)[::-1]
    vectors = vectors[:, order]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(k)]
    return values[order], vectors * np.sign(largest)


def by_outputs(model: SampleLosses, theta: torch.Tensor, index: Index) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients (some, w) and Hessians (some, w, w) of single samples' losses by the w outputs of the model."""

    def loss_of_one(outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        losses: torch.Tensor = model.loss(outputs[None], target[None])
        return losses[0]

    outputs, targets = model.outputs(theta, index).detach(), model.targets[index]
    slopes, bends = (vmap(of)(outputs, targets) for of in (grad(loss_of_one), jacrev(grad(loss_of_one))))
    width = outputs[0].numel()
    return slopes.detach().reshape(-1, width), bends.detach().reshape(-1, width, width)


def outputs_along(model: SampleLosses, theta: torch.Tensor, direction: torch.Tensor, index: Index) -> torch.Tensor:
    """First derivatives of the outputs along a direction (P,), shape (some, w)."""
    return _once(lambda place: _flat(model.outputs(place, index)), theta, direction)[1]


def outputs_twice_along(
    model: SampleLosses, theta: torch.Tensor, direction: torch.Tensor, index: Index
) -> tuple[torch.Tensor, torch.Tensor]:
    """First and second derivatives of the outputs along a direction (P,), each shape (some, w)."""
    zero = torch.zeros((), dtype=model.dtype, device=model.device)
    one = torch.ones_like(zero)

    def line(t: torch.Tensor) -> torch.Tensor:
        return _flat(model.outputs(theta + t * direction, index))

    return _once(lambda t: _once(line, t, one)[1], zero, one)


def _flat(outputs: torch.Tensor) -> torch.Tensor:
    return outputs.reshape(outputs.shape[0], -1)


def _once(
    function: Callable[[torch.Tensor], torch.Tensor], at: torch.Tensor, direction: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Value and derivative along a direction; after `load_forward_mode`."""
    found: Any = jvp(function, (at,), (direction,))
    return found[0], found[1]


@cache
def load_forward_mode() -> None:
    """Let torch load what it needs of itself for derivatives forwards, with its own deprecation warnings, once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        jvp(torch.sin, (torch.zeros(1),), (torch.zeros(1),))
