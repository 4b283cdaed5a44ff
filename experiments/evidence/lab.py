"""What claims about networks are computed with: data, the size of the run, workers, and a store of what is finished."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any, Self

import torch

from diffusion.progress import task as shown
from diffusion.torch_ensemble import one_thread_each
from experiments.evidence import store
from experiments.evidence.data.sets import DIGITS, DOCUMENTATION
from experiments.evidence.store import Task
from experiments.evidence.training import Recipe, Run, trained
from experiments.referee.routes import Routes
from experiments.referee.workers import Workers

STORES = "stores"
FAILED = "failed"  # the name under which a task that failed has its reason, and nothing else


@dataclass
class Lab(Routes):
    """The resources of a run on networks.

    Attributes
    ----------
    out
        The directory of the results; what is finished is kept in its folder `STORES`.
    images, text
        Sources of the data, see `data.sets`.
    cifar
        Source of CIFAR for the paper's own settings; empty if it is not given.
    model
        The user's own network, see `models.build`; empty if there is none.
    threads
        Worker processes, of one thread each; None: as many as cores. Numbers do not depend on it.
    """

    replicas: int = 0
    torch_replicas: int = 0
    out: Path = Path("results/evidence")
    images: str = DIGITS
    text: str = DOCUMENTATION
    cifar: str = ""
    model: str = ""
    _workers: Workers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._workers = Workers(self.threads or os.cpu_count() or 1, begin)

    @classmethod
    def of(cls, routes: Routes) -> Self:
        """The lab that a claim is tried in.

        Raises
        ------
        ValueError
            If it is tried by `diffusion-lab verify`, which has none.
        """
        if not isinstance(routes, cls):
            raise ValueError("it is a claim about networks; try it by diffusion-lab evidence")
        return routes

    def each(
        self, task: Task, settings: Sequence[Mapping[str, Any]], title: str = "", *, alone: bool = False
    ) -> list[dict[str, Any]]:
        """What a task gives for each of some settings, in their order; what is finished is taken from the store.

        Parameters
        ----------
        task
            A function at the top level of a module, of arguments that JSON has, or arrays; it gives arrays by name. It
            runs in another process, at one thread of torch. What is finished is void once the module, or one of ours
            that it imports, has changed: it is best kept apart from findings. If it has an argument `checkpoint`, it
            is told a path where it may keep how far it is.
        settings
            Its arguments by name, each time.
        title
            What is done, for the display.
        alone
            Whether tasks run one at a time and in this process, as on a GPU.

        Returns
        -------
        list of dict
            Arrays by name; of a task that failed its reason alone, see `failure`. It is tried again in the next run.
        """
        paths = [store.path_of(self.out / STORES, task, arguments) for arguments in settings]
        results = {path: arrays for path in paths if (arrays := store.read(path)) is not None}
        left = {path: arguments for path, arguments in zip(paths, settings, strict=True) if path not in results}
        with shown(title or task.__name__, len(paths)) as progress:
            progress.done = len(paths) - len(left)
            for path, reason in self._finished(task, left, alone):
                arrays = None if reason else store.read(path)
                results[path] = {FAILED: reason or "its file cannot be read"} if arrays is None else arrays
                progress.step(title or task.__name__)
        return [results[path] for path in paths]

    def whole(self, task: Task, settings: Sequence[Mapping[str, Any]], title: str = "") -> list[dict[str, Any]]:
        """The same where none may fail.

        Raises
        ------
        ValueError
            With what was done and the reason, if a task failed.
        """
        results = self.each(task, settings, title)
        reason = next((failure(arrays) for arrays in results if failure(arrays)), "")
        if reason:
            raise ValueError(f"{title or task.__name__}: {reason}")
        return results

    def runs(self, recipes: Sequence[Recipe], title: str = "training") -> list[Run]:
        """The runs of some recipes, in their order, of which one may diverge but none may fail, see `whole`."""
        return [Run.of_arrays(arrays) for arrays in self.whole(trained, [each.as_arguments for each in recipes], title)]

    def close(self) -> None:
        """End the workers, whatever they do."""
        self._workers.close()

    def _finished(self, task: Task, left: Mapping[Path, Mapping[str, Any]], alone: bool) -> Iterator[tuple[Path, str]]:
        """Each file as its task ends, with the reason if it failed."""
        if alone or self._workers.count == 1:
            for path, arguments in left.items():
                with one_thread_each():
                    reason = work(task, arguments, path)
                yield path, reason
            return
        futures: dict[Future[str], Path] = {}
        try:
            for path, arguments in left.items():
                futures[self._workers.submit(work, task, arguments, path)] = path
            for future in as_completed(futures):
                error = future.exception()  # the worker died, as for want of memory
                if error is not None:
                    self._workers.forget()
                yield futures[future], future.result() if error is None else f"{type(error).__name__}: {error}"
        except BaseException:
            self.close()
            raise


def failure(arrays: Mapping[str, Any]) -> str:
    """Why a task failed; empty if it did not."""
    return str(arrays.get(FAILED, ""))


def begin() -> None:
    """Prepare a worker: one thread of torch."""
    torch.set_num_threads(1)


def work(task: Task, arguments: Mapping[str, Any], path: Path) -> str:
    """Do a task and keep its arrays; why it failed, or nothing."""
    checkpoint = path.with_suffix(".part")
    more = {"checkpoint": checkpoint} if "checkpoint" in signature(task).parameters else {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        store.write(path, task(**arguments, **more))
        checkpoint.unlink(missing_ok=True)
    except Exception as error:  # whatever a task does costs it alone
        return f"{type(error).__name__}: {error}"
    return ""
