"""Rare escapes by adaptive multilevel splitting: rates far below what direct simulation can see."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics import Dynamics
from diffusion.engine import Interruptible, Prepared, allocate, kernel, lanes_for, prepare, thread_count
from diffusion.landscapes import Landscape
from diffusion.noise import Noise
from diffusion.plan import Plan, plan_run, refuse_memory
from diffusion.variables import describe

if TYPE_CHECKING:
    import xarray

LEVELS = 400  # equal steps of the reaction coordinate between the well and the exit
REMOVED = 10  # a tenth of the replicas is replaced at a time
WANDERERS = 64  # replicas that wander in the well, in each repetition
RELAXATIONS = 40  # relaxation times that they wander, at first; then until there are entrances enough
LOW, HIGH = (
    0.5,
    0.9,
)  # quantiles of the reaction coordinate in the well: an entrance is from below the first to above the second
LONGEST = 10**7  # substeps of an excursion
FEW = 5  # families; a repetition that comes down to fewer says so

Array = NDArray[np.float64]


def rare_escape_rate(
    dynamics: Dynamics,
    landscape: Landscape,
    *,
    noise: Noise,
    start: ArrayLike | None = None,
    boundary: float,
    replicas: int = 1000,
    repetitions: int = 8,
    substeps: int = 1,
    level: float = 0.95,
    seed: int = 0,
    threads: int | None = None,
) -> "xarray.Dataset":
    """Escape rate per iteration by adaptive multilevel splitting (Cerou and Guyader 2007; Brehier et al. 2016 for steps and ties).

    The rate is that of entrances, from the middle of the well to its rim, times the probability to reach the boundary from there before
    returning. The probability is a product: again and again the replicas that came least far are replaced by copies of others, branched
    with fresh noise where those first were farther. It is unbiased whatever the number of replicas.

    Parameters
    ----------
    dynamics, landscape, noise, start, substeps, seed, threads
        As in `diffusion.exit_times`.
    boundary
        A number in theta units: out as soon as any coordinate is beyond it, on the far side from the start.
    replicas
        Paths in each repetition.
    repetitions
        Independent repetitions, at least 2: the interval comes from their spread.
    level
        Confidence of the interval, in (0, 1).

    Returns
    -------
    xarray.Dataset
        ``rate`` with the interval ``rate_low`` to ``rate_high`` (Student's, over repetitions). On repetition: ``repetition_rate``,
        ``entrance_rate``, ``probability``, ``rounds`` of replacement, ``families`` (entrances with descendants outside: few mean that the
        replicas are near copies of each other) and ``steps``, the substeps computed.

    Raises
    ------
    ValueError
        If a parameter is out of range, the start is on the boundary, no replica enters the rim of the well, or a path diverges.

    Warns
    -----
    RuntimeWarning
        If a repetition went extinct or came down to fewer than 5 families: the interval may then be too narrow.
    """
    checks.whole("replicas", replicas, least=2 * REMOVED)
    checks.whole("repetitions", repetitions, least=2)
    checks.finite("boundary", boundary)
    if not 0 < level < 1:
        raise ValueError(f"level = {level!r} must lie between 0 and 1; 0.95 is usual")
    plan = plan_run(dynamics, landscape, noise, 1, replicas, start, "rest", [1], "moments", substeps, seed, "float64")
    if np.any(plan.origin == boundary):
        raise ValueError(f"boundary = {boundary!r} is where the start is; choose another start or boundary")
    prepared = prepare(plan, plan.substeps)
    if prepared.turned and plan.rotated:
        raise ValueError(
            "boundary is a line in coordinates, and this rule runs along the eigenvectors of a rotated saddle"
        )
    run = _Run(plan, prepared, boundary, substeps, thread_count(threads))
    refuse_memory(8 * replicas * (LEVELS + 1) * run.size, f"replicas = {replicas}", "run fewer, and more repetitions")
    found = [run.repetition(index, replicas) for index in range(repetitions)]
    return _label(found, plan, boundary, replicas, level)


@dataclass
class _Repetition:
    """What one repetition found."""

    entrance_rate: float
    probability: float
    rounds: int
    families: int
    steps: int


class _Run:
    """Kernels and constants that all repetitions share."""

    def __init__(self, plan: Plan, prepared: Prepared, boundary: float, substeps: int, threads: int) -> None:
        from diffusion.kernels import excursions

        self._plan, self._prepared, self._threads = plan, prepared, threads
        self._substeps = substeps
        self._edge = (plan.origin.copy(), 1.0 / (boundary - plan.origin))
        state, _ = allocate(prepared, 1)
        self.size = sum(len(array) for array in state) + 1
        self._wander = kernel(excursions.wander, excursions.HELPERS, prepared)
        self._excursions = kernel(excursions.excursions, excursions.HELPERS, prepared)
        self._used_ids = 0

    def _ids(self, count: int) -> NDArray[np.uint64]:
        """Replica numbers that were not used before."""
        first, self._used_ids = self._used_ids, self._used_ids + count
        return np.arange(first, first + count).astype(np.uint64)

    def repetition(self, index: int, replicas: int) -> _Repetition:
        """Entrances, then splitting."""
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([int(self._plan.seed), index])))
        gates, rate, pool, steps = self._entrances(replicas)
        begin = pool[rng.permutation(len(pool))[:replicas]]
        trail = np.zeros((replicas, LEVELS + 1, self.size))
        reached, family = np.zeros(replicas, np.int64), np.arange(replicas)
        everyone = np.arange(replicas)
        steps += self._continue(everyone, begin, np.zeros(replicas, np.int64), gates, reached, trail)
        probability, rounds = 1.0, 0
        while reached.min() < LEVELS:
            least = min(int(np.sort(reached)[max(replicas // REMOVED, 1) - 1]), LEVELS - 1)
            gone, staying = np.flatnonzero(reached <= least), np.flatnonzero(reached > least)
            if len(staying) == 0:
                return _Repetition(rate, 0.0, rounds, 0, steps)
            probability *= len(staying) / replicas
            parents = staying[rng.integers(len(staying), size=len(gone))]
            trail[gone, : least + 2] = trail[parents, : least + 2]
            family[gone] = family[parents]
            steps += self._continue(gone, trail[gone, least + 1], np.full(len(gone), least + 1), gates, reached, trail)
            rounds += 1
        return _Repetition(rate, probability, rounds, len(np.unique(family)), steps)

    def _progress(self, states: Array) -> Array:
        """Reaction coordinate of saved states."""
        d = len(self._edge[0])
        return np.asarray(np.max((states[:, :d] - self._edge[0]) * self._edge[1], axis=1))

    def _continue(
        self, tasks: NDArray[np.int64], begin: Array, fresh: NDArray[np.int64], gates: tuple[float, float],
        reached: NDArray[np.int64], trail: Array,
    ) -> int:  # fmt: skip
        """Run the tasks on from their first states, at or above the levels `fresh`; returns the substeps used."""
        where = (self._progress(begin) - gates[0]) / (1 - gates[0])
        far = np.where(where > 1, LEVELS, np.clip((where * LEVELS).astype(np.int64), fresh, LEVELS - 1))
        paths = trail[tasks]
        for k, level in enumerate(far):  # a step may pass several levels
            paths[k, fresh[k] : level + 1] = begin[k]
        inside = far < LEVELS
        reached[tasks], trail[tasks] = far, paths
        if not inside.any():
            return 0
        tasks, begin, far, paths = tasks[inside], begin[inside], far[inside], paths[inside]
        ids, used = self._ids(len(tasks)), np.zeros(len(tasks), np.int64)
        queue = np.zeros(1, np.int64)
        begin = np.ascontiguousarray(begin)
        threads = min(self._threads, max(1, len(tasks) // 16))
        width = lanes_for(-(-len(tasks) // threads), 16)
        with Interruptible(threads) as pool:

            def until_done(_: int) -> None:
                self._excursions(
                    width, self._prepared.problem, self._prepared.rule, self._edge, gates, LEVELS, begin, ids,
                    np.uint64(self._substeps), self._plan.seed, queue, pool.stop, *allocate(self._prepared, width), far, paths,
                    used, LONGEST,
                )  # fmt: skip

            for _ in pool.map(until_done, range(threads)):
                pass
        if np.any(far < 0):
            raise ValueError(
                "a path diverged or did not end; lower the learning rate, or check the landscape beyond the boundary"
            )
        reached[tasks], trail[tasks] = far, paths
        return int(used.sum())

    def _entrances(self, wanted: int) -> tuple[tuple[float, float], float, Array, int]:
        """Gates at quantiles of the reaction coordinate, entrances per iteration, their states, and substeps computed."""
        relaxation = self._relaxation()
        total = RELAXATIONS * relaxation
        nowhere = (np.inf, np.inf)
        sampled, _, _ = self._wandering(total, total // 2, max(relaxation // 2, 1), nowhere, 1)
        steps = WANDERERS * total
        inside = sampled[:, sampled.shape[1] // 2 :]
        low, high = np.quantile(inside, [LOW, HIGH])
        gates = (float(low), float(high))
        if not low < high < 1:
            raise ValueError(
                "the well is not separated from the boundary: 9 of 10 replicas are at it; use diffusion.exit_times"
            )
        while True:
            most = max(4 * wanted // WANDERERS, 8)
            _, count, pool = self._wandering(total, total // 4, total, gates, most)
            steps += WANDERERS * total
            kept = np.concatenate([pool[k, : min(n, most)] for k, n in enumerate(count)])
            if len(kept) >= wanted and count.sum() >= 4 * wanted:
                break
            total *= 4
            if total > LONGEST:
                raise ValueError(f"only {int(count.sum())} replicas went to the rim of the well; start at its minimum")
        rate = count.sum() / (WANDERERS * (total - total // 4)) * self._substeps
        return gates, float(rate), kept, steps

    def _relaxation(self) -> int:
        """Substeps of a relaxation in the well, from the slowest of curvature and inertia at the start."""
        plan = self._plan
        steps = np.abs(plan.learning_rate * plan.hessian)
        slowest = 1 / max(float(np.min(steps[steps > 0], initial=np.inf)), 1e-6) if np.any(steps > 0) else 1000.0
        memory = 1000.0
        if plan.dynamics.running is None:
            rule = plan.dynamics.rule(plan.variance)
            memory = float(np.max(1 / (1 - rule.inertia)))
            friction = np.where(rule.inertia > 0, rule.mass * rule.damping, 1.0)
            slowest *= float(np.max(friction))
        return int(np.ceil(max(slowest, memory, 10.0))) * self._substeps

    def _wandering(
        self, total: int, settle: int, stride: int, gates: tuple[float, float], most: int
    ) -> tuple[Array, NDArray[np.int64], Array]:
        first = int(self._ids(WANDERERS)[0])
        sampled = np.zeros((WANDERERS, -(-total // stride)))
        count, kept = np.zeros(WANDERERS, np.int64), np.zeros((WANDERERS, most, self.size))
        threads = min(self._threads, WANDERERS // 16)
        share = WANDERERS // 16  # of blocks of 16, whatever the threads

        with Interruptible(threads) as pool:

            def part(block: int) -> None:
                here = slice(16 * block, 16 * block + 16)
                self._wander(
                    first + 16 * block, 16, self._prepared.problem, self._prepared.rule, self._prepared.start, self._edge, gates,
                    total, settle, stride, np.uint64(self._substeps), self._plan.seed, pool.stop, *allocate(self._prepared, 16),
                    sampled[here], count[here], kept[here],
                )  # fmt: skip

            for _ in pool.map(part, range(share)):
                pass
        return sampled, count, kept


def _label(found: list[_Repetition], plan: Plan, boundary: float, replicas: int, level: float) -> "xarray.Dataset":
    import xarray
    from scipy import stats

    poor = sum(one.families < FEW for one in found)
    if poor:
        warnings.warn(
            f"{poor} of {len(found)} repetitions came down to fewer than {FEW} families, or to none: the interval may be too narrow; use more "
            "replicas",
            RuntimeWarning,
            stacklevel=3,
        )
    rates = np.array([one.entrance_rate * one.probability for one in found])
    mean, error = float(rates.mean()), float(rates.std(ddof=1) / np.sqrt(len(rates)))
    spread = float(stats.t.isf((1 - level) / 2, len(rates) - 1)) * error
    data: dict[str, Any] = {
        "rate": ((), mean), "rate_low": ((), max(mean - spread, 0.0)), "rate_high": ((), mean + spread),
        "repetition_rate": ("repetition", rates),
    }  # fmt: skip
    for name in ("entrance_rate", "probability", "rounds", "families", "steps"):
        data[name] = ("repetition", np.array([getattr(one, name) for one in found]))
    kept = {
        key: value for key, value in plan.parameters.items() if key not in ("iterations", "save", "keep", "velocity")
    }
    parameters = kept | {"boundary": boundary, "replicas": replicas, "repetitions": len(found), "level": level}
    return describe(xarray.Dataset(data, {"repetition": np.arange(len(found))}), parameters)
