"""What a sweep can measure at a point: how a block of it is run, what a block gives, and what all blocks together say."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

import diffusion
from diffusion import checks
from diffusion.dynamics import Dynamics
from diffusion.landscapes import Landscape
from diffusion.noise import Noise
from diffusion.splitting.interval import estimate
from experiments.sweep import naming

Arrays = dict[str, NDArray[Any]]
RATE = ("rate", "rate_low", "rate_high")
REPETITIONS = ("repetition_rate", "repetition_bound", "entrance_rate", "families", "probability", "hidden")
OBJECTS = ("dynamics", "landscape", "noise")  # sections that a measurement may ask for
EXITS = ("events", "censored", "diverged", "early", "time_at_risk", "exponential_p")


@dataclass(frozen=True)
class Problem:
    """One point's dynamics, landscape and noise, and the threads that its measurement may use (None: all cores)."""

    dynamics: Dynamics
    landscape: Landscape
    noise: Noise
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
        Runs a block of a point: a function of the problem and, by name, a seed and the options.
    summary
        From a point's blocks, one after another, and the options: what they say together.
    unit
        What a block has a share of: "replicas", "repetitions", or "" if a point is one task.
    kept, told
        Dimensions of what a block and a summary give, by name; "replica", "repetition" and "block" run over all blocks.
    dtypes
        Of what is not float64.
    more
        Options of the summary.
    sections
        Those whose objects it asks for; the others may be left out of a sweep.
    """

    block: Callable[..., Arrays]
    summary: Callable[[Arrays, dict[str, Any]], Arrays] | None = None
    unit: str = ""
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()
    sections: tuple[str, ...] = OBJECTS

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options, of [measure] in TOML."""
        own = [name for name in inspect.signature(self.block).parameters if name not in ("problem", "seed")]
        return (*own, *self.more, "seed", *(("block",) if self.unit else ()))

    def check(self, options: dict[str, Any]) -> None:
        """Refuse options that no point can be measured with."""
        given = {"problem", "seed", *options}
        parameters = inspect.signature(self.block).parameters.items()
        missing = [name for name, one in parameters if one.default is one.empty and name not in given]
        if missing:
            raise ValueError(f"[measure] has no {missing[0]}, which {options['name']} needs")
        checks.whole("measure.seed", options.get("seed", 0), least=0)
        level = options.get("level", 0.95)
        if "level" in self.more and (isinstance(level, str) or not 0 < level < 1):
            raise ValueError(f"measure.level = {level!r} must lie between 0 and 1; 0.95 is usual")

    def total(self, options: dict[str, Any]) -> int:
        """Replicas, or repetitions, of a point."""
        default = inspect.signature(self.block).parameters[self.unit].default
        return checks.whole(f"measure.{self.unit}", options.get(self.unit, default))

    def share(self, options: dict[str, Any]) -> int:
        """Those of one block."""
        return checks.whole("measure.block", options.get("block", self.total(options)))

    def blocks(self, options: dict[str, Any]) -> int:
        """Tasks of a point."""
        if not self.unit:
            return 1
        total, share = self.total(options), self.share(options)
        if total % share:
            raise ValueError(
                f"measure.block = {share} does not divide measure.{self.unit} = {total}; choose one that does"
            )
        return total // share

    def run(self, problem: Problem, options: dict[str, Any], seed: int) -> Arrays:
        """Run one block."""
        accepted = inspect.signature(self.block).parameters
        given = {key: value for key, value in options.items() if key in accepted and key != "seed"}
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

    Of dynamics, landscape, noise, seed and threads it is given what it has parameters for; its other parameters are options. Its attribute
    `variables` names the numbers, and `optional`, if it has one, those among them that may be NaN.
    """
    function = naming.imported("measure.name", name)
    variables = getattr(function, "variables", None)
    if not callable(function) or not variables or isinstance(variables, str):
        raise ValueError(
            f"measure.name = {name!r} must be a function with an attribute `variables`, the names of the numbers that it returns"
        )
    signature = inspect.signature(function).parameters
    known = (*OBJECTS, "threads", "seed")
    optional = getattr(function, "optional", ())

    def block(problem: Problem, seed: int, **options: Any) -> Arrays:
        everything = {**vars(problem), "seed": seed}
        found = function(**{key: value for key, value in everything.items() if key in signature}, **options)
        return {one: np.asarray(_number(name, one, found, one in optional), np.float64) for one in variables}

    if any(one.kind is one.VAR_KEYWORD for one in signature.values()):
        raise ValueError(f"measure.name = {name!r} takes any option (**); name those that it takes")
    own = [one for one in signature.values() if one.name not in known]
    block.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(one, inspect.Parameter.POSITIONAL_OR_KEYWORD) for one in ("problem", "seed")]
        + [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    )
    asked = tuple(section for section in OBJECTS if section in signature)
    return Measurement(block, kept=dict.fromkeys(variables, ()), sections=asked)


def _number(name: str, variable: str, found: Any, optional: bool) -> float:
    """One number of those that a user's measurement returned."""
    if not isinstance(found, Mapping) or variable not in found:
        raise ValueError(f"{name} returned no {variable!r}")
    value = found[variable]
    if np.shape(value) != () or not (np.isfinite(value) or (optional and np.isnan(value))):
        raise ValueError(f"{name} returned {variable} = {value!r}, which is no finite number")
    return float(value)


