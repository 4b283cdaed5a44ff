"""Least actions of chains: the parabola's closed form, exact covariances, and the limits of a small learning rate."""

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

import theory

LAWS = {  # log E exp(s z) of z = E - 1 (E exponential), normal, 1 - E
    "jumps along the way": lambda s: s - np.log1p(s),
    "normal": lambda s: s**2 / 2,
    "jumps against the way": lambda s: -s - np.log1p(-s),
}


@pytest.mark.parametrize("product", [0.02, 0.5, 1.0, 1.7])
def test_sgd_in_a_parabola_costs_what_the_closed_form_says(product):
    """``x^2 H (2 - eta H)/(2 eta C)``; above eta H = 1 the path changes sides with each step."""
    h, c, x = 1.3, 0.7, 2.0
    lr = product / h
    found = theory.discrete_least_action(lambda x, p: (-lr * p * h * x + lr**2 * p**2 * c / 2)[:, 0], start=0, end=x)
    assert found.action == pytest.approx(x**2 * h * (2 - product) / (2 * lr * c), rel=1e-8)
    assert np.all(np.sign(found.path[-4:, 0]) == (np.sign(x) if product < 1.1 else [-1, 1, -1, 1]))
    diffusion = h * x**2 / (lr * c)  # what the SDE says, without the finite step
    assert abs(found.action / diffusion - 1) == pytest.approx(product / 2, rel=1e-6)


@pytest.mark.parametrize(("law", "value"), [*zip(LAWS, [0.215806, 0.312500, 0.561129], strict=True)])
def test_small_learning_rates_have_the_action_of_minibatch_noise(law, value):
    """Double parabola of steepest slope 1/2, B = 1: the action times lr tends to W like lr squared."""

    def slope(x):
        return np.where(x < 0.5, x, 4 * (0.625 - x))

    actions = []
    for lr in (0.1, 0.05):
        found = theory.discrete_least_action(
            lambda x, p, lr=lr: -lr * p[:, 0] * slope(x[:, 0]) + LAWS[law](-lr * p[:, 0]), start=0, end=0.625
        )
        actions.append(lr * found.action)
    assert abs(actions[1] / value - 1) < 0.004
    assert (4 * actions[1] - actions[0]) / 3 == pytest.approx(value, rel=1e-3)


def test_a_batch_of_b_samples_has_b_times_the_action_at_b_times_the_learning_rate_s_noise():
    """B samples average B draws: at lr it is B times the action of one sample at the same lr."""
    lr, batch = 0.3, 7

    def one(x, p):
        return -lr * p[:, 0] * x[:, 0] + LAWS["jumps along the way"](-lr * p[:, 0])

    single = theory.discrete_least_action(one, start=0, end=0.3)
    many = theory.discrete_least_action(lambda x, p: batch * one(x, p / batch), start=0, end=0.3)
    assert many.action == pytest.approx(batch * single.action, rel=1e-8)


def test_momentum_costs_what_its_stationary_covariance_says():
    """Its noise leaves a direction of (theta, m) out; ``x S^-1 x/2`` in a parabola."""
    beta, h, lr = 0.9, 1.0, 0.1
    step = np.array([[1 - lr * (1 - beta) * h, -lr * beta], [(1 - beta) * h, beta]])
    push = (1 - beta) * np.array([-lr, 1])
    end = np.array([1.0, -0.3])
    found = theory.discrete_least_action(
        lambda x, p: np.einsum("ni,ni->n", p, x @ (step - np.eye(2)).T) + (p @ push) ** 2 / 2, start=[0, 0], end=end
    )
    covariance = solve_discrete_lyapunov(step, np.outer(push, push))
    assert found.action == pytest.approx(end @ np.linalg.solve(covariance, end) / 2, rel=1e-6)


def test_in_two_dimensions_small_steps_take_the_diffusion_s_path():
    """Curved valley under the Hessian's noise; the exponent's shift is of first order in lr."""

    def drift(x):
        u, v = x.T
        off = v - (1 - u**2) ** 2 / 2
        return -np.stack([u**3 - u + 16 * off * u * (1 - u**2), 8 * off], 1)

    noise = np.array([2.0, 8.0])
    actions = []
    for lr in (0.1, 0.05):
        found = theory.discrete_least_action(
            lambda x, p, lr=lr: lr * np.sum(p * drift(x) + p**2 * noise, axis=1), start=[-1, 0], end=[0, 0.5]
        )
        actions.append(found.action)
    assert actions[0] == pytest.approx(0.07127, rel=0.3)
    assert 2 * actions[1] - actions[0] == pytest.approx(0.07127, rel=0.02)


@pytest.mark.parametrize(
    ("cumulant", "ends", "message"),
    [
        (lambda x, p: (-p * x + p**2)[:, 0] * np.nan, (0, 1), "not finite, or has no noise"),
        (lambda x, p: (-p * x)[:, 0], (0, 1), "not finite, or has no noise"),
        (lambda x, p: (0.1 * p * x + p**2)[:, 0], (0, 1), "left without noise"),
        (lambda x, p: (-0.1 * p * (x - 0.3) + p**2)[:, 0], (0, 1), "start = .* is not at rest"),
        (lambda x, p: (-1e-6 * p * x + p**2)[:, 0], (0, 1), "least_action of the diffusion"),
        (lambda x, p: (-0.1 * p * x + p**2).sum(1), (0, [1, 1]), "as many coordinates"),
        (3.0, (0, 1), "must be a function"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(cumulant, ends, message):
    with pytest.raises(ValueError, match=message):
        theory.discrete_least_action(cumulant, start=ends[0], end=ends[1])


def test_where_no_step_outdoes_the_slope_there_is_no_path():
    """Against the way no sample pushes by more than 1, and the slope exceeds it."""
    law = LAWS["jumps against the way"]
    with pytest.raises(ValueError, match="allows no path"):
        theory.discrete_least_action(lambda x, p: -0.1 * p[:, 0] * x[:, 0] + law(-0.1 * p[:, 0]), start=0, end=2.0)
