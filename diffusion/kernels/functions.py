"""What a function is: its bytecode and every value that it reads, in the functions that it calls too.

A compiled function keeps the values that it read when it was compiled, and Python lets them change afterwards. So a
user's function is copied, with all that it reads, before it is compiled; and compiled code is known by a digest of
what it was made of.
"""

import dis
import enum
import hashlib
import sys
from collections.abc import Callable
from functools import lru_cache
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba.core.registry import CPUDispatcher, cpu_target
from numba.np.ufunc.dufunc import DUFunc

LIBRARIES = frozenset(sys.stdlib_module_names) | {
    "numpy",
    "scipy",
    "numba",
    "llvmlite",
    "torch",
    "jax",
}  # what they hold does not change
PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), range, slice)


def is_library(value: Any) -> bool:
    """Whether a module, function or class belongs to Python or to a library that numba knows by name."""
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) or ""
    return name.partition(".")[0] in LIBRARIES


@lru_cache(maxsize=4096)
def _names(code):
    """Global names that a code object reads, and all names in it, those of the functions inside it too."""
    read = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    every = set(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            more = _names(inner)
            read, every = read | more[0], every | more[1]
    return frozenset(read), frozenset(every)


def values_read(function: Any) -> dict[str, Any]:
    """Names and values of the globals, closure cells and defaults that a function reads; of a module, what it takes."""
    function = getattr(function, "py_func", function)
    code = function.__code__
    read, every = _names(code)
    values = {name: function.__globals__[name] for name in sorted(read) if name in function.__globals__}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        values[name] = cell.cell_contents
    defaults = function.__defaults__ or ()
    values |= dict(zip(code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount], defaults, strict=True))
    values |= function.__kwdefaults__ or {}
    taken = {name: module_values(value, every) for name, value in values.items() if _is_users_module(value)}
    return values | taken


def module_values(module, names, made=None):
    """A module with no more in it than the names given, and so the modules in it, which may reach it again."""
    made = {} if made is None else made
    if id(module) not in made:
        part = made[id(module)] = ModuleType(module.__name__)
        for name in sorted(names):
            if hasattr(module, name):
                value = getattr(module, name)
                setattr(part, name, module_values(value, names, made) if _is_users_module(value) else value)
    return made[id(module)]


def _is_users_module(value):
    return isinstance(value, ModuleType) and not is_library(value)


def digest(value: Any) -> tuple[str, bool]:
    """A hexadecimal digest, and whether it means the same in another process."""
    found = _Digest()
    found.add(value)
    return found.hash.hexdigest()[:32], found.portable


