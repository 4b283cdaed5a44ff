"""A validated run: what `simulate` and `simulate_torch` were asked for, and the labels of what they return."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics import Adai, Dynamics
from diffusion.landscapes import QuadraticSaddle
from diffusion.noise import Noise
from diffusion.variables import describe

if TYPE_CHECKING:
    import xarray

MAX_STATE_BYTES = 2 * 2**30
DIVERGED = 1e75  # displacements beyond this count as diverged: their fourth power would overflow

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """A validated run; arrays have shape (d,), along the eigenvectors, but origin and basis, which are in coordinates."""

    basis: Array
    hessian: Array
    variance: Array
    origin: Array
    thermal: bool
    save: NDArray[np.int64]
    substeps: NDArray[np.int64]
    running: bool
    keep_states: bool
    seed: np.uint64
    parameters: dict[str, Any]
    learning_rate: Array
    dynamics: Dynamics


def plan_run(
    dynamics: Dynamics,
    landscape: QuadraticSaddle,
    noise: Noise,
    iterations: int,
    replicas: int,
    start: ArrayLike | None,
    velocity: str,
    save: ArrayLike | None,
    keep: str,
    substeps: int | Sequence[int],
    seed: int,
) -> Plan:
    """Check everything that a run was asked for, before anything is computed; arguments and errors as in `simulate`."""
    checks.whole("iterations", iterations)
    checks.whole("replicas", replicas, least=2)
    checks.choice("velocity", velocity, ("rest", "thermal"))
    checks.choice("keep", keep, ("moments", "states"))
    checks.whole("seed", seed, least=0)
    if seed >= 2**64:
        raise ValueError(f"seed = {seed} must be below 2^64")
    d = landscape.dimension
    saves = _save_points(save, iterations)
    schedule = _schedule(substeps, iterations)
    position = landscape.reference if start is None else checks.finite_vector("start", start)
    if position.shape not in ((1,), (d,)):
        raise ValueError(f"start has {position.size} entries; give one number or {d}, one for each coordinate")
    position = np.broadcast_to(position, (d,)).astype(np.float64)
    size = 8 * replicas * len(saves) * d
    if keep == "states" and size > MAX_STATE_BYTES:
        raise ValueError(
            f"keep = 'states' would take {size / 2**30:.1f} GiB, above {MAX_STATE_BYTES / 2**30:.0f}; "
            "save at fewer iterations, run fewer replicas, or keep='moments'"
        )
    variance = noise.variance_along(landscape)
    running = dynamics.second_moment == "running"
    if running and (velocity == "thermal" or schedule.max() > 1):
        raise ValueError(
            f"velocity = {velocity!r}, substeps = {schedule.max()}: the optimizer as shipped starts at rest and takes whole "
            "steps; use velocity='rest' and substeps=1, or second_moment='frozen' for the theory's SDE"
        )
    # as shipped, Adam's and RMSprop's learning rate is not known in advance: clocks then use the nominal one
    nominal = np.full(d, float(dynamics.lr))
    if not running:
        rule = dynamics.rule(variance)
        nominal = rule.learning_rate
        if velocity == "thermal" and not rule.inertia.any():
            raise ValueError("velocity = 'thermal' needs inertia, and this dynamics has none; use velocity='rest'")
        _check_stability(dynamics, rule.stability_bound(int(schedule.min())), nominal * landscape.hessian)
    elif isinstance(dynamics, Adai):
        bound = 2 * (2 - dynamics.eps) / dynamics.eps
        _check_stability(dynamics, np.full(d, bound), nominal * landscape.hessian)
    parameters = {
        "dynamics": repr(dynamics), "landscape": repr(landscape), "noise": repr(noise), "iterations": int(iterations),
        "replicas": int(replicas), "start": position.tolist(), "velocity": velocity, "save": saves.tolist(), "keep": keep,
        "substeps": int(schedule[0]) if np.all(schedule == schedule[0]) else schedule.tolist(), "seed": int(seed),
    }  # fmt: skip
    return Plan(
        landscape.basis, landscape.hessian, variance, position, velocity == "thermal", saves, schedule, running,
        keep == "states", np.uint64(seed), parameters, nominal, dynamics,
    )  # fmt: skip


def _save_points(save: ArrayLike | None, iterations: int) -> NDArray[np.int64]:
    """Iterations to measure at: the ones asked for, checked, or 50 log-spaced ones including the last."""
    if save is None:
        return np.unique(np.round(np.geomspace(1, iterations, 50)).astype(np.int64))
    points = np.atleast_1d(np.asarray(save))
    if points.ndim != 1 or points.size == 0 or np.any(points != np.floor(points)):
        raise ValueError(f"save = {save!r} must be a non-empty list of whole numbers")
    if np.any(np.diff(points) <= 0):
        raise ValueError(f"save = {points.tolist()} must be ascending without repeats; sort it with numpy.unique")
    if points[0] < 0 or points[-1] > iterations:
        raise ValueError(f"save = {points.tolist()} must lie between 0 and iterations = {iterations}")
    return points.astype(np.int64)


def _schedule(substeps: int | Sequence[int], iterations: int) -> NDArray[np.int64]:
    values = np.asarray(substeps)
    if not np.issubdtype(values.dtype, np.integer) or values.ndim > 1 or values.size == 0 or values.min() < 1:
        raise ValueError(f"substeps = {substeps!r} must be a whole number >= 1, or one for each iteration")
    if values.ndim == 1 and len(values) != iterations:
        raise ValueError(f"substeps has {len(values)} entries for iterations = {iterations}; give one for each")
    return np.broadcast_to(values, (iterations,)).astype(np.int64)


def _check_stability(dynamics: Dynamics, bound: Array, step: Array) -> None:
    unstable = step >= bound
    if unstable.any():
        i = int(np.argmax(unstable))
        raise ValueError(
            f"lr = {dynamics.lr!r} is unstable in direction {i}: learning rate times eigenvalue is {step[i]:.6g}, the bound "
            f"is {bound[i]:.6g}; lower lr below {dynamics.lr * bound[i] / step[i]:.6g} or use more substeps"
        )


def label(
    plan: Plan, squares: Array, fourths: Array, diverged: NDArray[np.int64], positions: Array | None
) -> "xarray.Dataset":
    """The Dataset for sums of squared and fourth-power displacements over all replicas; warns if any diverged."""
    import xarray

    replicas = plan.parameters["replicas"]
    if diverged.any():
        where = int(plan.save[np.argmax(diverged > 0)])
        warnings.warn(
            f"{diverged.max()} of {replicas} replicas left floating-point range; msd is NaN from iteration {where} on",
            RuntimeWarning,
            stacklevel=3,
        )
    with np.errstate(invalid="ignore"):
        msd = np.where(diverged[:, None] > 0, np.nan, squares / replicas)
        stderr = np.sqrt(np.maximum(fourths / replicas - msd**2, 0) / (replicas - 1))
    data: dict[str, Any] = {
        "msd": (("iteration", "direction"), msd),
        "msd_stderr": (("iteration", "direction"), stderr),
        "diverged": ("iteration", diverged),
    }
    coords: dict[str, Any] = {
        "iteration": plan.save,
        "direction": np.arange(len(plan.hessian)),
        "eigenvalue": ("direction", plan.hessian),
        "noise_variance": ("direction", plan.variance),
        "dynamical_time": (("iteration", "direction"), plan.save[:, None] * plan.learning_rate),
    }
    if positions is not None:
        data["position"] = (("replica", "iteration", "coordinate"), positions)
        coords["replica"] = np.arange(len(positions))
        coords["coordinate"] = np.arange(len(plan.hessian))
    return describe(xarray.Dataset(data, coords), plan.parameters)
