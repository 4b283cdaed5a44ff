"""Ensembles: what they compute, how they are labelled, and that a seed fixes every bit."""

import json

import numpy as np
import pytest
from conftest import SUITE_RATE
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

import theory
from diffusion import (
    SGD,
    Adai,
    Adam,
    HessianNoise,
    IsotropicNoise,
    Momentum,
    QuadraticSaddle,
    RMSprop,
    simulate,
    simulate_torch,
)
from diffusion.kernels.random import NOISE, normal_pair
from experiments.referee.laws import MeanSquare

EIGENVALUES = [0.5, 0.02, -0.02, -0.5]
SADDLE = QuadraticSaddle(EIGENVALUES)
HESSIAN_NOISE = HessianNoise(10)
IDEALIZED = [SGD(0.05), Momentum(0.05), Momentum(0.05, 0.8, "heavy-ball"), RMSprop(0.05), Adam(0.05), Adai(0.05)]
RUNNING = [
    RMSprop(0.05, second_moment="running"),
    Adam(0.05, second_moment="running"),
    Adai(0.05, second_moment="running"),
]
few = settings(max_examples=10, deadline=None, derandomize=True)


def run(dynamics=IDEALIZED[0], landscape=SADDLE, **changed):
    arguments = {"noise": HESSIAN_NOISE, "iterations": 20, "replicas": 600, "save": [1, 5, 20], "seed": 3} | changed
    return simulate(dynamics, landscape, **arguments)


def exact(dynamics, iterations, substeps=1, start="rest", landscape=SADDLE, noise=HESSIAN_NOISE):
    rule = dynamics.rule(noise.variance_along(landscape))
    return theory.discrete_msd(
        np.array(iterations)[:, None],
        hessian=landscape.hessian,
        noise_variance=rule.noise_variance,
        lr=rule.learning_rate,
        inertia=rule.inertia,
        gradient_weight=rule.gradient_weight,
        substeps=substeps,
        start=start,
    )


