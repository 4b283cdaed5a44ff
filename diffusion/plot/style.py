"""The one palette and style, and the axes that a plot function draws on."""

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
SEQUENCE = "viridis"  # of times, and of anything else that is ordered


def axes_or_new(ax: "Axes | None") -> "Axes":
    """The axes given, or new ones in the library's style; the style of other figures is left alone."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    with plt.rc_context(STYLE):
        return plt.subplots(layout="constrained")[1]


def record(result: xarray.Dataset) -> dict[str, Any]:
    """The parameters of one result; none of joined results, as attributes would be those of the first alone."""
    return recorded(result) if single(result) else {}


def chosen(record: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Colour and label: those given, else those of the optimizer that the record names."""
    name = str(record["dynamics"]).partition("(")[0] if "dynamics" in record else None
    defaults = {"color": OPTIMIZERS.get(name or "", BLUE), "label": name}
    if "c" in given:  # matplotlib's short name
        defaults.pop("color")
    return {key: value for key, value in (defaults | given).items() if value is not None}


def axis_label(variable: xarray.DataArray) -> str:
    """What a variable is and its units, from its attributes."""
    name = str(variable.attrs.get("long_name", variable.name))
    name = name.partition(";")[0]  # what follows is advice
    units = str(variable.attrs.get("units", "1"))
    return name if units == "1" else f"{name} [{units}]"


def needed(result: xarray.Dataset, source: str, *names: str) -> None:
    """Refuse a result without these variables or dimensions.

    Raises
    ------
    ValueError
        If one is missing; the message says which function gives it.
    """
    missing = [name for name in names if name not in {*result.variables, *result.dims}]
    if missing:
        raise ValueError(f"the dataset has no {', '.join(missing)}; give the result of {source}")
