"""How sharp a minimum is: largest eigenvalues of the Hessian and expected sharpness, as they are and free of scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import nn

from diffusion import TorchLandscape
from experiments.evidence.training import LOSSES, Recipe

Array = NDArray[np.float64]

SIGMA = 0.01  # deviation of the perturbations behind the expected sharpness, of every parameter
RELATIVE_SIGMA = 0.05  # the same in units of `scales`
ACCURACY = 1e-2  # of the eigenvectors' residuals, relative; that of eigenvalues is its square


def losses(recipe: Mapping[str, Any], states: Array, samples: int) -> dict[str, Any]:
    """A task of `Lab.each`: the `loss` of the first samples of the training set at each of some states."""
    made = Recipe(**recipe)
    return {"loss": np.array([_landscape(made, state, samples).loss() for state in states])}


def sharpness(
    recipe: Mapping[str, Any], state: Array, samples: int, perturbed: int, eigenvalues: int, draws: int, seed: int
) -> dict[str, Any]:
    """A task of `Lab.each`: both measures at a state of a run.

    Parameters
    ----------
    recipe, state
        The run, and the state as `Run.states` has it; statistics of batch normalization stay as they are there.
    samples, perturbed
        How many of the training set the Hessian and the expected sharpness are of.
    eigenvalues, draws, seed
        How many of the largest, how many perturbations, and their seed: with the same one they are pairs.

    Returns
    -------
    dict
        `eigenvalues` of the Hessian H, largest first, and `free_eigenvalues` of S H S with S the `scales`; `rise`, of
        the loss of the perturbed, one for each draw, and `free_rise` with perturbations in proportion to the scales.
    """
    made = Recipe(**recipe)
    landscape = _landscape(made, state, samples)
    scale = scales(made.model_at(state))
    found: dict[str, Any] = {
        "eigenvalues": largest(landscape, eigenvalues, np.ones_like(scale)),
        "free_eigenvalues": largest(landscape, eigenvalues, scale),
    }
    landscape = _landscape(made, state, perturbed)
    directions = np.random.Generator(np.random.Philox(seed)).standard_normal((draws, len(scale)))
    before = landscape.loss()
    for name, size in (("rise", SIGMA * np.ones_like(scale)), ("free_rise", RELATIVE_SIGMA * scale)):
        found[name] = np.array([landscape.loss(landscape.parameters + size * each) - before for each in directions])
    return found


def scales(model: nn.Module) -> Array:
    """For each parameter the root mean square of its filter, the weights into one unit, or of its vector.

    Where a filter and what it is normalized by are multiplied by a number the network stays as it is, and so do
    perturbations and curvatures in these units.
    """
    parts = []
    for part in model.parameters():
        rows = part.detach().double().reshape(len(part) if part.dim() > 1 else 1, -1)
        parts.append(rows.square().mean(dim=1, keepdim=True).sqrt().expand_as(rows).flatten())
    return torch.cat(parts).numpy()


def largest(landscape: TorchLandscape, count: int, scale: Array) -> Array:
    """The largest eigenvalues of S H S, descending, by Lanczos from one fixed start; S is diagonal."""

    def product(vector: Array) -> Array:
        return np.asarray(scale * landscape.hessian_product(scale * np.ravel(vector)), float)

    operator = LinearOperator((landscape.dimension,) * 2, matvec=product, dtype=np.float64)
    start = np.random.Generator(np.random.Philox(0)).standard_normal(landscape.dimension)
    kept = min(max(2 * count + 1, 10), landscape.dimension)  # vectors between restarts: few, as accuracy is not sought
    values = eigsh(operator, count, which="LA", ncv=kept, v0=start, tol=ACCURACY, return_eigenvectors=False)
    return np.sort(values)[::-1]


def _landscape(made: Recipe, state: Array, samples: int) -> TorchLandscape:
    inputs, targets = made.splits.train
    return TorchLandscape(
        made.model_at(state), LOSSES[made.loss], (inputs[:samples], targets[:samples]), dtype=torch.float32
    )
