"""Exits as analyses see them: how long each replica was watched and whether it left, whatever became of the Dataset.

A Dataset of exits may have been joined with others, sliced, reordered, written and read, or stripped of its attributes.
What an analysis needs is therefore on `replica`; what the attributes say counts only as far as those variables bear it
out.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffusion.variables import recorded, written

if TYPE_CHECKING:
    import xarray

OF_ONE_RUN = ("seed", "replicas", "max_iterations")  # in the record, and no part of the problem
MOST_TOLD = 20  # different horizons that the record lists

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Observations:
    """What is known of each replica; arrays have shape (replicas,).

    Attributes
    ----------
    time
        Iterations until it left, or until its horizon; meaningless where it diverged.
    exited, diverged
        What became of it; neither: it was still inside at its horizon.
    horizon
        Iterations after which it would have been censored.
    coordinate
        By which it left, -1 where that is not known.
    repeated
        How many replicas are there again: of the same number in a run of the same seed, as far as these are known.
    record
        What is true of all replicas together, of the parameters that they were run with.
    """

    time: Array
    exited: NDArray[np.bool_]
    diverged: NDArray[np.bool_]
    horizon: Array
    coordinate: NDArray[np.int64]
    repeated: int
    record: dict[str, Any]


def problem_digest(parameters: dict[str, Any]) -> int:
    """A number that tells problems apart, made of all parameters but seed, replicas and horizon; exact as a float."""
    problem = {key: value for key, value in parameters.items() if key not in OF_ONE_RUN}
    text = json.dumps(problem, sort_keys=True, default=written)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def observed(exits: "xarray.Dataset") -> Observations:
    """Read and check a Dataset of exits.

    Raises
    ------
    ValueError
        If it is something else, has more than one dimension or no replicas, lacks a horizon or other values,
        contradicts itself, or joins exits of different problems; the message names the variable and the remedy.
    """
    missing = {"exit_iteration", "exited", "diverged"} - set(getattr(exits, "variables", ()))
    if missing:
        raise ValueError(f"exit_times has no {', '.join(sorted(missing))}; give the result of diffusion.exit_times")
    dims = exits["exit_iteration"].dims
    if len(dims) != 1:
        raise ValueError(
            f"exit_iteration has dimensions {dims}, and must have one, replica; select one case, or keep a single "
            "replica by isel(replica=[0])"
        )
    if exits.sizes[dims[0]] == 0:
        raise ValueError("exit_times has no replicas; widen the selection")
    exited, diverged = (_flags(exits, name) for name in ("exited", "diverged"))
    parameters = recorded(exits)
    horizon = _horizon(exits, parameters)
    time = _numbers(exits, "exit_iteration")
    left = ~np.isnan(time)
    time = np.where(left, time, horizon)
    for wrong, what in (
        (exited & diverged, "both exited and diverged"),
        (exited & ~left, "exited, and have no exit_iteration"),
        (left & ~exited, "have an exit_iteration, and did not exit"),
        (time < 0, "left before iteration 0"),
        (time > horizon, "left after their horizon"),
    ):
        if wrong.any():
            raise ValueError(
                f"{int(wrong.sum())} of {len(wrong)} replicas {what}, as replica {int(np.argmax(wrong))} by position; "
                "exited, diverged, exit_iteration and horizon must belong together, as diffusion.exit_times gives them"
            )
    coordinate = _numbers(exits, "exit_coordinate") if "exit_coordinate" in exits.variables else np.full(len(time), -1)
    coordinate = np.where(exited & (coordinate >= 0), coordinate, -1).astype(np.int64)
    record = _record(exits, horizon, parameters)
    return Observations(time, exited, diverged, horizon, coordinate, _repeated(exits), record)


def _repeated(exits: "xarray.Dataset") -> int:
    """How many replicas of one problem have the seed and the number of one before them."""
    (dim,) = exits["exit_iteration"].dims
    if not {"problem", "seed", dim} <= set(exits.coords) or exits["seed"].dims != (dim,):
        return 0
    known = exits["seed"].notnull().values
    pairs = set(zip(exits["seed"].values[known].tolist(), exits[dim].values[known].tolist(), strict=True))
    return int(known.sum()) - len(pairs)


def _numbers(exits: "xarray.Dataset", name: str) -> Array:
    """A variable as float64, NaN where it has no value."""
    dims = exits["exit_iteration"].dims
    if exits[name].dims != dims:
        raise ValueError(f"{name} has dimensions {exits[name].dims}, exit_iteration {dims}; they must be the same")
    try:
        return np.asarray(exits[name].values).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not a number for every replica: {error}") from error


def _complete(exits: "xarray.Dataset", name: str) -> Array:
    values = _numbers(exits, name)
    absent = np.isnan(values)
    if absent.any():
        raise ValueError(
            f"{name} is missing for {int(absent.sum())} of {len(absent)} replicas; drop them by dropna, and join only "
            "results that have it"
        )
    return values


def _flags(exits: "xarray.Dataset", name: str) -> NDArray[np.bool_]:
    """A yes or no, which joining and files may have turned into numbers."""
    values = _complete(exits, name)
    if not np.all((values == 0) | (values == 1)):
        raise ValueError(f"{name} is {values[(values != 0) & (values != 1)][0]:g} somewhere, and must be 0 or 1")
    return np.asarray(values == 1)


def _horizon(exits: "xarray.Dataset", parameters: dict[str, Any]) -> Array:
    """Of each replica; of results of versions that did not keep it, the record's, if nothing speaks against it."""
    if "horizon" in exits.variables:
        horizon = _complete(exits, "horizon")
        if not np.all((horizon > 0) & np.isfinite(horizon)):
            raise ValueError("horizon must be a finite number above 0 for every replica")
        return horizon
    count = len(exits["exit_iteration"])
    most = parameters.get("max_iterations")
    if not isinstance(most, int) or parameters.get("replicas", count) != count or not _apart(exits):
        raise ValueError(
            "exit_times has no horizon, and its attributes do not tell that of every replica; give each the "
            'max_iterations that it was run with: exits.assign_coords(horizon=("replica", [...]))'
        )
    return np.full(count, float(most))


def _apart(exits: "xarray.Dataset") -> bool:
    """Whether no two replicas have the same number, as after joining."""
    return "replica" not in exits.variables or len(np.unique(exits["replica"].values)) == exits["replica"].size


def _record(exits: "xarray.Dataset", horizon: Array, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters of one whole run; of parts and joins those that all share, with their number and horizons."""
    horizons = np.unique(horizon)
    problems = np.unique(_complete(exits, "problem")) if "problem" in exits.variables else np.empty(0)
    if len(problems) > 1:
        raise ValueError(
            f"exit_times joins exits of {len(problems)} problems, which differ in more than seed, replicas and "
            'horizon; analyse each alone, or drop_vars("problem") if you mean their mixture'
        )
    known = len(problems) == 1 and problem_digest(parameters) == problems[0]
    asked = parameters.get("replicas"), parameters.get("max_iterations")
    if asked == (len(horizon), horizons[0]) and len(horizons) == 1 and _apart(exits) and (known or not len(problems)):
        return parameters
    shared = {key: value for key, value in parameters.items() if key not in OF_ONE_RUN} if known else {}
    told: Any = [int(end) if end.is_integer() else end for end in horizons.tolist()]
    if len(told) > MOST_TOLD:
        told = f"{len(told)} numbers from {told[0]:.6g} to {told[-1]:.6g}"
    return shared | {"replicas": len(horizon), "max_iterations": told[0] if len(told) == 1 else told}
