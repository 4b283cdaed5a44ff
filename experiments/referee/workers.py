"""Worker processes: claims are tried in them side by side, and tasks on networks run in them."""

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any


class Workers:
    """Processes that begin when there is work for them, and leave interrupts to this one.

    Parameters
    ----------
    count
        Most processes at a time.
    prepare
        Is called by each before anything else.
    """

    def __init__(self, count: int, prepare: Callable[[], object] | None = None) -> None:
        self.count, self._prepare = count, prepare
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have a function called that is at the top level of a module.

        A process that this starts is born with interrupts blocked: before `begin` one would end it with a fatal error.
        """
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, context, initializer=begin, initargs=(self._prepare,))
        if not hasattr(signal, "pthread_sigmask"):  # on Windows, where a process begins with what it is told
            return self._pool.submit(function, *arguments)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._pool.submit(function, *arguments)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def forget(self) -> None:
        """One of them died, and took the others along: the next work has new ones."""
        self._pool = None

    def close(self) -> None:
        """End them, whatever they do."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            self._pool = None


def begin(prepare: Callable[[], object] | None) -> None:
    """What a worker does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if prepare is not None:
        prepare()
