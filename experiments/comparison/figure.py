"""Figures of an escape: measurements as points with intervals, theory as lines; and paths in two coordinates."""

from collections.abc import Sequence

import numpy as np
import xarray

from diffusion import plot
from experiments.comparison.table import ROUTES, THEORY
from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, Named, headline, subplots
from experiments.problems.ways import Way

LINES = {
    "paper": (ORANGE, DASHED),
    "exact": ("black", "-"),
    "low_temperature": (GREEN, "-."),
    "fokker_planck": (PURPLE, ":"),
    "exact_discrete": (GREY, "-"),
}


def bars(claim: str, title: str, shown: xarray.Dataset) -> Named:
    """A column for each exit, a row for each measured route."""
    lines = shown["exit"].values
    measured = [
        str(n) for n in shown["route"].values if n not in THEORY and np.isfinite(shown["value"].sel(route=n)).any()
    ]
    figure, axes = subplots(
        1, len(lines), size=(5.6 * len(lines) + 1.5, 3.2 + 0.45 * len(measured)), squeeze=False, sharey=True
    )
    for axis, line in zip(axes[0], lines, strict=True):
        here = shown.sel(exit=line)
        for name, (colour, style) in LINES.items():
            value = float(here["value"].sel(route=name)) if name in here["route"] else np.nan
            if np.isfinite(value) and not (name == "fokker_planck" and "exact" in here["route"]):
                axis.axvline(value, color=colour, ls=style, lw=2, label=ROUTES[name])
        for k, name in enumerate(measured):
            row = here.sel(route=name)
            if np.isfinite(row["value"]):
                ends = (float(row[column]) for column in ("value", "low", "high"))
                value, low, high = ends
                axis.errorbar(value, k, xerr=[[value - low], [high - value]], fmt="o", color=BLUE, capsize=4, ms=7)
        axis.set(xscale="log", xlabel=str(shown.attrs["quantity"]), title=str(line), ylim=(len(measured) - 0.4, -0.6))
        axis.margins(x=0.15)
        axis.set_yticks(range(len(measured)), [ROUTES[name] for name in measured])
    headline(figure, title)
    handles, labels = axes[0][-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, handlelength=3)
    return (
        "comparison",
        claim,
        figure,
        f"{title}. Points: measurements with 95 % intervals; lines: theory.".replace("\n", " "),
    )


def over_the_pass(claim: str, title: str, ways: Sequence[Way]) -> Named:
    """The loss with the likeliest path over each saddle."""
    figure, axis = subplots(1, 1, size=(7.2, 5.6))
    paths = [way.path for way in ways]
    shown = np.concatenate([*paths, [way.other for way in ways if np.isfinite(way.other).all()] or [ways[0].saddle]])
    room = 0.2 * np.ptp(shown, axis=0).max()
    between = np.stack([shown.min(axis=0) - room, shown.max(axis=0) + room], axis=1)
    plot.escape_map(ways[0].landscape, axis, path=paths[0], between=between)
    for path in paths[1:]:
        axis.plot(*path.T, color=BLUE, lw=2.2)
    axis.plot(*ways[0].minimum, "o", color="black", label="minimum")
    axis.plot(*np.transpose([way.saddle for way in ways]), "X", color="black", ms=9, label="saddle")
    figure.legend(loc="outside lower center", ncols=3)
    headline(figure, title)
    return "path", claim, figure, f"{title}. The likeliest path on the loss.".replace("\n", " ")
