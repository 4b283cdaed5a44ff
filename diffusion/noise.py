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
from diffusion.dynamics.elementary import power
from diffusion.landscapes import PARAMETERS, Landscape, QuadraticSaddle, StyblinskiTang
from diffusion.laws import NORMAL, Law, check_law

Array = NDArray[np.float64]
STEP = 1e-5  # of a coordinate's size at the reference point: that of differences in the kernels


@dataclass(frozen=True)
class Deviation:
    """What the kernels need of a noise model: the standard deviation of one minibatch gradient.

    Attributes
    ----------
    formula
        Function of (theta, curvature, q), q one coordinate's parameters.
    parameters
        Shape (PARAMETERS, d).
    constant
        Whether it is known to be the same everywhere.
    """

    formula: Callable[..., Any]
    parameters: Array
    constant: bool = False


@dataclass(frozen=True)
class Field:
    """What the kernels need of noise that varies on a coupled landscape: a symmetric matrix at every position.

    Attributes
    ----------
    entry
        entry(X, j, k, lane, parameters) of it at X[:, lane]. None: if rooted the Hessian over the batch size, with the
        steps of its differences and the batch size as parameters; else one matrix for each region, with its centre, its
        weight and the matrix.
    parameters
        Shape (rows, d).
    rooted
        Whether noise is the root of the matrix's magnitude times independent draws; else the matrix itself times these.
    """

    entry: Callable[..., Any] | None
    parameters: Array
    rooted: bool

    @property
    def parts(self) -> dict[str, Any]:
        """What the kernels are specialised with."""
        given = self.entry is not None
        kind = {"ROOTED": self.rooted, "BENT": self.rooted and not given, "REGIONAL": not (self.rooted or given)}
        return {"entry": self.entry, **kind}


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
        return constant(np.sqrt(self.variance_along(landscape)))

    def mixing(self, landscape: Landscape) -> Array:
        """Matrix (d, d) that turns independent draws of unit variance into noise in coordinates, if these are coupled.

        Draws are along the eigenvectors, but of a law that is not normal along coordinates, where it would
        depend on their signs.
        """
        root = np.asarray(landscape.basis * np.sqrt(self.variance_along(landscape)))
        along = self.law == NORMAL or isinstance(landscape, QuadraticSaddle)
        return root if along else root @ landscape.basis.T

    def field(self, landscape: Landscape) -> Field | None:
        """How noise varies on a coupled landscape; None: `mixing` holds everywhere."""
        return None

    def roots(self, landscape: Landscape, theta: ArrayLike) -> Array:
        """`mixing` as it is at positions of shape (..., d) of a coupled landscape, shape (..., d, d)."""
        return np.broadcast_to(self.mixing(landscape), (*np.shape(theta), landscape.dimension))

    def variance_at(self, landscape: Landscape, theta: ArrayLike) -> Array:
        """Variance of one minibatch gradient in each coordinate, at positions of shape (..., d)."""
        return self.variance_on(landscape)(np.asarray(theta, np.float64))

    def variance_on(self, landscape: Landscape) -> Callable[[Array], Array]:
        """`variance_at` on a landscape, to be called often: what does not depend on positions is computed once."""
        if landscape.formulas.coupled:
            return lambda position: np.asarray(np.sum(self.roots(landscape, position) ** 2, axis=-1))
        deviation = self.deviation(landscape)
        parameters = tuple(deviation.parameters)

        def variance(position: Array) -> Array:
            value = deviation.formula(position, landscape.hessian_diagonal(position), parameters)
            return (
                np.asarray(value if np.shape(value) == position.shape else np.broadcast_to(value, position.shape)) ** 2
            )

        return variance


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
            f"noise = {type(noise).__name__}(...) is what one iteration of an optimizer steps on, and {what} needs a "
            "model of its noise; use Noise(deviation), HessianNoise or MinibatchNoise, or simulate or exit_times as "
            "they are by default, with substeps=1"
        )
    if noise.law != NORMAL:
        raise ValueError(
            f"law = {noise.law!r}: {what} assumes normal noise; use law=Normal(), or simulate or exit_times for this "
            "law"
        )


def unit_deviation(theta: Any, curvature: Any, q: Any) -> Any:
    """What is left of the noise when each gradient is divided by its standard deviation."""
    return 1.0


def root_of_variance(variance: Any, curvature: Any, q: Any) -> Any:
    """The standard deviation where the kernels know the variance: of noise that varies on a coupled landscape."""
    return np.sqrt(variance)


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


def magnitude_root(matrices: Array) -> Array:
    """Symmetric roots of the magnitudes of symmetric matrices, shape (..., d, d)."""
    values, vectors = np.linalg.eigh(matrices)
    return np.asarray((vectors * np.sqrt(np.abs(values))[..., None, :]) @ np.swapaxes(vectors, -1, -2))


def constant(deviation: Array) -> Deviation:
    """A deviation in each coordinate that is the same everywhere."""
    return Deviation(_constant_formula, table_of(len(deviation), deviation), constant=True)


