"""How a result is told from what is drawn on the same axes already, and from lines of theory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, count, cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from diffusion.plot.style import BLUE, CYCLE, DASHED, OPTIMIZERS, fits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = (DASHED, ":", "-.")
LEGEND = 0.7  # of the width of axes that a label may take in their legend
POINTS = 200  # of a line of theory that is given as a function
Theory = Mapping[str, Callable[[Any], ArrayLike] | ArrayLike]


def marker(ax: Axes) -> str:
    """One that no line of these axes has, or the fewest."""
    return _least_used(MARKERS, (str(line.get_marker()) for line in ax.lines))


def chosen(ax: Axes, record: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Colour and label: those given, else those of the record's optimizer, or others if the axes have these already."""
    dynamics = str(record.get("dynamics", ""))
    defaults = {
        "color": _colour(ax, OPTIMIZERS.get(dynamics.partition("(")[0], BLUE)),
        "label": _label(ax, dynamics) if dynamics else None,
    }
    if "c" in given:  # matplotlib's short name
        defaults.pop("color")
    return {key: value for key, value in (defaults | given).items() if value is not None}


def compare(ax: Axes, theory: Theory | None, x: Any) -> None:
    """Lines of theory over the points at `x`: solid where their labels begin with "exact", else dashed.

    Raises
    ------
    ValueError
        If the values of a line are not one for each point.
    """
    x, dashes = np.asarray(x, np.float64), cycle(DASHES)
    for label, line in (theory or {}).items():
        at = x
        if callable(line):
            spaced = np.geomspace if np.nanmin(x) > 0 else np.linspace
            at = spaced(np.nanmin(x, axis=0), np.nanmax(x, axis=0), POINTS)
        values = np.asarray(line(at) if callable(line) else line, np.float64)
        if values.ndim == 0:
            values = np.broadcast_to(values, at.shape)
        if len(values) != len(at):
            raise ValueError(
                f"theory[{label!r}] has shape {values.shape}, but there are {len(at)} points; give a value for each, "
                "or a function of what is on the horizontal axis"
            )
        look: Any = "-" if label.startswith("exact") else next(dashes)
        ax.plot(at, values, color="black", lw=1, ls=look)[0].set_label(label)


def _colour(ax: Axes, wanted: str) -> str:
    """The one that is wanted, or another where a line or a filled shape of these axes has it."""
    from matplotlib.colors import to_hex

    drawn: list[Any] = [line.get_color() for line in ax.lines]
    for collection in ax.collections:
        drawn.extend(collection.get_facecolor())
    return _least_used((wanted, *CYCLE), (to_hex(colour).upper() for colour in drawn))


def _label(ax: Axes, dynamics: str) -> str:
    """The optimizer's name, or more of its record where these axes have that already."""
    taken = {label.partition(":")[0] for label in ax.get_legend_handles_labels()[1]}
    name = dynamics.partition("(")[0] + " as shipped" * ("second_moment='running'" in dynamics)
    longer = [dynamics] if fits(ax, dynamics, LEGEND * ax.bbox.width) else []
    return next(text for text in chain([name], longer, (f"{name} ({k})" for k in count(2))) if text not in taken)


def _least_used(known: Sequence[str], used: Iterable[str]) -> str:
    """The first of those that are used least."""
    times = Counter(used)
    return min(known, key=lambda one: times[one])
