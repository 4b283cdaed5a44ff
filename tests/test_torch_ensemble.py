"""The torch optimizers on the simulator's problem."""

import json
import re

import numpy as np
import pytest
import torch
from conftest import SUITE_RATE
from scipy.stats import ortho_group

import theory
from diffusion import (
    SGD,
    Adai,
    Adam,
    CoupledLandscape,
    HessianNoise,
    IsotropicNoise,
    MinibatchNoise,
    Momentum,
    QuadraticSaddle,
    RMSprop,
    StyblinskiTang,
    simulate,
    simulate_torch,
)
from diffusion.kernels.random import NOISE, normal_pair
from diffusion.optimizers import Adai as TorchAdai
from experiments.referee.laws import LogNormal, MeanSquare

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
    assert MeanSquare(3000).p_value(run["msd"], expected).min() > SUITE_RATE


@pytest.mark.parametrize(
    "dynamics", [SGD(0.02), Momentum(0.02), Momentum(0.02, 0.9, "heavy-ball"), *ADAPTIVE], ids=repr
)
def test_torch_optimizer_follows_the_simulator_draw_by_draw(dynamics):
    """Fed the simulator's own draws, every shipped optimizer takes the same path to 1e-9 over 200 iterations."""
    landscape, noise, replicas, iterations = QuadraticSaddle(EIGENVALUES), HessianNoise(10), 5, 200
    ours = simulate(dynamics, landscape, noise=noise, iterations=iterations, replicas=replicas, seed=9, keep="states")
    theta = torch.nn.Parameter(torch.zeros(replicas, 4, dtype=torch.float64))
    optimizer = dynamics.torch_optimizer([theta])
    spread = np.sqrt(noise.variance_along(landscape))
    for t in range(1, iterations + 1):
        draws = [
            [x for pair in (0, 1) for x in normal_pair(np.uint64(9), NOISE, r, t, 0, pair)] for r in range(replicas)
        ]
        theta.grad = torch.from_numpy(landscape.gradient(theta.detach().numpy()) + spread * np.array(draws))
        optimizer.step()
    np.testing.assert_allclose(theta.detach().numpy(), ours["position"].values[:, -1], rtol=1e-9)


def coupled_loss(x, lane):
    return 0.5 * (x[0, lane] ** 2 + x[1, lane] ** 2) + 0.9 * x[0, lane] * x[1, lane]


def coupled_gradient(x, j, lane):
    return x[j, lane] + 0.9 * x[1 - j, lane]


@pytest.mark.parametrize(
    ("landscape", "noise", "lr"),
    [
        (StyblinskiTang(2, data_variance=1.0), MinibatchNoise(10), 0.002),
        (CoupledLandscape(coupled_loss, coupled_gradient, dimension=2), HessianNoise(1), 0.05),
    ],
    ids=["separable", "coupled"],
)
def test_torch_runs_on_every_landscape(landscape, noise, lr):
    """Two-sample test against the simulator, 1,500 replicas each; another noise is rejected."""
    problem = {"iterations": 30, "save": [30], "replicas": 1500}
    shipped = simulate_torch(Momentum(lr), landscape, noise=noise, **problem)
    np.testing.assert_allclose(shipped["eigenvalue"], [0.1, 1.9] if lr == 0.05 else landscape.hessian, rtol=1e-7)
    for other, right in ((noise, True), (IsotropicNoise(2 * noise.variance_along(landscape)[0]), False)):
        ours = simulate(Momentum(lr), landscape, noise=other, **problem)
        errors = [(run["msd_stderr"] / run["msd"]).values for run in (shipped, ours)]
        theirs, own = (LogNormal(error, error) for error in errors)
        p = theirs.against(own).p_value(shipped["msd"].values, ours["msd"].values)
        assert (p.min() > SUITE_RATE) == right


@pytest.mark.parametrize("dynamics", [Momentum(0.05), ADAPTIVE[2]], ids=repr)
def test_same_seed_same_bits_for_any_number_of_threads(dynamics):
    problem = {"noise": HessianNoise(10), "iterations": 6, "replicas": 4000}
    one, two = (simulate_torch(dynamics, QuadraticSaddle(EIGENVALUES), threads=n, **problem) for n in (1, 2))
    np.testing.assert_array_equal(one["msd"], two["msd"])


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


def made_run(optimizer, **changed):
    """Some replicas of a dynamics, or of a factory's optimizer."""
    problem = {"noise": HessianNoise(1), "iterations": 12, "replicas": 20, "keep": "states"} | changed
    return simulate_torch(optimizer, QuadraticSaddle([0.5, -0.02]), **problem)


@pytest.mark.parametrize(
    ("factory", "dynamics"),
    [
        (lambda params: torch.optim.Adam(params, lr=0.02), ADAPTIVE[1]),
        (lambda params: TorchAdai(params, lr=0.02, replicas=True), ADAPTIVE[2]),
    ],
    ids=["Adam", "Adai"],
)
def test_a_factory_s_optimizer_has_the_bits_of_its_dynamics_and_its_own_name(factory, dynamics):
    """In blocks of replicas too, and the clock counts its learning rate."""
    made, known = (made_run(kind, replicas=1600, keep="moments") for kind in (factory, dynamics))
    np.testing.assert_array_equal(made["msd"], known["msd"])
    np.testing.assert_array_equal(made["dynamical_time"], known["dynamical_time"])
    assert re.search(r"(Adam|Adai)\(lr=0.02, ", json.loads(made.attrs["parameters"])["dynamics"])
    other = made_run(lambda params: torch.optim.Adam(params, lr=0.03))
    assert not np.any(other["msd"] == known["msd"])


@pytest.mark.parametrize("dynamics", [RMSprop(0.1), Adam(0.1), Adai(0.1)], ids=repr)
def test_idealized_optimizers_do_not_exist_in_torch(dynamics):
    with pytest.raises(ValueError, match="second_moment = 'frozen': torch ships only the running"):
        simulate_torch(dynamics, QuadraticSaddle([1.0]), noise=HessianNoise(1), iterations=1, replicas=2)
