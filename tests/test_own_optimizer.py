"""Optimizers as updates of a coordinate and its slots: a user's own, and what is refused of them."""

import json
import math
import re

import numpy as np
import pytest
import readme
import torch
from numba import njit

from diffusion import (
    SGD,
    Adai,
    Adam,
    HessianNoise,
    IsotropicNoise,
    Momentum,
    OwnOptimizer,
    QuadraticSaddle,
    Yogi,
    simulate,
)
from diffusion.dynamics import Rule, elementary
from diffusion.kernels import jit
from diffusion.kernels.random import NOISE, normal_pair

SADDLE = QuadraticSaddle([1.0, 0.1, -0.1])
PROBLEM = {"noise": HessianNoise(10), "iterations": 100, "replicas": 70, "keep": "states", "start": 0.1}


def adam(theta, g, slots, shared, p):
    lr, beta1, beta2 = p
    m, v = beta1 * slots[0] + (1 - beta1) * g, beta2 * slots[1] + (1 - beta2) * g * g
    _, power1, power2 = shared
    return theta - lr * (m / (1 - power1)) / (math.sqrt(v / (1 - power2)) + 1e-8), m, v


def inertia(v, mean):
    return min(max(1 - 0.1 * v / mean, 0.0), 1 - 1e-3)


def second_moment(theta, g, slots, shared, p):
    m, v, product = slots
    v = p[1] * v + (1 - p[1]) * g * g
    return v / (1 - shared[1]), m, v, product


def adai(theta, g, slots, shared, p):
    m, v, product = slots
    _, power, mean = shared
    beta = inertia(v / (1 - power), mean)
    m, product = beta * m + (1 - beta) * g, product * beta
    return theta - p[0] * m / (1 - product), m, v, product


def test_adam_as_a_user_s_update_is_adam_and_learning_rates_and_betas_compile_once():
    compiled = []
    for lr, beta2 in ((0.02, 0.99), (0.01, 0.999)):
        mine = OwnOptimizer(adam, lr=lr, slots=(0, 0), betas=(0.9, beta2), momentum=True)
        mine = simulate(mine, SADDLE, **PROBLEM)
        built_in = simulate(Adam(lr, beta2=beta2, second_moment="running"), SADDLE, **PROBLEM)
        np.testing.assert_allclose(mine["position"], built_in["position"], rtol=1e-11, atol=1e-14)
        compiled.append(len(jit.specialisations))
    assert compiled[0] == compiled[1]


def test_adai_as_a_user_s_update_has_the_mean_over_coordinates_and_slots_that_start_at_1():
    mine = OwnOptimizer(adai, lr=0.02, slots=(0, 0, 1), betas=(0.99,), mean=second_moment, momentum=True)
    mine = simulate(mine, SADDLE, **PROBLEM)
    built_in = simulate(Adai(0.02, second_moment="running"), SADDLE, **PROBLEM)
    np.testing.assert_allclose(mine["position"], built_in["position"], rtol=1e-11, atol=1e-14)
    assert "return min(max(1 - 0.1 * v / mean" in json.loads(mine.attrs["parameters"])["dynamics"]


@pytest.mark.parametrize("style", ["ema", "heavy-ball"])
def test_nesterov_is_torch_s_draw_by_draw(style):
    """To 1e-12 over 50 iterations; plain momentum is far from it."""
    dynamics = Momentum(0.02, 0.9, style, nesterov=True)
    problem = PROBLEM | {"noise": IsotropicNoise(0.1), "iterations": 50, "replicas": 2, "seed": 9}
    ours = simulate(dynamics, SADDLE, **problem)["position"].values[:, -1]
    theta = torch.nn.Parameter(torch.full((2, 3), 0.1, dtype=torch.float64))
    optimizer = dynamics.torch_optimizer([theta])
    for t in range(1, 51):
        draws = [[x for pair in (0, 1) for x in normal_pair(np.uint64(9), NOISE, r, t, 0, pair)][:3] for r in (0, 1)]
        theta.grad = torch.from_numpy(SADDLE.gradient(theta.detach().numpy()) + np.sqrt(0.1) * np.array(draws))
        optimizer.step()
    np.testing.assert_allclose(ours, theta.detach().numpy(), rtol=1e-12)
    plain = simulate(Momentum(0.02, 0.9, style), SADDLE, **problem)["position"].values[:, -1]
    assert not np.any(np.isclose(plain, ours, rtol=1e-6))


def test_logarithm_exponential_and_power_are_those_of_math():
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [np.exp(rng.uniform(-700, 700, 2000)), 1 + rng.uniform(-0.3, 0.4, 2000), 1 + 1e-8 * rng.normal(size=100)]
    )
    np.testing.assert_allclose(elementary.log(x), [math.log(each) for each in x], rtol=1e-15)
    y = rng.uniform(-700, 700, 4000)
    np.testing.assert_allclose(elementary.exp(y), [math.exp(each) for each in y], rtol=1e-15)
    assert elementary.exp(np.array([-np.inf, np.inf])).tolist() == elementary.exp(np.array([-708.0, 708.0])).tolist()
    power = jit.snapshot(elementary.power)
    v = np.exp(rng.uniform(-40, 40, 500))
    np.testing.assert_allclose([power(each, 0.125) for each in v], v**0.125, rtol=2e-15)
    assert power(0.0, 0.125) == elementary.power(0.0, 0.125) == 0.0
    assert math.isnan(power(math.nan, 0.125))
    assert math.isnan(elementary.power(math.nan, 0.125))


