"""One repetition: entrances, then rounds in which the paths that came least far are replaced."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion.dynamics import Update
from diffusion.edges import NO_COORDINATE, Edge
from diffusion.engine import Interruptible, allocate, kernel, lanes_for
from diffusion.plan import Plan, refuse_memory
from diffusion.splitting.coordinate import Scale
from diffusion.splitting.entrances import LONGEST, Well
from diffusion.splitting.interval import MANY

Array = NDArray[np.float64]

LEVELS = 400  # equal steps of the reaction coordinate between the well and the top
MILESTONES = 20  # of them, evenly spread, at which reactive paths are told
REMOVED = 10  # a tenth of the replicas is replaced at a time


@dataclass(frozen=True)
class Repetition:
    """What one repetition found; positions are NaN if it went extinct, and there are none unless they were asked for.

    `iterations` is how many replicas wandered before; `bound` is the probability to come, before returning, as far
    as there still were MANY families; `left_by` counts paths by the coordinate that was farthest out when they
    left, shape (d,).
    """

    entrance_rate: float
    probability: float
    bound: float
    rounds: int
    families: int
    steps: int
    iterations: int
    gate_low: float
    gate_high: float
    left_by: NDArray[np.int64]
    path: Array
    crossing: Array

    @property
    def extinct(self) -> bool:
        """Whether no path was left to copy."""
        return self.probability == 0


class Run:
    """Kernels, memory and constants that all repetitions share."""

    def __init__(self, plan: Plan, scale: Scale, edge: Edge, threads: int, replicas: int, paths: bool) -> None:
        from diffusion.kernels import excursions

        self._plan, self._scale, self._threads, self._paths = plan, scale, threads, paths
        self._failed = excursions.FAILED
        self.outside, self._edge = scale.outside, edge
        size = sum(scale.prepared.rows)
        refuse_memory(8 * replicas * (LEVELS + 1) * size, f"replicas = {replicas}", "run fewer, and more repetitions")
        self.trail = np.empty((replicas, LEVELS + 1, size))
        self.well = Well(plan, scale, size, threads)
        self._excursions = kernel(excursions.excursions, excursions.HELPERS, scale.prepared)
        self._used_ids = 0
        update = plan.dynamics.update
        self._late = update is not None and _goes_by_the_clock(update) and bool(plan.dynamics.unsteady)
        self.share = 0.0  # of the levels of the present repetition, that all its paths have passed

    def new_ids(self, count: int) -> NDArray[np.uint64]:
        """Replica numbers that were not used before."""
        first, self._used_ids = self._used_ids, self._used_ids + count
        return np.arange(first, first + count).astype(np.uint64)

    def repetition(self, index: int) -> Repetition:
        """Entrances, then splitting."""
        trail, replicas = self.trail, len(self.trail)
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([int(self._plan.seed), index])))
        found = self.well.entrances(replicas, self.new_ids)
        gates = (found.gates[0], self._scale.top)
        trail[:, 0] = found.states[rng.permutation(len(found.states))[:replicas]]
        reached, family = np.zeros(replicas, np.int64), np.arange(replicas)
        begin = found.iterations if self._late else 1
        steps = found.steps + self.go_on(np.arange(replicas), gates, reached, begin)
        probability, bound, rounds, families = 1.0, 1.0, 0, replicas
        while reached.min() < LEVELS:
            self.share = float(reached.min()) / LEVELS
            least = min(int(np.sort(reached)[max(replicas // REMOVED, 1) - 1]), LEVELS - 1)
            gone, staying = np.flatnonzero(reached <= least), np.flatnonzero(reached > least)
            probability *= len(staying) / replicas
            if len(staying) == 0:
                break
            parents = staying[rng.integers(len(staying), size=len(gone))]
            # what lies below is never branched from again: it is only kept to be told
            known = slice(least + 2) if self._paths else slice(least + 1, least + 2)
            trail[gone, known] = trail[parents, known]
            family[gone], reached[gone] = family[parents], least + 1
            steps += self.go_on(gone, gates, reached, begin)
            rounds += 1
            families = int(np.count_nonzero(np.bincount(family)))
            if families >= MANY:
                bound = probability
        self.share = 0.0
        if not probability:
            families = 0
        left_by = self._left_by(trail[reached == LEVELS, LEVELS, : len(self._plan.origin)])
        told = self._told(bool(probability))
        return Repetition(
            found.rate, probability, bound, rounds, families, steps, found.iterations, *found.gates, left_by, *told
        )

    def _left_by(self, positions: Array) -> NDArray[np.int64]:
        """How many of the positions outside, shape (n, d), are so by each coordinate, shape (d,)."""
        d = len(self._plan.origin)
        if len(self.outside) == 3:
            origin, scale, _ = self.outside
            return np.bincount(((positions - origin) * scale).argmax(axis=1), minlength=d)
        coordinate = self._edge.crossed(self._plan.landscape, positions)[1]
        return np.bincount(coordinate[coordinate != NO_COORDINATE], minlength=d)

    def _told(self, alive: bool) -> tuple[Array, Array]:
        """Positions at milestones, (replicas, milestones, d), and outside, (replicas, d)."""
        d = len(self._plan.origin)
        if not self._paths:
            return np.empty((0, 0, d)), np.empty((0, d))
        told = self.trail[:, :: LEVELS // MILESTONES, :d].copy() if alive else None
        if told is None:
            told = np.full((len(self.trail), MILESTONES + 1, d), np.nan)
        return told[:, :-1], told[:, -1]

    def go_on(
        self, paths: NDArray[np.int64], gates: tuple[float, float], reached: NDArray[np.int64], begin: int
    ) -> int:
        """Run the paths on from the levels that they have reached, in iteration `begin`; returns the substeps used."""
        ids, used = self.new_ids(len(paths)), np.zeros(len(paths), np.int64)
        queue = np.zeros(1, np.int64)
        threads = min(self._threads, max(1, len(paths) // 16))
        width = lanes_for(-(-len(paths) // threads), 16)
        prepared = self._scale.prepared
        with Interruptible(threads) as pool:

            def until_done(_: int) -> None:
                where = prepared.problem, prepared.rule, self._scale.regarded, gates, LEVELS
                clock = np.uint64(begin), np.uint64(self._plan.substeps[0]), self._plan.seed
                arrays = *allocate(prepared, width), reached, self.trail, used
                self._excursions(width, *where, paths, ids, *clock, queue, pool.stop, *arrays, LONGEST)

            for _ in pool.map(until_done, range(threads)):
                pass
        if used.max() >= LONGEST:
            raise ValueError(
                f"a path was {LONGEST} substeps between the well and the boundary, and neither returned nor left: "
                "something holds it there, such as a second valley; choose a boundary before it, or a coordinate that "
                "falls towards it"
            )
        if np.any(reached == self._failed):
            raise ValueError(
                "a path diverged, or its reaction coordinate is NaN; lower the learning rate, or check landscape and "
                "coordinate out to the boundary"
            )
        return int(used.sum())


def _goes_by_the_clock(update: Update) -> bool:
    """Whether what all coordinates share depends on the iteration itself, not on its powers alone."""
    powers = (0.0,) * len(update.betas)
    return bool(update.shared(1.0, powers, update.parameters) != update.shared(2.0, powers, update.parameters))
