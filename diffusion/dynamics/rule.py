"""The optimizers as one rule with two functions of the gradient's second moment: inertia and learning rate.

``m <- beta_i m + beta3_i g``, ``theta <- theta - eta_i m`` (Equation 4): SGD, Momentum, RMSprop, Adam and Adai differ
only in ``beta_i``, ``eta_i`` and the gradient's weight ``beta3_i``. Other optimizers are known by their updates alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from diffusion import checks
from diffusion.dynamics.update import Update

if TYPE_CHECKING:
    import torch

Array = NDArray[np.float64]
SECOND_MOMENTS = ("frozen", "running")
OF_THE_RATE = ("frozen", "following", "running")  # where it scales the learning rate


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

    def stability_bound(self, substeps: float = 1) -> Array:
        """Largest ``eta_i H_i`` at which one step does not overshoot ever further."""
        inertial = 2 * substeps * (2 * substeps - (1 - self.inertia)) / self.gradient_weight
        return np.where(self.inertia > 0, inertial, 2.0 * substeps / self.gradient_weight)

    def coefficients(self, substeps: int) -> tuple[Array, Array, Array, Array]:
        """(keep, force, share, step) of ``m <- keep m + force grad L + share sqrt(C) xi``, ``theta <- theta - step m``.

        One of `substeps` equal parts of an iteration: the semi-implicit Euler scheme with inertia, Euler-Maruyama
        without. One substep is the discrete optimizer; the limit of many is the SDE.
        """
        inert = self.inertia > 0
        keep = np.where(inert, 1 - (1 - self.inertia) / substeps, 0.0)
        force = self.gradient_weight / np.where(inert, substeps, 1.0)
        share = self.gradient_weight * np.where(inert, np.sqrt(1 / substeps), np.sqrt(substeps))
        return keep, force, share, self.learning_rate / substeps


class _OfInit:
    """The signature of a class's `__init__`, where `inspect` would show that of `__new__`."""

    def __get__(self, instance: Any, owner: Any) -> inspect.Signature:
        signature = inspect.signature(owner.__init__)
        return signature.replace(parameters=[*signature.parameters.values()][1:])


