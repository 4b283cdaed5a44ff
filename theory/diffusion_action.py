"""The likeliest path of a rare event, and its action: the exponent of escape rates in any number of coordinates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory.action_chain import Chain
from theory.action_clock import Clock, geometric_durations, graded, interpolated, regraded
from theory.action_problem import Field, Problem, check_smooth
from theory.action_search import NEAR, Found, bent_paths, descended, given_path, stages

Array = NDArray[np.float64]
WORST = 0.02  # relative error at which no action is told
NO_PATH = "end is reached by no path: diffusion leaves out a direction that has to be taken; give an end it reaches"
ROUNDS = 8  # of clock and path in turn


@dataclass(frozen=True, repr=False)
class LeastAction:
    """The likeliest path and what it costs.

    Parameters
    ----------
    action
        Rates go like ``exp(-action)``.
    error
        Estimate of its error.
    path
        Positions (m, d) from start to end.
    times
        Their times (m,), from 0; in truth the path takes for ever to leave a start at rest.
    momenta
        Of the steps between them, (m-1, d): the gradient of the quasi-potential, the action as a function of the end.
    paths
        All paths found whose actions are within a thousandth of the least, `path` the first.
    """

    action: float
    error: float
    path: Array
    times: Array
    momenta: Array
    paths: tuple[Array, ...]

    def __repr__(self) -> str:
        """The action and the ends, as "LeastAction(action=0.0712716, error=3e-10, from [-1, 0] to [0, 0.5])"."""
        start, end = (f"[{', '.join(f'{x:.6g}' for x in self.path[k])}]" for k in (0, -1))
        ways = f", {len(self.paths)} paths" if len(self.paths) > 1 else ""
        return f"LeastAction(action={self.action:.6g}, error={self.error:.1g}, from {start} to {end}{ways})"


def least_action(
    drift: Field,
    diffusion: ArrayLike | Field,
    *,
    start: ArrayLike,
    end: ArrayLike,
    jump: Field | None = None,
    guess: ArrayLike | None = None,
) -> LeastAction:
    """Least action of a path of ``dx = b dt + sqrt(2 D) dW`` from a minimum to a point, in any time: ``exp(-action)``.

    ``action = (1/4) int (x' - b) D^-1 (x' - b) dt`` (Freidlin & Wentzell). b need not be a gradient, nor D constant or
    invertible: with inertia the noise drives velocities alone.

    1. Coordinates are those in which the noise about the start is round and the end is 1 away.
    2. Paths bent to either side of the straight one are relaxed by Newton's method at given durations of their steps,
       by the midpoint rule; then durations and nodes are set anew (Heymann & Vanden-Eijnden 2008 set them alike).
    3. The least of them, and those near it, are relaxed again with 2 and 4 times the steps, and extrapolated.
    4. Where D is singular, noise is added in all directions, less and less, and the action extrapolated to none.

    Parameters
    ----------
    drift
        b, from positions (n, d) to (n, d).
    diffusion
        D, a matrix (d, d), or a function from (n, d) to (n, d, d); smooth on the scale of a thousandth of the way.
    start
        A point of rest (d,) that is stable without noise. Positions and velocities if there is inertia.
    end
        Any other point: a saddle of index 1, or one at which the path arrives.
    jump
        A function from (n, d) to (n,) that changes sign where D jumps.
    guess
        Positions (m, d) along a path from which to search too.

    Returns
    -------
    LeastAction
        With smooth b and D that has an inverse about 1e-8, with inertia or jumps about 1e-3.

    Raises
    ------
    ValueError
        If start is not a stable point of rest, end is a saddle of higher index, D is not positive semidefinite, no path
        leads to the end, or the action's error is above 2 % of it.
    """
    problem = Problem.of(drift, diffusion, start, end, jump)
    search = _Search(problem)
    shares = graded(np.linspace(0, 1, problem.steps + 1), problem.rest)
    begin = bent_paths(problem.frame.inside(problem.end[None])[0], shares)
    if guess is not None:
        begin.insert(0, given_path(guess, problem.frame, problem.end, shares))
    if jump is None:
        check_smooth(problem.diffusion, problem.frame.outside(begin[0]))
    best = sorted(
        (search.refined(nodes) for nodes in descended(begin, search.stages(begin[0]), search.relaxed)),
        key=lambda each: each.action,
    )
    if jump is None:
        check_smooth(problem.diffusion, best[0].path)
    return replace(best[0], paths=tuple(each.path for each in best if each.action <= best[0].action * (1 + NEAR)))


@dataclass(frozen=True)
class _Search:
    """A problem in its frame."""

    problem: Problem

    def stages(self, nodes: Array) -> tuple[float, ...]:
        """Noise that is added, stage by stage."""
        return stages(self.problem.motion(0.0, self.problem.steps).spread(nodes))

    def relaxed(self, nodes: Array, added: float) -> Found:
        """The least action near given nodes, by path and durations in turn."""
        motion, action, minimum = self.problem.motion(added, self.problem.steps), np.inf, False
        for _ in range(ROUNDS):
            before = action
            durations = geometric_durations(motion, nodes, 50 / self.problem.rate)
            if not np.isfinite(durations).all():
                raise ValueError(f"drift = {self.problem.drift!r} is not finite on the way; give a guess past it")
            nodes, durations = regraded(nodes, durations, self.problem.rest)
            chain = Chain(motion, durations, pin=_pin(nodes) if self.problem.rest else None)
            nodes, action, minimum = chain.relaxed(nodes, 1e-10)
            if abs(action - before) < (1e-3 if added else 1e-6) * action:
                break
        return action, nodes, minimum

    def refined(self, nodes: Array) -> LeastAction:
        """The extrapolated action, and its path of most nodes."""
        problem, longest = self.problem, 50 / self.problem.rate
        added = self.stages(nodes)[-1]
        clock = Clock.of(geometric_durations(problem.motion(added, problem.steps), nodes, longest), problem.rest)
        rows = []
        for steps in (problem.steps, 2 * problem.steps, 4 * problem.steps):
            edges = np.linspace(0, 1, steps + 1)
            nodes, durations = interpolated(nodes, edges), clock.durations(edges)
            chain = Chain(problem.motion(added, steps), durations, pin=_pin(nodes) if problem.rest else None)
            nodes, action, _ = chain.relaxed(nodes, 1e-14)
            rows.append(action)
        order = 2 if problem.jump is None else 1  # in the steps' size, to which a jump's spread is tied
        once = [(2**order * fine - coarse) / (2**order - 1) for coarse, fine in pairwise(rows)]
        action = (4**order * once[1] - once[0]) / (4**order - 1)
        error = abs(action - once[1]) + 1e-10 * action
        if added:
            shift = rows[-1] - replace(chain, hamiltonian=problem.motion(2 * added, steps)).relaxed(nodes, 1e-14)[1]
            action, error = action + shift, error + abs(shift) / 10
            if shift > 0.1 * action:
                raise ValueError(NO_PATH)
        else:  # a path that stands still between its ends, at a saddle, would take longer than the clock gives it
            best = geometric_durations(problem.motion(added, problem.steps), nodes, 20 * longest)
            error += chain.action(nodes) - replace(chain, durations=best).action(nodes)
        if error > WORST * action:
            told = (
                f"the least action is {problem.frame.scale * action:.4g} with an error of {100 * error / action:.2g} %"
            )
            raise ValueError(f"{told}: it is not resolved; give a guess, or an end nearer to the start")
        frame = problem.frame
        momenta = chain.hamiltonian.cost(*chain.steps(nodes)).momentum
        return LeastAction(
            action=frame.scale * action,
            error=frame.scale * error,
            path=frame.outside(nodes),
            times=np.append(0, np.cumsum(durations)),
            momenta=np.asarray(frame.scale * momenta @ frame.whiten),
            paths=(),
        )


def _pin(nodes: Array) -> tuple[int, Array, Array]:
    """The middle node, held across the path: between two ends at rest a path may be run through sooner or later."""
    k = len(nodes) // 2
    way = nodes[k + 1] - nodes[k - 1]
    return k, nodes[k].copy(), 10 * way / np.linalg.norm(way)
