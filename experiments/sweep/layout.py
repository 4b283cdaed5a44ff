"""How a sweep's results lie in its store: variables, their dimensions, and chunks that are one task's each."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion.plan import save_points
from experiments.sweep import measurements, naming
from experiments.sweep.description import Sweep
from experiments.sweep.measurements import Measurement

CRC = 4  # bytes of the checksum that goes with a chunk


@dataclass(frozen=True)
class Variable:
    """An array of the store."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str

    @property
    def fill(self) -> Any:
        """What stands where nothing has been computed."""
        kind = np.dtype(self.dtype).kind
        return np.nan if kind == "f" else False if kind == "b" else -1

    @property
    def nbytes(self) -> int:
        """Bytes of a chunk on disk."""
        return prod(self.chunks) * np.dtype(self.dtype).itemsize + CRC


@dataclass(frozen=True)
class Layout:
    """Dimensions and variables of a store.

    Attributes
    ----------
    sizes
        Size of every dimension besides the axes.
    shares
        What a task has of the dimensions that are divided among a point's blocks.
    """

    sweep: Sweep
    blocks: int
    sizes: dict[str, int]
    shares: dict[str, int]
    coordinates: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, sweep: Sweep) -> "Layout":
        """The layout that a sweep needs.

        Raises
        ------
        ValueError
            If measurements on the grid do not fit into one store.
        """
        blocks, shares = 1, {"block": 1}
        sizes: dict[str, int] = {}
        coordinates: dict[str, NDArray[Any]] = {}
        for options, name in sweep.kinds():
            measurement = measurements.named(name)
            measurement.check(options)
            here = measurement.blocks(options)
            blocks = max(blocks, here)
            if measurement.unit:
                dim = measurement.unit[:-1]
                share = measurement.share(options)
                if shares.setdefault(dim, share) != share:
                    sizes_asked = f"{shares[dim]} and {share} {measurement.unit}"
                    raise ValueError(f"measure.block is {sizes_asked}; one store needs one size of block")
                sizes[dim] = max(sizes.get(dim, 0), here * share)
            if name == "msd":
                saved = save_points(options.get("save"), options.get("iterations", 0), measurements.stride(options))
                if not np.array_equal(coordinates.setdefault("iteration", saved), saved):
                    raise ValueError("points measure msd at different iterations; give save = [...], the same for all")
                dimensions = (_dimension(sweep.at(point)["landscape"]) for point in range(sweep.size))
                sizes |= {"iteration": len(saved), "direction": max(dimensions)}
                coordinates["direction"] = np.arange(sizes["direction"])
        return cls(sweep, blocks, sizes | {"block": blocks}, shares, coordinates)

    @cached_property
    def variables(self) -> dict[str, Variable]:
        """Every array of data."""
        every: dict[str, Variable] = {}
        axes = tuple(axis.name for axis in self.sweep.axes)
        for _, kind in self.sweep.kinds():
            measurement = measurements.named(kind)
            for name, dims in (*measurement.kept.items(), *measurement.told.items()):
                shape = (*self.sweep.shape, *(self.sizes[dim] for dim in dims))
                chunks = (*(1,) * len(axes), *(self.shares.get(dim, self.sizes[dim]) for dim in dims))
                variable = Variable((*axes, *dims), shape, chunks, measurement.dtypes.get(name, "float64"))
                if every.setdefault(name, variable) != variable:
                    raise ValueError(f"{name} has other dimensions in another measurement of this sweep; use two")
        others = {*axes, *self.coordinates, *self.sizes, "done", "complete", "reason"}
        for name in others & set(every):
            raise ValueError(f"{name} is the name of a result and of something else here; rename the axis or variable")
        return every

    @property
    def results(self) -> list[str]:
        """Variables that are the same for all blocks: what a figure can show."""
        return [name for name, variable in self.variables.items() if not set(variable.dims) & set(self.shares)]

    def check_figure(self) -> None:
        """Refuse a [figure] that cannot be drawn."""
        y = self.sweep.figure.get("y")
        if y is not None and y not in self.results:
            raise ValueError(f"figure.y = {y!r} is no result of a point; there are {', '.join(self.results) or 'none'}")
        shown = y or self.default
        for role, name in self.sweep.figure.items():
            if role != "y" and shown and name not in self.variables[shown].dims:
                raise ValueError(f"figure.{role} = {name!r}: {shown} has no such dimension")

    @property
    def default(self) -> str:
        """What a figure shows unless told otherwise: the rate if there is one."""
        return "rate" if "rate" in self.results or not self.results else self.results[0]

    def measurement(self, point: int) -> tuple[Measurement, dict[str, Any]]:
        """What is measured at a point, and its options."""
        options = self.sweep.at(point)["measure"]
        return measurements.named(str(options["name"])), options

    def blocks_of(self, point: int) -> int:
        """Tasks of a point."""
        measurement, options = self.measurement(point)
        return measurement.blocks(options)

    def chunk(self, name: str, place: tuple[int, ...], block: int) -> tuple[int, ...]:
        """Place of a task's chunk of a variable."""
        dims = self.variables[name].dims[len(place) :]
        return (*place, *(block if dim in self.shares else 0 for dim in dims))

    @property
    def nbytes(self) -> int:
        """Bytes of all data on disk, without what the file system adds."""
        return sum(variable.nbytes * self._chunks(variable) for variable in self.variables.values())

    @property
    def files(self) -> int:
        """Chunks of all data and flags."""
        flags = self.sweep.size * (self.blocks + 1)
        return flags + sum(self._chunks(variable) for variable in self.variables.values())

    def _chunks(self, variable: Variable) -> int:
        return prod(-(-size // chunk) for size, chunk in zip(variable.shape, variable.chunks, strict=True))


def _dimension(landscape: dict[str, Any]) -> int:
    """Coordinates of a landscape."""
    try:
        return int(naming.build("landscape", landscape).dimension)
    except ValueError:  # the point will fail with these words
        return 1
