"""A user's own problem as a claim: that the paper's formula is right there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diffusion import QuadraticSaddle, checks
from diffusion.dynamics import Dynamics
from diffusion.edges import NO_PART, edge_of
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel, refuse_other_laws
from diffusion.problem import check_kinds
from experiments import drawing
from experiments.claims import proposition_1, proposition_3, theorem_1, theorem_2
from experiments.comparison import figure
from experiments.comparison.table import ROUTES, table, tells
from experiments.problems import displacements, escapes, exits, optimizers, panels, saddles
from experiments.problems.displacements import Paper
from experiments.problems.escapes import Escape, Plan
from experiments.problems.exact import Motion
from experiments.problems.saddles import Departure, Saddle
from experiments.problems.ways import beyond, ways_out
from experiments.referee import Claim, Evidence, Finding, Routes, size
from experiments.sweep.measurements import Problem, boundary_of

REPLICAS, TORCH_REPLICAS = 4096, 1024  # of displacements
NEARLY = 1e-6  # relative error of a least action that counts as none
DISPLACED: dict[str, Paper] = {
    "SGD": theorem_1.paper,
    "Momentum": theorem_2.paper,
    "Adam": proposition_1.paper,
    "RMSprop": proposition_1.paper,
    "Adai": proposition_3.paper,
}


@dataclass(frozen=True, eq=False)
class Question(Claim):
    """One of two questions: how far an optimizer is from a saddle, or how long it stays in a well.

    Attributes
    ----------
    departures
        From the saddle, one for each start; none of a well.
    escapes
        From the well, one for each exit; none of a saddle.
    seconds, threads
        That one sampled route may take, on so many threads.
    """

    departures: tuple[Departure, ...]
    escapes: tuple[Escape, ...]
    seconds: float
    threads: int | None

    name = "Your question"
    place = "your own"
    statement = "The paper's formula is right here."

    @property
    def dynamics(self) -> Dynamics:
        """The optimizer."""
        return (self.departures or self.escapes)[0].dynamics

    @property
    def landscape(self) -> Landscape:
        """What is left; of a saddle, that."""
        return self.escapes[0].landscape if self.escapes else self.departures[0].saddle.problems[0][0]

    @property
    def stated(self) -> str:
        """Where the paper states its formula."""
        return optimizers.stated(self.dynamics)[bool(self.escapes)] or "the paper"

    @property
    def formula(self) -> Paper:
        """The paper's for displacements."""
        return DISPLACED.get(optimizers.name(self.dynamics), _unstated)

    @cached_property
    def plans(self) -> list[dict[str, Plan]]:
        """What the time allows of each sampled route, by exit."""
        return [escape.plans(self.seconds, self.threads) for escape in self.escapes]

    @property
    def outlook(self) -> str:
        """What is within reach, in words: barrier over temperature, iterations, and which routes run, or why not."""
        rule = _brief(self.dynamics)
        if self.departures:
            departure = self.departures[0]
            landscape, noise = departure.saddle.problems[0]
            beyond = [str(time) for time in departure.times if time > departure.longest]
            late = f", but not at T = {', '.join(beyond)}, which take too long" if beyond else ""
            lines = [f"{rule} leaves {landscape!r} under {noise!r}, at T = {list(departure.times)} iterations:"]
            return "\n".join([*lines, "  the paper, exact: at once", f"  all that is sampled: seconds each{late}"])
        lines = [f"{rule} leaves {_brief(self.escapes[0].landscape)} under {self.escapes[0].noise!r}:"]
        lines += [
            f"{each.line}: {each.prospect or 'how long it takes is not known beforehand'}" for each in self.escapes
        ]
        texts: dict[str, list[str]] = {}
        for name in self.plans[0]:
            plans = [plans[name] for plans in self.plans]
            alike = len({bool(plan.reason) for plan in plans}) == 1  # the last exit takes longest: it speaks for both
            for escape, plan in list(zip(self.escapes, plans, strict=True))[-1 if alike else 0 :]:
                cost = f"{plan.replicas} replicas, about {escapes.duration(plan.seconds)}"
                text = f"not run: {plan.reason}" if plan.reason else cost
                texts.setdefault(text, []).append(ROUTES[name] if alike else f"{ROUTES[name]} {escape.line}")
        return "\n".join([*lines, *(f"  {', '.join(names)}: {text}" for text, names in texts.items())])

    @property
    def foretold(self) -> set[str]:
        """Reasons that `outlook` gives, of all exits."""
        return {plan.reason for plans in self.plans for plan in plans.values()}

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """By every route within reach."""
        name = optimizers.describe(self.dynamics)
        if self.escapes:
            pairs = zip(self.escapes, self.plans, strict=True)
            rows = [escapes.row(routes, escape, plan, name) for escape, plan in pairs]
            yield Evidence.of_rows(name, exits.ITERATIONS, rows)
        for departure in self.departures:
            yield displacements.evidence(routes, departure, self.formula)

    def findings(self, evidence: Sequence[Evidence]) -> Iterable[Finding]:
        """The formula over the reference, at each exit or where it is farthest off."""
        for piece in filter(tells, evidence):
            shown = table(piece)
            if "paper" not in shown["route"]:
                continue
            ratio = shown["ratio"].sel(route="paper", drop=True)
            dims, worst = ratio.dims, ratio.values
            places = list(np.argwhere(np.isfinite(worst) & (worst > 0)))
            if not self.escapes:
                places = sorted(places, key=lambda place: -abs(np.log(worst[tuple(place)])))[:1]
            for place in places:
                here = {str(dim): ratio[dim].values[k].item() for dim, k in zip(dims, place, strict=True)}
                at = here["exit"] if self.escapes else f"at T = {here['iterations']}, H = {here['eigenvalue']:g}"
                number = float(worst[tuple(place)])
                exact = "exact" in piece.data and bool(np.isfinite(piece.data["exact"].values[tuple(place)]))
                over = "the exact value" if exact else "the limit of low temperature"
                which = at if self.escapes else f"{piece.case.started}, farthest off {at}"
                text = f"{self.stated} {size(number)} {which} ({number:.4g} times {over})"
                yield Finding.judged(f"{piece.label}, {at}", number, text, text)
            yield from self._exponents(piece)

    def _exponents(self, piece: Evidence) -> Iterator[Finding]:
        """Of coupled coordinates, the formula's exponent over the least action of a path."""
        if {"paper_exponent", "least_action"} <= set(piece.data):
            paper, least = (float(piece.data[name][0]) for name in ("paper_exponent", "least_action"))
            off = "is exact" if abs(paper / least - 1) < NEARLY else size(paper / least)
            text = f"{self.stated}'s exponent {off} ({paper:.4g}, that of the likeliest path {least:.4g})"
            yield Finding.judged("exponent over the least action", paper / least, text, text)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[drawing.Named]:
        """Interval bars beside theory as lines, or displacements against iterations."""
        told = [finding.text.partition(" (")[0] for finding in self.findings(evidence)]
        title = "\n".join([optimizers.describe(self.dynamics), *told])
        if self.escapes:
            yield figure.bars(self.name, title, table(evidence[0]))
            if self.landscape.dimension == 2 and "least_action" in evidence[0].data:
                yield figure.over_the_pass(self.name, title, self.escapes[0].ways)
            return
        h = self.departures[0].saddle.hessian
        colours = iter((drawing.BLUE, drawing.ORANGE, drawing.GREEN, drawing.PURPLE))
        series = [
            panels.Series(f"{piece.case.started}, H = {eigenvalue:g}", next(colours), [piece], eigenvalue)
            for piece in filter(tells, evidence)
            for eigenvalue in dict.fromkeys((float(h.min()), float(h.max())))
        ]
        yield panels.draw("comparison", self.name, title, series, self.formula)


