"""The settings of Adai's parameter groups: their ranges, and `betas`, which a group holds as `beta0` and `beta2`.

Where an optimizer's defaults have `betas`, torch's schedulers that cycle momentum overwrite its first entry; Adai's is a damping. So
`betas` is the name of the argument and in checkpoints only, and groups have a `momentum` that nothing reads, for schedulers to write.
"""

import math
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any

from torch import Tensor
from torch.nn.parameter import is_lazy

Settings = dict[str, Any]
CYCLED = (
    "a momentum was written into the parameter groups, as by a scheduler that cycles it: it has no effect, as Adai's inertia follows "
    "the gradients and is not scheduled; give the scheduler cycle_momentum=False"
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
    """Refuse groups that do not agree about replicas, or of which the parameters do not; lazy ones are yet without a shape."""
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
