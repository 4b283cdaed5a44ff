"""Is the noise of a gradient like the Hessian? Numbers of arrays along the Hessian's eigenvectors.

Noise is that of one sample drawn with replacement: a minibatch of B has 1/B of its covariance, so that the paper's
Equation 3, C = |H|/B, is ``variance = |curvature|`` here. Over directions medians are taken: there are a few without
noise, such as that of the sum of all outputs under mean-square loss, which the network learns to be 1 for every sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

RESOLVED = 1e-6  # eigenvalues below this share of the largest are rounding and directions without any loss
TOP = 10  # directions of largest curvature, as many as classes
FEW = 5  # directions below which a group has no slope
HESSIAN, GAUSS_NEWTON, LOSS, SQUARED = "|H|", "Gauss-Newton", "loss times |H|", "mean H_n^2"
MODELS = (HESSIAN, GAUSS_NEWTON, LOSS, SQUARED)
SCALELESS = (SQUARED,)  # models that state the noise but for one constant


@dataclass(frozen=True)
class Point:
    """Curvature and noise of a network at one stage of training.

    Attributes
    ----------
    curvature
        Eigenvalues of the Hessian, shape (directions,).
    variance, skewness, kurtosis
        Along each of their eigenvectors the variance of single samples' gradients, their skewness and excess kurtosis.
    gauss_newton, squared_curvature
        Along the same the generalised Gauss-Newton matrix, and the mean of the squares of single samples' Hessians,
        to which Zhang, Yang & Tu (arXiv 2602.05600) have the noise proportional.
    loss
        The mean loss.
    loss_factor
        Noise over loss times Hessian where Mori et al. (2021) are right: 2 over the number of outputs for the
        mean-square loss, whose residuals are then alike; 1 for cross-entropy, for which it is tried.
    more
        Further arrays by name.
    """

    curvature: Array
    variance: Array
    skewness: Array
    kurtosis: Array
    gauss_newton: Array
    squared_curvature: Array
    loss: float
    loss_factor: float
    more: Mapping[str, Any]

    @property
    def resolved(self) -> NDArray[np.bool_]:
        """Directions whose curvature and noise are above rounding."""
        size = np.abs(self.curvature)
        return np.asarray((size > RESOLVED * size.max()) & (self.variance > RESOLVED**2 * self.variance.max()))

    @property
    def groups(self) -> dict[str, NDArray[np.bool_]]:
        """Which directions are of positive and of negative curvature, and of the largest."""
        top = np.zeros(len(self.curvature), bool)
        top[np.argsort(self.curvature)[::-1][:TOP]] = True
        resolved = self.resolved
        return {
            "positive": resolved & (self.curvature > 0),
            "negative": resolved & (self.curvature < 0),
            "top": resolved & (self.curvature > 0) & top,
        }

    def models(self) -> dict[str, Array]:
        """What the four models say the variance of one sample is."""
        size = np.abs(self.curvature)
        stated = (size, np.abs(self.gauss_newton), self.loss_factor * self.loss * size, self.squared_curvature)
        return dict(zip(MODELS, stated, strict=True))


def slope(point: Point, group: str) -> float:
    """The power of |H_i| that the variance goes with, by Theil and Sen on logarithms; NaN of too few directions."""
    chosen = point.groups[group]
    if chosen.sum() < FEW:
        return np.nan
    x, y = np.log(np.abs(point.curvature[chosen])), np.log(point.variance[chosen])
    return float(stats.theilslopes(y, x).slope)


def log_ratio(point: Point, group: str) -> float:
    """The median of log10(variance/|H_i|); NaN of too few directions."""
    chosen = point.groups[group]
    if chosen.sum() < FEW:
        return np.nan
    return float(np.median(np.log10(point.variance[chosen] / np.abs(point.curvature[chosen]))))


def correlation_gain(point: Point) -> float:
    """Correlation of the logarithms of variance and |H_i| in the half of least |H_i|, less that in the other half."""
    chosen = point.resolved
    size, variance = np.abs(point.curvature[chosen]), point.variance[chosen]
    small = size <= np.median(size)
    halves = [np.corrcoef(np.log(size[half]), np.log(variance[half]))[0, 1] for half in (small, ~small)]
    return float(halves[0] - halves[1])


def misfit(points: Sequence[Point], model: str, *, free: bool) -> float:
    """How far off a model of the noise is, in decades: the median of the size of log10(variance/model) over directions.

    Parameters
    ----------
    points
        Of one network along its training.
    model
        One of `MODELS`.
    free
        Whether one constant, the same at all points, is fitted first.
    """
    with np.errstate(divide="ignore"):
        logs = [np.log10(point.variance / point.models()[model])[point.resolved] for point in points]
    log = np.concatenate(logs)
    return float(np.median(np.abs(log - free * np.median(log))))
