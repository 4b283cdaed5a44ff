"""Models of the noise of a minibatch gradient."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.callables import described, formula
from diffusion.dynamics.elementary import power
from diffusion.landscapes import PARAMETERS, Landscape, QuadraticSaddle, StyblinskiTang
from diffusion.laws import NORMAL, Law, check_law

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Deviation:
    """What the kernels need of a noise model: the standard deviation of one minibatch gradient.

    Attributes
    ----------
    formula
        Function of (theta, curvature, q), q one coordinate's parameters.
    parameters
        Shape (PARAMETERS, d).
    """

    formula: Callable[..., Any]
    parameters: Array


class NoiseModel(ABC):
    """A model of gradient noise.

    Attributes
    ----------
    law
        The law of z, what the deviation is multiplied by: normal unless a model says otherwise.
    of_data
        Whether it is no model, but the minibatches of data themselves: `Minibatches`.
    """

    law: Law = NORMAL
    of_data: bool = False

    @abstractmethod
    def variance_along(self, landscape: Landscape) -> Array:
        """Variance of one minibatch gradient at the reference point along the landscape's basis, shape (d,)."""

    def deviation(self, landscape: Landscape) -> Deviation:
        """The standard deviation as a formula, in each coordinate or, for constant noise, along the basis."""
        return _constant(np.sqrt(self.variance_along(landscape)))

    def mixing(self, landscape: Landscape) -> Array:
        """Matrix (d, d) that turns independent draws of unit variance into noise in coordinates; for coupled landscapes.

        Draws are along the eigenvectors, but of a law that is not normal along coordinates, where it would depend on their signs.
        """
        root = np.asarray(landscape.basis * np.sqrt(self.variance_along(landscape)))
        along = self.law == NORMAL or isinstance(landscape, QuadraticSaddle)
        return root if along else root @ landscape.basis.T

    def variance_at(self, landscape: Landscape, theta: ArrayLike) -> Array:
        """Variance of one minibatch gradient in each coordinate, at positions of shape (..., d)."""
        position = np.asarray(theta, np.float64)
        if landscape.formulas.coupled:
            return np.broadcast_to(np.sum(self.mixing(landscape) ** 2, axis=1), position.shape)
        deviation = self.deviation(landscape)
        curvature = landscape.hessian_diagonal(position)
        value = deviation.formula(position, curvature, tuple(deviation.parameters))
        return np.broadcast_to(value, position.shape) ** 2


def told(noise: Any) -> str:
    """The repr of a dataclass of noise: its law is named where it is not normal."""
    named = [each.name for each in fields(noise) if each.name != "law" or noise.law != NORMAL]
    return f"{type(noise).__name__}({', '.join(f'{name}={getattr(noise, name)!r}' for name in named)})"


def refuse_other_laws(noise: NoiseModel, what: str) -> None:
    """Refuse noise that is not normal where the normal law is assumed.

    Raises
    ------
    ValueError
        If it has another law, or is no model but minibatches of data.
    """
    if noise.of_data:
        raise ValueError(
            f"noise = {type(noise).__name__}(...) is what one iteration of an optimizer steps on, and {what} needs a model of its noise; use "
            "Noise(deviation), HessianNoise or MinibatchNoise, or simulate or exit_times as they are by default, with substeps=1"
        )
    if noise.law != NORMAL:
        raise ValueError(
            f"law = {noise.law!r}: {what} assumes normal noise; use law=Normal(), or simulate or exit_times for this law"
        )


def unit_deviation(theta: Any, curvature: Any, q: Any) -> Any:
    """What is left of the noise when each gradient is divided by its standard deviation."""
    return 1.0


@lru_cache(maxsize=1024)
def raised(deviation: Callable[..., Any], q: float) -> Callable[..., Any]:
    """The formula of a power of the standard deviation: what divides each gradient, and what is left of its noise."""

    def of_deviation(theta: Any, curvature: Any, row: Any) -> Any:
        return power(deviation(theta, curvature, row), q)

    return of_deviation


