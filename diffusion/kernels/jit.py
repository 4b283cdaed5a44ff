"""The one place that sets how kernels are compiled, vectorised and cached."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import numba
from numba.core import event

from diffusion.kernels.disk import Kept, Twin
from diffusion.kernels.functions import copied, digest
from diffusion.progress import compiling

# contract: fused multiply-add. Nothing that reorders sums: bits must not depend on the width of the vectors.
# C calls none of them: without an entry for it a kernel compiles in nine tenths of the time.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz"},
    "no_cfunc_wrapper": True,
}
# Of helpers: arrays are not counted in and out, as they outlive every call and none is made; Python calls none of them.
_HELPER = {"_nrt": False, "no_cpython_wrapper": True}


class Compiler(event.Listener):  # type: ignore[misc]
    """Tells that numba compiles, whatever the function is, and counts the seconds for code that is kept on disk.

    Python looks for garbage in the meantime as often as objects are made, which would be a tenth of the time: it waits.
    """

    def __init__(self) -> None:
        self.kept, self._depth, self._began, self._collects = 0.0, 0, 0.0, False

    def on_start(self, event: Any) -> None:
        """A function, which may be a part of another."""
        compiling(1)
        if not self._depth:
            self._began, self._collects = time.perf_counter(), gc.isenabled()
            gc.disable()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        """It is compiled, or cannot be."""
        compiling(-1)
        self._depth -= 1
        if self._depth:
            return
        if self._collects:
            gc.enable()
        if isinstance(event.data["dispatcher"]._cache, Twin):
            self.kept += time.perf_counter() - self._began


compiler = Compiler()
event.register("numba:compile", compiler)


@contextmanager
def _jit_on() -> Iterator[None]:
    """Compile even under NUMBA_DISABLE_JIT, which breaks numba's own functions too: Python cannot run kernels."""
    config: Any = numba.config
    before, config.DISABLE_JIT = config.DISABLE_JIT, 0
    try:
        yield
    finally:
        config.DISABLE_JIT = before


def _njit(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    with _jit_on():
        dispatcher = numba.njit(**options)(function)
    if numba.config.DISABLE_JIT:
        dispatcher.compile = _jit_on()(dispatcher.compile)
    return dispatcher


def jit(function: Callable[..., Any]) -> Any:
    """Compile without the GIL, as replicas run in a pool of threads, and keep the code on disk if it can be kept."""
    dispatcher = _njit(function, _OPTIONS)
    made_of, portable = digest(dispatcher)
    if portable:
        twin = _njit(function, _OPTIONS)
        twin._cache = Twin()

        def compile_anew(sig: Any) -> Any:
            twin.compile(sig)
            return twin.overloads[tuple(numba.core.sigutils.normalize_signature(sig)[0])]

        dispatcher._cache = Kept(made_of, compile_anew)
    return dispatcher


def inlined(function: Callable[..., Any]) -> Any:
    """Compile as a part of every caller."""
    return _njit(function, {"forceinline": True, **_OPTIONS})


_copies: dict[str, tuple[Any, Any]] = {}


def snapshot(function: Callable[..., Any]) -> Any:
    """A user's function compiled, with the values that it and what it calls read now; one for each set of values."""
    made_of, _ = digest(function)
    if made_of not in _copies:

        def compile_plain(plain: FunctionType, options: dict[str, Any] | None = None) -> Any:
            return inlined(plain) if options is None else _njit(plain, options)

        _copies[made_of] = (
            copied(function, compile_plain, made_of[:16]),
            function,
        )  # the digest may name objects by place
    return _copies[made_of][0]


specialisations: dict[str, Any] = {}
_helpers: dict[str, Any] = {}
_known: dict[Any, Any] = {}


def specialise(kernel: Callable[..., Any], helpers: Sequence[Callable[..., Any]], parts: dict[str, Any]) -> Any:
    """Compile a kernel and its helpers with some of their global names bound to `parts`.

    numba cannot cache a kernel that takes a function as an argument or closes over one; a global it can. What is
    made of the same bytecode and values is compiled once in a process, and once on disk. Functions in `parts`
    must be hashable.
    """
    parts = {name: snapshot(value) if isinstance(value, FunctionType) else value for name, value in parts.items()}
    identity = (kernel, tuple(sorted(parts.items())))
    if identity not in _known:
        plain = [_bound(function, parts) for function in (*helpers, kernel)]
        names = {function.__name__: function for function in plain}
        assert len(plain) == len(names.keys() - parts.keys()), "one of two functions of one name would be left out"
        for function in plain:
            function.__globals__.update(names)
        made_of, _ = digest(plain[-1])
        if made_of not in specialisations:
            specialisations[made_of] = _compiled(plain)
        _known[identity] = specialisations[made_of]
    return _known[identity]


def _bound(function: Any, names: dict[str, Any]) -> FunctionType:
    bound = FunctionType(function.__code__, function.__globals__ | names, function.__name__, function.__defaults__)
    bound.__module__ = function.__module__
    return bound


def _compiled(plain: Sequence[FunctionType]) -> Any:
    """The last of them compiled, the others as its helpers, each once in a process whatever kernels it is in."""
    helpers = {}
    for function in plain[:-1]:
        made_of, _ = digest(function)
        if made_of not in _helpers:
            _helpers[made_of] = _njit(function, _OPTIONS | _HELPER)
        helpers[function.__name__] = _helpers[made_of]
    for function in plain:
        function.__globals__.update(helpers)
    return jit(plain[-1])
