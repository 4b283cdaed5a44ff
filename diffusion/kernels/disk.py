"""Compiled code on disk, one file for each function and signature, named by what it was made of: nothing there is ever stale.

Whatever is wrong with the folder or a file, the code is compiled anew and the run goes on.
"""

import contextlib
import hashlib
import os
import pickle
import sys
import uuid
import warnings
from pathlib import Path

import llvmlite
import numba
from numba.core import compiler, serialize
from numba.core.caching import NullCache

MOST = 400  # files; those not used for longest go first
_CHECKSUM = 32  # bytes at the beginning of each file
_VERSIONS = f"{numba.__version__} {llvmlite.__version__} {sys.version} 2"  # the last: of the files' format
_warned = []


def folder():
    """Where compiled code is kept.

    Raises
    ------
    RuntimeError
        If the user has no home.
    """
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "diffusion-lab" / "kernels"


class Kept(NullCache):
    """Keeps what numba compiles for a function; the digest is that of the function, its options and all that it reads."""

    def __init__(self, digest):
        self._digest = digest

    def _path(self, sig, codegen):
        made_of = f"{self._digest} {_VERSIONS} {sig} {codegen.magic_tuple()}"
        return folder() / f"{hashlib.sha256(made_of.encode()).hexdigest()[:40]}.nbc"

    def load_overload(self, sig, target_context):
        """The compiled code, or None."""
        try:
            target_context.refresh()
            path = self._path(sig, target_context.codegen())
            if not path.exists():
                return None
            content = path.read_bytes()
            checksum, data = content[:_CHECKSUM], content[_CHECKSUM:]
            if hashlib.sha256(data).digest() != checksum:
                return None  # cut short or damaged: written anew after compiling
            found = compiler.CompileResult._rebuild(target_context, *pickle.loads(data))
        except Exception as error:  # of whatever kind: there is always the compiler
            _warn(error)
            return None
        with contextlib.suppress(OSError):  # somebody else's folder: it is theirs to tidy
            os.utime(path)  # used now
        return found

    def save_overload(self, sig, compiled):
        """Keep it, if there is a place, and if it does not hold addresses of this process."""
        if compiled.library.has_dynamic_globals or any(not one.can_cache for one in compiled.lifted):
            return
        try:
            path = self._path(sig, compiled.codegen)
            path.parent.mkdir(parents=True, exist_ok=True)
            data = serialize.dumps(compiled._reduce())
            part = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
            try:
                part.write_bytes(hashlib.sha256(data).digest() + data)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            _tidy(path.parent)
        except Exception as error:
            _warn(error)


def _tidy(where):
    """Remove what was not used for longest; other processes may do so at the same time."""
    used = []
    for path in where.iterdir():
        try:
            used.append((path.stat().st_mtime, path))
        except OSError:
            continue
    for _, path in sorted(used)[: max(len(used) - MOST, 0)]:
        path.unlink(missing_ok=True)


def _warn(error):
    if not _warned:
        _warned.append(error)
        warnings.warn(
            f"compiled code is not kept between runs: {type(error).__name__}: {error}; results are the same. "
            "XDG_CACHE_HOME names another folder",
            RuntimeWarning,
            stacklevel=2,
        )
