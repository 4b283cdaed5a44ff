"""Functions as users have them, turned into plain functions that numba can compile; and what a result says of them."""

import enum
import functools
import hashlib
import inspect
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

import numpy as np
from numpy.typing import NDArray

REMEDY = "give a function of numbers, with what else it needs in parameters=, or as its globals or defaults"


def plain(name: str, function: Any) -> Callable[..., Any]:
    """A plain function, or one compiled with njit, that does what `function` does.

    Polynomials of NumPy's, piecewise polynomials of SciPy's (`CubicSpline`, `PchipInterpolator`, ...),
    `functools.partial`, `numpy.vectorize`, `numba.vectorize` and functions of NumPy's or Python's are turned into one.

    Raises
    ------
    ValueError
        If `function` is something that has no such form; the message names it and the remedy.
    """
    from numba.core.registry import CPUDispatcher
    from numba.np.ufunc.dufunc import DUFunc

    from diffusion.kernels.functions import is_library

    if isinstance(function, CPUDispatcher) or (isinstance(function, FunctionType) and not is_library(function)):
        return function
    if isinstance(function, functools.partial):
        return _bound(name, plain(name, function.func), function.args, function.keywords)
    if isinstance(function, np.vectorize):
        return plain(name, function.pyfunc)
    if isinstance(function, np.poly1d):
        return _polynomial(function.coeffs)
    if isinstance(function, _POLYNOMIALS):
        return _polynomial(function.convert(kind=np.polynomial.Polynomial).coef[::-1])
    if isinstance(function, MethodType):
        raise ValueError(
            f"{name} = {function.__qualname__} is a method, and the object that it belongs to cannot be compiled; "
            f"{REMEDY}"
        )
    if isinstance(function, DUFunc):
        return plain(name, function._dispatcher.py_func)  # type: ignore[attr-defined]
    library = callable(function) and not isinstance(function, type | MethodType) and hasattr(function, "__name__")
    if isinstance(function, np.ufunc) or (library and is_library(function)):

        def called(*arguments: Any) -> Any:
            return function(*arguments)

        return called
    if not callable(function):
        raise ValueError(f"{name} = {function!r} must be a function")
    from scipy.interpolate import BSpline, PPoly

    if isinstance(function, BSpline) and function.c.ndim == 1:
        function = PPoly.from_spline(function)
    if isinstance(function, PPoly) and function.c.ndim == 2:
        return _pieces(name, function)
    raise ValueError(f"{name} = {function!r} is an object that is called, which cannot be compiled; {REMEDY}")


_POLYNOMIALS = tuple(
    getattr(np.polynomial, kind) for kind in ("Polynomial", "Chebyshev", "Legendre", "Laguerre", "Hermite", "HermiteE")
)


