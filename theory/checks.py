"""Argument checks of the closed forms: each error names the parameter, the value and the remedy."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

STARTS = ("rest", "thermal")


def finite(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Finite numbers."""
    try:
        array = np.asarray(None if isinstance(value, str) else value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} = {value!r} must be numbers") from error
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} = {value!r} has a value that is not finite; give finite numbers")
    return array


def number(name: str, value: ArrayLike) -> float:
    """One finite number."""
    array = finite(name, value)
    if array.size != 1:
        raise ValueError(f"{name} = {value!r} must be one number; call once for each")
    return float(array.item())


def positive(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Finite numbers above 0."""
    array = finite(name, value)
    if np.any(array <= 0):
        raise ValueError(f"{name} = {value!r} must be above 0")
    return array


def nonnegative(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Finite numbers, 0 or above."""
    array = finite(name, value)
    if np.any(array < 0):
        raise ValueError(f"{name} = {value!r} must be 0 or above")
    return array


def fraction(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Numbers in [0, 1)."""
    array = finite(name, value)
    if np.any((array < 0) | (array >= 1)):
        raise ValueError(f"{name} = {value!r} must lie in [0, 1)")
    return array


def start(value: str) -> str:
    """A known start."""
    return choice("start", value, STARTS)


def choice(name: str, value: str, known: Collection[str]) -> str:
    """One of the known names."""
    if value not in known:
        raise ValueError(f"{name} = {value!r} is unknown; use one of {', '.join(map(repr, known))}")
    return value
