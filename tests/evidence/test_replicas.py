"""Replicas of a network spread as the recursion says where its assumptions are true, and the test of that has power."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

import theory
from experiments.evidence import replicas
from experiments.evidence.departures import QUADRATIC, control
from experiments.evidence.replicas import Rule
from experiments.referee.laws import MeanSquare

RATE = 1e-6  # of false rejections, over all points of one ensemble
COUNT, SAVED = 1000, (5, 40)
RULES = {
    "SGD": Rule(0.05),
    "heavy minibatches": Rule(0.05, batch_size=40),
    "Momentum": Rule(0.05, 0.9),
    "Momentum in motion": Rule(0.05, 0.9, start="thermal"),
    "SVAG": Rule(0.05, level=3),
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def exact(rule):
    """The recursion's variances at the saved iterations; SVAG has more steps, each with as many times the noise."""
    h, level = np.array(QUADRATIC), rule.level
    return theory.discrete_msd(
        level * np.array(SAVED)[:, None],
        hessian=h,
        noise_variance=level * np.abs(h) / rule.batch_size,
        lr=rule.lr / level,
        inertia=rule.inertia,
        gradient_weight=1 - rule.inertia,
        start=rule.start,
    )


def least_p(name, noise=1.0):
    """The least p-value over iterations and directions, times their number."""
    found = control({name: asdict(RULES[name])}, SAVED, COUNT, seed=5, noise=noise)[name]
    return found.size * MeanSquare(COUNT - 1).p_value(found, exact(RULES[name])).min()


@pytest.mark.parametrize("name", RULES)
def test_replicas_of_a_quadratic_loss_follow_the_exact_recursion(name):
    assert least_p(name) > RATE


@pytest.mark.parametrize("name", ["SGD", "Momentum in motion"])
def test_noise_that_is_not_the_hessian_is_rejected(name):
    assert least_p(name, noise=1.5) < RATE


def test_the_quadratic_has_noise_like_its_hessian_and_is_at_its_critical_point():
    landscape = replicas.quadratic(QUADRATIC, 300)
    np.testing.assert_allclose(landscape.hessian(), np.diag(QUADRATIC), atol=1e-12)
    np.testing.assert_allclose(np.diag(landscape.noise_covariance()), np.abs(QUADRATIC))
    np.testing.assert_allclose(landscape.gradient(), 0, atol=1e-12)


@pytest.mark.parametrize("epochs", [1, 3])
def test_after_whole_epochs_of_shuffled_data_almost_nothing_of_the_spread_is_left(epochs):
    samples, size, lr, h = 100, 10, 0.05, -0.1
    landscape, batches = replicas.quadratic((h,), samples), samples // size
    rule = Rule(lr, batch_size=size, replacement=False)
    (moved,) = replicas.displacements(landscape, rule, (batches * epochs,), replicas=COUNT, seed=1)
    powers, decay = (1 - lr * h) ** np.arange(batches), (1 - lr * h) ** (2 * batches)
    noise = abs(h) / size * (samples - size) / (samples - 1)  # of a minibatch drawn without replacement
    left = np.sum(powers**2) - np.sum(powers) ** 2 / batches
    expected = lr**2 * noise * batches / (batches - 1) * left * (1 - decay**epochs) / (1 - decay)
    assert expected < 0.01 * lr**2 * noise * batches * epochs
    assert MeanSquare(COUNT - 1).p_value(moved.var().item(), expected) > RATE


@pytest.mark.parametrize("level", [1, 2, 8])
def test_the_weights_of_svag_keep_the_gradient_and_multiply_the_covariance(level):
    weights = np.array(Rule(0.1, level=level).weights)
    assert weights.sum() == pytest.approx(1)
    assert (weights**2).sum() == pytest.approx(level)


def test_the_error_of_a_group_of_variances_is_that_of_gaussians():
    along = np.random.default_rng(0).standard_normal((2000, 8))
    mean, variance, error = replicas.variances(along, [slice(0, 1), slice(0, 8)])
    np.testing.assert_allclose(variance, along.var(axis=0, ddof=1))
    np.testing.assert_allclose(mean, along.mean(axis=0))
    np.testing.assert_allclose(error, np.sqrt(2 / 2000 / np.array([1, 8])), rtol=0.1)
