"""The registry of result variables: every variable of a Dataset, its dimensions, units and meaning."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from json import dumps, loads
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion import checks

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Variable:
    """One result variable."""

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str


VARIABLES = (
    Variable("iteration", ("iteration",), "1", "iterations completed"),
    Variable("direction", ("direction",), "1", "eigenvector of the Hessian at the reference point"),
    Variable("coordinate", ("coordinate",), "1", "coordinate of theta"),
    Variable("replica", ("replica",), "1", "replica"),
    Variable("eigenvalue", ("direction",), "loss / theta^2", "eigenvalue of the Hessian"),
    Variable("noise_variance", ("direction",), "(loss / theta)^2", "variance of one minibatch gradient"),
    Variable(
        "dynamical_time",
        ("iteration", "direction"),
        "theta^2 / loss",
        "iterations times the direction's learning rate (as shipped: times the nominal lr)",
    ),
    Variable("loss", (), "loss", "mean loss of all samples"),
    Variable("curvature", ("direction",), "loss / theta^2", "Hessian of the mean loss"),
    Variable("gauss_newton", ("direction",), "loss / theta^2", "generalised Gauss-Newton matrix"),
    Variable("sample_variance", ("direction",), "(loss / theta)^2", "variance of the gradient of one sample"),
    Variable("loss_curvature", ("direction",), "loss^2 / theta^2", "loss times the magnitude of the curvature"),
    Variable("squared_curvature", ("direction",), "(loss / theta^2)^2", "mean square of single samples' curvatures"),
    Variable("eigenvector", ("coordinate", "direction"), "1", "eigenvectors as columns"),
    Variable("batch_size", ("batch_size",), "1", "samples in a minibatch, drawn with replacement"),
    Variable("coordinate_variance", ("coordinate",), "(loss / theta)^2", "variance of the gradient of one sample"),
    *(
        Variable(
            f"{of}{name}", ("batch_size", f"{of.strip('_') or 'direction'}"), "1", f"{meaning} of a minibatch gradient"
        )
        for of in ("", "coordinate_")
        for name, meaning in (("skewness", "skewness"), ("kurtosis", "excess kurtosis"))
    ),
    Variable("msd", ("iteration", "direction"), "theta^2", "mean squared displacement from the start"),
    Variable("msd_stderr", ("iteration", "direction"), "theta^2", "standard error of msd"),
    Variable("diverged", ("iteration",), "1", "replicas out of range; msd is NaN where there are any"),
    Variable("position", ("replica", "iteration", "coordinate"), "theta", "position"),
    Variable("exit_iteration", ("replica",), "1", "iterations completed at exit; NaN where there was none"),
    Variable("exited", ("replica",), "1", "whether the replica left the region"),
    Variable("diverged", ("replica",), "1", "whether the replica left floating-point range first"),
    Variable("exit_coordinate", ("replica",), "1", "coordinate that left; -1 where it has no meaning"),
    Variable(
        "exit_side", ("replica",), "1", "end of that coordinate: 1 the upper, -1 the lower; 0 where it has no meaning"
    ),
    Variable("exit_part", ("replica",), "1", "part of the boundary that was left, from 0; -1 where there was no exit"),
    Variable(
        "exit_substep", ("replica",), "1", "substep, from 1, in which the bridge crossed; 0 where there was no exit"
    ),
    Variable("exit_position", ("replica", "coordinate"), "theta", "position at exit; NaN where there was none"),
    Variable("horizon", ("replica",), "1", "iterations after which the replica is censored"),
    Variable("problem", ("replica",), "1", "digest of all parameters but seed, replicas and horizon"),
    Variable("seed", ("replica",), "1", "seed of the run, which with the replica's number makes its random numbers"),
    Variable("events_by_coordinate", ("coordinate",), "1", "exits counted, by the coordinate that left"),
    Variable("rate", (), "1 / iteration", "escape rate: exits over the time at risk"),
    Variable("rate_low", (), "1 / iteration", "lower end of the rate's interval"),
    Variable("rate_high", (), "1 / iteration", "upper end of the rate's interval"),
    Variable("events", (), "1", "exits counted"),
    Variable("censored", (), "1", "runs still inside at the last iteration"),
    Variable("diverged", (), "1", "runs out of floating-point range, left out"),
    Variable("early", (), "1", "exits during burn-in, not counted"),
    Variable("time_at_risk", (), "iteration", "total time that runs were inside, after burn-in"),
    Variable("rate_paper", (), "1 / iteration", "the paper's estimate, (n - 2) over the summed exit times"),
    Variable("rate_paper_low", (), "1 / iteration", "lower end of the paper's interval"),
    Variable("rate_paper_high", (), "1 / iteration", "upper end of the paper's interval"),
    Variable("reliable", (), "1", "whether the rate's interval covers about as often as it says"),
    Variable("repetition", ("repetition",), "1", "independent repetition"),
    Variable("repetition_rate", ("repetition",), "1 / iteration", "escape rate found by a repetition"),
    Variable("entrance_rate", ("repetition",), "1 / iteration", "entrances to the rim of the well"),
    Variable("probability", ("repetition",), "1", "probability to reach the boundary from there before returning"),
    Variable(
        "repetition_bound", ("repetition",), "1 / iteration", "rate of coming as far as there still were 20 families"
    ),
    Variable(
        "paths_by_coordinate", ("repetition", "coordinate"), "1", "paths that left, by the coordinate farthest out"
    ),
    Variable("rounds", ("repetition",), "1", "rounds of replacement"),
    Variable("families", ("repetition",), "1", "entrances with descendants beyond the boundary"),
    Variable("extinct", ("repetition",), "1", "whether no path was left to copy"),
    Variable("gate_low", ("repetition",), "as the reaction coordinate", "a path at or below has returned to the well"),
    Variable("gate_high", ("repetition",), "as the reaction coordinate", "an entrance is the first time above"),
    Variable("level_top", (), "as the reaction coordinate", "where the levels of splitting end"),
    Variable("steps", ("repetition",), "1", "substeps computed"),
    Variable("milestone", ("milestone",), "1", "share of the way from gate_low to level_top"),
    Variable(
        "path",
        ("repetition", "replica", "milestone", "coordinate"),
        "theta",
        "position first at or above the milestone",
    ),
    Variable("crossing", ("repetition", "replica", "coordinate"), "theta", "position beyond the boundary"),
    Variable("exponential_p", (), "1", "p-value of the exponential law, by the cumulative total time on test"),
    Variable(
        "exponential_detectable", (), "1", "departure of a Weibull shape from 1 rejected at 1 % with a power of 90 %"
    ),
    Variable("start", ("start",), "theta", "position at time 0"),
    Variable("time", ("time",), "theta^2 / loss", "dynamical time"),
    Variable("position", ("position",), "theta", "position"),
    Variable("velocity", ("velocity",), "loss / theta", "velocity, displacement per dynamical time"),
    Variable("position_width", ("position",), "theta", "width by which a sum over positions is an integral"),
    Variable("velocity_width", ("velocity",), "loss / theta", "width by which a sum over velocities is an integral"),
    Variable("mfpt", (), "theta^2 / loss", "mean first-passage time"),
    Variable("mfpt_error", (), "theta^2 / loss", "estimate of the absolute error of mfpt"),
    Variable("mfpt", ("start",), "theta^2 / loss", "mean first-passage time"),
    Variable("mfpt_error", ("start",), "theta^2 / loss", "estimate of the absolute error of mfpt"),
    Variable("mfpt_iterations", (), "1", "mean first-passage time in iterations"),
    Variable("mfpt_iterations", ("start",), "1", "mean first-passage time in iterations"),
    Variable("exit_side", ("exit_side",), "1", "end: 1 the upper, -1 the lower"),
    *(
        Variable(f"{name}{error}", dims, units, f"{'estimate of the absolute error of ' if error else ''}{meaning}")
        for name, units, meaning in (
            ("exit_probability", "1", "probability of leaving by this end"),
            ("mfpt_by_side", "theta^2 / loss", "mean first-passage time of those that leave by this end"),
        )
        for dims in (("exit_side",), ("start", "exit_side"))
        for error in ("", "_error")
    ),
    Variable("exit_probability", ("exit_part",), "1", "probability of leaving by this part"),
    Variable("exit_probability_error", ("exit_part",), "1", "estimate of the absolute error of exit_probability"),
    Variable("escape_rate_per_iteration", (), "1 / iteration", "escape_rate in iterations"),
    Variable("escape_rate", (), "loss / theta^2", "smallest eigenvalue: escapes per dynamical time"),
    Variable("escape_rate_error", (), "loss / theta^2", "estimate of the absolute error of escape_rate"),
    Variable("survival", ("time",), "1", "probability of not having left"),
    Variable("undershoot", (), "1", "most negative density over the largest, without its sign"),
    Variable("committor", ("position",), "1", "probability of leaving by the upper end"),
    Variable("committor", ("position", "velocity"), "1", "probability of leaving by the upper end"),
    Variable("density", ("position",), "1 / theta", "probability density"),
    Variable("density", ("time", "position"), "1 / theta", "probability density"),
    Variable("density", ("position", "velocity"), "1 / loss", "probability density"),
    Variable("density", ("time", "position", "velocity"), "1 / loss", "probability density"),
    Variable("first", ("first",), "1", "node along the grid's first axis"),
    Variable("second", ("second",), "1", "node along the grid's second axis"),
    Variable("position", ("first", "second", "coordinate"), "theta", "position"),
    Variable("density", ("first", "second"), "1 / theta^2", "probability density"),
    Variable("committor", ("first", "second"), "1", "probability of coming to the second region before the first"),
    Variable("current", ("first", "second", "coordinate"), "loss / theta^3", "probability current"),
    Variable("cell_area", (), "theta^2", "area by which a sum over nodes is an integral"),
    Variable(
        "transition_rate", (), "loss / theta^2", "transitions from the first region to the second per dynamical time"
    ),
    Variable("exit_part", ("exit_part",), "1", "part of the boundary, from 0"),
    Variable("position_density", ("position",), "1 / theta", "probability density whatever the velocity"),
    Variable("position_density", ("time", "position"), "1 / theta", "probability density whatever the velocity"),
    Variable("point", ("point",), "1", "critical point, minima first, then by index and loss"),
    Variable("position", ("point", "coordinate"), "theta", "position"),
    Variable("eigenvalue", ("point", "direction"), "loss / theta^2", "eigenvalue of the Hessian there, ascending"),
    Variable(
        "index",
        ("point",),
        "1",
        "how many eigenvalues are negative: 0 of a minimum, 1 of a saddle over which one leaves",
    ),
    Variable("loss", ("point",), "loss", "loss"),
    Variable(
        "joins", ("point", "descent"), "1", "minima to which both descents from a saddle of index 1 lead; -1: to none"
    ),
    Variable("hits", ("point",), "1", "starts of Newton's method that ended there"),
    Variable("minimum", ("minimum",), "1", "minimum, by loss"),
    Variable("into", ("into",), "1", "minimum that is entered"),
    Variable("position", ("minimum", "coordinate"), "theta", "position"),
    Variable("loss", ("minimum",), "loss", "loss"),
    Variable("radius", ("minimum",), "theta", "radius of the ball that is entered"),
    Variable("escape_rate_per_iteration", ("minimum",), "1 / iteration", "exits into any other over the time at risk"),
    Variable("exponential_p", ("minimum",), "1", "p-value of the exponential law of exits"),
    Variable("transitions", ("minimum", "into"), "1", "direct transitions that were seen"),
    *(
        Variable(f"{name}{end}", dims, units, f"{ends}{meaning}")
        for name, dims, units, meaning in (
            ("rate", ("minimum", "into"), "1 / iteration", "rate of direct transitions"),
            ("fraction", ("minimum", "into"), "1", "share of all direct transitions from there"),
            ("occupation", ("minimum",), "1", "share of time in the long run"),
            ("mean_time", ("minimum", "into"), "iteration", "mean time until the other is first entered"),
        )
        for end, ends in (
            ("", ""),
            ("_low", "lower end of the interval of the "),
            ("_high", "upper end of the interval of the "),
        )
    ),
)
_KNOWN = {(variable.name, variable.dims): variable for variable in VARIABLES}


def describe(dataset: "xarray.Dataset", parameters: dict[str, Any]) -> "xarray.Dataset":
    """Label every variable from the registry and record where the result comes from.

    Raises
    ------
    ValueError
        If a variable with its dimensions is not in the registry.
    """
    for name, variable in dataset.variables.items():
        known = _KNOWN.get((str(name), tuple(map(str, variable.dims))))
        if known is None:
            raise ValueError(f"variable {name!r} with dimensions {variable.dims} is not in the registry")
        variable.attrs.update(units=known.units, long_name=known.long_name)
    dataset.attrs.update(
        parameters=dumps(parameters, default=written),
        versions=dumps({name: _version(name) for name in ("diffusion-lab", "numpy", "scipy", "numba")}),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if "seed" in parameters:  # of what is random; as text: netCDF has no 64-bit attribute everywhere
        dataset.attrs["seed"] = str(parameters["seed"])
    return dataset


def single(dataset: "xarray.Dataset") -> bool:
    """Whether a dataset has the form of one result or of a part: attributes of joined ones are the first's alone."""
    allowed: dict[str, set[str]] = {}
    for name, dims in _KNOWN:
        allowed.setdefault(name, set()).update(dims)
    return all(name in allowed and set(one.dims) <= allowed[str(name)] for name, one in dataset.variables.items())


def recorded(dataset: "xarray.Dataset") -> dict[str, Any]:
    """The parameters that a result's attributes tell; none where they are gone or are not ours."""
    try:
        found = loads(dataset.attrs.get("parameters", "{}"))
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def written(value: Any) -> Any:
    """What JSON does not know: NumPy's numbers as numbers, anything else as text."""
    return checks.plain(value) if isinstance(value, np.generic | np.ndarray) else str(value)


@lru_cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # used from a checkout that is not installed
        return "unknown"
