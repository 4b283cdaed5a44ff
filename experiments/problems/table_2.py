"""The optimizers of the paper's Table 2 and two of signs, as shipped and with v following the noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

import theory
from diffusion import DoubleParabola, MinibatchNoise
from diffusion import dynamics as optimizers
from diffusion.dynamics import Dynamics
from experiments.problems.optimizers import BETA0, BETA1
from experiments.problems.wells import Setting, settings
from experiments.sharpness.power import Power, fit_power

KEY = "parabolas-piecewise"
SLOWER = 4  # times lower than the setting: the second moment's memory is to be shorter than every escape
HIGHEST = 6.0  # barrier over temperature at k = 1
BETA2, DEFAULT = 0.99, 0.999  # memories of 100 iterations and, told besides, of 1,000
DECAY = 1e-3  # of AdamW and AdaiW: 0.01 of the curvature at k = 1, and more of that of flatter minima
DATA_BARRIERS = {0.0: 10.0, 0.125: 7.5, 0.5: 5.0}  # by q: some hundreds to some ten thousand iterations as k doubles
EXACT_ERROR = 0.01  # of logarithms, the same for all: exact values have no sampling error


@lru_cache
def problem() -> Setting:
    """The setting, lower."""
    height = settings()[KEY].curvatures(1.0)[0] / SLOWER
    return replace(
        settings()[KEY],
        key="variants",
        landscape=lambda d, k: DoubleParabola(0.5 * height, height * k, 4 * height * k, d),
    )


def minibatches(batch_size: int) -> Setting:
    """The setting of minibatches of data, of this size."""
    return replace(settings()["minibatch"], noise=MinibatchNoise(batch_size), batch_size=batch_size)


@dataclass(frozen=True)
class Entry:
    """An optimizer of Table 2.

    Attributes
    ----------
    make
        It as shipped, a function of its learning rate and beta2.
    power
        q: the learning rate goes like v^-q.
    level
        v at rest over the noise variance, for beta2 near 1.
    variant
        Whether it is one of Adam's variants, of which the paper's sentence speaks.
    quick
        Whether a quick run measures it.
    """

    make: Callable[[float, float], Dynamics]
    power: float
    level: float = 1.0
    variant: bool = True
    quick: bool = False

    @property
    def learning_rate(self) -> float:
        """That at which the barrier over temperature is HIGHEST at k = 1, without weight decay."""
        alone = problem().landscape(1, 1.0)
        h_a, h_b = problem().curvatures(1.0)
        known = {"hessian_minimum": h_a, "hessian_saddle": h_b, "barrier": alone.valley.barrier}
        psi = theory.escape_exponent(**known, lr=1.0, batch_size=1, split=alone.valley.split, power=self.power)
        return float(psi * self.level**self.power / HIGHEST)

    def data_learning_rate(self, batch_size: int) -> float:
        """That at which the barrier over temperature of `minibatches` is its `DATA_BARRIERS` at k = 1."""
        psi = 2 * minibatches(batch_size).climb(self.power, 1.0)
        return float(psi * self.level**self.power / DATA_BARRIERS[self.power])

    def sharpness(self, barrier: float) -> float:
        """The k at which barrier over temperature is this."""
        return float((HIGHEST / barrier) ** (1 / (1 - self.power)))

    @property
    def decay(self) -> float:
        """Its weight decay, which is decoupled."""
        return float(getattr(self.make(1.0, BETA2), "weight_decay", 0.0))

    @property
    def following(self) -> Dynamics:
        """It with inertia, where v follows the noise at its level; without weight decay."""
        return self.follows(self.learning_rate)

    def follows(self, learning_rate: float) -> Dynamics:
        """The same at another learning rate."""
        lr = learning_rate / self.level**self.power
        if not self.power:
            return optimizers.Momentum(lr, BETA1)
        return optimizers.Padam(lr, BETA1, partial=self.power, second_moment="following")

    def near_saddle(self, lr: float) -> Dynamics:
        """It at a saddle, v at its level times the noise and held there; without weight decay."""
        if isinstance(self.make(lr, BETA2), optimizers.Adai | optimizers.AdaiW):
            return optimizers.Adai(lr, BETA0)
        if not self.power:
            return optimizers.Momentum(lr, BETA1)
        return optimizers.Padam(lr / self.level**self.power, BETA1, partial=self.power, second_moment="frozen")

    def fit(self, barriers: Sequence[float], times: Sequence[float], errors: Any = EXACT_ERROR) -> Power:
        """The power of sharpness in mean times in iterations."""
        return self.fit_sharpness([self.sharpness(barrier) for barrier in barriers], times, errors)

    def fit_sharpness(self, sharpness: Sequence[float], times: Sequence[float], errors: Any = EXACT_ERROR) -> Power:
        """The same for minima of these sharpnesses."""
        k = np.array(sharpness)
        return fit_power(k, np.log(times) + (1 - self.power) * np.log(k), np.broadcast_to(errors, k.shape))


YOGI = float(theory.resting_second_moment("yogi"))
BELIEF = float(theory.resting_second_moment("adabelief", beta1=BETA1))
OPEN, MET = 1e-9, 1e3  # gamma of AdaBound, whose bounds are open for 1/gamma iterations and then meet

TABLE_2: dict[str, Entry] = {
    "Momentum": Entry(lambda lr, _: optimizers.Momentum(lr, BETA1), 0.0, variant=False, quick=True),
    "Adai": Entry(lambda lr, beta2: optimizers.Adai(lr, BETA0, beta2, second_moment="running"), 0.0, variant=False),
    "AdaiW": Entry(lambda lr, beta2: optimizers.AdaiW(lr, BETA0, beta2, weight_decay=DECAY), 0.0, variant=False),
    "Adam": Entry(
        lambda lr, beta2: optimizers.Adam(lr, BETA1, beta2, second_moment="running"), 0.5, variant=False, quick=True
    ),
    "AdamW": Entry(lambda lr, beta2: optimizers.AdamW(lr, BETA1, beta2, weight_decay=DECAY), 0.5),
    "AMSGrad": Entry(lambda lr, beta2: optimizers.AMSGrad(lr, BETA1, beta2), 0.5),
    "RAdam": Entry(lambda lr, beta2: optimizers.RAdam(lr, BETA1, beta2), 0.5),
    "AdaBelief": Entry(lambda lr, beta2: optimizers.AdaBelief(lr, BETA1, beta2), 0.5, BELIEF),
    "Yogi": Entry(lambda lr, beta2: optimizers.Yogi(lr, BETA1, beta2), 0.5, YOGI),
    "Padam": Entry(lambda lr, beta2: optimizers.Padam(lr, BETA1, beta2, partial=0.125), 0.125),
    "AdaBound, early": Entry(lambda lr, beta2: optimizers.AdaBound(lr, BETA1, beta2, final_lr=lr, gamma=OPEN), 0.5),
    "AdaBound, late": Entry(lambda lr, beta2: optimizers.AdaBound(lr, BETA1, beta2, final_lr=lr, gamma=MET), 0.0),
}

# their steps have one length, q = 1/2 by symmetry, and there is no idealized rule
SIGNS: dict[str, Entry] = {
    "SignSGD": Entry(lambda lr, _: optimizers.SignSGD(lr), 0.5, 2 / np.pi),  # where noise dominates
    "Lion": Entry(lambda lr, _: optimizers.Lion(lr), 0.5),
}
