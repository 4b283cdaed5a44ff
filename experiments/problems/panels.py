"""Figures of displacements: mean squares against iterations, a column for each inertia, and the ratio below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, Named, headline, points, subplots
from experiments.problems import optimizers
from experiments.problems.displacements import Paper
from experiments.referee.evidence import Evidence

FARTHEST = 3.0  # curves end where |H| t/(gamma M) reaches this: no saddle is that wide
POINTS = {"simulated": ("o", 1.0, "SDE ensemble"), "torch": ("^", 1.12, "torch")}


@dataclass(frozen=True)
class Series:
    """One colour of a figure: evidence, a piece for each column, along one direction."""

    label: str
    colour: str
    pieces: Sequence[Evidence]
    eigenvalue: float


def curvatures(pieces: Sequence[Evidence]) -> list[Series]:
    """Three series along directions of negative curvature."""
    colours = ((-0.001, BLUE), (-0.01, ORANGE), (-0.1, GREEN))
    return [Series(f"H = {eigenvalue:g}", colour, pieces, eigenvalue) for eigenvalue, colour in colours]


def draw(name: str, claim: str, title: str, series: Sequence[Series], paper: Paper) -> Named:
    """The figure; points of the optimizer as shipped are shown above only, as another recursion is exact for them."""
    columns = series[0].pieces
    shipped = "shipped" in columns[0].measured
    layout: dict[str, Any] = {"height_ratios": (3, 2), "sharex": "col", "squeeze": False}
    figure, axes = subplots(2, len(columns), size=(max(8.5, 4.1 * len(columns)), 7), **layout)
    starts = {piece.case.start for piece in columns}
    for k, piece in enumerate(columns):
        upper, lower = axes[0, k], axes[1, k]
        for shown in series:
            _series(upper, lower, shown.pieces[k], shown, paper, shipped)
        lower.axhline(1, color=GREY, lw=1)
        if max(lower.get_ylim()) > 3:
            lower.set_yscale("log")
        upper.set(xscale="log", yscale="log")
        upper.minorticks_off()  # over so many decades they say little, and take a third of the time to draw
        lower.xaxis.minorticks_off()
        if len(columns) > 1:
            upper.set_title(piece.label if len(starts) > 1 else optimizers.describe(piece.case.dynamics))
        lower.set_xlabel("iterations T")
        if piece.case.memory:
            for axis in (upper, lower):
                axis.axvline(1 / (1 - piece.case.beta), color=GREY, lw=1, ls=":")
    quantity = "MSD added by a thermal start" if columns[0].case.added else "mean squared displacement"
    axes[0, 0].set_ylabel(f"{quantity} (θ²)")
    axes[1, 0].set_ylabel("ratio to exact SDE")
    headline(figure, title)
    figure.legend(handles=_legend(series, shipped), loc="outside lower center", ncols=4)
    caption = (
        f"{title}. Solid: exact SDE; dashed: the paper's formula; points: measurements with 95 % intervals, which "
        f"follow the recursion they perform, not yet the SDE; curves end at |H| t/(gamma M) = {FARTHEST:g}."
        + (" Dotted: T = 1/(1-beta1)." if columns[0].case.memory else "")
    )
    return name, claim, figure, caption.replace("\n", " ")


def _series(upper: Axes, lower: Axes, piece: Evidence, shown: Series, paper: Paper, shipped: bool) -> None:
    case = piece.case
    along = int(np.flatnonzero(piece.data["eigenvalue"].values == shown.eigenvalue)[0])
    end = min(float(case.iterations[-1]), FARTHEST / case.escape_rate()[along])
    iterations = np.geomspace(case.iterations[0], end, 80)
    formula, exact = paper(case, iterations)[:, along], case.exact(iterations)[:, along]
    upper.plot(iterations, exact, color=shown.colour, lw=2)
    upper.plot(iterations, formula, color=shown.colour, lw=1.8, ls=DASHED)
    lower.plot(iterations, formula / exact, color=shown.colour, lw=1.8, ls=DASHED)
    data = piece.data.isel(eigenvalue=along)
    for name, (marker, shift, _) in POINTS.items():
        if name not in piece.measured:
            continue
        near = data.isel(iterations=np.flatnonzero(np.isfinite(data[name].values) & (case.iterations <= end)))
        truth, interval = near["exact"].values, [near[f"{name}{end}"].values for end in ("", "_low", "_high")]
        fill, x = "white" if name == "torch" else shown.colour, shift * near["iterations"].values
        style: dict[str, Any] = {"fmt": marker, "color": shown.colour, "mfc": fill, "ms": 6.5, "lw": 1.2}
        points(upper, x, *interval, **style)
        if name == "simulated" or not shipped:
            points(lower, x, *(number / truth for number in interval), **style)


def _legend(series: Sequence[Series], shipped: bool) -> list[Any]:
    line = mpl.lines.Line2D
    handles = [line([], [], color=shown.colour, lw=4, label=shown.label) for shown in series]
    handles.append(line([], [], color=GREY, lw=2, label="exact SDE"))
    handles.append(line([], [], color=GREY, lw=1.8, ls=DASHED, label="the paper"))
    for name, (marker, _, label) in POINTS.items():
        if name in series[0].pieces[0].measured:
            words = "torch, as shipped (running second moment)" if name == "torch" and shipped else label
            fill = "white" if name == "torch" else GREY
            handles.append(line([], [], color=GREY, marker=marker, mfc=fill, ls="", ms=7, label=words))
    return handles
