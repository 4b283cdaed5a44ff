"""The likeliest path of a rare event, and its action: the exponent of escape rates in any number of coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks
from theory.action_chain import Chain
from theory.action_clock import Clock, geometric_durations, interpolated, regraded
from theory.action_frame import (
    Frame,
    bent_paths,
    check_end,
    check_start,
    distinct,
    given_path,
    growth_at_rest,
    point,
)
from theory.hamiltonians import Diffusing, differentiated

Array = NDArray[np.float64]
Field = Callable[[Any], Any]
STEPS = 128  # of the search; the answer is extrapolated from 1, 2 and 4 times as many
ADDED = (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5)  # noise in all directions while that of the problem leaves some out
NEAR = 1e-3  # actions that differ by less, relatively, are near-equal
ROUNDS = 8  # of clock and path in turn


@dataclass(frozen=True)
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
    2. Paths bent to either side of the straight one are relaxed by Newton's method at given durations of their steps, by
       the midpoint rule; then durations and nodes are set anew (Heymann & Vanden-Eijnden 2008 set them alike).
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
        If start is not a stable point of rest, end is a saddle of higher index, D is not positive semidefinite, or no
        path leads to the end.
    """
    a, b = _ends(start, end)
    field, spread = _field("drift", drift, len(a)), _spread(diffusion, len(a))
    noise = spread(a[None])[0] if callable(spread) else spread
    slope = _slope(field, a, np.linalg.norm(b - a))
    rate = check_start(a, growth_at_rest("start", a, field(a[None])[0], slope, float(np.linalg.norm(b - a))))
    frame = Frame.of(a, b, slope, noise)
    growth = growth_at_rest("end", b, field(b[None])[0], _slope(field, b, np.linalg.norm(b - a)), float(np.linalg.norm(b - a)))
    check_end(b, growth)
    search = _Search(frame, field, spread, rate, growth is not None, jump)
    begin = bent_paths(frame.inside(b[None])[0], STEPS, search.rest)
    if guess is not None:
        begin.insert(0, given_path(guess, frame, a, b, STEPS, search.rest))
    found = [search.settled(nodes) for nodes in begin]
    best = [search.refined(nodes) for nodes in distinct([pair[:2] for pair in found if pair[2]] or [pair[:2] for pair in found], NEAR)]
    best = sorted(best, key=lambda each: each.action)
    kept = tuple(each.path for each in best if each.action <= best[0].action * (1 + NEAR))
    return LeastAction(best[0].action, best[0].error, best[0].path, best[0].times, best[0].momenta, kept)


