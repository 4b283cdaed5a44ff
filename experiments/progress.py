"""Progress of long work: a bar on a terminal, a line for each step elsewhere."""

import sys
import time
from typing import Any


class Progress:
    """Counts steps towards `total`; use as a context manager.

    Parameters
    ----------
    quiet
        Show nothing.
    every
        Without a terminal: seconds between lines, at least; the last step has one.
    """

    def __init__(self, *, quiet: bool = False, every: float = 0.0) -> None:
        self.total = 0
        self._done = 0
        self._quiet = quiet
        self._every, self._printed = every, -float("inf")
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "Progress":
        if not self._quiet and sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            columns = progress.BarColumn(20), progress.MofNCompleteColumn(), progress.TimeElapsedColumn()
            words = progress.TextColumn("{task.description}")
            self._bar = progress.Progress(*columns, words, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("", total=None)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Name the step that begins."""
        if self._bar is not None:
            self._bar.update(self._task, description=text, total=self.total or None)

    def advance(self, text: str) -> None:
        """Count a finished step."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(self._task, advance=1)
        elif not self._quiet:
            seconds = time.monotonic() - self._began
            if seconds - self._printed < self._every and self._done < self.total:
                return
            self._printed = seconds
            print(f"[{seconds:5.0f} s] {self._done}/{self.total} {text}", file=sys.stderr, flush=True)
