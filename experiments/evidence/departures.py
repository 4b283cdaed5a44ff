"""Replicas that leave one checkpoint of a network's training, and their spread along the Hessian's eigenvectors."""

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


def departures(
    recipe: Mapping[str, Any],
    state: Sequence[float],
    rules: Mapping[str, Mapping[str, Any]],
    save: Sequence[int],
    count: int,
    seed: int,
) -> dict[str, Any]:
    """A task of `Lab.each`: how replicas spread from a checkpoint.

    Parameters
    ----------
    recipe, state
        The training, and the checkpoint: its parameters as `Run.states` has them.
    rules
        Ensembles by name: arguments of `Rule`.
    save
        Iterations after which they are measured.
    count, seed
        Replicas of each ensemble, and the seed of the first one.

    Returns
    -------
    dict
        `curvature` and `noise` of one sample along the directions of all `GROUPS`, of which `ends` tells where each
        begins and the last ends; for each ensemble ``name: mean`` and ``name: variance`` of shape (save, directions),
        and ``name: error`` of shape (save, groups), see `replicas.variances`.
    """
    landscape = checkpoint(Recipe(**recipe), state)
    curvature, basis = np.linalg.eigh(landscape.hessian())
    ranks = np.arange(len(curvature))[::-1]  # eigenvalues ascend
    chosen = [ranks[:TOP], ranks[TOP:BULK], ranks[-TOP:]]
    every = np.concatenate(chosen)
    basis, ends = np.ascontiguousarray(basis[:, every]), np.cumsum([0, *map(len, chosen)])
    noise = np.einsum("pi,pi->i", basis, landscape.noise_covariance() @ basis)
    groups = [slice(int(begin), int(end)) for begin, end in pairwise(ends)]
    arrays: dict[str, Any] = {"curvature": curvature[every], "noise": noise, "ends": ends}
    for number, (name, settings) in enumerate(rules.items()):
        spread = _spread(landscape, Rule(**settings), save, count, seed + number, torch.from_numpy(basis), groups)
        arrays |= {f"{name}: {part}": array for part, array in spread.items()}
    return arrays


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


def checkpoint(made: Recipe, state: Sequence[float]) -> TorchLandscape:
    """The loss of the samples that a network was trained on, at a state of its run."""
    return TorchLandscape(made.model_at(np.asarray(state)), LOSSES[made.loss], made.splits.train)


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
