"""Networks by their names."""

import importlib.util
import inspect
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from experiments.evidence.models import lstm, resnet, small, vgg

MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": small.mlp,
    "cnn": small.cnn,
    "residual": small.residual,
    "character-lstm": lstm.character_lstm,
    **{f"resnet{depth}": partial(resnet.resnet, depth=depth) for depth in resnet.DEPTHS},
    "vgg16": vgg.vgg16,
    "lstm": lstm.lstm,
}


def build(name: str, shape: tuple[int, ...], classes: int, seed: int = 0, **settings: Any) -> nn.Module:
    """A network with the parameters that this seed gives.

    Parameters
    ----------
    name
        One of `MODELS`, or ``module:function`` or ``file.py:function``, a function that makes a network and may take
        ``num_classes``, as those of torchvision do.
    shape, classes
        Of one input, without the batch; and how many classes its outputs tell apart.
    seed
        Of its parameters.
    settings
        More arguments of the function.

    Raises
    ------
    ValueError
        If there is no such network, or the function does not make one.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name in MODELS:
            return MODELS[name](shape, classes, **settings)
        return _users(name, classes, settings)


def _users(name: str, classes: int, settings: dict[str, Any]) -> nn.Module:
    """A network of the user's."""
    where, _, function = name.rpartition(":")
    if not where:
        raise ValueError(
            f"model = '{name}' must be one of {', '.join(MODELS)}, or module:function, or file.py:function"
        )
    try:
        make = getattr(_module(where), function)
        takes = inspect.signature(make).parameters.values()
        if any(parameter.name == "num_classes" or parameter.kind is parameter.VAR_KEYWORD for parameter in takes):
            settings = {"num_classes": classes} | settings
        model = make(**settings)
    except Exception as error:  # whatever the user's code does
        raise ValueError(f"model = '{name}' cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise ValueError(f"model = '{name}' makes a {type(model).__name__}; it must make a torch.nn.Module")
    return model


def _module(where: str) -> Any:
    """A module by its name, or by its file."""
    if not where.endswith(".py"):
        return import_module(where)
    spec = importlib.util.spec_from_file_location(f"own_model_{Path(where).stem}", where)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def state(model: nn.Module) -> Tensor:
    """Parameters and buffers (statistics of batch normalization) in one flat vector, in float64."""
    return torch.cat([part.detach().double().cpu().flatten() for part in model.state_dict().values()])


def with_state(model: nn.Module, vector: Any) -> nn.Module:
    """The same network at a state that `state` gave; it is in evaluation mode.

    Raises
    ------
    ValueError
        If the vector is of another length.
    """
    left, parts = torch.as_tensor(vector), model.state_dict()
    length = sum(part.numel() for part in parts.values())
    if left.shape != (length,):
        raise ValueError(f"a state of shape {tuple(left.shape)} is not one of this network, which has {length} numbers")
    for part in parts.values():
        part.copy_(left[: part.numel()].reshape(part.shape))
        left = left[part.numel() :]
    return model.eval()
