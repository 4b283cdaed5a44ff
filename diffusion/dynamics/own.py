"""A user's own optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion import checks
from diffusion.callables import described
from diffusion.dynamics.adai import correction
from diffusion.dynamics.rule import SECOND_MOMENTS, Array, Dynamics, check_second_moment
from diffusion.dynamics.update import SLOTS, Update, clock

if TYPE_CHECKING:
    from torch.optim import Optimizer

PROBES = (1.0, -0.5, 0.25)  # gradients of the iterations that an update is tried with
LATE = (1e4, 1e5)  # iterations at which an update without a stationary state differs


@dataclass(frozen=True, repr=False)
class OwnOptimizer(Dynamics):
    """A user's own optimizer, as one iteration of one coordinate. It has no idealized rule.

    Parameters
    ----------
    step
        ``step(theta, g, slots, shared, p)``, the new ``(theta, *slots)``, a tuple of numbers: g is the minibatch
        gradient, slots what the coordinate carries, p is ``(lr, *betas, *parameters)``, and shared what all
        coordinates share, ``(t, *powers)``: the iteration t = 1.0, 2.0, ... and beta^t of each of `betas`. Plain
        Python that numba can compile, or compiled with njit. Values that it reads besides are read once, here; each
        set of them is compiled anew.
    lr
        Learning rate, above 0: also the dynamical time of an iteration.
    slots
        What each slot holds at the start; at most four.
    betas
        Numbers in [0, 1) whose running powers the update is given.
    parameters
        More numbers for p. A sweep over `lr`, `betas` and `parameters` compiles once.
    mean
        ``mean(theta, g, slots, shared, p)``, ``(value, *slots)``: is called first, and the mean of the value over the
        coordinates is then the last of `shared` in `step`.
    momentum
        Whether the first slot is a momentum: reflecting walls reverse it, and splitting looks where it carries.
    torch
        Makes the torch optimizer that does the same, of a list of parameters.
    second_moment
        "running": it runs as it is written.

    Raises
    ------
    ValueError
        If a function does not compile for single numbers, gives another number of slots, or what is no finite number,
        or not the same twice.

    Examples
    --------
    Adam, without eps:

    >>> from math import sqrt
    >>> def adam(theta, g, slots, shared, p):
    ...     lr, beta1, beta2 = p
    ...     m, v = beta1 * slots[0] + (1 - beta1) * g, beta2 * slots[1] + (1 - beta2) * g * g
    ...     t, power1, power2 = shared
    ...     return theta - lr * (m / (1 - power1)) / sqrt(v / (1 - power2)), m, v
    >>> mine = OwnOptimizer(adam, lr=0.01, slots=(0, 0), betas=(0.9, 0.999), momentum=True)
    """

    step: Callable[..., Any]
    lr: float
    slots: Sequence[float] = ()
    betas: Sequence[float] = ()
    parameters: Sequence[float] = ()
    mean: Callable[..., Any] | None = None
    momentum: bool = False
    torch: Callable[..., Optimizer] | None = None
    second_moment: str = "running"

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.positive("lr", self.lr)
        check_second_moment(self)
        own: dict[str, Any] = {
            name: checks.numbers(name, getattr(self, name)) for name in ("slots", "betas", "parameters")
        }
        for beta in own["betas"]:
            checks.fraction("betas", beta)
        if len(own["slots"]) > SLOTS or (self.momentum and not own["slots"]):
            raise ValueError(
                f"slots = {self.slots!r} must be up to {SLOTS} numbers, the first the momentum if there is one"
            )
        for name, value in own.items():
            object.__setattr__(self, name, value)
        shared = clock(1.0, own["betas"], self.p)
        example = (0.5, 1.0, own["slots"])
        if self.mean is not None:
            signature = "mean(theta, g, slots, shared, p) -> (value, *slots)"
            object.__setattr__(self, "mean", checks.compiled(signature, self.mean, *example, shared, self.p))
            shared = (*shared, 1.0)
        signature = "step(theta, g, slots, shared, p) -> (theta, *slots)"
        object.__setattr__(self, "step", checks.compiled(signature, self.step, *example, shared, self.p))
        if self._tried() != self._tried():
            raise ValueError(
                "step does not give the same twice: it must depend on its arguments alone; noise is given as noise="
            )

    @property
    def p(self) -> tuple[float, ...]:
        """The numbers that `step` is handed."""
        return (self.lr, *self.betas, *self.parameters)

    @property
    def update(self) -> Update:
        """What the kernels run."""
        return Update(
            self.step, self.p, tuple(self.slots), tuple(self.betas), observe=self.mean, momentum=self.momentum
        )

    @property
    def in_torch(self) -> bool:
        """Whether `torch` is given."""
        return self.torch is not None

    @property
    def unsteady(self) -> str:
        """A step that depends on the iteration even where all powers have vanished."""
        late = []
        for t in LATE:
            shared: tuple[float, ...] = clock(t, (0.0,) * len(self.betas), self.p)
            if self.mean is not None:
                shared = (*shared, 1.0)
            late.append(self.step(0.5, 1.0, tuple(self.slots), shared, self.p))
        return "" if late[0] == late[1] else "its step depends on the iteration"

    def torch_optimizer(self, params: Iterable[Any]) -> Optimizer:
        """That of `torch`, refused if there is none."""
        return super().torch_optimizer(params) if self.torch is None else self.torch(list(params))

    def _tried(self) -> list[tuple[float, ...]]:
        """What the functions give in the first iterations from theta = 0.5."""
        theta, slots, powers, told = 0.5, tuple(self.slots), (1.0,) * len(self.betas), []
        for t, g in enumerate(PROBES, 1):
            powers = tuple(power * beta for power, beta in zip(powers, self.betas, strict=True))
            shared = clock(float(t), powers, self.p)
            if self.mean is not None:
                value, *more = _numbers("mean", self.mean(theta, g, slots, shared, self.p), len(slots), t, g)
                slots, shared = tuple(more), (*shared, value)
            theta, *more = _numbers("step", self.step(theta, g, slots, shared, self.p), len(slots), t, g)
            slots = tuple(more)
            told.append((theta, *slots))
        return told

    def __repr__(self) -> str:
        numbers = ", ".join(
            f"{name}={getattr(self, name)!r}" for name in ("lr", "slots", "betas", "parameters", "momentum")
        )
        mean = "" if self.mean is None else f", mean={described(self.mean)}"
        return f"OwnOptimizer(step={described(self.step)}, {numbers}{mean})"


def _numbers(name: str, given: Any, slots: int, t: int, g: float) -> tuple[float, ...]:
    """What a user's function gave, refused unless it is a tuple of so many numbers."""
    first = "theta" if name == "step" else "value"
    wanted = (
        f"{name} gives {given!r} in iteration {t} for g = {g}; it must give ({first}, *slots), a tuple of 1 + {slots} "
        "finite numbers"
    )
    if not isinstance(given, tuple) or len(given) != 1 + slots or not all(isinstance(number, Real) for number in given):
        raise ValueError(f"{wanted}, one for each of slots = ...")
    if not np.isfinite(given).all():
        raise ValueError(f"{wanted}; divide by what is not 0 at the start, as by a root plus eps")
    return tuple(map(float, given))


@dataclass(frozen=True, repr=False)
class OwnDynamics(Dynamics):
    """A user's own optimizer, as the two functions that tell it from the others.

    ``m <- beta m + (1 - beta) g``, ``theta <- theta - eta m/(1 - prod beta)`` with ``beta = inertia(v, mean_v)`` and
    ``eta = learning_rate(v)``, where v is the running mean of g^2, corrected for its start at 0, and mean_v its mean
    over the coordinates.

    Parameters
    ----------
    inertia_function
        ``inertia(v, mean_v, *parameters)`` in [0, 1), a scalar function; plain Python that numba can compile, or
        compiled with njit. Values that it reads besides are read once, here; each set of them is compiled anew.
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
