"""Laws of the noise of one minibatch: what z is that a deviation is multiplied by and that is added to L'.

Each is a function of a standard normal draw, in a table: so that all are drawn at one speed, and a kernel is compiled
for none of them.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks

EDGE = 8.5  # no normal draw is larger
FINENESS = (32, 64, 128, 256, 512)  # cells of a table for each unit of the normal draw, the first that is good enough
GOOD, POOR = 1e-5, 1e-3  # errors of a table, over the larger of 1 and |z|: that of the first, and that of none
KNOWN_TO = 6.75  # normal deviates of the smallest and largest u at which a user's quantile function is called
NODES, BETWEEN = (
    np.array([0.0, 0.25, 0.75, 1.0]),
    np.array([0.125, 0.5, 0.875]),
)  # of a cell; between them errors are largest

Array = NDArray[np.float64]


class Law(ABC):
    """The law of z, the noise of one minibatch over its deviation: mean 0, variance 1, each coordinate drawn by itself.

    A positive z adds to the gradient, and so pushes theta down.
    """

    @property
    def draws(self) -> int:
        """Draws that are averaged for one z."""
        return 1

    @property
    def moments(self) -> float:
        """Moments of a lower order than this exist."""
        return math.inf

    @abstractmethod
    def table(self) -> Array:
        """Coefficients of cubics on equal cells of a normal draw in (-EDGE, EDGE), (cells, 4); or values, (N, 1)."""

    def of_normals(self, normals: ArrayLike) -> Array:
        """The z that standard normal draws, shape (draws, ...), are turned into, shape (...)."""
        from scipy import special

        table, g = tabulated(self), np.asarray(normals, np.float64)
        cells = len(table)
        if table.shape[1] == 1:
            each = table[np.minimum((special.ndtr(g) * cells).astype(np.int64), cells - 1), 0]
        else:
            place = (g + EDGE) * (cells / (2 * EDGE))
            cell = np.clip(place.astype(np.int64), 0, cells - 1)
            far, c = place - cell, np.moveaxis(table[cell], -1, 0)
            each = c[0] + far * (c[1] + far * (c[2] + far * c[3]))
        return np.asarray(each.sum(axis=0))


@lru_cache(maxsize=64)
def tabulated(law: Law) -> Array:
    """A law's table, made once; read-only."""
    table = np.ascontiguousarray(law.table())
    table.flags.writeable = False
    return table


def _cubics(law: Law, of_normal: Callable[[Array], Array]) -> Array:
    """The table of a smooth function of a normal draw; refused if it jumps."""
    solve = np.linalg.inv(np.vander(NODES, increasing=True))
    for fineness in FINENESS:
        cells = np.arange(round(2 * EDGE * fineness))[:, None]
        values, between = (of_normal((cells + part) / fineness - EDGE) for part in (NODES, BETWEEN))
        table = values @ solve.T
        with np.errstate(invalid="ignore"):
            error = np.abs(table @ np.vander(BETWEEN, 4, increasing=True).T - between) / np.maximum(1, np.abs(between))
        if error.max() < GOOD:
            return np.asarray(table)
    if error.max() < POOR:
        return np.asarray(table)
    raise ValueError(
        f"law = {type(law).__name__}(...): z is no smooth function of a normal draw, by {error.max():.2g}: its "
        "quantile function jumps or is not finite; of a discrete law give Empirical its values, as often as they are "
        "likely"
    )


def _hash(values: Array) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class Normal(Law):
    """The normal law: what the theory assumes, and the limit of large minibatches."""

    def table(self) -> Array:
        """The identity."""
        return _cubics(self, np.asarray)


NORMAL = Normal()


@dataclass(frozen=True)
class Skewed(Law):
    """A centred gamma law: skewness ``2/sqrt(shape)``, excess kurtosis ``6/shape``.

    Parameters
    ----------
    shape
        Shape of the gamma law, at least 0.05 in magnitude; below 0 the mirrored law, with a long tail of negative z,
        which push theta up.

    Raises
    ------
    ValueError
        If the magnitude of the shape is below 0.05.
    """

    shape: float

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.finite("shape", self.shape)
        if abs(self.shape) < 0.05:
            raise ValueError(
                f"shape = {self.shape!r} must be 0.05 or more in magnitude, where draws are more than a rare jump"
            )

    def table(self) -> Array:
        """By the inverses of both incomplete gamma functions, so that both tails are exact."""
        from scipy import special

        k, sign = abs(self.shape), math.copysign(1.0, self.shape)

        def of_normal(g: Array) -> Array:
            below, above = (
                special.gammaincinv(k, special.ndtr(sign * g)),
                special.gammainccinv(k, special.ndtr(-sign * g)),
            )
            return np.asarray(sign * (np.where(sign * g < 0, below, above) - k) / math.sqrt(k))

        return _cubics(self, of_normal)


