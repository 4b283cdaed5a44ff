"""The minima that four optimizers of Table 2 find: how sharp they are, at the end and where the loss is equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.evidence import contest
from experiments.evidence.lab import Lab
from experiments.evidence.sharpness import losses, sharpness
from experiments.evidence.training import Recipe, Run

Array = NDArray[np.float64]

END, EQUAL = "at the end", "at equal training loss"


@dataclass(frozen=True)
class Minimum:
    """What one optimizer found from one seed.

    Attributes
    ----------
    loss
        Training loss by where it is taken, `END` or `EQUAL`.
    measures
        Arrays by where and by name, see `sharpness.sharpness`; none where it diverged or never had the equal loss.
    fault
        Why there are none.
    """

    loss: Mapping[str, float]
    measures: Mapping[str, Mapping[str, Array]]
    fault: str = ""


def minima(lab: Lab) -> tuple[dict[str, contest.Entry], dict[str, list[Minimum]], Recipe]:
    """The selected rates, what each optimizer found from each seed, and a recipe; computed once in a run of the lab."""

    def compute() -> tuple[dict[str, contest.Entry], dict[str, list[Minimum]], Recipe]:
        entries = contest.selection(lab, contest.LOOKED_AT)
        keys = [(name, seed) for name in contest.LOOKED_AT for seed in contest.seeds(lab)[: lab.pick(3, 3, 5)]]
        recipes = {(name, seed): contest.recipe(lab, name, entries[name].lr, seed) for name, seed in keys}
        runs = dict(zip(keys, lab.runs(list(recipes.values()), "competing"), strict=True))
        measured = _measured(lab, recipes, runs)
        found = {name: [measured[key] for key in keys if key[0] == name] for name in contest.LOOKED_AT}
        return entries, found, recipes[keys[0]]

    result: tuple[dict[str, contest.Entry], dict[str, list[Minimum]], Recipe] = lab.once("minima", compute)
    return result


def _measured(
    lab: Lab, recipes: Mapping[tuple[str, int], Recipe], runs: Mapping[tuple[str, int], Run]
) -> dict[tuple[str, int], Minimum]:
    """Both measures of all runs that did not diverge, where they are needed alone."""
    sizes = {"samples": lab.pick(150, 500, 2000), "perturbed": lab.pick(500, 2000, 5000)}
    ended = {key: run for key, run in runs.items() if not run.fault}
    states = {key: [run.states[step] for step in sorted(run.states)] for key, run in ended.items()}
    tasks = [
        {"recipe": recipes[key].as_arguments, "states": np.array(each), "samples": sizes["perturbed"]}
        for key, each in states.items()
    ]
    curves = dict(zip(states, (each["loss"] for each in lab.whole(losses, tasks, "losses")), strict=True))
    equal = {
        seed: max(float(curve.min()) for (_, other), curve in curves.items() if other == seed)
        for seed in {seed for _, seed in curves}
    }
    ways = {key: bracket(curve, equal[key[1]]) for key, curve in curves.items()}
    last = {key: len(each) - 1 for key, each in states.items()}
    wanted = [(key, place) for key in states for place in sorted({last[key], *(ways[key] or {})})]
    common = sizes | {"draws": lab.pick(10, 30, 60), "seed": lab.seed_of("perturbations")}
    tasks = [
        {
            "recipe": recipes[key].as_arguments,
            "state": states[key][place],
            "eigenvalues": lab.pick(2, 10, 10) if place == last[key] else 1,
        }
        | common
        for key, place in wanted
    ]
    found = dict(zip(wanted, lab.whole(sharpness, tasks, "sharpness of minima"), strict=True))
    result = {key: Minimum({}, {}, run.fault) for key, run in runs.items() if run.fault}
    for key, curve in curves.items():
        loss, measures = {END: float(curve[-1])}, {END: found[key, last[key]]}
        way = ways[key]
        if way:
            loss[EQUAL] = equal[key[1]]
            measures[EQUAL] = between([found[key, place] for place in way], list(way.values()))
        result[key] = Minimum(loss, measures)
    return result


def bracket(curve: Array, level: float) -> dict[int, float]:
    """Places on a curve of losses, last of all, between which it passes a level, with their weights on the log scale.

    Empty if it is never there.
    """
    for place in range(len(curve) - 1, -1, -1):
        if curve[place] == level:
            return {place: 1.0}
        if place and (curve[place - 1] - level) * (curve[place] - level) < 0:
            before, after = np.log(curve[place - 1 : place + 1])
            share = float((np.log(level) - before) / (after - before))
            return {place - 1: 1 - share, place: share}
    return {}


def between(found: Sequence[Mapping[str, Array]], weights: Sequence[float]) -> dict[str, Array]:
    """First eigenvalues and mean rises, interpolated on the log scale."""
    numbers = [{name: summary(name, array) for name, array in each.items()} for each in found]
    return {
        name: np.exp([sum(weight * np.log(each[name]) for weight, each in zip(weights, numbers, strict=True))])
        for name in numbers[0]
    }


def summary(name: str, array: Array) -> float:
    """One number of a measure: the largest eigenvalue, or the mean rise."""
    return float(array[0] if "eigenvalues" in name else array.mean())
