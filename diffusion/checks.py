"""Argument checks of the simulator: each error names the parameter, the value and the remedy."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def plain(value: Any) -> Any:
    """NumPy's scalars and arrays as Python's numbers and lists, inside lists and tuples too; anything else as it is."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return type(value)([plain(one) for one in value])
    return value


def plain_fields(instance: Any) -> None:
    """Make a dataclass's fields plain, so that what it computes and how it is written do not depend on their types."""
    for one in fields(instance):
        object.__setattr__(instance, one.name, plain(getattr(instance, one.name)))


def positive(name: str, value: float) -> None:
    """Refuse all but finite numbers above 0."""
    if not isinstance(value, Real) or not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} = {value!r} must be a finite number above 0")


def not_negative(name: str, value: float) -> None:
    """Refuse all but finite numbers from 0 up."""
    if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} = {value!r} must be a finite number >= 0")


def finite(name: str, value: float) -> None:
    """Refuse all but finite numbers."""
    if not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f"{name} = {value!r} must be a finite number")


def fraction(name: str, value: float) -> None:
    """Refuse all but numbers in [0, 1)."""
    if not isinstance(value, Real) or not 0 <= value < 1:
        raise ValueError(f"{name} = {value!r} must lie in [0, 1)")


def whole(name: str, value: float, least: int = 1, most: int | None = None) -> int:
    """A whole number, at least `least` and at most `most`."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} = {value!r} must be a whole number >= {least}")
    if most is not None and value > most:
        raise ValueError(f"{name} = {value!r} must be at most {most}")
    return int(value)


def choice(name: str, value: str, known: Sequence[str]) -> str:
    """One of the known names; the error suggests one that is near."""
    if value not in known:
        meant = "".join(f"; did you mean {near!r}?" for near in close(value, known, most=1)) or "."
        raise ValueError(f"{name} = {value!r} is unknown{meant} Known: {', '.join(known)}")
    return value


def close(value: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Those that a user may have meant: all but a few letters are the same, in any case; the nearest first."""
    names = {text.casefold(): text for text in known}
    return [names[match] for match in difflib.get_close_matches(str(value).casefold(), names, n=most)]


def finite_vector(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """A non-empty vector of finite numbers, shape (n,)."""
    try:
        array = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} = {value!r} must be a non-empty list of finite numbers") from error
    if array.ndim != 1 or array.size == 0 or not np.all(np.isfinite(array)):
        raise ValueError(f"{name} = {value!r} must be a non-empty list of finite numbers")
    return array


def per_coordinate(name: str, value: ArrayLike, dimension: int) -> NDArray[np.float64]:
    """One finite number for every coordinate, or one each; shape (dimension,)."""
    vector = finite_vector(name, value)
    if len(vector) not in (1, dimension):
        raise ValueError(f"{name} has {len(vector)} entries; give one number or {dimension}, one for each coordinate")
    return np.broadcast_to(vector, (dimension,)).copy()


def numbers(name: str, value: ArrayLike) -> tuple[float, ...]:
    """Finite numbers, as many as there are."""
    return tuple(finite_vector(name, value).tolist()) if np.size(value) else ()


def confidence(level: float) -> float:
    """A confidence in (0, 1)."""
    level = plain(level)
    if not isinstance(level, Real) or not 0 < level < 1:
        raise ValueError(f"level = {level!r} must lie between 0 and 1; 0.95 is usual")
    return float(level)


def compiled(signature: str, function: Callable[..., Any], *example: Any) -> Any:
    """A user's function compiled with the values that it reads now, and tried on the example; refused if numba cannot.

    The signature is what an error shows of how the function is called, its parameter's name first:
    "gradient(u) -> float".
    """
    from numba.core.errors import NumbaError

    from diffusion.callables import REMEDY, plain
    from diffusion.kernels.jit import snapshot

    name = signature.partition("(")[0]
    dispatcher = snapshot(plain(name, function))
    try:
        dispatcher(*example)
    except (NumbaError, TypeError, NotImplementedError, AttributeError) as error:
        called = getattr(function, "__name__", function)
        raise ValueError(
            f"{name} = {called} does not compile with numba as {signature}: {_reason(error)}; {REMEDY}"
        ) from None
    except (ArithmeticError, ValueError):
        pass  # a function compiled elsewhere may raise where ours gives infinity; later checks say where
    return dispatcher


def _reason(error: Exception) -> str:
    """What numba says first, and of which line."""
    plain_text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # numba colours it where colorama is installed
    text = re.sub(r" from '.*?'|>>> |^Failed in nopython.*\n", "", plain_text)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    told = " ".join(lines[: 2 if lines[0].endswith(":") else 1]).rstrip(".")
    place = re.search(r'File "(?:.*[/\\])?(.*)", (line \d+)', text)
    return f"{told} ({place[2]} of {place[1]})" if place else told
