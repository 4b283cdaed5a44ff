"""A torch model, a per-sample loss and data as losses of one flat vector of parameters, for curvature and noise."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.func import functional_call, grad, vmap

CHUNK = 500  # samples that go through the model at once; sums over more are taken in this order, whatever the machine
CHUNK_BYTES = 2**26  # of per-sample gradients, or of directions, at once

Array = NDArray[Any]
Index = torch.Tensor | slice


class SampleLosses:
    """The losses of single samples as functions of the parameters, one after another in a vector of length P.

    The model is a copy in evaluation mode: dropout is off, and batch normalisation uses its statistics as they are, so
    that the loss of one sample does not depend on others.

    Parameters
    ----------
    model, loss, data, dtype
        As `diffusion.TorchLandscape` takes them.

    Raises
    ------
    ValueError
        As `diffusion.TorchLandscape` says.
    """

    def __init__(self, model: torch.nn.Module, loss: Callable[..., Any], data: Any, dtype: torch.dtype) -> None:
        if not isinstance(model, torch.nn.Module):
            raise ValueError(f"model = {model!r} must be a torch.nn.Module")
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f"dtype = {dtype!r} must be torch.float64 or torch.float32")
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        if not trained:
            raise ValueError(
                f"model = {type(model).__name__} has no parameters with requires_grad; give one that can be trained"
            )
        for name, p in trained.items():
            if not p.isfinite().all():
                raise ValueError(f"model: parameter {name} is not finite; give a model whose training did not diverge")
        self.dtype = dtype
        self.device = next(iter(trained.values())).device
        self._given, self._own = copy.deepcopy(model).eval().to(dtype).requires_grad_(False), threading.local()
        self.loss = loss
        self.names, self.shapes = list(trained), [p.shape for p in trained.values()]
        self.sizes = [p.numel() for p in trained.values()]
        self.start = torch.cat([p.detach().reshape(-1) for p in trained.values()]).to(dtype)
        self.inputs, self.targets = self._checked(data)
        self._try_samples()

    def _checked(self, data: Any) -> tuple[torch.Tensor, torch.Tensor]:
        if not isinstance(data, tuple | list) or len(data) != 2:
            raise ValueError("data must be two tensors, (inputs, targets), with as many samples")
        found = []
        for name, values in zip(("inputs", "targets"), data, strict=True):
            tensor = torch.as_tensor(values).detach().to(self.device)
            if tensor.is_floating_point():
                tensor = tensor.to(self.dtype)
            if tensor.dim() == 0 or len(tensor) == 0:
                raise ValueError(
                    f"data: {name} of shape {tuple(tensor.shape)} hold no samples; the first axis counts them"
                )
            if not tensor.isfinite().all():
                where = int(torch.argmin(tensor.isfinite().reshape(len(tensor), -1).all(dim=1).to(torch.uint8)))
                raise ValueError(f"data: {name} are not finite in sample {where}; leave it out or mend it")
            found.append(tensor)
        if len(found[0]) != len(found[1]):
            raise ValueError(f"data: {len(found[0])} inputs and {len(found[1])} targets; give as many of each")
        return found[0], found[1]

    def _try_samples(self) -> None:
        """Refuse a loss that is not one number a sample, or that another sample or chance has a part in."""
        few = min(2, len(self.inputs))
        with torch.no_grad():
            try:
                together = self.losses(self.start, slice(0, few))
            except (RuntimeError, ValueError, IndexError, TypeError) as error:
                raise ValueError(
                    f"model and loss cannot be evaluated on inputs of shape {tuple(self.inputs.shape)} and targets of "
                    f"shape {tuple(self.targets.shape)} and type {self.targets.dtype}: {error}"
                ) from error
            if not isinstance(together, torch.Tensor) or together.shape != (few,):
                shape = tuple(together.shape) if isinstance(together, torch.Tensor) else type(together).__name__
                raise ValueError(
                    f"loss gives {shape} for {few} samples, and must give one number each, ({few},): as "
                    "torch.nn.CrossEntropyLoss(reduction='none'), or the mean over all axes but the first"
                )
            alone = torch.cat([self.losses(self.start, slice(n, n + 1)) for n in range(few)])
            again = self.losses(self.start, slice(0, few))
        if not together.isfinite().all():
            raise ValueError(f"loss is {together.tolist()} on the first samples, and must be finite")
        if not torch.equal(together, again):
            raise ValueError("model or loss draws random numbers in evaluation mode; make them heed model.eval()")
        if not torch.allclose(together, alone, rtol=1e-3, atol=1e-6):
            raise ValueError(
                f"losses of the first samples are {together.tolist()} together and {alone.tolist()} alone: model or "
                "loss mixes samples in evaluation mode, so that they have no gradients of their own"
            )

    @property
    def model(self) -> torch.nn.Module:
        """The copy of this thread: a call with other parameters puts them into the model for as long as it takes."""
        if not hasattr(self._own, "model"):
            self._own.model = copy.deepcopy(self._given)
        model: torch.nn.Module = self._own.model
        return model

    @property
    def samples(self) -> int:
        """Samples N in the data."""
        return len(self.inputs)

    @property
    def dimension(self) -> int:
        """Parameters P."""
        return len(self.start)

    @cached_property
    def digest(self) -> str:
        """What tells this problem from others: the model's structure, parameters and statistics, the loss, the data."""
        loss = (
            self.loss if isinstance(self.loss, torch.nn.Module) else getattr(self.loss, "__qualname__", type(self.loss))
        )
        text = f"{self.model}{loss}{self.names}{self.dtype}"
        found = hashlib.sha256(text.encode())
        for tensor in (self.start, *self.model.state_dict().values(), self.inputs, self.targets):
            found.update(tensor.cpu().numpy().tobytes())
        return found.hexdigest()[:16]

    def vector(self, name: str, value: ArrayLike | torch.Tensor | None) -> torch.Tensor:
        """A vector of P numbers, or several as rows; None: the model's parameters."""
        if value is None:
            return self.start
        tensor = (
            torch.as_tensor(value if isinstance(value, torch.Tensor) else np.ascontiguousarray(value))
            .detach()
            .to(self.device, self.dtype)
        )
        if tensor.dim() == 0 or tensor.shape[-1] != self.dimension:
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}, and must have {self.dimension} entries along its last axis"
            )
        return tensor

    def index(self, samples: ArrayLike | None) -> Index:
        """Positions of samples, which may repeat; None: all."""
        if samples is None:
            return slice(0, self.samples)
        index = torch.as_tensor(np.asarray(samples)).to(self.device)
        if index.is_floating_point() or index.dtype == torch.bool or index.dim() != 1 or len(index) == 0:
            raise ValueError(f"samples = {samples!r} must be a non-empty list of positions in the data")
        if int(index.min()) < 0 or int(index.max()) >= self.samples:
            raise ValueError(
                f"samples must lie between 0 and {self.samples - 1}; they reach {int(index.min())} to "
                f"{int(index.max())}"
            )
        return index

    def outputs(self, theta: torch.Tensor, index: Index) -> torch.Tensor:
        """What the model gives for some samples."""
        return self.called(theta, self.inputs[index])

    def losses(self, theta: torch.Tensor, index: Index) -> torch.Tensor:
        """Losses of some samples."""
        losses: torch.Tensor = self.loss(self.outputs(theta, index), self.targets[index])
        return losses

    def called(self, theta: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """The model with these parameters."""
        parts = torch.split(theta, self.sizes)
        named = {name: part.view(shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)}
        outputs: torch.Tensor = functional_call(self.model, named, (inputs,))
        return outputs

    def mean_gradient(self, theta: torch.Tensor, index: Index) -> torch.Tensor:
        """Gradient of the mean loss of some samples, shape (P,)."""
        theta = theta.detach().requires_grad_()
        parts = list(chunks(index))
        sums = (torch.autograd.grad(self.losses(theta, part).sum(), theta)[0] for part in parts)
        total: torch.Tensor = sum(sums)  # type: ignore[assignment]
        return total / count(index)

    def gradients(self, theta: torch.Tensor, index: Index) -> Iterator[torch.Tensor]:
        """Gradients of single samples, shape (some, P), chunk by chunk."""

        def one(theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            losses: torch.Tensor = self.loss(self.called(theta, x[None]), y[None])
            return losses[0]

        each = vmap(grad(one), in_dims=(None, 0, 0))
        for part in chunks(index, self.at_once()):
            yield each(theta, self.inputs[part], self.targets[part]).detach()

    def at_once(self) -> int:
        """How many vectors of P numbers are worked on at once."""
        return max(1, min(CHUNK, CHUNK_BYTES // (self.dimension * self.start.element_size())))


def count(index: Index) -> int:
    """How many samples an index stands for."""
    return index.stop - index.start if isinstance(index, slice) else len(index)


def chunks(index: Index, size: int = CHUNK) -> Iterator[Index]:
    """The index in parts of at most `size` samples each."""
    for begin in range(0, count(index), size):
        if isinstance(index, slice):
            yield slice(index.start + begin, min(index.start + begin + size, index.stop))
        else:
            yield index[begin : begin + size]
