"""Ensembles of first exits: when each replica leaves a region, and by which coordinate."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics import Dynamics
from diffusion.engine import Interruptible, allocate, kernel, lanes_for, prepare, thread_count
from diffusion.landscapes import Landscape
from diffusion.noise import Noise
from diffusion.observations import problem_digest
from diffusion.plan import Plan, plan_run, refuse_memory
from diffusion.variables import describe

if TYPE_CHECKING:
    import xarray

BYTES_PER_REPLICA = 42  # of a result: time, coordinate, number, horizon, problem and two flags

TOLD = 5  # coordinates named in a warning

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LossLevel:
    """Out where the loss is strictly beyond `value`, on the far side from the start.

    Parameters
    ----------
    value
        A loss.
    """

    value: float

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.finite("LossLevel value", self.value)


@dataclass(frozen=True)
class Radius:
    """Out where the distance from the start exceeds `value`.

    Parameters
    ----------
    value
        A distance in theta units, above 0.
    """

    value: float

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("Radius value", self.value)


def exit_times(
    dynamics: Dynamics,
    landscape: Landscape,
    *,
    noise: Noise,
    start: ArrayLike | None = None,
    boundary: float | LossLevel | Radius,
    max_iterations: int,
    replicas: int,
    velocity: str = "rest",
    substeps: int = 1,
    crossing: str = "step",
    precision: str = "float64",
    seed: int = 0,
    threads: int | None = None,
) -> "xarray.Dataset":
    """Run independent replicas until each leaves a region or has done `max_iterations`.

    Parameters
    ----------
    dynamics, landscape, noise, start, replicas, velocity, substeps, precision, seed, threads
        As in `simulate`; substeps is one number.
    boundary
        A number in theta units: out as soon as *any* coordinate is strictly beyond it, on the far side from the start.
        Or ``LossLevel(value)``, or ``Radius(value)`` around the start (in one dimension, two lines).
    max_iterations
        Replicas still inside after this many iterations are censored.
    crossing
        "step": a replica is out when it is beyond the boundary after a substep; with one substep, what a user of the
        optimizer sees. "bridge": also when the Brownian bridge between two substeps crosses, as the overdamped SDE does
        (exact for a straight boundary and noise and drift that are constant over a substep).

    Returns
    -------
    xarray.Dataset
        On replica: ``exit_iteration`` (iterations completed at exit, the first is 1.0; with substeps, multiples of
        1/substeps; with a bridge, inside the substep; NaN where censored or diverged), ``exited``, ``diverged``,
        ``exit_coordinate`` (with a bridge the first to cross, else the farthest out; -1 where it has no meaning). All
        parameters are in attrs; `lane_steps` there counts the substeps computed, `lane_steps_useful` those of live replicas.

    Raises
    ------
    ValueError
        If a parameter is out of range, the start is on the boundary, a discrete step is unstable, or a combination has no
        meaning; the message names the parameter, the value and the remedy.

    Warns
    -----
    RuntimeWarning
        If replicas diverged, or if the boundary is a number and the landscape couples several coordinates: any of them
        counts, and the warning says how many replicas left by which.
    """
    max_iterations, substeps = checks.whole("max_iterations", max_iterations), checks.whole("substeps", substeps)
    checks.choice("crossing", crossing, ("step", "bridge"))
    plan = plan_run(
        dynamics,
        landscape,
        noise,
        max_iterations,
        replicas,
        start,
        velocity,
        [max_iterations],
        "moments",
        substeps,
        seed,
        precision,
    )
    replicas, boundary = plan.replicas, checks.plain(boundary)
    refuse_memory(
        BYTES_PER_REPLICA * replicas, f"replicas = {replicas}", "run fewer replicas at a time, with other seeds"
    )
    prepared = prepare(plan, plan.substeps)
    edge = _edge(plan, prepared.turned, boundary)
    bridged = crossing == "bridge"
    if bridged:
        _check_bridge(plan, edge, boundary)
    prepared = prepared.specialised(LINE=edge.line, LEVEL=edge.level, BRIDGED=bridged)
    threads = thread_count(threads)

    from diffusion.kernels import exits

    run = kernel(exits.exits, exits.HELPERS, prepared)
    time = np.full(replicas, np.nan)
    exited, diverged = np.zeros(replicas, np.bool_), np.zeros(replicas, np.bool_)
    coordinate = np.full(replicas, exits.NO_COORDINATE, np.int64)
    queue, work = np.zeros(1, np.int64), np.zeros((threads, 2), np.int64)
    width = lanes_for(-(-replicas // threads), exits.TILE)
    with Interruptible(threads) as pool:

        def until_done(thread: int, count: int = replicas) -> None:
            before = np.zeros((plan.landscape.dimension, width))
            scratch = before, np.zeros(width), np.zeros(width, np.uint8)
            run(
                width, prepared.problem, prepared.rule, prepared.start, edge.values, np.uint64(max_iterations),
                np.uint64(substeps), plan.seed, queue, pool.stop, *allocate(prepared, width), scratch, work[thread],
                time[:count], exited, diverged, coordinate,
            )  # fmt: skip

        until_done(0, 0)  # compiles, once, before the threads start
        queue[0] = 0
        for _ in pool.map(until_done, range(threads)):
            pass
    data: dict[str, Any] = {
        "exit_iteration": ("replica", time),
        "exited": ("replica", exited),
        "diverged": ("replica", diverged),
        "exit_coordinate": ("replica", coordinate),
    }
    parameters = {key: value for key, value in plan.parameters.items() if key not in ("iterations", "save", "keep")}
    parameters |= {"boundary": repr(boundary), "crossing": crossing, "max_iterations": max_iterations}
    result = label_exits(data, parameters)
    if edge.line:
        warn_any_coordinate(landscape, boundary, coordinate)
    result.attrs.update(zip(("lane_steps", "lane_steps_useful"), map(int, work.sum(axis=0)), strict=True))
    return result


@dataclass(frozen=True)
class _Edge:
    """A boundary as the kernels take it, and the kind that they are specialised with."""

    line: bool
    level: bool
    low: Array
    high: Array
    center: Array
    sign: float = 1.0
    limit: float = np.inf

    @property
    def values(self) -> tuple[Array, Array, Array, float, float]:
        return self.low, self.high, self.center, self.sign, self.limit


def _edge(plan: Plan, turned: bool, boundary: float | LossLevel | Radius) -> _Edge:
    """The boundary, checked against the start.

    Raises
    ------
    ValueError
        If the start is on the boundary, or a line is asked for in coordinates that the run does not have.
    """
    center = np.ascontiguousarray(plan.basis.T @ plan.origin) if turned else plan.origin
    nowhere = np.full(len(center), np.inf)
    if isinstance(boundary, Radius):
        if len(center) == 1:
            return _Edge(True, False, center - boundary.value, center + boundary.value, center)
        return _Edge(False, False, -nowhere, nowhere, center, limit=boundary.value**2)
    if isinstance(boundary, LossLevel):
        sign = float(np.sign(boundary.value - plan.landscape.loss(plan.origin)))
        if sign == 0:
            raise ValueError(f"boundary = {boundary} is the loss at the start; choose another start or level")
        return _Edge(False, True, -nowhere, nowhere, center, sign, sign * boundary.value)
    checks.finite("boundary", boundary)
    if np.any(boundary == plan.origin):
        raise ValueError(f"boundary = {boundary!r} is where the start is; choose another start or boundary")
    if turned and plan.rotated:
        raise ValueError(
            f"boundary = {boundary!r} is a line in coordinates, and this rule runs along the eigenvectors of a rotated "
            "saddle; use Radius or LossLevel, or rotation=None"
        )
    above = boundary > plan.origin
    return _Edge(True, False, np.where(above, -np.inf, boundary), np.where(above, boundary, np.inf), center)


def _check_bridge(plan: Plan, edge: _Edge, boundary: float | LossLevel | Radius) -> None:
    """Refuse a bridge where none is known."""
    if not edge.line:
        reason = f"boundary = {boundary!r} is not a line in a coordinate"
    elif plan.landscape.formulas.coupled:
        reason = f"the noise of {type(plan.landscape).__name__} may couple coordinates"
    elif plan.dynamics.running is not None or plan.dynamics.rule(plan.variance).inertia.any():
        reason = f"{plan.dynamics!r} is not the overdamped SDE: it has inertia or a running second moment"
    else:
        return
    raise ValueError(f"crossing = 'bridge' does not apply: {reason}; use crossing='step' and more substeps")


def warn_any_coordinate(landscape: Landscape, boundary: Any, coordinates: ArrayLike, stacklevel: int = 3) -> None:
    """Say that a number as boundary is a line in every coordinate, where these are coupled and may be unlike.

    Parameters
    ----------
    landscape, boundary
        As the user gave them; nothing is said of independent coordinates, or of one.
    coordinates
        By which replicas left; below 0: they did not.
    stacklevel
        As `warnings.warn` has it, from here: 3 is the caller of the caller.
    """
    if not landscape.formulas.coupled or landscape.dimension == 1:
        return
    out = np.asarray(coordinates)
    count = np.bincount(out[out >= 0], minlength=landscape.dimension)
    most = np.argsort(-count, kind="stable")[:TOLD]
    told = ", ".join(f"{count[j]} by coordinate {j}" for j in most)
    rest = count.sum() - count[most].sum()
    warnings.warn(
        f"boundary = {boundary!r} is a line in each of the {landscape.dimension} coordinates of "
        f"{type(landscape).__name__}, and any of them counts: of {count.sum()} exits {told}"
        f"{f', {rest} by others' if rest else ''}; use LossLevel or Radius, or shift the coordinates that should not "
        "count out of its reach",
        RuntimeWarning,
        stacklevel=stacklevel,
    )


def label_exits(data: dict[str, Any], parameters: dict[str, Any]) -> "xarray.Dataset":
    """The Dataset for exits on (replica,); warns if any diverged."""
    import xarray

    diverged = int(data["diverged"][1].sum())
    if diverged:
        warnings.warn(
            f"{diverged} of {parameters['replicas']} replicas left floating-point range before they were out; their exit is NaN",
            RuntimeWarning,
            stacklevel=3,
        )
    count = parameters["replicas"]
    coords: dict[str, Any] = {
        "replica": np.arange(count),
        "horizon": ("replica", np.full(count, parameters["max_iterations"])),
        "problem": ("replica", np.full(count, problem_digest(parameters))),
    }
    return describe(xarray.Dataset(data, coords), parameters)
