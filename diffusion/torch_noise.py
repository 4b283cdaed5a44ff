"""The noise of a torch model's minibatches beside its curvature, along the Hessian's eigenvectors and coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import vmap

from diffusion.torch_curvature import by_outputs, load_forward_mode, outputs_along, outputs_twice_along
from diffusion.torch_model import Index, SampleLosses, chunks, count
from diffusion.variables import describe

if TYPE_CHECKING:
    import xarray

SIDE_BY_SIDE = 16  # directions that go through the model together

Array = NDArray[Any]


def along_directions(model: SampleLosses, theta: torch.Tensor, vectors: Array, squared_over: Index) -> dict[str, Array]:
    """What single samples have along the columns of (P, k), each of shape (k,).

    The mean of Gauss-Newton curvatures and of squared curvatures, and variance, skewness and excess kurtosis of slopes.
    Squared curvatures are of the samples `squared_over`, the others of all.
    """
    load_forward_mode()
    first = vmap(lambda direction, index: outputs_along(model, theta, direction, index), in_dims=(0, None))
    second = vmap(lambda direction, index: outputs_twice_along(model, theta, direction, index), in_dims=(0, None))
    rows = torch.as_tensor(vectors.T.copy()).to(theta)
    everything, few = (
        [(part, *by_outputs(model, theta, part)) for part in chunks(index)]
        for index in (slice(0, model.samples), squared_over)
    )
    found: dict[str, list[Array]] = {"gauss_newton": [], "squared_curvature": [], "moments": []}
    for some in torch.split(rows, SIDE_BY_SIDE):
        slopes, gauss_newton, squares = [], rows.new_zeros(len(some)), rows.new_zeros(len(some))
        for part, slope, bend in everything:
            moved = first(some, part)
            slopes.append((moved * slope).sum(dim=2))
            gauss_newton += _bent(moved, bend).sum(dim=1)
        for part, slope, bend in few:
            moved, turned = second(some, part)
            squares += ((_bent(moved, bend) + (turned * slope).sum(dim=2)) ** 2).sum(dim=1)
        found["gauss_newton"].append((gauss_newton / model.samples).cpu().numpy())
        found["squared_curvature"].append((squares / count(squared_over)).cpu().numpy())
        away = torch.cat(slopes, dim=1).cpu().numpy()
        away -= away.mean(axis=1, keepdims=True)
        found["moments"].append(np.array([np.mean(away**power, axis=1) for power in (2, 3, 4)]))
    moments = np.concatenate(found.pop("moments"), axis=1)
    return {name: np.concatenate(each) for name, each in found.items()} | _shape(moments)


def _bent(moved: torch.Tensor, bend: torch.Tensor) -> torch.Tensor:
    """Curvature of the loss of samples n with their outputs' moves, shape (directions, n, w), taken as straight."""
    return (torch.einsum("dnw,nwv->dnv", moved, bend) * moved).sum(dim=2)


def in_coordinates(model: SampleLosses, theta: torch.Tensor) -> dict[str, Array]:
    """Variance, skewness and excess kurtosis of one sample's gradient in each coordinate, shape (P,)."""
    everything = slice(0, model.samples)
    mean = model.mean_gradient(theta, everything)
    moments = torch.zeros(3, model.dimension, dtype=model.dtype, device=model.device)
    for gradients in model.gradients(theta, everything):
        away = gradients - mean
        moments += torch.stack([(away**power).sum(dim=0) for power in (2, 3, 4)])
    return _shape((moments / model.samples).cpu().numpy())


def _shape(moments: Array) -> dict[str, Array]:
    """Variance, skewness and excess kurtosis from the second to fourth central moments; NaN where nothing varies."""
    variance, third, fourth = moments
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"variance": variance, "skewness": third / variance**1.5, "kurtosis": fourth / variance**2 - 3}


def report(
    loss: float,
    curvature: Array,
    vectors: Array,
    along: dict[str, Array],
    coordinates: dict[str, Array],
    sizes: Sequence[int],
    parameters: dict[str, Any],
) -> xarray.Dataset:
    """The Dataset of `TorchLandscape.noise_report`; sums of B independent draws: skewness / sqrt(B), kurtosis / B."""
    import xarray

    batch = np.array(sizes)
    data: dict[str, Any] = {
        "loss": ((), loss),
        "eigenvector": (("coordinate", "direction"), vectors),
        "curvature": ("direction", curvature),
        "loss_curvature": ("direction", loss * np.abs(curvature)),
        "gauss_newton": ("direction", along["gauss_newton"]),
        "squared_curvature": ("direction", along["squared_curvature"]),
        "sample_variance": ("direction", along["variance"]),
        "coordinate_variance": ("coordinate", coordinates["variance"]),
    }
    for prefix, axis, moments in (("", "direction", along), ("coordinate_", "coordinate", coordinates)):
        for name, power in (("skewness", 0.5), ("kurtosis", 1.0)):
            data[f"{prefix}{name}"] = (("batch_size", axis), moments[name] / batch[:, None] ** power)
    coords = {"batch_size": batch, "coordinate": np.arange(len(vectors)), "direction": np.arange(vectors.shape[1])}
    return describe(xarray.Dataset(data, coords), parameters)
