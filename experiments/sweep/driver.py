"""Runs a sweep's tasks on dask.distributed and keeps no results itself."""

import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffusion.progress import Task, task
from experiments.sweep import naming, tasks
from experiments.sweep.cluster import JOIN, StoppedError, connected
from experiments.sweep.description import Sweep
from experiments.sweep.layout import Layout
from experiments.sweep.lock import Lock, locked
from experiments.sweep.store import Store, refuse_existing

AHEAD = 16  # tasks that wait for each thread: a worker is never idle, and the scheduler never full
UNWRITABLE = "the store could not be written"
LOST = "the connection to the scheduler was lost"
TELL = 1.0  # seconds between notes of progress for `status`
LINE = 5.0  # seconds between lines of progress, where there is no terminal


@dataclass
class Outcome:
    """How a run ended.

    Attributes
    ----------
    computed
        Tasks that this run computed.
    failed
        Points that failed; `Store.why` says why.
    damaged
        Tasks that were done but whose chunks were not whole, and were computed again.
    """

    computed: int = 0
    failed: list[int] = field(default_factory=list)
    damaged: int = 0


def run(
    sweep: Sweep,
    out: str | Path,
    *,
    resume: bool = False,
    retry: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
    threads: int | None = None,
    tls: dict[str, str] | None = None,
    progress: Task | None = None,
) -> Outcome:
    """Compute everything that a store lacks.

    Parameters
    ----------
    sweep
        What to compute.
    out
        The store: a directory that all workers see.
    resume
        Go on with a store that is there.
    retry
        With `resume`: compute failed tasks again.
    scheduler
        Address of a running scheduler, ``tcp://host:port`` or ``tls://host:port``; None: workers on this machine.
    workers
        Processes on this machine; None: one for each core; 0: this process computes all tasks in turn, without dask.
    threads
        Threads of a task where this process computes it; None: all cores. In other processes each task has one.
    tls
        Paths of ``ca_file``, ``cert`` and ``key`` for a scheduler that wants TLS.
    progress
        What counts the tasks, of several sweeps; None: a task of the sweep alone.

    Raises
    ------
    ValueError
        If a parameter is wrong, or the store holds another sweep, was begun by another version, or is in use.
    StoppedError
        If workers, the scheduler or the disk fail; what is done is kept.

    Warns
    -----
    UserWarning
        If the scheduler is on another machine and not encrypted.
    """
    naming.refuse_while_importing()
    out = Path(out).absolute()
    check(sweep, out, resume=resume, retry=retry)
    counted = nullcontext(progress) if progress else task("sweep", every=LINE)
    client_or_none = nullcontext() if workers == 0 else connected(scheduler, workers, tls)
    with counted as counter, client_or_none as client:
        try:
            with locked(out) as lock:
                store = Store.open(out) if resume else Store.create(out, sweep)
                rest = store, lock, retry, counter
                current = _Here(threads, *rest) if client is None else _OnDask(client, *rest)
                current.until_done()
        except OSError as error:
            raise StoppedError(f"{UNWRITABLE}: {error}") from error
    current.outcome.failed = np.flatnonzero(store.survey().failed.any(axis=1)).tolist()
    return current.outcome


def check(sweep: Sweep, out: str | Path, *, resume: bool, retry: bool = False) -> float:
    """Share of the tasks that a store lacks; errors as in `run`, before anything is written."""
    out = Path(out)
    Layout.of(sweep).check_figure()
    if not resume:
        refuse_existing(out)
        return 1.0
    store = Store.open(out)
    store.check_sweep(sweep)
    store.check_physics()
    survey = store.survey()
    done = survey.complete & ~survey.failed.any(axis=1) if retry else survey.complete
    return 1 - float(done.mean())


class _Run:
    """The tasks of one run and how far they are."""

    def __init__(self, store: Store, lock: Lock, retry: bool, counter: Task) -> None:
        self._store, self._lock, self._counter, self._survey = store, lock, counter, store.survey()
        self.outcome = Outcome()
        for point, block in self._survey.damaged():
            self._survey.forget(point, block)
            self.outcome.damaged += 1
        for where in np.argwhere(self._survey.failed) if retry else ():
            self._survey.forget(*map(int, where))
        self._blocks = [store.layout.blocks_of(point) for point in range(store.sweep.size)]
        left = enumerate(np.subtract(self._blocks, self._survey.done.sum(axis=1)).tolist())
        self._left = {point: n for point, n in left if n or not self._survey.complete[point]}  # blocks of points
        self._total = sum(n + (self._blocks[point] > 1 or n == 0) for point, n in self._left.items())
        counter.total = counter.total or self._total
        self._began, self._told = time.time(), 0.0
        self._since: tuple[float, int] | None = None

    def _todo(self) -> Iterator[tuple[int, int]]:
        """Tasks that are left, but for the summaries of points whose blocks are."""
        for point, left in self._left.items():
            if left == 0:
                yield point, tasks.ALL
            for block in range(self._blocks[point]) if left else ():
                if not self._survey.done[point, block]:
                    yield point, block

    def _count(self, point: int, block: int) -> bool:
        """Note that a task is done; returns whether the point's summary is next, as that was the last of its blocks."""
        self.outcome.computed += 1
        self._counter.step(self._store.sweep.label(point))
        now = time.time()
        if now - self._told > TELL:
            self._told = now
            if not self._since:
                self._since = now, self.outcome.computed  # without the time that workers take to start
                self._lock.tell(since=self._since)
            self._lock.tell(total=self._total, computed=self.outcome.computed)
        if block == tasks.ALL:
            return False
        self._left[point] -= 1
        return not self._left[point] and self._blocks[point] > 1


