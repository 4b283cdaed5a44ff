"""The optimizers as one rule with two functions of the gradient's second moment: inertia and learning rate.

``m <- beta_i m + beta3_i g``, ``theta <- theta - eta_i m`` (Equation 4): SGD, Momentum, RMSprop, Adam and Adai differ only
in ``beta_i``, ``eta_i`` and the gradient's weight ``beta3_i``.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion import checks

Array = NDArray[np.float64]
STYLES = ("ema", "heavy-ball")
SECOND_MOMENTS = ("frozen", "running")


# These two run on arrays here and, compiled, on scalars in the kernels: one place for each formula.
def adaptive_learning_rate(v: Any, lr: float, eps: float) -> Any:
    """``lr / (sqrt(v) + eps)``: Adam's and RMSprop's learning rate for the second moment v."""
    return lr / (np.sqrt(v) + eps)


def adaptive_inertia(v: Any, mean_v: Any, beta0: float, eps: float) -> Any:
    """``clip(1 - beta0 v / mean(v), 0, 1 - eps)``: Adai's inertia; equal second moments stand in for all-zero ones."""
    ratio = v / mean_v if mean_v > 0 else 1.0
    return np.minimum(np.maximum(1.0 - beta0 * ratio, 0.0), 1.0 - eps)


@dataclass(frozen=True)
class Rule:
    """The rule along each direction, and the constants of its Newton equation (Equations 5-7, Appendix H).

    All arrays have shape (d,). Time is dynamical: each iteration advances direction i by its learning rate.
    """

    inertia: Array
    learning_rate: Array
    gradient_weight: Array
    noise_variance: Array

    @property
    def mass(self) -> Array:
        """M_i = eta_i / beta3_i."""
        return self.learning_rate / self.gradient_weight

    @property
    def damping(self) -> Array:
        """gamma_i = (1 - beta_i) / eta_i."""
        return (1 - self.inertia) / self.learning_rate

    @property
    def diffusion(self) -> Array:
        """D_i = (eta_i / 2) C_i."""
        return self.learning_rate / 2 * self.noise_variance

    def stability_bound(self, substeps: int = 1) -> Array:
        """Largest ``eta_i H_i`` at which one step does not overshoot ever further."""
        inertial = 2 * substeps * (2 * substeps - (1 - self.inertia)) / self.gradient_weight
        return np.where(self.inertia > 0, inertial, 2.0 * substeps)

    def coefficients(self, substeps: int) -> tuple[Array, Array, Array, Array]:
        """(keep, force, noise, step) of ``m <- keep m + force grad L + noise xi``, ``theta <- theta - step m``.

        One of `substeps` equal parts of an iteration: the semi-implicit Euler scheme with inertia, Euler-Maruyama without.
        One substep is the discrete optimizer; the limit of many is the SDE.
        """
        inert = self.inertia > 0
        keep = np.where(inert, 1 - (1 - self.inertia) / substeps, 0.0)
        force = np.where(inert, self.gradient_weight / substeps, 1.0)
        share = np.where(inert, self.gradient_weight * np.sqrt(1 / substeps), np.sqrt(substeps))
        return keep, force, share * np.sqrt(self.noise_variance), self.learning_rate / substeps

    def thermal_momentum(self, substeps: int) -> Array:
        """Standard deviation of m in the stationary state of the recursion at H = 0; 0 without inertia."""
        keep, _, noise, _ = self.coefficients(substeps)
        return np.where(keep > 0, noise / np.sqrt(1 - keep**2), 0.0)


class Dynamics(ABC):
    """An optimizer as a rule (inertia, learning rate)."""

    lr: float
    second_moment: str = "frozen"

    @abstractmethod
    def inertia(self, v: Array, mean_v: float) -> Array:
        """Inertia beta_i for the second moment v of shape (d,)."""

    def learning_rate(self, v: Array) -> Array:
        """Learning rate eta_i for the second moment v of shape (d,)."""
        return np.full_like(v, self.lr)

    def gradient_weight(self, inertia: Array) -> Array:
        """Weight beta3_i of the new gradient: 1 - beta_i (exponential moving average) unless said otherwise."""
        return 1 - inertia

    def rule(self, noise_variance: Array) -> Rule:
        """The idealized rule near a critical point, where the second moment is the noise variance (v = C).

        Parameters
        ----------
        noise_variance
            Variance of one minibatch gradient along each direction, shape (d,).
        """
        v = np.asarray(noise_variance, dtype=np.float64)
        inertia = self.inertia(v, float(v.mean()))
        return Rule(inertia, self.learning_rate(v), self.gradient_weight(inertia), v)


@dataclass(frozen=True)
class SGD(Dynamics):
    """Stochastic gradient descent (Equation 1): no inertia.

    Parameters
    ----------
    lr
        Learning rate, above 0.
    """

    lr: float

    def __post_init__(self) -> None:
        checks.positive("lr", self.lr)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """Zero."""
        return np.zeros_like(v)


