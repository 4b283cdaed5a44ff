"""One escape from a well by every route, as far as each reaches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

import theory
from diffusion import exit_times, rare_escape_rate
from diffusion.dynamics import Dynamics
from diffusion.landscapes import Landscape, QuadraticSaddle
from diffusion.noise import NoiseModel
from diffusion.prospects import Prospect, escape_prospect, written
from diffusion.regions import Region, parts_of
from experiments.problems import exits, optimizers
from experiments.problems.exact import GRID, QUADRATURE, Motion, Passage, plane_passage
from experiments.problems.exits import AT, BEYOND
from experiments.problems.ways import Way
from experiments.problems.wells import GRID_TOLERANCE, stated_rate
from experiments.referee import Routes, Row, Sample, told
from experiments.referee.faults import NOT_HAD, Fault, mean_exit, quietly, refused
from experiments.referee.laws import LEVEL, LogNormal
from experiments.referee.routes import TORCH_MISSING

FEWEST, MOST = 100, 4000  # exits of an ensemble
REPETITIONS = 8  # of splitting
SUBSTEPS = {False: exits.SUBSTEPS, True: 4 * exits.SUBSTEPS}  # of the SDE, by whether there is inertia
LONGEST = 40  # mean times after which an ensemble is stopped, should the estimate be too short
ROUNDING = 1e-6  # of positions, as a share of the way to the saddle
DEEP = 4.0  # psi below which splitting has nothing to split
# seconds on one core: of a coordinate's step in an ensemble, of one of splitting, and of torch's step of all replicas
STEP, SPLIT_STEP, TORCH_STEP = 15e-9, 75e-9, 5e-4
SLOW = "its steps are slow, and how many it takes is not known beforehand; use diffusion.exit_times_torch"
SPLIT_STEPS = 4.0  # of splitting: steps for each replica, psi and relaxation time
IN_THE_PLANE = "in two coupled coordinates the grid is the reference, given as exact"
ROUTES = {
    "simulated": "SDE ensemble",
    "discrete": "discrete ensemble",
    "splitting_sde": "SDE by splitting",
    "splitting": "discrete by splitting",
    "shipped": "as shipped",
    "torch": "torch",
}


@dataclass(frozen=True)
class Plan:
    """What a sampled route will take, and why it is not run if it is not."""

    replicas: int
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Escape:
    """What leaves what, and by which exit.

    Attributes
    ----------
    dynamics, landscape, noise
        The optimizer, idealized, and its problem.
    start, saddle
        Of every coordinate; the saddle is NaN where none is known.
    boundary, line
        The exit, and its name.
    ways
        Of coupled coordinates, the saddles over which the exit is reached; empty where none is known.
    """

    dynamics: Dynamics
    landscape: Landscape
    noise: NoiseModel
    start: Any
    saddle: float
    boundary: Any
    line: str
    ways: tuple[Way, ...] = ()

    @property
    def prospect(self) -> Prospect | None:
        """An order of magnitude of the iterations, beforehand."""
        where = {"noise": self.noise, "boundary": self.boundary, "start": self.start}
        return escape_prospect(self.dynamics, self.landscape, **where)

    @property
    def inert(self) -> bool:
        """Whether it has inertia; as shipped, whether it carries a momentum."""
        if self.dynamics.update is not None:
            return self.dynamics.update.momentum
        return bool(self.dynamics.rule(self.noise.variance_along(self.landscape)).inertia.any())

    @property
    def unable(self) -> dict[str, str]:
        """Why sampled routes cannot run, however long they may take."""
        dynamics, reasons = self.dynamics, dict[str, str]()
        if dynamics.update is not None:
            try:
                dynamics.substep(SUBSTEPS[self.inert])
            except ValueError as error:
                reasons |= dict.fromkeys(("simulated", "splitting_sde"), str(error))
        elif isinstance(self.landscape, QuadraticSaddle) and np.any(self.landscape.basis != np.eye(len(self.start))):
            rotated = (
                "in a rotated saddle it runs along the eigenvectors; splitting takes the saddle as a CoupledLandscape"
            )
            reasons |= dict.fromkeys(("splitting", "splitting_sde"), rotated)
        if not optimizers.has_second_moment(dynamics):
            reasons["shipped"] = exits.NO_SHIPPED
        elif dynamics.update is not None:
            reasons["discrete"] = "it is the optimizer as shipped: see there"
        if not dynamics.in_torch:
            reasons["torch"] = f"{optimizers.name(dynamics)} has no counterpart in torch"
        return reasons

    def plans(self, seconds: float, threads: int | None) -> dict[str, Plan]:
        """Of each sampled route, what `seconds` allow."""
        prospect, cores = self.prospect, threads or os.cpu_count() or 1
        d, whole = self.landscape.dimension, {"simulated": SUBSTEPS[self.inert]}
        plans: dict[str, Plan] = {}
        for name in ("simulated", "discrete", "shipped", "torch"):
            if prospect is None:
                plans[name] = Plan(FEWEST, seconds, "" if name != "torch" else SLOW)
                continue
            each = whole.get(name, 1) * d * STEP / cores
            if name == "torch":  # all replicas together, until the last leaves
                each = TORCH_STEP * np.log(FEWEST) / FEWEST
            plans[name] = _affordable(prospect, each, seconds)
        for name, substeps in (("splitting", 1), ("splitting_sde", SUBSTEPS[self.inert])):
            plans[name] = self._split(prospect, substeps * d / cores, seconds)
        return plans | {name: Plan(0, 0, reason) for name, reason in self.unable.items()}

    def _split(self, prospect: Prospect | None, steps: float, seconds: float) -> Plan:
        if any(isinstance(part, Region) for part in parts_of(self.boundary)):
            return Plan(0, 0, "of a Region splitting needs a reaction coordinate: see rare_escape_rate")
        if prospect is None:
            return Plan(1000, seconds)
        psi = prospect.exponent
        if psi < DEEP:
            return Plan(0, 0, f"psi = {psi:.2g}: ensembles see as much")
        each = SPLIT_STEPS * REPETITIONS * psi * prospect.relaxation * steps * SPLIT_STEP
        replicas = 1000
        if replicas * each > seconds:
            return Plan(0, 0, f"{replicas} replicas, {REPETITIONS} times, take {duration(replicas * each)}")
        while prospect.splitting_reach(replicas) < 2 * psi and 2 * replicas * each <= seconds:
            replicas *= 2
        if prospect.splitting_reach(replicas) >= psi:
            return Plan(replicas, replicas * each)
        most = prospect.splitting_reach(replicas)
        told = (
            f"psi = {psi:.3g} is beyond what {replicas} replicas split; with {prospect.remedy(most)}, splitting takes "
        )
        return Plan(0, 0, told + duration(replicas * each * most / psi))


def _affordable(prospect: Prospect, each: float, seconds: float) -> Plan:
    """As many exits as the time allows, `each` being the seconds of an iteration of one replica."""
    log_cost = prospect.log_iterations + np.log(each)
    replicas = int(min(np.exp(min(np.log(seconds) - log_cost, 50.0)), MOST))
    if replicas >= FEWEST:
        return Plan(replicas, float(replicas * np.exp(log_cost)))
    most = prospect.exponent_of(seconds / (FEWEST * each))
    needed = duration(FEWEST * np.exp(min(log_cost, 600.0)))
    with_less = f"; with {prospect.remedy(most)}, {duration(seconds)}" if most > 1 else ""
    return Plan(0, 0, f"{FEWEST} exits of {written(prospect.log_iterations)} iterations take {needed}{with_less}")


def duration(seconds: float) -> str:
    """A time in words."""
    for unit, size in (("years", 3.156e7), ("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 1.5 * size:
            number = seconds / size
            return f"{number:.0f} {unit}" if number < 1e4 else f"1e{np.log10(number):.0f} {unit}"
    return f"{max(seconds, 1):.0f} s"


def row(routes: Routes, escape: Escape, plans: dict[str, Plan], optimizer: str) -> Row:
    """The mean escape time in iterations, by every route."""
    reasons = {name: plan.reason for name, plan in plans.items()}
    values: dict[str, float] = {}
    checks = {}
    for name, compute in _references(escape):
        try:
            routes.on_start(f"{name}, {escape.line}")
            values[name] = float(compute())
        except NOT_HAD as error:
            reasons[name] = refused(error).reason
    values = {name: value for name, value in values.items() if np.isfinite(value)}
    try:
        routes.on_start(f"exact, {escape.line}")
        passage = _passage(escape)
        values["exact"] = passage.iterations
        checks["grid"] = (passage.error, 2 * GRID_TOLERANCE)
        if passage.method != QUADRATURE:
            reasons["fokker_planck"] = exits.ONLY_GRID if passage.method == GRID else IN_THE_PLANE
    except NOT_HAD as error:
        reasons["exact"] = refused(error).reason
    samples: dict[str, Sample] = {}
    for name, plan in plans.items():
        if not plan.reason:
            routes.on_start(f"{ROUTES[name]}, {escape.line}")
            sample = _sample(routes, escape, name, plan, values, samples)
            samples |= {name: sample} if sample else {}
            reasons |= {} if sample else {name: TORCH_MISSING}
    regime = {"optimizer": optimizer, "exit": escape.line, "boundary": repr(escape.boundary)}
    return Row(regime, values, samples, checks, reasons)


def _passage(escape: Escape) -> Passage:
    """The exact mean time: by quadrature, with inertia or in two coupled coordinates on a grid."""
    problem = (escape.dynamics, escape.landscape, escape.noise)
    if escape.landscape.formulas.coupled:
        return plane_passage(*problem, escape.start, escape.boundary)
    return Motion(*problem).passage(_one(escape.start), _lines(escape.boundary), GRID_TOLERANCE)


def _lines(boundary: Any) -> Any:
    """The boundary, a line in each coordinate or two."""
    if not isinstance(boundary, float | tuple):
        raise ValueError("it is known over lines in each coordinate")
    return boundary


def _one(start: Any) -> float:
    """The start, which must be that of every coordinate."""
    places = np.unique(np.asarray(start, float))
    if len(places) > 1:
        raise ValueError(f"start = {places.tolist()} differs between coordinates")
    return float(places[0])


def _minimum(escape: Escape) -> float:
    """The start, as formulas have it that are stated from the minimum over the saddle.

    Raises
    ------
    ValueError
        If it is no minimum, or the exit is neither at the saddle nor beyond.
    """
    start, saddle, boundary = _one(escape.start), escape.saddle, escape.boundary
    if not isinstance(boundary, float) or not (boundary - start) / (saddle - start) > 1 - ROUNDING:
        raise ValueError(
            f"it is stated over the saddle, {saddle:.6g}, and boundary = {boundary!r} is before or elsewhere"
        )
    here = np.full(escape.landscape.dimension, start)
    slope, curvature = float(escape.landscape.gradient(here)[0]), float(escape.landscape.hessian_diagonal(here)[0])
    if not abs(slope) <= ROUNDING * curvature * abs(saddle - start):
        raise ValueError(f"it is stated from the minimum, and start = {start:.6g} is none")
    return start


def _references(escape: Escape) -> Iterator[tuple[str, Callable[[], float]]]:
    """Numbers without sampling, besides the exact one."""
    saddle, boundary = escape.saddle, escape.boundary
    problem = (escape.dynamics, escape.landscape, escape.noise)

    def motion() -> Motion:
        if not isinstance(boundary, float):
            raise ValueError("it is known over one line in each coordinate")
        return Motion(*problem)

    def paper() -> float:
        if not np.isfinite(saddle) or escape.landscape.formulas.coupled:
            raise ValueError("it is stated for a minimum and a saddle along a coordinate, and none is told here")
        return 1 / stated_rate(*problem, _minimum(escape), saddle)

    if escape.ways:
        yield "paper", lambda: 1 / sum(1 / way.stated for way in over_saddles(escape))
        yield "paper_exponent", lambda: min(way.exponent for way in over_saddles(escape))
        yield "least_action", lambda: min(way.least.action for way in over_saddles(escape))
        yield "low_temperature", lambda: 1 / sum(1 / way.limit() for way in _final(escape))
        return
    yield "paper", paper
    yield "low_temperature", lambda: _low_temperature(motion(), escape)
    yield "fokker_planck", lambda: Motion(*problem).grid(_one(escape.start), _lines(boundary))
    yield "exact_discrete", lambda: motion().chain(_one(escape.start), boundary)
    yield "exact_simulated", lambda: motion().chain(_one(escape.start), boundary, SUBSTEPS[False])


def over_saddles(escape: Escape) -> tuple[Way, ...]:
    """Its ways, from the minimum.

    Raises
    ------
    ValueError
        If it starts elsewhere, or the exit is before a saddle.
    """
    for way in escape.ways:
        off = np.linalg.norm(escape.start - way.minimum)
        if off > ROUNDING * np.linalg.norm(way.saddle - way.minimum):
            raise ValueError(f"it is stated from the minimum, and start = {escape.start.tolist()} is none")
        if way.before(escape.boundary):
            raise ValueError(f"it is stated over the saddle at {way.saddle.tolist()}, and the exit is before it")
    return escape.ways


def _final(escape: Escape) -> tuple[Way, ...]:
    """Its ways, to an exit from which nearly no path returns.

    Raises
    ------
    ValueError
        If many do.
    """
    if not all(way.final(escape.boundary) for way in over_saddles(escape)):
        raise ValueError(
            "it is stated for exits so far beyond the saddle that an arrival is final, and this one is nearer"
        )
    return escape.ways


def _low_temperature(motion: Motion, escape: Escape) -> float:
    """Laplace's integrals for the Ito equation, with Kramers' factor and the effective temperature of inertia.

    ``2 pi gamma M sqrt(T_b/T_a)/sqrt(H_a |H_b|)`` over that factor, times ``exp(Delta L [s/T_a + (1-s)/T_eff])``;
    without inertia half of it at the saddle.
    """
    stated = escape.line == BEYOND or (escape.line == AT and not motion.inertia)
    if not stated or motion.follows or motion.landscape.dimension > 1:
        raise ValueError("it is stated in one coordinate, with inertia beyond the saddle")
    start, saddle = _minimum(escape), escape.saddle
    places = np.array([[start], [saddle]])
    (bottom, top), (h_a, h_b) = (
        escape.landscape.losses(places)[:, 0],
        np.abs(escape.landscape.hessian_diagonal(places))[:, 0],
    )
    t_a, t_b = motion.temperature(start), motion.temperature(saddle)
    factor, beyond = 1.0, t_b
    if motion.inertia:
        langevin = {"hessian_saddle": h_b, "mass": motion.mass, "damping": motion.damping}
        factor = float(theory.effective_diffusion(**langevin))
        beyond = float(theory.effective_temperature(temperature_minimum=t_a, temperature_saddle=t_b, **langevin))
    join = next((x for x in motion.breaks if (x - start) * (x - saddle) < 0), saddle)
    if join == saddle and t_a != t_b:
        raise ValueError("the noise varies otherwise than at an inflection")
    below = float(escape.landscape.losses(np.array([join]))[0]) - bottom
    psi = below / t_a + (top - bottom - below) / beyond
    with np.errstate(over="ignore"):
        time = 2 * np.pi * motion.friction * np.sqrt(t_b / t_a / (h_a * h_b)) / factor * np.exp(psi) / motion.lr
    return float(time / 2 if escape.line == AT else time)


def split(
    dynamics: Dynamics,
    landscape: Landscape,
    expected: float | None = None,
    allowance: float = 0.0,
    unit: float = 1.0,
    **options: Any,
) -> Sample:
    """The mean escape time by splitting, an iteration being so many units; a fault where it is not reliable."""
    try:
        with quietly():
            run = rare_escape_rate(dynamics, landscape, repetitions=REPETITIONS, **options)
    except NOT_HAD as error:
        return Sample(np.nan, LogNormal(np.nan, np.nan), fault=refused(error))
    if not run["reliable"]:
        fault = Fault(str(run.attrs["doubt"]), "inconclusive")
        return Sample(np.nan, LogNormal(np.nan, np.nan), fault=fault)
    spread = float(np.log(run["rate_high"] / run["rate_low"])) / 2  # of rates that are nearly log-normal
    deviation = spread / float(stats.norm.isf((1 - LEVEL) / 2))
    return Sample(unit / float(run["rate"]), LogNormal(deviation, deviation), expected, allowance)


def _sample(
    routes: Routes, escape: Escape, name: str, plan: Plan, values: dict[str, float], known: dict[str, Sample]
) -> Sample | None:
    """What a route measures; None without torch."""
    dynamics = escape.dynamics if name not in ("shipped", "torch") else optimizers.as_shipped(escape.dynamics)
    sde, inert = name in ("simulated", "splitting_sde"), escape.inert
    substeps = SUBSTEPS[inert] if sde else 1
    text = told(name, dynamics, repr(escape.landscape), escape.noise, escape.boundary)
    where = {"noise": escape.noise, "start": escape.start, "boundary": escape.boundary}
    expected = values.get("exact" if inert and sde else "exact_simulated" if sde else "exact_discrete")
    allowance = exits.SCHEME if inert and sde else 0.0
    options: dict[str, Any] = routes.options(text, plan.replicas) | where | {"substeps": substeps}
    if name in ("splitting", "splitting_sde"):
        return split(dynamics, escape.landscape, expected, allowance, **options)
    prospect = escape.prospect
    mean = prospect.log_iterations if prospect else np.log(plan.seconds / STEP / plan.replicas / LONGEST)
    options["max_iterations"] = int(min(LONGEST * np.exp(mean), exits.HORIZON))
    if name != "torch":
        idealized = dynamics.update is None
        options["velocity"] = "thermal" if inert and sde and idealized else "rest"
        lines = isinstance(escape.boundary, float | tuple) and not escape.landscape.formulas.coupled
        if (
            sde and lines and idealized and not inert
        ):  # else paths that cross between two substeps are missed: times a fifth too long
            options["crossing"], expected = "bridge", None  # of its time step no exact value is known
        measured = mean_exit(lambda: exit_times(dynamics, escape.landscape, **options))
        return Sample.of(measured, None if name == "shipped" else expected, allowance)
    if not routes.torch:
        return None
    from diffusion import exit_times_torch

    options = {key: value for key, value in options.items() if key not in ("threads", "substeps")} | {
        "seed": options["seed"] >> 1
    }
    measured = mean_exit(lambda: exit_times_torch(dynamics, escape.landscape, **options))
    against = known.get("shipped" if optimizers.has_second_moment(dynamics) else "discrete")
    if expected is None and against is not None and not against.fault:
        return Sample.of(measured, against.value, other=int(against.law.freedom) // 2)  # type: ignore[attr-defined]
    return Sample.of(measured, expected)
