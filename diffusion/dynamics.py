"""The optimizers as one rule with two functions of the gradient's second moment: inertia and learning rate.

``m <- beta_i m + beta3_i g``, ``theta <- theta - eta_i m`` (Equation 4): SGD, Momentum, RMSprop, Adam and Adai differ only
in ``beta_i``, ``eta_i`` and the gradient's weight ``beta3_i``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion import checks
from diffusion.callables import described, formula

Array = NDArray[np.float64]
STYLES = ("ema", "heavy-ball")
SECOND_MOMENTS = ("frozen", "running")
OF_THE_RATE = ("frozen", "following", "running")  # where it scales the learning rate


# The formulas run on arrays here and, compiled, on scalars in the kernels; p is (lr, beta1 or beta0, eps).
def constant_inertia(v: Any, mean_v: Any, p: Any) -> Any:
    """``beta1``: Adam's inertia."""
    return p[1]


def adaptive_inertia(v: Any, mean_v: Any, p: Any) -> Any:
    """``clip(1 - beta0 v / mean(v), 0, 1 - eps)``: Adai's inertia; equal second moments stand in for all-zero ones."""
    ratio = v / mean_v if mean_v > 0 else 1.0
    return np.minimum(np.maximum(1.0 - p[1] * ratio, 0.0), 1.0 - p[2])


def constant_learning_rate(v: Any, p: Any) -> Any:
    """``lr``: Adai's learning rate."""
    return p[0]


def adaptive_learning_rate(v: Any, p: Any) -> Any:
    """``lr / (sqrt(v) + eps)``: Adam's and RMSprop's learning rate for the second moment v."""
    return p[0] / (np.sqrt(v) + p[2])


@dataclass(frozen=True)
class Running:
    """What the kernels need of an optimizer as shipped, that is with a running second moment.

    Attributes
    ----------
    inertia, learning_rate
        Functions of (v, mean_v, p) and of (v, p).
    parameters
        The tuple p.
    beta2
        Decay of the second moment.
    corrects
        Whether the second moment is corrected for its start at 0.
    """

    inertia: Callable[..., Any]
    learning_rate: Callable[..., Any]
    parameters: tuple[float, ...]
    beta2: float
    corrects: bool = True


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
    def friction(self) -> Array:
        """gamma_i M_i = (1 - beta_i) / beta3_i, 1 for an exponential moving average."""
        return (1 - self.inertia) / self.gradient_weight

    @property
    def diffusion(self) -> Array:
        """D_i = (eta_i / 2) C_i."""
        return self.learning_rate / 2 * self.noise_variance

    @property
    def temperature(self) -> Array:
        """D_i / (gamma_i M_i), in units of the loss."""
        return self.diffusion / self.friction

    def stability_bound(self, substeps: int = 1) -> Array:
        """Largest ``eta_i H_i`` at which one step does not overshoot ever further."""
        inertial = 2 * substeps * (2 * substeps - (1 - self.inertia)) / self.gradient_weight
        return np.where(self.inertia > 0, inertial, 2.0 * substeps)

    def coefficients(self, substeps: int) -> tuple[Array, Array, Array, Array]:
        """(keep, force, share, step) of ``m <- keep m + force grad L + share sqrt(C) xi``, ``theta <- theta - step m``.

        One of `substeps` equal parts of an iteration: the semi-implicit Euler scheme with inertia, Euler-Maruyama without.
        One substep is the discrete optimizer; the limit of many is the SDE.
        """
        inert = self.inertia > 0
        keep = np.where(inert, 1 - (1 - self.inertia) / substeps, 0.0)
        force = np.where(inert, self.gradient_weight / substeps, 1.0)
        share = np.where(inert, self.gradient_weight * np.sqrt(1 / substeps), np.sqrt(substeps))
        return keep, force, share, self.learning_rate / substeps

    def thermal_momentum(self, substeps: int) -> Array:
        """Standard deviation of m in the stationary state of the recursion at H = 0; 0 without inertia."""
        keep, _, share, _ = self.coefficients(substeps)
        return np.where(keep > 0, share * np.sqrt(self.noise_variance / (1 - keep**2)), 0.0)


