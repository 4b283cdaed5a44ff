"""The figure: cost of an update for every contestant, and how the cost of a run grows."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes

from benchmarks import contests
from benchmarks.measure import Timing
from benchmarks.outcome import Outcome
from benchmarks.targets import Timings, ratio
from experiments.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, STYLE, save, subplots

CURVES = {"replicas": (BLUE, "o"), "dimensions": (ORANGE, "s"), "iterations": (GREEN, "D"), "threads": (PURPLE, "^")}


def draw(outcome: Outcome, directory: Path) -> None:
    """Draw bench.png and bench.svg into `directory`."""
    with mpl.rc_context(STYLE):
        figure, (left, right) = subplots(1, 2, size=(12.5, 5.4), width_ratios=(3, 2))
        _contestants(left, outcome.contests["A"], outcome.contests["B"])
        _growth(right, outcome.growth)
        figure.suptitle(_title(outcome.contests["A"]))
        save([("bench", "", figure, "")], directory)


def _title(a: Timings) -> str:
    cost = np.median(a[contests.OURS].ns)
    texts = [
        f"{np.median(ratio(a, other, contests.OURS)):.2g} times faster than {name}"
        for other, name in ((contests.NUMBA, "naive numba"), (contests.NUMPY, "numpy"))
    ]
    limit = ratio(a, contests.OURS, contests.C)
    if limit:
        texts.append(f"{np.median(limit):.2g} times C's time")
    return f"A float64 update takes {cost:.2g} ns: {', '.join(texts)}"


def _contestants(axis: Axes, a: Timings, b: Timings) -> None:
    """Dots with ranges, fastest first, A above B."""
    labels, place = [], 0.0
    for workload, timings in (("A", a), ("B", b)):
        for name, timing in sorted(timings.items(), key=lambda item: float(np.median(item[1].ns))):
            ours = name in (contests.OURS, contests.OURS_MIXED)
            colour = BLUE if ours else GREY if name in (contests.C, contests.C_MIXED) else ORANGE
            median = float(np.median(timing.ns))
            error = [[median - min(timing.ns)], [max(timing.ns) - median]]
            axis.errorbar(median, place, xerr=error, fmt="o", color=colour, ms=9, capsize=3, lw=1.6)
            words = f"{median:.2g}" if median < 100 else f"{median:.0f}"
            axis.annotate(words, (max(timing.ns), place), (7, 0), textcoords="offset points", va="center")
            labels.append((place, f"{workload}: {name}", ours))
            place += 1
        place += 0.8
    axis.set_yticks([where for where, _, _ in labels], [name for _, name, _ in labels])
    for tick, (_, _, ours) in zip(axis.get_yticklabels(), labels, strict=True):
        tick.set_fontweight("bold" if ours else "normal")
    axis.set(xscale="log", xlabel="ns per coordinate update, one core")
    axis.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.margins(x=0.12)
    axis.invert_yaxis()
    axis.grid(axis="x", which="both", alpha=0.25)


def _growth(axis: Axes, growth: dict[str, dict[float, Timing]]) -> None:
    """Time against size, both relative to a run in the middle; threads relative to one."""
    for name, sizes in growth.items():
        amounts = np.array(list(sizes))
        middle = 1.0 if name == "threads" else float(amounts[len(amounts) // 2])
        seconds = np.array([timing.seconds for timing in sizes.values()])
        relative = seconds / np.median(seconds[list(amounts).index(middle)])
        colour, marker = CURVES[name]
        median = np.median(relative, axis=1)
        error = np.array([median - relative.min(axis=1), relative.max(axis=1) - median])
        label = f"{name} (1: {middle:,.0f})"
        axis.errorbar(
            amounts / middle,
            median,
            error,
            fmt=marker,
            color=colour,
            ls="-" if name == "threads" else "",
            ms=7,
            capsize=3,
            lw=1.4,
            label=label,
        )
    line = np.array([0.2, 5.0])
    axis.plot(line, line, color=GREY, lw=1, zorder=0, label="in proportion")
    axis.plot(line, 1 / line, color=GREY, lw=1, ls=":", zorder=0, label="in inverse proportion")
    axis.set(xscale="log", yscale="log", xlabel="size of the run, relative", ylabel="time, relative")
    for which in (axis.xaxis, axis.yaxis):
        which.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        which.set_minor_formatter(ticker.NullFormatter())
        which.set_major_locator(ticker.FixedLocator([0.25, 0.5, 1, 2, 4]))
    axis.legend(fontsize=10, frameon=True, edgecolor="none", framealpha=1)
