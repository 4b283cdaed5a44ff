"""The one place that sets how kernels are compiled and cached."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_SOURCES = Path(__file__).parent.parent


def _cache_directory() -> str:
    """A folder named by a hash of the sources: numba looks only at a kernel's own file, not at what it calls."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in [*sorted((_SOURCES / "kernels").glob("*.py")), _SOURCES / "dynamics.py"]:
        digest.update(source.read_bytes())
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return str(Path(home) / "diffusion-lab" / digest.hexdigest()[:16])


def jit(function: Callable[..., Any]) -> Any:
    """Compile without the GIL (replicas run in a pool of threads), strict IEEE, division by zero as in numpy; cached on disk."""
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = _CACHE
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        config.CACHE_DIR = before


_CACHE = _cache_directory()
