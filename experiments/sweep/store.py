"""The results of a sweep on disk: a Zarr store whose chunks are tasks, each marked done after its data are there."""

import json
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec

from diffusion.variables import VARIABLES
from experiments.sweep.description import Axis, Sweep
from experiments.sweep.layout import Layout
from experiments.sweep.measurements import Arrays
from experiments.sweep.provenance import PHYSICS, differences, own_sources
from experiments.sweep.survey import Survey, chunk_path, chunk_sizes

FORMAT = 1  # of the store; raise it when an older one cannot be continued


class Store:
    """A sweep's results, open; see `create` and `open`.

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
        data = {name: group[name].with_config({"write_empty_chunks": True}) for name in self.layout.variables}
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
        attributes = {"title": sweep.title, "format": FORMAT, "sweep": json.dumps(sweep.identity)}
        attributes |= {"figure": json.dumps(sweep.figure), "physics": json.dumps(PHYSICS)}
        attributes |= {"own_sources": json.dumps(own_sources(sweep))}
        unfinished = path.with_name(path.name + ".unfinished")  # renamed when complete: the store appears whole
        group: Any = zarr.create_group(unfinished, zarr_format=3, overwrite=True, attributes=attributes)
        for axis in sweep.axes:
            labels = np.array(axis.labels, dtype="T" if isinstance(axis.labels[0], str) else None)
            _coordinate(group, axis.name, labels, ", ".join(axis.sets))
        for name, values in layout.coordinates.items():
            _coordinate(group, name, values, "")
        for name, variable in layout.variables.items():
            about: dict[str, Any] = {"dimension_names": variable.dims, "attributes": _known(name, variable.dims)}
            about |= {"shape": variable.shape, "chunks": variable.chunks, "dtype": variable.dtype}
            group.create_array(name, fill_value=variable.fill, compressors=[Crc32cCodec()], **about)
        sizes = {axis.name: len(axis.labels) for axis in sweep.axes}
        _flag(group, "done", sizes | {"block": layout.blocks}, "bool", "whether the task is done, well or not")
        _flag(group, "complete", sizes, "bool", "whether the point is done, well or not")
        _flag(group, "reason", sizes | {"block": layout.blocks}, "T", "why the task failed; empty if it did not")
        with warnings.catch_warnings():
            # consolidated metadata are no part of Zarr v3 yet, but xarray reads them
            warnings.simplefilter("ignore", zarr.errors.ZarrUserWarning)
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
        try:
            attributes = dict(zarr.open_group(path, mode="r").attrs)
        except (ValueError, KeyError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
        if "sweep" not in attributes or attributes.get("format") != FORMAT:
            raise ValueError(f"{path} is no store of a sweep in format {FORMAT}; remove it, or write elsewhere")
        identity = json.loads(str(attributes["sweep"]))
        axes = tuple(
            Axis(name, tuple(table["labels"]), {key: tuple(values) for key, values in table.items() if key != "labels"})
            for name, table in identity.pop("axes").items()
        )
        sweep = Sweep(identity, axes, str(attributes["title"]), json.loads(str(attributes["figure"])))
        return cls(path, sweep, Layout.of(sweep))

    def check_physics(self) -> None:
        """Refuse a store that other sources or versions have begun; the message names the difference."""
        attributes: dict[str, Any] = dict(zarr.open_group(self.path, mode="r").attrs)
        for what, there, here in (
            ("version of the physics", json.loads(attributes["physics"]), PHYSICS),
            ("source of", json.loads(attributes["own_sources"]), own_sources(self.sweep)),
        ):
            differing = differences(there, here)
            if differing:
                begun = f"{self.path} was begun with another {what}: {differing}"
                raise ValueError(f"{begun}; go back to it, or begin another store")

    def check_sweep(self, sweep: Sweep) -> None:
        """Refuse to go on with other parameters; the message names them."""
        differing = differences(self.sweep.identity, sweep.identity)
        if differing:
            held = f"{self.path} holds another sweep: {differing}"
            raise ValueError(f"{held}; use its parameters, or another store (--out)")

    def write(self, point: int, block: int, data: Arrays) -> None:
        """A block's or, with block -1, a summary's results, to their own chunks."""
        where = self.sweep.index(point)
        for name, values in data.items():
            variable = self.layout.variables[name]
            places = zip(self.layout.chunk(name, where, block), variable.chunks, strict=True)
            region = tuple(slice(place * size, (place + 1) * size) for place, size in places)
            values = np.asarray(values)[None] if "block" in variable.dims else np.asarray(values)
            filled = np.full(variable.chunks, variable.fill, variable.dtype)
            filled.reshape(filled.shape[len(where) :])[tuple(slice(0, n) for n in values.shape)] = values
            self._arrays[name][region] = filled

    def read(self, point: int, names: tuple[str, ...], blocks: int) -> Arrays:
        """What all blocks of a point gave."""
        where, shares = self.sweep.index(point), self.layout.shares
        everything = {}
        for name in names:
            dims = self.layout.variables[name].dims[len(where) :]
            region = (*where, *(slice(0, blocks * shares[dim]) if dim in shares else slice(None) for dim in dims))
            everything[name] = np.asarray(self._arrays[name][region])
        return everything

    def finish(self, point: int, block: int, reason: str = "") -> None:
        """Mark a task done, after its reason if it failed."""
        where = (*self.sweep.index(point), block)
        if reason:
            self._arrays["reason"][where] = reason
        else:  # a task that was killed before its flag may have left a reason
            chunk_path(self.path, "reason", where).unlink(missing_ok=True)
        self._arrays["done"][where] = True

    def complete(self, point: int, reason: str = "") -> None:
        """Mark a point done, after the reason if its summary failed."""
        if reason:
            self._arrays["reason"][(*self.sweep.index(point), 0)] = reason
        self._arrays["complete"][self.sweep.index(point)] = True

    def why(self, point: int) -> str:
        """Why tasks of a point failed, each reason once; nothing if none did."""
        reasons = (str(text) for text in self._arrays["reason"][self.sweep.index(point)] if text)
        return "; ".join(dict.fromkeys(reasons))

    def every_reason(self) -> NDArray[np.str_]:
        """Why tasks failed, on the axes and block; only those that are there are read."""
        out = np.full((*self.sweep.shape, self.layout.blocks), "", object)
        for place in chunk_sizes(self.path / "reason"):
            out[place] = str(self._arrays["reason"][place])
        return out.astype(str)

    def survey(self) -> Survey:
        """What is done."""
        return Survey(self.path, self.layout)


def refuse_existing(path: Path) -> None:
    """Refuse a place where something is."""
    if path.exists() or path.is_symlink():
        raise ValueError(f"{path} exists; go on with it (--resume), remove it, or write elsewhere (--out)")


def _coordinate(group: Any, name: str, values: NDArray[Any], meaning: str) -> None:
    attributes = _known(name, (name,)) or ({"long_name": meaning} if meaning else {})
    about = {"dimension_names": (name,), "attributes": attributes}
    array = group.create_array(name, shape=values.shape, chunks=values.shape, dtype=values.dtype, **about)
    array[...] = values


def _flag(group: Any, name: str, sizes: dict[str, int], dtype: str, meaning: str) -> None:
    """An array of one small file for each of its entries."""
    shape = tuple(sizes.values())
    about = {"dimension_names": tuple(sizes), "attributes": {"long_name": meaning}, "compressors": None}
    fill = "" if dtype == "T" else False
    group.create_array(name, shape=shape, chunks=(1,) * len(shape), dtype=dtype, fill_value=fill, **about)


def _known(name: str, dims: tuple[str, ...]) -> dict[str, Any]:
    """Units and meaning from the registry, of a variable whose dimensions end like these."""
    bare = name.removeprefix("block_")
    for variable in VARIABLES:
        if variable.name == bare and variable.dims == dims[len(dims) - len(variable.dims) :]:
            return {"units": variable.units, "long_name": variable.long_name}
    return {}
