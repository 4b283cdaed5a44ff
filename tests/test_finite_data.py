"""Exact exits under minibatches of data: a closed form, paths of numpy, and what has no density."""

import math

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

import theory


def test_sums_of_uniform_data_leave_with_the_tail_of_irwin_and_hall():
    """lr = 1, H = 1: each step forgets the last, so exits are geometric."""
    data, size, boundary = (np.arange(20_000) + 0.5) / 20_000 - 0.5, 4, 0.2
    found = theory.minibatch_first_passage_time(
        data, lambda x, sample: x - sample, size, lr=1.0, start=0.0, boundary=boundary
    )
    low = size * (0.5 - boundary)
    terms = [(-1) ** k * math.comb(size, k) * max(low - k, 0) ** size for k in range(size + 1)]
    assert found == pytest.approx(math.factorial(size) / sum(terms), rel=1e-5)


@pytest.mark.parametrize("side", [1, -1])
def test_simulated_minibatches_agree_and_normal_noise_does_not(side):
    """4000 paths over 400 skewed samples, at the suite's false-positive rate; either direction."""
    rng, size, lr, paths = np.random.default_rng(18), 8, 0.6, 4000
    data = rng.exponential(size=400)
    data -= data.mean()
    where = {"start": 0.0, "boundary": 0.6 * side}

    def gradient(x, sample):
        return x - side * sample * (1 + 0.3 * x * side)

    exact = theory.minibatch_first_passage_time(data, gradient, size, lr=lr, **where)
    normal = theory.discrete_first_passage_time(
        lambda x: x, lambda x: data.std() * np.abs(1 + 0.3 * x * side) / np.sqrt(size) + 1e-9, lr=lr, **where
    )
    x, left = np.zeros(paths), np.zeros(paths)
    inside = np.arange(paths)
    while inside.size:
        x = x - lr * gradient(x[:, None], data[rng.integers(400, size=(inside.size, size))]).mean(axis=1)
        left[inside] += 1
        stays = side * x <= 0.6
        inside, x = inside[stays], x[stays]

    def z_value(mean):
        return (left.mean() - mean) / (left.std() / np.sqrt(paths))

    assert abs(z_value(exact)) < stats.norm.isf(SUITE_RATE / 2) < abs(z_value(normal))


def test_weights_count_as_repeated_samples_do():
    data = np.random.default_rng(7).exponential(size=2000) - 1
    where = {"lr": 0.6, "start": 0.0, "boundary": 0.6, "tolerance": 1e-3}

    def gradient(x, sample):
        return x + sample

    twice = theory.minibatch_first_passage_time(np.concatenate([data, data[:500]]), gradient, 8, **where)
    weights = np.where(np.arange(2000) < 500, 2.0, 1.0)
    assert theory.minibatch_first_passage_time(data, gradient, 8, weights=weights, **where) == pytest.approx(twice)


@pytest.mark.parametrize(
    "gradient", [lambda x, sample: x, lambda x, sample: np.nan * sample, lambda x, sample: sample[None]]
)
def test_a_gradient_that_is_not_one_number_a_sample_is_refused(gradient):
    with pytest.raises(ValueError, match=r"gradient at start = 0.0 .*must give 50 finite numbers, one for each sample"):
        theory.minibatch_first_passage_time(np.arange(50.0), gradient, 8, lr=0.5, start=0.0, boundary=0.7)


@pytest.mark.parametrize(
    ("data", "size", "message"),
    [
        ([-1.0, 1.0], 10, "batch_size = 10 leaves the law of a minibatch of 2 samples too rough"),
        ([1.0], 0, "batch_size = 0 must be a whole number"),
    ],
)
def test_bad_input(data, size, message):
    with pytest.raises(ValueError, match=message):
        theory.minibatch_first_passage_time(data, lambda x, sample: x - sample, size, lr=0.5, start=0.0, boundary=0.7)
