"""The paper's own networks and settings, for those who have the data and a GPU; what is not run says so."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy import stats

from experiments.evidence import contest
from experiments.evidence.contest import AUTHORS, AUTHORS_RUNS
from experiments.evidence.data import sets
from experiments.evidence.lab import Lab, failure
from experiments.evidence.training import Recipe, Run, continued
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, unsampled
from experiments.referee.faults import Fault
from experiments.referee.laws import LEVEL, Student

SEEDS, EPOCHS = 3, 200
# What the text at hand lost of Appendix D is recalled: shares of the epochs after which the rate is divided by 10.
MILESTONES = {"CIFAR-10": (0.4, 0.8), "CIFAR-100": (0.5, 0.75)}
NETWORKS = {"resnet18": "CIFAR-10", "vgg16": "CIFAR-10", "resnet34": "CIFAR-100"}
UNSHIPPED = {"DenseNet121": "CIFAR-100", "GoogLeNet": "CIFAR-100"}  # a user gives them by --model
# Recalled likewise: windows of 35 words, 20 at a time, gradients clipped, no weight decay.
WORDS: dict[str, Any] = {"unit": "word", "window": 35, "batch_size": 20, "clip": 0.25, "weight_decay": 0.0}
WORD_RATES = {"Adai": 10.0, "SGDM": 1.0, "Adam": 1e-3}
ERROR, PERPLEXITY = "test error (%)", "perplexity of the test text"


class PaperSettings(Claim):
    """Networks of the paper's size on CIFAR, and its two-layer LSTM."""

    name = "The paper's own settings"
    place = "Appendix D"
    statement = (
        "Table 2 and Figure 13 with the paper's networks: batches of 128, weight decay 5e-4, 200 epochs, images "
        "mirrored and moved. They need --cifar ROOT, or --full for the text, and a GPU; DenseNet121 and GoogLeNet come "
        "by --model. "
        "What the text at hand lost of the settings is recalled."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Errors at the end over three seeds, or why a network is not run."""
        lab = Lab.of(routes)
        known = sets.images(lab.cifar).name if lab.cifar else ""
        networks = NETWORKS | ({lab.model: known} if lab.model else UNSHIPPED)
        for network, data in networks.items():
            reason = "" if known == data and known else f"it needs --cifar ROOT with {data or 'CIFAR'}"
            reason = "it needs --model" if network in UNSHIPPED else reason
            rates = {name: known_rates[0] for name, known_rates in contest.RATES.items()}
            recipes = {
                name: [_of_images(lab, network, data, name, lr, seed) for seed in _seeds(lab)]
                for name, lr in rates.items()
            }
            yield _evidence(lab, f"{network} on {data or 'CIFAR'}", ERROR, recipes, reason)
        reason = "" if lab.size == "full" else "it needs --full"
        recipes = {name: [_of_words(lab, name, lr, seed) for seed in _seeds(lab)] for name, lr in WORD_RATES.items()}
        yield _evidence(lab, "two-layer LSTM on words", PERPLEXITY, recipes, reason)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Each mean, beside the authors' where there is one: what is not run is a finding of its own."""
        data = evidence[0].data
        for place, name in enumerate(data["optimizer"].values.tolist()):
            value, low, high = (float(data[f"trained{end}"][place]) for end in ("", "_low", "_high"))
            if not np.isfinite(value):
                continue
            text = f"{name} has {value:.2f} [{low:.2f}, {high:.2f}]: {evidence[0].quantity}"
            if evidence[0].subject != "resnet18 on CIFAR-10" or name not in AUTHORS:
                yield Finding(name, value, text)
                continue
            mean, spread = AUTHORS[name]
            within = stats.t.isf((1 - LEVEL) / 2, AUTHORS_RUNS - 1) * spread / AUTHORS_RUNS**0.5
            yield Finding(name, value, f"{text}; the authors {mean:.2f}", mean, float(within + (high - low) / 2))


def device() -> str:
    """Where networks of this size are trained: a GPU, or nowhere if there is none."""
    return "cuda" if torch.cuda.is_available() else ""


def _seeds(lab: Lab) -> list[int]:
    return [lab.seed_of(f"paper {number}") for number in range(SEEDS)]


def _of_images(lab: Lab, network: str, data: str, optimizer: str, lr: float, seed: int) -> Recipe:
    decay = contest.DECAY / lr if optimizer in contest.DECOUPLED else contest.DECAY
    known: dict[str, Any] = {"data": lab.cifar, "model": network, "augment": True, "epochs": EPOCHS}
    known["milestones"] = MILESTONES.get(data, MILESTONES["CIFAR-10"])
    return Recipe(optimizer=optimizer, lr=lr, weight_decay=decay, seed=seed, **known, **_where())


def _of_words(lab: Lab, optimizer: str, lr: float, seed: int) -> Recipe:
    return Recipe(
        data=lab.text, model="lstm", optimizer=optimizer, lr=lr, seed=seed, epochs=EPOCHS, **WORDS, **_where()
    )


def _where() -> dict[str, Any]:
    """On a GPU in half precision."""
    return {"device": device() or "cpu", "mixed": device() == "cuda"}


def _evidence(lab: Lab, subject: str, quantity: str, recipes: Mapping[str, Sequence[Recipe]], reason: str) -> Evidence:
    """A network with each optimizer: one row each, of what was trained, or why it was not."""
    reason = reason or ("" if device() else "it needs a GPU that torch can use")
    rows = []
    for name, group in recipes.items():
        regime = {
            "optimizer": name,
            "lr": group[0].lr,
            "weight_decay": group[0].weight_decay,
            "epochs": group[0].epochs,
        }
        values, fault = np.full(len(group), np.nan), Fault(f"not run: {reason}", "ok") if reason else None
        if not reason:
            runs = _runs(lab, group, f"{subject}, {name}")
            lost = next((run.fault for run in runs if run.fault), "")
            fault = Fault(lost, "failed" if any(run.failed for run in runs) else "ok") if lost else None
            if not lost:
                last = np.array([(run.curves["test_error"][-1], run.curves["test_loss"][-1]) for run in runs]).T
                values = 100 * last[0] if quantity == ERROR else np.exp(last[1])
        law = contest.student(values) if fault is None else Student(1.0, len(group))
        rows.append(
            Row(
                regime | {"seeds": len(group)},
                samples={"trained": Sample(float(values.mean()), law, fault=fault)},
                reasons=unsampled("networks are trained"),
            )
        )
    return Evidence.of_rows(subject, quantity, rows)


def _runs(lab: Lab, recipes: Sequence[Recipe], title: str) -> list[Run]:
    """Runs that go on from their last epoch, one at a time on a GPU."""
    results = lab.each(continued, [recipe.as_arguments for recipe in recipes], title, alone=device() == "cuda")
    return [Run({}, failed=failure(arrays)) if failure(arrays) else Run.of_arrays(arrays) for arrays in results]


claim = PaperSettings()
