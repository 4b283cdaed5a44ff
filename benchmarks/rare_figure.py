"""The figure of what a rare escape costs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.costs import Cost
from experiments.drawing import BLUE, GREY, ORANGE, Named, save, subplots

STYLES = {
    "direct": (GREY, "o", "direct simulation, measured"),
    "splitting": (BLUE, "D", "splitting, measured"),
    "fixed levels": (ORANGE, "s", "fixed levels, measured"),
}


Powers = dict[str, tuple[float, float, float]]


def draw(costs: list[Cost], powers: Powers, directory: Path) -> None:
    """Draw rare-escapes.png and rare-escapes.svg into `directory`."""
    save(_figures(costs, powers), directory)


def _figures(costs: list[Cost], powers: Powers) -> Iterator[Named]:
    figure, axis = subplots(size=(9.5, 5.6))
    reach = -np.log([cost.rate for cost in costs])
    for method, (colour, marker, label) in STYLES.items():
        these = [cost for cost in costs if cost.method == method]
        x = -np.log([cost.rate for cost in these])
        y, low, high = (np.array([getattr(cost, name) for cost in these]) for name in ("work", "low", "high"))
        if method == "direct":
            line = np.array([x.max(), reach.max()])
            axis.plot(line, y[-1] * np.exp(line - x[-1]), color=colour, lw=1.6, label="direct, extrapolated: 100 exits")
        else:
            p, least, most = powers[method]
            line = np.linspace(x.min(), x.max(), 50)
            middle = np.exp(np.mean(np.log(y) - p * np.log(x)))
            axis.plot(line, middle * line**p, color=colour, lw=1.6)
            label += f" (line: (−log rate)^p, p = {p:.1f} [{least:.1f}, {most:.1f}])"
        axis.errorbar(x, y, [y - low, high - y], fmt=marker, color=colour, ms=7, capsize=3, label=label)
    axis.set(yscale="log", xlabel="−log(rate per iteration)", ylabel="substeps for a relative error of 10 %")
    axis.legend(loc="upper left")
    ends = [
        max((cost for cost in costs if cost.method == name), key=lambda cost: cost.barrier)
        for name in ("direct", "splitting")
    ]
    saved = ends[0].work * ends[0].rate / ends[1].rate / ends[1].work
    title = (
        f"At a rate of {ends[1].rate:.1g} splitting needs {saved:.0e} times fewer steps than direct simulation would"
    )
    axis.set_title(title)
    yield "rare-escapes", "", figure, title
