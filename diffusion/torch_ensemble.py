"""The real optimizers: torch.optim's, and our Adai, on the same problem with all replicas in one tensor."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike

from diffusion import checks
from diffusion.dynamics import SGD, Adai, Adam, Dynamics, Momentum, RMSprop
from diffusion.landscapes import QuadraticSaddle
from diffusion.noise import Noise
from diffusion.optimizers import Adai as TorchAdai
from diffusion.plan import DIVERGED, label, plan_run

if TYPE_CHECKING:
    import xarray


def simulate_torch(
    dynamics: Dynamics,
    landscape: QuadraticSaddle,
    *,
    noise: Noise,
    iterations: int,
    replicas: int,
    start: ArrayLike | None = None,
    save: ArrayLike | None = None,
    keep: str = "moments",
    seed: int = 0,
) -> "xarray.Dataset":
    """Run the shipped torch optimizer on many replicas at once, in float64, from rest.

    Each step hands the optimizer the gradient of the loss plus a normal draw from the noise model. Parameters, result and
    errors are those of `diffusion.simulate`; the seed is that of a `torch.Generator`, so the draws differ from
    `simulate`'s. Adam, RMSprop and Adai must have ``second_moment="running"``: torch ships no other.
    """
    if isinstance(dynamics, Adam | RMSprop | Adai) and dynamics.second_moment != "running":
        raise ValueError(
            f"second_moment = {dynamics.second_moment!r}: torch ships only the running second moment; use "
            "second_moment='running', or diffusion.simulate for the idealized rule"
        )
    plan = plan_run(dynamics, landscape, noise, iterations, replicas, start, "rest", save, keep, 1, seed, "float64")
    generator = torch.Generator().manual_seed(checks.whole("seed", seed, least=0))
    theta = torch.nn.Parameter(torch.from_numpy(np.tile(plan.origin, (replicas, 1))))
    optimizer = shipped_optimizer(dynamics, theta)
    hessian = torch.from_numpy(plan.basis * plan.hessian @ plan.basis.T)
    spread = torch.from_numpy((plan.basis * np.sqrt(plan.variance)).T.copy())

    shape = (len(plan.save), landscape.dimension)
    squares, fourths = np.zeros(shape), np.zeros(shape)
    diverged = np.zeros(len(plan.save), dtype=np.int64)
    states = np.empty((replicas if keep == "states" else 0, *shape))
    done = 0
    for s, target in enumerate(plan.save):
        for _ in range(int(target) - done):
            draws = torch.randn(theta.shape, generator=generator, dtype=torch.float64)
            theta.grad = theta.detach() @ hessian + draws @ spread
            optimizer.step()
        done = int(target)
        position = theta.detach().numpy()
        displacement = (position - plan.origin) @ plan.basis
        out = ~np.all(np.abs(displacement) < DIVERGED, axis=1)
        diverged[s] = out.sum()
        squares[s] = np.sum(displacement[~out] ** 2, axis=0)
        fourths[s] = np.sum(displacement[~out] ** 4, axis=0)
        states[:, s] = position[: len(states)]
    return label(plan, squares, fourths, diverged, states if keep == "states" else None)


def shipped_optimizer(dynamics: Dynamics, theta: torch.nn.Parameter) -> torch.optim.Optimizer:
    """The torch optimizer for a dynamics; the leading axis of theta indexes replicas."""
    match dynamics:
        case SGD(lr=lr):
            return torch.optim.SGD([theta], lr=lr)
        case Momentum(lr=lr, beta1=beta1, style="heavy-ball"):
            return torch.optim.SGD([theta], lr=lr, momentum=beta1)
        case Momentum(lr=lr, beta1=beta1):
            # not torch's dampening, which leaves the first gradient undamped
            return torch.optim.SGD([theta], lr=lr * (1 - beta1), momentum=beta1)
        case RMSprop(lr=lr, beta2=beta2, eps=eps):
            return torch.optim.RMSprop([theta], lr=lr, alpha=beta2, eps=eps)
        case Adam(lr=lr, beta1=beta1, beta2=beta2, eps=eps):
            return torch.optim.Adam([theta], lr=lr, betas=(beta1, beta2), eps=eps)
        case Adai(lr=lr, beta0=beta0, beta2=beta2, eps=eps):
            return TorchAdai([theta], lr=lr, betas=(beta0, beta2), eps=eps, replicas=True)
    raise ValueError(f"{dynamics!r} has no torch optimizer; use SGD, Momentum, RMSprop, Adam or Adai")
