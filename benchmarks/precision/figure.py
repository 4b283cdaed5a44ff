"""The figure: total error against seconds, a panel for each problem."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmarks.precision.contest import ONE, Entries, Entry
from benchmarks.precision.problems import EULER, LIBRARIES, NAME, NUMBA_NAME, NUMPY_NAME, PROBLEMS
from benchmarks.precision.report import Found, best
from experiments.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, Named, headline, save, subplots

COLOURS = {
    NAME: (BLUE, "o"),
    NUMPY_NAME: (GREY, "v"),
    NUMBA_NAME: (GREEN, "^"),
    LIBRARIES[0]: (ORANGE, "s"),
    LIBRARIES[1]: (PURPLE, "D"),
}


def draw(found: Found, directory: Path) -> None:
    """Draw precision.png and precision.svg into `directory`."""
    save(_figures(found), directory)


def _figures(found: Found) -> Iterator[Named]:
    figure, axes = subplots(2, 2, size=(10, 8.6), sharey=True)
    for axis, (key, entries) in zip(axes.flat, found.items(), strict=False):
        axis.set_title(PROBLEMS[key].title)
        for entry in _shown(entries):
            _line(axis, entry)
        axis.set(xscale="log", yscale="log")
        axis.yaxis.set_major_locator(ticker.FixedLocator([0.003, 0.01, 0.03, 0.1]))
        axis.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        axis.yaxis.set_minor_locator(ticker.NullLocator())
        axis.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axis.grid(alpha=0.25)
    for axis in axes[:, 0]:
        axis.set_ylabel("total error")
    for axis in axes[-1]:
        axis.set_xlabel("seconds, one core")
    names = [
        Line2D([], [], color=colour, marker=marker, ms=8, label=name) for name, (colour, marker) in COLOURS.items()
    ]
    kinds = [
        Line2D([], [], color="k", ls=style, label=text)
        for style, text in (("--", "Euler's scheme"), ("-", "its best scheme"))
    ]
    run = Line2D([], [], color="k", marker="o", mfc="white", ls="", ms=8, label="not run: updates times cost")
    figure.legend(handles=[*names, *kinds, run], loc="outside lower center", ncols=4)
    headline(figure, _title(found))
    yield "precision", "", figure, ""


def _shown(entries: Entries) -> list[Entry]:
    """Everyone's Euler, and the best of its others."""
    others = {label: entry for label, entry in entries.items() if entry.solver.scheme != EULER}
    shown = [entry for label, entry in entries.items() if label not in others]
    return shown + [other for name in COLOURS if (other := best(others, name))]


def _line(axis: Axes, entry: Entry) -> None:
    colour, marker = COLOURS[entry.solver.name]
    style = "--" if entry.solver.scheme == EULER else "-"
    known = [target for target in entry.plans if entry.time(target)]
    seconds = [float(np.median(entry.time(target))) for target in known]
    axis.plot(seconds, known, color=colour, ls=style, lw=1.8, zorder=2)
    for target, x in zip(known, seconds, strict=True):
        face = colour if target in entry.seconds else "white"
        axis.plot(x, target, marker, color=colour, mfc=face, ms=7.5, zorder=3)


def _title(found: Found) -> str:
    faster = []
    for entries in found.values():
        mine, theirs = best(entries, NAME), best(entries, *LIBRARIES)
        if mine and theirs:
            rounds = zip(theirs.time(ONE), mine.time(ONE), strict=False)
            faster.append(float(np.median([slow / fast for slow, fast in rounds])))
    if not faster:
        return "Time to a given total error, bias and sampling together"
    return (
        f"To 1 % total error: {min(faster):.2g} to {max(faster):.2g} times faster than the best library with its best "
        "scheme"
    )
