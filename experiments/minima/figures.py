"""Figures of the claims about minima."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from experiments.comparison import Comparison
from experiments.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, Named
from experiments.minima import claims
from experiments.minima.low_temperature import LIMIT, RATE
from experiments.minima.verdicts import BARRIER, DAMPED, LINEAR
from experiments.sharpness import well_figures


def all_figures(found: list[Comparison]) -> Iterator[Named]:
    """Every figure of which all rows are there."""
    if not found:
        return
    missing = {one.claim for one in found if one.missing}
    if not missing & {claims.THEOREM_3, claims.PROPOSITION_2, claims.PROPOSITION_4}:
        yield overview(found)
    if not missing & {claims.LOW_TEMPERATURE, claims.PROPOSITION_2}:
        yield low_temperature(found)
    yield well_figures.theorem_3_map()
    if claims.DAMPING not in missing:
        yield well_figures.damping(_turned(found))


def _turned(found: list[Comparison]) -> list[dict[str, Any]]:
    """The rows about damping as `turnover.escape_times` gives them."""
    by: dict[float, dict[str, Any]] = {}
    for one in found:
        if one.claim is claims.DAMPING:
            line = "saddle" if one.regime["exit"] == "at the saddle" else "beyond"
            entry = by.setdefault(one.regime[DAMPED], {"ratio": one.regime[DAMPED]})
            entry |= {name: one.values[name] for name in ("paper", "kramers", "melnikov")} | {line: one.values["exact"]}
    return list(by.values())


def overview(found: list[Comparison]) -> Named:
    """Each formula over the exact mean, and over the optimizer as shipped, against barrier over temperature."""
    landscapes = list(dict.fromkeys(one.regime["landscape"] for one in found if one.claim is claims.THEOREM_3))
    shown = [
        (f"Theorem 3 (SGD), {landscape.split(',')[0]}, beyond the saddle", colour, claims.THEOREM_3, {"landscape": landscape, "exit": "beyond the saddle"})
        for landscape, colour in zip(landscapes, (GREY, "#999999"), strict=True)
    ]  # fmt: skip
    shown += [
        ("Proposition 2 (Adam), v following", ORANGE, claims.PROPOSITION_2, {"subject": "Adam, v following"}),
        ("Proposition 2 (Adam), v frozen", PURPLE, claims.PROPOSITION_2, {"subject": "Adam, v frozen"}),
        ("Proposition 2 (RMSprop), v following", GREEN, claims.PROPOSITION_2, {"subject": "RMSprop, v following"}),
        ("Proposition 4 (Adai)", BLUE, claims.PROPOSITION_4, {}),
    ]
    figure, axis = plt.subplots(figsize=(9.5, 6), layout="constrained")
    ends, highest = [], 0.0
    for label, colour, claim, wanted in shown:
        these = [
            one
            for one in found
            if one.claim is claim
            and all((one.subject if name == "subject" else one.regime[name]) == value for name, value in wanted.items())
        ]
        x = np.array([one.regime[BARRIER] for one in these])
        axis.plot(x, [one.ratio for one in these], "-o", color=colour, lw=2, ms=5, label=label)
        ends.append(these[int(np.argmax(x))].ratio)
        highest = float(x.max())
        for one in these:
            if "shipped" in one.samples:
                low, high = one.samples["shipped"].interval()
                value, paper = one.samples["shipped"].value, one.values["paper"]
                axis.errorbar(
                    one.regime[BARRIER], paper / value, [[paper / value - paper / high], [paper / low - paper / value]],
                    fmt="^", color=colour, mfc="white", ms=8, capsize=2,
                )  # fmt: skip
    axis.axhline(1, color="black", lw=1)
    axis.set(xscale="log", yscale="log", xlabel="barrier / temperature", ylabel="formula / exact mean escape time")
    axis.set_xticks(claims.EXPONENTS, [f"{one:g}" for one in claims.EXPONENTS])
    axis.set_yticks([0.2, 0.3, 0.5, 1, 2, 3], ["0.2", "0.3", "0.5", "1", "2", "3"])
    axis.minorticks_off()
    handles, labels = axis.get_legend_handles_labels()
    handles.append(mpl.lines.Line2D([], [], color=GREY, marker="^", mfc="white", ls="", ms=8))
    figure.legend(handles, [*labels, "over the optimizer as shipped, 95 %"], loc="outside lower center", ncols=2)
    title = f"The formulas are {min(ends):.2f} to {max(ends):.1f} times the exact escape time at barrier/temperature {highest:g}"
    axis.set_title(title)
    caption = (
        f"{title}. The exact means of Propositions 2 and 4 are first passages at the saddle, where the paper's experiment stops its runs; by quadrature "
        "without inertia, by the phase-space grid with it. A level line is a right exponent; its height is the prefactor."
    )
    return "minima", claims.THEOREM_3.name, figure, caption


def low_temperature(found: list[Comparison]) -> Named:
    """Formula over exact rate against temperature over barrier, the limits, and split paths."""
    figure, axis = plt.subplots(figsize=(9.5, 6.2), layout="constrained")
    rows = [one for one in found if one.claim is claims.LOW_TEMPERATURE]
    colours = iter((GREY, PURPLE, "#56B4E9", "black", GREEN, BLUE, ORANGE))
    said = []
    for end in (one for one in rows if one.quantity == LIMIT):
        colour = next(colours)
        exit_line, landscape = str(end.regime["exit"]), str(end.regime["landscape"]).split(",")[0]
        x, y = _curve(found, rows, end)
        shown = x <= WIDEST
        axis.plot(x[shown], y[shown], "-", marker=".", color=colour, lw=2)
        value, off, power = (end.values[name] for name in ("formula_over_exact", "uncertainty", "power"))
        axis.errorbar(0, value, off, fmt="s", color=colour, ms=6, capsize=3, clip_on=False, zorder=3)
        label = f"{end.subject}, {landscape}, {exit_line}: {value:.3g} ± {max(off, 1e-4):.1g}"
        axis.plot([], [], "-s", color=colour, lw=2, ms=6, label=label)
        said.append((value, power))
    split = [one for one in rows if "splitting" in one.samples]
    for one in split:
        sample, paper = one.samples["splitting"], one.values["paper"]
        low, high = sample.interval()
        ratio = paper / sample.value
        axis.errorbar(
            1 / one.regime[BARRIER], ratio, [[ratio - paper / high], [paper / low - ratio]], fmt="D", color=GREY, mfc="white", ms=7,
            capsize=3,
        )  # fmt: skip
        axis.plot(1 / one.regime[BARRIER], paper / one.values["exact_splitting"], "_", color="black", ms=18, mew=1.6)
    if split:
        axis.plot(
            [], [], "D", color=GREY, mfc="white", ms=7, label="over discrete SGD by splitting, 95 %, double parabola"
        )
        axis.plot([], [], "_", color="black", ms=18, mew=1.6, label="over its exact chain")
    axis.axhline(1, color="black", lw=1)
    axis.set(yscale="log", xlabel="temperature / barrier", ylabel="formula / exact escape rate")
    axis.set_xlim(-0.006, WIDEST + 0.006)
    axis.set_yticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    axis.minorticks_off()
    figure.legend(loc="outside lower center", ncols=1)
    linear = sum(abs(power - 1) <= LINEAR for _, power in said)
    values = [value for value, _ in said]
    title = (
        f"As temperature falls the formulas' rates tend to {min(values):.2g} to {max(values):.2g} times the exact ones; "
        f"\nthe rest dies out linearly in {linear} of {len(said)} cases"
    )
    axis.set_title(title)
    caption = (
        f"{title}. Squares at 0: limits by extrapolation in the square root of temperature, with their uncertainty. Lines: quadrature without inertia, "
        "the phase-space grid with it (Adai with the noise of the minimum everywhere: with two temperatures its exponent is another). The learning "
        "rate and so the inertia fall with the temperature."
    )
    return "low-temperature", claims.LOW_TEMPERATURE.name, figure, caption.replace("\n", " ")


WIDEST = 1 / 3  # temperature over barrier of the figure


def _curve(found: list[Comparison], rows: list[Comparison], end: Comparison) -> tuple[Any, Any]:
    """Temperature over barrier and formula over exact rate of the curve that has this limit; Adam's is among Proposition 2's rows of times."""
    alike = ("landscape", "exit", "by")
    used = [
        (one.regime[BARRIER], one.ratio)
        for one in rows
        if one.quantity == RATE and one.subject == end.subject and all(one.regime[name] == end.regime[name] for name in alike)
    ] or [
        (one.regime[BARRIER], 1 / one.ratio)
        for one in found
        if one.claim is claims.PROPOSITION_2 and one.subject == "Adam, v following"
    ]  # fmt: skip
    barrier, ratio = np.array(used).T
    return 1 / barrier, ratio
