"""Contestants take turns, so that whatever else the machine does falls on all of them."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import numpy as np

from benchmarks.workloads import Array, Contestant
from diffusion.progress import Task


@dataclass
class Timing:
    """What a contestant took.

    Attributes
    ----------
    seconds
        One for each round.
    ns
        Nanoseconds per coordinate update, one for each round.
    result
        What it computed, the last time.
    """

    contestant: Contestant
    seconds: list[float] = field(default_factory=list)
    ns: list[float] = field(default_factory=list)
    result: Array = field(default_factory=lambda: np.zeros(0))


def in_rounds(contestants: list[Contestant], rounds: int, progress: Task) -> dict[str, Timing]:
    """Run each contestant once, which compiles it, and then in turns, `rounds` times."""
    timings = {contestant.name: Timing(contestant) for contestant in contestants}
    for k in range(rounds + 1):
        for name, timing in timings.items():
            if _pressed.is_set():
                raise KeyboardInterrupt
            progress.say(f"{name}, {f'round {k} of {rounds}' if k else 'compiling'}")
            began = time.perf_counter()
            timing.result = timing.contestant.run()
            seconds = time.perf_counter() - began
            if k > 0:
                timing.seconds.append(seconds)
                timing.ns.append(1e9 * seconds / timing.contestant.updates(timing.result))
        progress.step(f"{contestants[0].name} and {len(timings) - 1} others: {f'round {k}' if k else 'compiled'}")
    return timings


_pressed = threading.Event()


@contextmanager
def heeding_interrupts() -> Iterator[None]:
    """Remember Ctrl-C: JAX calls Python where exceptions are lost, so `in_rounds` looks before each contestant."""

    def press(number: int, frame: FrameType | None) -> None:
        _pressed.set()
        raise KeyboardInterrupt

    _pressed.clear()
    before = signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread, and those it starts, on one core, where the system allows it.

    XLA sizes its pool of threads by the cores it may use when it starts; NPROC tells it where nothing can be pinned.
    """
    os.environ.setdefault("NPROC", "1")
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def disagreement(this: Timing, other: Timing) -> float:
    """Difference of two results of the same workload, in its standard errors.

    Of A, the mean squared displacement at the last time that both measured; of B, the mean number of iterations up
    to the lower cap.
    """
    if this.result.ndim == 2:
        last = min(len(this.result), len(other.result)) - 1
        samples = [timing.result[last] for timing in (this, other)]
    else:
        cap = min(this.contestant.size.iterations, other.contestant.size.iterations)
        samples = [np.minimum(timing.result, cap) for timing in (this, other)]
    error = np.sqrt(sum(np.var(sample, ddof=1) / len(sample) for sample in samples))
    return float(abs(samples[0].mean() - samples[1].mean()) / error)
