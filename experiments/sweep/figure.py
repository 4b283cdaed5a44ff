"""The figure of a sweep: a variable against an axis, exact values as lines, measured ones as points with intervals."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray

from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, STYLE, save, subplots
from experiments.sweep.description import Axis
from experiments.sweep.report import results
from experiments.sweep.store import Store

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY, "black", "#56B4E9", "#E69F00")
MARKERS = "os^Dv<>P"
FILLED = ("full", "none", "left", "bottom")
DASHES = ("-", DASHED, (0, (1, 1.5)))
WIDEST, MARKER = 3.0, 9.0  # of the first line and its points; the next are thinner and smaller, so that equal ones show


def draw(store: Store, directory: Path, name: str) -> Path:
    """Draw what [figure] asks for; returns the PNG.

    Raises
    ------
    ValueError
        If [figure] names no result of a point, or there are more axes than a figure has.
    """
    data = results(store.path)
    store.layout.check_figure()
    y = store.sweep.figure.get("y") or store.layout.default
    if y not in store.layout.results:
        raise ValueError("nothing here is one number for all blocks of a point; draw it from the store")
    more = [Axis(str(dim), tuple(data[dim].values.tolist()), {}) for dim in data[y].dims]
    axes = {axis.name: axis for axis in more if axis.name in store.layout.coordinates}
    axes |= {axis.name: axis for axis in store.sweep.axes}
    roles = _roles(store, y, list(axes.values()))
    data = data[[name for name in (y, f"{y}_low", f"{y}_high", f"{y}_stderr", "reliable") if name in data]]
    data = data.isel({dim: 0 for dim in data[y].dims if dim not in roles.values()}).compute()
    with mpl.rc_context(STYLE):
        save([(name, "", _figure(data, store, roles, axes), "")], directory)
    return directory / f"{name}.png"


def _roles(store: Store, y: str, axes: list[Axis]) -> dict[str, str]:
    """What [figure] asks for, and what else there is: a measurement by style, then lines, then panels.

    Raises
    ------
    ValueError
        If an axis is left over.
    """
    roles = {"y": y} | store.sweep.figure
    left = [axis for axis in axes if axis.name not in roles.values() and len(axis.labels) > 1]
    if "x" not in roles:
        first = next((axis for axis in left if not isinstance(axis.labels[0], str)), (left or axes)[0])
        left = [axis for axis in left if axis is not first]
        roles["x"] = first.name
    for axis in sorted(left, key=lambda axis: "measure.name" not in axis.sets):
        wanted = ("style", "lines", "panels") if "measure.name" in axis.sets else ("lines", "panels", "style")
        role = next((role for role in wanted if role not in roles), None)
        if role is None:
            raise ValueError(f"a figure has no place for the axis {axis.name}; draw it from the store")
        roles[role] = axis.name
    return roles


def _figure(data: xarray.Dataset, store: Store, roles: dict[str, str], axes: dict[str, Axis]) -> Any:
    panels = axes[roles["panels"]].labels if "panels" in roles else (None,)
    size = (2.6 + 4.4 * len(panels), 4.8)
    figure, grid = subplots(1, len(panels), size=size, squeeze=False, sharey=True)
    x, y = roles["x"], roles["y"]
    for axis, panel in zip(grid[0], panels, strict=True):
        part = data if panel is None else data.sel({roles["panels"]: panel})
        for look, exact, line in _lines(part, store, roles, axes):
            _plot(axis, line, x, y, exact, **look)
        _scale(axis, data, x, y)
        axis.set_xlabel(_words(data, x, axes))
        if panel is not None:
            axis.set_title(f"{roles['panels']} = {panel}")
    grid[0][0].set_ylabel(_words(data, y, axes))
    if {"lines", "style"} & set(roles):
        grid[0][-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    texts = store.sweep.title, finding(data, roles)
    figure.suptitle("\n".join(text for text in texts if text), fontsize=11)
    return figure


def _lines(
    part: xarray.Dataset, store: Store, roles: dict[str, str], axes: dict[str, Axis]
) -> Iterator[tuple[dict[str, Any], bool, xarray.Dataset]]:
    """Look (label, number of the line and of the style), whether exact, and data of each line."""
    measure = next((axis for axis in store.sweep.axes if "measure.name" in axis.sets), None)
    for k, line in enumerate(axes[roles["lines"]].labels if "lines" in roles else (None,)):
        for m, style in enumerate(axes[roles["style"]].labels if "style" in roles else (None,)):
            chosen = {roles[role]: value for role, value in (("lines", line), ("style", style)) if value is not None}
            name = store.sweep.sections["measure"].get("name")
            if measure is not None and measure.name in chosen:
                name = measure.sets["measure.name"][measure.labels.index(chosen[measure.name])]
            texts = (value if isinstance(value, str) else f"{axis} {value:g}" for axis, value in chosen.items())
            yield {"label": ", ".join(texts), "number": k, "style": m}, name == "exact_rate", part.sel(chosen)


def _plot(axis: Any, line: xarray.Dataset, x: str, y: str, exact: bool, *, label: str, number: int, style: int) -> None:
    places, values = line[x].values, line[y].values
    colour, thinner = COLOURS[number % len(COLOURS)], 1 / (1 + 0.5 * number)
    there = np.isfinite(values)
    if "reliable" in line and f"{y}_low" in line:  # limits alone where the value is not to be trusted
        doubtful = line["reliable"].values == 0
        ends = (line[f"{y}_{end}"].values[doubtful] for end in ("low", "high"))
        axis.vlines(places[doubtful], *ends, color=colour, ls=":", lw=1)
        there &= ~doubtful
    places, values = places[there], values[there]
    if exact:
        dash = DASHES[max(style - 1, 0) % len(DASHES)]
        axis.plot(places, values, color=colour, ls=dash, lw=WIDEST * thinner, label=label)
        return
    spread = None
    if f"{y}_low" in line:
        low, high = line[f"{y}_low"].values[there], line[f"{y}_high"].values[there]
        spread = np.maximum([values - low, high - values], 0)
    elif f"{y}_stderr" in line:
        spread = 1.96 * line[f"{y}_stderr"].values[there]
    marker = {"marker": MARKERS[number % len(MARKERS)], "ms": MARKER * thinner**0.5, "fillstyle": FILLED[style % 4]}
    marker |= {"color": colour, "mfc": colour, "mec": colour}
    axis.errorbar(places, values, spread, ls="", capsize=3, label=label, zorder=3, **marker)


def _scale(axis: Any, data: xarray.Dataset, x: str, y: str) -> None:
    """Logarithmic where values span more than a decade, or are spaced like that."""
    places = data[x].values
    if places.dtype.kind in "fi" and len(places) > 2 and np.all(places > 0):
        steps = np.diff(np.log(places))
        if np.ptp(steps) < 1e-6 or places.max() > 30 * places.min():
            axis.set_xscale("log")
        if np.ptp(steps) < 1e-6:
            axis.set_xticks(places, [f"{place:.3g}" for place in places])
            axis.minorticks_off()
    values = data[y].values[np.isfinite(data[y].values)]
    if values.size and values.min() > 0 and values.max() > 10 * values.min():
        axis.set_yscale("log")


def finding(data: xarray.Dataset, roles: dict[str, str]) -> str:
    """How y changes from one end of x to the other, on each line that is there at both."""
    x, y = roles["x"], roles["y"]
    if data[x].dtype.kind not in "fi" or data.sizes.get(x, 1) < 2 or "panels" in roles:
        return ""
    values = data[y].where(data["reliable"] != 0) if "reliable" in data else data[y]
    ratio = values.isel({x: -1}) / values.isel({x: 0})
    if "style" in roles:
        y += f" ({data[roles['style']].values[0]})"
        ratio = ratio.isel({roles["style"]: 0})
    labels = [f" ({label})" for label in ratio[roles["lines"]].values] if "lines" in roles else [""]
    factors = zip(labels, np.atleast_1d(ratio.values).tolist(), strict=True)
    texts = [f"{_number(factor)}{label}" for label, factor in factors if np.isfinite(factor)]
    ends = data[x].values[[0, -1]]
    return f"from {x} {ends[0]:.3g} to {ends[1]:.3g}, {y} changes by a factor {', '.join(texts)}" if texts else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if 100 <= value < 1e6 else f"{value:.3g}"


def _words(data: xarray.Dataset, name: str, axes: dict[str, Axis]) -> str:
    """Name and units, for an axis."""
    attributes = data[name].attrs
    swept = name in axes and axes[name].sets
    meaning = name if swept else str(attributes.get("long_name", name)).split(":")[0]
    return f"{meaning} ({attributes['units']})" if attributes.get("units", "1") != "1" else meaning
