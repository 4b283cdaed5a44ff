"""A user's own optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from diffusion import checks
from diffusion.callables import described
from diffusion.dynamics.adai import correction
from diffusion.dynamics.rule import SECOND_MOMENTS, Array, Dynamics
from diffusion.dynamics.update import Update


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
    def update(self) -> Update | None:
        """The optimizer with its running second moment."""
        if self.second_moment != "running":
            return None
        observe, step = _rule(self.inertia_function, self.learning_rate_function)
        p = (self.beta2, *self.parameters)
        return Update(step, p, slots=(0.0, 0.0, 1.0), betas=(self.beta2,), shared=correction, observe=observe)

    def __repr__(self) -> str:
        return (
            f"OwnDynamics(inertia_function={described(self.inertia_function)}, "
            f"learning_rate_function={described(self.learning_rate_function)}, beta2={self.beta2}, "
            f"second_moment={self.second_moment!r}, parameters={self.parameters})"
        )


@lru_cache(maxsize=1024)
def _rule(inertia: Any, learning_rate: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The rule's first and second pass; slots are (m, v, product of the inertias so far), p is (beta2, *parameters)."""

    def observe(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
        m, v, product = slots
        v = p[0] * v + (1.0 - p[0]) * g * g
        return v * shared[0], m, v, product

    def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
        m, v, product = slots
        beta = inertia(v * shared[0], shared[1], *p[1:])
        m = beta * m + (1.0 - beta) * g
        product *= beta
        return theta - learning_rate(v * shared[0], *p[1:]) * m / (1.0 - product), m, v, product

    return observe, step


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
