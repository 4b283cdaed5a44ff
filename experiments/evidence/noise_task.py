"""A task of `Lab.each`: train a network, and measure its curvature and its gradients' noise along the training."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import grad, jvp, vmap

from diffusion.torch_curvature import by_outputs, load_forward_mode, outputs_along
from diffusion.torch_landscape import TorchLandscape
from diffusion.torch_model import chunks
from experiments.evidence.training import LOSSES, Recipe, train
from experiments.problems import tails

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
        What `noise_of` gives, stacked along a first axis of the steps; of a run that diverged before a step NaN there,
        and of one that did before all of them its "loss" alone.
    """
    recipe["epochs"] = 1 + (max(steps) - 1) // Recipe(**recipe).steps if max(steps) else 1
    plan = Recipe(**recipe, keep=tuple(steps))
    run = train(plan)
    landscapes = [
        TorchLandscape(plan.model_at(run.states[step]), LOSSES[plan.loss], plan.splits.train)
        for step in steps
        if step in run.states and np.isfinite(run.states[step]).all()
    ]
    points = [noise_of(landscape, directions, plan.seed) for landscape in landscapes]
    if not points:
        return {"loss": np.full(len(steps), np.nan)}
    lost = [{name: np.full_like(array, np.nan) for name, array in points[0].items()}] * (len(steps) - len(points))
    stacked = {name: np.stack([point[name] for point in points + lost]) for name in points[0]}
    return stacked | {"parameters": landscapes[0].dimension, "error": run.curves["test_error"][-1]}


def noise_of(landscape: TorchLandscape, directions: int, seed: int) -> dict[str, Array]:
    """Curvature and noise of one network, by eigenvector of its Hessian and by coordinate.

    Parameters
    ----------
    landscape
        The network's loss on its data.
    directions
        How many eigenvectors; of a large network at most `FOUND`, those of largest eigenvalue.
    seed
        Of the minibatches and of the Gaussian noise whose tails are looked at.

    Returns
    -------
    dict
        Of the fields of `noise.Point` arrays (directions,); of coordinates "coordinate_skewness" and
        "coordinate_kurtosis" (P,); tail indices of the noise and of its Gaussian likeness, see `tails`; "cosine"
        between the matrices |H| and C, NaN of a large network; and "block", C between some eigenvectors, whose
        eigenvalues, "block_curvature", fall in size.
    """
    whole = landscape.dimension <= WHOLE
    if whole:
        curvature, vectors = np.linalg.eigh(landscape.hessian())
    else:
        curvature, vectors = landscape.hessian(min(FOUND, directions))
    seen = min(landscape.samples, max(2, NUMBERS // landscape.dimension))
    gradients = landscape.sample_gradients(samples=np.arange(seen))
    chosen = _spread(len(curvature), directions)
    measured: dict[str, Array] = {"curvature": curvature[chosen], "loss": np.array(landscape.loss())}
    measured |= _matrix(curvature, vectors, gradients)
    measured["cosine"] = measured["cosine"] if whole else np.array(np.nan)
    slopes, measured["gauss_newton"] = _along(landscape, vectors[:, chosen])
    measured["variance"], measured["skewness"], measured["kurtosis"] = tails.moments(slopes)
    measured["squared_curvature"] = np.array([_squared_curvature(landscape, vectors[:, k]) for k in chosen])
    _, measured["coordinate_skewness"], measured["coordinate_kurtosis"] = tails.moments(gradients)
    for size in BATCH_SIZES:
        across = tails.tail_indices(gradients, size, ACROSS, seed)
        over = tails.tail_indices_along(slopes[:, _spread(len(chosen), BLOCK)], size, OVER, seed)
        names = (f"{where} {what} {size}" for where in ("across", "along") for what in ("noise", "gauss"))
        measured |= dict(zip(names, (*across, *over), strict=True))
    return measured


def _along(landscape: TorchLandscape, vectors: Array) -> tuple[Array, Array]:
    """Slopes of single samples' losses along columns (samples, directions), and the mean Gauss-Newton curvatures."""
    model = landscape.sample_losses
    load_forward_mode()
    parts = [(part, *by_outputs(model, model.start, part)) for part in chunks(slice(0, landscape.samples))]
    slopes, curvatures = [], []
    for direction in torch.as_tensor(vectors.T.copy()):
        moves = [outputs_along(model, model.start, direction, part) for part, _, _ in parts]
        slopes.append(torch.cat([(move * slope).sum(dim=1) for move, (_, slope, _) in zip(moves, parts, strict=True)]))
        bent = [torch.einsum("nw,nwv,nv->", move, bend, move) for move, (_, _, bend) in zip(moves, parts, strict=True)]
        curvatures.append(float(torch.stack(bent).sum()) / landscape.samples)
    return np.asarray(torch.stack(slopes, dim=1).cpu().numpy()), np.array(curvatures)


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
