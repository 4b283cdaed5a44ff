"""The results of a sweep on disk: a Zarr store whose chunks are tasks, each marked done after its data are there."""

import fcntl
import hashlib
import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec

from diffusion.variables import VARIABLES
from experiments.sweep import naming
from experiments.sweep.description import Axis, Sweep
from experiments.sweep.layout import Layout
from experiments.sweep.measurements import Arrays

FORMAT = 1  # of the store; raise it when an older one cannot be continued


def physics() -> dict[str, str]:
    """What results depend on besides the parameters: the sources of the simulator and of the exact values."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for folder in ("diffusion", "theory"):
        for path in sorted((root / folder).rglob("*.py")):
            if "plot" not in path.relative_to(root).parts:
                digest.update(path.read_bytes())
    return {
        "diffusion-lab": version("diffusion-lab"),
        "source": digest.hexdigest()[:16],
        "numba": version("numba"),
        "numpy": version("numpy"),
    }


def own_sources(sweep: Sweep) -> dict[str, str]:
    """A hash of the module of each object that the sweep names as module:object."""
    out = {}
    for section in sweep.sections:
        for name in sweep.values(section, "name"):
            if ":" in str(name):
                path = naming.source(naming.imported(f"{section}.name", str(name)))
                out[str(name)] = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if path else "unknown"
    return out


class Store:
    """A sweep's results, open; see `create` and `open_`.

    Attributes
    ----------
    path
        Directory of the Zarr store.
    sweep, layout
        What it holds.
    """

    def __init__(self, path: Path, sweep: Sweep, layout: Layout) -> None:
        self.path, self.sweep, self.layout = path, sweep, layout

    @cached_property
    def _arrays(self) -> dict[str, Any]:
        group: Any = zarr.open_group(self.path, mode="r+")
        data: dict[str, Any] = {
            name: group[name].with_config({"write_empty_chunks": True}) for name in self.layout.variables
        }
        return data | {name: group[name] for name in ("done", "complete", "reason")}

    @classmethod
    def create(cls, path: Path, sweep: Sweep) -> "Store":
        """An empty store.

        Raises
        ------
        ValueError
            If something is there already.
        """
        refuse_existing(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        layout = Layout.of(sweep)
        attributes = {
            "title": sweep.title, "format": FORMAT, "sweep": json.dumps(sweep.identity), "figure": json.dumps(sweep.figure),
            "physics": json.dumps(physics()), "own_sources": json.dumps(own_sources(sweep)),
        }  # fmt: skip
        unfinished = path.with_name(path.name + ".unfinished")  # the store appears whole
        group = zarr.create_group(unfinished, zarr_format=3, overwrite=True, attributes=attributes)
        for axis in sweep.axes:
            _coordinate(
                group,
                axis.name,
                np.array(axis.labels, dtype="T" if isinstance(axis.labels[0], str) else None),
                _target_text(axis),
            )
        for name, values in layout.coordinates.items():
            _coordinate(group, name, values, "")
        for name, variable in layout.variables.items():
            group.create_array(
                name, shape=variable.shape, chunks=variable.chunks, dtype=variable.dtype, fill_value=variable.fill,
                dimension_names=variable.dims, attributes=_known(name, variable.dims), compressors=[Crc32cCodec()],
            )  # fmt: skip
        axes = tuple(axis.name for axis in sweep.axes)
        flags: dict[str, tuple[tuple[str, ...], Any, str]] = {
            "done": ((*axes, "block"), "bool", "whether the task is done, well or not"),
            "complete": (axes, "bool", "whether the point is done, well or not"),
            "reason": ((*axes, "block"), "T", "why the task failed; empty if it did not"),
        }
        for name, (dims, dtype, meaning) in flags.items():
            shape = (*sweep.shape, layout.blocks) if "block" in dims else sweep.shape
            group.create_array(
                name, shape=shape, chunks=(1,) * len(shape), dtype=dtype, dimension_names=dims, compressors=None,
                attributes={"long_name": meaning}, fill_value="" if dtype == "T" else False,
            )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", zarr.errors.ZarrUserWarning
            )  # consolidated metadata are no part of Zarr v3 yet: xarray reads them
            zarr.consolidate_metadata(unfinished)
        unfinished.replace(path)
        return cls(path, sweep, layout)

    @classmethod
    def open(cls, path: str | Path) -> "Store":
        """A store that is there.

        Raises
        ------
        ValueError
            If there is none, or it is no store of a sweep.
        """
        path = Path(path)
        if not (path / "zarr.json").exists():
            raise ValueError(f"{path} is no store of a sweep; diffusion-lab sweep FILE makes one")
        attributes = dict(zarr.open_group(path, mode="r").attrs)
        if "sweep" not in attributes or attributes.get("format") != FORMAT:
            raise ValueError(f"{path} is no store of a sweep in format {FORMAT}; remove it, or write elsewhere")
        identity = json.loads(str(attributes["sweep"]))
        axes = tuple(
            Axis(name, tuple(table["labels"]), {key: tuple(values) for key, values in table.items() if key != "labels"})
            for name, table in identity.pop("axes").items()
        )
        sweep = Sweep(identity, axes, str(attributes["title"]), json.loads(str(attributes["figure"])))
        return cls(path, sweep, Layout.of(sweep))

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the store."""
        return dict(zarr.open_group(self.path, mode="r").attrs)

    def check_physics(self) -> None:
        """Refuse a store that other sources or versions have begun; the message names the difference."""
        attributes = self.attributes
        for what, there, here in (
            ("version of the physics", json.loads(attributes["physics"]), physics()),
            ("source of", json.loads(attributes["own_sources"]), own_sources(self.sweep)),
        ):
            differences = _differences(there, here)
            if differences:
                raise ValueError(
                    f"{self.path} was begun with another {what}: {differences}; go back to it, or begin another store"
                )

    def check_sweep(self, sweep: Sweep) -> None:
        """Refuse to go on with other parameters; the message names them."""
        differences = _differences(self.sweep.identity, sweep.identity)
        if differences:
            raise ValueError(
                f"{self.path} holds another sweep: {differences}; use its parameters, or another store (--out)"
            )

    @contextmanager
    def locked(self) -> Iterator["Lock"]:
        """Keep other drivers off; the lock goes with the process, however it ends."""
        path = lock_path(self.path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = read_lock(self.path)
                who = f"process {holder.get('pid')} on {holder.get('host')}" if holder else "another process"
                raise ValueError(f"{self.path} is in use by {who}; wait for it, or end it") from None
            yield Lock(descriptor)
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def write(self, point: int, block: int, data: Arrays) -> None:
        """A block's or, with block -1, a summary's results, to their own chunks."""
        where = self.sweep.index(point)
        for name, values in data.items():
            variable = self.layout.variables[name]
            region = list(where)
            filled = np.full(variable.chunks[len(where) :], variable.fill, variable.dtype)
            for place, dim in enumerate(variable.dims[len(where) :]):
                size = variable.chunks[len(where) + place]
                region.append(slice(block * size, block * size + size) if dim in self.layout.split else slice(0, size))  # type: ignore[arg-type]
            values = np.asarray(values)
            if "block" in variable.dims:
                values = values[None]
            filled[tuple(slice(0, n) for n in values.shape)] = values
            self._arrays[name][tuple(region)] = filled

    def read(self, point: int, names: tuple[str, ...], blocks: int) -> Arrays:
        """What all blocks of a point gave."""
        where = self.sweep.index(point)
        out = {}
        for name in names:
            variable = self.layout.variables[name]
            tail: list[slice] = []
            for place, dim in enumerate(variable.dims[len(where) :]):
                size = variable.chunks[len(where) + place]
                tail.append(slice(0, blocks * size) if dim in self.layout.split else slice(None))
            out[name] = np.asarray(self._arrays[name][(*where, *tail)])
        return out

    def finish(self, point: int, block: int, reason: str = "") -> None:
        """Mark a task done, after its reason if it failed."""
        where = (*self.sweep.index(point), block)
        if reason:
            self._arrays["reason"][where] = reason
        self._arrays["done"][where] = True

    def complete(self, point: int, reason: str = "") -> None:
        """Mark a point done, after the reason if its summary failed."""
        if reason:
            self._arrays["reason"][(*self.sweep.index(point), 0)] = reason
        self._arrays["complete"][self.sweep.index(point)] = True

    def reasons(self, point: int) -> list[str]:
        """Why tasks of a point failed."""
        return [str(text) for text in self._arrays["reason"][self.sweep.index(point)] if text]

    def survey(self) -> "Survey":
        """What is done, from the names of the chunks."""
        return Survey(self)


def refuse_existing(path: Path) -> None:
    """Refuse a place where something is."""
    if path.exists() or path.is_symlink():
        raise ValueError(f"{path} exists; go on with it (--resume), remove it, or write elsewhere (--out)")


class Lock:
    """A store's lock file; it tells `status` how far the driver is."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._about: dict[str, Any] = {"pid": os.getpid(), "host": socket.gethostname(), "began": time.time()}

    def tell(self, **about: Any) -> None:
        """Note how far it is."""
        self._about |= about
        text = json.dumps(self._about).encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))


def lock_path(store: Path) -> Path:
    """The lock file, beside the store."""
    return store.with_name(store.name + ".lock")


def read_lock(store: Path) -> dict[str, Any]:
    """What the driver of a store says of itself; nothing if none runs."""
    try:
        with lock_path(store).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:  # held: a driver runs
                return dict(json.loads(file.read() or "{}"))
            return {}
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


class Survey:
    """Which tasks are done and which failed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        sweep, layout = store.sweep, store.layout
        self.done = np.zeros((sweep.size, layout.blocks), bool)
        self.complete = np.zeros(sweep.size, bool)
        self.failed = np.zeros((sweep.size, layout.blocks), bool)
        for name, flags in (("done", self.done), ("complete", self.complete), ("reason", self.failed)):
            for place in _chunks(store.path / name, len(flags.shape) - 1 + len(sweep.shape)):
                point = int(np.ravel_multi_index(place[: len(sweep.shape)], sweep.shape))
                flags[(point, *place[len(sweep.shape) :])] = True

    def damaged(self) -> Iterator[tuple[int, int]]:
        """Tasks (point, block) that are done but have a chunk missing or of a wrong size."""
        layout = self._store.layout
        sizes = {name: _sizes(self._store.path / name) for name in layout.variables}
        for point in np.flatnonzero(self.done.any(axis=1) | self.complete):
            if self.failed[point].any():
                continue  # data of a failed task may be there or not
            place = self._store.sweep.index(int(point))
            kept, told = layout.chunks_of(int(point))
            for block in np.flatnonzero(self.done[point]):
                for name in kept:
                    if sizes[name].get(layout.chunk(name, place, int(block))) != layout.variables[name].nbytes:
                        yield int(point), int(block)
                        break
            if self.complete[point] and any(
                sizes[name].get(layout.chunk(name, place, 0)) != layout.variables[name].nbytes for name in told
            ):
                yield int(point), -1

    def forget(self, point: int, block: int) -> None:
        """Take a task, or with block -1 a summary, as never done."""
        place = self._store.sweep.index(point)
        names: list[tuple[str, tuple[int, ...]]] = [("complete", place)]
        self.complete[point] = False
        if block >= 0:
            names += [("done", (*place, block)), ("reason", (*place, block))]
            self.done[point, block] = self.failed[point, block] = False
        for name, chunk in names:
            (self._store.path / name / "c" / "/".join(map(str, chunk))).unlink(missing_ok=True)


def _chunks(folder: Path, depth: int) -> Iterator[tuple[int, ...]]:
    """Places of the chunks that an array has."""
    for key in _sizes(folder):
        if len(key) == depth:
            yield key


def _sizes(folder: Path) -> dict[tuple[int, ...], int]:
    """Size in bytes of each chunk of an array."""
    out = {}
    root = str(folder / "c")
    for here, _, files in os.walk(root):
        for name in files:
            if name.endswith(".partial"):  # of a process that was killed
                continue
            relative = os.path.relpath(os.path.join(here, name), root)
            key = () if root == here and name == "c" else tuple(map(int, relative.split(os.sep)))
            out[key] = os.stat(os.path.join(here, name)).st_size
    return out


def _coordinate(group: Any, name: str, values: Any, meaning: str) -> None:
    attributes = _known(name, (name,)) or ({"long_name": meaning} if meaning else {})
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=values.shape,
        dtype=values.dtype,
        dimension_names=(name,),
        attributes=attributes,
    )
    array[...] = values


def _target_text(axis: Axis) -> str:
    return ", ".join(axis.sets)


def _known(name: str, dims: tuple[str, ...]) -> dict[str, Any]:
    """Units and meaning from the registry, of a variable whose dimensions end like these."""
    bare = name.removeprefix("block_")
    for variable in VARIABLES:
        if variable.name == bare and variable.dims == tuple(
            dim for dim in dims[len(dims) - len(variable.dims) :] if variable.dims
        ):
            return {"units": variable.units, "long_name": variable.long_name}
    return {}


def _differences(there: Any, here: Any, where: str = "") -> str:
    """The leaves at which two nested mappings differ, in words."""
    found = []
    for key in sorted({*there, *here}):
        path = f"{where}{key}"
        left, right = there.get(key, "nothing"), here.get(key, "nothing")
        if isinstance(left, dict) and isinstance(right, dict):
            inner = _differences(left, right, f"{path}.")
            found += [inner] if inner else []
        elif left != right:
            found.append(f"{path} is {left} there and {right} here")
    return "; ".join(found)
