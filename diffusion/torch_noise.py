"""The noise of a torch model's minibatches beside its curvature, along eigenvectors of the Hessian and in coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import vmap

from diffusion.torch_curvature import curvatures_along, load_forward_mode, slopes_along
from diffusion.torch_model import Index, SampleLosses, chunks
from diffusion.variables import describe

if TYPE_CHECKING:
    import xarray

SIDE_BY_SIDE = 16  # directions that go through the model together

Array = NDArray[Any]


def along_directions(model: SampleLosses, theta: torch.Tensor, vectors: Array, squared_over: Index) -> dict[str, Array]:
    """What single samples have along the columns of (P, k): the mean of Gauss-Newton curvatures and of squared curvatures,
    and variance, skewness and excess kurtosis of slopes, each shape (k,).

    Squared curvatures are of the samples `squared_over`, the others of all.
    """
    load_forward_mode()
    slopes_of = vmap(lambda direction, index: slopes_along(model, theta, direction, index), in_dims=(0, None))
    curvatures_of = vmap(lambda direction, index: curvatures_along(model, theta, direction, index), in_dims=(0, None))
    rows = torch.as_tensor(vectors.T.copy()).to(theta)
    found: dict[str, list[Array]] = {"gauss_newton": [], "squared_curvature": [], "moments": []}
    for some in rows.split(SIDE_BY_SIDE):  # type: ignore[no-untyped-call]
        parts = [slopes_of(some, part) for part in chunks(slice(0, model.samples))]
        slopes, gauss_newton = (torch.cat(one, dim=1).cpu().numpy() for one in zip(*parts, strict=True))
        curvatures = torch.cat([curvatures_of(some, part) for part in chunks(squared_over)], dim=1).cpu().numpy()
        found["gauss_newton"].append(gauss_newton.mean(axis=1))
        found["squared_curvature"].append(np.mean(curvatures**2, axis=1))
        away = slopes - slopes.mean(axis=1, keepdims=True)
        found["moments"].append(np.array([np.mean(away**power, axis=1) for power in (2, 3, 4)]))
    moments = np.concatenate(found.pop("moments"), axis=1)
    return {name: np.concatenate(each) for name, each in found.items()} | _shape(moments)


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
    """The Dataset of `TorchLandscape.noise_report`; sums of B independent draws have skewness / sqrt(B) and kurtosis / B."""
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
