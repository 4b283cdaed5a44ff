"""The registry of result variables: every variable of a Dataset, its dimensions, units and meaning."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from json import dumps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Variable:
    """One result variable."""

    dims: tuple[str, ...]
    units: str
    long_name: str


VARIABLES = {
    "iteration": Variable(("iteration",), "1", "iterations completed"),
    "direction": Variable(("direction",), "1", "eigenvector of the Hessian, in the order given"),
    "coordinate": Variable(("coordinate",), "1", "coordinate of theta"),
    "replica": Variable(("replica",), "1", "replica"),
    "eigenvalue": Variable(("direction",), "loss / theta^2", "eigenvalue of the Hessian"),
    "noise_variance": Variable(("direction",), "(loss / theta)^2", "variance of one minibatch gradient"),
    "dynamical_time": Variable(
        ("iteration", "direction"),
        "theta^2 / loss",
        "iterations times the direction's learning rate (as shipped: times the nominal lr)",
    ),
    "msd": Variable(("iteration", "direction"), "theta^2", "mean squared displacement from the start"),
    "msd_stderr": Variable(("iteration", "direction"), "theta^2", "standard error of msd"),
    "diverged": Variable(("iteration",), "1", "replicas out of range; msd is NaN where there are any"),
    "position": Variable(("replica", "iteration", "coordinate"), "theta", "position"),
}


def describe(dataset: "xarray.Dataset", parameters: dict[str, Any]) -> "xarray.Dataset":
    """Label every variable from the registry and record where the result comes from.

    Raises
    ------
    ValueError
        If a variable is not in the registry or its dimensions differ from it.
    """
    for name, variable in dataset.variables.items():
        known = VARIABLES.get(str(name))
        if known is None or known.dims != variable.dims:
            raise ValueError(f"variable {name!r} with dimensions {variable.dims} does not match the registry: {known}")
        variable.attrs.update(units=known.units, long_name=known.long_name)
    dataset.attrs.update(
        parameters=dumps(parameters, default=str),
        seed=str(parameters["seed"]),  # as text: netCDF has no 64-bit attribute everywhere
        versions=dumps({name: _version(name) for name in ("diffusion-lab", "numpy", "numba")}),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return dataset


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # used from a checkout that is not installed
        return "unknown"