class _Here(_Run):
    """The tasks of a run without a client: one after another in this process."""

    def __init__(self, threads: int | None, *rest: Any) -> None:
        super().__init__(*rest)
        self._threads = threads

    def until_done(self) -> None:
        """Compute what is left."""
        for point, block in self._todo():
            self._compute(point, block)
            if self._count(point, block):
                self._compute(point, tasks.ALL)
                self._count(point, tasks.ALL)

    def _compute(self, point: int, block: int) -> None:
        tasks.run(str(self._store.path), self._began, point, block, self._threads)


@contextmanager
def _saying_that_none_is_left(client: Any) -> Iterator[None]:
    """Warn meanwhile if all workers have gone, each time anew: others may join, and are waited for."""
    over = threading.Event()

    def watch() -> None:
        missed = False
        while not over.wait(JOIN):
            try:
                before, missed = missed, not client.nthreads()
            except Exception:  # the scheduler is lost, which the run says itself
                return
            if missed and not before:
                told = f"no worker is left at {client.scheduler.address}; start some, or stop and go on with --resume"
                warnings.warn(told, UserWarning, stacklevel=2)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


class _OnDask(_Run):
    """The tasks of a run on a client's workers."""

    def __init__(self, client: Any, *rest: Any) -> None:
        super().__init__(*rest)
        self._client = client
        self._waiting: dict[Any, tuple[int, int]] = {}
        self._suspects: list[tuple[int, int]] = []
        self._alone: tuple[int, int] | None = None
        self._counted, self._room, self._submitted = 0.0, 0, 0

    def until_done(self) -> None:
        """Keep the workers busy until nothing is left."""
        from distributed import as_completed
        from distributed.comm.core import CommClosedError

        if not self._total:
            return
        try:
            self._meet_workers()
            todo, pending = self._todo(), as_completed(raise_errors=False)
            self._fill(todo, pending)
            with _saying_that_none_is_left(self._client):
                for future in pending:
                    task = self._waiting.pop(future)
                    if not self._heed(future, *task, alone=task == self._alone):
                        self._suspects.append(task)
                    elif self._count(*task):
                        self._submit(pending, task[0], tasks.ALL)
                    future.release()
                    self._fill(todo, pending)
                    if self._suspects and not self._waiting:
                        self._alone = self._suspects.pop()
                        self._submit(pending, *self._alone)
        except CommClosedError as error:
            raise StoppedError(self._kept(LOST)) from error
        except OSError as error:
            raise StoppedError(self._kept(f"{UNWRITABLE}: {error}")) from error

    def _fill(self, todo: Iterator[tuple[int, int]], pending: Any) -> None:
        if time.time() - self._counted > TELL:  # workers may join and leave
            self._counted, threads = time.time(), sum(self._client.nthreads().values())
            self._room = AHEAD * max(threads, 1)
        while len(self._waiting) < self._room and (task := next(todo, None)) is not None:
            self._submit(pending, *task)

    def _submit(self, pending: Any, point: int, block: int) -> None:
        self._submitted += 1  # a task that is tried again is another to the scheduler
        key = f"sweep-{self._store.path.name}-{self._began}-{point}-{block}-{self._submitted}"
        future = self._client.submit(tasks.run, str(self._store.path), self._began, point, block, key=key, pure=False)
        self._waiting[future] = point, block
        pending.add(future)

    def _heed(self, future: Any, point: int, block: int, *, alone: bool) -> bool:
        """Take a task's end; returns whether it is done.

        Where workers died a task is suspect, as are all that waited for the same workers: each is tried again, alone.
        """
        from distributed import KilledWorker

        if future.status == "finished":
            return True
        if future.status != "error":
            raise StoppedError(self._kept(LOST))
        error = future.exception()
        if not isinstance(error, KilledWorker):
            raise StoppedError(self._kept(f"{UNWRITABLE}: {error}" if isinstance(error, OSError) else str(error)))
        if not alone:
            return False
        reason = f"its worker died {1 + error.allowed_failures} times: out of memory, or killed"
        if block == tasks.ALL:
            self._store.complete(point, reason)
        else:
            self._store.finish(point, block, reason)
            if self._blocks[point] == 1:
                self._store.complete(point)
        return True

    def _kept(self, why: str) -> str:
        return f"{why}; {self.outcome.computed} tasks of this run are kept, --resume goes on"

    def _meet_workers(self) -> None:
        """Wait for a worker, and see that it has the store and the same version."""
        try:
            self._client.wait_for_workers(1, timeout=JOIN)
        except TimeoutError:
            raise StoppedError(
                f"no worker has joined {self._client.scheduler.address} in {JOIN:g} s; start some, with one thread each"
            ) from None
        if max(self._client.nthreads().values()) > 1:
            raise StoppedError("a worker has several threads; start workers with one each (--nthreads 1)")
        try:
            self._client.submit(tasks.probe, str(self._store.path), pure=False).result()
        except (ValueError, ImportError) as error:
            raise StoppedError(
                f"a worker cannot do it: {error}; workers need this version of diffusion-lab and must see the store"
            ) from error