def _bound(name: str, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Callable[..., Any]:
    """The function with some of its arguments given."""
    signature = inspect.signature(getattr(function, "py_func", function))
    try:
        given = signature.bind_partial(*arguments, **keywords).arguments
    except TypeError as error:
        raise ValueError(f"{name} = functools.partial(...): {error}") from error
    parameters = signature.parameters.values()
    if any(one.kind == one.VAR_POSITIONAL for one in parameters):
        if keywords:
            raise ValueError(f"{name} = functools.partial(...) gives keywords to a function of *args; {REMEDY}")
        return lambda *rest: function(*(arguments + rest))
    left = [one.name for one in parameters if one.name not in given and one.default is one.empty]
    # numba calls by keyword only what is written so
    source = f"lambda {', '.join(left)}: _called({', '.join(f'{one}={one}' for one in [*left, *given])})"
    return eval(source, {"_called": function, **given})  # type: ignore[no-any-return]


def _polynomial(coefficients: NDArray[Any]) -> Callable[[float], float]:
    """A polynomial by its coefficients, the highest first."""
    terms = tuple(map(float, coefficients))

    def polynomial(u: float) -> float:
        total = 0.0
        for term in terms:
            total = total * u + term
        return total

    return polynomial


def _pieces(name: str, spline: Any) -> Callable[[float], float]:
    """A piecewise polynomial of SciPy's."""
    width = np.diff(spline.x)
    if spline.extrapolate == "periodic" or np.any(width < 0):
        raise ValueError(f"{name} = {spline!r} is periodic or descends; give an ascending spline that extrapolates")
    edges = np.append(spline.x[:-1][width > 0], spline.x[-1])
    terms = np.ascontiguousarray(spline.c[:, width > 0], np.float64)
    inside = not spline.extrapolate

    def pieces(u: float) -> float:
        if inside and not edges[0] <= u <= edges[-1]:
            return np.nan
        i = min(max(int(np.searchsorted(edges, u, side="right")) - 1, 0), len(edges) - 2)
        total = 0.0
        for k in range(len(terms)):
            total = total * (u - edges[i]) + terms[k, i]
        return total

    return pieces


@functools.lru_cache(maxsize=1024)
def formula(text: str, *functions: Any) -> Callable[..., Any]:
    """A formula of the kernels' that calls `function`, or `function_0`, ...; for the same text the same one."""
    named = {f"function_{k}": each for k, each in enumerate(functions)}
    return eval(text, {"function": functions[0]} | named)  # type: ignore[no-any-return]


def described(function: Any) -> str:
    """A function for the record: its source, the values that it reads, and a digest that tells it from any other."""
    from diffusion.kernels.functions import digest

    if isinstance(function, functools.partial):
        given = ", ".join(_shown(one, set()) for one in [*function.args, *function.keywords.items()])
        return f"partial({described(function.func)}, {given})"
    if isinstance(function, MethodType):
        return f"{described(function.__func__)} of {_object(function.__self__)}"
    if not isinstance(getattr(function, "py_func", function), FunctionType):
        return _object(function)
    return f"{_described(function, set())} #{digest(function)[0][:8]}"


def _object(value: Any) -> str:
    """What an object is made of, as far as it has attributes, and what it does when called."""
    slots = [name for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)]
    made_of = getattr(value, "__dict__", {}) | {name: getattr(value, name) for name in slots}
    called = next((vars(kind)["__call__"] for kind in type(value).__mro__ if "__call__" in vars(kind)), None)
    does = f" called as {described(called)}" if isinstance(called, FunctionType) else ""
    if not made_of:
        return repr(value) + does
    told = ", ".join(f"{name}={_shown(one, set())}" for name, one in made_of.items())
    return f"{type(value).__qualname__}({told}){does}"


def _described(function: Any, told: set[int]) -> str:
    from diffusion.kernels.functions import is_library, values_read

    function = getattr(function, "py_func", function)
    told.add(id(function))
    try:
        text = inspect.getsource(function).strip()
    except (OSError, TypeError):  # made without a file, as in an interpreter
        text = str(function.__name__)
    values = {name: value for name, value in values_read(function).items() if not is_library(value)}
    shown = [f"{name} = {_shown(value, told)}" for name, value in sorted(values.items()) if id(value) not in told]
    return f"{text} [{'; '.join(shown)}]" if shown else text


def _shown(value: Any, told: set[int]) -> str:
    plain = getattr(value, "py_func", value)
    if isinstance(plain, FunctionType):
        return plain.__name__ if id(plain) in told else _described(plain, told)
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}({', '.join(_shown(one, told) for one in value)})"
    if isinstance(value, enum.EnumType):
        members = {str(one.name): one.value for one in list[enum.Enum](value)}
        return f"{value.__qualname__}({members})"
    if isinstance(value, np.ndarray) and value.size > 20:
        return f"{value.dtype} array of shape {value.shape}, SHA-256 {hashlib.sha256(value.tobytes()).hexdigest()[:16]}"
    if isinstance(value, np.ndarray | np.generic):
        return repr(value.tolist())
    if inspect.ismodule(value):
        return repr({name: one for name, one in vars(value).items() if not name.startswith("__")})
    return repr(value)
