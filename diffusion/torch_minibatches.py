"""TorchMinibatches of a torch model's own data: which samples each replica draws at each iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion import checks
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel

DRAWN, ORDERED = 0, 1  # what a part of the random numbers is for

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TorchMinibatches(NoiseModel):
    """Real minibatches of a `TorchLandscape`'s data, in `simulate_torch` and `exit_times_torch`.

    They depend on the seed, the replica and the iteration alone, by the counter-based generator Philox: a replica draws
    the same among others as alone, in any number of threads.

    Parameters
    ----------
    batch_size
        Samples in a minibatch.
    replacement
        True: drawn anew in every iteration, with replacement. False: every epoch goes through all samples in a new
        random order, and leaves out those at its end that do not fill a minibatch, as
        ``torch.utils.data.DataLoader(shuffle=True, drop_last=True)``.

    Raises
    ------
    ValueError
        If batch_size is below 1; when they are drawn, if without replacement it is more than there are samples.
    """

    batch_size: int
    replacement: bool = True

    def __post_init__(self) -> None:
        checks.plain_fields(self)
        checks.whole("batch_size", self.batch_size)
        if not isinstance(self.replacement, bool):
            raise ValueError(f"replacement = {self.replacement!r} must be True or False")

    def positions(self, samples: int, seed: int, replica: int, iteration: int) -> NDArray[np.int64]:
        """The samples that a replica draws of so many at an iteration, the first of which is 0; shape (batch_size,)."""
        if self.replacement:
            return _random(seed, replica, DRAWN, iteration).integers(samples, size=self.batch_size)
        self.refuse_too_many(samples)
        epoch, place = divmod(iteration, samples // self.batch_size)
        order = _random(seed, replica, ORDERED, epoch).permutation(samples)
        return np.asarray(order[place * self.batch_size : (place + 1) * self.batch_size])

    def refuse_too_many(self, samples: int) -> None:
        """Refuse more than there are samples without replacement."""
        if not self.replacement and self.batch_size > samples:
            raise ValueError(
                f"batch_size = {self.batch_size} is more than the {samples} samples; lower it, or use replacement=True"
            )

    def share(self, samples: int) -> float:
        """What the covariance of one minibatch's gradient is of that of one sample's."""
        self.refuse_too_many(samples)
        left = 1.0 if self.replacement else (samples - self.batch_size) / max(samples - 1, 1)
        return left / self.batch_size

    def variance_along(self, landscape: Landscape) -> Array:
        """Variance of one minibatch gradient at the reference point, along the landscape's basis, shape (k,)."""
        network = landscape.network
        return np.asarray(network.noise_along(landscape.basis) * self.share(network.samples))


def _random(seed: int, replica: int, purpose: int, counter: int) -> np.random.Generator:
    key = np.array([seed, replica], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, purpose, counter], np.uint64)))
