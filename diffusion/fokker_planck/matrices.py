"""D in two coordinates, as a caller gives it: a number, a pair, a matrix, or a function of positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion.fokker_planck.overdamped import POWERS

Array = NDArray[np.float64]
GIVE = "give a number, a pair, a symmetric matrix (2, 2), or a function of positions (n, 2) to n of any of these"
SYMMETRIC = 1e-9  # relative difference of D and its transpose
SINGULAR = 1e-12  # of D's determinant, as a share of what it would be without the entry off the diagonal


class Matrices:
    """D as a function of positions, shape (n, 2) to (n, 2, 2).

    Parameters
    ----------
    diffusion
        As in `mean_first_passage_time`.

    Raises
    ------
    ValueError
        Here or on a call, if it is not symmetric, or has another shape.
    """

    def __init__(self, diffusion: Any) -> None:
        self._function: Callable[[Array], Any] | None = diffusion if callable(diffusion) else None
        self._constant = None if callable(diffusion) else _matrices(diffusion, np.zeros((1, 2)))[0]
        self._stratonovich = False

    def __call__(self, theta: Array) -> Array:
        """D at positions."""
        if self._constant is not None:
            return np.broadcast_to(self._constant, (len(theta), 2, 2))
        assert self._function is not None
        noise = _matrices(self._function(theta.copy()), theta)
        self._refuse_full(noise, theta)
        return noise

    def power(self, convention: str) -> float:
        """The power of the convention; where D is the same everywhere all conventions are one.

        Raises
        ------
        ValueError
            On a later call, for the Stratonovich convention where D is not diagonal.
        """
        if self._constant is not None:
            return 1.0
        self._stratonovich = convention == "stratonovich"
        return POWERS[convention]

    def _refuse_full(self, noise: Array, theta: Array) -> None:
        full = np.flatnonzero(np.abs(noise[:, 0, 1]) > SYMMETRIC * np.trace(noise, axis1=1, axis2=2))
        if self._stratonovich and len(full):
            raise ValueError(
                f"convention = 'stratonovich' with diffusion = {noise[full[0]].tolist()} at theta = "
                f"{theta[full[0]].tolist()}: where D is not diagonal what it means depends on which root of D "
                "multiplies the noise; give 'ito' or 'isothermal', or a diagonal D"
            )


def _matrices(given: Any, theta: Array) -> Array:
    """Matrices of what was given for positions, checked; shape (n, 2, 2)."""
    n = len(theta)
    try:
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"diffusion = {given!r}: {GIVE}") from error
    if not np.isfinite(values).all() and not callable(given):
        raise ValueError(f"diffusion = {given!r} must be finite; {GIVE}")
    if values.shape in ((), (n,)):
        noise = values[..., None, None] * np.eye(2) * np.ones((n, 1, 1))
    elif values.shape in ((2,), (n, 2)):
        noise = values[..., None] * np.eye(2) * np.ones((n, 1, 1))
    elif values.shape in ((2, 2), (n, 2, 2)):
        noise = values * np.ones((n, 1, 1))
    else:
        raise ValueError(f"diffusion of shape {values.shape} for {n} positions: {GIVE}")
    skew = np.flatnonzero(np.abs(noise[:, 0, 1] - noise[:, 1, 0]) > SYMMETRIC * np.abs(noise).max(axis=(1, 2)))
    if len(skew):
        raise ValueError(f"diffusion = {noise[skew[0]].tolist()} must be a symmetric matrix: noise has a covariance")
    return np.asarray(noise)


def definite(noise: Array) -> NDArray[np.bool_]:
    """Whether matrices are positive definite, shape (n, 2, 2) to (n,)."""
    with np.errstate(all="ignore"):
        determinant = noise[:, 0, 0] * noise[:, 1, 1] - noise[:, 0, 1] ** 2
        return np.asarray(
            (noise[:, 0, 0] > 0) & (determinant > SINGULAR * noise[:, 0, 0] * noise[:, 1, 1]) & np.isfinite(determinant)
        )


def refuse_singular(noise: Array, theta: Array) -> None:
    """Refuse D that is not positive definite at positions, shape (n, 2, 2) and (n, 2).

    Raises
    ------
    ValueError
        With the first.
    """
    bad = np.flatnonzero(~definite(noise))
    if len(bad):
        raise ValueError(
            f"diffusion = {noise[bad[0]].tolist()} at theta = {theta[bad[0]].tolist()} must have eigenvalues above 0: "
            "a noise that vanishes in a direction is for theory.least_action, and with inertia for rare_escape_rate"
        )
