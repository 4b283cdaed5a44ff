"""What is within reach, before anything runs: an order of magnitude of the iterations to an exit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from math import lgamma
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics import Dynamics, Rule
from diffusion.edges import BALL, LEVEL, OWN, PLANE, Edge, edge_of
from diffusion.landscapes import Landscape, QuadraticSaddle
from diffusion.noise import NoiseModel, refuse_other_laws
from diffusion.problem import check_kinds
from diffusion.regions import Boundary

Array = NDArray[np.float64]
POINTS = 129  # of a way out
MANY = 8  # coordinates of a coupled landscape, beyond which no valley is followed
WAVES = 3  # in which a path may deviate from a valley's floor
LARGEST = 700.0  # logarithm of a number that a float holds
STEEP = 100.0  # times that the temperature may fall on a way; where it nearly vanishes single steps decide
SHARE, FACTOR = 0.1, 100.0  # an estimate is trusted to a tenth of psi, and to this factor besides
FAIR, SPLITTING, POWER = 1000, 45.0, 0.6  # replicas, psi that so many are seen to split reliably, how it grows
BLIND = 5.0  # how much less for each share of psi that inertia carries: what the coordinate of splitting sees badly


@dataclass(frozen=True, repr=False)
class Prospect:
    """How long an exit will take, to an order of magnitude.

    Attributes
    ----------
    exponent
        psi, the barrier over the temperature at the lowest pass.
    local_exponent
        The same with the temperature of each place, without the heat that inertia carries, as Theorem 3 has it.
    log_iterations
        Natural logarithm of the iterations that an exit takes on average.
    relaxation
        Iterations of a relaxation in the well.
    settings
        What sets psi, as name, value and the power of it that psi is proportional to; the first is changed first.
    """

    exponent: float
    local_exponent: float
    log_iterations: float
    relaxation: float
    settings: tuple[tuple[str, float, float], ...] = ()

    def __repr__(self) -> str:
        """Psi and the iterations, as "psi = 304: about 1e134 iterations"."""
        carried = self.local_exponent - self.exponent
        without = f" ({self.local_exponent:.3g} without the heat that inertia carries over the pass)"
        heat = without if abs(carried) > 0.02 * self.exponent else ""
        return f"psi = {self.exponent:.3g}{heat}: about {written(self.log_iterations)} iterations"

    def exponent_of(self, iterations: float) -> float:
        """The psi with which an exit takes so many iterations."""
        return float(self.exponent - self.log_iterations + np.log(iterations))

    def splitting_reach(self, replicas: int) -> float:
        """Psi at which every second splitting with so many replicas is reliable, as measured in one coordinate."""
        carried = max(self.local_exponent / self.exponent - 1, 0.0) if self.exponent > 0 else 0.0
        return float(SPLITTING * (replicas / FAIR) ** POWER / (1 + BLIND * carried))

    def remedy(self, exponent: float) -> str:
        """What makes psi as small as this, as "psi <= 25, that is batch_size <= 1.3"."""
        wanted = f"psi <= {exponent:.3g}"
        for name, value, power in self.settings:
            goal = value * (exponent / self.exponent) ** (1 / power)
            if name != "batch_size" or goal >= 1:
                return f"{wanted}, that is {name} {'<=' if power > 0 else '>='} {goal:.2g}"
        return wanted


def escape_prospect(
    dynamics: Dynamics,
    landscape: Landscape,
    *,
    noise: NoiseModel,
    boundary: Boundary,
    start: ArrayLike | None = None,
    substeps: float = 1,
) -> Prospect | None:
    """Order of magnitude of the iterations to an exit, in milliseconds and without a run.

    psi is the integral of slope over temperature ``D/(gamma M)`` up to the lowest pass. An exit takes ``2 pi exp(psi)``
    relaxation times over a saddle, ``sqrt(pi/psi) exp(psi)`` where the loss still climbs at the boundary, and less if
    there are several ways out.

    1. Along a coordinate of a separable landscape psi is an integral. With inertia the heat of the start is carried
       over the pass: for the temperature T stands ``(lambda T_a + gamma T)/(lambda + gamma)`` with
       ``lambda^2 + gamma lambda = |H_b|/M``, as `theory.effective_temperature`.
    2. Whole steps overshoot where the loss curves upwards: psi grows ``1 - lr H/bound`` times as fast there, which is
       exact in a parabola, with the bound of stability.
    3. On a coupled landscape, and over a plane, which of a `Ball` is the one that touches it, a valley is followed,
       where all else rests, up to its pass, and psi is the least action of paths there that may cut its corners
       (`theory.least_action`). Where the loss or the distance decides the highest of all temperatures is taken, with
       the prefactor of a parabola in as many coordinates.
    4. From a start on a slope it is the way out without a rest at the bottom, with inertia without what it falls
       before: less than the mean time, most of which is that of those that fall back into the well.
    5. An optimizer as shipped is taken for its idealization, with the second moment of the start or of the place,
       whichever is hotter. That of RMSprop grows from 0 uncorrected: its first 1/(1 - beta2) steps are longer than any
       later one, and are not counted here.

    Parameters
    ----------
    dynamics, landscape, noise, boundary, start, substeps
        As in `diffusion.exit_times`.

    Returns
    -------
    Prospect or None
        None where nothing is known: of a `Region`, on a coupled landscape also of a `Radius`, of coupled landscapes of
        more than 8 coordinates, of noise that nearly vanishes on the way, of an optimizer that cannot be idealized, and
        where nothing is to be climbed.

    Raises
    ------
    ValueError
        If the boundary is none for this start, or the noise is not normal.
    """
    check_kinds(dynamics=dynamics, landscape=landscape, noise=noise)
    refuse_other_laws(noise, "escape_prospect")
    origin = landscape.reference if start is None else checks.per_coordinate("start", start, landscape.dimension)
    return prospect_of(dynamics, landscape, noise, edge_of(boundary, landscape, origin), origin, substeps)


def prospect_of(
    dynamics: Dynamics, landscape: Landscape, noise: NoiseModel, edge: Edge, origin: Array, substeps: float = 1
) -> Prospect | None:
    """The same for a boundary that is checked already."""
    try:
        refuse_other_laws(noise, "this estimate")
        rule = dynamics.rule(noise.variance_along(landscape))
        ways = list(_ways(_Heat(dynamics, landscape, noise, rule), origin, edge, substeps))
    except (UnknownError, ValueError):  # or there is no idealized rule, or no noise on the way
        return None
    if not ways:
        return None
    psi, local, relaxation, log_rate = (np.concatenate(column) for column in zip(*ways, strict=True))
    best = int(np.argmax(log_rate))
    if not 0 < psi[best] < np.inf or not np.isfinite(log_rate[best]):
        return None
    log_iterations = -float(np.logaddexp.reduce(log_rate))
    exponents = float(psi[best]), float(local[best])
    return Prospect(*exponents, log_iterations, float(relaxation[best]), tuple(_settings(dynamics, noise, rule)))


def warn_hopeless(
    dynamics: Dynamics,
    landscape: Landscape,
    noise: Any,
    edge: Edge,
    origin: Array,
    *,
    replicas: int,
    max_iterations: int | None = None,
    substeps: float = 1,
    stacklevel: int = 3,
) -> None:
    """Say, before a run, that it cannot be expected to see an exit, or, without `max_iterations`, to be split reliably.

    Exits are hopeless if fewer are expected in all replicas together than ``0.01 exp(-psi/10)``, by which the estimate
    may be wrong. Splitting is, if psi is more than twice what so many replicas, or 1000, are seen to resolve. Nothing
    is said of noise that is no model, such as data.

    Raises
    ------
    ValueError
        Without `max_iterations`, if the rate to be expected is no floating-point number.
    """
    prospect = (
        prospect_of(dynamics, landscape, noise, edge, origin, substeps) if isinstance(noise, NoiseModel) else None
    )
    if prospect is None:
        return
    if max_iterations is None:
        if prospect.log_iterations > LARGEST:
            raise ValueError(
                f"{prospect} to an exit: the rate is below the range of floating-point numbers; choose "
                f"{prospect.remedy(prospect.splitting_reach(max(replicas, FAIR)))}, or a boundary that is reached"
            )
        reach, remedy = prospect.splitting_reach(max(replicas, FAIR)), "more replicas"
        hopeless = prospect.exponent > 2 * reach
        why = f"{max(replicas, FAIR)} replicas split paths reliably up to psi = {reach:.2g} or so"
    else:
        together = float(replicas) * max_iterations
        reach, remedy = max(prospect.exponent_of(together / FACTOR), 1.0), "rare_escape_rate"
        hopeless = np.log(together) - prospect.log_iterations < -np.log(FACTOR) - SHARE * prospect.exponent
        why = f"all {replicas} replicas together run {written(np.log(together))}, and none can be expected to leave"
        hopeless = hopeless and not _at_first(dynamics, edge, origin, replicas)
    if hopeless:
        told = f"{prospect} to an exit; {why}: choose {prospect.remedy(reach)}, or {remedy}"
        warnings.warn(told, RuntimeWarning, stacklevel=stacklevel)


def _at_first(dynamics: Dynamics, edge: Edge, origin: Array, replicas: int) -> bool:
    """Whether first steps longer than all others may lead out; true of such wherever the boundary is not of lines."""
    walk = dynamics.first_walk
    if walk == 0 or not edge.lines.all():
        return walk > 0
    exponent = np.minimum(origin - edge.low, edge.high - origin).min() ** 2 / (2 * walk)
    return bool(np.log(replicas) - exponent > -np.log(FACTOR) - SHARE * exponent)


def written(log_number: float) -> str:
    """A number of which the natural logarithm is given, as 1e134: it may be beyond the range of floats."""
    digits = log_number / np.log(10)
    if digits >= 6:
        return f"1e{digits:.0f}"
    return f"{np.exp(log_number):,.0f}" if digits >= 2 else f"{np.exp(log_number):,.2g}"


class UnknownError(Exception):
    """Nothing is known of a way out."""


Ways = tuple[Array, Array, Array, Array]  # of ways: psi, local psi, relaxation, and logarithm of the rate per iteration


@dataclass(frozen=True)
class _Heat:
    """An idealized optimizer as temperatures, in units of the loss."""

    dynamics: Dynamics
    landscape: Landscape
    noise: NoiseModel
    rule: Rule

    @property
    def friction(self) -> Array:
        """gamma M, shape (d,)."""
        return np.where(self.rule.inertia > 0, (1 - self.rule.inertia) / self.rule.gradient_weight, 1.0)

    @property
    def follows(self) -> float:
        """The power of the noise variance that divides gradients as they arrive."""
        return self.dynamics.follows

    def at(self, x: Array) -> Array:
        """The temperature of each coordinate at positions of shape (n, d); of several second moments the highest."""
        c = self.noise.variance_at(self.landscape, x)
        heat = self.rule.learning_rate * c ** (1 - self.follows)
        if self.dynamics.update is not None:
            present = [self.dynamics.learning_rate(np.maximum(row, np.finfo(float).tiny)) for row in c]
            heat = np.maximum(heat, np.array(present) * c)
        return np.asarray(heat / (2 * self.friction))

    def action(self, path: Array) -> float:
        """What a path costs without inertia in an exponent of its rate, by the geometric action; positions (n, d)."""
        middle, move = (path[1:] + path[:-1]) / 2, np.diff(path, axis=0)
        if self.landscape.formulas.coupled:
            roots = self.noise.roots(self.landscape, middle)
        else:
            roots = np.sqrt(self.noise.variance_at(self.landscape, middle))[..., None] * np.eye(path.shape[1])
        slope = self.landscape.gradient(middle)
        rates = self.rule.learning_rate / self.friction
        directions = self.landscape.basis * rates @ self.landscape.basis.T
        if self.follows:
            directions = directions * np.sum(roots**2, axis=-1)[:, :, None] ** -self.follows
        root = directions @ roots  # of twice D, in iterations
        try:
            pushed, moved = (
                np.linalg.solve(root, each[..., None])[..., 0]
                for each in ((directions @ slope[..., None])[..., 0], move)
            )
        except np.linalg.LinAlgError:
            raise UnknownError from None
        return float(
            np.sum(np.linalg.norm(pushed, axis=1) * np.linalg.norm(moved, axis=1) + np.sum(pushed * moved, axis=1))
        )

    def curvature(self, x: Array) -> Array:
        """Of what moves each coordinate, at positions of shape (n, d)."""
        h = self.landscape.hessian_diagonal(x)
        return np.asarray(h / self.noise.variance_at(self.landscape, x) ** self.follows)

    def fastest(self, x: Array) -> float:
        """The least that gradients are divided by, of all coordinates at a position of shape (d,)."""
        return float(np.min(self.noise.variance_at(self.landscape, x) ** self.follows))


def _ways(heat: _Heat, origin: Array, edge: Edge, substeps: float) -> Iterator[Ways]:
    """All ways out.

    Raises
    ------
    UnknownError
        If nothing is known of one.
    """
    landscape, d = heat.landscape, len(origin)
    coupled = landscape.formulas.coupled
    if np.any(edge.kinds >= OWN) or (
        coupled and d > MANY and np.any(edge.entered | (edge.kinds != LEVEL) & (edge.kinds != BALL))
    ):
        raise UnknownError
    for ends in (edge.low, edge.high):
        there = np.flatnonzero(np.isfinite(ends))
        if not coupled and len(there):
            yield _straight(heat, origin, ends, there, substeps)
        for j in there if coupled else ():
            yield _valley(heat, origin, np.eye(d)[j], float(ends[j]), substeps)
    rows = zip(edge.kinds, edge.first, edge.signs, edge.limits, edge.entered, strict=True)
    for kind, first, sign, limit, entered in rows:
        if entered:  # over the plane that touches the ball
            away = first - origin
            yield _valley(heat, origin, away, float(away @ first - np.sqrt(-limit) * np.linalg.norm(away)), substeps)
        elif kind == PLANE:
            if d > MANY:
                raise UnknownError
            yield _valley(heat, origin, first, float(limit), substeps)
        elif kind == LEVEL:
            yield _around(heat, origin, float(sign * limit - landscape.loss(origin)), substeps)
        elif kind == BALL and isinstance(landscape, QuadraticSaddle):
            yield _around(heat, origin, float(landscape.hessian.min() * limit / 2), substeps)
        elif kind == BALL:
            if coupled:
                raise UnknownError
            sides = [origin + side * np.sqrt(limit) for side in (-1, 1)]
            found = [_straight(heat, origin, side, np.arange(d), substeps) for side in sides]
            psi, local, relaxation, _ = (np.concatenate(column) for column in zip(*found, strict=True))
            best = [int(np.argmin(psi))]
            yield psi[best], local[best], relaxation[best], _of_parabola(psi[best], relaxation[best], d)


def _straight(heat: _Heat, origin: Array, ends: Array, there: NDArray[np.int64], substeps: float) -> Ways:
    """Along these coordinates of a separable landscape, the others being at the start."""
    goal = origin.copy()
    goal[there] = ends[there]
    with np.errstate(all="ignore"):  # a coordinate that stays has no share of its way
        shares = np.ravel([(switch - origin) / (goal - origin) for switch in heat.landscape.switches])
    shares = np.union1d(np.linspace(0, 1, POINTS), np.unique(shares[(shares > 0) & (shares < 1)])[:POINTS])
    x = origin + shares[:, None] * (goal - origin)
    middle = (x[1:] + x[:-1]) / 2
    losses, temperature, steep = heat.landscape.losses(x), heat.at(middle), heat.curvature(middle)
    if heat.follows:  # in the potential that it sees, where at q = 1/2 there is one temperature
        root = heat.noise.variance_at(heat.landscape, middle) ** heat.follows
        steps, temperature = np.diff(losses, axis=0) / root, temperature / root
        losses = np.vstack([np.zeros(len(origin)), np.cumsum(steps, axis=0)])
    if not np.all(temperature.min(axis=0) > temperature.max(axis=0) / STEEP) or not np.all(np.isfinite(losses)):
        raise UnknownError
    top = x[losses.argmax(axis=0), np.arange(len(origin))]
    bottom = np.maximum(np.abs(heat.curvature(origin)), _parabola(losses, np.abs(x - origin)))
    ways = _climbed(heat.rule, heat.friction, losses, temperature, bottom, heat.curvature(top), steep, substeps)
    psi, local, relaxation, log_rate = (values[there] for values in ways)
    return psi, local, relaxation, log_rate


def _valley(heat: _Heat, origin: Array, normal: Array, offset: float, substeps: float) -> Ways:
    """To a plane, with the loss where everything along the plane rests, or the straight line's where that is lower."""
    from scipy.optimize import minimize

    landscape = heat.landscape
    basis = np.linalg.qr(np.column_stack([normal, np.eye(len(normal))]))[0]
    outwards, along = normal / np.linalg.norm(normal), basis[:, 1:].T
    far = (offset - normal @ origin) / np.linalg.norm(normal)
    way = np.linspace(0, far, POINTS // 4)
    straight = origin + way[:, None] * outwards

    def together(shift: Array) -> tuple[float, Array]:
        line = straight + shift.reshape(len(straight), -1) @ along
        return float(landscape.loss(line).sum()), (landscape.gradient(line) @ along.T).ravel()

    floor = straight
    if len(along):
        rested = minimize(together, np.zeros(len(straight) * len(along)), jac=True, method="L-BFGS-B").x
        shifted = straight + rested.reshape(len(straight), -1) @ along
        floor = shifted if landscape.loss(shifted).max() < landscape.loss(straight).max() else straight
    losses = landscape.loss(floor)
    if not np.all(np.isfinite(losses)):
        raise UnknownError
    top = int(losses.argmax())
    temperature = heat.at(straight).max()
    if top > 1:
        climbed = float(np.maximum(np.diff(losses), 0).sum())
        temperature = min(temperature, climbed / max(_cheapest(heat, floor[: top + 1], along), 1e-300))
    bottom = np.maximum(
        _parabola(losses[:, None], np.abs(way)[:, None]), np.linalg.eigvalsh(landscape.hessian_matrix(origin))[0]
    )
    falling = 0.0
    if 0 < top < len(way) - 1:
        falling = float(losses[top - 1] - 2 * losses[top] + losses[top + 1]) / (way[1] - way[0]) ** 2
    slow = heat.fastest(origin)
    return _hottest(heat, losses[:, None], temperature, bottom / slow, substeps, falling / slow)


def _cheapest(heat: _Heat, floor: Array, along: Array) -> float:
    """The least action, in temperatures, of paths that cut the corners of a valley's floor up to its pass."""
    from scipy.optimize import minimize

    share = np.linspace(0, 1, len(floor))[:, None]
    chord = floor[0] + share * (floor[-1] - floor[0])
    waves = np.sin(np.pi * share * np.arange(1, WAVES + 1))

    def cost(shape: Array) -> float:
        bent = chord + shape[0] * (floor - chord)
        return heat.action(bent + waves @ shape[1:].reshape(WAVES, -1) @ along)

    begin = np.zeros(1 + WAVES * len(along))
    begin[0] = min(np.linspace(0, 1, 5), key=lambda share: cost(np.array([share, *begin[1:]])))
    return float(minimize(cost, begin, method="BFGS", options={"maxiter": 30, "gtol": 1e-3 * cost(begin)}).fun)


def _around(heat: _Heat, origin: Array, height: float, substeps: float) -> Ways:
    """To a height of the loss, in any direction of a parabola."""
    curved = heat.landscape.hessian
    if not height > 0 or not curved.min() > 0:
        raise UnknownError
    around = origin + np.linspace(-1.5, 1.5, 9)[:, None] * np.sqrt(2 * height / curved)
    steep = curved.max() / heat.fastest(origin)
    ways = _hottest(heat, np.array([[0.0], [height]]), heat.at(around).max(), steep, substeps)
    psi, local, relaxation, _ = ways
    return psi, local, relaxation, _of_parabola(psi, relaxation, len(origin))


def _hottest(heat: _Heat, losses: Array, temperature: float, bottom: Any, substeps: float, top: float = 0.0) -> Ways:
    """Along one way that is no coordinate's: of all directions' rules the hottest and the fastest."""
    rule = heat.rule
    extremes = (rule.inertia.min(), rule.learning_rate.max(), rule.gradient_weight.max(), 1.0)
    fastest = Rule(*(np.full(1, value) for value in extremes))
    everywhere = np.full((len(losses) - 1, 1), temperature)
    return _climbed(fastest, heat.friction.min(), losses, everywhere, bottom, top, bottom, substeps)


def _parabola(losses: Array, way: Array) -> Array:
    """The curvature of parabolas through the start and top of ways, with losses and distances of shape (n, ways)."""
    top = way[losses.argmax(axis=0), np.arange(way.shape[1])]
    with np.errstate(all="ignore"):
        return np.asarray(np.where(top > 0, 2 * (losses.max(axis=0) - losses[0]) / top**2, 0.0))


def _of_parabola(psi: Array, relaxation: Array, d: int) -> Array:
    """Logarithm of the rate at which a parabola in d coordinates is left where it is psi temperatures high."""
    half = d / 2
    tail = half * np.log(psi) - psi - lgamma(half)
    return np.asarray(np.minimum(np.where(psi > half, tail, 0.0), 0.0) - np.log(relaxation / 2))


def _climbed(
    rule: Rule, friction: Any, losses: Array, temperature: Array, bottom: Any, top: Any, steep: Any, substeps: float
) -> Ways:
    """Along ways, of losses (n, ways): temperatures, curvatures `steep` between and those at `bottom` and `top`."""
    damping = 1 - rule.inertia  # per iteration, as the root is
    falling = np.maximum(-np.asarray(top), 0.0)
    force = rule.learning_rate * rule.gradient_weight
    root = np.where(rule.inertia > 0, np.sqrt(damping**2 + 4 * force * falling) - damping, 0.0) / 2
    carried = (root * temperature[0] + damping * temperature) / (root + damping)
    kept = np.clip(1 - rule.learning_rate * steep / rule.stability_bound(substeps), 0, 1)
    rises = []
    for heat in (carried, temperature):
        steps = np.diff(losses, axis=0) * kept / heat
        heights = np.vstack([np.zeros(losses.shape[1]), np.cumsum(steps, axis=0)])
        lowest = np.where(
            rule.inertia > 0, 0.0, np.minimum.accumulate(heights, axis=0)
        )  # inertia may keep what it falls
        rises.append((heights - lowest).max(axis=0))
    psi, local = rises
    with np.errstate(divide="ignore"):
        relaxation = np.maximum(friction / (rule.learning_rate * bottom), 1 / damping)
    wait = np.where(falling > 0, 2 * np.pi, np.sqrt(np.pi / np.maximum(psi, 1.0)))
    return psi, local, relaxation, -psi - np.log(wait * relaxation)


def _settings(dynamics: Dynamics, noise: NoiseModel, rule: Rule) -> Any:
    """What psi is inversely proportional to, or a power of it."""
    power = 1 - dynamics.follows
    if not dynamics.follows:
        variance = np.maximum(rule.noise_variance[:1], np.finfo(float).tiny)
        one, four = (float(dynamics.learning_rate(factor * variance)[0]) * factor for factor in (1.0, 4.0))
        power = math.log(four / one, 4)
    for name, sign in (("batch_size", 1), ("variance", -1)):
        # at lr/v noise changes nothing
        if isinstance(getattr(noise, name, None), float | int) and abs(power) > 0.01:
            yield name, float(getattr(noise, name)), sign * power
    if isinstance(getattr(dynamics, "lr", None), float | int):
        yield "lr", float(dynamics.lr), -1.0  # type: ignore[attr-defined]
