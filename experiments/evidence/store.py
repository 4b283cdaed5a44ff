"""The store of finished tasks: each under a name made of all that its numbers depend on."""

import ast
import hashlib
import inspect
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).parents[2]
OURS = ("experiments", "diffusion", "theory")  # packages whose sources count

Task = Callable[..., Mapping[str, Any]]


def path_of(folder: Path, task: Task, arguments: Mapping[str, Any]) -> Path:
    """Where a task's arrays are kept: named by the task, its arguments, files that these name, and the code."""
    told = {name: _told(value) for name, value in arguments.items()}
    parts = [
        f"{task.__module__}:{task.__qualname__}",
        told,
        _code_of(task),
        torch.__version__,
        platform.python_version(),
    ]
    return folder / f"{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]}.npz"


def write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays beside the file, then move them in."""
    beside = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        np.savez(beside, allow_pickle=False, **{name: np.asarray(array) for name, array in arrays.items()})
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any] | None:
    """The arrays of a file; None if there is none, or it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception:  # whatever a damaged file leads to: its task is done again
        return None


def _told(value: Any) -> Any:
    """An argument as JSON has it: of an array a digest; with names, sizes and times of files, where it names some.

    It may name a file, a directory, or ``file.py:function``.
    """
    if isinstance(value, np.ndarray):
        return [value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()]
    if not isinstance(value, str):
        return value
    path = Path(value.partition(".py:")[0] + ".py") if ".py:" in value else Path(value)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [value, *([file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.is_file())]


@cache
def _code_of(task: Task) -> str:
    """A digest of the sources that a task's numbers depend on."""
    digest = hashlib.sha256()
    for path in sources(Path(inspect.getsourcefile(task) or "")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def sources(first: Path) -> list[Path]:
    """A module's file and those of ours that it imports, and these in turn; not the packages above them."""
    left, seen = [first], {first}
    while left:
        new = set(_imported(left.pop())) - seen
        left += new
        seen |= new
    return sorted(seen)


def _imported(path: Path) -> Iterator[Path]:
    """Our files that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.partition(".")[0] in OURS:
                stem = ROOT.joinpath(*name.split("."))
                yield from filter(Path.is_file, (stem.with_suffix(".py"), stem / "__init__.py"))
