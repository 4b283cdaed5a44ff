"""Compiled code on disk, a file for each function and signature, named by what it was made of: none is ever stale.

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
from numba.core.codegen import JITCPUCodegen

MOST = 400  # files; those not used for longest go first
_CHECKSUM = 32  # bytes at the beginning of each file
_FORMAT = 2  # of the files
_VERSIONS = f"{__package__} {numba.__version__} {llvmlite.__version__} {sys.version} {_FORMAT}"
_warned = []


def folder() -> Path:
    """Where compiled code is kept.

    Raises
    ------
    RuntimeError
        If the user has no home.
    """
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "diffusion-lab" / "kernels"


class Twin(NullCache):
    """In place of a cache, of the function that compiles what `Kept` keeps."""


class Kept(NullCache):
    """Keeps what numba compiles for a function.

    What is used is what is on disk, or would be, loaded into an engine of its own. Helpers are in a kernel's code, and
    each was compiled for itself as well; in the engine where that was done the linker takes those, of which products
    may be fused into sums elsewhere: a kernel just compiled would not give the bits that it gives in the next process.

    Parameters
    ----------
    digest
        Of the function, its options and all that it reads.
    compile_anew
        Compiles it for a signature, and gives numba's result.
    """

    def __init__(self, digest, compile_anew):
        self._digest, self.compile_anew = digest, compile_anew
        self.hits = 0  # how often the code was on disk

    def _path(self, sig, codegen):
        made_of = f"{self._digest} {_VERSIONS} {sig} {codegen.magic_tuple()}"
        return folder() / f"{hashlib.sha256(made_of.encode()).hexdigest()[:40]}.nbc"

    def load_overload(self, sig, target_context):
        """The compiled code, from disk or compiled now."""
        try:
            target_context.refresh()
            path = self._path(sig, target_context.codegen())
            data = _read(path)
            if data is not None:
                loaded = _loaded(data, target_context)
                self.hits += 1
                return loaded
        except Exception as error:  # of whatever kind: there is always the compiler
            _warn(error)
            path = None
        compiled = self.compile_anew(sig)
        if compiled.library.has_dynamic_globals or any(not one.can_cache for one in compiled.lifted):
            return compiled  # it holds addresses of this process
        data = serialize.dumps(compiled._reduce())
        if path is not None:
            _write(path, data)
        return _loaded(data, target_context)


def _loaded(data, target_context):
    """Compiled code, in an engine of its own."""
    alone = target_context.subtarget(_internal_codegen=JITCPUCodegen("diffusion"))
    return compiler.CompileResult._rebuild(alone, *pickle.loads(data))


def _read(path):
    """What a file holds; None if there is none, or it was cut short or damaged: it is written anew then."""
    if not path.exists():
        return None
    content = path.read_bytes()
    checksum, data = content[:_CHECKSUM], content[_CHECKSUM:]
    if hashlib.sha256(data).digest() != checksum:
        return None
    with contextlib.suppress(OSError):  # somebody else's folder: it is theirs to tidy
        os.utime(path)  # used now
    return data


def _write(path, data):
    """Keep it, if there is a place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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