def _constant_formula(theta: Any, curvature: Any, q: Any) -> Any:
    return q[0]


def _pointwise_formula(theta: Any, curvature: Any, q: Any) -> Any:
    return q[0] * np.sqrt(np.abs(curvature))


# q = (three standard deviations, two switches)
def _piecewise_formula(theta: Any, curvature: Any, q: Any) -> Any:
    return q[0] + (q[1] - q[0]) * (theta >= q[3]) + (q[2] - q[1]) * (theta >= q[4])


# q = (height sqrt(sharpness / batch size), root of the sharpness, data variance)
def _minibatch_formula(theta: Any, curvature: Any, q: Any) -> Any:
    u, v = q[1] * theta, q[2]
    a = 6.0 * u * u - 16.0
    return q[0] * np.sqrt(v * (a * a + 12.0 * v * a + 60.0 * v * v + 72.0 * v * u * u))


def _constant(deviation: Array) -> Deviation:
    return Deviation(_constant_formula, _table(len(deviation), deviation))


def _table(dimension: int, *values: Any) -> Array:
    table = np.zeros((PARAMETERS, dimension))
    for k, value in enumerate(values):
        table[k] = value
    return table


@dataclass(frozen=True)
class HessianNoise(NoiseModel):
    """Covariance ``[H]^+ / B``, Equation 3: variance ``|H_i| / B`` along eigenvector i.

    Parameters
    ----------
    batch_size
        Minibatch size B, at least 1.
    at
        Where the Hessian is taken. "reference": at the landscape's reference point, everywhere the same, as near a
        critical point. A position: there instead. "piecewise": at the minimum on its side of the inflection, at the saddle
        beyond it, as in the theory of escapes. "pointwise": at the present position; it vanishes at inflections, which the
        overdamped SDE then cannot cross.
    law
        The law of a minibatch's noise over its deviation, drawn for each coordinate by itself, of a `QuadraticSaddle` for each
        eigenvector; where noise is correlated, the symmetric root of its covariance mixes these. `Normal`, `Skewed`, `StudentT`, `Stable`, `Empirical`, `Quantile` or `Batch`.

    Raises
    ------
    ValueError
        If batch_size is below 1, or `at` is none of these.

    Warns
    -----
    UserWarning
        If `at` is "pointwise".
    """

    batch_size: float
    at: str | float | Sequence[float] = "reference"
    law: Law = field(default=NORMAL, kw_only=True)

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        check_law(self.law)
        checks.positive("batch_size", self.batch_size)
        if self.batch_size < 1:
            raise ValueError(f"batch_size = {self.batch_size!r} must be at least 1")
        if isinstance(self.at, str):
            checks.choice("at", self.at, ("reference", "piecewise", "pointwise"))
            if self.at == "pointwise":
                warnings.warn(
                    "at = 'pointwise': the noise vanishes at inflections, which the overdamped SDE then cannot cross; escapes "
                    "over a saddle are finite-step effects. The theory's noise is at='piecewise'",
                    UserWarning,
                    stacklevel=3,
                )
        else:
            checks.finite_vector("at", self.at)

    def variance_along(self, landscape: Landscape) -> Array:
        """``|H_i| / B`` at the reference point, or at the position given, along the landscape's basis, shape (d,)."""
        if isinstance(self.at, str):
            return np.abs(landscape.hessian) / self.batch_size
        if landscape.formulas.coupled:
            return np.asarray(np.sum((landscape.basis.T @ self.mixing(landscape)) ** 2, axis=1))
        return np.abs(landscape.hessian_diagonal(self._position(landscape))) / self.batch_size

    def deviation(self, landscape: Landscape) -> Deviation:
        """The standard deviation as a formula."""
        d = landscape.dimension
        if self.at == "pointwise":
            return Deviation(_pointwise_formula, _table(d, np.sqrt(1 / self.batch_size)))
        if self.at == "piecewise":
            pieces = landscape.pieces()
            deviations = np.sqrt(np.abs(pieces.curvatures) / self.batch_size).tolist()
            switches = list(pieces.switches)
            while len(switches) < 2:  # a switch that is never reached
                switches.append(np.inf)
                deviations.append(deviations[-1])
            return Deviation(_piecewise_formula, _table(d, *deviations, *switches))
        return super().deviation(landscape)

    def mixing(self, landscape: Landscape) -> Array:
        """A square root of ``[H]^+ / B``, shape (d, d)."""
        if self.at in ("piecewise", "pointwise"):
            raise ValueError(
                f"at = {self.at!r} needs a Hessian that is diagonal at every position, and that of {type(landscape).__name__} "
                "is not; use 'reference' or a position"
            )
        if isinstance(self.at, str):
            return super().mixing(landscape)
        if self.law != NORMAL and isinstance(landscape, QuadraticSaddle):
            raise ValueError(
                f"at = {self.at!r}: the Hessian of a QuadraticSaddle is the same everywhere; use at='reference'"
            )
        eigenvalues, vectors = np.linalg.eigh(landscape.hessian_matrix(self._position(landscape)))
        return np.asarray(vectors * np.sqrt(np.abs(eigenvalues) / self.batch_size) @ vectors.T)

    def _position(self, landscape: Landscape) -> Array:
        return checks.per_coordinate("at", self.at, landscape.dimension)

    def __repr__(self) -> str:
        return told(self)


