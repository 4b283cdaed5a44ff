"""What kept a number from being had, and what that makes of its row: the one place that decides."""

import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diffusion.rates import FEW

if TYPE_CHECKING:
    import xarray

NOT_HAD = (ValueError, ArithmeticError)  # what a route raises that cannot resolve a case


@dataclass(frozen=True)
class Fault:
    """Why a number is missing, and the state of a row that lacks it: "ok" if that it is missing is a result."""

    reason: str
    state: str = "failed"


@dataclass(frozen=True)
class MeanExit:
    """Mean exit time of an ensemble, or the fault that it has instead.

    Attributes
    ----------
    value
        In iterations; NaN with a fault.
    events
        The number of exponential times that vary as much. Where the squared deviation is above the exponential's, as
        with a running second moment at low barriers, fewer times count; where it is below, as with a time to settle,
        no more do, and tests are conservative.
    """

    value: float = np.nan
    events: int = 0
    fault: Fault | None = None


@contextmanager
def quietly() -> Iterator[None]:
    """Without the warnings of an ensemble that is not whole, or not to be relied on: its row says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def mean_exit(run: Callable[[], "xarray.Dataset"]) -> MeanExit:
    """Run an ensemble of exits; it must be whole, as a mean over those that left is none over all."""
    try:
        with quietly():
            exits = run()
    except NOT_HAD as error:
        return MeanExit(fault=refused(error))
    times, left, diverged = (exits[name].values for name in ("exit_iteration", "exited", "diverged"))
    if diverged.any():
        return MeanExit(fault=Fault(f"{diverged.sum()} of {len(times)} replicas diverged"))
    if not left.all():
        inside = f"{len(times) - left.sum()} of {len(times)} replicas had not left at the horizon"
        return MeanExit(fault=Fault(inside, "inconclusive"))
    mean = float(times.mean())
    events = int(len(times) / max(1.0, float(times.var()) / mean**2))
    if events < FEW:
        few = f"only {len(times)} exits, which tell as much as {events} exponential ones; {FEW} are needed"
        return MeanExit(fault=Fault(few, "inconclusive"))
    return MeanExit(mean, events)


def refused(error: Exception) -> Fault:
    """A route's refusal, on one line."""
    words = " ".join(str(error).split())
    return Fault(words if isinstance(error, ValueError) else f"{type(error).__name__}: {words}")


def broken(error: Exception, source: str | None = None) -> str:
    """What went wrong, on one line, and where: where it left the claim's source, if it did, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    passed = [frame for frame in frames if frame.filename == source][-1:]
    places = dict.fromkeys(f"{Path(frame.filename).name}, line {frame.lineno}" for frame in [*passed, frames[-1]])
    return f"{type(error).__name__}: {' '.join(str(error).split())} ({'; '.join(places)})"


@contextmanager
def left_out(part: str) -> Iterator[None]:
    """Whatever breaks in here costs this part of the results alone; a warning tells it."""
    try:
        yield
    except Exception as error:  # whatever a claim does
        warnings.warn(f"{part} is left out: {broken(error)}", RuntimeWarning, stacklevel=3)
