"""A caller's function of a position, as one of vectors of positions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
AGREE = 1e-6  # relative difference between an entry of a vector's values and the value of that entry alone


class Pointwise:
    """A function that is called with vectors if it takes them rightly, else with one position after the other.

    The values of a vector are believed if its first and last entries, each alone, have the same; a function that
    branches on, or reduces, what it is given does not. Where single positions raise an arithmetic error the value is
    NaN, and `failure` says which.

    Parameters
    ----------
    name
        What errors call it.
    function
        From positions, shape (n,), or one position, to as many numbers; a single number for a vector is every
        position's.
    checked
        Whether values of vectors are compared with those of single positions.

    Raises
    ------
    ValueError
        On a call, if the function fails in another way than by arithmetic, or does not return real numbers, one
        for each position.
    """

    def __init__(self, name: str, function: Callable[[Any], Any], *, checked: bool = True) -> None:
        self.name, self.failure, self.alone = name, "", False
        self._function, self._checked = function, checked

    def __call__(self, x: Array) -> Array:
        """Values at positions, shape (n,) to (n,)."""
        with np.errstate(all="ignore"):
            if not self.alone:
                values = self._together(x)
                if values is not None:
                    return values
                self.alone = len(x) > 1
            return np.array([self._one(position) for position in x])

    def _together(self, x: Array) -> Array | None:
        """Values of the vector; None if they cannot be had or believed."""
        try:
            found = np.asarray(self._function(x.copy()))
            if found.shape not in ((), x.shape) or np.iscomplexobj(found):
                return None
            values = np.broadcast_to(found.astype(np.float64), x.shape)
            for i in (0, len(x) - 1) if self._checked and len(x) > 1 else ():
                here, alone = float(values[i]), float(np.asarray(self._function(x[i : i + 1].copy())).item())
                if here != alone and not abs(here - alone) <= AGREE * (abs(here) + abs(alone)):
                    size = np.max(np.abs(values), where=np.isfinite(values), initial=0.0)
                    if not (here != here and alone != alone) and not abs(here - alone) <= 1e-12 * size:
                        return None
        except Exception:
            return None
        return values

    def _one(self, position: np.float64) -> float:
        try:
            try:
                found = np.asarray(self._function(position))
            except (TypeError, IndexError, AttributeError):
                found = np.asarray(self._function(np.array([position])))
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
            f"{self.name} returns {'complex values' if np.iscomplexobj(found) else f'shape {found.shape}'} for the one "
            f"position x = {position:.6g}; return one real number for each position"
        )
