"""Minibatches of data: which samples are drawn, what they do, and that the kernels and torch do the same."""

import warnings

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

import theory
from diffusion import (
    SGD,
    Adam,
    CoupledLandscape,
    DoubleParabola,
    HessianNoise,
    Minibatches,
    Momentum,
    QuadraticSaddle,
    SeparableLandscape,
    escape_prospect,
    exit_times,
    rare_escape_rate,
    simulate,
)

REPLICAS = 100_000
BOUND = stats.norm.isf(SUITE_RATE / 2)


def linear(theta, x, hessian=1.0):
    return hessian * theta - x


def centred(count, seed=0):
    x = np.random.default_rng(seed).exponential(size=count)
    return x - x.mean()


def epoch(batches, replicas=REPLICAS, seed=0, number=0):
    """The samples of an epoch in the order in which replicas go through them, shape (replicas, N)."""
    first = number * batches.batches + 1
    drawn = [batches.drawn(seed, np.arange(replicas), first + k) for k in range(batches.batches)]
    return np.concatenate(drawn, axis=1)


# --- which samples


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 1), (7, 3), (24, 5), (97, 10), (1000, 999), (50_000, 25_000)])
def test_an_epoch_is_all_samples_in_a_new_order_but_a_tail_that_fills_no_minibatch(count, size):
    batches = Minibatches(np.arange(count), linear, size, replacement=False)
    orders = [epoch(batches, 3, number=number) for number in (0, 1, 5)]
    for row in np.concatenate(orders):
        assert len(np.unique(row)) == len(row) == count // size * size
        assert row.min() >= 0
        assert row.max() < count
    if count > 20:
        assert len(np.unique(np.concatenate(orders), axis=0)) == 9


def test_with_replacement_samples_are_equally_likely_and_independent():
    batches = Minibatches(np.arange(20), linear, 6)
    first, second = (batches.drawn(0, np.arange(REPLICAS), t) for t in (1, 2))
    for pair in [(first[:, 0], first[:, 1]), (first[:, 0], first[:, 5]), (first[:, 3], second[:, 3])]:
        assert stats.chisquare(np.bincount(pair[0] * 20 + pair[1], minlength=400)).pvalue > SUITE_RATE
    assert not np.array_equal(first, batches.drawn(1, np.arange(REPLICAS), 1))


def of_pairs(orders, places, count):
    """The p-value of two places of an order holding every pair of different samples equally often."""
    counts = np.bincount(orders[:, places[0]] * count + orders[:, places[1]], minlength=count * count)
    apart = ~np.eye(count, dtype=bool).ravel()
    return 0.0 if counts[~apart].any() else stats.chisquare(counts[apart]).pvalue