def ask(
    dynamics: Dynamics,
    landscape: Landscape,
    noise: NoiseModel,
    boundary: Any,
    start: ArrayLike | None,
    iterations: Sequence[int] | None,
    seconds: float,
    threads: int | None,
) -> Question:
    """What is asked, from what is given; arguments and errors are those of `compare`."""
    check_kinds(dynamics=dynamics, landscape=landscape, noise=noise)
    refuse_other_laws(noise, "compare")
    if isinstance(landscape, QuadraticSaddle) and boundary is None:
        rule = dynamics.rule(noise.variance_along(landscape))
        inert = bool(rule.inertia.any())
        beta = float(rule.inertia.max()) if inert else 0.9
        given = (
            saddles.iteration_grid(beta) if iterations is None else [checks.whole("iterations", t) for t in iterations]
        )
        longest = int(seconds / max(2 * REPLICAS * landscape.dimension * escapes.STEP, escapes.TORCH_STEP))
        saddle = Saddle(((landscape, noise),), tuple(landscape.hessian.tolist()))
        more: dict[str, Any] = {"memory": inert, "saddle": saddle, "longest": longest}
        more["times"] = tuple(sorted({int(time) for time in given}))
        starts = ("rest", "thermal") if inert else ("rest",)
        return Question(tuple(Departure(dynamics, each, beta, **more) for each in starts), (), seconds, threads)
    origin = landscape.reference if start is None else checks.per_coordinate("start", start, landscape.dimension)
    problem = Problem(dynamics, landscape, noise)
    if landscape.formulas.coupled:
        end = None if boundary is None else boundary_of(problem, checks.plain(boundary))
        return Question((), (_coupled(problem, origin, end),), seconds, threads)
    saddle_at = np.nan
    if boundary is None or isinstance(boundary, str):
        end = saddle_at = boundary_of(problem, boundary or "saddle")
    else:
        end = boundary_of(problem, checks.plain(boundary))
        with suppress(ValueError):  # the landscape need not tell one
            saddle_at = boundary_of(problem, "saddle")
    ends = {exits.AT if end is saddle_at else f"boundary = {end!r}": end}
    if boundary is None and dynamics.update is None:
        ends[exits.BEYOND] = exits.far_side(Motion(dynamics, landscape, noise), float(origin[0]), saddle_at)
    placed = {line: float(end) if isinstance(end, int) else end for line, end in ends.items()}
    asked = (Escape(dynamics, landscape, noise, origin, saddle_at, end, line) for line, end in placed.items())
    return Question((), tuple(asked), seconds, threads)


def _coupled(problem: Problem, origin: Any, boundary: Any) -> Escape:
    """An escape from a well of a coupled landscape, with the saddles that lead to the exit."""
    dynamics, landscape, noise = problem.dynamics, problem.landscape, problem.noise
    if boundary is None:
        ways = ways_out(dynamics, landscape, noise)
        end = beyond(landscape, ways)
        return Escape(dynamics, landscape, noise, origin, np.nan, end, exits.BEYOND, ways)
    edge, ways = edge_of(boundary, landscape, origin), ()
    with suppress(ValueError):  # there need be none
        ways = ways_out(dynamics, landscape, noise, lambda x: edge.crossed(landscape, x[None])[0][0] != NO_PART)
    return Escape(dynamics, landscape, noise, origin, np.nan, boundary, f"boundary = {boundary!r}", ways)


def _unstated(departure: Departure, iterations: Any) -> Any:
    """Of an optimizer that the paper does not know."""
    return np.full((len(iterations), len(departure.saddle.eigenvalues)), np.nan)


def _brief(given: Dynamics | Landscape) -> str:
    """As it was given, but for functions of several lines."""
    told = repr(given)
    return type(given).__name__ if "\n" in told else told