def table_of(dimension: int, *values: Any) -> Array:
    """A table of parameters whose rows are these values, one for each coordinate or one for all."""
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
        critical point. A position: there instead. "piecewise": at the minimum on its side of the inflection, at the
        saddle beyond it, as in the theory of escapes; of a coupled landscape these are `Landscape.surroundings`, and
        the planes between them go through the inflections of the straight lines that join them. "pointwise": at the
        present position; it vanishes at inflections, which the overdamped SDE then cannot cross.
    law
        The law of a minibatch's noise over its deviation, drawn for each coordinate by itself, of a `QuadraticSaddle`
        for each eigenvector; where noise is correlated, the symmetric root of its covariance mixes these. `Normal`,
        `Skewed`, `StudentT`, `Stable`, `Empirical`, `Quantile` or `Batch`.

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
                    "at = 'pointwise': the noise vanishes at inflections, which the overdamped SDE then cannot "
                    "cross; escapes over a saddle are finite-step effects. The theory's noise is at='piecewise'",
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
            return Deviation(_pointwise_formula, table_of(d, np.sqrt(1 / self.batch_size)))
        if self.at == "piecewise":
            pieces = landscape.pieces()
            deviations = np.sqrt(np.abs(pieces.curvatures) / self.batch_size).tolist()
            switches = list(pieces.switches)
            while len(switches) < 2:  # a switch that is never reached
                switches.append(np.inf)
                deviations.append(deviations[-1])
            return Deviation(_piecewise_formula, table_of(d, *deviations, *switches))
        return super().deviation(landscape)

    def mixing(self, landscape: Landscape) -> Array:
        """A square root of ``[H]^+ / B``, shape (d, d)."""
        if self.at in ("piecewise", "pointwise"):
            if isinstance(landscape, QuadraticSaddle) or not landscape.formulas.parameters.size:
                raise ValueError(
                    f"at = {self.at!r} needs a Hessian that changes, and formulas, and {type(landscape).__name__} has "
                    "not both; use 'reference' or a position"
                )
            return self.roots(landscape, landscape.reference)
        if isinstance(self.at, str):
            return super().mixing(landscape)
        if self.law != NORMAL and isinstance(landscape, QuadraticSaddle):
            raise ValueError(
                f"at = {self.at!r}: the Hessian of a QuadraticSaddle is the same everywhere; use at='reference'"
            )
        eigenvalues, vectors = np.linalg.eigh(landscape.hessian_matrix(self._position(landscape)))
        return np.asarray(vectors * np.sqrt(np.abs(eigenvalues) / self.batch_size) @ vectors.T)

    def field(self, landscape: Landscape) -> Field | None:
        """The Hessian where a replica is, or the regions of critical points."""
        d = landscape.dimension
        if self.at == "pointwise":
            size = np.maximum(1.0, np.abs(landscape.reference))
            return Field(None, np.array([STEP * size, np.full(d, float(self.batch_size))]), rooted=True)
        if self.at == "piecewise":
            centres, weights, roots = self._regions(landscape)
            blocks = [
                [centre, np.full(d, weight), *root]
                for centre, weight, root in zip(centres, weights, roots, strict=True)
            ]
            return Field(None, np.concatenate(blocks), rooted=False)
        return None

    def roots(self, landscape: Landscape, theta: ArrayLike) -> Array:
        """`mixing` as it is at positions of shape (..., d) of a coupled landscape, shape (..., d, d)."""
        position = np.asarray(theta, np.float64)
        if self.at == "pointwise":
            flat = [landscape.hessian_matrix(each) for each in position.reshape(-1, landscape.dimension)]
            return np.reshape(magnitude_root(np.array(flat) / self.batch_size), (*position.shape, -1))
        if self.at == "piecewise":
            centres, weights, roots = self._regions(landscape)
            far = np.sum((position[..., None, :] - centres) ** 2, axis=-1) - weights
            return np.asarray(roots[np.argmin(far, axis=-1)])
        return super().roots(landscape, theta)

    def _regions(self, landscape: Landscape) -> tuple[Array, Array, Array]:
        """Critical points, weights by which places are nearest to one of them, roots of their noise's covariances."""
        centres, weights = landscape.regions
        matrices = np.array([landscape.hessian_matrix(centre) for centre in centres])
        return centres, weights, magnitude_root(matrices / self.batch_size)

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
        The law of a minibatch's noise over its deviation, drawn for each coordinate by itself, of a `QuadraticSaddle`
        for each eigenvector; where noise is correlated, the symmetric root of its covariance mixes these. `Normal`,
        `Skewed`, `StudentT`, `Stable`, `Empirical`, `Quantile` or `Batch`.

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

    Of `StyblinskiTang` with data x ~ N(0, data_variance) the gradient of one sample is ``sqrt(k) f'(u - x)``; its
    variance follows from the moments of a Gaussian. Of a `TorchLandscape` it is that of its samples at the
    reference point.

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
                f"MinibatchNoise needs data, and {landscape!r} has none; use StyblinskiTang(..., data_variance=v), v > "
                "0"
            )
        root, height = np.sqrt(landscape.sharpness), landscape.height
        table = table_of(landscape.dimension, height * root / np.sqrt(self.batch_size), root, landscape.data_variance)
        return Deviation(_minibatch_formula, table)
