"""`rare_escape_rate`, and what its result is made of."""

from __future__ import annotations

import reprlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from diffusion import checks, regions
from diffusion.dynamics import Dynamics
from diffusion.edges import edge_of
from diffusion.engine import prepare, thread_count
from diffusion.escape import warn_any_coordinate
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel, refuse_other_laws
from diffusion.plan import Plan, plan_run, refuse_memory
from diffusion.progress import task
from diffusion.prospects import warn_hopeless
from diffusion.regions import Boundary
from diffusion.schemes import overshooting, stride_of
from diffusion.splitting.coordinate import Coordinate, Scale, scale_of
from diffusion.splitting.interval import Estimate, estimate
from diffusion.splitting.lines import passes, second_valley, unseen
from diffusion.splitting.repetition import MILESTONES, REMOVED, Repetition, Run
from diffusion.variables import describe

if TYPE_CHECKING:
    import xarray

SLOWER = 10.0  # times that what a replica carries takes to settle; paths that leave sooner have no rate


def rare_escape_rate(
    dynamics: Dynamics,
    landscape: Landscape,
    *,
    noise: NoiseModel,
    start: ArrayLike | None = None,
    boundary: Boundary,
    coordinate: Coordinate = "exit",
    replicas: int = 1000,
    repetitions: int = 8,
    substeps: float = 1,
    scheme: str = "euler",
    increments: str = "normal",
    level: float = 0.95,
    paths: bool = False,
    partial: bool = False,
    seed: int = 0,
    threads: int | None = None,
) -> xarray.Dataset:
    """Escape rate per iteration by adaptive multilevel splitting (Cerou and Guyader 2007; Brehier et al. 2016).

    The rate is that of entrances, from the middle of the well to its rim, times the probability to reach the boundary
    from there before returning. The probability is a product: again and again the replicas that came least far are
    replaced by copies of others, branched with fresh noise where those first were farther. It is unbiased whatever the
    number of replicas and the reaction coordinate; steps and ties are treated as by Brehier et al.

    There are no walls: what `diffusion.exit_times` calls `reflecting` is not taken here.

    Parameters
    ----------
    dynamics, landscape, noise, start, substeps, scheme, increments, seed, threads
        As in `diffusion.exit_times`.
    boundary
        As in `diffusion.exit_times`. Of a `Region` the reaction coordinate must be yours, or "loss".
    coordinate
        By what "far" is judged; the exit is the boundary in any case. "exit": by the coordinate that is nearest to the
        boundary, or what else it goes by; with inertia, by where its momentum would carry it: to rest, without force,
        or for a quarter of the well's period if damping is weak (as shipped: of the idealized rule). "loss": by the
        loss. Or a function of theta, a contiguous array of shape (d,), that returns a number which grows on the way
        out; plain Python that numba can compile, or already compiled with njit. Its levels end at its highest value on
        the straight line from the start over the boundary; of the d lines a function's is the one at whose end it is
        highest, the loss's the one with the lowest pass. Paths above are at the top level until they are out. Neither
        sees the velocity: with inertia they find rates that are too small, mostly with a warning. Or a path, positions
        of shape (m, d) from the start over the saddle and, best, across the boundary, such as that of least action: by
        how far along it the nearest point is, with inertia the point nearest to where the momentum would carry it.
        Distances are those of coordinates.
    replicas
        Paths in each repetition.
    repetitions
        Independent repetitions, at least 2: the interval comes from their spread.
    level
        Confidence of the interval, in (0, 1).
    paths
        Also return the paths that left.
    partial
        Interrupted, as by Ctrl-C, return the repetitions that are complete, if there are two or more. The one under way
        is left out, and those that find a lower rate take a little longer: the mean of n is too large by -cov(rate,
        duration)/(n mean duration), at a barrier of 12 temperatures 0.1 %/n of the rate.

    Returns
    -------
    xarray.Dataset
        ``rate``, the mean over repetitions, with the interval ``rate_low`` to ``rate_high``, and ``reliable``, whether
        the interval can be trusted: no repetition went extinct, they have 5 families or more on average, the
        logarithms of their rates a standard deviation of at most 0.7, a factor of two, and there is neither a second
        valley behind the well nor an exit that the coordinate ignores. Otherwise a mean of few repetitions is mostly
        too small, and the ends are limits that hold all the same: the lower by Markov's inequality, the upper the rate
        of coming as far as the repetitions still had 20 families (with a valley or an exit unseen, 0 and the rate of
        entrances). Where all went extinct ``rate`` is NaN and ``rate_low`` 0. The attribute ``doubt`` says why a rate
        is not reliable, ``hidden`` what of it are valleys and exits unseen, ``partial`` what an interrupted run lacks
        (empty: nothing).

        On repetition: ``repetition_rate``, ``repetition_bound``, the rate behind the upper limit, ``entrance_rate``,
        ``probability``, ``rounds`` of replacement, ``families`` (entrances with descendants outside: few mean that
        the replicas are near copies of each other), ``extinct``, ``gate_low`` and ``gate_high``, the values of the
        reaction coordinate between which an entrance is counted, and ``steps``, the substeps computed. ``level_top``
        is where the levels end. With several coordinates ``paths_by_coordinate`` counts paths by the one farthest
        out when they left.

        With `paths`, on repetition and replica: ``crossing``, the position outside, and ``path``, the position when the
        reaction coordinate first was at or above each milestone, a share of the way from ``gate_low`` to ``level_top``;
        milestones below the entrance hold the entrance, those that an exit jumped over the exit. The replicas of a
        repetition have equal weights, the repetitions weights proportional to ``repetition_rate``; replicas of one
        family share the first part of their path, so they count for less than as many independent ones. Positions are
        NaN where a repetition went extinct.

    Raises
    ------
    ValueError
        If a parameter is out of range, the noise is not normal, the start is on the boundary, the reaction coordinate
        does not compile, is not a finite number or does not separate the well from the boundary, the rate that
        `escape_prospect` expects is below 1e-304, the well is too flat for replicas to settle, too few come to its rim,
        or a path diverges or is held between well and boundary.

    Warns
    -----
    RuntimeWarning
        Before it runs, if psi is more than twice what so many replicas split (`escape_prospect`). Afterwards, if
        the rate is not reliable; the message says why, and names the run. If paths leave within 10 of the times
        in which they forget their start, so that the barrier or the memory of a running second moment leaves no
        rate. If the optimizer has no stationary state: AMSGrad, Padam and AdaBound as shipped, and your own if it
        goes by the iteration. As in `diffusion.exit_times`, if the landscape couples several coordinates: the
        boundary counts in any.
    """
    replicas = checks.whole("replicas", replicas, least=2 * REMOVED)
    repetitions, boundary = checks.whole("repetitions", repetitions, least=2), regions.plain(boundary)
    level = checks.confidence(level)
    one = stride_of(substeps, scheme)  # iterations
    if one == 1:
        checks.whole("substeps", substeps)
    asked = replicas, start, "rest", [one], "moments", substeps, seed, "float64"
    plan = plan_run(dynamics, landscape, noise, one, *asked, scheme=scheme, increments=increments)
    refuse_other_laws(noise, "rare_escape_rate")
    edge = edge_of(boundary, landscape, plan.origin)
    if edge.entered.any():
        raise ValueError(
            f"boundary = {boundary!r}: paths are split on their way out, and a Ball is entered; use a HalfSpace before "
            "it"
        )
    prepared = prepare(plan, plan.substeps)
    if prepared.turned and plan.rotated:
        raise ValueError(
            f"boundary = {boundary!r} is in coordinates, and this rule runs along the eigenvectors of a rotated "
            "saddle; give it as a CoupledLandscape"
        )
    if paths:
        size = 8 * repetitions * replicas * (MILESTONES + 1) * len(plan.origin)
        refuse_memory(size, "paths = True", "run fewer replicas or repetitions")
    scale = scale_of(coordinate, plan, prepared, edge)
    warn_hopeless(
        dynamics,
        landscape,
        noise,
        edge,
        plan.origin,
        replicas=replicas,
        substeps=overshooting(scheme, int(plan.substeps[0])),
    )
    run = Run(plan, scale, edge, thread_count(threads), replicas, paths)
    found: list[Repetition] = []
    try:
        with task("splitting", float(repetitions), lambda: len(found) + run.share):
            while len(found) < repetitions:
                found.append(run.repetition(len(found)))
    except KeyboardInterrupt:
        if not partial or len(found) < 2:
            raise
    warn_no_rate(dynamics, found, run.well.forgetting)
    lacks = f"interrupted: {len(found)} of {repetitions} repetitions" if len(found) < repetitions else ""
    result = _label(found, plan, scale, {"boundary": boundary, "level": level, "paths": paths})
    return result.assign_attrs(partial=lacks)


