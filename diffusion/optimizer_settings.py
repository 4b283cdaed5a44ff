"""The settings of Adai's parameter groups: ranges, checkpoints, and `betas`, which a group holds as beta0 and beta2.

Where an optimizer's defaults have `betas`, torch's schedulers that cycle momentum overwrite its first entry; Adai's is
a damping. So `betas` is the name of the argument and in checkpoints only, and groups have a `momentum` that nothing
reads, for schedulers to write.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from itertools import chain
from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

Settings = dict[str, Any]
CYCLED = (
    "a momentum was written into the parameter groups, as by a scheduler that cycles it: it has no effect, as Adai's "
    "inertia follows the gradients and is not scheduled; give the scheduler cycle_momentum=False"
)
RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "lr": (lambda x: 0 <= x < math.inf, "be 0 or above and finite"),
    "beta0": (lambda x: 0 < x < math.inf, "be above 0 and finite"),
    "beta2": (lambda x: 0 <= x < 1, "lie in [0, 1)"),
    "eps": (lambda x: 0 < x <= 1, "lie in (0, 1]: it bounds the inertia by 1 - eps"),
    "weight_decay": (lambda x: 0 <= x < math.inf, "be 0 or above and finite"),
    "dampening": (lambda x: 0 <= x <= 1, "lie in [0, 1]"),
}


def pair(betas: Any) -> Settings:
    """`betas` as a group holds them: beta0 and beta2."""
    try:
        beta0, beta2 = betas
    except (TypeError, ValueError):
        raise ValueError(f"betas = {betas!r} must be a pair (beta0, beta2)") from None
    return {"beta0": beta0, "beta2": beta2}


def unpacked(given: Settings) -> Settings:
    """The same settings with beta0 and beta2 for `betas`; refused if they are given both ways and differ."""
    if "betas" not in given:
        return given
    rest = {name: value for name, value in given.items() if name != "betas"}
    found = pair(given["betas"])
    for name, value in found.items():
        if name in rest and rest[name] != value:
            raise ValueError(f"betas = {given['betas']!r} and {name} = {rest[name]!r} contradict each other; give one")
    return rest | found


def check(settings: Settings) -> None:
    """Refuse a setting out of its range; each is a number, or a tensor of one element."""
    for name, (holds, remedy) in RANGES.items():
        value = settings[name]
        number = isinstance(value, Real) or (
            isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex()
        )
        if not number:
            raise ValueError(f"{name} = {value!r} must be one number, and {remedy}")
        if not holds(value):
            raise ValueError(f"{name} = {value!r} must {remedy}")


def check_replicas(groups: list[Settings]) -> None:
    """Refuse groups that differ about replicas, or of which the parameters do; lazy ones are yet without a shape."""
    replicas = groups[-1]["replicas"]
    if any(group["replicas"] != replicas for group in groups):
        raise ValueError(f"replicas = {replicas!r} must be the same in all parameter groups")
    if replicas:
        check_leading_axes(p for group in groups for p in group["params"] if not is_lazy(p))


def check_leading_axes(params: Iterable[Tensor]) -> None:
    """Refuse parameters whose leading axes differ, or are missing."""
    sizes = sorted({p.shape[0] if p.dim() else 0 for p in params})
    if len(sizes) > 1 or 0 in sizes:
        raise ValueError(f"replicas = True needs the same leading axis in every parameter, found sizes {sizes}")


def coordinates(p: Tensor) -> Tensor:
    """The same numbers as coordinates: real and imaginary parts along a last axis if they are complex."""
    return torch.view_as_real(p) if p.is_complex() else p


def precision(p: Tensor) -> torch.dtype:
    """The precision of state and arithmetic: float32, or the parameter's own if that is higher."""
    return torch.promote_types(p.dtype, torch.float32)


class CheckedOptimizer(Optimizer):
    """What Adai does about its settings, wherever they come from: a group, a checkpoint, or written while it runs."""

    _decoupled = False
    _told = False  # that a momentum has no effect

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with its own settings, checked; `replicas` must be the same in all groups."""
        given = unpacked(param_group) if isinstance(param_group, dict) else {}  # torch refuses what is no dict
        check(self.defaults | given)
        super().add_param_group(param_group)
        param_group.pop("betas", None)
        param_group |= {name: given[name] for name in ("beta0", "beta2") if name in given}
        try:
            check_replicas(self.param_groups)
        except ValueError:
            self.param_groups.pop()
            raise

    def state_dict(self) -> dict[str, Any]:
        """The state and the settings, with `betas` in every group, as `torch.optim.Adam` has them."""
        found = super().state_dict()
        for group in found["param_groups"]:
            if "betas" in group:  # written since the last step
                group |= pair(group["betas"])
            group["betas"] = (group["beta0"], group["beta2"])
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state; settings that an older version did not save stay as they are.

        Raises
        ------
        ValueError
            If a setting is out of range, or the groups are others than those that were saved.
        """
        final: dict[str, Any] = {}
        handle = self.register_load_state_dict_pre_hook(lambda _, last: final.update(last))
        try:
            super().load_state_dict(state_dict)
        finally:
            handle.remove()
        # torch has cast the state to the parameters' own precision
        saved = chain.from_iterable(group["params"] for group in final["param_groups"])
        for name, p in zip(saved, chain.from_iterable(group["params"] for group in self.param_groups), strict=True):
            for key, value in final["state"].get(name, {}).items():
                if isinstance(value, Tensor) and key != "step":
                    self.state[p][key] = value.to(p.device, precision(coordinates(p)))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copy or a checkpoint; what an older version did not save is as in present groups, or as then."""
        then = {"momentum": 0.0, "decoupled": self._decoupled, "dampening": 1.0, "replicas": False}
        defaults = then | unpacked(state["defaults"]) if "defaults" in state else self.defaults
        before = self.__dict__.get("param_groups") or [defaults] * len(state["param_groups"])
        groups = []
        for old, new in zip(before, state["param_groups"], strict=True):
            groups.append({name: old[name] for name in defaults if name in old} | unpacked(new))
            check(groups[-1])
        check_replicas(groups)
        super().__setstate__(state | {"defaults": defaults, "param_groups": groups})

    def heed_groups(self) -> None:
        """Take what was written into the groups since the last step: `betas`, and a momentum, which has no effect."""
        for group in self.param_groups:
            if "betas" in group:
                written = pair(group["betas"])
                check(group | written)
                del group["betas"]
                group |= written
        if not self._told and any(group["momentum"] != 0 for group in self.param_groups):
            self._told = True
            warnings.warn(CYCLED, UserWarning, stacklevel=2)
