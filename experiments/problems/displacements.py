"""Displacements by every route: exact moments, SDE and discrete ensembles, the optimizer as shipped, and torch's.

An ensemble runs once for all directions, and once for all claims that need it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

from diffusion import QuadraticSaddle, simulate
from diffusion.dynamics import Dynamics
from diffusion.noise import NoiseModel
from experiments import referee
from experiments.problems import optimizers, saddles
from experiments.problems.saddles import Departure, Saddle
from experiments.referee import Evidence, Measured, Routes, told
from experiments.referee.faults import NOT_HAD, Fault, quietly, refused
from experiments.referee.laws import LogNormal, MeanSquare
from experiments.referee.routes import TORCH_MISSING

Array = NDArray[np.float64]
Paper = Callable[[Departure, NDArray[Any]], Array]  # the formula: (iterations, directions), NaN where it is not stated

FACTORS = (128, 256)  # times the substeps of the SDE ensemble: two recursions that tell the scheme's order
LEAST_ORDER = 0.8  # of the recursion's distance to the SDE in 1/substeps: 1, or more where the leading term vanishes
# A mean square this much smaller than the MSD is the rounding of the displacements that it is a difference of.
HIDDEN = 1e-20
REFUSED = "refused"  # attribute of an ensemble that could not be run: why
DIVERGED = "replicas left floating-point range"
NOT_SIMULATED = "beyond the simulated part of the grid; exact routes only"
OUT_OF_RANGE = "beyond the range of float64"
HIDDEN_BY_ROUNDING = "smaller than the rounding of the displacements it is the difference of"
NO_TORCH_START = "torch optimizers start with an empty momentum buffer, that is at rest"
NOTHING_RUNNING = "this optimizer has no second moment: as shipped it is the discrete ensemble"
SHIPPED_AT_REST = "the optimizer as shipped starts at rest"
CLOSED_FORM = "the exact moments are closed forms; no grid is needed"


def unsampled(why: str) -> dict[str, str]:
    """Reasons of numbers about displacements that have no ensembles: they have closed forms, and nothing is shipped."""
    return referee.unsampled(why, fokker_planck=CLOSED_FORM, shipped=NOTHING_RUNNING)


def evidence(routes: Routes, departure: Departure, paper: Paper, unstated: str = "not stated") -> Evidence:
    """A departure by every route, on (iterations, eigenvalue); without exact values no ensemble is run.

    Parameters
    ----------
    routes
        The resources.
    departure
        The optimizer and its start.
    paper
        The paper's formula.
    unstated
        Why the paper's formula has no value where it is NaN.
    """
    quantity = f"{'MSD added by a thermal start' if departure.added else 'mean squared displacement'} (theta^2)"
    subject = f"{optimizers.variant(departure.dynamics)}, {departure.started}"
    label = f"{optimizers.describe(departure.dynamics)}, {departure.started}"
    dims = ("iterations", "eigenvalue")
    shape = (len(departure.iterations), len(departure.saddle.eigenvalues))
    try:
        exact = {
            "paper": paper(departure, departure.iterations),
            "exact": departure.exact(departure.iterations),
            "exact_simulated": departure.exact_recursion(1),
            "exact_discrete": departure.exact_recursion(None),
        }
        finer, finest = (departure.exact_recursion(factor) for factor in FACTORS)
    except NOT_HAD as error:
        nothing = {name: (dims, np.full(shape, np.nan)) for name in ("paper", "exact")}
        data = xarray.Dataset(nothing, departure.coordinates())
        return Evidence(subject, quantity, data, missing=refused(error).reason, label=label, case=departure)
    with np.errstate(all="ignore"):
        exact["substeps_deviation"] = exact["exact_simulated"] / exact["exact"] - 1
    exact["substeps_order"] = order(exact["exact"], finer, finest)
    measured = _measured(routes, departure, exact)
    data = xarray.Dataset({name: (dims, values) for name, values in exact.items()}, departure.coordinates())
    reasons = _reasons(departure, measured, routes.torch)
    reasons["paper"] = np.where(np.isinf(exact["paper"]), OUT_OF_RANGE, unstated)
    checks = order_check(exact["substeps_order"])
    return Evidence(subject, quantity, data, measured, checks, reasons, label=label, case=departure)


def order(exact: Array, finer: Array, finest: Array) -> Array:
    """Order in 1/substeps at which the recursion approaches the SDE; NaN where the distance is rounding."""
    with np.errstate(all="ignore"):
        before, after = (np.abs(np.log(recursion / exact)) for recursion in (finer, finest))
        return np.where(after > 1e-7, np.log2(before / np.where(after > 0, after, 1)), np.nan)


def order_check(orders: Array) -> dict[str, tuple[Array, float]]:
    """How far the order is below 1, where it is known."""
    return {"order of the scheme": (1 - np.where(np.isnan(orders), 1.0, orders), 1 - LEAST_ORDER)}


def shipped(routes: Routes, departure: Departure, optimizer: Dynamics) -> Measured:
    """An optimizer as shipped that leaves where this departure does, from rest."""
    return _two_sample(
        departure, _ensemble(routes, "shipped", simulate, optimizer, departure.saddle, departure.simulated)
    )[0]


def _measured(routes: Routes, departure: Departure, exact: dict[str, Array]) -> dict[str, Measured]:
    measured: dict[str, Measured] = {}
    dynamics, saddle, save = departure.dynamics, departure.saddle, departure.simulated
    if not len(save):
        return measured
    # what a thermal start adds needs pairs of runs that differ in their start alone
    paired = saddle is saddles.PAPERS and "style" in optimizers.parameters(dynamics)
    keep = "states" if paired else "moments"
    starts = (departure.start, "rest") if departure.added else (departure.start,)
    for name, route, substeps in (("simulated", "SDE", saddles.substeps(int(save[-1]))), ("discrete", "discrete", 1)):
        more: dict[str, Any] = {"substeps": substeps, "keep": keep}
        runs = [_ensemble(routes, route, simulate, dynamics, saddle, save, velocity=start, **more) for start in starts]
        expected = exact[f"exact_{name}"]
        mean_squares = _added(runs[0], runs[1], expected) if departure.added else runs[0]["msd"].values
        measured[name] = _gaussian(departure, mean_squares, expected, routes.replicas, *runs)
    if departure.start == "thermal":
        return measured
    torch = _torch(routes, dynamics, saddle, save)
    if not optimizers.has_second_moment(dynamics):
        if torch is not None:
            mean_squares, expected = torch["msd"].values, exact["exact_discrete"]
            measured["torch"] = _gaussian(departure, mean_squares, expected, routes.torch_replicas, torch)
        return measured
    shipped, law = _two_sample(departure, _shipped(routes, dynamics, saddle, save))
    measured["shipped"] = shipped
    if torch is not None:
        real, own = _two_sample(departure, torch)
        measured["torch"] = Measured(real.value, own.against(law), shipped.value, faults=real.faults)
    return measured


def _reasons(departure: Departure, measured: dict[str, Measured], torch: bool) -> dict[str, Any]:
    """Why each route has no value where it has none."""
    late = np.arange(len(departure.iterations))[:, None] >= len(departure.simulated)
    why = np.where(late, NOT_SIMULATED, HIDDEN_BY_ROUNDING if departure.added else OUT_OF_RANGE)
    sampled = np.broadcast_to(why, (len(late), len(departure.saddle.eigenvalues)))
    reasons: dict[str, Any] = dict.fromkeys(("exact", "exact_simulated", "exact_discrete"), OUT_OF_RANGE)
    reasons |= {"fokker_planck": CLOSED_FORM, **dict.fromkeys(("simulated", "discrete", "torch"), sampled)}
    if departure.start == "thermal":
        reasons["torch"] = NO_TORCH_START
    elif not torch:
        reasons["torch"] = TORCH_MISSING
    at_rest = NOT_SIMULATED if "shipped" in measured else NOTHING_RUNNING
    reasons["shipped"] = at_rest if departure.start == "rest" else SHIPPED_AT_REST
    return reasons


def _added(warm: xarray.Dataset, cold: xarray.Dataset, expected: Array) -> Array:
    """Mean square of what a thermal start adds to the same run from rest; NaN where rounding hides it."""
    added = np.mean((warm["displacement"].values - cold["displacement"].values) ** 2, axis=0)
    return np.where(expected[: len(added)] > HIDDEN * warm["msd"].values, added, np.nan)


def _gaussian(departure: Departure, values: Array, expected: Array, replicas: int, *runs: xarray.Dataset) -> Measured:
    return Measured(_padded(departure, values), MeanSquare(replicas), expected, faults=_faults(departure, *runs))


def _two_sample(departure: Departure, run: xarray.Dataset) -> tuple[Measured, LogNormal]:
    error = _padded(departure, run["msd_stderr"].values / run["msd"].values)
    value, law = _padded(departure, run["msd"].values), LogNormal(error, error)
    return Measured(value, law, np.full(value.shape, np.nan), faults=_faults(departure, run)), law


def _faults(departure: Departure, *runs: xarray.Dataset) -> NDArray[np.object_]:
    """Where replicas of these runs diverged, or everywhere if one was refused, and why."""
    faults = np.full((len(departure.iterations), len(departure.saddle.eigenvalues)), None, object)
    reason = next((str(run.attrs[REFUSED]) for run in runs if REFUSED in run.attrs), DIVERGED)
    for run in runs:
        faults[: run.sizes["iteration"]][np.isnan(run["msd"].values)] = Fault(reason)
    return faults


def _padded(departure: Departure, values: Array) -> Array:
    """Simulated values on the whole grid of iterations."""
    padded = np.full((len(departure.iterations), values.shape[1]), np.nan)
    padded[: len(values)] = values
    return padded


def _shipped(routes: Routes, dynamics: Dynamics, saddle: Saddle, save: NDArray[np.int64]) -> xarray.Dataset:
    """The optimizer as shipped (running second moment), in an ensemble twice as large: torch is tested against it."""
    running = optimizers.as_shipped(dynamics)
    replicas = 2 * routes.replicas * optimizers.more_replicas(running, "shipped")
    return _ensemble(routes, "shipped", simulate, running, saddle, save, replicas)


def _torch(routes: Routes, dynamics: Dynamics, saddle: Saddle, save: NDArray[np.int64]) -> xarray.Dataset | None:
    """The torch optimizer, or None without torch."""
    if not routes.torch:
        return None
    from diffusion import simulate_torch

    running = optimizers.as_shipped(dynamics)
    replicas = routes.torch_replicas * optimizers.more_replicas(running, "torch")
    return _ensemble(routes, "torch", simulate_torch, running, saddle, save, replicas)


def _ensemble(
    routes: Routes,
    route: str,
    simulator: Callable[..., xarray.Dataset],
    dynamics: Dynamics,
    saddle: Saddle,
    save: NDArray[np.int64],
    replicas: int | None = None,
    **more: Any,
) -> xarray.Dataset:
    """An ensemble in all directions, run once; if it is refused NaN for everything, as if it had diverged at once."""

    def run(landscape: QuadraticSaddle, noise: NoiseModel) -> xarray.Dataset:
        options = routes.options(f"{route} {told(dynamics)} {told(noise)}", replicas) | more
        return simulator(dynamics, landscape, noise=noise, iterations=int(save[-1]), save=save, **options)

    def compute() -> xarray.Dataset:
        try:
            with quietly():
                return _joined(saddle, run)
        except NOT_HAD as error:
            nothing = xarray.DataArray(
                np.full((len(save), len(saddle.eigenvalues)), np.nan), dims=("iteration", "direction")
            )
            data = {"msd": nothing, "msd_stderr": nothing, "displacement": nothing.expand_dims("replica")}
            return xarray.Dataset(data, attrs={REFUSED: refused(error).reason})

    start = more.get("velocity", "rest")
    ensemble: xarray.Dataset = routes.once(
        (route, dynamics, saddle, start, tuple(save)), compute, f"{route}, from {start}: {dynamics}"
    )
    return ensemble


def _joined(saddle: Saddle, run: Callable[[QuadraticSaddle, NoiseModel], xarray.Dataset]) -> xarray.Dataset:
    """Run all problems and put their directions in order."""
    parts = []
    for landscape, noise in saddle.problems:
        part = run(landscape, noise).drop_vars("diverged")
        if "position" in part:  # coordinates are the eigenvectors here
            displacement = (("replica", "iteration", "direction"), part["position"].values)
            part = part.assign(displacement=displacement).drop_vars(["position", "coordinate"])
        parts.append(part)
    joined = xarray.concat(parts, dim="direction", combine_attrs="drop", coords="minimal", compat="override")
    return joined.isel(direction=saddle.order).assign_coords(direction=np.arange(len(saddle.order)))