class Dynamics(ABC):
    """An optimizer as a rule (inertia, learning rate)."""

    second_moment: str = "frozen"

    @property
    def running(self) -> Running | None:
        """The optimizer as shipped, if it has a second moment and ``second_moment="running"`` asks for it."""
        return None

    @abstractmethod
    def inertia(self, v: Array, mean_v: float) -> Array:
        """Inertia beta_i for the second moment v of shape (d,)."""

    @abstractmethod
    def learning_rate(self, v: Array) -> Array:
        """Learning rate eta_i for the second moment v of shape (d,)."""

    def gradient_weight(self, inertia: Array) -> Array:
        """Weight beta3_i of the new gradient: 1 - beta_i (exponential moving average) unless said otherwise."""
        return 1 - inertia

    @property
    def mass(self) -> float:
        """M of Equation 7, an iteration taking the time lr; refused without inertia and if it depends on the noise."""
        return self._whatever_the_noise("mass")

    @property
    def damping(self) -> float:
        """gamma of Equation 7, in that time; refused likewise."""
        return self._whatever_the_noise("damping")

    def _whatever_the_noise(self, name: str) -> float:
        rule = self.rule(np.array([1.0, 4.0]))
        if not rule.inertia.any():
            raise ValueError(f"{name}: {self!r} has no inertia, and so neither mass nor damping, but gamma M = 1")
        one, other = getattr(rule, name)
        if one != other:
            raise ValueError(
                f"{name} of {self!r} depends on the noise; take that of its rule, "
                f".rule(noise.variance_along(landscape)).{name}, one for each direction"
            )
        return float(one)

    def rule(self, noise_variance: Array) -> Rule:
        """The idealized rule near a critical point, where the second moment is the noise variance (v = C).

        Parameters
        ----------
        noise_variance
            Variance of one minibatch gradient along each direction, shape (d,).
        """
        v = np.asarray(noise_variance, dtype=np.float64)
        inertia = self.inertia(v, float(v.mean()))
        if self.second_moment == "following":  # the gradient arrives divided by sqrt(v), its noise with it
            one = np.ones_like(v)
            return Rule(inertia, self.learning_rate(one), self.gradient_weight(inertia), one)
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
        checks.plain_fields(self)
        checks.positive("lr", self.lr)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """Zero."""
        return np.zeros_like(v)

    def learning_rate(self, v: Array) -> Array:
        """lr in every direction."""
        return np.full_like(v, self.lr)


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
        checks.plain_fields(self)
        checks.positive("lr", self.lr)
        checks.fraction("beta1", self.beta1)
        checks.choice("style", self.style, STYLES)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """beta1 in every direction."""
        return np.full_like(v, self.beta1)

    def learning_rate(self, v: Array) -> Array:
        """lr in every direction."""
        return np.full_like(v, self.lr)

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
        "frozen": v = C at the reference point, the theory's idealization, in which eps and beta2 play no part; "following":
        v = C at the present position, each gradient divided by sqrt(v) as it arrives, as Proposition 2 has it; "running":
        the optimizer as shipped, with its bias corrections.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    second_moment: str = "frozen"

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("lr", self.lr)
        checks.fraction("beta1", self.beta1)
        checks.fraction("beta2", self.beta2)
        checks.positive("eps", self.eps)
        checks.choice("second_moment", self.second_moment, OF_THE_RATE)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """beta1 in every direction."""
        return np.full_like(v, self.beta1)

    def learning_rate(self, v: Array) -> Array:
        """``lr / sqrt(v)``, refused where v is 0."""
        return _idealized_learning_rate(self, v)

    @property
    def running(self) -> Running | None:
        """The optimizer as shipped."""
        if self.second_moment != "running":
            return None
        return Running(constant_inertia, adaptive_learning_rate, (self.lr, self.beta1, self.eps), self.beta2)


@dataclass(frozen=True)
class RMSprop(Dynamics):
    """RMSprop: adaptive learning rate, no inertia.

    Parameters
    ----------
    lr, beta2, eps
        Learning rate, decay of the second moment (torch's alpha), and the term added to its root.
    second_moment
        "frozen" and "following" as for `Adam`; "running": the optimizer as torch ships it, whose second moment starts at
        zero and is *not* bias-corrected.
    """

    lr: float
    beta2: float = 0.99
    eps: float = 1e-8
    second_moment: str = "frozen"

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("lr", self.lr)
        checks.fraction("beta2", self.beta2)
        checks.positive("eps", self.eps)
        checks.choice("second_moment", self.second_moment, OF_THE_RATE)

    def inertia(self, v: Array, mean_v: float) -> Array:
        """Zero."""
        return np.zeros_like(v)

    def learning_rate(self, v: Array) -> Array:
        """``lr / sqrt(v)``, refused where v is 0."""
        return _idealized_learning_rate(self, v)

    @property
    def running(self) -> Running | None:
        """The optimizer as shipped."""
        if self.second_moment != "running":
            return None
        return Running(
            constant_inertia,
            adaptive_learning_rate,
            (self.lr, 0.0, self.eps),
            self.beta2,
            corrects=False,
        )


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
        checks.plain_fields(self)
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
        return np.asarray(adaptive_inertia(v, mean_v, (self.lr, self.beta0, self.eps)))

    def learning_rate(self, v: Array) -> Array:
        """lr in every direction."""
        return np.full_like(v, self.lr)

    @property
    def running(self) -> Running | None:
        """The optimizer as shipped."""
        if self.second_moment != "running":
            return None
        return Running(adaptive_inertia, constant_learning_rate, (self.lr, self.beta0, self.eps), self.beta2)