@dataclass(frozen=True)
class _Search:
    """A problem in its frame."""

    frame: Frame
    drift: Field
    diffusion: Field | Array
    rate: float
    rest: bool
    jump: Field | None

    def ladder(self, nodes: Array) -> tuple[float, ...]:
        """Noise that is added, stage by stage."""
        values = np.linalg.eigvalsh(self.motion(0.0, STEPS).spread(nodes))
        return ADDED if values.min() < 1e-6 * values.max() else (0.0,)

    def motion(self, added: float, steps: int) -> Diffusing:
        """Drift and diffusion in the frame."""
        frame, whiten = self.frame, self.frame.whiten

        def drift(z: Array) -> Array:
            return np.asarray(self.drift(frame.outside(z)) @ whiten.T)

        def diffusion(z: Array) -> Array:
            assert callable(self.diffusion)
            return np.asarray(frame.scale * (whiten @ self.diffusion(frame.outside(z)) @ whiten.T))

        if not callable(self.diffusion):
            return Diffusing(drift, frame.scale * (whiten @ self.diffusion @ whiten.T), added * self.rate)
        if self.jump is None:
            return Diffusing(drift, diffusion, added * self.rate)
        return Diffusing(drift, softened(diffusion, lambda z: self.jump(frame.outside(z)), 4 / steps), added * self.rate)

    def chain(self, nodes: Array, durations: Array, added: float, pin: Array) -> Chain:
        """The nodes' chain; if both ends are at rest the path may pass sooner or later, and is held in its middle."""
        k = len(durations) // 2
        way = pin[len(pin) // 2 + 1] - pin[len(pin) // 2 - 1]
        held = (k, pin[len(pin) // 2], 10 * way / np.linalg.norm(way)) if self.rest else None
        return Chain(self.motion(added, len(durations)), durations, pin=held)

    def settled(self, nodes: Array) -> tuple[float, Array, bool]:
        """The least action near given nodes, its nodes, and whether it is a minimum."""
        action, minimum = np.inf, False
        ladder = self.ladder(nodes)
        for added in ladder:
            motion = self.motion(added, STEPS)
            for _ in range(ROUNDS):
                before = action
                durations = geometric_durations(motion, nodes, 50 / self.rate)
                if not np.isfinite(durations).all():
                    raise ValueError("drift or diffusion is not finite on the way; give an end that paths can reach, or a guess")
                nodes, durations = regraded(nodes, durations, self.rest)
                nodes, action, minimum = self.chain(nodes, durations, added, nodes).relaxed(nodes, 1e-10)
                if abs(action - before) < (1e-6 if len(ladder) == 1 else 1e-3) * action:
                    break
        return action, nodes, minimum

    def refined(self, nodes: Array) -> LeastAction:
        """The extrapolated action, and its path of most nodes."""
        added = self.ladder(nodes)[-1]
        clock = Clock.of(geometric_durations(self.motion(added, STEPS), nodes, 50 / self.rate), self.rest)
        pin, rows = nodes, []
        for steps in (STEPS, 2 * STEPS, 4 * STEPS):
            edges = np.linspace(0, 1, steps + 1)
            nodes, durations = interpolated(nodes, edges), clock.durations(edges)
            chain = self.chain(nodes, durations, added, pin)
            nodes, action, _ = chain.relaxed(nodes, 1e-14)
            rows.append(action)
        once = [(4 * fine - coarse) / 3 for coarse, fine in zip(rows, rows[1:], strict=False)]
        action = (16 * once[1] - once[0]) / 15
        error = abs(action - once[1]) + 1e-10 * action
        if not added:  # a path that stands still between its ends, at a saddle, would take longer than the clock gives
            best = geometric_durations(chain.hamiltonian, nodes, np.inf)
            error += float(durations @ chain.hamiltonian.rate(*chain.steps(nodes)) - best @ chain.hamiltonian.rate(*replace(chain, durations=best).steps(nodes)))
        else:
            shift = rows[-1] - self.chain(nodes, durations, 2 * added, pin).relaxed(nodes, 1e-14)[1]
            action, error = action + shift, error + abs(shift) / 10
            if shift > 0.1 * action:
                raise ValueError("diffusion reaches the end by no path: noise leaves out a direction that has to be taken; give an end it can reach")
        momenta = chain.hamiltonian.cost(*chain.steps(nodes)).momentum
        scale = self.frame.scale
        return LeastAction(
            scale * action,
            scale * error,
            self.frame.outside(nodes),
            np.append(0, np.cumsum(durations)),
            scale * momenta @ self.frame.whiten,
            (),
        )


def softened(diffusion: Field, jump: Field, width: float) -> Field:
    """A diffusion whose jump, where `jump` changes sign, is spread smoothly over a width to either side."""

    def smooth(z: Array) -> Array:
        values = np.array(diffusion(z))
        level, slope, _ = differentiated(jump, z)
        size = np.linalg.norm(slope, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = level / size
        near = np.abs(distance) < width
        if near.any():
            off, normal = distance[near, None], slope[near] / size[near, None]
            u = (off[..., None] / width + 1) / 2
            share = u**3 * (10 - 15 * u + 6 * u**2)
            low, high = (diffusion(z[near] + (side * width - off) * normal) for side in (-1, 1))
            values[near] = (1 - share) * low + share * high
        return values

    return smooth


def _ends(start: ArrayLike, end: ArrayLike) -> tuple[Array, Array]:
    a, b = point("start", start), point("end", end)
    if len(a) != len(b):
        raise ValueError(f"end = {end!r} must have as many coordinates as start = {start!r}")
    if np.array_equal(a, b):
        raise ValueError(f"end = {end!r} is the start itself, which costs nothing; give another point")
    return a, b


def _slope(field: Field, x: Array, size: Any) -> Array:
    return differentiated(lambda z: field(x + size * z), np.zeros((1, len(x))))[1][0] / size


def _field(name: str, function: Field, d: int) -> Field:
    if not callable(function):
        raise ValueError(f"{name} = {function!r} must be a function of positions (n, {d})")

    def field(x: Array) -> Array:
        values = np.asarray(function(x), dtype=np.float64)
        if values.shape != x.shape:
            raise ValueError(f"{name} returns shape {values.shape} for positions of shape {x.shape}; give one vector for each")
        return values

    return field


def _spread(diffusion: ArrayLike | Field, d: int) -> Field | Array:
    if not callable(diffusion):
        return _checked(checks.finite("diffusion", diffusion), (d, d))

    def spread(x: Array) -> Array:
        return _checked(np.asarray(diffusion(x), dtype=np.float64), (len(x), d, d))

    return spread


def _checked(matrices: Array, shape: tuple[int, ...]) -> Array:
    if matrices.shape != shape:
        raise ValueError(f"diffusion has shape {matrices.shape}; give {shape}, a symmetric matrix for each position")
    size = np.abs(matrices).max()
    if not np.isfinite(size) or np.abs(matrices - np.swapaxes(matrices, -1, -2)).max() > 1e-9 * size:
        raise ValueError("diffusion must be a finite, symmetric matrix everywhere on the way")
    lowest = np.linalg.eigvalsh(matrices).min()
    if lowest < -1e-9 * size:
        raise ValueError(f"diffusion has the eigenvalue {lowest:.6g}; it must be positive semidefinite everywhere on the way")
    return matrices
