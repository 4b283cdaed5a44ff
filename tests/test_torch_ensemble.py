"""The torch optimizers on the simulator's problem."""

import numpy as np
import pytest
import torch
from conftest import SUITE_RATE
from scipy.stats import ortho_group

import theory
from diffusion import SGD, Adai, Adam, HessianNoise, Momentum, QuadraticSaddle, RMSprop, simulate, simulate_torch
from diffusion.kernels.random import NOISE, normal_pair
from diffusion.torch_ensemble import shipped_optimizer
from experiments import statistics

ADAPTIVE = [kind(0.02, second_moment="running") for kind in (RMSprop, Adam, Adai)]
EIGENVALUES = [0.5, 0.02, -0.02, -0.5]


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("dynamics", [SGD(0.05), Momentum(0.05), Momentum(0.05, 0.8, "heavy-ball")], ids=repr)
def test_torch_sgd_and_momentum_have_the_exact_moments_of_the_recursion(dynamics, rotated):
    """In rotated coordinates too, with moments taken along the eigenvectors."""
    landscape = QuadraticSaddle(EIGENVALUES, ortho_group.rvs(4, random_state=0) if rotated else None)
    noise = HessianNoise(10)
    run = simulate_torch(dynamics, landscape, noise=noise, iterations=20, replicas=3000, save=[1, 5, 20])
    rule = dynamics.rule(noise.variance_along(landscape))
    expected = theory.discrete_msd(
        np.array([1, 5, 20])[:, None],
        hessian=landscape.hessian,
        noise_variance=rule.noise_variance,
        lr=rule.learning_rate,
        inertia=rule.inertia,
        gradient_weight=rule.gradient_weight,
    )
    assert statistics.mean_square_test(run["msd"], expected, 3000).min() > SUITE_RATE


@pytest.mark.parametrize(
    "dynamics", [SGD(0.02), Momentum(0.02), Momentum(0.02, 0.9, "heavy-ball"), *ADAPTIVE], ids=repr
)
def test_torch_optimizer_follows_the_simulator_draw_by_draw(dynamics):
    """Fed the simulator's own draws, every shipped optimizer takes the same path to 1e-9 over 200 iterations."""
    landscape, noise, replicas, iterations = QuadraticSaddle(EIGENVALUES), HessianNoise(10), 5, 200
    ours = simulate(dynamics, landscape, noise=noise, iterations=iterations, replicas=replicas, seed=9, keep="states")
    theta = torch.nn.Parameter(torch.zeros(replicas, 4, dtype=torch.float64))
    optimizer = shipped_optimizer(dynamics, theta)
    spread = np.sqrt(noise.variance_along(landscape))
    for t in range(1, iterations + 1):
        draws = [
            [x for pair in (0, 1) for x in normal_pair(np.uint64(9), NOISE, r, t, 0, pair)] for r in range(replicas)
        ]
        theta.grad = torch.from_numpy(landscape.gradient(theta.detach().numpy()) + spread * np.array(draws))
        optimizer.step()
    np.testing.assert_allclose(theta.detach().numpy(), ours["position"].values[:, -1], rtol=1e-9)


def test_result_has_the_simulators_form():
    problem = {
        "noise": HessianNoise(10),
        "iterations": 6,
        "replicas": 8,
        "save": [2, 6],
        "keep": "states",
        "start": 0.5,
    }
    one, other = (run(ADAPTIVE[1], QuadraticSaddle(EIGENVALUES), **problem) for run in (simulate_torch, simulate))
    assert one.sizes == other.sizes
    assert list(one.variables) == list(other.variables)
    np.testing.assert_allclose(one["msd"], np.mean((one["position"].values - 0.5) ** 2, axis=0), rtol=1e-12)


def test_same_seed_same_bits_and_another_seed_differs():
    problem = {"noise": HessianNoise(10), "iterations": 5, "replicas": 50}
    runs = [
        simulate_torch(SGD(0.1), QuadraticSaddle(EIGENVALUES), **problem, seed=seed)["msd"].values for seed in (0, 0, 1)
    ]
    assert np.array_equal(runs[0], runs[1])
    assert not np.any(runs[0] == runs[2])


@pytest.mark.parametrize("dynamics", [RMSprop(0.1), Adam(0.1), Adai(0.1)], ids=repr)
def test_idealized_optimizers_do_not_exist_in_torch(dynamics):
    with pytest.raises(ValueError, match="second_moment = 'frozen': torch ships only the running"):
        simulate_torch(dynamics, QuadraticSaddle([1.0]), noise=HessianNoise(1), iterations=1, replicas=2)
