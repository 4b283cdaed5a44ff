"""The escape job's points as sweeps: each kind in a Zarr store of its own, measured in this process on all threads."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.progress import Progress
from experiments.sharpness.points import Point
from experiments.sweep import Store, Sweep, check, run
from experiments.sweep.report import results

MEASURES = {"exact": "exact", "splitting": "measured", "sde": "measured", "discrete": "measured", "torch": "measured"}
OF_EXACT = ("setting", "optimizer", "sharpness")


@dataclass(frozen=True)
class Kind:
    """Points of one kind: they are one sweep, along one axis, as each optimizer has sharpnesses of its own.

    Attributes
    ----------
    name
        Of the store, without suffix.
    points
        At least one, all measured by the same function.
    """

    name: str
    points: Sequence[Point]

    @property
    def sweep(self) -> Sweep:
        """The sweep that measures them."""
        measure = MEASURES[self.points[0].route]
        columns = {name: [asdict(point)[name] for point in self.points] for name in asdict(self.points[0])}
        columns["root"] = columns.pop("seed")  # a sweep has a seed of its own for each task
        wanted = {name: column for name, column in columns.items() if measure == "measured" or name in OF_EXACT}
        axis = {"labels": [point.label for point in self.points]}
        axis |= {f"measure.{name}": column for name, column in wanted.items()}
        table = {"name": f"experiments.sharpness.points:{measure}"}
        return Sweep.from_mapping({"title": self.name, "measure": table, "axes": {"point": axis}})

    def path(self, directory: Path) -> Path:
        """Its store."""
        return directory / f"{self.name}.zarr"

    def left(self, directory: Path) -> int:
        """Points that are not measured yet, or failed; a store of other parameters or other code is refused."""
        path = self.path(directory)
        return round(len(self.points) * check(self.sweep, path, resume=path.exists(), retry=path.exists()))

    def measure(self, directory: Path, threads: int | None, progress: Progress) -> list[dict[str, Any]]:
        """Measure what is left, and give all points as rows: what each is, and its numbers, or a fault instead."""
        path, there = self.path(directory), self.path(directory).exists()
        run(self.sweep, path, resume=there, retry=there, workers=0, threads=threads, progress=progress)
        store, table = Store.open(path), results(path).load()
        numbers = [str(name) for name in table.data_vars if name not in ("done", "complete")]
        columns = {name: table[name].values.tolist() for name in numbers}
        rows = []
        for place, point in enumerate(self.points):
            fault = store.why(place).removeprefix("ValueError: ")
            found = {name: None if np.isnan(column[place]) else column[place] for name, column in columns.items()}
            rows.append(point.row | found | ({"fault": fault} if fault else {}))
        return rows
