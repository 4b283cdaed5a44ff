"""What the kernels need of an optimizer as shipped: an iteration of a coordinate, as formulas that are compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SLOTS = 4  # most of them


def clock(t: Any, powers: Any, p: Any) -> Any:
    """``(t, *powers)``: what all coordinates share of an iteration, unless an optimizer says otherwise."""
    return (t, *powers)


def kept(beta: Any, substeps: Any) -> Any:
    """What a substep keeps of a mean that keeps beta in an iteration: ``1 - (1 - beta)/substeps``; 0 if beta is."""
    return 1.0 - (1.0 - beta) / substeps if beta > 0.0 else 0.0


def rounded_product(a: Any, b: Any) -> Any:
    """``a b``, rounded by itself: in compiled sums other products are fused with an addition."""
    return a * b


@dataclass(frozen=True)
class Update:
    """One iteration of an optimizer as shipped, for one coordinate and its slots.

    The formulas take and give numbers, run in Python and compiled, and must be free of branches that cost:
    ``a if c else b`` is free. They may call other plain functions, and those of NumPy that are one instruction; power,
    exp and log are slow, but for those of `diffusion.dynamics.elementary`.

    Attributes
    ----------
    step
        ``step(theta, g, slots, shared, p)``, the new ``(theta, *slots)``; g is the minibatch gradient. Of one of n
        substeps of an SDE (`Dynamics.substep`) it is ``step(theta, g, rms, slots, shared, p)``, unless `observe` takes
        rms: g has n times the minibatch's variance, which is that of n of them in an iteration, and rms is the root of
        what the minibatch's g^2 is in the mean.
    parameters
        The tuple p. What is in it can be swept without compiling anew.
    slots
        What each slot of a coordinate holds at the start: up to four numbers.
    betas
        The kernels keep their running powers beta^t.
    shared
        ``shared(t, powers, p)``, a tuple of numbers that all coordinates share in iteration t = 1.0, 2.0, ...; computed
        once for all of them, so bias corrections belong here.
    observe
        ``observe(theta, g, slots, shared, p)``, ``(value, *slots)``: comes before `step`, which then finds the mean of
        the value over the coordinates as the last of `shared`.
    momentum
        Whether the first slot is a momentum, which a reflecting wall reverses.
    """

    step: Callable[..., Any]
    parameters: tuple[float, ...]
    slots: tuple[float, ...] = ()
    betas: tuple[float, ...] = ()
    shared: Callable[..., Any] = clock
    observe: Callable[..., Any] | None = None
    momentum: bool = True
