"""Training: a recipe of plain values, and the curves and states that it gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from experiments.evidence import models
from experiments.evidence.augmentation import augmented
from experiments.evidence.data.sets import PAIR, Splits, is_text, split_images, split_text
from experiments.evidence.optimizers import OPTIMIZERS

Array = NDArray[np.float64]
ORDER, AUGMENTATION = 1, 2  # what the streams of random numbers of a run are for
AT_ONCE = 1000  # inputs that are evaluated together
CURVES = ("running_loss", "held_out_loss", "held_out_error", "test_loss", "test_error")


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Per sample; of texts the mean over a window's tokens."""
    losses = functional.cross_entropy(outputs.movedim(-1, 1), targets, reduction="none")
    return losses.flatten(1).mean(dim=1) if losses.dim() > 1 else losses


def mean_square(outputs: Tensor, targets: Tensor) -> Tensor:
    """Per sample: the mean over classes of the squared distance from 1 for the right class, and from 0 for others."""
    classes = torch.arange(outputs.shape[-1], device=outputs.device)
    wanted = (targets[..., None] == classes).to(outputs)  # one_hot cannot be taken of single samples by torch.func
    losses = (outputs - wanted).square().mean(dim=-1)
    return losses.flatten(1).mean(dim=1) if losses.dim() > 1 else losses


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cross-entropy": cross_entropy, "mean-square": mean_square}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a run of training depends on, in plain values.

    Attributes
    ----------
    data
        Source of images or of a text, see `sets.images` and `sets.text`.
    samples, held_out, tested
        How many are for training, held out of the training set to select by, and tested; None: all.
    pool
        Of images: squares of so many pixels a side are averaged.
    window, unit
        Of a text: tokens in one sample, and what a token is, "character" or "word".
    augment
        Whether images are mirrored and moved at random, see `augmentation.augmented`.
    model, model_settings
        Its name, see `models.build`, and pairs of further arguments.
    loss
        One of `LOSSES`.
    optimizer, lr, weight_decay
        One of `OPTIMIZERS`.
    batch_size, epochs
        The last batch of an epoch is left out if it is smaller.
    milestones, factor
        The learning rate is multiplied by `factor` after each of these shares of the epochs.
    clip
        The longest gradient: a longer one is made so long; None: any.
    every
        Epochs after which held-out and tested samples are evaluated, and at the end; curves are NaN in between.
    seed
        Of the parameters, the order of samples and the augmentation: runs that differ in the optimizer alone are pairs.
    keep
        Iterations after which the state is kept besides that at the end; 0: the initial one.
    device, mixed
        "cpu" or "cuda", where bits may differ from run to run, and whether there the forward pass is in half precision.
    """

    data: str = "digits"
    samples: int | None = None
    held_out: int = 0
    tested: int | None = None
    pool: int = 1
    window: int = 64
    unit: str = "character"
    augment: bool = False
    model: str = "residual"
    model_settings: tuple[tuple[str, Any], ...] = ()
    loss: str = "cross-entropy"
    optimizer: str = "SGDM"
    lr: float = 0.1
    weight_decay: float = 5e-4
    batch_size: int = 128
    epochs: int = 12
    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1
    clip: float | None = None
    every: int = 1
    seed: int = 0
    keep: tuple[int, ...] = ()
    device: str = "cpu"
    mixed: bool = False

    def __post_init__(self) -> None:
        for name, known in (("loss", LOSSES), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} = {getattr(self, name)!r} must be one of {', '.join(known)}")
        for name in ("batch_size", "epochs", "every"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least 1")
        if self.mixed and self.device == "cpu":
            raise ValueError("mixed = True needs device = 'cuda'; leave it out on a CPU")

    @property
    def as_arguments(self) -> dict[str, Any]:
        """The recipe as the arguments of `trained`, those at their defaults left out."""
        return {
            each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name) != each.default
        }

    @cached_property
    def splits(self) -> Splits:
        """The samples."""
        counts = (self.samples, self.held_out, self.tested)
        if is_text(self.data):
            return split_text(self.data, *counts, self.window, self.unit)
        return split_images(self.data, *counts, self.pool)

    def model_at(self, state: Any = None) -> nn.Module:
        """The network in evaluation mode, on the CPU: as it is initialized, or at a state of `Run.states`."""
        shape = tuple(self.splits.train[0].shape[1:])
        model = models.build(self.model, shape, self.splits.classes, self.seed, **dict(self.model_settings))
        return model.eval() if state is None else models.with_state(model, state)

    @property
    def steps(self) -> int:
        """Iterations in one epoch."""
        return len(self.splits.train[0]) // self.batch_size


@dataclass
class Run:
    """What a recipe gave.

    Attributes
    ----------
    curves
        By their names in `CURVES`, one value for each epoch, NaN from where the run diverged and where nothing was
        evaluated; errors are shares, those of held-out samples NaN if there are none, and `running_loss` is the mean
        over the epoch's batches.
    states
        Parameters and buffers by the iteration after which they were kept, see `models.with_state`.
    train_loss
        Of all training samples at the end, in evaluation mode and without weight decay; NaN if the run diverged.
    diverged
        The iteration whose loss or parameters were not finite; -1 if there was none.
    failed
        Why there are no numbers at all; else empty.
    """

    curves: dict[str, Array]
    states: dict[int, Array] = field(default_factory=dict)
    train_loss: float = math.nan
    diverged: int = -1
    failed: str = ""

    @property
    def fault(self) -> str:
        """Why it has no end, in words; empty if it has one."""
        return self.failed or (f"diverged at iteration {self.diverged}" if self.diverged >= 0 else "")

    @property
    def last(self) -> Array:
        """The state at the end; that of a run that diverged is the last one that was kept."""
        return self.states[max(self.states)]

    def as_arrays(self) -> dict[str, Any]:
        """Arrays by name, as a task of `Lab.each` gives them."""
        states = {f"state {step}": state for step, state in self.states.items()}
        return {**self.curves, **states, "train_loss": np.array(self.train_loss), "diverged": np.array(self.diverged)}

    @classmethod
    def of_arrays(cls, arrays: dict[str, Any]) -> Run:
        """The run again."""
        states = {int(name.split()[1]): array for name, array in arrays.items() if name.startswith("state ")}
        curves = {name: arrays[name] for name in CURVES}
        return cls(curves, states, float(arrays["train_loss"]), int(arrays["diverged"]))


def trained(**arguments: Any) -> dict[str, Any]:
    """A task of `Lab.each`: the run of a recipe with these arguments, as arrays."""
    return train(Recipe(**arguments)).as_arrays()


def continued(checkpoint: Path, **arguments: Any) -> dict[str, Any]:
    """The same for a run that takes long: it goes on after an interruption, and leaves curves, but no states."""
    run = train(Recipe(**arguments), checkpoint)
    run.states.clear()
    return run.as_arrays()


def train(recipe: Recipe, checkpoint: Path | None = None) -> Run:
    """Run a recipe.

    Parameters
    ----------
    recipe
        The same one gives the same bits on a CPU, at one thread.
    checkpoint
        A file in which the run is kept after each epoch, and from which it goes on.

    Raises
    ------
    ValueError
        If the recipe's data, model or numbers cannot be used.
    """
    splits, device = recipe.splits, torch.device(recipe.device)
    if not recipe.steps:
        raise ValueError(f"batch_size = {recipe.batch_size} is more than the {len(splits.train[0])} samples to train")
    # convolutions of small images are a third faster with the channels last; other layers do not care
    model = recipe.model_at().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = OPTIMIZERS[recipe.optimizer](model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    half = torch.amp.GradScaler(device.type, enabled=recipe.mixed)
    run = Run({name: np.full(recipe.epochs, np.nan) for name in CURVES})
    if 0 in recipe.keep:
        run.states[0] = models.state(model).numpy()
    begin = _resumed(checkpoint, run, model, optimizer, half) if checkpoint and checkpoint.exists() else 0
    inputs, targets = (part.to(device) for part in splits.train)
    loss = LOSSES[recipe.loss]
    for epoch in range(begin, recipe.epochs):
        if run.diverged >= 0:
            break
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * recipe.factor ** sum(
                epoch >= share * recipe.epochs for share in recipe.milestones
            )
        total = torch.zeros((), device=device)
        model.train()
        for step, batch in enumerate(_batches(recipe, epoch, device), epoch * recipe.steps + 1):
            chosen = inputs[batch]
            if recipe.augment:
                chosen = augmented(chosen, _generator(recipe, AUGMENTATION, step))
            with torch.autocast(device.type, enabled=recipe.mixed):
                value = loss(model(chosen), targets[batch]).mean()
            optimizer.zero_grad()
            half.scale(value).backward()  # type: ignore[no-untyped-call]
            if recipe.clip is not None:
                half.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            half.step(optimizer)
            half.update()
            total += value.detach()
            if step in recipe.keep:
                run.states[step] = models.state(model).numpy()
            if not math.isfinite(value.item()):
                run.diverged = step
                break
        else:
            run.curves["running_loss"][epoch] = total.item() / recipe.steps
            looked = not (epoch + 1) % recipe.every or epoch + 1 == recipe.epochs
            for part in ("held_out", "test") if looked else ():
                values = evaluated(model, loss, getattr(splits, part), device)
                run.curves[f"{part}_loss"][epoch], run.curves[f"{part}_error"][epoch] = values
        if checkpoint:
            _keep(checkpoint, epoch + 1, run, model, optimizer, half)
    state = models.state(model)
    if run.diverged < 0 and not state.isfinite().all():
        run.diverged = recipe.epochs * recipe.steps
    if run.diverged < 0:
        run.states[recipe.epochs * recipe.steps] = state.numpy()
        run.train_loss = evaluated(model, loss, splits.train, device)[0]
    return run


@torch.no_grad()
def evaluated(
    model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], samples: PAIR, device: torch.device | None = None
) -> tuple[float, float]:
    """Mean loss and share of wrong answers, in evaluation mode; NaN of no samples."""
    if not len(samples[0]):
        return math.nan, math.nan
    model.eval()
    losses, wrong = 0.0, 0.0
    for inputs, targets in zip(*(torch.split(part, AT_ONCE) for part in samples), strict=True):
        outputs, wanted = model(inputs.to(device)), targets.to(device)
        losses += loss(outputs, wanted).sum().item()
        wrong += (outputs.argmax(dim=-1) != wanted).double().mean().item() * len(inputs)
    return losses / len(samples[0]), wrong / len(samples[0])


def _generator(recipe: Recipe, *stream: int) -> torch.Generator:
    """Random numbers of their own for each use, so that a run goes on from any epoch."""
    seed = np.random.SeedSequence([recipe.seed, *stream]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed >> np.uint64(1)))


def _batches(recipe: Recipe, epoch: int, device: torch.device) -> Iterator[Tensor]:
    """The batches of an epoch: the samples in a random order."""
    count = len(recipe.splits.train[0])
    order = torch.randperm(count, generator=_generator(recipe, ORDER, epoch)).to(device)
    yield from order[: recipe.steps * recipe.batch_size].reshape(recipe.steps, recipe.batch_size)


def _keep(path: Path, epoch: int, run: Run, model: nn.Module, optimizer: Any, half: Any) -> None:
    """Write where the run is, beside the file, then move it in."""
    arrays = {name: torch.as_tensor(array) for name, array in run.as_arrays().items()}
    kept = {"epoch": epoch, "run": arrays, "model": model.state_dict()}
    beside = path.with_name(f"{path.name}-beside")
    torch.save(kept | {"optimizer": optimizer.state_dict(), "half": half.state_dict()}, beside)
    beside.replace(path)


def _resumed(path: Path, run: Run, model: nn.Module, optimizer: Any, half: Any) -> int:
    """Read it again: the epoch to go on with."""
    kept = torch.load(path, weights_only=True)
    model.load_state_dict(kept["model"])
    optimizer.load_state_dict(kept["optimizer"])
    half.load_state_dict(kept["half"])
    vars(run).update(vars(Run.of_arrays({name: tensor.numpy() for name, tensor in kept["run"].items()})))
    epoch: int = kept["epoch"]
    return epoch
