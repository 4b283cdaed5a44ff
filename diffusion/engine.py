"""From a validated run to compiled code and back: formulas and parameters for the kernels, threads, interruption."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from diffusion import checks
from diffusion.landscapes import QuadraticSaddle
from diffusion.laws import NORMAL, tabulated
from diffusion.minibatches import Minibatches
from diffusion.noise import NoiseModel, raised, root_of_variance, unit_deviation
from diffusion.plan import Plan
from diffusion.schemes import coefficients, first_deviation, first_mixing, first_momentum

LANES = 512  # replicas that a thread runs side by side; results do not depend on it
PAD = 8  # more lanes than used, so that rows of a power of two do not fall on the same cache lines
AHEAD = 4  # tasks that may be ready before they are asked for, per thread

Array = NDArray[np.float64]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Prepared:
    """What a kernel is specialised with, and its first arguments.

    Attributes
    ----------
    parts
        For `diffusion.kernels.jit.specialise`.
    problem, rule, start
        As `diffusion.kernels.step.advance` and the kernels take them.
    rows
        Of each array in the state that `advance` takes.
    turned
        Whether positions are along the eigenvectors.
    noise
        As the run has it.
    """

    parts: dict[str, Any]
    problem: tuple[Array, Array, Array, Array]
    rule: tuple[Any, ...]
    start: tuple[Array, Array, Array]
    rows: tuple[int, ...]
    turned: bool
    noise: NoiseModel

    def specialised(self, **parts: Any) -> Prepared:
        """The same with more for the kernel to be specialised with."""
        return replace(self, parts=self.parts | parts)


def prepare(plan: Plan, substeps: NDArray[np.int64]) -> Prepared:
    """Formulas and parameters for a run; the rule has one row of coefficients for each entry of `substeps`.

    Positions are in coordinates, but those of a quadratic's idealized rule along its eigenvectors. On another coupled
    landscape an idealized rule that differs between directions keeps its momentum along the eigenvectors at the
    reference point.
    """
    from diffusion.kernels import random

    landscape, shipped, parted = plan.landscape, plan.dynamics.update, int(substeps[0]) > 1
    following = plan.dynamics.second_moment == "following"
    turned = isinstance(landscape, QuadraticSaddle) and shipped is None and not plan.noise.of_data
    turned = turned and not (following and landscape.formulas.coupled)
    formulas = landscape.eigen_formulas if turned else landscape.formulas  # type: ignore[attr-defined]
    parts: dict[str, Any] = {
        "COUPLED": formulas.coupled,
        "SEPARABLE": not formulas.coupled,
        "WHOLE": formulas.whole,
        "SHIPPED": shipped is not None,
        "MOMENTUM": shipped is None or shipped.momentum,
    }
    parts |= {"gradient": formulas.gradient, "loss": formulas.loss}
    d = landscape.dimension
    table, mixing, divisor = np.zeros((1, d)), np.zeros((0, 0)), np.ones(d)
    momentum = np.zeros((d, 0) if formulas.coupled else d)  # at rest
    field = plan.noise.field(landscape) if formulas.coupled else None
    # else what it divides by is the same everywhere
    parts["FOLLOWING"] = following and (field is not None or not formulas.coupled)
    if isinstance(plan.noise, Minibatches):
        parts |= plan.noise.specialisation(landscape)
        parts["ROWS"], mixing = len(formulas.parameters), np.zeros((d, d))
    elif formulas.coupled:
        mixing = np.ascontiguousarray(plan.noise.mixing(landscape))
        if following:
            divisor = plan.noise.variance_at(landscape, landscape.reference) ** plan.dynamics.follows
            mixing = mixing / divisor[:, None]
    else:
        deviation = plan.noise.deviation(landscape)
        parts |= {"curvature": formulas.curvature, "deviation": deviation.formula}
        table = deviation.parameters
        parts["ROWS"] = most = max(len(formulas.parameters), len(table))
        formulas, table = replace(formulas, parameters=_padded(formulas.parameters, most)), _padded(table, most)
    if parts["FOLLOWING"]:
        q, sigma = plan.dynamics.follows, parts.get("deviation", root_of_variance)
        half = q == 0.5  # the square root itself keeps its bits
        parts |= {
            "scale": sigma if half else raised(sigma, 2 * q),
            "deviation": unit_deviation if half else raised(sigma, 1 - 2 * q),
        }
    if plan.increments == "three-point":
        parts |= {"draw": random.draw_three_point, "WIDTH": 4}
    elif plan.precision == "mixed":
        parts |= {"draw": random.draw_float32, "WIDTH": 4}
    else:
        parts |= {"draw": random.draw_float64 if plan.noise.law == NORMAL else random.draw_law, "WIDTH": 2}
    slots, numbers = np.zeros((1, d)), list[tuple[float, ...]]([(), ()])
    if shipped is None:
        rule = plan.dynamics.rule(plan.variance)
        stages = [coefficients(plan.scheme, rule, int(n) / plan.stride) for n in substeps]
        numbered = tuple(np.ascontiguousarray([one[k] for one in stages]) for k in range(4))
        if plan.noise.law.moments <= 2:  # a stable law's noise grows with the time to the power 1/alpha, not 1/2
            numbered[2][:] *= (substeps ** (0.5 - 1 / plan.noise.law.moments))[:, None]
        parts["SPLIT"] = plan.scheme != "euler"
        moving = plan.thermal or plan.scheme == "leimkuhler-matthews"
        if formulas.coupled:
            parts["ALONG"], table, mixing, momentum = _along(plan, numbered, mixing, moving)
            if field is not None and parts["ALONG"]:
                mixing = plan.basis.T
        elif moving:
            keep, _, share, _ = coefficients(plan.scheme, rule, plan.steps)
            momentum = first_deviation(plan.scheme, keep, share, rule.noise_variance)
        if plan.scheme == "baoab":
            slots[0] = first_momentum(numbered[1][0], _pull(plan, turned or parts.get("ALONG", False)))
        if field is None:  # else where each replica is
            numbered[1][:] /= divisor
    else:
        if parted:
            shipped, parts["PARTED"] = plan.dynamics.substep(int(substeps[0])), True
        slots = np.repeat([*shipped.slots, *[0.0] * parted], d).reshape(-1, d)
        parts |= {
            "update": shipped.step,
            "shared": shipped.shared,
            "RMS": 2 + len(shipped.slots),
            "POWERS": 2 + len(slots),
        }
        if shipped.observe is not None:
            parts |= {"MEAN": True, "observe": shipped.observe}
        numbered = (np.zeros((1, d)), np.ones((1, d)), np.full((1, d), np.sqrt(substeps[0])), np.zeros((1, d)))
        numbers = [tuple(map(float, given)) for given in (shipped.betas, shipped.parameters)]
    if field is not None:
        if (parted and shipped is not None) or parts["WIDTH"] == 4:
            raise ValueError(
                f"noise = {plan.noise!r} varies on a coupled landscape: it has no substeps of an optimizer as shipped, "
                "no precision = 'mixed' and no increments = 'three-point'; use substeps=1, precision='float64' and "
                "normal increments"
            )
        parts |= {"VARYING": True, **field.parts}
        matrix = mixing if parts.get("ALONG") else np.eye(d)
        mixing = np.ascontiguousarray(np.concatenate([matrix, field.parameters]))
    if np.isfinite(plan.walls).any():
        if parts.get("ALONG", False) or (turned and plan.rotated):
            raise ValueError(
                f"reflecting = {plan.parameters['reflecting']} is in coordinates, and this rule runs along the "
                "eigenvectors of the Hessian; use SGD, Momentum or second_moment='running' on a CoupledLandscape"
            )
        parts["WALLS"] = True
    origin = plan.basis.T @ plan.origin if turned else plan.origin.copy()
    problem = formulas.parameters, table, mixing, plan.walls
    pushed = parts["COUPLED"] or not {"MEAN", "PARTED", "SAMPLED"}.isdisjoint(parts)
    rows = (d, d if pushed else 0, *[d] * len(slots), *[1] * len(numbers[0]))
    powers = np.ones(len(numbers[0]))  # of the betas, before the first iteration
    first = np.concatenate([origin, np.zeros(rows[1]), slots.ravel(), powers])
    return Prepared(parts, problem, (*numbered, tuple(numbers)), (origin, momentum, first), rows, turned, plan.noise)


def _padded(table: Array, rows: int) -> Array:
    return np.concatenate([table, np.zeros((rows - len(table), table.shape[1]))])


def _along(plan: Plan, numbered: tuple[Array, ...], mixing: Array, moving: bool) -> tuple[bool, Array, Array, Array]:
    """Of a coupled landscape: whether the rule differs between directions, these, and mixing of noise and momentum.

    If it differs, noise and the first momentum are along the directions, else in coordinates, where such a rule is the
    same.
    """
    along, momentum = plan.basis.T @ mixing, np.zeros((len(mixing), 0))
    if moving:
        keep, _, share, _ = coefficients(plan.scheme, plan.dynamics.rule(plan.variance), plan.steps)
        momentum = first_mixing(plan.scheme, keep, share, along)
    if any(np.ptp(row, axis=1).any() for row in numbered):
        return True, np.ascontiguousarray(plan.basis), np.ascontiguousarray(along), momentum
    axes = np.zeros((1, len(mixing))) if plan.scheme == "euler" else np.eye(len(mixing))
    return False, axes, mixing, plan.basis @ momentum


def _pull(plan: Plan, along: bool) -> Array:
    """What the first gradient is, in coordinates or along the directions of the rule, shape (d,)."""
    gradient = plan.landscape.gradient(plan.origin)
    if plan.dynamics.follows:
        gradient = gradient / plan.noise.variance_at(plan.landscape, plan.origin) ** plan.dynamics.follows
    return plan.basis.T @ gradient if along else gradient


def allocate(prepared: Prepared, width: int) -> tuple[Array, tuple[Array, ...], tuple[Any, ...]]:
    """State and scratch for `width` lanes: carried, state and lanes, as `diffusion.kernels.step.advance` has them."""
    parts, d = prepared.parts, len(prepared.start[0])
    width += PAD
    drawn, normal, word = (4, np.float32, np.uint32) if parts["WIDTH"] == 4 else (2, np.float64, np.uint64)
    # what all coordinates share: known by trying; then the mean over them
    told = len(parts["shared"](1.0, *prepared.rule[-1])) if parts["SHIPPED"] else 1
    carried, ends = np.zeros((sum(prepared.rows), width)), np.cumsum(prepared.rows)
    state = tuple(carried[end - size : end] for size, end in zip(prepared.rows, ends, strict=True))
    draws = -(-d // drawn) * drawn if parts["COUPLED"] else drawn
    if parts.get("VARYING"):
        draws += 2 * d * d + d + 1  # rows in which the root of a matrix is taken
    scratch: Any = np.zeros((drawn, width), word)
    law = prepared.noise.law
    if isinstance(prepared.noise, Minibatches):
        scratch = prepared.noise.drawing(width)
    elif law != NORMAL:
        scratch = scratch, np.zeros((drawn, width)), tabulated(law), law.draws
    clocks = (np.zeros(width, np.uint64) for _ in range(3))
    shared = tuple(np.zeros((1, width)) for _ in range(told + ("MEAN" in parts)))
    lanes = (*clocks, np.zeros((draws, width), normal), scratch, shared)
    return carried, state, lanes


class Interruptible:
    """A pool of threads that run kernels; leaving it early, as Ctrl-C does, tells the kernels to stop."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self.stop = np.zeros(1, np.int64)
        self._pool = ThreadPoolExecutor(threads, initializer=_stay_apart, initargs=(itertools.count(), threads))

    def __enter__(self) -> Interruptible:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop[0] = 1
        self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[int], Result], arguments: Iterable[int]) -> Iterator[Result]:
        """Results in the order of the arguments, whichever is ready first; few wait, so that memory does not grow."""
        waiting: deque[Future[Result]] = deque()
        for argument in arguments:
            waiting.append(self._pool.submit(function, argument))
            if len(waiting) > AHEAD * self._threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _stay_apart(started: Iterator[int], threads: int) -> None:
    """Keep each thread on a core of its own if they fill all: a scheduler may leave two on one for seconds.

    With cores to spare the system chooses. Work is shared out as it is done, so a core with other work does less of it.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if 1 < len(cores) <= threads:
            os.sched_setaffinity(0, {cores[next(started) % len(cores)]})


def lanes_for(replicas: int, unit: int) -> int:
    """Lanes for a thread that has so many replicas to run: a multiple of `unit`, at most LANES."""
    return max(min(LANES, -(-replicas // unit) * unit), unit)


def thread_count(threads: int | None) -> int:
    """The number asked for; None: all cores that this process may use."""
    if threads is not None:
        return checks.whole("threads", threads)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_compiling = threading.Lock()


def kernel(function: Callable[..., Any], helpers: Iterable[Any], prepared: Prepared) -> Any:
    """The kernel, specialised; one thread at a time compiles."""
    from diffusion.kernels import samples, step
    from diffusion.kernels.jit import specialise

    if "SAMPLED" in prepared.parts:
        helpers = (*samples.HELPERS, *helpers)
    with _compiling:
        return specialise(function, (*step.HELPERS, *helpers), prepared.parts)