@dataclass(frozen=True)
class Momentum(Dynamics):
    """SGD with momentum (Equation 4).

    Parameters
    ----------
    lr
        Learning rate, above 0.
    beta1
        Inertia, in [0, 1).
    style
        "ema" (Adam-style, the gradient weighted by 1 - beta1) or "heavy-ball" (SGD-style, weighted by 1).
    """

    lr: float
    beta1: float = 0.9
    style: str = "ema"

    def __post_init__(self) -> None:
        checks.positive("lr", self.lr)
        checks.fraction("beta1", self.beta1)
        checks.choice("style", self.style, STYLES)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """beta1 in every direction."""
        return np.full_like(v, self.beta1)

    def gradient_weight(self, inertia: Array) -> Array:
        """1 - beta1 (EMA style) or 1 (heavy-ball style)."""
        return np.ones_like(inertia) if self.style == "heavy-ball" else 1 - inertia


@dataclass(frozen=True)
class Adam(Dynamics):
    """Adam: adaptive learning rate, constant inertia (Algorithm 1).

    Parameters
    ----------
    lr, beta1, beta2, eps
        As in Kingma & Ba (2015).
    second_moment
        "frozen": v = C, the theory's idealization, in which eps and beta2 play no part; "running": the optimizer as
        shipped, with its bias corrections.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    second_moment: str = "frozen"

    def __post_init__(self) -> None:
        checks.positive("lr", self.lr)
        checks.fraction("beta1", self.beta1)
        checks.fraction("beta2", self.beta2)
        checks.positive("eps", self.eps)
        checks.choice("second_moment", self.second_moment, SECOND_MOMENTS)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """beta1 in every direction."""
        return np.full_like(v, self.beta1)

    def learning_rate(self, v: Array) -> Array:
        """``lr / sqrt(v)``, refused where v is 0."""
        return _idealized_learning_rate(self, v)


@dataclass(frozen=True)
class RMSprop(Dynamics):
    """RMSprop: adaptive learning rate, no inertia.

    Parameters
    ----------
    lr, beta2, eps
        Learning rate, decay of the second moment (torch's alpha), and the term added to its root.
    second_moment
        "frozen": v = C, the theory's idealization; "running": the optimizer as torch ships it, whose second moment
        starts at zero and is *not* bias-corrected.
    """

    lr: float
    beta2: float = 0.99
    eps: float = 1e-8
    second_moment: str = "frozen"

    def __post_init__(self) -> None:
        checks.positive("lr", self.lr)
        checks.fraction("beta2", self.beta2)
        checks.positive("eps", self.eps)
        checks.choice("second_moment", self.second_moment, SECOND_MOMENTS)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """Zero."""
        return np.zeros_like(v)

    def learning_rate(self, v: Array) -> Array:
        """``lr / sqrt(v)``, refused where v is 0."""
        return _idealized_learning_rate(self, v)


@dataclass(frozen=True)
class Adai(Dynamics):
    """Adaptive inertia: constant learning rate (Algorithm 2).

    Parameters
    ----------
    lr
        Learning rate, above 0.
    beta0, beta2
        Scale of the damping 1 - inertia, and decay of the second moment.
    eps
        Inertia is at most 1 - eps.
    second_moment
        "frozen": v = C, the theory's idealization; "running": the optimizer as shipped, with its bias corrections.
    """

    lr: float
    beta0: float = 0.1
    beta2: float = 0.99
    eps: float = 1e-3
    second_moment: str = "frozen"

    def __post_init__(self) -> None:
        checks.positive("lr", self.lr)
        checks.positive("beta0", self.beta0)
        checks.fraction("beta2", self.beta2)
        if not 0 < self.eps <= 1:
            raise ValueError(f"eps = {self.eps!r} must lie in (0, 1]: it bounds the inertia by 1 - eps")
        checks.choice("second_moment", self.second_moment, SECOND_MOMENTS)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """``clip(1 - beta0 v / mean(v), 0, 1 - eps)``, refused where all v are 0."""
        if not mean_v > 0:
            raise ValueError(
                "noise variance is 0 in every direction: idealized Adai has no inertia; use IsotropicNoise"
            )
        return np.asarray(adaptive_inertia(v, mean_v, self.beta0, self.eps))


def _idealized_learning_rate(dynamics: Adam | RMSprop, v: Array) -> Array:
    if np.any(v <= 0):
        raise ValueError(
            f"noise variance is 0 in direction {int(np.argmax(v <= 0))}: idealized {type(dynamics).__name__} would have an "
            "infinite learning rate there; use IsotropicNoise, or second_moment='running'"
        )
    return np.asarray(adaptive_learning_rate(v, dynamics.lr, 0.0))
