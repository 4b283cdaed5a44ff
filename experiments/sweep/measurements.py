"""What a sweep can measure at a point: how a block of it is run, and what all blocks together say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from inspect import Parameter, signature
from operator import or_
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

import diffusion
from diffusion import checks
from diffusion.dynamics import Dynamics
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel
from diffusion.schemes import stride_of
from diffusion.splitting.interval import estimate
from experiments.problems.exact import exact_rate
from experiments.sweep import naming

Arrays = dict[str, NDArray[Any]]
Options = dict[str, Any]
OBJECTS = ("dynamics", "landscape", "noise")  # sections whose objects a measurement may ask for
MSD = ("msd", "msd_stderr")
RATE = ("rate", "rate_low", "rate_high")
REPETITIONS = ("repetition_rate", "repetition_bound", "entrance_rate", "families", "probability", "hidden")
EXITS = ("events", "censored", "diverged", "early", "time_at_risk", "exponential_p")


@dataclass(frozen=True)
class Problem:
    """One point's dynamics, landscape and noise, and the threads that its measurement may use (None: all cores)."""

    dynamics: Dynamics
    landscape: Landscape
    noise: NoiseModel
    threads: int | None = 1


def problem(sections: dict[str, dict[str, Any]], threads: int | None = 1) -> Problem:
    """The objects that a point's tables describe; errors as in `naming.build`."""
    return Problem(threads=threads, **{section: naming.build(section, sections[section]) for section in OBJECTS})


@dataclass(frozen=True)
class Measurement:
    """One kind of measurement.

    Attributes
    ----------
    block
        Runs a block of a point: a function of the problem and, by name, a seed and the parameters.
    parameters
        Parameters of [measure] that a block takes, with their defaults.
    summary
        What all blocks of a point say together, from their results, joined, and the options.
    unit
        What a block has a share of: "replicas", "repetitions", or "" if a point is one task.
    kept, told
        Dimensions of what a block and a summary give, by name; "replica", "repetition" and "block" run over all blocks.
    dtypes
        Types of the results that are not float64.
    more
        Options of the summary.
    sections
        Sections whose objects it asks for; the others may be left out of a sweep.
    """

    block: Callable[..., Arrays]
    parameters: Mapping[str, Parameter]
    summary: Callable[[Arrays, Options], Arrays] | None = None
    unit: str = ""
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()
    sections: tuple[str, ...] = OBJECTS

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options, of [measure] in TOML."""
        return (*self.parameters, *self.more, "seed", *(("block",) if self.unit else ()))

    def check(self, options: Options) -> None:
        """Refuse options that no point can be measured with."""
        for name, parameter in self.parameters.items():
            if parameter.default is Parameter.empty and name not in options:
                raise ValueError(f"[measure] has no {name}, which {options['name']} needs")
        checks.whole("measure.seed", options.get("seed", 0), least=0)
        level = options.get("level", 0.95)
        if "level" in self.more and (isinstance(level, str) or not 0 < level < 1):
            raise ValueError(f"measure.level = {level!r} must lie between 0 and 1; 0.95 is usual")

    def total(self, options: Options) -> int:
        """Replicas, or repetitions, of a point."""
        return checks.whole(f"measure.{self.unit}", options.get(self.unit, self.parameters[self.unit].default))

    def share(self, options: Options) -> int:
        """Replicas, or repetitions, of one block."""
        return checks.whole("measure.block", options.get("block", self.total(options)))

    def blocks(self, options: Options) -> int:
        """Tasks of a point."""
        if not self.unit:
            return 1
        total, share = self.total(options), self.share(options)
        if total % share:
            what = f"measure.block = {share} does not divide measure.{self.unit} = {total}"
            raise ValueError(f"{what}; choose one that does")
        return total // share

    def run(self, problem: Problem, options: Options, seed: int) -> Arrays:
        """Run one block."""
        given = {name: options[name] for name in self.parameters if name in options}
        if self.unit:
            given[self.unit] = self.share(options)
        return self.block(problem, seed=seed, **given)


def named(name: str) -> Measurement:
    """The measurement of a name, or what module:function names."""
    if ":" in name:
        return _own(name)
    return MEASUREMENTS[checks.choice("measure.name", name, tuple(MEASUREMENTS))]


@lru_cache
def _own(name: str) -> Measurement:
    """A user's function that returns a mapping of names to numbers.

    Of dynamics, landscape, noise, seed and threads it is given what it has parameters for; its other parameters are
    options. Its attribute `variables` names the numbers, and `optional`, if there is one, those that may be NaN.
    """
    function = naming.imported("measure.name", name)
    variables = getattr(function, "variables", None)
    if not callable(function) or not variables or isinstance(variables, str):
        needed = "a function with an attribute `variables`, the names of the numbers that it returns"
        raise ValueError(f"measure.name = {name!r} must be {needed}")
    parameters = dict(signature(function).parameters)
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()):
        raise ValueError(f"measure.name = {name!r} takes any option (**); name those that it takes")
    ours = [each for each in (*OBJECTS, "threads", "seed") if parameters.pop(each, None)]
    optional = getattr(function, "optional", ())

    def block(problem: Problem, seed: int, **options: Any) -> Arrays:
        everything = {**vars(problem), "seed": seed}
        result = function(**{each: everything[each] for each in ours}, **options)
        numbers = {variable: _number(name, variable, result, variable in optional) for variable in variables}
        return {variable: np.asarray(number, np.float64) for variable, number in numbers.items()}

    asked = tuple(section for section in OBJECTS if section in ours)
    return Measurement(block, parameters, kept=dict.fromkeys(variables, ()), sections=asked)


def _number(name: str, variable: str, result: Any, optional: bool) -> float:
    """One number of those that a user's measurement returned."""
    if not isinstance(result, Mapping) or variable not in result:
        raise ValueError(f"{name} returned no {variable!r}")
    value = result[variable]
    if np.shape(value) != () or not (np.isfinite(value) or (optional and np.isnan(value))):
        raise ValueError(f"{name} returned {variable} = {value!r}, which is no finite number")
    return float(value)