class Dynamics:
    """An optimizer: its idealized rule (inertia, learning rate) if it has one, as shipped, and its torch counterpart.

    Fields that ``field(repr=False)`` declares are named in the repr where they are not at their defaults.
    """

    second_moment: str = "frozen"
    exponent = 0.5  # q, where the learning rate is lr/v^q
    weight_decay: float = 0.0
    no_sde: str = "no SDE of it is known"  # why it takes whole iterations

    __signature__ = _OfInit()

    def __new__(cls, *values: Any, **named: Any) -> Self:
        """Refuse names that are none of its parameters, before Python does so without a remedy."""
        known = [one.name for one in fields(cls)] if is_dataclass(cls) else list(named)
        for name in named.keys() - set(known):
            meant = "".join(f"; did you mean {near}?" for near in checks.close(name, known, most=1)) or "."
            raise ValueError(
                f"{name} = {named[name]!r} is no parameter of {cls.__name__}{meant} Parameters: {', '.join(known)}"
            )
        return super().__new__(cls)

    @property
    def update(self) -> Update | None:
        """The optimizer as shipped; None if the idealized rule runs, which without a second moment is the same."""
        return None

    @property
    def first_walk(self) -> float:
        """Variance of a coordinate after long first steps, of a second moment that grows from 0 uncorrected; else 0."""
        return 0.0

    def substep(self, substeps: int) -> Update:
        """One of `substeps` equal parts of an iteration of the SDE of the optimizer as shipped.

        v follows ``dv = (1 - beta2) (L'^2 + C - v) dT`` in iterations T, without the noise of g^2, as at weak order 1
        (Malladi et al., 2205.10287); m is that of `Rule.coefficients`. Bias corrections are for the shares that
        substeps keep: in the limit exp(-(1 - beta) T).

        Raises
        ------
        ValueError
            If none is known.
        """
        raise ValueError(
            f"substeps = {substeps}: {self!r} takes whole iterations, {self.no_sde}; use substeps=1, or the running "
            "second moment of RMSprop, Adam, AdamW, AMSGrad, AdaBound, Padam, Adai or AdaiW"
        )

    @property
    def follows(self) -> float:
        """The power of the noise variance that divides each gradient on arrival: q if v is following, else 0."""
        return self.exponent if self.second_moment == "following" else 0.0

    @property
    def shipped_bound(self) -> float:
        """The ``lr H`` from which on the optimizer as shipped is known to be unstable."""
        return np.inf

    @property
    def in_torch(self) -> bool:
        """Whether `torch_optimizer` gives one."""
        return type(self).torch_optimizer is not Dynamics.torch_optimizer

    @property
    def unsteady(self) -> str:
        """Why it has no stationary state, so that its rates change with the iteration; empty where it has one."""
        return ""

    def torch_optimizer(self, params: Iterable[Any]) -> torch.optim.Optimizer:
        """The torch optimizer that does the same; a tensor's leading axis indexes replicas.

        Raises
        ------
        ValueError
            If there is none.
        """
        raise ValueError(f"{self!r} has no torch optimizer; use diffusion.simulate or exit_times, or another optimizer")

    def inertia(self, v: Array, mean_v: float) -> Array:
        """Inertia beta_i for the second moment v of shape (d,)."""
        raise ValueError(self.no_rule)

    def learning_rate(self, v: Array) -> Array:
        """Learning rate eta_i for the second moment v of shape (d,)."""
        raise ValueError(self.no_rule)

    @property
    def no_rule(self) -> str:
        """Why an idealized form is refused of an optimizer that has none."""
        return (
            f"{self!r} has no idealized rule, it runs only as shipped: by simulate, exit_times and rare_escape_rate "
            "from velocity='rest'; for the theory's rule use SGD, Momentum, RMSprop, Adam or Adai"
        )

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

        Raises
        ------
        ValueError
            If the optimizer has no idealized rule, or weight decay, which is of the landscape then.
        """
        if self.weight_decay:
            raise ValueError(
                f"weight_decay = {self.weight_decay!r}: idealized rules have none; use weight_decay=0 and add "
                f"{self.weight_decay:g} theta^2/2 to the landscape, or run the optimizer as shipped ("
                "second_moment='running' where it has one), from velocity='rest' with substeps=1"
            )
        v = np.asarray(noise_variance, dtype=np.float64)
        inertia = self.inertia(v, float(v.mean()))
        weight, q = self.gradient_weight(inertia), self.follows
        if q:  # the gradient arrives divided by v^q, its noise with it
            return Rule(inertia, self.learning_rate(np.ones_like(v)), weight, v ** (1 - 2 * q))
        return Rule(inertia, self.learning_rate(v), weight, v)

    def __repr__(self) -> str:
        if not is_dataclass(self):
            return object.__repr__(self)
        told = [field for field in fields(self) if field.repr or getattr(self, field.name) != field.default]
        return f"{type(self).__name__}({', '.join(f'{field.name}={getattr(self, field.name)!r}' for field in told)})"


def adaptive_learning_rate(v: Any, lr: Any, eps: Any) -> Any:
    """``lr / (sqrt(v) + eps)``: Adam's and RMSprop's learning rate for the second moment v, a number or an array.

    Where that divides by 0 every gradient was 0, and whatever multiplies the rate is: it is finite there, ``lr``.
    """
    root = np.sqrt(v) + eps
    return lr / (root + (root == 0.0))


def idealized_learning_rate(dynamics: Any, v: Array) -> Array:
    """``lr / v^q``, refused where v is 0."""
    if np.any(v <= 0):
        raise ValueError(
            f"noise variance is 0 in direction {int(np.argmax(v <= 0))}: idealized {type(dynamics).__name__} would "
            "have an infinite learning rate there; use IsotropicNoise, or second_moment='running'"
        )
    return np.asarray(dynamics.lr / v**dynamics.exponent)


def check_adaptive(dynamics: Any, known: tuple[str, ...] = ("running",)) -> None:
    """Check the settings that Adam's relatives share, the second moment against those that are known."""
    checks.plain_fields(dynamics)
    checks.positive("lr", dynamics.lr)
    for name in ("beta1", "beta2"):
        checks.fraction(name, getattr(dynamics, name))
    for name in ("eps", "weight_decay"):
        checks.not_negative(name, getattr(dynamics, name))
    check_second_moment(dynamics, known)


def check_second_moment(dynamics: Any, known: tuple[str, ...] = ("running",)) -> None:
    """Check the second moment against those that are known."""
    moment, name = dynamics.second_moment, type(dynamics).__name__
    if moment in OF_THE_RATE and moment not in known:
        raise ValueError(
            f"second_moment = {moment!r}: {name} has no idealized rule; use 'running', or Adam for the theory's rule"
        )
    checks.choice("second_moment", moment, known)
    if moment != "running" and dynamics.weight_decay > 0:
        raise ValueError(
            f"weight_decay = {dynamics.weight_decay!r}: the idealized rule of {name} has no decay; use "
            "second_moment='running' or weight_decay=0"
        )


def refuse_unshipped(dynamics: Dynamics) -> None:
    """Refuse a torch optimizer of an idealized rule."""
    if dynamics.second_moment != "running":
        raise ValueError(
            f"second_moment = {dynamics.second_moment!r}: torch ships only the running second moment; use "
            "second_moment='running', or diffusion.simulate or exit_times for the idealized rule"
        )
