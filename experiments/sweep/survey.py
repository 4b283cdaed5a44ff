"""What of a store is done, from the names and sizes of its chunks alone."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from experiments.sweep.layout import Layout

FLAG_BYTES = 1  # of `done` and `complete`; a loss of power may leave an empty file, which is no flag


class Survey:
    """Which tasks are done and which failed.

    Attributes
    ----------
    done, failed
        Shape (points, blocks).
    complete
        Shape (points,).
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path, self._layout, sweep = path, layout, layout.sweep
        self.done, self.failed = (np.zeros((sweep.size, layout.blocks), bool) for _ in range(2))
        self.complete = np.zeros(sweep.size, bool)
        for name, flags in (("done", self.done), ("complete", self.complete), ("reason", self.failed)):
            for place, size in chunk_sizes(path / name).items():
                if size == FLAG_BYTES if name != "reason" else size:
                    point = int(np.ravel_multi_index(place[: len(sweep.shape)], sweep.shape))
                    flags[(point, *place[len(sweep.shape) :])] = True
        self.failed &= self.done  # a reason without a flag is of a task that was killed

    def damaged(self) -> Iterator[tuple[int, int]]:
        """Tasks (point, block) that are done but have a chunk missing or of a wrong size; block -1 for a summary.

        Unfinished files of processes that were killed are removed.
        """
        layout = self._layout
        for name in ("done", "complete", "reason"):
            chunk_sizes(self._path / name, tidy=True)
        sizes = {name: chunk_sizes(self._path / name, tidy=True) for name in layout.variables}
        for point in np.flatnonzero(self.done.any(axis=1) | self.complete):
            if self.failed[point].any():
                continue  # a failed task need not have data
            place = layout.sweep.index(int(point))
            measurement, _ = layout.measurement(int(point))

            def whole(name: str, block: int, place: tuple[int, ...] = place) -> bool:
                return sizes[name].get(layout.chunk(name, place, block)) == layout.variables[name].nbytes

            for block in np.flatnonzero(self.done[point]):
                if not all(whole(name, int(block)) for name in measurement.kept):
                    yield int(point), int(block)
            if self.complete[point] and not all(whole(name, 0) for name in measurement.told):
                yield int(point), -1

    def forget(self, point: int, block: int) -> None:
        """Take a task, or with block -1 a summary, as never done."""
        place = self._layout.sweep.index(point)
        names: list[tuple[str, tuple[int, ...]]] = [("complete", place)]
        self.complete[point] = False
        if block >= 0:
            names += [("done", (*place, block)), ("reason", (*place, block))]
            self.done[point, block] = self.failed[point, block] = False
        for name, chunk in names:
            chunk_path(self._path, name, chunk).unlink(missing_ok=True)


def chunk_path(store: Path, name: str, place: tuple[int, ...]) -> Path:
    """The file of a chunk."""
    return store / name / "c" / "/".join(map(str, place))


def chunk_sizes(folder: Path, tidy: bool = False) -> dict[tuple[int, ...], int]:
    """Size in bytes of each chunk of an array; with `tidy`, remove what killed processes left."""
    out = {}
    root = str(folder / "c")
    for here, _, files in os.walk(root):
        before = tuple(map(int, os.path.relpath(here, root).split(os.sep))) if here != root else ()
        for name in files:
            path = os.path.join(here, name)
            if name.isdecimal():
                out[(*before, int(name))] = os.stat(path).st_size
            elif tidy and name.endswith(".partial"):
                os.unlink(path)
    return out
