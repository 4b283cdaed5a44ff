"""The one palette and style, and the axes that a plot function draws on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import xarray

from diffusion.variables import recorded, single

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours: distinct for colour-blind readers, and in this order also in grey
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, GREY)
DASHED = (0, (4, 2))  # the paper's formulas
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 12,
    "figure.titlesize": 14,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "axes.prop_cycle": f"cycler(color={list(CYCLE)})",
    "svg.hashsalt": "diffusion-lab",
    "savefig.dpi": 130,
}
OPTIMIZERS = {"SGD": GREY, "Momentum": GREEN, "RMSprop": PURPLE, "Adam": ORANGE, "Adai": BLUE}
LABEL = 1.25  # times the length of its axis that a label may have: there are margins
SEQUENCE = "viridis"  # of times, and of anything else that is ordered


def axes_or_new(ax: Axes | None) -> Axes:
    """The axes given, or new ones in the library's style; the style of other figures is left alone."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    with plt.rc_context(STYLE):
        return plt.subplots(layout="constrained")[1]


def record(result: xarray.Dataset) -> dict[str, Any]:
    """The parameters of one result; none of joined results, as attributes would be those of the first alone."""
    return recorded(result) if single(result) else {}


def fits(ax: Axes, text: str, length: float) -> bool:
    """Whether a text in the size of these axes' labels is at most so long, in pixels."""
    from matplotlib.textpath import TextPath

    written = TextPath((0, 0), text, prop=ax.xaxis.label.get_fontproperties())
    return bool(written.get_extents().width * ax.figure.dpi / 72 <= length)


def set_labels(ax: Axes, x: Sequence[str], y: Sequence[str]) -> None:
    """Label both axes, each by the first of its texts that is not much longer than the axis, or else by the last."""
    for axis, texts, length in ((ax.xaxis, x, ax.bbox.width), (ax.yaxis, y, ax.bbox.height)):
        axis.set_label_text(next((text for text in texts if fits(ax, text, LABEL * length)), texts[-1]))


def axis_label(variable: xarray.DataArray) -> tuple[str, str]:
    """What a variable is and its units, from its attributes; and its name with them."""
    name = str(variable.attrs.get("long_name", variable.name)).partition(";")[0]  # what follows is advice
    units = str(variable.attrs.get("units", "1"))
    long, short = (text if units == "1" else f"{text} [{units}]" for text in (name, str(variable.name)))
    return long, short


def needed(result: xarray.Dataset, source: str, *names: str) -> None:
    """Refuse a result without these variables or dimensions.

    Raises
    ------
    ValueError
        If one is missing; the message says which function gives it.
    """
    if not hasattr(result, "variables"):
        raise ValueError(f"a {type(result).__name__} is no dataset; give the result of {source}")
    missing = [name for name in names if name not in {*result.variables, *result.dims}]
    if missing:
        raise ValueError(f"the dataset has no {', '.join(missing)}; give the result of {source}")
