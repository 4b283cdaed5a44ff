"""A validated run: what `simulate` and `simulate_torch` were asked for, and the labels of what they return."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics import Dynamics
from diffusion.edges import Walls, walls_of
from diffusion.landscapes import Landscape, QuadraticSaddle
from diffusion.laws import NORMAL, Law
from diffusion.minibatches import Minibatches
from diffusion.noise import NoiseModel, refuse_other_laws
from diffusion.problem import check_kinds
from diffusion.schemes import check_scheme, stability_bound, stride_of
from diffusion.variables import describe

if TYPE_CHECKING:
    import xarray

MAX_STATE_BYTES = 2 * 2**30
LARGEST_COUNTER = 2**32 - 1  # of iterations and replicas, for the random numbers
DIVERGED = 1e75  # displacements beyond this count as diverged: their fourth power would overflow

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """A validated run.

    Arrays have shape (d,), along the eigenvectors, but origin, basis and walls (2, d), which are in coordinates. Of a
    torch model there may be fewer directions than coordinates: basis then has shape (d, k), what is along it (k,).
    """

    dynamics: Dynamics
    landscape: Landscape
    noise: NoiseModel
    basis: Array
    hessian: Array
    variance: Array
    origin: Array
    thermal: bool
    save: NDArray[np.int64]
    substeps: NDArray[np.int64]
    keep_states: bool
    precision: str
    seed: np.uint64
    parameters: dict[str, Any]
    learning_rate: Array
    walls: Array
    scheme: str = "euler"
    increments: str = "normal"
    stride: int = 1  # iterations in a step; where it is above 1 there are no substeps

    @property
    def replicas(self) -> int:
        """Number of replicas."""
        return int(self.parameters["replicas"])

    @property
    def steps(self) -> float:
        """Steps in the first iteration."""
        return int(self.substeps[0]) / self.stride

    @property
    def saved_steps(self) -> NDArray[np.int64]:
        """`save` as the kernels count: iterations, or steps of several."""
        return self.save // self.stride

    @property
    def rotated(self) -> bool:
        """Whether results are given along directions that are not the coordinate axes."""
        return not np.array_equal(self.basis, np.eye(len(self.basis)))


def plan_run(
    dynamics: Dynamics,
    landscape: Landscape,
    noise: NoiseModel,
    iterations: int,
    replicas: int,
    start: ArrayLike | None,
    velocity: str,
    save: ArrayLike | None,
    keep: str,
    substeps: float | Sequence[int],
    seed: int,
    precision: str,
    reflecting: Walls = None,
    scheme: str = "euler",
    increments: str = "normal",
) -> Plan:
    """Check everything that a run was asked for, before anything is computed; arguments and errors as in `simulate`."""
    iterations = checks.whole("iterations", iterations, most=LARGEST_COUNTER)
    replicas = checks.whole("replicas", replicas, most=LARGEST_COUNTER)
    checks.choice("velocity", velocity, ("rest", "thermal"))
    checks.choice("keep", keep, ("moments", "states"))
    checks.choice("precision", precision, ("float64", "mixed"))
    seed = checks.whole("seed", seed, least=0, most=2**64 - 1)
    check_kinds(dynamics=dynamics, landscape=landscape, noise=noise)
    d = landscape.dimension
    stride = stride_of(substeps, scheme)
    saves = save_points(save, iterations, stride)
    schedule = _schedule(substeps if stride == 1 else 1, iterations)
    position = landscape.reference if start is None else checks.per_coordinate("start", start, d)
    if keep == "states":
        refuse_memory(
            8 * replicas * len(saves) * d,
            "keep = 'states'",
            "save at fewer iterations, run fewer replicas, or keep='moments'",
        )
    walls = walls_of(reflecting, position)
    if isinstance(noise, Minibatches):
        _check_minibatches(noise, landscape, position, dynamics, velocity, schedule, precision)
    variance = _variance(noise, landscape)
    if noise.law != NORMAL:
        _check_law(noise.law, dynamics, velocity, schedule, precision)
    check_scheme(scheme, increments, dynamics, landscape, noise, substeps)
    if increments == "three-point" and precision == "mixed":
        raise ValueError(
            "precision = 'mixed' draws normals, and increments = 'three-point' none; use precision='float64'"
        )
    shipped = dynamics.update is not None or dynamics.second_moment == "running"
    if shipped and (velocity == "thermal" or np.ptp(schedule) > 0):
        raise ValueError(
            f"velocity = {velocity!r}, substeps = {substeps!r}: the optimizer as shipped starts at rest and takes as "
            "many substeps in every iteration; use velocity='rest' and one number, or for the theory's SDE "
            "second_moment='frozen', where there is one, without weight decay"
        )
    if shipped:
        whole = schedule[0] == 1
        if not whole:
            dynamics.substep(int(schedule[0]))  # refuses
        # its learning rate may not be known in advance: clocks then use the nominal one
        nominal = np.full_like(variance, dynamics.lr) if hasattr(dynamics, "lr") else dynamics.learning_rate(variance)
        bound = np.full_like(variance, dynamics.shipped_bound if whole else np.inf)
        _check_stability(dynamics, bound, nominal * landscape.hessian)
    else:
        rule = dynamics.rule(variance)
        nominal = rule.learning_rate
        if velocity == "thermal" and not rule.inertia.any():
            raise ValueError("velocity = 'thermal' needs inertia, and this dynamics has none; use velocity='rest'")
        steepness = landscape.hessian
        if dynamics.second_moment == "following":
            steepness = _followed(landscape, noise, dynamics.follows)
        _check_stability(dynamics, stability_bound(scheme, rule, int(schedule.min()) / stride), nominal * steepness)
    parameters = {
        "dynamics": repr(dynamics),
        "landscape": repr(landscape),
        "noise": repr(noise),
        "iterations": iterations,
        "replicas": replicas,
        "start": position.tolist(),
        "velocity": velocity,
        "save": saves.tolist(),
        "keep": keep,
        "substeps": int(schedule[0]) if len(schedule) == 1 else schedule.tolist(),
        "precision": precision,
        "seed": seed,
    }
    if stride > 1:
        parameters["substeps"] = 1 / stride
    parameters |= {"scheme": scheme} if scheme != "euler" else {}
    parameters |= {"increments": increments} if increments != "normal" else {}
    if reflecting is not None:
        parameters["reflecting"] = repr(checks.plain(reflecting))
    if noise.law.moments <= 2 and schedule.max() > 1:
        parameters["noise_scaling"] = f"dt^(1/{noise.law.moments:g})"
    return Plan(
        dynamics=dynamics,
        landscape=landscape,
        noise=noise,
        basis=landscape.basis,
        hessian=landscape.hessian,
        variance=variance,
        origin=position,
        thermal=velocity == "thermal",
        save=saves,
        substeps=schedule,
        keep_states=keep == "states",
        precision=precision,
        seed=np.uint64(seed),
        parameters=parameters,
        learning_rate=nominal,
        walls=walls,
        scheme=scheme,
        increments=increments,
        stride=stride,
    )


def refuse_memory(size: int, what: str, remedy: str) -> None:
    """Refuse a result above MAX_STATE_BYTES, with the estimate."""
    if size > MAX_STATE_BYTES:
        raise ValueError(f"{what} would take {size / 2**30:.1f} GiB, above {MAX_STATE_BYTES / 2**30:.0f}; {remedy}")


def _variance(noise: NoiseModel, landscape: Landscape) -> Array:
    """Noise variance at the reference point, along the directions in which the rule holds."""
    if noise.of_data:
        return noise.variance_along(landscape)
    if landscape.formulas.coupled and not isinstance(landscape, QuadraticSaddle):
        noise.mixing(landscape)  # refuses what the landscape cannot give
    else:
        noise.deviation(landscape)
    return noise.variance_along(landscape)


def save_points(save: ArrayLike | None, iterations: int, stride: int = 1) -> NDArray[np.int64]:
    """Iterations to measure at: the ones asked for, checked, or 50 log-spaced ones including the last.

    All are multiples of the `stride` iterations that a step takes.
    """
    if iterations % stride:
        raise ValueError(
            f"iterations = {iterations} must be a multiple of the {stride} that a step takes at substeps = 1/{stride}"
        )
    if save is None:
        return np.unique(np.round(np.geomspace(1, iterations // stride, 50)).astype(np.int64)) * stride
    points = np.atleast_1d(np.asarray(save))
    if points.ndim != 1 or points.size == 0 or points.dtype.kind not in "iuf" or np.any(points != np.floor(points)):
        raise ValueError(f"save = {save!r} must be a non-empty list of whole numbers")
    if np.any(np.diff(points) <= 0):
        raise ValueError(f"save = {points.tolist()} must be ascending without repeats; sort it with numpy.unique")
    if points[0] < 0 or points[-1] > iterations:
        raise ValueError(f"save = {points.tolist()} must lie between 0 and iterations = {iterations}")
    if np.any(points % stride):
        raise ValueError(
            f"save = {points.tolist()} must be multiples of the {stride} iterations of a step at substeps = 1/{stride}"
        )
    return points.astype(np.int64)


def _schedule(substeps: float | Sequence[int], iterations: int) -> NDArray[np.int64]:
    """Substeps of each iteration, or one number for all."""
    values = np.asarray(substeps)
    if not np.issubdtype(values.dtype, np.integer) or values.ndim > 1 or values.size == 0 or values.min() < 1:
        raise ValueError(f"substeps = {substeps!r} must be a whole number >= 1, or one for each iteration")
    if values.ndim == 1 and len(values) != iterations:
        raise ValueError(f"substeps has {len(values)} entries for iterations = {iterations}; give one for each")
    return np.atleast_1d(values).astype(np.int64)


def _followed(landscape: Landscape, noise: NoiseModel, q: float) -> Array:
    """Eigenvalues at the reference point where gradients are divided by ``C^q``, C their variance in a coordinate."""
    variance = noise.variance_at(landscape, landscape.reference)
    if np.any(variance <= 0):
        raise ValueError(
            f"noise variance is 0 in direction {int(np.argmax(variance <= 0))}: a following second moment would divide "
            "by it; use IsotropicNoise, or second_moment='running'"
        )
    if not landscape.formulas.coupled:
        return np.asarray(landscape.hessian / variance**q)
    roots = variance ** (-q / 2)
    return np.asarray(np.linalg.eigvalsh(roots[:, None] * landscape.hessian_matrix(landscape.reference) * roots))


def _check_minibatches(
    noise: Minibatches,
    landscape: Landscape,
    origin: Array,
    dynamics: Dynamics,
    velocity: str,
    schedule: NDArray[np.int64],
    precision: str,
) -> None:
    """Refuse what is known of models of noise alone, and data that are not the landscape's."""
    if schedule.max() > 1:
        refuse_other_laws(noise, f"substeps = {schedule.max()}")
    if velocity == "thermal":
        refuse_other_laws(noise, "velocity = 'thermal'")
    if dynamics.second_moment == "following":
        refuse_other_laws(noise, "second_moment = 'following'")
    if precision == "mixed":
        raise ValueError(
            "precision = 'mixed' draws normals in float32, and Minibatches(...) draws none; use precision='float64'"
        )
    noise.check(landscape, origin)


