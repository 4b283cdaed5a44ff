"""How far long work is: what runs tells it here, and it is shown where `progress` was asked for, and nowhere else."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Item = TypeVar("Item")

PATIENCE = 5.0  # seconds that work goes on before it is shown
PERIOD = 0.25  # seconds from one picture to the next


class Task:
    """Work that comes nearer its end.

    Parameters
    ----------
    name
        What is done.
    total
        How much there is to do; 0: not known.
    measure
        How much of it is done, asked by another thread whenever it is drawn; None: as `step` counts.
    every
        Without a terminal: seconds between lines, at least; the last step has one.
    told
        Whether a terminal has these lines, too, above the bars.
    """

    def __init__(
        self,
        name: str = "",
        total: float = 0,
        measure: Callable[[], float] | None = None,
        every: float = 0.0,
        *,
        told: bool = False,
    ) -> None:
        self.name, self.total, self.measure, self.every, self.is_told = name, total, measure, every, told
        self.note, self.done = "", 0.0
        self.began, self.told = 0.0, -float("inf")  # when, and when a line was last printed
        self.seen: list[tuple[float, float]] = []  # when how much was done, since it was more than nothing

    def say(self, note: str) -> None:
        """Name what begins."""
        self.note = note

    def step(self, note: str) -> None:
        """Count what ended, and name it."""
        self.done += 1
        if _display:
            _display.tell(self, note)


class Display:
    """Bars of the tasks that go on for longer than PATIENCE; without a terminal, a line a step of the outermost task.

    Parameters
    ----------
    console
        Where they are shown.
    clock
        Seconds since some time.
    """

    def __init__(self, console: "Console", clock: Callable[[], float] = time.monotonic) -> None:
        self.compiling = 0  # functions that numba is at
        self._console, self._clock = console, clock
        self._tasks: list[Task] = []
        self._live: Any = None

    def begin(self, task: Task) -> None:
        """Watch a task."""
        task.began = self._clock()
        self._tasks.append(task)

    def end(self, task: Task) -> None:
        """Watch it no more."""
        self._tasks.remove(task)

    def tell(self, task: Task, note: str) -> None:
        """Print a line for a step, where there are no bars or the task wants it."""
        seconds = self._clock() - task.began
        if (self._console.is_terminal and not task.is_told) or task not in self._tasks[:1]:
            return
        if seconds - task.told >= task.every or task.done >= task.total:
            task.told = seconds
            line = f"[{seconds:5.0f} s] {task.done:.0f}/{task.total} {note}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def draw(self) -> None:
        """Show the bars as they are now."""
        now = self._clock()
        tasks = [task for task in tuple(self._tasks) if now - task.began >= PATIENCE]
        if not tasks or not self._console.is_terminal:
            self.hide()
            return
        if self._live is None:
            from rich.live import Live

            shared = sys.stdout.isatty()  # what a program prints meanwhile goes above the bars, but not out of its pipe
            self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=shared)
            self._live.start()
        self._live.update(self._bars(tasks, now), refresh=True)

    def hide(self) -> None:
        """Take the bars away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _bars(self, tasks: list[Task], now: float) -> "Table":
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        table = Table.grid(padding=(0, 1), expand=True)
        for ratio in (None, None, None, 1):  # what does not fit is cut off the words at the end
            table.add_column(no_wrap=True, ratio=ratio)
        for task in tasks:
            total = task.total
            done = min(max(task.measure() if task.measure else task.done, 0), total)
            counted = isinstance(total, int) and not task.measure
            share = "" if not total else f"{done:.0f}/{total}" if counted else f"{100 * done / total:.0f} %"
            left = f", {_shown(seconds)} left" if (seconds := _left(task, done, now)) else ""
            note = " compiling" if self.compiling and task is tasks[-1] else f" {task.note}" if task.note else ""
            bar = ProgressBar(total or None, done, 20, pulse=not done, animation_time=now)
            table.add_row(task.name, bar, share, f"{_shown(now - task.began)}{left}{note}")
        return table


def _shown(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _left(task: Task, done: float, now: float) -> float:
    """Seconds left at the speed of the later half of the time, or of all of it if steps are counted; 0: not known."""
    if not done:
        return 0.0
    task.seen.append((now, done))
    then, before = task.seen[len(task.seen) // 2] if task.measure else (task.began, 0.0)
    return (now - then) * (task.total - done) / (done - before) if done > before else 0.0


_display: Display | None = None


@contextmanager
def task(
    name: str,
    total: float = 0,
    measure: Callable[[], float] | None = None,
    every: float = 0.0,
    *,
    told: bool = False,
) -> Iterator[Task]:
    """A task, shown as long as it lasts if somebody asked; the arguments are those of `Task`."""
    display, current = _display, Task(name, total, measure, every, told=told)
    if display:
        display.begin(current)
    try:
        yield current
    finally:
        if display:
            display.end(current)


def through(items: Sequence[Item], name: str, work: Sequence[float]) -> Iterator[Item]:
    """The items in turn, a task of so much work each; those after the next may not be wanted, and do not count."""
    with task(name) as current:
        for k, item in enumerate(items):
            current.done, current.total = sum(work[:k]), float(sum(work[: max(k + 1, 2)]))
            yield item


def compiling(change: int) -> None:
    """Note that numba compiles one more function, or one less."""
    if _display:
        _display.compiling = max(_display.compiling + change, 0)


@contextmanager
def shown_on(display: Display) -> Iterator[None]:
    """Show tasks that begin on a display; one at a time in a process."""
    global _display
    before, _display = _display, display
    try:
        yield
    finally:
        _display = before
        display.hide()


@contextmanager
def progress() -> Iterator[None]:
    """Show on the terminal how far work is, and how long it will take from here, whatever takes more than 5 s.

    In a program nothing is shown unless it is asked for, as here::

        with diffusion.progress():
            exits = diffusion.exit_times(...)

    The time that is left is what is left of the work at its speed so far. That numba compiles is said too. All goes to
    standard error; where that is no terminal, nothing is shown of a single run.
    """
    from rich.console import Console

    display, over = Display(Console(stderr=True)), threading.Event()

    def draw_on() -> None:
        while not over.wait(PERIOD):
            display.draw()

    artist = threading.Thread(target=draw_on, daemon=True)
    with shown_on(display):
        artist.start()
        try:
            yield
        finally:
            over.set()
            artist.join()
