"""Is the noise Gaussian? Moments of minibatches from those of single samples, and the index of the tails.

Of B samples drawn with replacement the mean has 1/sqrt(B) of one sample's skewness and 1/B of its excess kurtosis,
exactly; both are of the data as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def moments(samples: Array) -> tuple[Array, Array, Array]:
    """Variance, skewness and excess kurtosis along the first axis; the last two NaN where nothing varies."""
    centred = samples - samples.mean(axis=0)
    square = centred**2
    variance = square.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        skewness = (square * centred).mean(axis=0) / variance**1.5
        kurtosis = (square**2).mean(axis=0) / variance**2 - 3
    still = variance <= np.finfo(float).eps ** 2 * np.mean(samples**2, axis=0)
    return variance, np.where(still, np.nan, skewness), np.where(still, np.nan, kurtosis)


def tail_index(values: Array) -> Array:
    """The index alpha of symmetric stable noise along the last axis: 2 for Gaussian noise, 1 for Cauchy's.

    ``1/alpha = mean of [log|sum of K_1 values| - log|value|] / log K_1`` over blocks of K_1, about the square root of
    their number (Mohammadi et al. 2015, as Simsekli et al. 2019 use it): as if all values were alike and independent.
    """
    width = int(np.sqrt(values.shape[-1]))
    blocks = values[..., : width * (values.shape[-1] // width)].reshape(*values.shape[:-1], -1, width)
    single = np.log(np.abs(blocks)).mean(axis=(-2, -1))
    together = np.log(np.abs(blocks.sum(axis=-1))).mean(axis=-1)
    return np.asarray(np.log(width) / (together - single))


def tail_indices(gradients: Array, batch_size: int, batches: int, seed: int) -> tuple[Array, Array]:
    """The index along the last axis of minibatches' noise, and of Gaussian noise of the same covariance.

    Parameters
    ----------
    gradients
        Of single samples, shape (samples, values).
    batch_size, batches
        How many samples a minibatch has, drawn with replacement, and how many minibatches there are.
    seed
        Of the draws.

    Returns
    -------
    tuple
        Two arrays of shape (batches,).
    """
    generator = np.random.Generator(np.random.Philox([batch_size, seed]))
    centred = gradients - gradients.mean(axis=0)
    centred = centred[:, np.any(centred != 0, axis=0)]
    drawn = generator.multinomial(batch_size, np.full(len(centred), 1 / len(centred)), size=batches) / batch_size
    gauss = generator.standard_normal((batches, len(centred))) / np.sqrt(len(centred) * batch_size)
    return tail_index(drawn @ centred), tail_index(gauss @ centred)


def tail_indices_along(slopes: Array, batch_size: int, batches: int, seed: int) -> tuple[Array, Array]:
    """The index over minibatches of the noise along each direction, and of as many Gaussian numbers.

    `slopes` are gradients of single samples along directions, shape (samples, directions); so are both results'
    shapes, (directions,).
    """
    generator = np.random.Generator(np.random.Philox([batch_size, seed]))
    centred = slopes - slopes.mean(axis=0)
    drawn = generator.multinomial(batch_size, np.full(len(centred), 1 / len(centred)), size=batches) / batch_size
    gauss = generator.standard_normal((batches, centred.shape[1]))
    return tail_index((drawn @ centred).T), tail_index(gauss.T)
