"""A user's own noise: of any deviation and law, or of any covariance."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.callables import described, formula
from diffusion.landscapes import Landscape
from diffusion.laws import NORMAL, Law, check_law
from diffusion.noise import Deviation, Field, NoiseModel, constant, magnitude_root, table_of

Array = NDArray[np.float64]
MANY = 64  # coordinates of what a function of positions is tried on


class Noise(NoiseModel):
    """Noise of any deviation and any law, independent in each coordinate; or of any covariance.

    Parameters
    ----------
    deviation
        Standard deviation of one minibatch gradient, at least 0: one number, one for each coordinate, or a function
        that numba can compile: of theta, the position along the coordinate; or of (X, j, lane) on coupled landscapes,
        for coordinate j at ``X[:, lane]``, as `CoupledLandscape` takes its gradient. Of a `Stable` law, which has no
        variance, what multiplies z. Values that the function reads besides are read once, here.
    law
        As for `HessianNoise`.
    covariance
        In place of deviation, on coupled landscapes: a function of (X, j, k, lane), the covariance of a minibatch
        gradient in coordinates j and k at ``X[:, lane]``; symmetric, and nowhere with negative eigenvalues. Its
        symmetric root mixes draws.

    Raises
    ------
    ValueError
        If a number is below 0, the function does not compile, law is no law, or deviation and covariance are both given
        or missing; when it is used, if the function is below 0 or not finite at the reference point, the covariance is
        no covariance there, or its coordinates are not those of the landscape.
    """

    def __init__(
        self,
        deviation: float | Sequence[float] | Callable[..., float] | None = None,
        law: Law = NORMAL,
        *,
        covariance: Callable[..., float] | None = None,
    ) -> None:
        check_law(law)
        self.law, self._values = law, np.zeros(0)
        self._function: Any = None
        self._kind = "covariance" if covariance is not None else "numbers"
        if (deviation is None) == (covariance is None):
            raise ValueError("give either deviation or covariance")
        example = np.ones((MANY, 1))
        if covariance is not None:
            self._function = checks.compiled("covariance(X, j, k, lane) -> float", covariance, example, 0, 0, 0)
        elif callable(deviation):
            if _arguments(deviation) == 3:
                self._kind = "deviation of positions"
                self._function = checks.compiled("deviation(X, j, lane) -> float", deviation, example, 0, 0)
            else:
                self._kind = "deviation"
                self._function = checks.compiled("deviation(theta) -> float", deviation, 1.0)
        elif deviation is not None:
            self._values = checks.finite_vector("deviation", deviation)
            if self._values.min() < 0:
                raise ValueError(f"deviation = {checks.plain(deviation)!r} must be 0 or more in each coordinate")

    def variance_along(self, landscape: Landscape) -> Array:
        """Variance of one minibatch gradient at the reference point, along the landscape's basis, shape (d,)."""
        if landscape.formulas.coupled:
            return np.asarray(np.sum((landscape.basis.T @ self.mixing(landscape)) ** 2, axis=1))
        return self.variance_at(landscape, landscape.reference)

    def deviation(self, landscape: Landscape) -> Deviation:
        """The standard deviation as a formula."""
        d = landscape.dimension
        if self._kind in ("covariance", "deviation of positions"):
            raise ValueError(
                f"{self!r} is of coupled coordinates, and those of {type(landscape).__name__} are not; give a "
                "deviation of theta"
            )
        if self._function is None:
            values = checks.per_coordinate("deviation", self._values, d)
            even = not np.ptp(values)
        else:
            values, even = self._at(landscape.reference), False
        if not np.all((values >= 0) & (values < np.inf)):
            raise ValueError(f"deviation is {values.tolist()} at the reference point; it must be a finite number >= 0")
        if not (even and self.law == NORMAL) and not np.array_equal(landscape.basis, np.eye(d)):
            raise ValueError(
                f"deviation is of coordinates, which are not the eigenvectors of {type(landscape).__name__}; give one "
                "number, or IsotropicNoise or HessianNoise"
            )
        if self._function is None:
            return constant(values)
        return Deviation(formula("lambda theta, curvature, q: function(theta)", self._function), table_of(d))

    def mixing(self, landscape: Landscape) -> Array:
        """A square root of the covariance at the reference point, shape (d, d)."""
        if self._function is None:
            return np.diag(checks.per_coordinate("deviation", self._values, landscape.dimension))
        return self.roots(landscape, landscape.reference)

    def field(self, landscape: Landscape) -> Field | None:
        """How the noise varies, if it is a function."""
        if self._function is None:
            return None
        calls = {
            "deviation": "function(x[j, lane]) if j == k else 0.0",
            "deviation of positions": "function(x, j, lane) if j == k else 0.0",
            "covariance": "function(x, j, k, lane)",
        }
        entry = formula(f"lambda x, j, k, lane, table: {calls[self._kind]}", self._function)
        return Field(entry, np.zeros((0, landscape.dimension)), rooted=self._kind == "covariance")

    def roots(self, landscape: Landscape, theta: ArrayLike) -> Array:
        """`mixing` as it is at positions of shape (..., d) of a coupled landscape, shape (..., d, d)."""
        if self._function is None:
            return super().roots(landscape, theta)
        position, d = np.asarray(theta, np.float64), landscape.dimension
        if self._kind == "deviation":
            values = self._at(position)
        else:
            columns, every = np.ascontiguousarray(position.reshape(-1, d).T), range(d)
            pairs = [(j, k) for j in every for k in every] if self._kind == "covariance" else [(j,) for j in every]
            flat = [[self._function(columns, *pair, lane) for pair in pairs] for lane in range(columns.shape[1])]
            values = np.reshape(flat, (*position.shape, d) if self._kind == "covariance" else position.shape)
        if self._kind == "covariance":
            if not np.all(np.isfinite(values)) or not np.allclose(
                values, np.swapaxes(values, -1, -2), rtol=1e-9, atol=0
            ):
                raise ValueError(
                    f"covariance is {values.tolist()} at {position.tolist()}; it must be finite and symmetric"
                )
            low, high = np.linalg.eigvalsh(values)[..., [0, -1]].reshape(-1, 2).T
            if np.any(low < -1e-9 * np.abs(high)):
                raise ValueError(
                    f"covariance = {values.tolist()} at {position.tolist()} has a negative eigenvalue, "
                    f"{low.min():.6g}; it must be positive semidefinite"
                )
            return magnitude_root(values)
        if not np.all((values >= 0) & (values < np.inf)):
            raise ValueError(f"deviation is {values.tolist()} at {position.tolist()}; it must be a finite number >= 0")
        return np.asarray(values[..., None] * np.eye(d))

    def variance_on(self, landscape: Landscape) -> Callable[[Array], Array]:
        """Variance of one minibatch gradient in each coordinate, a function of positions of shape (..., d)."""
        if landscape.formulas.coupled and self._function is not None:
            return super().variance_on(landscape)
        if self._function is None:
            values = checks.per_coordinate("deviation", self._values, landscape.dimension)
            return lambda position: np.broadcast_to(values**2, position.shape)
        return lambda position: self._at(position) ** 2

    def _at(self, position: Array) -> Array:
        return np.asarray(np.vectorize(self._function, otypes=[float])(position))

    def __repr__(self) -> str:
        values = self._values.tolist()
        given = values[0] if len(values) == 1 else values
        name = "covariance" if self._kind == "covariance" else "deviation"
        named = f"{name}={given if self._function is None else described(self._function)}"
        return f"Noise({named})" if self.law == NORMAL else f"Noise({named}, law={self.law!r})"


def _arguments(function: Any) -> int:
    """How many arguments a function must be given; 1 where it does not tell."""
    try:
        given = inspect.signature(getattr(function, "py_func", function)).parameters.values()
    except (TypeError, ValueError):
        return 1
    return sum(each.default is each.empty and each.kind is not each.VAR_POSITIONAL for each in given)
