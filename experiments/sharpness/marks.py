"""How optimizers and routes look in the figures of rates."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE
from experiments.sharpness.power import scaled
from experiments.sharpness.powers import FEWEST, Records

COLOURS = {"SGD": GREY, "Momentum": GREEN, "Adam": ORANGE, "Adai": BLUE}
MARKERS = {
    "sde": ("o", True),
    "discrete": ("s", False),
    "torch": ("^", False),
    "splitting": ("D", True),
}  # and if filled
LABELS = {
    "sde": "SDE ensemble",
    "discrete": "discrete",
    "torch": "torch, real samples",
    "splitting": "SDE by splitting",
}
FAINT = 0.3  # of rates that are not those of escapes


def marker(route: str, colour: str) -> dict[str, Any]:
    """How a route's points are drawn."""
    shape, filled = MARKERS[route]
    return {"marker": shape, "color": colour, "mfc": colour if filled else "white", "ms": 6.5, "ls": ""}


def rates(axis: Axes, points: Records, x: Any, *, raw: bool = False, aside: float = 0.0) -> None:
    """Measured points of one optimizer by one route with their intervals, faint if they are not those of escapes.

    `x` is a function of the sharpness, and `aside` moves points to the right; raw: with the prefactor's power of k.
    """
    for point in points:
        if not point["rate"] or point["events"] < FEWEST:
            continue
        optimizer, k = point["optimizer"], point["sharpness"]
        y, below, above = (scaled(optimizer, k, point[name], raw=raw) for name in ("rate", "rate_high", "rate_low"))
        faint = FAINT if point["why_not"] and not raw else 1.0
        axis.errorbar(
            x(k) + aside,
            y,
            np.array([[y - below], [above - y]]),
            **marker(point["route"], COLOURS[optimizer]),
            capsize=2,
            lw=1.2,
            alpha=faint,
        )


def handle(label: str, **style: Any) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], label=label, **({"lw": 2} | style))


def route_handles(routes: list[str], labels: dict[str, str] | None = None) -> list[Line2D]:
    """Entries for routes."""
    return [handle((LABELS | (labels or {}))[route], **marker(route, GREY)) for route in MARKERS if route in routes]


def theory_handles() -> list[Line2D]:
    """Entries for the lines."""
    return [handle("exact SDE", color=GREY), handle("the paper", color=GREY, lw=1.6, ls=DASHED)]


def plain_ticks(axis: Axes) -> None:
    """Ticks of two logarithmic axes as plain numbers."""
    axis.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 3, 5)))
    axis.xaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
    axis.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    axis.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
