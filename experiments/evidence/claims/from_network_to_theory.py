"""From network to theory: Theorems 1 and 2 along the eigenvectors of a network's Hessian, near a minimum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

import theory
from experiments.drawing import Named
from experiments.evidence import departure_figure
from experiments.evidence.data.sets import DIGITS
from experiments.evidence.departures import GROUPS, QUADRATIC, control, departure, eigenbasis
from experiments.evidence.lab import Lab
from experiments.evidence.replicas import Rule
from experiments.evidence.training import Recipe, Run
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, span, unsampled
from experiments.referee.laws import LogNormal, MeanSquare

Array = NDArray[np.float64]

BATCH_SIZE, INERTIA = 10, 0.9
SMALL, LARGE = 0.01, 0.1  # learning rates of the replicas; the network was trained at the large one, which then decayed
SAVED = {SMALL: (3, 10, 30, 100, 300, 1000), LARGE: (1, 3, 10, 30, 100)}  # iterations at each
MOMENTUM = {"inertia": INERTIA}
ENSEMBLES: dict[str, dict[str, Any]] = {  # what tells each from SGD
    "SGD": {},
    "SGD, shuffled": {"replacement": False},
    "Momentum from rest": MOMENTUM,
    "Momentum in motion": MOMENTUM | {"start": "thermal"},
    "Momentum, shuffled": MOMENTUM | {"replacement": False},
}
TOLERANCE = 0.1  # a formula counts as right within it, which is about three times what these ensembles resolve
MSD = "variance of parameters around the replicas' mean (theta^2)"
CONTROL = "quadratic loss with C = H/B (control)"
CONTROL_RULES = {
    "SGD": Rule(0.05),
    "Momentum from rest": Rule(0.05, INERTIA),
    "Momentum in motion": Rule(0.05, INERTIA, start="thermal"),
}
CONTROL_SAVED = (10, 200)
ONE_ROUTE = unsampled("the optimizer itself runs on the network: see the column measured")


class FromNetworkToTheory(Claim):
    """The spread of replicas from one checkpoint beside what Theorems 1 and 2 say of it."""

    name = "From network to theory"
    place = "Theorems 1 and 2, Equation 3"
    statement = (
        "Near a critical point the variance of a network's parameters along each eigenvector of its Hessian is that of "
        "Theorem 1 (SGD) and Theorem 2 (Momentum), with noise C = |H|/B."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of replicas from the end of one training, at a small and a large learning rate, and of the control."""
        lab = Lab.of(routes)
        made, run, basis = checkpoint(lab)
        count = lab.pick(64, 256, 512)
        saved = {lr: [k for k in iterations if k <= lab.pick(300, 1000, 1000)] for lr, iterations in SAVED.items()}
        tasks = [(lr, name) for lr in SAVED for name in ENSEMBLES]
        common = {"recipe": made.as_arguments, "state": run.last, "count": count}
        common |= {name: basis[name] for name in ("directions", "ends")}
        settings = [
            common
            | {"rule": asdict(rule_of(lr, name)), "save": saved[lr], "seed": lab.seed_of(f"departure {lr} {name}")}
            for lr, name in tasks
        ]
        found = dict(zip(tasks, lab.whole(departure, settings, "replicas of a network"), strict=True))
        told = regime(made, run) | {"replicas": count}
        for name in ENSEMBLES:
            rows = [
                row for lr in SAVED for row in _rows(name, rule_of(lr, name), saved[lr], basis | found[lr, name], told)
            ]
            yield Evidence.of_rows(name, MSD, rows)
        yield _controlled(lab)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """How right the theorem is at each learning rate, with either noise; with shuffling what is left of it."""
        (piece,) = evidence
        if piece.subject == CONTROL:
            yield _control_finding(piece)
            return
        yield scope(piece.data)
        for lr in np.unique(piece.data["lr"].values):
            yield from _at_rate(piece, float(lr))
        drift = float(piece.data["squared_drift"].max())
        text = f"the mean of the replicas drifts, its square by up to {drift:.2g} times the variance"
        yield Finding("squared drift over variance, at most", drift, text)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Variances against iterations, with the theorems and the optimizer's own recursion."""
        data = {piece.subject: piece.data for piece in evidence if not piece.why_missing}
        if CONTROL in data:
            yield departure_figure.draw("network-to-theory", self.name, _title(data), data)


def rule_of(lr: float, name: str) -> Rule:
    """What moves an ensemble."""
    return Rule(lr, batch_size=BATCH_SIZE, **ENSEMBLES[name])


