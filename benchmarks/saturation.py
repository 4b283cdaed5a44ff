"""What saturates first in a sweep: the scheduler's tasks, the driver's or the store's writes, in tasks a second.

Run it with ``python -m benchmarks.saturation``; it takes about three minutes on two cores and prints a table.
"""

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from experiments.sweep import Store, Sweep, run, tasks
from experiments.sweep.cluster import connected

TASKS = 10_000


def description(points: int) -> Sweep:
    """A sweep of tasks that compute next to nothing: ten replicas for ten iterations."""
    return Sweep.from_mapping(
        {
            "landscape": {"name": "QuadraticSaddle", "eigenvalues": [0.1]},
            "noise": {"name": "HessianNoise"},
            "dynamics": {"name": "SGD"},
            "measure": {"name": "msd", "replicas": 10, "iterations": 10, "save": [10]},
            "axes": {
                "lr": {"start": 0.001, "stop": 0.1, "count": points // 100},
                "batch_size": {"start": 1, "stop": 100, "count": 100},
            },
        }
    )


def nothing(number: int) -> int:
    """The least that a task can be."""
    return number


def scheduled(count: int) -> float:
    """Tasks that do nothing, a second, as the driver submits them: a few ahead for each worker."""
    from distributed import as_completed

    with connected(None, 2, None) as client:
        client.gather(client.map(nothing, range(10)))
        todo = iter(range(10, count))
        began = time.perf_counter()
        pending = as_completed([client.submit(nothing, next(todo), pure=False) for _ in range(32)])
        done = 0
        for future in pending:
            future.release()
            done += 1
            if (number := next(todo, None)) is not None:
                pending.add(client.submit(nothing, number, pure=False))
        return done / (time.perf_counter() - began)


def _written(path: str, first: int, count: int) -> float:
    store = Store.open(path)
    data = {
        "block_msd": np.ones((1, 1)),
        "block_msd_stderr": np.ones((1, 1)),
        "block_diverged": np.zeros(1, int),
    }
    began = time.perf_counter()
    for point in range(first, first + count):
        store.write(point, 0, data)
        store.finish(point, 0)
    return time.perf_counter() - began


def written(processes: int, count: int) -> float:
    """Tasks' results, three chunks and a flag each, written a second by so many processes to one store."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Store.create(Path(folder) / "a.zarr", description(2 * count)).path)
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            list(pool.map(_written, [path] * processes, [count * k for k in range(processes)], [1] * processes))
            share = count // processes
            seconds = pool.map(_written, [path] * processes, [share * k for k in range(processes)], [share] * processes)
            return count / max(seconds)


def computed(count: int) -> float:
    """Tasks computed a second in one process, without a scheduler."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Store.create(Path(folder) / "a.zarr", description(count)).path)
        tasks.run(path, 0.0, 0, 0)
        began = time.perf_counter()
        for point in range(1, count):
            tasks.run(path, 0.0, point, 0)
        return (count - 1) / (time.perf_counter() - began)


def swept(count: int) -> float:
    """Tasks a second of a whole sweep with two workers, from the first task to the last."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run(description(100), Path(folder) / "a.zarr", workers=2)
        start = time.perf_counter() - began
        began = time.perf_counter()
        run(description(count), Path(folder) / "b.zarr", workers=2)
        return (count - 100) / (time.perf_counter() - began - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS, help="tasks of each measurement, a multiple of 100")
    count = parser.parse_args().tasks
    rows = [
        ("scheduler and driver, tasks that do nothing", scheduled(count)),
        ("store, one process", written(1, count)),
        ("store, two processes", written(2, count)),
        ("a task whole, one process, no scheduler", computed(count)),
        ("a sweep, two workers", swept(count)),
    ]
    for name, rate in rows:
        print(f"{name:45s} {rate:8.0f} tasks/s", flush=True)


if __name__ == "__main__":
    main()
