"""A loss written as a formula: read without running any of it, and its derivatives, as functions that numba compiles.

The text is taken apart by Python's own grammar and put together again from a closed list of operations, so that a
stranger's text is no code. Numbers are kept as fractions, which sympy does not round.
"""

from __future__ import annotations

import ast
import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diffusion import checks
from diffusion.dynamics import elementary

if TYPE_CHECKING:
    pass

LONGEST = 20_000  # characters of a formula
STEEPEST = 1000  # exponent that is a number
WIDEST = 2**53  # whole numbers that a float holds
LETTERS = "xyz"
NUMBERS = {"pi": math.pi}
FUNCTIONS: dict[str, Callable[[float], float]] = {
    name: getattr(math, name)
    for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asinh", "atan")
}
ROUGH = frozenset(
    [
        "abs",
        "Abs",
        "fabs",
        "sign",
        "floor",
        "ceil",
        "ceiling",
        "max",
        "min",
        "Max",
        "Min",
        "maximum",
        "minimum",
        "round",
        "where",
        "Piecewise",
        "Heaviside",
        "relu",
    ]
)
OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
}
SMOOTH = f"write a smooth formula of x, y, z or x0, x1, ... with numbers, pi, + - * / **, and {', '.join(FUNCTIONS)}"


@dataclass(frozen=True)
class Derived:
    """A loss and its derivatives, as functions of the coordinates and then the constants, numbers or arrays.

    Attributes
    ----------
    names
        Of the coordinates.
    loss
        Returns a number.
    gradient
        Returns a tuple of d numbers.
    entries, hessian
        Rows and columns j >= k of the Hessian, without those off the diagonal that vanish everywhere; returns a tuple
        of their values.
    """

    names: tuple[str, ...]
    loss: Callable[..., Any]
    gradient: Callable[..., Any]
    entries: tuple[tuple[int, int], ...]
    hessian: Callable[..., Any]


@functools.lru_cache(maxsize=256)
def derived(text: str, constants: tuple[str, ...] = ()) -> Derived:
    """The derivatives of a formula in which `constants` are names of numbers that are given later.

    Raises
    ------
    ValueError
        If the text is no formula of its coordinates, not smooth, complex or infinite; the message names the place.
    """
    import sympy

    if not isinstance(text, str) or len(text) > LONGEST:
        raise ValueError(f"text = {str(text)[:60]!r}... must be a formula of at most {LONGEST} characters")
    try:
        source = f"({text.strip()}\n)"  # which may go over several lines
        tree = ast.parse(source, mode="eval")
        names = _coordinates(tree, constants)
        symbols = {name: sympy.Symbol(name, real=True) for name in (*names, *constants)}
        loss = _Reader(source, symbols).read(tree.body)
        if strange := [part for part in _parts(loss) if part not in FUNCTIONS]:
            raise _RefusedError(f"{strange[0]} appears in it: it is complex, infinite or no smooth function")
        if not names:
            raise _RefusedError("it has no coordinate")
        for name in names:
            if symbols[name] not in loss.free_symbols:
                raise _RefusedError(f"it does not depend on {name}")
        along = [symbols[name] for name in names]
        gradient = [sympy.diff(loss, each) for each in along]
        entries = {
            (j, k): sympy.diff(gradient[j], along[k])
            for j in range(len(along))
            for k in range(j + 1)
            if j == k or along[k] in gradient[j].free_symbols
        }
        known = [{"exp": elementary.exp}, "numpy"]  # which is vectorised over replicas
        as_function = functools.partial(sympy.lambdify, list(symbols.values()), modules=known, cse=True)
        functions = [as_function(_floats(part)) for part in (loss, tuple(gradient), tuple(entries.values()))]
    except SyntaxError as error:
        raise ValueError(f"text = {_shown(text)} is no formula: {error.msg}; {SMOOTH}") from None
    except (RecursionError, MemoryError):
        raise ValueError(f"text = {_shown(text)} is nested too deeply; {SMOOTH}") from None
    except _RefusedError as error:
        raise ValueError(f"text = {_shown(text)}: {error}; {SMOOTH}") from None
    return Derived(names, functions[0], functions[1], tuple(entries), functions[2])


class _RefusedError(Exception):
    """What is wrong with a formula."""


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else f"{text[:117]}...")