@dataclass(frozen=True)
class StudentT(Law):
    """Student's t, scaled to unit variance: tails like ``|z|^-df``.

    Parameters
    ----------
    df
        Degrees of freedom, above 2; the fourth moment exists above 4.

    Raises
    ------
    ValueError
        If df is not above 2: there is no variance to scale by then.
    """

    df: float

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("df", self.df)
        if self.df <= 2:
            raise ValueError(
                f"df = {self.df!r} must be above 2, as the variance is infinite; use Stable for heavier tails"
            )

    @property
    def moments(self) -> float:
        """Those of an order below df."""
        return self.df

    def table(self) -> Array:
        """By the inverse of the lower tail, mirrored."""
        from scipy import special

        scale = math.sqrt((self.df - 2) / self.df)
        return _cubics(self, lambda g: -np.sign(g) * scale * special.stdtrit(self.df, special.ndtr(-np.abs(g))))


@dataclass(frozen=True)
class Stable(Law):
    """Symmetric stable law of characteristic function ``exp(-|t|^alpha/2)``: the normal at 2 (Simsekli et al. 2019).

    Its variance is infinite below 2, and the deviation of a noise is then a scale alone: a sum of n draws is
    ``n^(1/alpha)`` times as wide as one. In several coordinates each is drawn by itself, so that it depends on the
    axes.

    Parameters
    ----------
    alpha
        Tail index in [0.5, 1.95], or 2; Cauchy's law at 1.

    Raises
    ------
    ValueError
        If alpha is out of range.
    """

    alpha: float

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.finite("alpha", self.alpha)
        if not (0.5 <= self.alpha <= 1.95 or self.alpha == 2):
            raise ValueError(f"alpha = {self.alpha!r} must lie in [0.5, 1.95], or be 2, the normal law")

    @property
    def moments(self) -> float:
        """Those of an order below alpha; all at 2."""
        return math.inf if self.alpha == 2 else self.alpha

    def table(self) -> Array:
        """By the inverse of the tail, mirrored."""

        def of_normal(g: Array) -> Array:
            if self.alpha == 2:
                return g
            sizes, places = np.unique(np.abs(g), return_inverse=True)
            z = np.zeros(len(sizes))
            z[sizes > 0] = 2 ** (-1 / self.alpha) * _stable(self.alpha, sizes[sizes > 0])
            return np.asarray(np.sign(g) * z[places].reshape(g.shape))

        return _cubics(self, of_normal)


def _stable(alpha: float, deviates: Array) -> Array:
    """Quantiles of the standard symmetric law, ``exp(-|t|^alpha)``, for as likely normal deviates above 0.

    Zolotarev (1986), as Chambers, Mallows and Stuck (1976) draw it: P(Z > x) is the mean over an exponential W of pi/2
    less the angle at which
    ``log cos a - log sin(alpha a) + (1 - 1/alpha) (log cos((alpha - 1) a) - log cos a)``, which falls as the angle
    grows, is ``(1 - 1/alpha) log W - log x``.
    """
    from scipy import special
    from scipy.interpolate import CubicSpline

    share, near = 1 - 1 / alpha, np.pi / 4 * np.exp(-np.arange(0, 45, 1 / 64))
    from_zero, from_end = np.append(near[::-1], np.pi / 2 - near[1:]), np.append(np.pi / 2 - near[::-1], near[1:])
    cosine = np.log(np.sin(from_end))
    level = cosine - np.log(np.sin(alpha * from_zero)) + share * (np.log(np.cos((alpha - 1) * from_zero)) - cosine)
    log_angle = CubicSpline(level[::-1], np.log(from_end)[::-1])
    log_w = np.arange(-45, 4, 1 / 16)
    weight = np.exp(log_w - np.exp(log_w)) / 16 / np.pi

    log_x = np.linspace(-12.0, 40.0 / alpha, 3000)
    above = np.exp(log_angle(share * log_w - log_x[:, None])) @ weight
    return np.asarray(np.exp(CubicSpline(-special.ndtri(above), log_x)(deviates)))