def boundary_of(problem: Problem, boundary: float | str) -> float:
    """A number, or "saddle": the landscape's saddle next to its reference point, in theta units."""
    if not isinstance(boundary, str):
        return boundary
    checks.choice("measure.boundary", boundary, ("saddle",))
    landscape = problem.landscape
    if isinstance(landscape, diffusion.StyblinskiTang):
        points = landscape.critical_points()
        if len(points) == 3:
            return float(points[1])
    saddle = getattr(landscape, "saddle", None)
    if saddle is None:
        raise ValueError(f"measure.boundary = 'saddle': {landscape!r} has none; give a number")
    return (
        float(saddle / np.sqrt(landscape.sharpness))
        if isinstance(landscape, diffusion.SeparableLandscape)
        else float(saddle)
    )


def _msd(
    problem: Problem, seed: int, *, iterations: int, replicas: int, start: Any = None, velocity: str = "rest", save: Any = None,
    substeps: int = 1, precision: str = "float64",
) -> Arrays:  # fmt: skip
    found = diffusion.simulate(
        problem.dynamics, problem.landscape, noise=problem.noise, iterations=iterations, replicas=replicas, start=start, velocity=velocity,
        save=save, substeps=substeps, precision=precision, seed=seed, threads=problem.threads,
    )  # fmt: skip
    return {f"block_{name}": found[name].values for name in ("msd", "msd_stderr", "diverged")}


def _msd_of_all(blocks: Arrays, options: dict[str, Any]) -> Arrays:
    msd, stderr, diverged = (blocks[f"block_{name}"] for name in ("msd", "msd_stderr", "diverged"))
    total = options["replicas"]
    size = options.get("block", total)
    mean = msd.mean(axis=0)
    spread = stderr**2 * (size - 1) if size > 1 else 0.0  # a block of one replica has no error of its own
    squares = (spread + msd**2).mean(axis=0)  # mean fourth power of the displacement
    return {
        "msd": mean,
        "msd_stderr": np.sqrt(np.maximum(squares - mean**2, 0) / (total - 1)),
        "diverged": diverged.sum(axis=0),
    }


def _exits(
    problem: Problem, seed: int, *, boundary: float | str, max_iterations: int, replicas: int, start: Any = None, velocity: str = "rest",
    substeps: int = 1, crossing: str = "step", precision: str = "float64",
) -> Arrays:  # fmt: skip
    found = diffusion.exit_times(
        problem.dynamics, problem.landscape, noise=problem.noise, boundary=boundary_of(problem, boundary), max_iterations=max_iterations,
        replicas=replicas, start=start, velocity=velocity, substeps=substeps, crossing=crossing, precision=precision, seed=seed, threads=problem.threads,
    )  # fmt: skip
    return {name: found[name].values for name in ("exit_iteration", "exit_coordinate")} | {
        "replica_diverged": found["diverged"].values
    }


