"""A task of `Lab.each`: train a network, and measure its curvature and its gradients' noise along the training."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import grad, jvp, vmap

from diffusion.torch_curvature import load_forward_mode, slopes_along
from diffusion.torch_landscape import TorchLandscape
from diffusion.torch_model import chunks
from experiments.evidence import tails
from experiments.evidence.training import LOSSES, Recipe, train

Array = NDArray[np.float64]

WHOLE = 3000  # parameters up to which all eigenvectors of the Hessian are found
FOUND = 40  # eigenvectors that are found of larger networks
ENDS = 24  # of all eigenvectors those whose noise is measured: so many at each end of the spectrum, the rest evenly
NUMBERS = 2**26  # of single samples' gradients at most: of larger networks fewer samples have their coordinates seen
CURVED = 100  # samples whose own Hessians are applied to eigenvectors
BATCH_SIZES = (10, 100)  # of the minibatches whose tails are looked at
ACROSS, OVER = 64, 2500  # minibatches with a tail index each, and those that one index along a direction is taken of
BLOCK = 48  # eigenvectors between which covariances are kept, for a picture


def noise_along_training(directions: int, steps: list[int], **recipe: Any) -> dict[str, Any]:
    """The noise at some steps of a training.

    Parameters
    ----------
    directions
        Eigenvectors of the Hessian along which noise is measured.
    steps
        Iterations after which it is; 0: the network as it is initialized.
    recipe
        The training, see `Recipe`. Curvature and noise are those of all its samples.

    Returns
    -------
    dict
        What `noise_of` gives, stacked along a first axis of the steps; of a run that diverged before a step NaN there.
    """
    recipe["epochs"] = 1 + (max(steps) - 1) // Recipe(**recipe).steps if max(steps) else 1
    plan = Recipe(**recipe, keep=tuple(steps))
    run = train(plan)
    landscapes = [
        TorchLandscape(plan.model_at(run.states[step]), LOSSES[plan.loss], plan.splits.train)
        for step in steps
        if step in run.states and np.isfinite(run.states[step]).all()
    ]
    points = [noise_of(landscape, directions) for landscape in landscapes]
    if not points:
        raise ValueError(f"the training diverged at iteration {run.diverged}, before any step that is measured")
    lost = [{name: np.full_like(array, np.nan) for name, array in points[0].items()}] * (len(steps) - len(points))
    stacked = {name: np.stack([point[name] for point in points + lost]) for name in points[0]}
    return stacked | {"parameters": landscapes[0].dimension, "error": run.curves["test_error"][-1]}


def noise_of(landscape: TorchLandscape, directions: int) -> dict[str, Array]:
    """Curvature and noise of one network, by eigenvector of its Hessian and by coordinate.

    Parameters
    ----------
    landscape
        The network's loss on its data.
    directions
        How many eigenvectors; of a large network at most `FOUND`, those of largest eigenvalue.

    Returns
    -------
    dict
        Of the fields of `noise.Point` arrays (directions,); of coordinates "coordinate_skewness" and
        "coordinate_kurtosis" (P,); tail indices of the noise and of its Gaussian likeness, see `tails`; "cosine" between
        the matrices |H| and C, NaN of a large network; and "block", C between some eigenvectors, whose eigenvalues,
        "block_curvature", fall in size.
    """
    whole = landscape.dimension <= WHOLE
    if whole:
        curvature, vectors = np.linalg.eigh(landscape.hessian())
    else:
        curvature, vectors = landscape.hessian(min(FOUND, directions))
    seen = min(landscape.samples, max(2, NUMBERS // landscape.dimension))
    gradients = landscape.sample_gradients(samples=np.arange(seen))
    chosen = _spread(len(curvature), directions)
    load_forward_mode()
    measured: dict[str, Array] = {"curvature": curvature[chosen], "loss": np.array(landscape.loss())}
    measured |= _matrix(curvature, vectors, gradients)
    measured["cosine"] = measured["cosine"] if whole else np.array(np.nan)
    single = [_along(landscape, vectors[:, k]) for k in chosen]
    slopes, linear = (np.stack(columns, axis=1) for columns in zip(*single, strict=True))
    measured["variance"], measured["skewness"], measured["kurtosis"] = tails.moments(slopes)
    measured["gauss_newton"] = linear.mean(axis=0)
    measured["squared_curvature"] = np.array([_squared_curvature(landscape, vectors[:, k]) for k in chosen])
    _, measured["coordinate_skewness"], measured["coordinate_kurtosis"] = tails.moments(gradients)
    for size in BATCH_SIZES:
        across = tails.tail_indices(gradients, size, ACROSS, seed=size)
        over = tails.tail_indices_along(slopes[:, _spread(len(chosen), BLOCK)], size, OVER, seed=size)
        names = (f"{where} {what} {size}" for where in ("across", "along") for what in ("noise", "gauss"))
        measured |= dict(zip(names, (*across, *over), strict=True))
    return measured


def _along(landscape: TorchLandscape, direction: Array) -> tuple[Array, Array]:
    """Slopes and Gauss-Newton curvatures of single samples' losses along a direction."""
    model, vector = landscape.sample_losses, torch.as_tensor(direction.copy())
    parts = [slopes_along(model, model.start, vector, part) for part in chunks(slice(0, landscape.samples))]
    slopes, linear = (torch.cat(columns).cpu().numpy() for columns in zip(*parts, strict=True))
    return np.asarray(slopes), np.asarray(linear)


def _squared_curvature(landscape: TorchLandscape, direction: Array) -> float:
    """The mean over samples of the squared length of H_n v: of the square of single samples' Hessians along v."""
    model, vector = landscape.sample_losses, torch.as_tensor(direction.copy())

    def product(inputs: Tensor, targets: Tensor) -> Tensor:
        def loss(theta: Tensor) -> Tensor:
            losses: Tensor = model.loss(model.called(theta, inputs[None]), targets[None])
            return losses[0]

        turned: Tensor = jvp(grad(loss), (model.start,), (vector,))[1]
        return turned

    products = vmap(product)(model.inputs[:CURVED], model.targets[:CURVED])
    return float(products.square().sum(dim=1).mean())


def _matrix(curvature: Array, vectors: Array, gradients: Array) -> dict[str, Array]:
    """The covariance of single samples' gradients as a matrix in the Hessian's eigenbasis."""
    centred = (gradients - gradients.mean(axis=0)) @ vectors
    order = np.argsort(-np.abs(curvature))
    ranks = np.unique(np.geomspace(1, len(order), BLOCK).round().astype(int)) - 1
    block = centred[:, order[ranks]]
    covariance = centred.T @ centred / len(centred)
    size = np.abs(curvature)
    cosine = size @ np.diag(covariance) / np.linalg.norm(size) / np.linalg.norm(covariance)
    return {"cosine": cosine, "block": block.T @ block / len(centred), "block_curvature": curvature[order[ranks]]}


def _spread(count: int, chosen: int) -> NDArray[np.int64]:
    """Some of so many sorted numbers: those at both ends, and the rest evenly."""
    if chosen >= count:
        return np.arange(count)
    ends = min(ENDS, chosen // 4)
    between = np.linspace(ends, count - 1 - ends, chosen - 2 * ends).round().astype(int)
    return np.concatenate([np.arange(ends), between, np.arange(count - ends, count)])
