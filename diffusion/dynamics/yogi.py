"""Yogi: Adam, whose second moment moves up or down by a share of the squared gradient, however far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffusion import checks
from diffusion.dynamics.decay import coupled
from diffusion.dynamics.moments import divided
from diffusion.dynamics.rule import OF_THE_RATE, Array, Dynamics, check_adaptive, idealized_learning_rate
from diffusion.dynamics.signsgd import sign
from diffusion.dynamics.update import Update, rounded_product


def correction(t: Any, powers: Any, p: Any) -> Any:
    """``sqrt(1 - beta2^t)/(1 - beta1^t)``, alone in a tuple."""
    return (np.sqrt(1.0 - powers[1]) / (1.0 - powers[0]),)


def step(theta: Any, g: Any, slots: Any, shared: Any, p: Any) -> Any:
    """Algorithm 2 of Zaheer et al. (2018), corrected as their code; slots are (m, v), p is (lr, beta1, beta2, eps)."""
    lr, beta1, beta2, eps = p
    m = beta1 * slots[0] + (1.0 - beta1) * g
    square = rounded_product(g, g)  # it is compared, so that compiled code must not know it better
    v = slots[1] - (1.0 - beta2) * sign(slots[1] - square) * square
    return theta - lr * shared[0] * divided(m, np.sqrt(v) + eps), m, v


@dataclass(frozen=True, repr=False)
class Yogi(Dynamics):
    """Yogi (Zaheer et al., "Adaptive Methods for Nonconvex Optimization", NeurIPS 2018), as in its authors' code.

    ``v <- v - (1 - beta2) sign(v - g^2) g^2`` and
    ``theta <- theta - lr sqrt(1 - beta2^t)/(1 - beta1^t) m/(sqrt(v) + eps)``: eps is outside of the root, and added to
    the second moment before its correction. The paper prints no corrections.

    Parameters
    ----------
    lr, beta1, beta2
        As for `Adam`.
    eps
        Added to the root, 0 or above. With 0, and `initial_accumulator` 0, a coordinate rests until a gradient differs
        from 0 there.
    second_moment
        "running": the optimizer as shipped; "frozen" and "following": as for `Adam`, but v rests at `level` times the
        noise variance C.
    weight_decay
        lambda: the gradient is ``g + lambda theta``, in m and v too. Idealized rules refuse it.
    initial_accumulator
        First v, 0 or above; the paper takes the mean of g^2 over a first large batch. It is forgotten slowly where
        gradients are small, as v falls by ``(1 - beta2) g^2`` at most.

    Notes
    -----
    It has no torch counterpart: that of pytorch_optimizer starts m, too, at `initial_accumulator`, so that it moves
    without gradients, and adds eps to the corrected root. With both 0 it is the same.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-3
    second_moment: str = "running"
    weight_decay: float = field(default=0.0, repr=False)
    initial_accumulator: float = field(default=1e-6, repr=False)

    no_sde = "as its v moves by how often g^2 is above it, not by the mean of g^2"

    def __post_init__(self) -> None:
        check_adaptive(self, OF_THE_RATE)
        checks.not_negative("initial_accumulator", self.initial_accumulator)

    @property
    def level(self) -> float:
        """v/C at rest for beta2 near 1: 2.3660, the median of chi-squared with 3 degrees of freedom."""
        from scipy.special import gammaincinv

        return float(2 * gammaincinv(1.5, 0.5))

    def inertia(self, v: Array, mean_v: float) -> Array:
        """beta1 in every direction."""
        return np.full_like(v, self.beta1)

    def learning_rate(self, v: Array) -> Array:
        """``lr/sqrt(level v)`` for the noise variance v, refused where it is 0."""
        return idealized_learning_rate(self, self.level * v)

    @property
    def update(self) -> Update | None:
        """The optimizer as its authors have it."""
        if self.second_moment != "running":
            return None
        p, betas = (self.lr, self.beta1, self.beta2, self.eps), (self.beta1, self.beta2)
        update = Update(step, p, slots=(0.0, self.initial_accumulator), betas=betas, shared=correction)
        return coupled(update, self.weight_decay)