@dataclass(frozen=True)
class IsotropicNoise(NoiseModel):
    """The same variance in every direction, whatever the curvature.

    Parameters
    ----------
    variance
        Variance of one minibatch gradient per coordinate, above 0.
    law
        The law of a minibatch's noise over its deviation, drawn for each coordinate by itself, of a `QuadraticSaddle` for each
        eigenvector; where noise is correlated, the symmetric root of its covariance mixes these. `Normal`, `Skewed`, `StudentT`, `Stable`, `Empirical`, `Quantile` or `Batch`.

    Raises
    ------
    ValueError
        If variance is not above 0.
    """

    variance: float
    law: Law = field(default=NORMAL, kw_only=True)

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        check_law(self.law)
        checks.positive("variance", self.variance)

    def variance_along(self, landscape: Landscape) -> Array:
        """The variance in every direction, shape (d,)."""
        return np.full(landscape.dimension, float(self.variance))

    def mixing(self, landscape: Landscape) -> Array:
        """A multiple of the identity, shape (d, d); of the eigenvectors for another law on a `QuadraticSaddle`."""
        if self.law != NORMAL and isinstance(landscape, QuadraticSaddle):
            return super().mixing(landscape)
        return np.asarray(np.eye(landscape.dimension) * np.sqrt(self.variance))

    def __repr__(self) -> str:
        return told(self)


@dataclass(frozen=True)
class MinibatchNoise(NoiseModel):
    """Gaussian noise with the exact covariance of a minibatch gradient.

    Of `StyblinskiTang` with data x ~ N(0, data_variance) the gradient of one sample is ``sqrt(k) f'(u - x)``; its variance
    follows from the moments of a Gaussian. Of a `TorchLandscape` it is that of its samples at the reference point.

    Parameters
    ----------
    batch_size
        Minibatch size B, at least 1, drawn with replacement.

    Raises
    ------
    ValueError
        If batch_size is below 1, or the landscape has no data.
    """

    batch_size: float

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        HessianNoise(self.batch_size)

    def variance_along(self, landscape: Landscape) -> Array:
        """Variance of one minibatch gradient at the reference point, along the landscape's basis, shape (d,)."""
        if landscape.formulas.coupled:
            return np.asarray(landscape.network.noise_along(landscape.basis) / self.batch_size)
        return self.variance_at(landscape, landscape.reference)

    def mixing(self, landscape: Landscape) -> Array:
        """A square root of the covariance, shape (d, d)."""
        eigenvalues, vectors = np.linalg.eigh(landscape.network.noise_covariance())
        return np.asarray(vectors * np.sqrt(np.maximum(eigenvalues, 0.0) / self.batch_size) @ vectors.T)

    def deviation(self, landscape: Landscape) -> Deviation:
        """The standard deviation as a formula."""
        if not isinstance(landscape, StyblinskiTang) or landscape.data_variance == 0:
            raise ValueError(
                f"MinibatchNoise needs data, and {landscape!r} has none; use StyblinskiTang(..., data_variance=v), v > 0"
            )
        root, height = np.sqrt(landscape.sharpness), landscape.height
        table = _table(landscape.dimension, height * root / np.sqrt(self.batch_size), root, landscape.data_variance)
        return Deviation(_minibatch_formula, table)


