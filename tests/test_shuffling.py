"""MSD without replacement: against the weights written out, against shuffled epochs, and its limits."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import theory

SGD = {"inertia": 0.0, "gradient_weight": 1.0}
HEAVY = {"inertia": 0.9, "gradient_weight": 1.0}
EMA = {"inertia": 0.9, "gradient_weight": 0.1}


def written_out(steps, batches, *, hessian, noise_variance, lr, inertia, gradient_weight):
    """The weight of every draw by the recursion, and each epoch's own covariance."""
    position, momentum, weights = 0.0, 0.0, []
    for j in range(steps):
        momentum = inertia * momentum + gradient_weight * (hessian * position + (j == 0))
        position -= lr * momentum
        weights.append(position)
    by_time = np.array(weights[::-1])
    epochs = (by_time[k : k + batches] for k in range(0, steps, batches))
    total = sum(np.sum(w**2) - np.sum(w) ** 2 / batches for w in epochs)
    return noise_variance * batches / (batches - 1) * total


def test_published_values_and_theorem_1_beside_them():
    flat = {"hessian": -0.001, "noise_variance": 1.0, "lr": 1.0}
    assert theory.shuffled_msd([10, 10.5], batches=100, **flat) == pytest.approx([2.67892, 29.4971], rel=2e-6)
    assert theory.discrete_msd(1000, **flat, **SGD) == pytest.approx(3189.24, rel=2e-6)


@given(
    rule=st.sampled_from([SGD, HEAVY, EMA]),
    hessian=st.floats(-0.5, 1.0),
    batches=st.integers(2, 12),
    steps=st.integers(0, 60),
)
def test_any_number_of_minibatches_equals_the_weights_written_out(rule, hessian, batches, steps):
    known = {"hessian": hessian, "noise_variance": 0.3, "lr": 0.4} | rule
    found = theory.shuffled_msd(steps / batches, batches=batches, **known)
    assert found == pytest.approx(written_out(steps, batches, **known), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("hessian", [1e-6, -1e-9, 1e-13])
def test_in_flat_directions_it_is_the_square_of_the_epoch_over_12_of_theorem_1(hessian):
    """However flat: nothing cancels."""
    known = {"hessian": hessian, "noise_variance": 2.0, "lr": 0.1}
    share = theory.shuffled_msd(7, batches=100, **known) / theory.discrete_msd(700, **known, **SGD)
    assert share == pytest.approx((0.1 * hessian * 100) ** 2 / 12 * (100**2 - 1) / (100 * 99), rel=1e-4)


def test_an_epoch_of_one_step_memory_is_as_long_as_none():
    """At lr H = 1 only the last gradient counts, with or without replacement."""
    known = {"hessian": 1.0, "noise_variance": 2.0, "lr": 1.0}
    np.testing.assert_allclose(theory.shuffled_msd([1, 5, 5.5], batches=4, **known), 2.0, rtol=1e-12)


def test_shapes_broadcast_and_overflow_is_infinite():
    found = theory.shuffled_msd(
        np.arange(3)[:, None], hessian=[-2.0, 0.1], noise_variance=1.0, lr=[1.0, 0.5], batches=10
    )
    alone = theory.shuffled_msd(2, hessian=0.1, noise_variance=1.0, lr=0.5, batches=10)
    assert found.shape == (3, 2)
    assert found[2, 1] == alone
    assert theory.shuffled_msd(10**6, hessian=-2.0, noise_variance=1.0, lr=1.0, batches=10) == np.inf


def test_minibatches_of_an_epoch_may_be_counted_by_a_quotient_and_are_whole():
    known = {"hessian": 0.1, "noise_variance": 1.0, "lr": 0.5}
    assert theory.shuffled_msd(2, batches=60 / 6, **known) == theory.shuffled_msd(2, batches=10, **known)
    for batches in (1, 2.5, np.nan, np.inf, "10"):
        with pytest.raises(ValueError, match=r"^batches = "):
            theory.shuffled_msd(2, batches=batches, **known)


def trained(order, gradients, batches, *, hessian, lr, inertia, gradient_weight):
    """Final positions of replicas whose samples have gradients ``H x + g``, in the given order (replicas, draws)."""
    means = gradients[order].reshape(len(order), -1, len(gradients) // batches).mean(axis=2)
    position, momentum = np.zeros(len(order)), np.zeros(len(order))
    for noise in means.T:
        momentum = inertia * momentum + gradient_weight * (hessian * position + noise)
        position -= lr * momentum
    return position


SETTINGS = [(SGD, -0.05, 3), (SGD, 0.4, 3), (HEAVY, -0.05, 2), (EMA, 0.02, 2.5)]


@pytest.mark.parametrize(("rule", "hessian", "epochs"), SETTINGS)
def test_shuffled_epochs_agree_and_draws_with_replacement_do_not(rule, hessian, epochs):
    """A z-test of 20,000 mean squares at the suite's false-positive rate; skewed gradients of 60 samples."""
    batches, replicas, samples = 20, 20_000, 60
    rng = np.random.default_rng(18)
    gradients = rng.exponential(size=samples)
    gradients -= gradients.mean()
    draws = round(epochs * samples)
    whole = np.tile(np.arange(samples), (replicas, 1))
    shuffled = np.hstack([rng.permuted(whole, axis=1) for _ in range(int(np.ceil(epochs)))])[:, :draws]
    replaced = rng.integers(samples, size=(replicas, draws))
    size = samples // batches
    variance = gradients.var() / size * (samples - size) / (samples - 1)
    rule = {"hessian": hessian, "lr": 0.3} | rule
    exact = theory.shuffled_msd(epochs, noise_variance=variance, batches=batches, **rule)

    def z(order):
        squares = trained(order, gradients, batches, **rule) ** 2
        return (squares.mean() - exact) / (squares.std() / np.sqrt(replicas))

    assert abs(z(shuffled)) < stats.norm.isf(SUITE_RATE / 2) < abs(z(replaced))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batches": 1}, "batches = 1 must be a whole number >= 2"),
        ({"epochs": 0.33}, "epochs = 0.33 must be whole minibatches, .* give multiples of 1/10"),
        ({"lr": 0.0}, "lr = 0.0 must be above 0"),
        ({"inertia": 1.0}, r"inertia = 1.0 must lie in \[0, 1\)"),
    ],
)
def test_bad_input(arguments, message):
    known = {"epochs": 1, "hessian": 1.0, "noise_variance": 1.0, "lr": 0.1, "batches": 10}
    with pytest.raises(ValueError, match=message):
        theory.shuffled_msd(**(known | arguments))