def _check_law(law: Law, dynamics: Dynamics, velocity: str, schedule: NDArray[np.int64], precision: str) -> None:
    """Refuse what is known of normal noise alone."""
    if precision == "mixed" or velocity == "thermal":
        named = "precision = 'mixed'" if precision == "mixed" else "velocity = 'thermal'"
        raise ValueError(f"{named} draws normals, and law = {law!r}; use precision='float64' and velocity='rest'")
    stable = law.moments <= 2
    if schedule.max() > 1 and not (stable and dynamics.update is None):
        why = (
            "the SDE is that of normal noise, the limit of any law with a variance" if not stable else "no SDE is known"
        )
        raise ValueError(
            f"substeps = {schedule.max()}: law = {law!r} is that of one minibatch, and {why}; use substeps=1, or "
            "law=Normal()"
        )
    if stable and dynamics.update is None:
        one, other = (dynamics.rule(np.array([variance])) for variance in (1.0, 4.0))
        if (one.learning_rate, one.inertia) != (other.learning_rate, other.inertia) or dynamics.follows:
            raise ValueError(
                f"{dynamics!r} goes by the noise's variance, which is infinite of law = {law!r}; use SGD, Momentum or "
                "second_moment='running'"
            )


def _check_stability(dynamics: Dynamics, bound: Array, step: Array) -> None:
    unstable = step >= bound
    if unstable.any():
        i = int(np.argmax(unstable))
        lr = getattr(dynamics, "lr", 1.0)  # of a user's own dynamics, a factor
        raise ValueError(
            f"lr = {lr!r} is unstable in direction {i}: learning rate times eigenvalue is {step[i]:.6g}, the bound "
            f"is {bound[i]:.6g}; lower lr below {lr * bound[i] / step[i]:.6g} or use more substeps"
        )


def label(
    plan: Plan, squares: Array, fourths: Array, diverged: NDArray[np.int64], positions: Array | None
) -> xarray.Dataset:
    """The Dataset for sums of squared and fourth-power displacements over all replicas; warns if any diverged."""
    import xarray

    replicas = plan.replicas
    if diverged.any():
        where = int(plan.save[np.argmax(diverged > 0)])
        warnings.warn(
            f"{diverged.max()} of {replicas} replicas left floating-point range; msd is NaN from iteration {where} on",
            RuntimeWarning,
            stacklevel=3,
        )
    law = plan.noise.law
    if law.moments <= 4:
        what = "msd and msd_stderr have" if law.moments <= 2 else "msd_stderr has"
        warnings.warn(
            f"law = {law!r} has moments below {law.moments:g} alone: {what} no expectation; use keep='states', or "
            "exit_times",
            RuntimeWarning,
            stacklevel=3,
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        msd = np.where(diverged[:, None] > 0, np.nan, squares / replicas)
        stderr = np.sqrt(np.maximum(fourths / replicas - msd**2, 0) / (replicas - 1))  # of one replica, NaN
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
        coords["coordinate"] = np.arange(len(plan.origin))
    return describe(xarray.Dataset(data, coords), plan.parameters)