@pytest.mark.parametrize("count", [5, 11, 24, 60])
def test_positions_and_pairs_are_those_of_true_shuffles(count):
    """Chi-squared at the suite's false-positive rate; cyclic shifts, replacement, and neighbours kept together are rejected."""
    orders = epoch(Minibatches(np.arange(count), linear, 1, replacement=False))
    for place in (0, 1, count // 2, count - 1):
        assert stats.chisquare(np.bincount(orders[:, place], minlength=count)).pvalue > SUITE_RATE
    pairs = [(0, 1), (1, 2), (0, count // 2), (0, count - 1), (count // 3, 2 * count // 3)]
    for places in pairs:
        assert of_pairs(orders, places, count) > SUITE_RATE
    rng = np.random.default_rng(0)
    shifted = (np.arange(count) + rng.integers(count, size=(REPLICAS, 1))) % count
    replaced = rng.integers(count, size=(REPLICAS, count))
    for wrong in (shifted, replaced):
        assert of_pairs(wrong, (0, 1), count) < SUITE_RATE


def test_triples_and_sums_of_sorted_samples_are_those_of_true_shuffles():
    """Arithmetic progressions, which the first step alone would make, are rejected; so are sums of minibatches that are too even."""
    batches = Minibatches(np.arange(1009), linear, 8, replacement=False)
    drawn, rng = batches.drawn(0, np.arange(REPLICAS), 1), np.random.default_rng(0)
    shuffled = np.argsort(rng.random((20_000, 1009)), axis=1)[:, :8]
    steps = rng.integers(1, 1009, (REPLICAS, 1)) * np.arange(8)
    progressions = (rng.integers(1009, size=(REPLICAS, 1)) + steps) % 1009
    second = [np.bincount((row[:, 0] - 2 * row[:, 1] + row[:, 2]) % 1009, minlength=1009) for row in (drawn, progressions)]
    assert stats.chisquare(second[0]).pvalue > SUITE_RATE > stats.chisquare(second[1]).pvalue
    sums = [each.sum(axis=1) for each in (drawn, shuffled, progressions)]
    assert stats.ks_2samp(sums[0], sums[1]).pvalue > SUITE_RATE > stats.ks_2samp(sums[2], sums[1]).pvalue


# --- what they do


SETTINGS = [
    (SGD(0.1), 1.0, 200, 10),  # dynamics, hessian, samples, batch size
    (SGD(0.05), -0.2, 120, 4),
    (Momentum(0.1, 0.9), 1.0, 60, 6),
    (Momentum(0.02, 0.8, "heavy-ball"), 1.0, 105, 10),  # five samples are left out
]


@pytest.mark.parametrize(("dynamics", "hessian", "count", "size"), SETTINGS)
def test_shuffled_displacements_are_those_of_the_formula_and_not_those_with_replacement(dynamics, hessian, count, size):
    """At the end of epochs and inside them; a tail that is left out is another one every epoch, which the formula does not know."""
    data = centred(count)
    of = {kept: Minibatches(data, linear, size, kept, parameters=[hessian]) for kept in (False, True)}
    saddle, each = QuadraticSaddle([hessian]), of[False].batches
    save = [each // 2, each, 3 * each]
    rule = dynamics.rule(np.ones(1))
    exact = theory.shuffled_msd(
        np.array(save) / each, hessian=hessian, noise_variance=data.var() * of[False].share, lr=dynamics.lr,
        inertia=float(rule.inertia[0]), gradient_weight=float(rule.gradient_weight[0]), batches=each,
    )  # fmt: skip
    z = {}
    for kept, noise in of.items():
        found = simulate(dynamics, saddle, noise=noise, iterations=save[-1], save=save, replicas=20_000)
        z[kept] = ((found["msd"][:, 0] - exact) / found["msd_stderr"][:, 0]).values
    if count % size == 0:
        assert np.abs(z[False]).max() < BOUND
    else:
        assert abs(z[False][0]) < BOUND  # inside the first epoch nothing is left out yet
    assert np.abs(z[True]).max() > 2 * BOUND


WELL = DoubleParabola(0.5, 1.0, 4.0, 1)


def well_gradient(theta, x, top, switch):
    slope = theta if theta < switch else 4.0 * (top - theta)
    return slope - x


def test_exits_take_as_long_as_the_exact_chain_of_the_data_and_not_of_its_gaussian():
    """2,000 exits at the suite's false-positive rate, from and over the double parabola of the data's own mean."""
    data, size, lr = -centred(500), 4, 0.4
    switch = WELL.pieces().switches[0]

    def gradient(theta, x):
        return np.where(theta < switch, theta, 4.0 * (WELL.saddle - theta)) - x

    setting = {"lr": lr, "start": 0.0, "boundary": float(WELL.saddle), "breaks": [switch]}
    exact = theory.minibatch_first_passage_time(data, gradient, size, **setting)
    saddle, noise = float(WELL.saddle), Minibatches(data, lambda theta, x: np.where(theta < switch, theta, 4.0 * (saddle - theta)) - x, size)
    found = exit_times(SGD(lr), WELL, noise=noise, boundary=WELL.saddle, max_iterations=10**6, replicas=2000)
    surrogate = theory.discrete_first_passage_time(
        lambda x: np.where(x < switch, x, 4 * (WELL.saddle - x)), lambda x: np.full_like(x, (data.var() / size) ** 0.5), **setting
    )
    times = found["exit_iteration"].values
    error = times.std(ddof=1) / np.sqrt(len(times))
    assert abs(times.mean() - exact) < BOUND * error < abs(times.mean() - surrogate)
