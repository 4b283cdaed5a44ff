"""Figures of the claims about minima."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from experiments import well_figures
from experiments.comparison import Comparison
from experiments.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, Named
from experiments.minima import claims
from experiments.minima.verdicts import BARRIER, DAMPED


def all_figures(found: list[Comparison]) -> Iterator[Named]:
    """Every figure."""
    if not found:
        return
    yield overview(found)
    yield well_figures.theorem_3_map()
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
