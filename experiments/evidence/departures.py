"""Replicas that leave one checkpoint of a network's training, and their spread along the Hessian's eigenvectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diffusion import TorchLandscape
from experiments.evidence import replicas
from experiments.evidence.replicas import Rule
from experiments.evidence.training import LOSSES, Recipe

Array = NDArray[np.float64]

TOP, BULK = 10, 100  # directions up to these ranks, the largest curvature first; as many as TOP are the most negative
GROUPS = {
    "top": "the 10 directions of largest curvature",
    "bulk": "ranks 11 to 100",
    "negative": "the 10 directions of most negative curvature",
}
QUADRATIC = (2.0, 0.5, 0.1, -0.1)  # curvatures of the control
SAMPLES = 2000  # of the control
STEP = 1e-3  # between losses of which the second difference is a curvature


def eigenbasis(recipe: Mapping[str, Any], state: Array) -> dict[str, Any]:
    """A task of `Lab.each`: directions in which replicas are looked at, at a state of a run as `Run.states` has them.

    Returns
    -------
    dict
        `directions` as columns, those of all `GROUPS` one after another, of which `ends` tells where each begins and
        the last ends; their `curvature`, and the variance `noise` of one sample's gradient along each.
    """
    landscape = checkpoint(recipe, state)
    curvature, basis = np.linalg.eigh(landscape.hessian())
    ranks = np.arange(len(curvature))[::-1]  # eigenvalues ascend
    chosen = [ranks[:TOP], ranks[TOP:BULK], ranks[-TOP:]]
    every = np.concatenate(chosen)
    directions = np.ascontiguousarray(basis[:, every])
    noise = np.einsum("pi,pi->i", directions, landscape.noise_covariance() @ directions)
    ends = np.cumsum([0, *map(len, chosen)])
    return {"directions": directions, "ends": ends, "curvature": curvature[every], "noise": noise}


def departure(
    recipe: Mapping[str, Any],
    state: Array,
    directions: Array,
    ends: Array,
    rule: Mapping[str, Any],
    save: Sequence[int],
    count: int,
    seed: int,
) -> dict[str, Any]:
    """A task of `Lab.each`: how so many replicas spread from a checkpoint, looked at after each of some iterations.

    Parameters
    ----------
    recipe, state, directions, ends
        As `eigenbasis` takes and gives them.
    rule
        Arguments of `Rule`.
    save, count, seed
        As of `replicas.displacements`.

    Returns
    -------
    dict
        `mean` and `variance`, shape (save, directions), and `error`, shape (save, groups), see `replicas.variances`.
    """
    groups = [slice(int(begin), int(end)) for begin, end in pairwise(ends)]
    basis = torch.from_numpy(directions)
    return dict(_spread(checkpoint(recipe, state), Rule(**rule), save, count, seed, basis, groups))


def svag(
    recipe: Mapping[str, Any],
    state: Array,
    directions: Array,
    rule: Mapping[str, Any],
    iterations: int,
    count: int,
    seed: int,
) -> dict[str, Any]:
    """A task of `Lab.each`: where replicas are after so many iterations, each of as many steps as `Rule.level`.

    Returns
    -------
    dict
        Of each replica: `rise` of the loss of all samples, `along` its displacement along each of the directions,
        shape (count, directions), `square` that in all of them, and its `curvature` along the first direction.
    """
    landscape = checkpoint(recipe, state)
    (moved,) = replicas.displacements(landscape, Rule(**rule), (iterations,), replicas=count, seed=seed)
    theta = (landscape.sample_losses.start + moved).numpy()
    loss = landscape.loss(theta)
    sides = [landscape.loss(theta + sign * STEP * directions[:, 0]) for sign in (1, -1)]
    along = moved.numpy() @ directions
    return {
        "rise": loss - landscape.loss(),
        "along": along,
        "square": (moved**2).sum(dim=1).numpy(),
        "curvature": (sum(sides) - 2 * loss) / STEP**2,
    }


def control(
    rules: Mapping[str, Mapping[str, Any]], save: Sequence[int], count: int, seed: int, noise: float = 1.0
) -> dict[str, Any]:
    """A task of `Lab.each`: the same variances by the same code where the theorems' assumptions are true.

    The noise is that many times Equation 3's.
    """
    landscape = replicas.quadratic(QUADRATIC, SAMPLES, noise**0.5)
    identity = torch.eye(len(QUADRATIC), dtype=torch.float64)
    groups = [slice(k, k + 1) for k in range(len(QUADRATIC))]
    return {
        name: _spread(landscape, Rule(**settings), save, count, seed + number, identity, groups)["variance"]
        for number, (name, settings) in enumerate(rules.items())
    }


def checkpoint(recipe: Mapping[str, Any], state: Array) -> TorchLandscape:
    """The loss of the samples that a network was trained on, at a state of its run."""
    made = Recipe(**recipe)
    return TorchLandscape(made.model_at(state), LOSSES[made.loss], made.splits.train)


def _spread(
    landscape: TorchLandscape,
    rule: Rule,
    save: Sequence[int],
    count: int,
    seed: int,
    basis: torch.Tensor,
    groups: Sequence[slice],
) -> dict[str, Array]:
    """Mean, variance and errors of groups after each of the iterations."""
    moved = replicas.displacements(landscape, rule, save, replicas=count, seed=seed)
    found = [replicas.variances((each @ basis).numpy(), groups) for each in moved]
    columns = zip(("mean", "variance", "error"), zip(*found, strict=True), strict=True)
    return {name: np.array(column) for name, column in columns}