def _coordinates(tree: ast.Expression, constants: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the coordinates in their order: x, y, z or x0, x1, ..., none left out."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}
    used -= {*constants, *NUMBERS}
    numbered = {name for name in used if re.fullmatch(r"x(0|[1-9]\d{0,3})", name)}
    if strange := sorted(used - set(LETTERS) - numbered):
        near = "".join(f"; did you mean {name}?" for name in checks.close(strange[0], FUNCTIONS, most=1))
        raise _RefusedError(f"{strange[0]} is no coordinate{near}")
    if numbered and used != numbered:
        raise _RefusedError(f"{', '.join(sorted(used))}: coordinates are x, y, z or x0, x1, ..., not both")
    names = tuple(f"x{k}" for k in range(len(used))) if numbered else tuple(LETTERS[: len(used)])
    if missing := [name for name in names if name not in used]:
        raise _RefusedError(f"it does not depend on {missing[0]}, but on {', '.join(sorted(used))}")
    return names


class _Reader:
    """Turns a formula's syntax into sympy's, number by number and operation by operation."""

    def __init__(self, text: str, symbols: dict[str, Any]) -> None:
        self.text, self.symbols = text, symbols

    def read(self, node: ast.expr) -> Any:
        """The value of a part of the formula."""
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return self._number(node.value, node)
        if isinstance(node, ast.Name) and node.id in self.symbols:
            return self.symbols[node.id]
        if isinstance(node, ast.Name) and node.id in NUMBERS:
            return self._number(NUMBERS[node.id], node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            value = self.read(node.operand)
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node, node.func.id)
        if isinstance(node, ast.BinOp):
            a, b = self.read(node.left), self.read(node.right)
            if isinstance(node.op, ast.Div):
                return self._divided(a, b, node)
            if isinstance(node.op, ast.Pow):
                return self._raised(a, b, node)
            if type(node.op) in OPERATIONS:
                return self._in_range(OPERATIONS[type(node.op)](a, b), node)
        hint = ": a power is written **" if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor) else ""
        raise _RefusedError(f"{self._at(node)} is not allowed{hint}")

    def _at(self, node: ast.expr) -> str:
        return _shown(ast.get_source_segment(self.text, node) or self.text)

    def _number(self, value: Any, node: ast.expr) -> Any:
        import sympy

        if isinstance(value, float) and not math.isfinite(value):
            raise _RefusedError(f"{self._at(node)} is {value}")
        return self._in_range(sympy.Rational(repr(value) if isinstance(value, float) else value), node)

    def _in_range(self, value: Any, node: ast.expr) -> Any:
        """The value, refused if it is a number that no float holds."""
        if value.is_Rational:
            try:
                float(value)
            except OverflowError:
                raise _RefusedError(f"{self._at(node)} is larger than any float") from None
        return value

    def _divided(self, a: Any, b: Any, node: ast.expr) -> Any:
        if b == 0:
            raise _RefusedError(f"{self._at(node)} divides by 0")
        return self._in_range(a / b, node)

    def _raised(self, base: Any, exponent: Any, node: ast.expr) -> Any:
        import sympy

        if not exponent.is_Rational:
            if base.is_Rational and base <= 0:
                raise _RefusedError(f"{self._at(node)} is complex for some positions")
            return sympy.exp(exponent * self._function("log", base, node))
        if base == 0 and exponent < 0:
            raise _RefusedError(f"{self._at(node)} divides by 0")
        if base.is_Rational and not (exponent.is_Integer and abs(exponent) <= 64):
            return self._computed(math.pow, node, float(base), float(exponent))
        if abs(exponent) > STEEPEST:
            raise _RefusedError(f"{self._at(node)} is a power above {STEEPEST}")
        return self._in_range(base**exponent, node)

    def _call(self, node: ast.Call, name: str) -> Any:
        if name not in FUNCTIONS:
            why = "no smooth function" if name in ROUGH else "no function that is known here"
            near = "".join(f"; did you mean {one}?" for one in checks.close(name, FUNCTIONS, most=1))
            raise _RefusedError(f"{name} is {why}{'' if name in ROUGH else near}")
        if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
            raise _RefusedError(f"{self._at(node)}: {name} takes one argument")
        return self._function(name, self.read(node.args[0]), node)

    def _function(self, name: str, argument: Any, node: ast.expr) -> Any:
        import sympy

        if argument.is_Rational:
            return self._computed(FUNCTIONS[name], node, float(argument))
        return getattr(sympy, name)(argument)

    def _computed(self, function: Callable[..., float], node: ast.expr, *numbers: float) -> Any:
        """A function of numbers alone."""
        try:
            return self._number(function(*numbers), node)
        except (ArithmeticError, ValueError) as error:
            raise _RefusedError(f"{self._at(node)} is complex or infinite: {error}") from None


def _parts(loss: Any) -> set[str]:
    """Names of the functions in an expression, and of numbers that are not real."""
    import sympy

    odd = loss.atoms(sympy.I.func, sympy.zoo.func, sympy.nan.func, sympy.oo.func, (-sympy.oo).func)
    return {each.func.__name__ for each in loss.atoms(sympy.Function)} | {str(each) for each in odd}


def _floats(part: Any) -> Any:
    """The same with numbers that compiled code holds: fractions of large whole numbers become floats."""
    import sympy

    if isinstance(part, tuple):
        return tuple(map(_floats, part))
    wide = [each for each in part.atoms(sympy.Rational) if max(abs(each.p), each.q) > WIDEST]
    if any(math.isinf(each) for each in wide):
        raise _RefusedError("its numbers together are larger than any float")
    return part.xreplace({each: sympy.Float(float(each), 17) for each in wide})
