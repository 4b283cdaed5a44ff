"""Any torch optimizer, by a factory of parameters: a dynamics, once it is seen to update each replica by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from diffusion.dynamics import Dynamics

STEPS, STEADY = 40, 10  # in which mixing is looked for; gradients are constant in the first of them
SCALES = (1e-3, 1e3)  # of the gradients in these steps: some clip large ones alone
ABSOLUTE, RELATIVE = 1e-12, 1e-6  # rounding: of positions near 1, and of steps that are computed in float32
EXAMPLE = "lambda params: torch.optim.NAdam(params, lr=0.01)"

Array = NDArray[np.float64]
Factory = Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True, repr=False)
class FromFactory(Dynamics):
    """A torch optimizer as a dynamics, of which no idealization is known.

    Parameters
    ----------
    factory
        Makes the optimizer of a list of one parameter.
    name
        Its class and settings, for the record.
    lr
        Its learning rate, for clocks; 1 if it has none.
    """

    factory: Factory
    name: str
    lr: float
    second_moment = "running"

    def inertia(self, v: Array, mean_v: float) -> NoReturn:
        """Refused: nothing is known of it."""
        raise ValueError(f"{self!r} has no idealized rule; use an optimizer of diffusion's")

    def learning_rate(self, v: Array) -> NoReturn:
        """Refused likewise."""
        self.inertia(v, 1.0)

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """The factory's."""
        return self.factory(list(params))

    def __repr__(self) -> str:
        return self.name


def as_dynamics(dynamics: Dynamics | Factory, replicas: int, coordinates: int) -> Dynamics:
    """A dynamics that torch has, or that of a factory's optimizer, after steps of a tensor (replicas, coordinates).

    Raises
    ------
    ValueError
        If the dynamics is idealized, or the factory's optimizer cannot run replicas as one tensor.
    """
    if isinstance(dynamics, Dynamics):
        dynamics.torch_optimizer([torch.nn.Parameter(torch.zeros(1))])  # refuses what torch does not have
        return dynamics
    if not callable(dynamics):
        raise ValueError(f"dynamics = {dynamics!r} must be a dynamics, or make a torch optimizer, as {EXAMPLE}")
    optimizer = _made(dynamics, torch.nn.Parameter(torch.zeros(replicas, coordinates, dtype=torch.float64)))
    _refuse_mixing(dynamics, optimizer, replicas, coordinates)
    return FromFactory(dynamics, _named(optimizer), float(optimizer.param_groups[0].get("lr", 1.0)))


def _made(factory: Factory, theta: torch.nn.Parameter) -> torch.optim.Optimizer:
    """The factory's optimizer of this parameter, which is all that it may hold."""
    optimizer: Any = factory([theta])
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ValueError(f"dynamics makes {optimizer!r}, which is no torch.optim.Optimizer; give one, as {EXAMPLE}")
    held = [p for group in optimizer.param_groups for p in group["params"]]
    if len(held) != 1 or held[0] is not theta:
        raise ValueError(
            f"{_named(optimizer)} holds {len(held)} parameters, and must hold the one that the factory is handed; hand "
            f"`params` on as they are, to a new optimizer each time, as {EXAMPLE}"
        )
    return optimizer


def _named(optimizer: torch.optim.Optimizer) -> str:
    """Its class and settings: those of its group, and plain attributes, where some libraries keep a few."""
    settings = {name: value for name, value in optimizer.param_groups[0].items() if name != "params"}
    for name, value in vars(optimizer).items():
        if not name.startswith("_") and isinstance(value, bool | int | float | str):
            settings.setdefault(name, value)
        elif isinstance(value, torch.optim.Optimizer):  # of a wrapper
            settings[name] = _named(value)
    kind = type(optimizer)
    return (
        f"{kind.__module__}.{kind.__qualname__}({', '.join(f'{name}={value!r}' for name, value in settings.items())})"
    )


def _refuse_mixing(factory: Factory, optimizer: torch.optim.Optimizer, replicas: int, coordinates: int) -> None:
    """Refuse an optimizer under which some elements of a tensor move otherwise than alone.

    Elements are single coordinates, or whole replicas if the optimizer has the setting `replicas`, as Adai's. A
    coordinate is tried as a matrix and as a vector, as some optimizers treat these differently.
    """
    name, whole = _named(optimizer), bool(optimizer.param_groups[0].get("replicas", False))
    numbers = torch.arange(1, replicas * coordinates + 1, dtype=torch.float64).reshape(replicas, coordinates)
    columns = [slice(None)] if whole else [slice(k, k + 1) for k in sorted({0, coordinates - 1})]
    places = [(slice(r, r + 1), column) for r in sorted({0, replicas // 2, replicas - 1}) for column in columns]
    for scale in SCALES:
        (first, _), (again, _) = (_displaced(factory, numbers[places[0]], scale) for _ in range(2))
        if not torch.equal(first, again):
            raise ValueError(
                f"{name} draws random numbers of its own, which seed does not fix; leave them out, or give the noise "
                "of gradients as noise"
            )
        together, settings = _displaced(factory, numbers, scale)
        for place, shape in product(places, [(1, -1)] if whole else [(1, 1), (1,)]):
            alone, settings_alone = _displaced(factory, numbers[place].reshape(shape), scale)
            among = together[place].reshape(shape)
            # settings that it adapts, as a step length from all gradients, may act only later
            if settings != settings_alone or not torch.allclose(among, alone, rtol=RELATIVE, atol=ABSOLUTE):
                what = f"replica {place[0].start}" + ("" if whole else f", coordinate {place[1].start}")
                raise ValueError(
                    f"{name} moves {what} by {among.tolist()} in a tensor of {replicas} replicas and by "
                    f"{alone.tolist()} alone, in {STEPS} steps with gradients of scale {scale:g}, or adapts its "
                    "settings otherwise. Replicas run as one tensor, of which each element must be updated by itself: "
                    "no norms, means, factors or projections of a gradient; use such an optimizer, or one that takes "
                    "the leading axis for replicas, as Adai(params, lr, replicas=True)"
                )


def _displaced(factory: Factory, numbers: torch.Tensor, scale: float) -> tuple[torch.Tensor, dict[str, float]]:
    """How far a new optimizer moves elements in STEPS steps, and its settings then.

    An element's number sets where it starts and its gradients.
    """
    theta = torch.nn.Parameter(torch.cos(numbers))
    optimizer: Any = _made(factory, theta)
    for t in range(1, STEPS + 1):
        theta.grad = scale * torch.sin(max(t - STEADY, 1) * numbers)
        try:
            optimizer.step()
        except Exception as error:
            raise ValueError(
                f"{_named(optimizer)}.step() raises {error!r}: replicas are stepped by their gradients alone; use an "
                "optimizer that needs no closure, loss or second derivatives, and runs in float64"
            ) from error
    if not theta.isfinite().all():
        raise ValueError(
            f"{_named(optimizer)} leaves floating-point range in {STEPS} steps with gradients of scale {scale:g}; "
            "lower lr"
        )
    settings = {
        name: float(value)
        for name, value in optimizer.param_groups[0].items()
        if isinstance(value, int | float) or (isinstance(value, torch.Tensor) and value.numel() == 1)
    }
    return theta.detach() - torch.cos(numbers), settings
