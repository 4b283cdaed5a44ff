"""The contest of Table 2: eleven optimizers, the same images, and for each seed the same initial network and order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from experiments.evidence.data import sets
from experiments.evidence.lab import Lab
from experiments.evidence.paired import Difference, holm
from experiments.evidence.training import Recipe, Run
from experiments.referee import EVERY, Evidence, Row, Sample, unsampled
from experiments.referee.faults import Fault
from experiments.referee.laws import LEVEL, Student

Array = NDArray[np.float64]

BASELINE = "SGDM"
DECAY = 5e-4  # the paper's weight decay, and that of Table 3
WEAK_DECAY = 1e-4
# Learning rates that are tried, as many for each optimizer: first the paper's (those that the text at hand lost are
# recalled), then one for training that is twenty times as short, then others.
RATES: dict[str, tuple[float, ...]] = {
    "AdaiW": (0.1, 1.0, 0.3, 3.0),
    "Adai": (1.0, 0.3, 0.1, 3.0),
    "SGDM": (0.1, 0.3, 0.03, 1.0),
    "Adam": (1e-3, 1e-2, 3e-3, 3e-4),
    "AMSGrad": (1e-3, 1e-2, 3e-3, 3e-4),
    "AdamW": (1e-3, 1e-2, 3e-3, 3e-4),
    "AdaBound": (1e-3, 1e-2, 3e-3, 3e-4),
    "Padam": (0.1, 0.5, 0.2, 1.0),
    "Yogi": (1e-3, 1e-2, 3e-3, 3e-4),
    "RAdam": (1e-3, 1e-2, 3e-3, 3e-4),
    "AdaBelief": (1e-3, 1e-2, 3e-3, 3e-4),
}
DECOUPLED = ("AdaiW", "AdamW")
LOOKED_AT = ("Adai", "AdaiW", "SGDM", "Adam")  # whose minima are compared, also at equal loss on the way there
KEPT = (0.2, 0.4, 0.5, 0.6, 0.75, 0.9)  # shares of the epochs after which their states are kept
# Test error (%) of ResNet18 on CIFAR-10 and its standard deviation over three runs, from the table that the authors
# publish with their code; the text at hand lost the numbers of Table 2, and there is none of AdaBelief.
AUTHORS_RUNS = 3
AUTHORS: dict[str, tuple[float, float]] = {
    "AdaiW": (4.59, 0.16),
    "Adai": (4.74, 0.14),
    "SGDM": (5.01, 0.03),
    "Adam": (6.53, 0.03),
    "AMSGrad": (6.16, 0.18),
    "AdamW": (5.08, 0.07),
    "AdaBound": (5.65, 0.08),
    "Padam": (5.12, 0.04),
    "Yogi": (5.87, 0.12),
    "RAdam": (6.01, 0.10),
}


@dataclass(frozen=True)
class Entry:
    """One optimizer in the contest.

    Attributes
    ----------
    rates
        The learning rates that were tried.
    held_out
        Its errors (%) on images held out of the training set, of shape (rates, seeds); NaN where it diverged.
    lr
        The selected rate.
    runs
        At that rate, one for each seed; none before it competes.
    """

    rates: tuple[float, ...]
    held_out: Array
    lr: float
    runs: Sequence[Run] = ()

    @property
    def errors(self) -> Array:
        """Test error (%) at the end for each seed, NaN where it diverged."""
        return 100 * curves(self.runs, "test_error")[:, -1]

    @property
    def fault(self) -> Fault | None:
        """That runs diverged, if some did: a result, which leaves no error to compare."""
        return diverged(sum(bool(run.fault) for run in self.runs), len(self.runs))


def contest(lab: Lab, weight_decay: float = DECAY) -> dict[str, Entry]:
    """Every optimizer at the rate selected for it, by name; trained once in a run of the lab."""

    def compute() -> dict[str, Entry]:
        entries = selection(lab, tuple(RATES), weight_decay)
        competing = seeds(lab)
        recipes = [
            recipe(lab, name, entry.lr, seed, weight_decay) for name, entry in entries.items() for seed in competing
        ]
        runs = iter(lab.runs(recipes, "competing"))
        return {name: replace(entry, runs=[next(runs) for _ in competing]) for name, entry in entries.items()}

    entries: dict[str, Entry] = lab.once(("contest", weight_decay), compute)
    return entries


def selection(lab: Lab, names: Sequence[str], weight_decay: float = DECAY) -> dict[str, Entry]:
    """The rates that are selected for some optimizers.

    By images of the training set that no run learns from, for all optimizers alike: so many rates, so many seeds. The
    seeds that select compete as well, as the images that are held out are not those that are tested.
    """
    selecting = seeds(lab)[: lab.pick(2, 2, 3)]
    tried = {name: RATES[name][: lab.pick(2, 2, 4)] for name in names}
    keys = [(name, lr, seed) for name, rates in tried.items() for lr in rates for seed in selecting]
    runs = lab.runs([recipe(lab, *key, weight_decay) for key in keys], "selecting learning rates")
    errors = iter(100 * curves(runs, "held_out_error")[:, -1])
    held_out = {name: np.array([[next(errors) for _ in selecting] for _ in rates]) for name, rates in tried.items()}
    return {name: Entry(rates, held_out[name], rates[select(held_out[name])]) for name, rates in tried.items()}


def select(held_out: Array) -> int:
    """The rate with the least mean error (%) or loss, of shape (rates, seeds); a run that diverged has 100."""
    return int(np.argmin(np.nan_to_num(held_out, nan=100.0).mean(axis=1)))


def recipe(lab: Lab, optimizer: str, lr: float, seed: int, weight_decay: float = DECAY, **changes: Any) -> Recipe:
    """A run of the contest.

    Weight decay that is decoupled is divided by the learning rate, so that it shrinks parameters in an iteration as
    much at every initial rate: the linear scaling of Appendix D.
    """
    small = lab.images == sets.DIGITS or lab.size == "quick"
    sizes: dict[str, Any] = {"held_out": 5000, "samples": lab.pick(1000, 10000, 20000), "epochs": lab.pick(8, 10, 20)}
    sizes["every"] = 2
    if small:
        sizes |= {"held_out": 250, "samples": 1000, "tested": 500, "batch_size": 64, "epochs": lab.pick(6, 40, 40)}
    decay = weight_decay / lr if optimizer in DECOUPLED else weight_decay
    own = {"optimizer": optimizer, "lr": lr, "weight_decay": decay, "seed": seed}
    made = Recipe(**({"data": lab.images} | sizes | own | changes))
    if optimizer not in LOOKED_AT or made.samples is None:
        return made
    steps = made.samples // made.batch_size
    return replace(made, keep=tuple(sorted({round(share * made.epochs) * steps for share in KEPT})))


def seeds(lab: Lab) -> list[int]:
    """The seeds that compete."""
    return [lab.seed_of(f"contest {number}") for number in range(lab.pick(3, 8, 12))]


def diverged(lost: int, total: int) -> Fault | None:
    """That so many of some runs diverged, if any did."""
    return Fault(f"{lost} of {total} runs diverged", "ok") if lost else None


def curves(runs: Sequence[Run], name: str) -> Array:
    """A curve of each run, of shape (runs, epochs)."""
    return np.array([run.curves[name] for run in runs])


def regime(made: Recipe) -> dict[str, Any]:
    """What a row says of the data, the network and the training."""
    network = made.model_at()
    return {
        "data": made.splits.name,
        "samples": len(made.splits.train[0]),
        "network": made.model,
        "parameters": sum(part.numel() for part in network.parameters()),
        "epochs": made.epochs,
        "batch_size": made.batch_size,
    }


def scope(row: Any) -> str:
    """The same in words, from a row of evidence, with what it can say."""
    told = {name: row[name].item() for name in ("data", "samples", "network", "parameters", "epochs")}
    return (
        "{data}, {samples:,} samples, {network} of {parameters:,} parameters, {epochs} epochs: it can contradict the "
        "paper's order here, not reproduce its numbers"
    ).format(**told)


def difference(row: Any) -> Difference:
    """The difference that a row of evidence holds, see `Difference.as_values`."""
    return Difference(*(float(row[name]) for name in ("difference", "difference_low", "difference_high", "holm")))


def not_run(quantity: str, reason: str) -> Evidence:
    """Evidence that says why there is none, which is no fault."""
    sample = Sample(np.nan, Student(1.0, 2), fault=Fault(f"not run: {reason}", "ok"))
    row = Row({"optimizer": EVERY}, samples={"trained": sample}, reasons=unsampled("not run"))
    return Evidence.of_rows(EVERY, quantity, [row])


def student(values: Array) -> Student:
    """The law of a mean over seeds."""
    return Student(values.std(axis=0, ddof=1) / np.sqrt(len(values)), len(values))


def authors_signs() -> dict[str, int]:
    """Of each optimizer the sign of its error minus SGDM's where the authors' three runs resolve it, else 0.

    By Welch's test from their means and standard deviations, with Holm's correction.
    """
    mean, spread = AUTHORS[BASELINE]
    others = {name: numbers for name, numbers in AUTHORS.items() if name != BASELINE}
    tests = [
        stats.ttest_ind_from_stats(*numbers, AUTHORS_RUNS, mean, spread, AUTHORS_RUNS, equal_var=False).pvalue
        for numbers in others.values()
    ]
    resolved = holm(tests) < 1 - LEVEL
    return {
        name: int(np.sign(value - mean)) if sure else 0
        for (name, (value, _)), sure in zip(others.items(), resolved, strict=True)
    }