class Noise(NoiseModel):
    """Noise of any deviation and any law, independent in each coordinate.

    Parameters
    ----------
    deviation
        Standard deviation of one minibatch gradient, at least 0: one number, one for each coordinate, or a function of theta, the
        position along the coordinate, that numba can compile, for losses that are a sum over coordinates. Of a `Stable` law, which
        has no variance, what multiplies z. Values that the function reads besides are read once, here.
    law
        As for `HessianNoise`.

    Raises
    ------
    ValueError
        If a number is below 0, the function does not compile, or law is no law; when it is used, if the function is below 0 or not
        finite at the reference point, or its coordinates are not those of the landscape.
    """

    def __init__(self, deviation: float | Sequence[float] | Callable[[float], float], law: Law = NORMAL) -> None:
        check_law(law)
        self.law, self._values = law, np.zeros(0)
        self._function: Any = None
        if callable(deviation):
            self._function = checks.compiled("deviation(theta) -> float", deviation, 1.0)
            return
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
        if self._function is None:
            values = checks.per_coordinate("deviation", self._values, d)
            even = not np.ptp(values)
        else:
            values, even = self._at(landscape.reference), False
        if not np.all((values >= 0) & (values < np.inf)):
            raise ValueError(f"deviation is {values.tolist()} at the reference point; it must be a finite number >= 0")
        if not (even and self.law == NORMAL) and not np.array_equal(landscape.basis, np.eye(d)):
            raise ValueError(
                f"deviation is of coordinates, which are not the eigenvectors of {type(landscape).__name__}; give one number, or "
                "IsotropicNoise or HessianNoise"
            )
        if self._function is None:
            return _constant(values)
        return Deviation(formula("lambda theta, curvature, q: function(theta)", self._function), _table(d))

    def mixing(self, landscape: Landscape) -> Array:
        """A diagonal matrix, shape (d, d)."""
        if self._function is not None:
            raise ValueError(
                f"deviation is a function of one coordinate, and those of {type(landscape).__name__} are coupled; give numbers"
            )
        return np.diag(checks.per_coordinate("deviation", self._values, landscape.dimension))

    def variance_at(self, landscape: Landscape, theta: ArrayLike) -> Array:
        """Variance of one minibatch gradient in each coordinate, at positions of shape (..., d)."""
        position = np.asarray(theta, np.float64)
        if self._function is None:
            values = checks.per_coordinate("deviation", self._values, landscape.dimension)
            return np.broadcast_to(values**2, position.shape)
        if landscape.formulas.coupled:
            self.mixing(landscape)  # refuses
        return self._at(position) ** 2

    def _at(self, position: Array) -> Array:
        return np.asarray(np.vectorize(self._function, otypes=[float])(position))

    def __repr__(self) -> str:
        values = self._values.tolist()
        given = values[0] if len(values) == 1 else values
        named = f"deviation={given if self._function is None else described(self._function)}"
        return f"Noise({named})" if self.law == NORMAL else f"Noise({named}, law={self.law!r})"
