"""The figure of replicas that leave a checkpoint: variances against iterations, beside the theorems."""

from collections.abc import Mapping

import numpy as np
import xarray
from matplotlib.axes import Axes

from experiments.drawing import BLUE, GREEN, GREY, ORANGE, Named, headline, points, subplots

COLOURS = {"top": ORANGE, "bulk": BLUE, "negative": GREEN}
PANELS = {"SGD": ("SGD", "SGD, shuffled"), "Momentum": ("Momentum from rest", "Momentum, shuffled")}
LINES = {
    "paper": ("--", "theorem, C = |H|/B"),
    "paper_measured_noise": (":", "theorem, C as measured"),
    "exact_discrete": ("-", "linear recursion, C as measured"),
}


def draw(name: str, claim: str, title: str, data: Mapping[str, xarray.Dataset]) -> Named:
    """A panel for each optimizer and learning rate, from rows by the ensemble's name."""
    rates = np.unique(data["SGD"]["lr"].values)
    figure, axes = subplots(2, len(rates), size=(12, 9), sharex="col", squeeze=False)
    for row, (optimizer, (independent, shuffled)) in zip(axes, PANELS.items(), strict=True):
        for axis, lr in zip(row, rates, strict=True):
            _panel(axis, *(data[each].isel(row=data[each]["lr"].values == lr) for each in (independent, shuffled)))
            theorem = "Theorem 1" if optimizer == "SGD" else "Theorem 2"
            axis.set_title(f"{independent} ({theorem}), learning rate {lr:g}")
    for axis in axes[-1]:
        axis.set_xlabel("iterations")
    for axis in axes[:, 0]:
        axis.set_ylabel("variance along directions (θ²)")
    key = axes[0, 0]
    for group, colour in COLOURS.items():
        key.plot([], [], "s", color=colour, label=f"{group} directions")
    for style, label in LINES.values():
        key.plot([], [], style, color=GREY, lw=2, label=label)
    for mark, label in (("o", "minibatches drawn independently, 95 %"), ("^", "data shuffled, 95 %")):
        key.errorbar([], [], yerr=[], fmt=mark, color=GREY, mfc="white", ms=7, capsize=3, label=label)
    figure.legend(*key.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    headline(figure, title)
    first = data["SGD"].isel(row=0)
    told = "{data}, {network} of {parameters} parameters, {replicas} replicas from one checkpoint"
    names = ("data", "network", "parameters", "replicas")
    where = told.format(**{each: first[each].item() for each in names})
    return name, claim, figure, f"{title}. {where}; geometric means over directions."


def _panel(axis: Axes, independent: xarray.Dataset, shuffled: xarray.Dataset) -> None:
    for group, colour in COLOURS.items():
        of_group = independent.isel(row=independent["directions"].values == group)
        for route, (style, _) in LINES.items():
            axis.plot(of_group["iterations"], of_group[route], style, color=colour, lw=1.8)
        for rows, mark in ((independent, "o"), (shuffled, "^")):
            shown = rows.isel(row=rows["directions"].values == group)
            ends = [shown[f"measured{end}"] for end in ("", "_low", "_high")]
            points(axis, shown["iterations"], *ends, fmt=mark, color=colour, mfc="white", ms=6)
    axis.set(xscale="log", yscale="log")
