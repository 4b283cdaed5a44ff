"""SVAG: whether a stochastic differential equation describes what SGD does to a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from textwrap import fill
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

from experiments.drawing import BLUE, GREY, ORANGE, Named, headline, points, subplots
from experiments.evidence.claims.from_network_to_theory import (
    BATCH_SIZE,
    TOLERANCE,
    checkpoint,
    formulas,
    regime,
    scope,
)
from experiments.evidence.departures import TOP, svag
from experiments.evidence.lab import Lab
from experiments.evidence.replicas import Rule
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, span, unsampled
from experiments.referee.laws import Student

Array = NDArray[np.float64]

TIME = 10.0  # of the SDE: learning rate times iterations
RATES = (0.1, 0.4)
LINEAR = "linear recursion, C as measured"
SPREAD = "variance along the 10 directions of largest curvature (theta^2)"
STATISTICS = {
    "rise": "change of the training loss (1)",
    "along": SPREAD,
    "square": "squared distance from the checkpoint (theta^2)",
    "curvature": "curvature along the checkpoint's first eigenvector (1)",
}


class SVAG(Claim):
    """SGD beside SVAG, which has the same SDE as its limit at l = 1, 2, 4, ..."""

    name = "SVAG"
    place = "Section 2.1, Equation 1; the test is that of Li, Malladi and Arora (2021)"
    statement = (
        "SGD on a network is described by the SDE d theta = -grad L dt + sqrt(2 D) dW. For one step of SGD, SVAG takes "
        "l of lr/l with l times the noise's covariance, and tends to that SDE as l grows; SGD itself is l = 1."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Four statistics of replicas from one checkpoint at two learning rates, for each l."""
        lab = Lab.of(routes)
        made, run, basis = checkpoint(lab)
        count = lab.pick(64, 256, 1024)
        tasks = [(lr, level) for lr in RATES for level in lab.pick((1, 2, 4), (1, 2, 4, 8), (1, 2, 4, 8, 16))]
        common = {
            "recipe": made.as_arguments,
            "state": run.last,
            "directions": basis["directions"][:, :TOP],
            "count": count,
        }
        settings = [
            common
            | {
                "rule": asdict(Rule(lr, batch_size=BATCH_SIZE, level=level)),
                "iterations": round(TIME / lr),
                "seed": lab.seed_of(f"svag {lr} {level}"),
            }
            for lr, level in tasks
        ]
        found = dict(zip(tasks, lab.whole(svag, settings, "SVAG"), strict=True))
        told = regime(made, run) | {"replicas": count}
        for rate in RATES:
            results = {level: arrays for (lr, level), arrays in found.items() if lr == rate}
            for name, quantity in STATISTICS.items():
                rows = [_row(name, rate, level, arrays, basis, told) for level, arrays in results.items()]
                yield Evidence.of_rows(f"SGD at learning rate {rate:g}", quantity, rows, label=f"{rate:g}, {name}")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Of each statistic SGD's over that of SVAG at the largest l, and whether SVAG has come to its limit there."""
        yield scope(evidence[0].data)
        for piece in evidence:
            quantity = piece.quantity.rpartition(" (")[0]
            levels = piece.data["level"].values
            last = int(levels.max())
            yield _agree(piece.data, 1, last, f"the {quantity}", "SGD's")
            yield _agree(piece.data, last // 2, last, f"the {quantity} at l = {last // 2}", "SVAG's", judge=False)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """The statistics against 1/l."""
        if not any(piece.why_missing for piece in evidence):
            yield _figure(self, evidence)


def _row(
    name: str, lr: float, level: int, arrays: Mapping[str, Any], basis: Mapping[str, Any], told: Mapping[str, Any]
) -> Row:
    each = np.asarray(arrays[name], float)
    count, iterations, values = len(each), round(TIME / lr), {}
    if name == "along":
        each = ((each - each.mean(axis=0)) ** 2).sum(axis=1) * count / (count - 1)
        curvature, noise = basis["curvature"][:TOP], basis["noise"][:TOP]
        slow = Rule(lr / level, batch_size=BATCH_SIZE, level=level)
        stated = formulas(Rule(lr, batch_size=BATCH_SIZE), iterations, curvature, np.abs(curvature))
        own = formulas(slow, iterations * level, curvature, noise * level)
        values = {
            "paper": stated["paper"].sum(),
            "exact": own["exact"].sum(),
            "exact_discrete": own["exact_discrete"].sum(),
        }
    law = Student(each.std(ddof=1) / np.sqrt(count), count)
    where = {"optimizer": "SGD", "lr": lr, "level": level, "iterations": iterations}
    reasons = unsampled(
        "the optimizer itself runs on the network: see the column measured", paper="not stated", exact="not known"
    )
    return Row(where | dict(told), values, {"measured": Sample(float(each.mean()), law)}, reasons=reasons)


def ratio(data: xarray.Dataset, one: int, other: int) -> tuple[float, float, float]:
    """The measured value at one l over that at another, with its interval; both are independent."""
    ends = [data.isel(row=data["level"].values == level).isel(row=0) for level in (one, other)]
    values = [float(end["measured"]) for end in ends]
    spreads = [
        float(end["measured_high"] - end["measured_low"]) / 2 / abs(value)
        for end, value in zip(ends, values, strict=True)
    ]
    quotient = values[0] / values[1]
    error = abs(quotient) * float(np.hypot(spreads[0], spreads[1]))
    return quotient, quotient - error, quotient + error


def _agree(data: xarray.Dataset, one: int, last: int, what: str, whose: str, judge: bool = True) -> Finding:
    value, low, high = ratio(data, one, last)
    tells = f"{value:.3g} [{low:.3g}, {high:.3g}] times that at l = {last}"
    name = f"{what}, l = {one} over l = {last}"
    inside = low >= 1 - TOLERANCE and high <= 1 + TOLERANCE
    if judge and (inside or low > 1 + TOLERANCE or high < 1 - TOLERANCE):
        right, wrong = f"{what} is the SDE's", f"{what} is not the SDE's"
        return Finding.judged(name, value, right, wrong, tells, tolerance=TOLERANCE)
    word = "is" if not judge else f"is not judged, as {100 * TOLERANCE:g} % are not resolved:"
    return Finding(name, value, f"{what} {word} {tells}")


def _figure(claim: Claim, evidence: Sequence[Evidence]) -> Named:
    subjects = list(dict.fromkeys(piece.subject for piece in evidence))
    figure, axes = subplots(len(subjects), len(STATISTICS), size=(14, 7.4), squeeze=False, sharex=True)
    for row, subject, colour in zip(axes, subjects, (BLUE, ORANGE), strict=True):
        for axis, piece in zip(row, (piece for piece in evidence if piece.subject == subject), strict=True):
            data = piece.data
            points(
                axis,
                data["level"],
                *(data[f"measured{end}"] for end in ("", "_low", "_high")),
                fmt="o",
                color=colour,
                label=f"{subject}, and SVAG: 95 %",
            )
            if "exact_discrete" in data:
                axis.plot(data["level"], data["exact_discrete"], color=GREY, lw=2, label=LINEAR)
            axis.set_xscale("log", base=2)
            axis.set_xticks(data["level"].values, [f"{level}" for level in data["level"].values])
            axis.set_ylabel(fill(piece.quantity.removesuffix(" (1)").replace("theta^2", "θ²"), 32))
            axis.margins(x=0.15)
    for axis in axes[-1]:
        axis.set_xlabel("l: 1 is SGD, ∞ its SDE")
    title = _title(evidence)
    headline(figure, title)
    keys = {
        label: handle for axis in axes.flat for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(keys.values(), keys, loc="outside lower center", ncols=len(keys))
    first = evidence[0].data.isel(row=0)
    told = "{data}, {network} of {parameters} parameters, {replicas} replicas"
    told = told.format(**{name: first[name].item() for name in ("data", "network", "parameters", "replicas")})
    return (
        "svag",
        claim.name,
        figure,
        f"{title}. {told}, after learning rate times iterations = {TIME:g}; points with 95 %; the linear recursion is "
        "that of a quadratic loss, with C as measured at the checkpoint.",
    )


def _title(evidence: Sequence[Evidence]) -> str:
    """How far SGD is from the largest l at each learning rate."""
    far: dict[float, list[float]] = {}
    for piece in evidence:
        values = ratio(piece.data, 1, int(piece.data["level"].max()))
        far.setdefault(float(piece.data["lr"][0]), []).append(values[0])
    told = ", ".join(f"{span(values)} at learning rate {lr:g}" for lr, values in far.items())
    return f"SVAG: SGD's statistics over those next to its SDE are {told}"


claim = SVAG()