def checkpoint(lab: Lab) -> tuple[Recipe, Run, dict[str, Any]]:
    """The training whose end, with a learning rate that decays, is the checkpoint; and directions in which to look.

    Raises
    ------
    ValueError
        If there is no such end.
    """
    sizes: dict[str, Any] = {"data": lab.images, "samples": 2000, "tested": 1000, "pool": 2, "epochs": 20}
    if lab.size == "quick" or lab.images == DIGITS:
        sizes = {"data": DIGITS, "samples": 1000, "model_settings": (("hidden", (8,)),), "epochs": lab.pick(8, 12, 12)}
    seed = lab.seed_of("from network to theory")
    made = Recipe(**sizes, model="mlp", optimizer="SGD", lr=LARGE, weight_decay=0.0, batch_size=BATCH_SIZE, seed=seed)
    (run,) = lab.runs([made])
    if run.fault:
        raise ValueError(f"the training of its network: {run.fault}")
    (basis,) = lab.whole(eigenbasis, [{"recipe": made.as_arguments, "state": run.last}], "eigenvectors")
    return made, run, basis


def regime(made: Recipe, run: Run) -> dict[str, Any]:
    """What a row says of the network."""
    parameters = sum(part.numel() for part in made.model_at().parameters())
    told = {"data": made.splits.name, "samples": len(made.splits.train[0]), "network": made.model}
    return told | {"parameters": parameters, "train_loss": run.train_loss, "batch_size": made.batch_size}


def scope(data: xarray.Dataset) -> Finding:
    """On which data and network something was found."""
    names = ("data", "samples", "network", "parameters", "train_loss", "batch_size", "replicas")
    told = {name: data[name].values[0] for name in names}
    text = (
        "on {data}, {samples} samples, {network} of {parameters} parameters at training loss {train_loss:.3g}, B = "
        "{batch_size}, {replicas} replicas"
    ).format(**told)
    return Finding("training loss at the checkpoint", float(told["train_loss"]), text)


def formulas(rule: Rule, iterations: Any, curvature: Array, noise: Array) -> dict[str, Array]:
    """Variances along directions with this noise of one sample: the theorem's, the SDE's, and the optimizer's own."""
    variance, weight, time = noise / rule.batch_size, 1 - rule.inertia, np.asarray(iterations) * rule.lr
    sde: dict[str, Any] = {"hessian": curvature, "diffusion": rule.lr / 2 * variance}
    if rule.inertia:
        sde |= {"mass": rule.lr / weight, "damping": weight / rule.lr}
        paper, exact = theory.momentum_msd(time, **sde), theory.momentum_msd_exact(time, **sde, start=rule.start)
    else:
        paper, exact = theory.sgd_msd(time, **sde), theory.sgd_msd_exact(time, **sde)
    recursion: dict[str, Any] = {"lr": rule.lr, "inertia": rule.inertia, "gradient_weight": weight}
    discrete = theory.discrete_msd(
        iterations, hessian=curvature, noise_variance=variance, **recursion, start=rule.start
    )
    return {"paper": paper, "exact": exact, "exact_discrete": discrete}


def _rows(
    name: str, rule: Rule, saved: Sequence[int], found: Mapping[str, Any], told: Mapping[str, Any]
) -> Iterator[Row]:
    """A row for each number of iterations and group of directions, of geometric means over the group."""
    curvature, noise = found["curvature"], np.maximum(found["noise"], np.finfo(float).tiny)
    for k, iterations in enumerate(saved):
        own = formulas(rule, iterations, curvature, noise)
        columns = {"paper": formulas(rule, iterations, curvature, np.abs(curvature))["paper"]}
        columns |= {
            "paper_measured_noise": own["paper"],
            "exact": own["exact"],
            "exact_discrete": own["exact_discrete"],
        }
        mean, variance = found["mean"][k], found["variance"][k]
        for number, group in enumerate(GROUPS):
            part = slice(*found["ends"][number : number + 2])
            drift = np.mean(mean[part] ** 2) / np.mean(variance[part]) - 1 / told["replicas"]
            where = {"optimizer": name, **asdict(rule), "directions": group, "iterations": iterations}
            where |= {"median_curvature": float(np.median(curvature[part])), "squared_drift": float(drift)}
            values = {route: _geometric(column[part]) for route, column in columns.items()}
            error = float(found["error"][k, number])
            samples = {"measured": Sample(_geometric(variance[part]), LogNormal(error, error))}
            yield Row(where | dict(told), values, samples, reasons=ONE_ROUTE)


def _geometric(values: Array) -> float:
    return float(np.exp(np.mean(np.log(values))))


