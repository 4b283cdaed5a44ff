"""Replicas of a network: runs of SGD or Momentum from one checkpoint, each with minibatches of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import grad, vmap

from diffusion import TorchLandscape

Array = NDArray[np.float64]

STARTS = ("rest", "thermal")
FORGOTTEN = 10  # memories 1/(1 - inertia) after which nothing is left of a start at rest


@dataclass(frozen=True)
class Rule:
    """One iteration of every replica, as the optimizer has it: m <- inertia m + (1 - inertia) g, theta <- theta - lr m.

    Attributes
    ----------
    lr, inertia
        The learning rate and beta1; 0 is SGD.
    batch_size
        Samples of a minibatch.
    replacement
        Whether minibatches are drawn independently, as the theory has it; else an epoch is a random order of all.
    start
        "rest", m = 0 as optimizers begin, or "thermal": what m is after many minibatches at the checkpoint.
    level
        SVAG's l (Li, Malladi, Arora 2021): an iteration is l steps of lr/l, whose gradients come from two minibatches
        such that their covariance is l times as large; 1 is the optimizer itself.
    """

    lr: float
    inertia: float = 0.0
    batch_size: int = 10
    replacement: bool = True
    start: str = "rest"
    level: int = 1

    @property
    def weights(self) -> tuple[float, float]:
        """Of both minibatches' gradients: their sum is 1, the sum of their squares l."""
        root = float(np.sqrt(2 * self.level - 1))
        return (1 + root) / 2, (1 - root) / 2


def displacements(
    landscape: TorchLandscape, rule: Rule, save: Sequence[int], *, replicas: int, seed: int
) -> Iterator[Tensor]:
    """Displacements from the checkpoint, which the landscape's own parameters are, of shape (replicas, P).

    Parameters
    ----------
    landscape, rule
        The network with its data, and what moves it.
    save
        Iterations after which they are given, ascending.
    replicas, seed
        How many runs, and the seed of their minibatches. The same bits at one thread of torch.
    """
    model = landscape.sample_losses
    slopes = stacked_gradient(landscape)
    generator = torch.Generator().manual_seed(seed % 2**63)
    draws = minibatches(landscape.samples, rule, replicas, generator)
    theta = model.start.repeat(replicas, 1)
    momentum = torch.zeros_like(theta)
    first, second = rule.weights

    def noisy_gradient() -> Tensor:
        gradient = first * slopes(theta, next(draws))
        return gradient if second == 0 else gradient + second * slopes(theta, next(draws))

    if rule.start == "thermal":
        for _ in range(int(np.ceil(FORGOTTEN / (1 - rule.inertia)))):
            momentum = rule.inertia * momentum + (1 - rule.inertia) * noisy_gradient()
    for iteration in range(1, save[-1] + 1):
        for _ in range(rule.level):
            momentum = rule.inertia * momentum + (1 - rule.inertia) * noisy_gradient()
            theta = theta - rule.lr / rule.level * momentum
        if iteration in save:
            yield theta - model.start


def stacked_gradient(landscape: TorchLandscape) -> Callable[[Tensor, Tensor], Tensor]:
    """The gradients of replicas (R, P), each on a minibatch of its own: samples (R, B)."""
    model = landscape.sample_losses

    def mean_loss(theta: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        losses: Tensor = model.loss(model.called(theta, inputs), targets)
        return losses.mean()

    each = vmap(grad(mean_loss))
    return lambda theta, batch: each(theta, model.inputs[batch], model.targets[batch])


def minibatches(samples: int, rule: Rule, replicas: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Positions of samples, shape (replicas, batch size), one iteration after another without an end."""
    whole = samples // rule.batch_size * rule.batch_size
    while True:
        if rule.replacement:
            yield torch.randint(samples, (replicas, rule.batch_size), generator=generator)
        else:
            order = torch.rand(replicas, samples, generator=generator, dtype=torch.float64).argsort(dim=1)
            yield from order[:, :whole].reshape(replicas, -1, rule.batch_size).unbind(dim=1)


def variances(along: Array, groups: Sequence[Any]) -> tuple[Array, Array, Array]:
    """Means and variances of replicas along directions, shape (replicas, directions), and errors of groups of them.

    Returns
    -------
    mean, variance
        Shape (directions,).
    error
        Of the logarithm of the geometric mean of each group's variances, shape (groups,), by leaving out each replica.
    """
    count = len(along)
    mean = along.mean(axis=0)
    squares = (along - mean) ** 2
    total = squares.sum(axis=0)
    without = np.log((total - squares * count / (count - 1)) / (count - 2))
    each = np.array([without[:, group].mean(axis=1) for group in groups])
    error = np.sqrt((count - 1) * each.var(axis=1))
    return mean, total / (count - 1), error


class Position(nn.Module):
    """A model that is nothing but its parameters, whatever the input."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(dimension))

    def forward(self, inputs: Tensor) -> Tensor:
        """The parameters for each input."""
        return self.theta.expand(len(inputs), -1)


def quadratic(curvature: Sequence[float], samples: int, spread: float = 1.0, seed: int = 0) -> TorchLandscape:
    """A loss whose Hessian is diagonal and the same everywhere, at its critical point, with noise of one sample
    C = spread^2 |H| exactly and everywhere: what the theorems assume, so that whatever judges networks is tried on it.
    """
    h = torch.tensor(curvature, dtype=torch.float64)
    pulls = torch.randn(samples, len(h), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    pulls = (pulls - pulls.mean(dim=0)) / pulls.std(dim=0, correction=0) * spread

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return (h / 2 * outputs**2 - h.abs().sqrt() * targets * outputs).sum(dim=-1)

    return TorchLandscape(Position(len(h)).double(), loss, (torch.zeros(samples, 1), pulls))