def _rate_of_exits(blocks: Arrays, options: dict[str, Any]) -> Arrays:
    time, diverged = blocks["exit_iteration"], blocks["replica_diverged"]
    exits = xarray.Dataset(
        {
            "exit_iteration": ("replica", time),
            "exited": ("replica", ~np.isnan(time)),
            "diverged": ("replica", diverged),
        },
        {"horizon": ("replica", np.full(len(time), options["max_iterations"]))},
    )
    found = diffusion.escape_rate(exits, **{key: options[key] for key in ("burn_in", "level") if key in options})
    return {name: found[name].values for name in (*RATE, *EXITS)}


def _rare(
    problem: Problem,
    seed: int,
    *,
    boundary: float | str,
    replicas: int = 1000,
    repetitions: int = 8,
    coordinate: str = "exit",
    start: Any = None,
    substeps: int = 1,
) -> Arrays:
    found = diffusion.rare_escape_rate(
        problem.dynamics, problem.landscape, noise=problem.noise, boundary=boundary_of(problem, boundary), replicas=replicas,
        repetitions=repetitions, coordinate=coordinate, start=start, substeps=substeps, seed=seed, threads=problem.threads,
    )  # fmt: skip
    hidden = np.full(repetitions, float(bool(found.attrs["hidden"])))
    return {name: found[name].values for name in REPETITIONS[:-1]} | {"hidden": hidden}


def _rate_of_repetitions(blocks: Arrays, options: dict[str, Any]) -> Arrays:
    hidden = "hidden" if blocks["hidden"].any() else ""
    rates, bounds, entering, families = (blocks[name] for name in REPETITIONS[:4])
    found = estimate(rates, bounds, entering, families, options.get("level", 0.95), hidden)
    values = (found.rate, found.low, found.high, float(found.reliable))  # NaN where another measurement is made
    return dict(zip((*RATE, "reliable"), map(np.asarray, values), strict=True))


def _exact(problem: Problem, seed: int, *, boundary: float | str, start: float | None = None) -> Arrays:
    from experiments.problems.exact import exact_rate

    origin = float(problem.landscape.reference[0]) if start is None else start
    rate, error = exact_rate(
        problem.dynamics, problem.landscape, problem.noise, start=origin, boundary=boundary_of(problem, boundary)
    )
    return dict(zip(RATE, map(np.asarray, (rate, rate - error, rate + error)), strict=True))


MEASUREMENTS = {
    "msd": Measurement(
        _msd, _msd_of_all, "replicas",
        kept={f"block_{name}": ("block", "iteration", "direction") for name in ("msd", "msd_stderr")} | {"block_diverged": ("block", "iteration")},
        told=dict.fromkeys(("msd", "msd_stderr"), ("iteration", "direction")) | {"diverged": ("iteration",)},
        dtypes={"block_diverged": "int64"},
    ),
    "escape_rate": Measurement(
        _exits, _rate_of_exits, "replicas",
        kept=dict.fromkeys(("exit_iteration", "exit_coordinate", "replica_diverged"), ("replica",)),
        told=dict.fromkeys((*RATE, *EXITS), ()),
        dtypes={"exit_coordinate": "int32", "replica_diverged": "bool"}, more=("burn_in", "level"),
    ),
    "rare_escape_rate": Measurement(
        _rare, _rate_of_repetitions, "repetitions",
        kept=dict.fromkeys(REPETITIONS, ("repetition",)),
        told=dict.fromkeys((*RATE, "reliable"), ()), more=("level",),
    ),
    "exact_rate": Measurement(_exact, kept=dict.fromkeys(RATE, ())),
}  # fmt: skip