def _controlled(lab: Lab) -> Evidence:
    """The control, whose rows are tested against the exact recursion."""
    count = lab.pick(1024, 8192, 8192)
    settings = {"rules": {name: asdict(rule) for name, rule in CONTROL_RULES.items()}, "save": list(CONTROL_SAVED)}
    (found,) = lab.whole(control, [settings | {"count": count, "seed": lab.seed_of("control")}], "control")
    h = np.array(QUADRATIC)
    rows = []
    for name, rule in CONTROL_RULES.items():
        for k, iterations in enumerate(CONTROL_SAVED):
            columns = formulas(rule, iterations, h, np.abs(h))
            for direction, curvature in enumerate(QUADRATIC):
                values = {route: float(column[direction]) for route, column in columns.items()}
                measured = float(found[name][k, direction])
                samples = {"discrete": Sample(measured, MeanSquare(count - 1), values["exact_discrete"])}
                where = {"optimizer": name, **asdict(rule), "curvature": curvature, "iterations": iterations}
                rows.append(Row(where, values, samples, reasons=unsampled("one ensemble, see the column discrete")))
    return Evidence.of_rows(CONTROL, MSD, rows)


def _control_finding(piece: Evidence) -> Finding:
    ratio = (piece.data["discrete"] / piece.data["exact_discrete"]).values
    worst = float(ratio[np.argmax(np.abs(np.log(ratio)))])
    right, wrong = (
        f"where the assumptions are true what is measured {word} the exact recursion" for word in ("is", "is not")
    )
    tells = f"{ratio.min():.3f} to {ratio.max():.3f} times it over {len(ratio)} points, each of which is tested"
    return Finding.judged("measured over exact", worst, right, wrong, tells, tolerance=TOLERANCE)


def _at_rate(piece: Evidence, lr: float) -> Iterator[Finding]:
    """What is found at a learning rate."""
    rows = piece.data.isel(row=piece.data["lr"].values == lr)
    theorem = "Theorem 2" if "Momentum" in piece.subject else "Theorem 1"
    last = int(rows["iterations"].max())
    if "shuffled" in piece.subject:
        yield compared(rows, lr, last, "exact_discrete", "the recursion for independent minibatches")
        return
    measured = "paper_measured_noise", f"{theorem} with C as measured"
    yield compared(rows, lr, last, "paper", f"{theorem} with C = |H|/B")
    yield compared(rows, lr, last, *measured, ("top", "bulk"))
    yield compared(rows, lr, last, *measured, ("negative",))
    if theorem == "Theorem 2":
        yield compared(rows, lr, round(1 / (1 - INERTIA)), *measured)


def compared(
    rows: xarray.Dataset, lr: float, iterations: int, route: str, said: str, groups: Sequence[str] = tuple(GROUPS)
) -> Finding:
    """A formula over what is measured in some groups; the farthest one is judged, where its interval decides."""
    there = rows.isel(row=(rows["iterations"].values == iterations) & np.isin(rows["directions"].values, groups))
    ends = {"": "value", "_high": "low", "_low": "high"}
    ratios = {end: (there[route] / there[f"measured{name}"]).values for name, end in ends.items()}
    told = ", ".join(
        f"{value:.3g} [{low:.3g}, {high:.3g}] ({group})"
        for group, value, low, high in zip(there["directions"].values, *ratios.values(), strict=True)
    )
    far = int(np.argmax(np.abs(np.log(ratios["value"]))))
    value, low, high = (float(ratio[far]) for ratio in ratios.values())
    where = f"at learning rate {lr:g} after {iterations} iterations"
    what = said if len(groups) == len(GROUPS) else f"{said}, along {' and '.join(groups)} directions,"
    name, tells = f"{what.removesuffix(',')}, {where}", f"{told} times what is measured"
    inside = low >= 1 - TOLERANCE and high <= 1 + TOLERANCE
    if inside or low > 1 + TOLERANCE or high < 1 - TOLERANCE:
        right, wrong = (f"{where} {what} is {word}" for word in ("right", "off"))
        return Finding.judged(name, value, right, wrong, tells, tolerance=TOLERANCE)
    return Finding(name, value, f"{where} {what} is not judged, as {100 * TOLERANCE:g} % are not resolved: {tells}")


def _title(data: Mapping[str, xarray.Dataset]) -> str:
    """What Theorem 1 says with either noise, along all directions at the small learning rate."""
    rows = data["SGD"]
    last = rows.isel(row=rows["lr"].values == SMALL).isel(row=slice(-len(GROUPS), None))
    ratios = {route: (last[route] / last["measured"]).values for route in ("paper", "paper_measured_noise")}
    stated, measured = (span(ratio) for ratio in ratios.values())
    return (
        f"From network to theory: Theorem 1 is {stated} times what is measured, with the noise as measured {measured}"
    )


claim = FromNetworkToTheory()
