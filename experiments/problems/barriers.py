"""Formulas for escape times against the barrier: findings and figures that Theorem 3 and Propositions 2 and 4 share."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray
from matplotlib import pyplot as plt

from experiments.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, Named
from experiments.problems import low_temperature
from experiments.problems.exits import BARRIER, EXPONENTS, ITERATIONS, RATE
from experiments.referee.claim import Claim
from experiments.referee.evidence import Evidence
from experiments.referee.verdict import Finding

EXPONENT = 0.03  # an exponent counts as right within this relative deviation
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY, "black")
WIDEST = 1 / 3  # temperature over barrier of the figure of rates


def exponent(name: str, grown: float, where: str) -> Finding:
    """Whether the exact time grows with the barrier as the formula's does: `grown` is its growth over the formula's."""
    return Finding.judged(
        name,
        grown,
        target=1,
        tolerance=EXPONENT,
        right=f"the exponent is right within {max(100 * abs(grown - 1), 0.1):.1g} % ({where})",
        wrong=f"the exponent is not right: the exact one is {grown:.3g} times the formula's ({where})",
    )


def _series(evidence: Sequence[Evidence], quantity: str) -> dict[str, xarray.Dataset]:
    """Rows of one subject, landscape and exit line, by a label that tells them apart."""
    series = {}
    for piece in evidence:
        if piece.quantity != quantity:
            continue
        present = [name for name in ("landscape", "exit", "by") if name in piece.data]
        told = [name for name in present if len(set(piece.data[name].values.tolist())) > 1]
        columns = [piece.data[name].values.tolist() for name in told]
        for place in dict.fromkeys(zip(*columns, strict=True)) if told else [()]:
            label = ", ".join([piece.subject, *(text.split(",")[0] for text in place)])
            series[label] = piece.where(**dict(zip(told, place, strict=True))).sortby(BARRIER)
    return series


def times(name: str, claim: Claim, evidence: Sequence[Evidence]) -> Named:
    """Formula over exact mean time, and over the optimizer as shipped, against barrier over temperature."""
    figure, axis = plt.subplots(figsize=(9.5, 6), layout="constrained")
    ends = []
    for (label, rows), colour in zip(_series(evidence, ITERATIONS).items(), cycle(COLOURS), strict=False):
        ratio = rows["paper"] / rows["exact"]
        axis.plot(rows[BARRIER], ratio, "-o", color=colour, lw=2, ms=5, label=label)
        ends.append(float(ratio[-1]))
        if "shipped" in rows:
            value, low, high = (rows["paper"] / rows[column] for column in ("shipped", "shipped_high", "shipped_low"))
            style: dict[str, Any] = {"fmt": "^", "color": colour, "mfc": "white", "ms": 8, "capsize": 2}
            axis.errorbar(rows[BARRIER], value, [value - low, high - value], **style)
    axis.axhline(1, color="black", lw=1)
    axis.set(xscale="log", yscale="log", xlabel="barrier / temperature", ylabel="formula / exact mean escape time")
    axis.set_xticks(EXPONENTS, [f"{barrier:g}" for barrier in EXPONENTS])
    axis.set_yticks([0.2, 0.3, 0.5, 1, 2, 3, 5, 10], ["0.2", "0.3", "0.5", "1", "2", "3", "5", "10"])
    axis.minorticks_off()
    handles, labels = axis.get_legend_handles_labels()
    if any("shipped" in piece.measured for piece in evidence):
        handles.append(mpl.lines.Line2D([], [], color=GREY, marker="^", mfc="white", ls="", ms=8))
        labels.append("over the optimizer as shipped, 95 %")
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    highest = max(float(piece.data[BARRIER].max()) for piece in evidence if piece.quantity == ITERATIONS)
    title = f"{claim.name}: {min(ends):.2f} to {max(ends):.2f} times the exact escape time at barrier/temperature {highest:g}"
    axis.set_title(title)
    caption = f"{title}. One coordinate. A level line is a right exponent; its height is the prefactor."
    return name, claim.name, figure, caption


def rates(name: str, claim: Claim, evidence: Sequence[Evidence]) -> Named:
    """Formula over exact rate against temperature over barrier, its limits, and split paths."""
    figure, axis = plt.subplots(figsize=(9.5, 6.2), layout="constrained")
    values, linear = [], 0
    series = _series(evidence, RATE)
    curves = {label: rows for label, rows in series.items() if rows.sizes["row"] >= low_temperature.USED}
    for (label, rows), colour in zip(curves.items(), cycle(COLOURS), strict=False):
        ratio = rows["paper"] / rows["exact"]
        end = low_temperature.limit(rows[BARRIER], ratio)
        shown = rows[BARRIER] >= 1 / WIDEST
        axis.plot(1 / rows[BARRIER][shown], ratio[shown], "-", marker=".", color=colour, lw=2)
        axis.errorbar(0, end.value, end.uncertainty, fmt="s", color=colour, ms=6, capsize=3, clip_on=False, zorder=3)
        tends = f"{end.value:.3g} ± {max(end.uncertainty, 1e-4):.1g}"
        axis.plot([], [], "-s", color=colour, lw=2, ms=6, label=f"{label}: {tends}")
        values.append(end.value)
        linear += abs(end.power - 1) <= low_temperature.LINEAR
    for rows in series.values():
        if "splitting" in rows and np.isfinite(rows["splitting"]).any():
            _split(axis, rows)
    axis.axhline(1, color="black", lw=1)
    axis.set(yscale="log", xlabel="temperature / barrier", ylabel="formula / exact escape rate")
    axis.set_xlim(-0.006, WIDEST + 0.006)
    axis.set_yticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    axis.minorticks_off()
    figure.legend(loc="outside lower center", ncols=1)
    title = (
        f"{claim.name}: as temperature falls its rate tends to {min(values):.3g} to {max(values):.3g} times the exact one;\n"
        f"the rest dies out linearly in {linear} of {len(values)} cases"
    )
    axis.set_title(title)
    caption = f"{title}. One coordinate. Squares at 0: limits by extrapolation in the square root of temperature, with their uncertainty."
    return name, claim.name, figure, caption.replace("\n", " ")


def _split(axis: Any, rows: xarray.Dataset) -> None:
    """Split paths as points with intervals, and the exact chain that they should find."""
    ratio, low, high = (rows["paper"] / rows[column] for column in ("splitting", "splitting_high", "splitting_low"))
    style: dict[str, Any] = {"fmt": "D", "color": GREY, "mfc": "white", "ms": 7, "capsize": 3}
    label = "over the discrete optimizer by splitting, 95 %"
    axis.errorbar(1 / rows[BARRIER], ratio, [ratio - low, high - ratio], label=label, **style)
    chain = rows["paper"] / rows["exact_splitting"]
    axis.plot(1 / rows[BARRIER], chain, "_", color="black", ms=18, mew=1.6, label="over its exact chain")