def draws(seed, replica, iteration, d):
    pairs = [normal_pair(np.uint64(seed), NOISE, replica, iteration, 0, pair) for pair in range((d + 1) // 2)]
    return np.concatenate(pairs)[:d]


# --- what is computed


@pytest.mark.parametrize("dynamics", IDEALIZED, ids=repr)
def test_one_substep_is_the_optimizer(dynamics):
    """Equal, to rounding, to m <- beta m + beta3 g, theta <- theta - lr m written plainly with the same draws."""
    result = run(dynamics, keep="states", replicas=3)
    rule = dynamics.rule(HESSIAN_NOISE.variance_along(SADDLE))
    for replica in range(3):
        theta, m = np.zeros(4), np.zeros(4)
        for t in range(1, 21):
            g = SADDLE.gradient(theta) + np.sqrt(rule.noise_variance) * draws(3, replica, t, 4)
            m = rule.inertia * m + rule.gradient_weight * g
            theta = theta - rule.learning_rate * m
        np.testing.assert_allclose(result["position"].values[replica, -1], theta, rtol=1e-12)


@pytest.mark.parametrize("dynamics", RUNNING, ids=repr)
def test_running_second_moment_is_the_optimizer_as_shipped_in_coordinates(dynamics):
    basis = ortho_group.rvs(4, random_state=0)
    landscape = QuadraticSaddle(EIGENVALUES, basis)
    result = run(dynamics, landscape, keep="states", replicas=2, start=0.3)
    for replica in range(2):
        theta, m, v, product = np.full(4, 0.3), np.zeros(4), np.zeros(4), np.ones(4)
        for t in range(1, 21):
            spread = np.sqrt(HESSIAN_NOISE.variance_along(landscape)) * draws(3, replica, t, 4)
            g = landscape.gradient(theta) + basis @ spread
            v = dynamics.beta2 * v + (1 - dynamics.beta2) * g**2
            vhat = v if isinstance(dynamics, RMSprop) else v / (1 - dynamics.beta2**t)
            if isinstance(dynamics, Adai):
                inertia = np.clip(1 - dynamics.beta0 * vhat / vhat.mean(), 0, 1 - dynamics.eps)
                rate = dynamics.lr
            else:
                inertia = getattr(dynamics, "beta1", 0.0)
                rate = dynamics.lr / (np.sqrt(vhat) + dynamics.eps)
            m, product = inertia * m + (1 - inertia) * g, product * inertia
            theta = theta - rate * m / (1 - product)
        np.testing.assert_allclose(result["position"].values[replica, -1], theta, rtol=1e-10)


@pytest.mark.parametrize("substeps", [1, 4, [8, 4, *[2] * 18]], ids=str)
@pytest.mark.parametrize("start", ["rest", "thermal"])
@pytest.mark.parametrize("dynamics", IDEALIZED, ids=repr)
def test_ensemble_has_the_exact_moments_of_its_recursion(dynamics, start, substeps):
    if start == "thermal" and isinstance(dynamics, SGD | RMSprop):
        start = "rest"
    result = run(dynamics, substeps=substeps, velocity=start, replicas=4000)
    expected = exact(dynamics, [1, 5, 20], substeps, start)
    assert MeanSquare(4000).p_value(result["msd"], expected).min() > SUITE_RATE


def test_graded_substeps_begin_like_their_first_number():
    """The thermal start too: its variance depends on the substeps of the first iteration."""
    graded = run(Momentum(0.05, 0.5), substeps=[8, *[2] * 19], velocity="thermal")["msd"].values[0]
    np.testing.assert_array_equal(graded, run(Momentum(0.05, 0.5), substeps=8, velocity="thermal")["msd"].values[0])


def test_stderr_is_the_spread_of_the_squared_displacements():
    result = run(keep="states")
    squares = result["position"].values ** 2
    np.testing.assert_allclose(result["msd"], squares.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(result["msd_stderr"], squares.std(axis=0, ddof=1) / np.sqrt(600), rtol=1e-9)


def test_displacement_is_measured_from_the_start():
    """From theta_0 the mean displacement of SGD is theta_0 [(1 - lr H)^T - 1]; the mean is not subtracted."""
    result = run(SGD(0.05), start=2.0, save=[20])
    drift = 2.0 * ((1 - 0.05 * SADDLE.hessian) ** 20 - 1)
    expected = exact(SGD(0.05), [20])[0] + drift**2
    z = (result["msd"].values[0] - expected) / result["msd_stderr"].values[0]
    assert np.abs(z).max() < 5


@few
@given(st.integers(0, 100))
def test_rotation_leaves_the_moments_in_the_eigenbasis_unchanged(seed):
    basis = ortho_group.rvs(4, random_state=seed)
    rotated = run(Momentum(0.05), QuadraticSaddle(EIGENVALUES, basis), keep="states")
    plain = run(Momentum(0.05), keep="states")
    np.testing.assert_allclose(rotated["msd"], plain["msd"], rtol=1e-10)
    np.testing.assert_allclose(rotated["position"].values @ basis, plain["position"].values, atol=1e-14)


@few
@given(st.floats(0.1, 10))
def test_scaling_time_leaves_the_trajectories_unchanged(c):
    """H -> c H, lr -> lr/c, noise variance -> c^2 C: the same positions, from the same draws."""
    scaled = run(SGD(0.05 / c), QuadraticSaddle(c * np.array(EIGENVALUES)), noise=IsotropicNoise(0.1 * c**2))
    np.testing.assert_allclose(scaled["msd"], run(SGD(0.05), noise=IsotropicNoise(0.1))["msd"], rtol=1e-9)


def test_momentum_without_inertia_is_sgd():
    np.testing.assert_array_equal(run(Momentum(0.05, beta1=0.0))["msd"], run(SGD(0.05))["msd"])
    np.testing.assert_array_equal(run(Adam(0.05, beta1=0.0))["msd"], run(RMSprop(0.05))["msd"])


# --- seeds and threads


@pytest.mark.parametrize("dynamics", [Momentum(0.05), RUNNING[2]], ids=repr)
def test_same_seed_same_bits_for_any_number_of_threads(dynamics):
    one, two, three = (run(dynamics, threads=threads, keep="states") for threads in (1, 2, 3))
    for other in (two, three):
        assert np.array_equal(one["msd"], other["msd"])
        assert np.array_equal(one["position"], other["position"])
    assert not np.any(run(dynamics, seed=4)["msd"] == one["msd"])


def test_no_two_replicas_are_alike():
    positions = run(keep="states", replicas=2000)["position"].values[:, 0, 0]
    assert len(np.unique(positions)) == 2000


def test_a_smaller_run_is_the_beginning_of_a_larger_one():
    small, large = (run(keep="states", replicas=n)["position"].values for n in (100, 700))
    assert np.array_equal(small, large[:100])


def test_thermal_start_and_rest_share_the_noise():
    """Their difference is the decay of the initial velocity alone: for H = 0, a linear function of it."""
    flat = QuadraticSaddle([0.0])
    warm, cold = (
        run(Momentum(0.05), flat, noise=IsotropicNoise(0.1), keep="states", velocity=velocity)["position"].values[
            ..., 0
        ]
        for velocity in ("thermal", "rest")
    )
    added = warm - cold
    geometric = np.cumsum(0.9 ** np.arange(1, 21))[[0, 4, 19]]
    np.testing.assert_allclose(added / added[:, :1], np.tile(geometric / geometric[0], (600, 1)), rtol=1e-6)


# --- labels and refusals


def test_result_carries_its_clocks_units_and_origin():
    result = run(Adam(0.05), substeps=3)
    rate = 0.05 / np.sqrt(HESSIAN_NOISE.variance_along(SADDLE))
    np.testing.assert_allclose(result["dynamical_time"], np.outer([1, 5, 20], rate))
    assert all(variable.attrs["units"] and variable.attrs["long_name"] for variable in result.variables.values())
    again = json.loads(result.attrs["parameters"])
    assert again["substeps"] == 3
    assert again["seed"] == 3
    assert "Adam(lr=0.05" in again["dynamics"]


def test_default_save_points_are_log_spaced_and_include_the_last():
    iterations = run(SGD(0.05), QuadraticSaddle([0.1]), iterations=10_000, replicas=2, save=None)["iteration"].values
    assert iterations[-1] == 10_000
    assert len(iterations) <= 50
    assert np.all(np.diff(iterations) > 0)


@pytest.mark.parametrize("simulator", [simulate, simulate_torch])
def test_diverged_replicas_are_counted_and_never_averaged(simulator):
    steep = {"noise": HESSIAN_NOISE, "iterations": 200, "replicas": 600, "save": [5, 200]}
    with pytest.warns(RuntimeWarning, match="600 of 600 replicas left"):
        result = simulator(SGD(1.0), QuadraticSaddle([-50.0, 0.1]), **steep)
    assert result["diverged"].values.tolist() == [0, 600]
    assert np.isfinite(result["msd"].values[0]).all()
    assert np.isnan(result["msd"].values[1]).all()


BAD = [
    (lambda: SGD(0.0), "lr = 0.0 must be a finite number above 0"),
    (lambda: Momentum(0.1, beta1=1.0), r"beta1 = 1.0 must lie in \[0, 1\)"),
    (lambda: Momentum(0.1, style="heavyball"), "style = 'heavyball' is unknown; did you mean 'heavy-ball'"),
    (lambda: Adam(0.1, second_moment="runing"), "did you mean 'running'"),
    (lambda: Adam(0.1, beta2=-0.1), "beta2 = -0.1"),
    (lambda: Adai(0.1, beta0=0.0), "beta0 = 0.0"),
    (lambda: Adai(0.1, eps=0.0), "eps = 0.0"),
    (lambda: HessianNoise(0.5), "batch_size = 0.5 must be at least 1"),
    (lambda: IsotropicNoise(-1.0), "variance = -1.0"),
    (lambda: QuadraticSaddle([]), r"eigenvalues = \[\]"),
    (lambda: QuadraticSaddle([1.0, np.nan]), "eigenvalues = .*finite"),
    (lambda: QuadraticSaddle([1.0, 2.0], [[1, 1], [0, 1]]), "rotation .* orthogonal"),
    (lambda: run(iterations=0), "iterations = 0 must be a whole number >= 1"),
    (lambda: run(replicas=0), "replicas = 0 must be a whole number >= 1"),
    (lambda: run(save=[5, 1]), r"save = \[5, 1\] must be ascending"),
    (lambda: run(save="last"), "save = 'last' must be a non-empty list of whole numbers"),
    (lambda: run(save=[21]), "between 0 and iterations = 20"),
    (lambda: run(save=[1.5]), "save = .* whole numbers"),
    (lambda: run(substeps=0), "substeps = 0 must be a whole number >= 1"),
    (lambda: run(substeps=[1, 2]), "substeps has 2 entries for iterations = 20"),
    (lambda: run(seed=-1), "seed = -1"),
    (lambda: run(seed=2**64), "seed = 18446744073709551616 must be at most 18446744073709551615"),
    (lambda: run(threads=0), "threads = 0"),
    (lambda: run(start=[1.0, 2.0]), "start has 2 entries; give one number or 4"),
    (lambda: run(start=np.inf), "start = inf"),
    (lambda: run(velocity="termal"), "did you mean 'thermal'"),
    (lambda: run(velocity="thermal"), "'thermal' needs inertia"),
    (lambda: run(keep="state"), "did you mean 'states'"),
    (lambda: run(keep="states", replicas=10**8), "would take 8.9 GiB"),
    (lambda: run(SGD(5.0)), "lr = 5.0 is unstable in direction 0: .* is 2.5, the bound is 2;"),
    (lambda: run(Momentum(10.0, 0.9, "heavy-ball")), "the bound is 3.8;"),
    (lambda: run(RUNNING[0], substeps=[2, *[1] * 19]), "the optimizer as shipped .* as many substeps in every"),
    (
        lambda: run(Momentum(0.05, nesterov=True), substeps=2),
        "substeps = 2: .* the same SDE as nesterov=False; use substeps=1",
    ),
    (lambda: run(Adam(0.1, second_moment="running", weight_decay=1.0), substeps=2), "weight_decay = 1.0: in substeps"),
    (lambda: run(RUNNING[1], velocity="thermal"), "the optimizer as shipped starts at rest"),
    (lambda: run(Adam(0.1), QuadraticSaddle([1.0, 0.0])), "noise variance is 0 in direction 1: idealized Adam"),
    (lambda: run(RMSprop(0.1), QuadraticSaddle([0.0])), "idealized RMSprop"),
    (lambda: run(Adai(0.1), QuadraticSaddle([0.0])), "0 in every direction"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_names_parameter_value_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("dynamics", [SGD(1.0), Momentum(1.0), Momentum(1.0, 0.9, "heavy-ball")], ids=repr)
@pytest.mark.parametrize("substeps", [1, 3])
def test_stability_bound_separates_bounded_from_growing_recursions(dynamics, substeps):
    bound = float(dynamics.rule(np.ones(1)).stability_bound(substeps)[0])
    for h, grows in ((0.99 * bound, False), (1.01 * bound, True)):
        landscape, noise = QuadraticSaddle([h]), IsotropicNoise(1.0)
        early, late = exact(dynamics, [400, 800], substeps, landscape=landscape, noise=noise)[:, 0]
        assert (late > 10 * early) == grows