def loud(theta, g, slots, shared, p):
    return (theta - p[0] * g * np.random.random(),)  # noqa: NPY002


def own(step, **given):
    return OwnOptimizer(step, lr=0.1, **given)


def plain_mean(theta, g, slots, shared, p):
    return g


NESTEROV = {"dynamics": Momentum(0.1, nesterov=True), "landscape": SADDLE} | PROBLEM
BAD = [
    (
        lambda: own(lambda x, g, slots, shared, p: x),
        r"step gives 0.5 in iteration 1 .* a tuple of 1 \+ 0 finite numbers",
    ),
    (lambda: own(lambda x, g, slots, shared, p: (x, g)), r"a tuple of 1 \+ 0 finite numbers, one for each of slots"),
    (lambda: own(lambda x, g, slots, shared, p: (x / slots[0], g), slots=[0]), "divide by what is not 0 at the start"),
    (lambda: own(lambda x, g, slots, shared, p: (x[1] - g,)), "step = <lambda> does not compile with numba"),
    (lambda: own(loud), "step does not give the same twice"),
    (lambda: own(adam, slots=[0] * 5), r"slots = \[0, 0, 0, 0, 0\] must be up to 4"),
    (lambda: own(adam, betas=(1.0,)), r"betas = 1.0 must lie in \[0, 1\)"),
    (lambda: own(adai, slots=(0, 0, 1), betas=[0.9], mean=plain_mean), "mean gives 1.0 in iteration 1 .*value"),
    (lambda: own(adam, slots=(0, 0), betas=(0.9, 0.99)).rule(np.ones(2)), "has no idealized rule"),
    (lambda: own(adam, slots=(0, 0), betas=(0.9, 0.99)).torch_optimizer([]), "has no torch optimizer"),
    (lambda: Momentum(0.1, nesterov=True).rule(np.ones(2)), "has no idealized rule, it runs only as shipped"),
    (lambda: Momentum(0.1, 0.0, nesterov=True), "nesterov = True needs beta1 above 0"),
    (lambda: simulate(**NESTEROV, substeps=2), "takes whole iterations"),
    (lambda: own(adam, second_moment="frozen"), "OwnOptimizer has no idealized rule; use 'running'"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_what_is_no_update_is_refused_with_the_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_update_that_carries_nothing_is_sgd():
    plain = njit(lambda theta, g, slots, shared, p: (theta - p[0] * g,))
    moved = simulate(OwnOptimizer(plain, lr=0.02), SADDLE, **PROBLEM)
    wanted = np.full(70, 0.1)
    draws = np.array([normal_pair(np.uint64(0), NOISE, r, 1, 0, 0)[0] for r in range(70)])
    wanted -= 0.02 * (wanted + np.sqrt(0.1) * draws)
    np.testing.assert_allclose(moved["position"].sel(iteration=1)[:, 0], wanted, rtol=1e-13)


def test_the_gradient_s_weight_is_the_same_without_inertia():
    """m = beta3 g where beta is 0, and the bound on eta H is that of eta beta3."""
    rule = Rule(np.array([0.0, 0.9]), np.full(2, 0.1), np.full(2, 0.5), np.ones(2))
    np.testing.assert_array_equal(rule.coefficients(1), [[0, 0.9], [0.5, 0.5], [0.5, 0.5], [0.1, 0.1]])
    np.testing.assert_allclose(rule.stability_bound(), [4.0, 2 * 1.9 / 0.5])


def test_the_page_s_nadam_is_torch_s(tmp_path, monkeypatch):
    """The page's example runs to its figure; its update is torch's, whose running product is in float32."""
    monkeypatch.chdir(tmp_path)
    page = (readme.ROOT / "docs" / "optimizers.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    names = {}
    exec(example, names)
    assert (tmp_path / "nadam.png").stat().st_size > 5000
    theta = torch.nn.Parameter(torch.tensor([0.1], dtype=torch.float64))
    optimizer, gradients = names["in_torch"]([theta]), np.random.default_rng(0).normal(size=100)
    for g in gradients:
        theta.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()

    def ours(late):
        x, slots = 0.1, (0.0, 0.0)
        for t, g in enumerate(gradients, start=1 + late):
            x, *slots = names["nadam"](x, g, slots, (t, 0.9**t, 0.99**t), (0.01, 0.9, 0.99))
        return x

    assert ours(0) == pytest.approx(theta.item(), rel=1e-6)
    assert ours(1) != pytest.approx(theta.item(), rel=1e-3)  # corrections of the next iteration


def test_it_has_a_torch_optimizer_where_one_is_given():
    torch = pytest.importorskip("torch")
    given = {"slots": (0, 0), "betas": (0.9, 0.99)}
    assert not own(adam, **given).in_torch
    assert own(adam, **given, torch=lambda params: torch.optim.Adam(params, 0.1)).in_torch
    assert SGD(0.02).in_torch
    assert not Yogi(0.02).in_torch