@dataclass(frozen=True)
class Empirical(Law):
    """One of some values, each as likely as another, centred and scaled to unit variance: such as sampled gradients.

    Parameters
    ----------
    values
        The values, as many as there are; how often one is given is how likely it is.

    Raises
    ------
    ValueError
        If a value is not finite, or all are equal.
    """

    values: ArrayLike

    def __post_init__(self) -> None:
        values = checks.finite_vector("values", self.values)
        if values.min() == values.max():
            raise ValueError(f"values are all {values[0]:g}; give two or more that differ")
        object.__setattr__(self, "values", tuple(values.tolist()))

    def table(self) -> Array:
        """The values."""
        values = np.array(self.values)
        return np.asarray((values - values.mean()) / values.std())[:, None]

    def __repr__(self) -> str:
        values = np.array(self.values)
        if len(values) <= 20:
            return f"Empirical(values={values.tolist()})"
        return f"Empirical({len(values)} values, SHA-256 {_hash(values)})"


@dataclass(frozen=True)
class Quantile(Law):
    """A quantile function of a uniform, centred and scaled to unit variance, such as ``scipy.stats.laplace.ppf``.

    Parameters
    ----------
    function
        Called with arrays of u, or with one number at a time if it takes no arrays, in [7e-12, 1 - 7e-12]: beyond,
        draws are those of the ends. It must not jump.

    Raises
    ------
    ValueError
        If it is not a function, it jumps, or its variance is not a number above 0.
    """

    function: Callable[[Any], Any]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ValueError(f"function = {self.function!r} must be a function of u in (0, 1)")
        tabulated(self)  # refuses

    def table(self) -> Array:
        """With mean and variance by sums over equal steps of the normal draw."""
        g = np.linspace(-EDGE, EDGE, 2**14 + 1)
        weight = np.exp(-g * g / 2)
        z = self._at(g)
        mean = np.average(z, weights=weight)
        variance = np.average((z - mean) ** 2, weights=weight)
        if not 0 < variance < np.inf:
            raise ValueError(
                f"function = {self.function!r} has the variance {variance}; it must be a finite number above 0"
            )
        return _cubics(self, lambda g: (self._at(g) - mean) / math.sqrt(variance))

    def _at(self, g: Array) -> Array:
        from scipy import special

        u = special.ndtr(np.clip(g, -KNOWN_TO, KNOWN_TO))
        try:
            z = np.asarray(self.function(u), np.float64)
        except (TypeError, ValueError):  # it knows no arrays
            z = np.asarray(np.vectorize(self.function, otypes=[float])(u))
        return np.broadcast_to(z, u.shape)

    def __repr__(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        return f"Quantile({name}, SHA-256 of its values {_hash(tabulated(self))})"


@dataclass(frozen=True)
class Batch(Law):
    """The average of n draws of a law, scaled to unit variance: cumulants of order k are ``n^(1 - k/2)`` of one draw's.

    It costs as much as n draws. The deviation remains that of the average.

    Parameters
    ----------
    law
        The law of one draw.
    n
        Draws, at most 65,536.

    Raises
    ------
    ValueError
        If n is out of range, or the law is stable: an average of stable draws has the same law.
    """

    law: Law
    n: int

    def __post_init__(self) -> None:
        check_law(self.law)
        object.__setattr__(self, "n", checks.whole("n", self.n))
        checks.whole("n times the draws of its law", self.draws, most=2**16)
        if self.law.moments <= 2:
            raise ValueError(
                f"law = {self.law!r}: an average of n draws has the same law; use it as it is, with a deviation "
                f"n^(1/alpha - 1) = {self.n ** (1 / self.law.moments - 1):.4g} times as large"
            )

    @property
    def draws(self) -> int:
        """Those of all."""
        return self.n * self.law.draws

    @property
    def moments(self) -> float:
        """Those of the law."""
        return self.law.moments

    def table(self) -> Array:
        """The law's, over the root of n."""
        return tabulated(self.law) / math.sqrt(self.n)


def check_law(law: Any) -> None:
    """Refuse all but laws.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(law, Law):
        raise ValueError(
            f"law = {law!r} must be a law: Normal(), Skewed(shape), StudentT(df), Stable(alpha), Empirical(values), "
            "Quantile(function) or Batch(law, n)"
        )
