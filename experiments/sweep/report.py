"""What a sweep tells: how far it is, what failed, one netCDF file, and a figure."""

import time
from pathlib import Path

import numpy as np
import xarray

from diffusion.rates import FEW
from experiments.sweep.lock import read_lock
from experiments.sweep.store import Store

MOST_REASONS = 20


def status(path: str | Path) -> tuple[str, bool]:
    """How far a sweep is, its failures with reasons, and the time left if a driver runs; and whether points failed."""
    store = Store.open(path)
    survey = store.survey()
    sweep = store.sweep
    blocks = sum(store.layout.blocks_of(point) for point in range(sweep.size))
    done = int(survey.done.sum())
    lines = [
        f"{sweep.title or path}: {sweep.size} points on {' x '.join(f'{len(a.labels)} {a.name}' for a in sweep.axes)}",
        f"{done} of {blocks} tasks and {int(survey.complete.sum())} of {sweep.size} points are done",
        _driver(store, finished=bool(survey.complete.all())),
    ]
    failed = np.flatnonzero(survey.failed.any(axis=1)).tolist()
    if failed:
        lines.append(f"{len(failed)} points failed:")
    lines += [f"  {sweep.label(point)}: {store.why(point)}" for point in failed[:MOST_REASONS]]
    if len(failed) > MOST_REASONS:
        lines.append(f"  and {len(failed) - MOST_REASONS} more; the variable `reason` has them all")
    return "\n".join(lines), bool(failed)


def _driver(store: Store, finished: bool) -> str:
    about = read_lock(store.path)
    if not about:
        return "finished" if finished else "no driver runs; diffusion-lab sweep FILE --resume goes on"
    text = f"driver: process {about['pid']} on {about['host']}"
    began, before = about.get("since") or (0.0, 0)
    computed, total = about.get("computed", 0), about.get("total", 0)
    if computed > before:
        return f"{text}, about {_duration((time.time() - began) / (computed - before) * (total - computed))} left"
    return f"{text}, starting"


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def results(path: str | Path) -> xarray.Dataset:
    """The store as a Dataset, read as it is needed, but for the reasons: at many points they take long."""
    stored: xarray.Dataset = xarray.open_zarr(path, drop_variables=["reason"], chunks=None)
    texts = {name: labels for name, labels in stored.coords.items() if labels.dtype.kind == "T"}
    return stored.assign_coords(
        {name: (labels.dims, np.array(labels.values.tolist(), str), labels.attrs) for name, labels in texts.items()}
    )


def doubts(path: str | Path) -> list[str]:
    """What results say of themselves, as a single run warns: too few exits, or splitting that is not reliable."""
    data, said = results(path), []
    if few := int((data["events"] < FEW).sum()) if "events" in data else 0:
        said.append(
            f"points with fewer than {FEW} exits, whose rates may be anything up to rate_high: {few}; "
            "raise max_iterations or replicas"
        )
    if vague := int((data["reliable"] == 0).sum()) if "reliable" in data else 0:
        said.append(f"points with a rate by splitting that is not reliable: {vague}; raise replicas or repetitions")
    return said


def export(path: str | Path, target: str | Path) -> None:
    """Write a store to one netCDF file.

    Raises
    ------
    ValueError
        If there is no store, or a file is at the target.
    """
    store = Store.open(path)
    target = Path(target)
    if target.exists():
        raise ValueError(f"{target} exists; give another name")
    partial = target.with_name(target.name + ".partial")
    axes = tuple(axis.name for axis in store.sweep.axes)
    everything = results(path).assign(
        reason=((*axes, "block"), store.every_reason(), {"long_name": "why the task failed"})
    )
    try:
        everything.to_netcdf(partial, engine="h5netcdf")
    except OSError as error:
        raise ValueError(f"cannot write {target}: {error}") from error
    partial.replace(target)
