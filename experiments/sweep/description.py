"""What a sweep is: a grid of named axes over the parameters of one measurement, from TOML or a mapping."""

import inspect
import itertools
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from diffusion import checks
from experiments.sweep import naming
from experiments.sweep.measurements import MEASUREMENTS, named

SECTIONS = ("dynamics", "landscape", "noise", "measure")
MOST_POINTS = 10**7
_STORED = ("block", "replica", "repetition", "iteration", "direction", "done", "complete", "reason")
_TAKEN = (*_STORED, "method", "tolerance", "drop", "indexers")  # by the store, and arguments of xarray's sel
_RANGE = {"start", "stop", "count", "spacing"}

Sections = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Axis:
    """One dimension of the grid.

    Attributes
    ----------
    labels
        Values of its coordinate, all numbers or all texts, none twice.
    sets
        For each parameter, as "section.parameter", one value for each label.
    """

    name: str
    labels: tuple[Any, ...]
    sets: dict[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Sweep:
    """A grid of points, each a dynamics, a landscape, a noise and a measurement with their parameters.

    Attributes
    ----------
    sections
        Parameters that no axis changes, by section: dynamics, landscape, noise, measure.
    axes
        The dimensions of the grid, the last one fastest.
    title, figure
        For the figure; the results do not depend on them.
    """

    sections: Sections
    axes: tuple[Axis, ...]
    title: str = ""
    figure: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> "Sweep":
        """A sweep from tables as in the TOML file.

        Raises
        ------
        ValueError
            If a table, a parameter or an axis is unknown, missing or of the wrong kind; the message names it.
        """
        for name in mapping:
            checks.choice("table", name, (*SECTIONS, "axes", "title", "figure"))
        missing = [name for name in ("measure", "axes") if name not in mapping]
        if missing:
            raise ValueError(f"the sweep has no [{missing[0]}]; it needs {', '.join((*SECTIONS, 'axes'))}")
        for name in (*SECTIONS, "axes", "figure"):
            if not isinstance(mapping.get(name, {}), Mapping):
                raise ValueError(f"{name} = {mapping[name]!r} must be a table")
        mapping = {name: given if name == "title" else _plain(name, given) for name, given in mapping.items()}
        if not mapping["axes"]:
            raise ValueError("[axes] is empty; a sweep needs at least one axis, as in lr = [0.1, 0.2]")
        sections = {name: dict(mapping.get(name, {})) for name in SECTIONS}
        axes = tuple(_axis(name, given, sections) for name, given in mapping["axes"].items())
        sweep = cls(sections, axes, str(mapping.get("title", "")), dict(mapping.get("figure", {})))
        sweep._check()
        return sweep

    @classmethod
    def from_toml(cls, path: str | Path) -> "Sweep":
        """A sweep from a TOML file: data only, nothing in it is evaluated."""
        return cls.from_mapping(read(path))

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(len(axis.labels) for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of points."""
        return prod(self.shape)

    def index(self, point: int) -> tuple[int, ...]:
        """Place of a point along each axis."""
        return tuple(map(int, np.unravel_index(point, self.shape)))

    def at(self, point: int) -> Sections:
        """All parameters of a point."""
        return self._with(self.axes, self.index(point))

    def _with(self, axes: Sequence[Axis], places: tuple[int, ...]) -> Sections:
        """All parameters, those of the axes at these places along them."""
        sections = {name: dict(given) for name, given in self.sections.items()}
        for axis, k in zip(axes, places, strict=True):
            for target, values in axis.sets.items():
                section, name = target.split(".", 1)
                sections[section][name] = values[k]
        return sections

    def label(self, point: int) -> str:
        """A point for readers."""
        return ", ".join(f"{a.name} = {_short(a.labels[k])}" for a, k in zip(self.axes, self.index(point), strict=True))

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that the results depend on, as JSON has it."""
        axes = {axis.name: {"labels": axis.labels, **axis.sets} for axis in self.axes}
        return dict(json.loads(json.dumps(self.sections | {"axes": axes})))

    def kinds(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each combination of the section `measure` that occurs, with the measurement's name."""
        swept = [axis for axis in self.axes if any(target.startswith("measure.") for target in axis.sets)]
        for places in itertools.product(*(range(len(axis.labels)) for axis in swept)):
            options = self._with(swept, places)["measure"]
            yield options, str(options.get("name"))

    def _check(self) -> None:
        if self.size > MOST_POINTS:
            raise ValueError(f"the grid has {self.size} points, above {MOST_POINTS}; use coarser axes")
        for axis in self.axes:
            for target in axis.sets:
                others = [other.name for other in self.axes if other is not axis and target in other.sets]
                if others:
                    raise ValueError(f"{target} is set by the axes {axis.name} and {others[0]}; one must do")
        needed = {"measure"}.union(*(named(str(name)).sections for name in self.values("measure", "name")))
        swept = {tuple(target.split(".", 1)) for axis in self.axes for target in axis.sets}
        for section in SECTIONS:
            names = self.values(section, "name")
            given = set(self.sections[section]) | {name for of, name in swept if of == section}
            if not given and section not in needed:
                continue
            if not names:
                raise ValueError(f"[{section}] has no name; known: {', '.join(_known(section))}")
            check_parameters(section, names, given)
        roles = [value for key, value in self.figure.items() if key != "y"]
        twice = next((value for value in roles if roles.count(value) > 1), None)
        if twice is not None:
            raise ValueError(f"[figure] uses the axis {twice} twice; give it one role")
        for key, value in self.figure.items():
            checks.choice("figure", key, ("x", "y", "lines", "panels", "style"))
            if key != "y":
                checks.choice(f"figure.{key}", value, (*(axis.name for axis in self.axes), "iteration", "direction"))

    def values(self, section: str, name: str) -> tuple[Any, ...]:
        """All values that a parameter has on the grid."""
        for axis in self.axes:
            if f"{section}.{name}" in axis.sets:
                return axis.sets[f"{section}.{name}"]
        return (self.sections[section][name],) if name in self.sections[section] else ()


def read(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file: data only, nothing in it is evaluated.

    Raises
    ------
    ValueError
        If it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # of text that is not UTF-8 too
        raise ValueError(f"{path} is not TOML: {error}") from error
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error


def check_parameters(section: str, names: Sequence[Any], given: Iterable[str]) -> None:
    """Refuse parameters that nothing of these names in a section takes."""
    accepted = tuple(dict.fromkeys(parameter for name in names for parameter in _accepted(section, name)))
    for parameter in sorted(set(given) - {"name"}):
        if not accepted:
            ready = ", ".join(map(str, names))
            raise ValueError(f"{section}.{parameter}: {ready} is ready as it is and takes no parameters")
        checks.choice(f"parameter of {section}", parameter, accepted)


def _plain(where: str, value: Any) -> Any:
    """The same as TOML would have it: finite numbers, texts, lists and tables, NumPy's too; all else is refused."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(f"{where}.{key}", inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(where, inner) for inner in value]
    if callable(value):
        raise ValueError(f"{where} = {value!r} is an object of this process; name what a module has, 'module:function'")
    if not isinstance(value, str | int | float) or (not isinstance(value, str) and not abs(value) < 2**63):
        raise ValueError(f"{where} = {value!r} must be a finite number of 64 bits, a text, a list or a table")
    return value


def _axis(name: str, given: Any, sections: Sections) -> Axis:
    if not name.isidentifier() or name in _TAKEN:
        raise ValueError(f"axes.{name}: a name of letters, digits and _ is needed, and none of {', '.join(_TAKEN)}")
    if isinstance(given, Mapping) and not set(given) <= _RANGE:
        table = {key: _values(f"axes.{name}.{key}", value) for key, value in given.items()}
        labels = table.pop("labels", None) or next(iter(table.values()), ())
        sets = {_target(key, sections): values for key, values in table.items()}
        if not sets:
            raise ValueError(f'axes.{name} sets nothing; give it a list for a parameter, as "dynamics.lr" = [...]')
        lengths = {len(values) for values in (labels, *sets.values())}
        if len(lengths) > 1:
            raise ValueError(f"axes.{name}: its lists have {sorted(lengths)} entries; give each as many")
    else:
        labels = _values(f"axes.{name}", given)
        sets = {_target(name, sections): labels}
    texts = {isinstance(label, str) for label in labels}
    if any(isinstance(label, list | dict) for label in labels) or len(texts) > 1 or len(set(labels)) < len(labels):
        what = f"axes.{name}: {list(labels)} do not tell its points apart"
        raise ValueError(f"{what}; give labels = [...], numbers or texts, none twice")
    return Axis(name, labels, sets)


def _values(where: str, given: Any) -> tuple[Any, ...]:
    """Values of a list, or of a range."""
    if isinstance(given, Mapping):
        missing = sorted({"start", "stop", "count"} - set(given))
        if missing:
            raise ValueError(f"{where} has no {missing[0]}; a range is {{start, stop, count, spacing}}")
        spacing = checks.choice(f"{where}.spacing", given.get("spacing", "linear"), ("linear", "log"))
        count = checks.whole(f"{where}.count", given["count"], most=MOST_POINTS)
        for end in ("start", "stop"):
            (checks.positive if spacing == "log" else checks.finite)(f"{where}.{end}", given[end])
        space = np.geomspace if spacing == "log" else np.linspace
        return tuple(space(given["start"], given["stop"], count).tolist())
    if not isinstance(given, list | tuple) or not given:
        raise ValueError(f"{where} = {given!r} must be a list, or a range {{start, stop, count, spacing}}")
    return tuple(given)


def _target(name: str, sections: Sections) -> str:
    """Section and parameter that an axis sets: as given, or the one section that has a parameter of the name."""
    if "." in name:
        section = checks.choice(f"section of {name}", name.split(".", 1)[0], SECTIONS)
        return f"{section}.{name.split('.', 1)[1]}"
    owners = [section for section in SECTIONS if name in _accepted(section, sections[section].get("name"))]
    if len(owners) != 1:
        where = f"is a parameter of {' and '.join(owners) or 'nothing here'}"
        raise ValueError(f'axis {name} {where}; name what it sets, as in [axes.{name}] with "dynamics.{name}" = [...]')
    return f"{owners[0]}.{name}"


def _known(section: str) -> tuple[str, ...]:
    """Names that a section may have, besides module:object."""
    return tuple(MEASUREMENTS) if section == "measure" else naming.known(section)


def _accepted(section: str, name: Any) -> tuple[str, ...]:
    """Parameters that go with a name; without one, those of any."""
    if name is None:
        return tuple(dict.fromkeys(parameter for each in _known(section) for parameter in _accepted(section, each)))
    if section == "measure":
        return named(str(name)).options
    target = naming.resolved(section, str(name))
    return tuple(inspect.signature(target).parameters) if callable(target) else ()


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
