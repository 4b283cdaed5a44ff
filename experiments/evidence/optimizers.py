"""The eleven optimizers of the paper's Table 2, as a user of torch has them."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer

from diffusion.optimizers import Adai, AdaiW

PADAM = 0.125  # its power of the second moment, which its authors give


def others(name: str, **settings: Any) -> Callable[..., Optimizer]:
    """A class of pytorch_optimizer, which takes seconds to import, with its weight decay in the gradient."""

    def make(params: Iterable[Any], lr: float, weight_decay: float) -> Optimizer:
        import pytorch_optimizer

        kind = getattr(pytorch_optimizer, name)
        made: Optimizer = kind(params, lr=lr, weight_decay=weight_decay, weight_decouple=False, **settings)
        return made

    return make


# Weight decay is a part of the gradient (L2), as the paper has it, but for those whose name ends in W.
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "Adai": lambda params, lr, weight_decay: Adai(params, lr, weight_decay=weight_decay),
    "AdaiW": lambda params, lr, weight_decay: AdaiW(params, lr, weight_decay=weight_decay),
    "SGDM": lambda params, lr, weight_decay: torch.optim.SGD(params, lr, momentum=0.9, weight_decay=weight_decay),
    "Adam": lambda params, lr, weight_decay: torch.optim.Adam(params, lr, weight_decay=weight_decay),
    "AMSGrad": lambda params, lr, weight_decay: torch.optim.Adam(params, lr, weight_decay=weight_decay, amsgrad=True),
    "AdamW": lambda params, lr, weight_decay: torch.optim.AdamW(params, lr, weight_decay=weight_decay),
    "AdaBound": others("AdaBound"),
    "Padam": others("PAdam", partial=PADAM),  # without the maximum of AMSGrad that its authors take
    "Yogi": others("Yogi"),
    "RAdam": lambda params, lr, weight_decay: torch.optim.RAdam(params, lr, weight_decay=weight_decay),
    "AdaBelief": others("AdaBelief"),
}
OPTIMIZERS["SGD"] = lambda params, lr, weight_decay: torch.optim.SGD(params, lr, weight_decay=weight_decay)