def stride(options: Options) -> int:
    """Iterations that a step takes, k at substeps = 1/k."""
    return stride_of(options.get("substeps", 1), options.get("scheme", "euler"))


def boundary_of(problem: Problem, boundary: Any) -> Any:
    """What a description calls a boundary, or walls, as `diffusion` takes it.

    A number; two, an interval; a table with a name, as of a landscape, or several, which are joined; or "saddle": the
    landscape's saddle next to its reference point, in theta units.
    """
    if isinstance(boundary, Mapping):
        return naming.build("boundary", dict(boundary))
    if isinstance(boundary, list):
        pair = len(boundary) == 2 and all(isinstance(end, int | float) for end in boundary)
        return tuple(boundary) if pair else reduce(or_, (boundary_of(problem, part) for part in boundary))
    if not isinstance(boundary, str):
        return boundary
    checks.choice("measure.boundary", boundary, ("saddle",))
    try:
        return float(problem.landscape.next_saddle())
    except ValueError:
        raise ValueError(f"boundary = 'saddle': {problem.landscape!r} has none; give a number") from None


def _call(function: Callable[..., Any], problem: Problem, options: Options) -> Any:
    """A function of `diffusion` at the problem, on the threads it may use."""
    walls = {name: boundary_of(problem, options[name]) for name in ("boundary", "reflecting") if name in options}
    options = options | walls
    objects = {"noise": problem.noise, "threads": problem.threads}
    return function(problem.dynamics, problem.landscape, **objects, **options)


def _parameters(function: Callable[..., Any], *names: str) -> dict[str, Parameter]:
    """Parameters of a function that [measure] may set."""
    return {name: signature(function).parameters[name] for name in names}


def _msd(problem: Problem, **options: Any) -> Arrays:
    moments = _call(diffusion.simulate, problem, options)
    return {f"block_{name}": moments[name].values for name in (*MSD, "diverged")}


def _msd_of_all(blocks: Arrays, options: Options) -> Arrays:
    msd, stderr, diverged = (blocks[f"block_{name}"] for name in (*MSD, "diverged"))
    total: int = options["replicas"]
    size: int = options.get("block", total)
    mean = msd.mean(axis=0)
    spread = stderr**2 * (size - 1) if size > 1 else 0.0  # a block of one replica has no error of its own
    squares = (spread + msd**2).mean(axis=0)  # mean fourth power of the displacement
    error = np.sqrt(np.maximum(squares - mean**2, 0) / (total - 1))
    return {"msd": mean, "msd_stderr": error, "diverged": diverged.sum(axis=0)}


