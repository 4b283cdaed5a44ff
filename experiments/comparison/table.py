"""What evidence has by route, as one table: values, intervals, ratios, and why something is missing."""

from collections.abc import Container, Iterator, Sequence
from typing import Any

import numpy as np
import xarray
from rich.table import Table
from rich.text import Text

from experiments.problems import escapes
from experiments.referee import Evidence
from experiments.referee.evidence import ROW

THEORY = {
    "paper": "the paper",
    "exact": "exact (SDE)",
    "low_temperature": "low temperature",
    "fokker_planck": "grid",
    "exact_discrete": "exact (discrete)",
}
ROUTES = THEORY | escapes.ROUTES
ENDS = ("", "_low", "_high")


def tells(piece: Evidence) -> bool:
    """Whether it is of any route: evidence that broke off has a reason alone."""
    return bool(piece.data.data_vars) or bool(piece.reasons)


def table(piece: Evidence) -> xarray.Dataset:
    """`value`, `low` and `high` by route, the same as `ratio` to the reference, and the `reason` of what is missing.

    The reference is exact or, where that is out of reach, the limit of low temperature.
    """
    data = piece.data.swap_dims({ROW: "exit"}) if ROW in piece.data.dims else piece.data
    shape = tuple(data.sizes.values())
    nothing = np.full(shape, np.nan)

    def along(name: str) -> np.ndarray[Any, Any]:
        return np.asarray(data[name].values if name in data else nothing)

    names = [name for name in ROUTES if name in data or name in piece.reasons]
    reference = np.where(np.isfinite(along("exact")), along("exact"), along("low_temperature"))
    dims = ("route", *map(str, data.dims))
    columns = {end: np.stack([along(name + end) for name in names]) for end in ENDS}
    variables: dict[str, Any] = {}
    with np.errstate(all="ignore"):
        for end, word in zip(ENDS, ("value", "low", "high"), strict=True):
            variables[word] = (dims, columns[end])
            variables["ratio" + end] = (dims, columns[end] / reference)
    reasons = np.full((len(names), *shape), "", object)
    for k, name in enumerate(names):
        given = np.broadcast_to(np.asarray(piece.reasons.get(name, ""), object), shape)
        reasons[k] = np.where(np.isnan(columns[""][k]), given, "")
        faults: Any = getattr(piece.measured.get(name), "faults", None)
        for place in np.ndindex(shape) if faults is not None else ():
            fault = faults[place]
            reasons[(k, *place)] = fault.reason if fault else reasons[(k, *place)]
    variables["reason"] = (dims, reasons.astype(str))
    kept = {name: values for name, values in data.coords.items() if set(values.dims) <= set(dims)}
    out = xarray.Dataset(variables, {"route": names, **kept}, {"quantity": piece.quantity, "subject": piece.label})
    unit = piece.quantity.rpartition("(")[2].removesuffix(")")
    for word in ("value", "low", "high"):
        out[word].attrs = {"units": unit, "long_name": piece.quantity}
    return out


OVER = {"exact": "over exact", "low_temperature": "over low temperature"}  # heads of ratios


def of_escapes(shown: xarray.Dataset) -> Iterator[Table]:
    """A table for each exit: a route in each row that has a value."""
    for line in shown["exit"].values:
        here = shown.sel(exit=line)
        had = here["route"].values[np.isfinite(here["value"].values)]
        reference = next((over for name, over in OVER.items() if name in had), "ratio")
        lines = Table(title=f"{shown.attrs['quantity']}, {line}", title_justify="left")
        for column in ("route", "value", "95 %", reference):
            lines.add_column(column, no_wrap=True)
        for name in had:
            row = here.sel(route=name)
            lines.add_row(*map(Text, [ROUTES[str(name)], *_cells(row), _ratio(row)]))
        if len(had):
            yield lines


def missing(shown: xarray.Dataset, foretold: Container[str]) -> Iterator[str]:
    """Why routes have no value: each reason once, with those that it concerns; what was foretold is only named."""
    concerned: dict[str, dict[str, list[str]]] = {}
    for name in shown["route"].values:
        for line in shown["exit"].values:
            reason = str(shown["reason"].sel(route=name, exit=line).item())
            if reason:
                text = "not run, as said before" if reason in foretold else reason
                concerned.setdefault(text, {}).setdefault(ROUTES[str(name)], []).append(str(line))
    for text, routes in concerned.items():
        everywhere = shown.sizes["exit"]
        told = [route if len(lines) == everywhere else f"{route} {', '.join(lines)}" for route, lines in routes.items()]
        yield f"{', '.join(told)}: {text}"


def of_displacements(shown: xarray.Dataset) -> Table:
    """One table: a route in each column, an iteration along a direction in each row."""
    routes = [str(name) for name in shown["route"].values if np.isfinite(shown["value"].sel(route=name)).any()]
    others = [name for name in routes if name != "exact"]
    lines = Table(title=f"{shown.attrs['quantity']}: {shown.attrs['subject']}", title_justify="left")
    for column in ("H", "T", "exact (SDE)", *(f"{ROUTES[name].removesuffix(' ensemble')}/exact" for name in others)):
        lines.add_column(column, no_wrap=True)
    for eigenvalue in range(shown.sizes["eigenvalue"]):
        for iteration in range(shown.sizes["iterations"]):
            here = shown.isel(eigenvalue=eigenvalue, iterations=iteration)
            cells = [f"{float(here['eigenvalue']):g}", str(int(here["iterations"]))]
            cells += [f"{float(here['value'].sel(route='exact')):.4g}"]
            lines.add_row(*map(Text, [*cells, *(_ratio(here.sel(route=name)) for name in others)]))
    return lines


def _cells(row: xarray.Dataset) -> Sequence[str]:
    """A value and its interval."""
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    interval = f"{low:.3g} to {high:.3g}" if np.isfinite(low) else ""
    return (f"{value:.4g}" if np.isfinite(value) else "", interval)


def _ratio(row: xarray.Dataset) -> str:
    """A ratio with its interval."""
    value, low, high = (float(row[f"ratio{end}"]) for end in ENDS)
    interval = f" [{low:.3g}, {high:.3g}]" if np.isfinite(low) else ""
    return f"{value:.4g}{interval}" if np.isfinite(value) else ""
