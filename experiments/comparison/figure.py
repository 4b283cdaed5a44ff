"""The figure of an escape: measurements as points with intervals, theory as lines."""

import numpy as np
import xarray

from experiments.comparison.table import ROUTES, THEORY
from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, Named, subplots

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
    figure.suptitle(title)
    handles, labels = axes[0][-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, handlelength=3)
    return (
        "comparison",
        claim,
        figure,
        f"{title}. Points: measurements with 95 % intervals; lines: theory.".replace("\n", " "),
    )
