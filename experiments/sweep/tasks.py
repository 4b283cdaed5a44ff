"""What a worker does: one block of one point, or a point's summary, from the store and back to it."""

import hashlib
import json
import logging
import signal
import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from experiments.sweep.measurements import problem
from experiments.sweep.store import Store

ALL = -1  # in place of a block: what all blocks of a point say together
SHARED = ("replicas", "repetitions", "block")  # options that are no part of what a point is


@lru_cache(maxsize=4)
def _opened(path: str, began: float) -> Store:
    """The store, opened once in a worker for each run of a driver."""
    store = Store.open(path)
    store.check_physics()
    return store


def run(path: str, began: float, point: int, block: int, threads: int | None = 1) -> str:
    """Compute and keep one task, on so many threads; returns why it failed, or nothing.

    Raises
    ------
    ValueError
        If the store is not there, or was begun by another version.
    OSError
        If the store cannot be written.
    """
    store = _opened(path, began)
    if block == ALL:
        return _summarise(store, point)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few exits, of divergence: the results tell them
            measurement, options = store.layout.measurement(point)
            data = measurement.run(problem(store.sweep.at(point), threads), options, seed(store, point, block))
        reason = _divergence(data)
    except (Exception, SystemExit) as error:  # whatever it is, other tasks go on
        data, reason = {}, words(error)
    store.write(point, block, data)
    store.finish(point, block, reason)
    return _summarise(store, point) if store.layout.blocks_of(point) == 1 else reason


def _summarise(store: Store, point: int) -> str:
    reason = store.why(point)
    measurement, options = store.layout.measurement(point)
    if reason or measurement.summary is None:
        store.complete(point)
        return reason
    blocks = store.read(point, tuple(measurement.kept), measurement.blocks(options))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = measurement.summary(blocks, options)
    except Exception as error:
        reason = words(error)
    else:
        store.write(point, ALL, data)
    store.complete(point, reason)
    return reason


def words(error: BaseException) -> str:
    """What happened, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def seed(store: Store, point: int, block: int) -> int:
    """A seed for a task: of what the point is, not of its place in the grid."""
    sections = store.sweep.at(point)
    measure = {key: value for key, value in sections["measure"].items() if key not in SHARED}
    text = json.dumps(sections | {"measure": measure}, sort_keys=True)
    words = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint32)
    return int(np.random.SeedSequence([*words.tolist(), block]).generate_state(1, np.uint64)[0])


def _divergence(data: dict[str, Any]) -> str:
    for name in ("block_diverged", "replica_diverged"):
        if name in data:
            lost = int(np.max(data[name])) if name == "block_diverged" else int(np.sum(data[name]))
            if lost:
                return f"{lost} replicas diverged; lower the learning rate, or move the boundary closer"
    return ""


def probe(path: str) -> str:
    """A name of this worker, if it sees the store."""
    _opened(path, 0.0)
    return "here"


def dask_setup(worker: object) -> None:
    """Called by a worker of this machine as it starts: interrupts and errors are for the driver, which ends it."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