def _exits(problem: Problem, **options: Any) -> Arrays:
    exits = _call(diffusion.exit_times, problem, options)
    same = ("exit_iteration", "exit_coordinate", "exit_side")
    return {name: exits[name].values for name in same} | {"replica_diverged": exits["diverged"].values}


def _rate_of_exits(blocks: Arrays, options: Options) -> Arrays:
    time, diverged = blocks["exit_iteration"], blocks["replica_diverged"]
    data = {"exit_iteration": time, "exited": ~np.isnan(time), "diverged": diverged}
    horizon = {"horizon": ("replica", np.full(len(time), options["max_iterations"]))}
    exits = xarray.Dataset({name: ("replica", values) for name, values in data.items()}, horizon)
    rate = diffusion.escape_rate(exits, **{key: options[key] for key in ("burn_in", "level") if key in options})
    return {name: rate[name].values for name in (*RATE, *EXITS)}


def _rare(problem: Problem, **options: Any) -> Arrays:
    splitting = _call(diffusion.rare_escape_rate, problem, options)
    hidden = np.full(splitting.sizes["repetition"], float(bool(splitting.attrs["hidden"])))
    return {name: splitting[name].values for name in REPETITIONS[:-1]} | {"hidden": hidden}


def _rate_of_repetitions(blocks: Arrays, options: Options) -> Arrays:
    hidden = "hidden" if blocks["hidden"].any() else ""
    rates, bounds, entering, families = (blocks[name] for name in REPETITIONS[:4])
    rate = estimate(rates, bounds, entering, families, options.get("level", 0.95), hidden)
    values = (rate.rate, rate.low, rate.high, float(rate.reliable))  # a number, as NaN stands where it is not measured
    return dict(zip((*RATE, "reliable"), map(np.asarray, values), strict=True))


def _exact(problem: Problem, *, seed: int, boundary: float | str, start: float | None = None) -> Arrays:
    origin = float(problem.landscape.reference[0]) if start is None else start
    place = {"start": origin, "boundary": boundary_of(problem, boundary)}
    checks.finite("measure.boundary of exact_rate", place["boundary"])
    rate, error = exact_rate(problem.dynamics, problem.landscape, problem.noise, **place)
    return dict(zip(RATE, map(np.asarray, (rate, rate - error, rate + error)), strict=True))


_RUN = ("start", "velocity", "substeps", "scheme", "increments", "precision", "reflecting")
MEASUREMENTS = {
    "msd": Measurement(
        _msd,
        _parameters(diffusion.simulate, "iterations", "replicas", "save", *_RUN),
        _msd_of_all,
        "replicas",
        kept={f"block_{name}": ("block", "iteration", "direction") for name in MSD}
        | {"block_diverged": ("block", "iteration")},
        told=dict.fromkeys(MSD, ("iteration", "direction")) | {"diverged": ("iteration",)},
        dtypes={"block_diverged": "int64"},
    ),
    "escape_rate": Measurement(
        _exits,
        _parameters(diffusion.exit_times, "boundary", "max_iterations", "replicas", "crossing", *_RUN),
        _rate_of_exits,
        "replicas",
        kept=dict.fromkeys(("exit_iteration", "exit_coordinate", "exit_side", "replica_diverged"), ("replica",)),
        told=dict.fromkeys((*RATE, *EXITS), ()),
        dtypes={"exit_coordinate": "int32", "exit_side": "int8", "replica_diverged": "bool"},
        more=("burn_in", "level"),
    ),
    "rare_escape_rate": Measurement(
        _rare,
        _parameters(
            diffusion.rare_escape_rate,
            *("boundary", "replicas", "repetitions", "coordinate", "start", "substeps", "scheme", "increments"),
        ),
        _rate_of_repetitions,
        "repetitions",
        kept=dict.fromkeys(REPETITIONS, ("repetition",)),
        told=dict.fromkeys((*RATE, "reliable"), ()),
        more=("level",),
    ),
    "exact_rate": Measurement(_exact, _parameters(_exact, "boundary", "start"), kept=dict.fromkeys(RATE, ())),
}
