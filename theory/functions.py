"""A caller's function of a position, as one of arrays of positions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
AGREE = 1e-6  # relative difference between an entry of an array's values and the value of that entry alone


class Pointwise:
    """A function that is called with vectors if it takes them rightly, else with one position after the other.

    A vector's values are believed if its first and last entry, each alone, have the same; a function that branches on
    what it is given, or reduces it, fails that. Where single positions raise an arithmetic error the value is NaN, and
    `failure` says which.

    Parameters
    ----------
    name
        What errors call it.
    function
        From a vector of positions, or from one, to as many real numbers; or a number, its value everywhere.
    sign
        -1: the function of the mirrored position.
    odd
        Whether its values change sign with the position, as slopes do.

    Raises
    ------
    ValueError
        On a call, if the function fails in another way than by arithmetic, or does not return one real number
        for each position.
    """

    def __init__(self, name: str, function: Any, *, sign: float = 1.0, odd: bool = False) -> None:
        self.name, self.failure = name, ""
        self._function: Callable[[Any], Any] | float = function if callable(function) else float(function)
        self._alone = False
        self.sign, self.odd = sign, odd

    @property
    def mirrored(self) -> "Pointwise":
        """The function of the mirrored position."""
        return Pointwise(self.name, self._function, sign=-self.sign, odd=self.odd)

    def __call__(self, x: Array) -> Array:
        """Values at positions of any shape."""
        if not callable(self._function):
            return np.full(np.shape(x), self._function)
        flat = self.sign * np.ravel(x)
        with np.errstate(all="ignore"):
            values = None if self._alone else self._together(self._function, flat)
            if values is None:
                self._alone = flat.size > 1
                values = np.array([self._one(self._function, position) for position in flat])
        return (self.sign if self.odd else 1.0) * values.reshape(np.shape(x))

    @staticmethod
    def _together(function: Callable[[Any], Any], x: Array) -> Array | None:
        """Values of a vector; None if they cannot be had or believed."""
        try:
            found = np.asarray(function(x.copy()))
            if found.shape not in ((), x.shape) or np.iscomplexobj(found):
                return None
            values = np.broadcast_to(found.astype(np.float64), x.shape)
            for i in (0, x.size - 1) if x.size > 1 else ():
                here, alone = float(values[i]), float(np.asarray(function(x[i : i + 1].copy())).item())
                if here != alone and not abs(here - alone) <= AGREE * (abs(here) + abs(alone)):
                    size = np.max(np.abs(values), where=np.isfinite(values), initial=0.0)
                    if not (here != here and alone != alone) and not abs(here - alone) <= 1e-12 * size:
                        return None
        except Exception:
            return None
        return values

    def _one(self, function: Callable[[Any], Any], position: np.float64) -> float:
        try:
            try:
                found = np.asarray(function(position))
            except (TypeError, IndexError, AttributeError):
                found = np.asarray(function(np.array([position])))
            if found.size == 1 and not np.iscomplexobj(found):
                return float(found.astype(np.float64).item())
        except (ArithmeticError, ValueError) as error:
            self.failure = f" ({type(error).__name__}: {error})"
            return np.nan
        except Exception as error:
            raise ValueError(
                f"{self.name} fails at x = {position:.6g} ({type(error).__name__}: {error}); give a function of a "
                "vector of positions, or of one position, that returns real numbers"
            ) from error
        raise ValueError(
            f"{self.name} returns {'a complex value' if np.iscomplexobj(found) else f'shape {found.shape}'} for the "
            f"one position x = {position:.6g}; return one real number for each position"
        )
