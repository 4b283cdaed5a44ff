"""Which networks the noise of gradients is measured on, in which size of a run, and what was measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from experiments.evidence import contest
from experiments.evidence.data import sets
from experiments.evidence.lab import Lab
from experiments.evidence.noise import Point
from experiments.evidence.noise_task import WHOLE, noise_along_training
from experiments.evidence.over_seeds import MEASURED
from experiments.referee import Evidence, Row, Sample, unsampled
from experiments.referee.laws import Student

STAGES = ("initialisation", "early", "late")
CROSS_ENTROPY, MEAN_SQUARE = "cross-entropy", "mean-square"
SIDE = 14  # pixels a side, about: larger images are averaged over squares, so that small networks have few parameters
TRAINING = {"weight_decay": 0.0, "batch_size": 100, "milestones": [0.6, 0.85], "tested": 200}


@dataclass(frozen=True, eq=False)
class Case:
    """A network with its loss and data, at some stages of training and over some seeds.

    Attributes
    ----------
    network, data, loss
        What they are, in words.
    samples, classes
        How many images it learns from, and of how many classes.
    stages
        Names of the iterations at which it was measured.
    results
        For each seed what `noise_along_training` gave.
    lost
        By the name of each later stage, how many of the runs had diverged before it.
    """

    network: str
    data: str
    loss: str
    samples: int
    classes: int
    stages: tuple[str, ...]
    results: tuple[Mapping[str, Any], ...]
    lost: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Which network, and how it learns."""
        return f"{self.network}, {self.loss}"

    def regime(self, stage: str) -> dict[str, Any]:
        """On what the numbers of a stage hold."""
        known = {"network": self.network, "parameters": int(self.results[0]["parameters"]), "data": self.data}
        known |= {"samples": self.samples, "loss": self.loss, "seeds": len(self.results), "stage": stage}
        known |= {"eigenvectors": self.eigenvectors, "mode": "evaluation, statistics frozen"}
        return known | {"mean_loss": float(np.mean([point.loss for point in self.points[stage]]))}

    @property
    def eigenvectors(self) -> str:
        """Along which of the Hessian's eigenvectors it was measured."""
        count, parameters = self.results[0]["curvature"].shape[1], int(self.results[0]["parameters"])
        return f"the {count} sharpest" if parameters > WHOLE else f"{count} of {parameters}"

    def told(self, stage: str) -> str:
        """The same in words."""
        known = self.regime(stage)
        return (
            f"{self.network} of {known['parameters']} parameters on {self.samples} images ({self.data}), {self.loss} "
            f"{known['mean_loss']:.2g}, {known['seeds']} seeds, {self.eigenvectors} eigenvectors"
        )

    @cached_property
    def points(self) -> dict[str, list[Point]]:
        """By stage, one point for each seed."""
        return {stage: [self._point(each, k) for each in self.results] for k, stage in enumerate(self.stages)}

    def _point(self, arrays: Mapping[str, Any], k: int) -> Point:
        """One seed's, at one stage."""
        staged = {name: array[k] for name, array in arrays.items() if np.ndim(array)}
        named = {each.name for each in fields(Point)} - {"loss_factor", "more"}
        more = {name: array for name, array in staged.items() if name not in named}
        factor = 2 / self.classes if self.loss == MEAN_SQUARE else 1.0
        return Point(**{name: staged[name] for name in named}, loss_factor=factor, more=more)


@dataclass(frozen=True)
class Plan:
    """One case that is to be measured: over how many seeds, at which steps, along how many eigenvectors."""

    network: str
    recipe: dict[str, Any]
    steps: tuple[int, ...]
    seeds: int
    directions: int = 128


def plans(lab: Lab) -> list[Plan]:
    """What this size of a run measures: the user's network, if there is one, else small ones of our own."""
    if lab.model:
        steps = lab.pick((0, 30, 300), (0, 100, 1000), (0, 100, 3000))
        return [Plan("your network", {"model": lab.model, "samples": 1000, "lr": 0.05}, steps, 3)]
    widths, kernels = lab.pick([6], [8], [10]), lab.pick([4, 6], [6, 8], [8, 12])
    count, seeds, late = lab.pick(800, 2000, 2000), lab.pick(3, 3, 5), lab.pick(2000, 6000, 20000)
    mlp = {"model": "mlp", "model_settings": [["hidden", widths]], "samples": count}
    cnn = {"model": "cnn", "model_settings": [["widths", kernels]], "samples": lab.pick(500, 1000, 1000), "lr": 0.4}
    fewer = lab.pick(48, 64, 128)
    rates = {CROSS_ENTROPY: 0.1, MEAN_SQUARE: 0.03}
    listed = [
        Plan("MLP", mlp | {"loss": loss, "lr": lr}, (0, lab.pick(30, 60, 60), late), seeds, lab.pick(96, 128, 512))
        for loss, lr in rates.items()
    ]
    if lab.size == "full":
        return listed + [Plan("CNN", cnn | {"loss": loss}, (0, 100, 6000), 3, fewer) for loss in rates]
    return [*listed, Plan("CNN", cnn | {"loss": CROSS_ENTROPY}, (lab.pick(1500, 3000, 6000),), 2, fewer)]


def cases(lab: Lab) -> list[Case]:
    """What was measured, once in a run.

    Raises
    ------
    ValueError
        If a network could not be measured for another reason than that its training diverged.
    """
    return list(lab.once("noise of networks", lambda: _measured(lab, plans(lab)), "noise of networks"))


def _measured(lab: Lab, planned: Sequence[Plan]) -> list[Case]:
    images = sets.images(lab.images)
    shared = TRAINING | {"data": lab.images, "pool": 1 if lab.model else max(1, images.train.shape[-1] // SIDE)}
    settings = [
        shared
        | plan.recipe
        | {"samples": min(plan.recipe["samples"], len(images.train)), "seed": 1000 * lab.seed + seed}
        | {"directions": plan.directions, "steps": list(plan.steps)}
        for plan in planned
        for seed in range(plan.seeds)
    ]
    results = lab.whole(noise_along_training, settings, "noise of networks")
    listed = []
    for plan in planned:
        own, results = results[: plan.seeds], results[plan.seeds :]
        loss, count = plan.recipe.get("loss", CROSS_ENTROPY), min(plan.recipe["samples"], len(images.train))
        diverged = np.isnan([each["loss"] for each in own]).sum(axis=0)
        every = dict(zip(STAGES[-len(plan.steps) :], diverged.tolist(), strict=True))
        stages, lost = tuple(name for name in every if not every[name]), {k: runs for k, runs in every.items() if runs}
        listed.append(Case(plan.network, images.name, loss, count, images.classes, stages, tuple(own), lost))
    return listed


def unreached(case: Case) -> Iterator[Evidence]:
    """That training diverged, as a row for each stage which some seed did not reach: a result, none is dropped."""
    known = {"network": case.network, "data": case.data, "samples": case.samples, "loss": case.loss}
    for stage, runs in case.lost.items():
        sample = Sample(np.nan, Student(1.0, 2), fault=contest.diverged(runs, len(case.results)))
        regime = known | {"seeds": len(case.results), "stage": stage}
        row = Row(regime, samples={MEASURED: sample}, reasons=unsampled("the training diverged"))
        yield Evidence.of_rows(f"{case.name}, {stage}", "noise of networks", [row], case=case)
