"""Entrances: how often replicas that wander in the well come to its rim, and their states there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion.engine import Interruptible, allocate, kernel
from diffusion.plan import Plan
from diffusion.splitting.coordinate import Scale
from diffusion.splitting.lines import curvatures

Array = NDArray[np.float64]

WANDERERS = 64  # replicas that wander in the well, in each repetition
RELAXATIONS = 40  # relaxation times that they wander, at first; then until there are entrances enough
LOW, HIGH = (
    0.5,
    0.9,
)  # quantiles of the reaction coordinate in the well: an entrance is from below the first to above the second
LONGEST = 4 * 10**7  # substeps of a path, and of wandering
UNSETTLED = 5.0  # standard errors by which entrances in the two halves of the time may differ
BLOCK = 16  # replicas that a thread runs side by side, however many threads there are


@dataclass(frozen=True)
class Entrances:
    """What wandering found: the gates, entrances per iteration, their states, iterations of a replica, all substeps."""

    gates: tuple[float, float]
    rate: float
    states: Array
    iterations: int
    steps: int


class Well:
    """Replicas in the well."""

    def __init__(self, plan: Plan, scale: Scale, size: int, threads: int) -> None:
        from diffusion.kernels import excursions

        self._plan, self._scale = plan, scale
        self._size, self._threads = size, min(threads, WANDERERS // BLOCK)
        self._wander = kernel(excursions.wander, excursions.HELPERS, scale.prepared)

    def entrances(self, wanted: int, ids: Any) -> Entrances:
        """At least `wanted` of them; `ids` gives as many new replica numbers as it is asked for.

        Raises
        ------
        ValueError
            If the reaction coordinate does not tell the well from the boundary, is not a number in the well, or
            entrances are too few.
        """
        relaxation = self._relaxation()
        total = RELAXATIONS * relaxation
        sampled, _, _ = self._run(ids(WANDERERS), total, total // 2, max(relaxation // 2, 1), (np.inf, np.inf), 1)
        steps = WANDERERS * total
        gates = self._gates(sampled[:, sampled.shape[1] // 2 :])
        while True:
            most = max(4 * wanted // WANDERERS, 8)
            _, count, pool = self._run(ids(WANDERERS), total, total // 4, total, gates, most)
            steps += WANDERERS * total
            kept = np.concatenate([pool[k, : min(n, most)] for k, n in enumerate(count.sum(axis=1))])
            settled = _settled(count)
            if settled and len(kept) >= wanted and count.sum() >= 4 * wanted:
                break
            total *= 4
            if total > LONGEST and not settled:
                raise ValueError(
                    f"replicas do not settle in the well within {total // 4} substeps: in the second half of that they "
                    f"came to its rim {int(count[:, 1].sum())} times, in the first {int(count[:, 0].sum())}; start at "
                    "its minimum, and raise the learning rate (with noise smaller in proportion) if it is flat"
                )
            if total > LONGEST:
                raise ValueError(f"only {int(count.sum())} replicas went to the rim of the well; start at its minimum")
        rate = count.sum() / (WANDERERS * (total - total // 4)) * self._plan.steps
        return Entrances(gates, float(rate), kept, int(total // self._plan.steps), steps)

    def _gates(self, inside: Array) -> tuple[float, float]:
        if np.any(np.isnan(inside)):
            raise ValueError(f"coordinate = {self._scale.name!r} is NaN in the well, or a replica diverged there")
        low, high = map(float, np.quantile(inside, [LOW, HIGH], method="lower"))
        if low < high < self._scale.edge:
            return low, high
        if self._scale.name == "exit":
            raise ValueError(
                "the well is not separated from the boundary: 9 of 10 replicas are at it; use diffusion.exit_times"
            )
        raise ValueError(
            f"coordinate = {self._scale.name!r} does not separate the well from the boundary: in the well its "
            f"quantiles {LOW} and {HIGH} are {low:.6g} and {high:.6g}, on the boundary it is {self._scale.edge:.6g}; "
            "they must be in ascending order"
        )

    @property
    def forgetting(self) -> float:
        """Iterations until a replica has forgotten its start: of curvature, inertia or second moment, the slowest."""
        _, slowest, memory = self._slowest()
        update, dynamics = self._plan.dynamics.update, self._plan.dynamics
        if update is not None:
            betas = (*update.betas, *(getattr(dynamics, name, 0.0) for name in ("beta1", "beta2")))
            memory = 1 / (1 - max(betas))
        return max(slowest, memory)

    def _slowest(self) -> tuple[Array, float, float]:
        """Learning rate times curvature, and iterations of a relaxation: in the flattest direction, and of inertia."""
        plan = self._plan
        steps = plan.learning_rate * curvatures(plan, self._scale.places)
        slowest = 1 / float(np.min(steps[steps > 0])) if np.any(steps > 0) else 1000.0
        memory = 1000.0
        if plan.dynamics.update is None:
            rule = plan.dynamics.rule(plan.variance)
            memory = float(np.max(1 / (1 - rule.inertia)))
            friction = np.where(rule.inertia > 0, rule.mass * rule.damping, 1.0)
            slowest *= float(np.max(friction))
        return steps, slowest, memory

    def _relaxation(self) -> int:
        """Substeps of a relaxation in the well, from the slowest of curvature and inertia at the start."""
        steps, slowest, memory = self._slowest()
        relaxation = max(np.ceil(max(slowest, memory, 10.0)) * self._plan.steps, 10.0)
        if RELAXATIONS * relaxation > LONGEST:
            raise ValueError(
                f"lr * curvature is {float(np.min(steps[steps > 0], initial=np.inf)):.3g} in the flattest direction, "
                f"so that replicas take about {relaxation:.3g} substeps to settle in the well, and no more than "
                f"{LONGEST // RELAXATIONS} are run; raise the learning rate and lower the noise's variance in "
                "proportion: the rate grows as the learning rate does, and changes little else"
            )
        return int(np.ceil(relaxation))

    def _run(
        self, ids: NDArray[np.uint64], total: int, settle: int, stride: int, gates: tuple[float, float], most: int
    ) -> tuple[Array, NDArray[np.int64], Array]:
        sampled = np.zeros((WANDERERS, -(-total // stride)))
        count, kept = np.zeros((WANDERERS, 2), np.int64), np.zeros((WANDERERS, most, self._size))
        prepared = self._scale.prepared
        with Interruptible(self._threads) as pool:

            def part(block: int) -> None:
                here = slice(BLOCK * block, BLOCK * (block + 1))
                where = prepared.problem, prepared.rule, prepared.start, self._scale.regarded, gates
                clock = total, settle, stride, np.uint64(self._plan.substeps[0]), self._plan.seed
                found = sampled[here], count[here], kept[here]
                self._wander(int(ids[here][0]), BLOCK, *where, *clock, pool.stop, *allocate(prepared, BLOCK), *found)

            for _ in pool.map(part, range(WANDERERS // BLOCK)):
                pass
        return sampled, count, kept


def _settled(count: NDArray[np.int64]) -> bool:
    """Whether replicas (replicas, 2) entered as often in the second half of the time as in the first."""
    gained = np.diff(count, axis=1)
    return bool(abs(gained.mean()) * np.sqrt(len(gained)) <= UNSETTLED * gained.std())
