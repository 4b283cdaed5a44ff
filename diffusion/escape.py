"""Ensembles of first exits: when each replica leaves a region, and where."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks, regions
from diffusion.dynamics import Dynamics
from diffusion.edges import NO_COORDINATE, NO_PART, PLANE, Edge, Walls, check_walls, edge_of
from diffusion.engine import Interruptible, Prepared, allocate, kernel, lanes_for, prepare, thread_count
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel, refuse_other_laws
from diffusion.observations import problem_digest
from diffusion.plan import Plan, plan_run, refuse_memory
from diffusion.progress import task
from diffusion.prospects import warn_hopeless
from diffusion.rates import mean_stay
from diffusion.regions import Boundary, Shape
from diffusion.schemes import overshooting, stride_of
from diffusion.variables import describe

if TYPE_CHECKING:
    import xarray

BYTES_PER_REPLICA = 53  # of a result: time, coordinate, number, horizon, problem, seed, part, side and two flags

APART = 16  # numbers that a thread counts in, so that threads do not write to the same cache line
TOLD = 5  # coordinates named in a warning

Array = NDArray[np.float64]


def exit_times(
    dynamics: Dynamics,
    landscape: Landscape,
    *,
    noise: NoiseModel,
    start: ArrayLike | None = None,
    boundary: Boundary,
    max_iterations: int,
    replicas: int,
    velocity: str = "rest",
    substeps: float = 1,
    scheme: str = "euler",
    increments: str = "normal",
    crossing: str = "step",
    reflecting: Walls = None,
    positions: bool = False,
    partial: bool = False,
    precision: str = "float64",
    seed: int = 0,
    threads: int | None = None,
) -> xarray.Dataset:
    """Run independent replicas until each leaves a region or has done `max_iterations`.

    Parameters
    ----------
    dynamics, landscape, noise, start, replicas, velocity, substeps, scheme, increments, precision, seed, threads
        As in `simulate`; substeps is one number. At steps of k iterations `max_iterations` is a multiple of k.
    boundary
        What is left. A number in theta units: out as soon as *any* coordinate is strictly beyond it, on the far side
        from the start. ``(low, high)``: one interval for every coordinate, None for an open end.
        ``Beyond(coordinate, value)``, ``Box(low, high)``, ``HalfSpace(normal, offset)``, ``Radius(value)`` around the
        start (in one dimension, two lines), ``LossLevel(value)``, or a function of yours, ``Region(outside)``. Joined
        by ``|``: out of any of them.
    max_iterations
        Replicas still inside after this many iterations are censored.
    crossing
        "step": a replica is out when it is beyond the boundary after a substep; with one substep, what a user of the
        optimizer sees. "bridge": also when the Brownian bridge between two substeps crosses, as the overdamped SDE
        does, for lines in independent coordinates and for one `HalfSpace` (exact for noise and drift that are constant
        over a substep; of two ends w standard deviations of a substep apart, up to exp(-w^2/2)).
    reflecting
        Walls, which mirror the position and reverse the momentum of a replica that a substep took behind them (of
        second moments nothing changes). Numbers: in every coordinate, each on its side of the start, as in
        `diffusion.fokker_planck`; or ``(low, high)``, ``Beyond(coordinate, value)``, ``Box(low, high)``, or these
        joined by ``|``.
    positions
        Also return where replicas left.
    partial
        Interrupted, as by Ctrl-C, return what there is: replicas that were on their way are censored at the iterations
        that they had done, so that `escape_rate` counts the time in which they did not leave. Those that had ended are
        no sample by themselves, as the fastest are the first. Nothing is said of replicas that had not begun.

    Returns
    -------
    xarray.Dataset
        On replica: ``exit_iteration`` (iterations completed at exit, the first is 1.0; with substeps, multiples of
        1/substeps; with a bridge, inside the substep; NaN where censored or diverged), ``exited``, ``diverged``,
        ``exit_coordinate`` (with a bridge the first to cross, else the farthest out; -1 where it has no meaning) and
        ``exit_side``, its end: 1 the upper, -1 the lower, 0 where it has no meaning. Of a boundary with ``|``
        ``exit_part``, the part that was left, from 0 (-1: none); the first if a substep led out of several. With a
        bridge ``exit_substep``, in which of all substeps, from 1 (0: none). With `positions` ``exit_position`` on
        (replica, coordinate), at the end of the substep that led out, with a bridge moved from there onto the boundary,
        at right angles; NaN where there is no exit. All parameters are in attrs; `lane_steps` there counts the substeps
        computed, `lane_steps_useful` those of live replicas, and `partial` says what became of the replicas of an
        interrupted run (empty: it was not).

    Raises
    ------
    ValueError
        If a parameter is out of range, the start is outside or on the boundary, or behind a wall, a wall and the
        boundary hide each other, a discrete step is unstable, or a combination has no meaning; the message names the
        parameter, the value and the remedy.

    Warns
    -----
    RuntimeWarning
        Before it runs, if no exit is to be expected in all replicas together (`escape_prospect` says how long one
        takes). Afterwards, if replicas diverged, or if the boundary is a number or an interval and the landscape
        couples several coordinates: any of them counts, and the warning says how many replicas left by which.
    """
    max_iterations, stride = checks.whole("max_iterations", max_iterations), stride_of(substeps, scheme)
    # substeps of an iteration or, at 1/k, of k iterations
    each = 1 if stride > 1 else checks.whole("substeps", substeps)
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
        reflecting,
        scheme,
        increments,
    )
    horizon = max_iterations // stride
    replicas, boundary = plan.replicas, regions.plain(boundary)
    size = BYTES_PER_REPLICA + (8 * landscape.dimension if positions else 0)
    refuse_memory(size * replicas, f"replicas = {replicas}", "run fewer replicas at a time, with other seeds")
    prepared = prepare(plan, plan.substeps)
    edge = edge_of(boundary, landscape, plan.origin)
    check_walls(plan.walls, edge, reflecting)
    bridged = crossing == "bridge"
    if bridged:
        refuse_other_laws(noise, "crossing = 'bridge'")
        edge = _with_bridge(plan, prepared, edge)
    ours = edge.turned(plan.basis) if prepared.turned and plan.rotated else edge
    prepared = prepared.specialised(BRIDGED=bridged, **ours.specialisation)
    threads = thread_count(threads)
    counted = {"replicas": replicas, "max_iterations": max_iterations}
    warn_hopeless(dynamics, landscape, noise, edge, plan.origin, substeps=overshooting(scheme, each), **counted)

    from diffusion.kernels import exits

    run = kernel(exits.exits, exits.HELPERS, prepared)
    out = {
        "exit_iteration": np.full(replicas, np.nan),
        "exited": np.zeros(replicas, np.bool_),
        "diverged": np.zeros(replicas, np.bool_),
        "exit_coordinate": np.full(replicas, NO_COORDINATE, np.int64),
        "exit_side": np.zeros(replicas, np.int8),
        "exit_part": np.full(replicas, NO_PART, np.int16),
        "exit_substep": np.zeros(replicas if bridged else 0, np.int64),
        "exit_position": np.full((replicas if positions else 0, landscape.dimension), np.nan),
    }
    queue, work = np.zeros(1, np.int64), np.zeros((threads, APART), np.int64)
    width = lanes_for(-(-replicas // threads), exits.TILE)
    rows = len(edge.kinds) + 2 * bridged
    clocks: dict[int, tuple[NDArray[np.uint64], ...]] = {}  # replica, iteration and substep of the lanes of each thread
    reached = None

    def done() -> float:
        """The share of all iterations, judged by how many replicas have left in those that are done."""
        iterations = max(work[:, 1].sum() / each, 1.0)
        return float(iterations / mean_stay(np.count_nonzero(out["exited"]) / iterations, horizon) / replicas)

    with task("exit_times", 1.0, done), Interruptible(threads) as pool:

        def until_done(thread: int, count: int = replicas) -> None:
            before = np.zeros((plan.landscape.dimension, width))
            scratch = before, np.zeros((rows, width)), np.zeros(width, np.uint8)
            carried, state, lanes = allocate(prepared, width)
            clocks[thread] = lanes[:3]
            where = prepared.problem, prepared.rule, prepared.start, ours.values
            clock = np.uint64(horizon), np.uint64(each), plan.seed, queue, pool.stop
            found = work[thread], tuple(one[:count] for one in out.values())
            run(width, *where, *clock, carried, state, lanes, scratch, *found)

        until_done(0, 0)  # compiles, once, before the threads start
        queue[0] = 0
        try:
            for _ in pool.map(until_done, range(threads)):
                pass
        except KeyboardInterrupt:
            if not partial:
                raise
            reached = np.zeros(replicas)
    if reached is not None:  # by now the threads are still
        last = float(out["exit_iteration"].max(where=out["exited"], initial=work[:, 0].max() / width / each))
        reached[: queue[0]] = min(last, horizon)
        for thread, (replica, iteration, substep) in clocks.items():
            here = slice(work[thread, 2])
            reached[replica[here]] = iteration[here] - 1.0 + (substep[here] + 1.0) / each
        reached *= stride
    out["exit_iteration"] *= stride
    if prepared.turned and plan.rotated:
        out["exit_position"] = out["exit_position"] @ plan.basis.T
    if bridged and positions:
        _move_onto(edge, out["exited"], out["exit_coordinate"], out["exit_side"] > 0, out["exit_position"])
    left_out = {"exit_part": len(edge.kinds) == 1, "exit_substep": not bridged, "exit_position": not positions}
    data: dict[str, Any] = {
        name: (("replica", "coordinate")[: values.ndim], values)
        for name, values in out.items()
        if not left_out.get(name, False)
    }
    parameters = {key: value for key, value in plan.parameters.items() if key not in ("iterations", "save", "keep")}
    parameters |= {"boundary": repr(boundary), "crossing": crossing, "max_iterations": max_iterations}
    result = label_exits(data, parameters, reached)
    warn_any_coordinate(landscape, boundary, out["exit_coordinate"])
    result.attrs.update(zip(("lane_steps", "lane_steps_useful"), map(int, work[:, :2].sum(axis=0)), strict=True))
    return result


def _with_bridge(plan: Plan, prepared: Prepared, edge: Edge) -> Edge:
    """The same with the variance of a substep where kernels cannot compute it; refused where no bridge is known."""
    kinds, coupled = edge.kinds.tolist(), plan.landscape.formulas.coupled and not prepared.turned
    if not edge.lines.all() and kinds != [PLANE]:
        reason = f"boundary = {edge.boundary!r} is not a line in a coordinate, nor one HalfSpace"
    elif coupled and kinds != [PLANE]:
        reason = (
            f"the noise of {type(plan.landscape).__name__} may couple coordinates, and only a HalfSpace may be left "
            "then (of a line in one coordinate, its normal is along it, outwards)"
        )
    elif plan.scheme != "euler" or plan.increments != "normal":
        reason = f"a step of scheme = {plan.scheme!r} with increments = {plan.increments!r} is no Brownian one"
    elif prepared.parts.get("VARYING"):
        reason = f"{plan.noise!r} varies on a coupled landscape"
    elif plan.dynamics.update is not None or plan.dynamics.rule(plan.variance).inertia.any():
        reason = f"{plan.dynamics!r} is not the overdamped SDE: it has inertia or a running second moment"
    elif not coupled:
        return edge
    else:
        (_, basis, mixing, _), (_, _, share, step, _) = prepared.problem, prepared.rule
        normal = edge.first[0] @ basis if prepared.parts["ALONG"] else edge.first[0]
        return replace(edge, second=np.full_like(edge.second, np.sum((normal * step[0] * share[0] @ mixing) ** 2)))
    raise ValueError(f"crossing = 'bridge' does not apply: {reason}; use crossing='step' and more substeps")


def _move_onto(
    edge: Edge, left: NDArray[np.bool_], coordinate: NDArray[np.int64], upper: NDArray[np.bool_], x: Array
) -> None:
    """Move positions x, shape (replicas, d), of those that left by a bridge onto the boundary, at right angles."""
    if edge.lines.all():
        x[left, coordinate[left]] = np.where(upper, edge.high[coordinate], edge.low[coordinate])[left]
    else:
        normal = edge.first[0]
        x[left] -= np.outer((x[left] @ normal - edge.limits[0]) / (normal @ normal), normal)


def warn_any_coordinate(landscape: Landscape, boundary: Any, coordinates: ArrayLike, stacklevel: int = 3) -> None:
    """Say that a number or an interval counts in every coordinate, where these are coupled and may be unlike.

    Parameters
    ----------
    landscape, boundary
        As the user gave them; nothing is said of independent coordinates, or of one, nor of other kinds of boundaries.
    coordinates
        By which replicas left; below 0: they did not.
    stacklevel
        As `warnings.warn` has it, from here: 3 is the caller of the caller.
    """
    if not landscape.formulas.coupled or landscape.dimension == 1 or isinstance(boundary, Shape):
        return
    out = np.asarray(coordinates)
    count = np.bincount(out[out >= 0], minlength=landscape.dimension)
    most = np.argsort(-count, kind="stable")[:TOLD]
    told = ", ".join(f"{count[j]} by coordinate {j}" for j in most)
    rest = count.sum() - count[most].sum()
    form = "a line" if np.ndim(boundary) == 0 else "an interval"
    warnings.warn(
        f"boundary = {boundary!r} is {form} in each of the {landscape.dimension} coordinates of "
        f"{type(landscape).__name__}, and any of them counts: of {count.sum()} exits {told}"
        f"{f', {rest} by others' if rest else ''}; use Beyond(coordinate, value) for a line in one coordinate, Box for "
        "lines in several, or a HalfSpace, LossLevel or Radius",
        RuntimeWarning,
        stacklevel=stacklevel,
    )


def label_exits(data: dict[str, Any], parameters: dict[str, Any], reached: Array | None = None) -> xarray.Dataset:
    """The Dataset for exits on (replica,); warns if any diverged.

    Parameters
    ----------
    data, parameters
        Variables, and what the run was asked for.
    reached
        If it was interrupted, iterations that each replica had done, 0 if it had not begun; of those that had ended,
        iterations that they would have done.
    """
    import xarray

    diverged = int(data["diverged"][1].sum())
    if diverged:
        warnings.warn(
            f"{diverged} of {parameters['replicas']} replicas left floating-point range before they were out; their "
            "exit is NaN",
            RuntimeWarning,
            stacklevel=3,
        )
    count = parameters["replicas"]
    coords: dict[str, Any] = {
        "replica": np.arange(count),
        "horizon": ("replica", np.full(count, parameters["max_iterations"]) if reached is None else reached),
        "problem": ("replica", np.full(count, problem_digest(parameters))),
        "seed": ("replica", np.full(count, parameters["seed"], np.uint64)),
    }
    if "exit_position" in data:
        coords["coordinate"] = np.arange(data["exit_position"][1].shape[1])
    result = describe(xarray.Dataset(data, coords), parameters).assign_attrs(partial="")
    if reached is None:
        return result
    gone = data["exited"][1] | data["diverged"][1]
    begun, ended = int(np.count_nonzero(reached)), int(np.sum(gone | (reached == parameters["max_iterations"])))
    if not begun:
        raise KeyboardInterrupt
    told = (
        f"interrupted: of {count} replicas {ended} had ended, {begun - ended} are censored on their way, the others "
        "are left out"
    )
    return result.isel(replica=np.flatnonzero(reached)).assign_attrs(partial=told)