class _Digest:
    def __init__(self):
        self.hash, self.portable, self._seen = hashlib.sha256(), True, {}

    def _tell(self, *words):
        self.hash.update("\0".join(map(str, words)).encode(errors="surrogatepass") + b"\1")

    def add(self, value):
        """Add a value, however nested."""
        if isinstance(value, PLAIN):
            self._tell(type(value).__name__, repr(value))
        elif isinstance(value, enum.Enum):
            self._tell("enum", type(value).__qualname__, value.name)
            self.add(value.value)
        elif isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
            self._tell("array", value.dtype.descr, value.shape)
            self.hash.update(np.ascontiguousarray(value).tobytes())
        elif isinstance(value, tuple | list):
            self._tell(type(value).__name__, len(value))
            for one in value:
                self.add(one)
        elif isinstance(value, set | frozenset):
            self._tell("set", *sorted(map(repr, value)))
        elif id(value) in self._seen:
            self._tell("seen", self._seen[id(value)])
        else:
            self._seen[id(value)] = len(self._seen)
            self._add_object(value)

    def _add_object(self, value):
        if isinstance(value, CodeType):
            self._tell("code", value.co_argcount, value.co_flags, value.co_names, value.co_varnames, value.co_freevars)
            self.hash.update(value.co_code)
            self.add(tuple(value.co_consts))
        elif isinstance(value, DUFunc):  # numba.vectorize
            self._tell("ufunc")
            self.add(value._dispatcher.py_func)
        elif hasattr(value, "py_func"):
            self._tell("compiled")
            self._add_items({name: one for name, one in sorted(value.targetoptions.items()) if name != "cache"})
            self.add(value.py_func)
        elif hasattr(value, "_defn"):  # an intrinsic of numba's
            self.add(value._defn)
        elif isinstance(value, ModuleType) and not is_library(value):
            self._tell("module", value.__name__)
            self._add_items({name: one for name, one in vars(value).items() if not name.startswith("__")})
        elif isinstance(value, FunctionType) and not is_library(value):
            self._tell("function")
            self.add(value.__code__)
            self._add_items(values_read(value) | vars(value))
        elif isinstance(value, enum.EnumType):
            self._tell("enumeration", value.__qualname__)
            self.add([(one.name, one.value) for one in value])
        elif isinstance(value, np.ufunc) or (is_library(value) and hasattr(value, "__name__")):
            self._tell("named", getattr(value, "__module__", ""), getattr(value, "__qualname__", value.__name__))
        elif isinstance(value, numba.types.Type | np.dtype):
            self._tell("type", value)
        else:  # known by being itself: whoever keeps the digest keeps the object
            self.portable = False
            self._tell("object", id(value))

    def _add_items(self, items):
        self._tell(*items)
        for one in items.values():
            self.add(one)


def copied(function: Any, compile_plain: Callable[..., Any], tag: str) -> Any:
    """A compiled copy of a function and of all functions that it calls, with the values that they read now.

    compile_plain(function) compiles a plain function; those compiled already are compiled with their own options. The
    tag makes names unique.
    """
    made = {}

    def copy(value):
        if id(value) in made:
            return made[id(value)]
        if isinstance(value, DUFunc):
            return copy(value._dispatcher.py_func)
        if isinstance(value, np.ndarray):
            return value.copy()
        if isinstance(value, tuple):
            return type(value)._make(map(copy, value)) if hasattr(value, "_make") else tuple(map(copy, value))
        if isinstance(value, ModuleType) and not is_library(value):
            part = made[id(value)] = ModuleType(f"{value.__name__}_{tag}")  # pickle must not import the other
            vars(part).update({name: copy(one) for name, one in vars(value).items() if not name.startswith("__")})
            return part
        if isinstance(value, CPUDispatcher) or (isinstance(value, FunctionType) and not _known(value)):
            return copy_of_function(value)
        return value

    def copy_of_function(value):
        plain = getattr(value, "py_func", value)
        cells = tuple(CellType() for _ in plain.__closure__ or ())
        module = plain.__module__ or "__main__"  # None where code was run by exec, which numba cannot import again
        names = {"__name__": module}
        bound = FunctionType(plain.__code__, names, plain.__name__, plain.__defaults__, cells)
        bound.__qualname__, bound.__module__ = f"{plain.__qualname__}_{tag}", module
        bound.__kwdefaults__ = plain.__kwdefaults__
        if plain is value:
            made[id(value)] = compile_plain(bound)
        else:
            options = {name: one for name, one in value.targetoptions.items() if name not in ("cache", "nopython")}
            made[id(value)] = compile_plain(bound, options)
        for name, one in values_read(plain).items():
            if name in plain.__code__.co_freevars:
                cells[plain.__code__.co_freevars.index(name)].cell_contents = copy(one)
            else:
                names[name] = copy(one)
        return made[id(value)]

    return copy(function)


def _known(function):
    """Whether numba knows a Python function by itself."""
    if is_library(function):
        return True
    context = cpu_target.typing_context
    context.refresh()
    known = context._lookup_global(function)
    if known is None:
        return False
    overloads = [getattr(one, "_overload_func", None) for one in known.templates]
    return not all("register_jitable" in getattr(one, "__qualname__", "") for one in overloads)  # those are their own