@dataclass(frozen=True, repr=False)
class OwnDynamics(Dynamics):
    """A user's own optimizer, as the two functions that tell it from the others.

    ``m <- beta m + (1 - beta) g``, ``theta <- theta - eta m/(1 - prod beta)`` with ``beta = inertia(v, mean_v)`` and
    ``eta = learning_rate(v)``, where v is the running mean of g^2, corrected for its start at 0, and mean_v its mean over
    the coordinates.

    Parameters
    ----------
    inertia_function
        ``inertia(v, mean_v, *parameters)`` in [0, 1), a scalar function; plain Python that numba can compile, or compiled with njit.
        Values that it reads besides are read once, here; each set of them is compiled anew.
    learning_rate_function
        ``learning_rate(v, *parameters)`` above 0, likewise.
    beta2
        Decay of the second moment.
    second_moment
        "running", or "frozen": v is the noise variance, as in the theory's idealization.
    parameters
        Numbers handed to both functions after their other arguments. A sweep over them compiles once.
    """

    inertia_function: Callable[..., float]
    learning_rate_function: Callable[..., float]
    beta2: float = 0.999
    second_moment: str = "running"
    parameters: Sequence[float] = ()

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.fraction("beta2", self.beta2)
        checks.choice("second_moment", self.second_moment, SECOND_MOMENTS)
        numbers = (
            tuple(checks.finite_vector("parameters", self.parameters).tolist()) if np.size(self.parameters) else ()
        )
        inertia = checks.compiled(
            "inertia_function(v, mean_v, *parameters) -> float", self.inertia_function, 1.0, 1.0, *numbers
        )
        learning_rate = checks.compiled(
            "learning_rate_function(v, *parameters) -> float", self.learning_rate_function, 1.0, *numbers
        )
        own = {"parameters": numbers, "inertia_function": inertia, "learning_rate_function": learning_rate}
        for name, value in own.items():
            object.__setattr__(self, name, value)
        self.inertia(np.ones(1), 1.0)
        self.learning_rate(np.ones(1))

    def inertia(self, v: Array, mean_v: float) -> Array:
        """inertia_function of each v; refused outside [0, 1)."""
        values = [self.inertia_function(one, mean_v, *self.parameters) for one in v]
        return _within("inertia_function", values, v, f", mean_v = {mean_v:.6g}", 0.0, 1.0)

    def learning_rate(self, v: Array) -> Array:
        """learning_rate_function of each v; refused unless it is a finite number above 0."""
        values = [self.learning_rate_function(one, *self.parameters) for one in v]
        return _within("learning_rate_function", values, v, "", np.nextafter(0, 1), np.inf)

    @property
    def running(self) -> Running | None:
        """The optimizer with its running second moment."""
        if self.second_moment != "running":
            return None
        rest = "".join(f", p[{k}]" for k in range(len(self.parameters)))
        inertia = formula(f"lambda v, mean_v, p: function(v, mean_v{rest})", self.inertia_function)
        learning_rate = formula(f"lambda v, p: function(v{rest})", self.learning_rate_function)
        return Running(inertia, learning_rate, tuple(self.parameters) or (0.0,), self.beta2)

    def __repr__(self) -> str:
        return (
            f"OwnDynamics(inertia_function={described(self.inertia_function)}, "
            f"learning_rate_function={described(self.learning_rate_function)}, beta2={self.beta2}, "
            f"second_moment={self.second_moment!r}, parameters={self.parameters})"
        )


def _within(name: str, values: Sequence[Any], v: Array, more: str, least: float, below: float) -> Array:
    """A user's values for each v, refused outside [least, below)."""
    wanted = "lie in [0, 1)" if below == 1 else "be a finite number above 0"
    try:
        found = np.array([float(value) for value in values])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} returns {values[0]!r} at v = {v[0]:.6g}{more}; it must {wanted}") from error
    wrong = ~((found >= least) & (found < below))
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(f"{name} is {found[i]} at v = {v[i]:.6g}{more}; it must {wanted}")
    return found


def _idealized_learning_rate(dynamics: Adam | RMSprop, v: Array) -> Array:
    if np.any(v <= 0):
        raise ValueError(
            f"noise variance is 0 in direction {int(np.argmax(v <= 0))}: idealized {type(dynamics).__name__} would have an "
            "infinite learning rate there; use IsotropicNoise, or second_moment='running'"
        )
    return np.asarray(adaptive_learning_rate(v, (dynamics.lr, 0.0, 0.0)))
