"""The one place that sets how kernels are compiled, vectorised and cached."""

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

import numba

# contract: fused multiply-add. Nothing that reorders sums: bits must not depend on the width of the vectors.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}
_HELPER = {"_nrt": False}  # arrays are not counted in and out of helpers: they outlive every call, and none is made
_FORMULAS = ("landscapes.py", "noise.py", "dynamics.py")  # what kernels are specialised with


def _cache_directory() -> Path:
    """A folder named by a hash of the sources: numba looks only at a kernel's own file, not at what it calls."""
    digest = hashlib.sha256(numba.__version__.encode())
    here = Path(__file__).parent
    for source in (*sorted(here.glob("*.py")), *(here.parent / name for name in _FORMULAS)):
        digest.update(source.read_bytes())
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "diffusion-lab" / digest.hexdigest()[:16]


_CACHE = _cache_directory()


def jit(function: Callable[..., Any], key: str | None = "common", inline: bool = False) -> Any:
    """Compile without the GIL: replicas run in a pool of threads.

    Compiled code is cached on disk in a folder `key` (None: not at all). Inlined functions are part of their callers.
    """
    if isinstance(function, numba.core.registry.CPUDispatcher):
        return function
    if key is None or inline:
        return numba.njit(forceinline=inline, **_OPTIONS)(function)
    config: Any = numba.config
    before, folder = config.CACHE_DIR, str(_CACHE / key)
    config.CACHE_DIR = folder
    try:
        kept = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # nowhere to write
        return jit(function, key=None)
    finally:
        config.CACHE_DIR = before
    # where the folder cannot be written numba takes another, in which kernels of other formulas would have the same name
    return kept if kept.stats.cache_path.startswith(folder) else jit(function, key=None)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile as a part of every caller."""
    return jit(function, inline=True)


specialisations: dict[Any, Any] = {}


def specialise(
    kernel: Callable[..., Any], helpers: Sequence[Callable[..., Any]], parts: dict[str, Any], key: str | None
) -> Any:
    """Compile a kernel and its helpers with some of their global names bound to `parts`.

    numba cannot cache a kernel that takes a function as an argument or closes over one; a global it can. Each set of parts
    is compiled once in a process and, if `key` names it, once on disk. Functions in `parts` must be hashable.
    """
    identity = (kernel, tuple(sorted(parts.items())))
    if identity not in specialisations:
        compiled = {name: inlined(value) if isinstance(value, FunctionType) else value for name, value in parts.items()}
        # Two kernels loaded from disk may each bring a helper of the same name, compiled in processes that counted alike, and
        # the linker takes the first for both. So the name tells which kernel a helper belongs to.
        tag = f"own_{len(specialisations)}" if key is None else re.sub(r"\W", "_", key)
        for helper in helpers:
            compiled[helper.__name__] = numba.njit(**_OPTIONS, **_HELPER)(_bound(helper, compiled, tag))
        specialisations[identity] = jit(_bound(kernel, compiled, tag), key)
    return specialisations[identity]


def _bound(function: Any, names: dict[str, Any], tag: str) -> FunctionType:
    bound = FunctionType(function.__code__, function.__globals__ | names, function.__name__, function.__defaults__)
    bound.__qualname__, bound.__module__ = f"{function.__qualname__}_{tag}", function.__module__
    return bound