def warn_no_rate(dynamics: Dynamics, found: list[Repetition], forgetting: float) -> None:
    """Say where paths leave before they have forgotten their start, and where there is no stationary state."""
    mean = 1 / max(float(np.mean([one.entrance_rate * one.probability for one in found])), np.finfo(float).tiny)
    if mean < SLOWER * forgetting:
        warnings.warn(
            f"paths leave after {mean:.3g} iterations on average, and forget their start in {forgetting:.3g}: the "
            "barrier is too low for one rate, and how they began counts; use diffusion.exit_times, and look at "
            "exponential_p of escape_rate",
            RuntimeWarning,
            stacklevel=3,
        )
    if dynamics.unsteady:
        warnings.warn(
            f"{dynamics!r} has no stationary state: {dynamics.unsteady}, and its rate changes with the iteration. "
            f"This is one of about iteration {max(one.iterations for one in found)}; use diffusion.exit_times for the "
            "times themselves",
            RuntimeWarning,
            stacklevel=3,
        )


def _label(found: list[Repetition], plan: Plan, scale: Scale, asked: dict[str, Any]) -> xarray.Dataset:
    import xarray

    entering = np.array([one.entrance_rate for one in found])
    rates, bounds = (entering * [getattr(one, name) for one in found] for name in ("probability", "bound"))
    ways, heights = np.isfinite(scale.places), passes(plan, scale.places)
    blind = unseen(scale.name, scale.ends, max(one.gate_low for one in found), heights[ways], np.nonzero(ways)[1])
    hidden = second_valley(plan, scale.places) or blind
    judged = estimate(rates, bounds, entering, [one.families for one in found], asked["level"], hidden)
    data: dict[str, Any] = {
        "rate": ((), judged.rate),
        "rate_low": ((), judged.low),
        "rate_high": ((), judged.high),
        "reliable": ((), judged.reliable),
        "level_top": ((), scale.top),
        "repetition_rate": ("repetition", rates),
        "repetition_bound": ("repetition", bounds),
    }
    for name in ("entrance_rate", "probability", "rounds", "families", "extinct", "gate_low", "gate_high", "steps"):
        data[name] = ("repetition", np.array([getattr(one, name) for one in found]))
    coords: dict[str, Any] = {"repetition": np.arange(len(found))}
    left_by = np.array([one.left_by for one in found])
    if len(plan.origin) > 1:
        data["paths_by_coordinate"] = (("repetition", "coordinate"), left_by)
        coords["coordinate"] = np.arange(len(plan.origin))
        warn_any_coordinate(plan.landscape, asked["boundary"], np.repeat(coords["coordinate"], left_by.sum(axis=0)), 4)
    if asked["paths"]:
        for name, more in (("path", ("milestone",)), ("crossing", ())):
            data[name] = (
                ("repetition", "replica", *more, "coordinate"),
                np.stack([getattr(one, name) for one in found]),
            )
        coords |= {
            "replica": np.arange(len(found[0].crossing)),
            "coordinate": np.arange(len(plan.origin)),
            "milestone": np.arange(MILESTONES) / MILESTONES,
        }
    kept = {
        key: value for key, value in plan.parameters.items() if key not in ("iterations", "save", "keep", "velocity")
    }
    parameters = kept | asked | {"coordinate": scale.record, "repetitions": len(found)}
    if judged.doubt:
        _warn(judged, hidden, parameters)
    described = describe(xarray.Dataset(data, coords), parameters)
    return described.assign_attrs(doubt=judged.doubt, hidden=hidden)


def _warn(judged: Estimate, hidden: str, parameters: dict[str, Any]) -> None:
    """Name the run, so that Python, which shows equal warnings once, shows each."""
    run = ", ".join(
        f"{name} = {reprlib.repr(value) if name == 'start' else value}" for name, value in parameters.items()
    )
    known, remedy = (
        f"the mean, {judged.rate:.3g}, is more likely too small than too large",
        "more replicas, or another coordinate",
    )
    if np.isnan(judged.rate):
        known = "there is no estimate"
    if hidden:
        known, remedy = f"the mean, {judged.rate:.3g}, leaves that out", "another coordinate, start or boundary"
    warnings.warn(
        f"the rate is not reliable, since {judged.doubt}; {known}, and from rate_low = {judged.low:.3g} to rate_high "
        f"= {judged.high:.3g} are limits; use {remedy}. Run: {run}",
        RuntimeWarning,
        stacklevel=4,
    )
