"""Exact moments of the recursions that are run: the discrete optimizers, and their SDEs at any substeps."""

import sys

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory

EPS = np.finfo(float).eps
MOMENTUM = {"hessian": -0.02, "noise_variance": 0.1, "lr": 0.05, "inertia": 0.9, "gradient_weight": 0.1}
HEAVY = MOMENTUM | {"gradient_weight": 1.0, "hessian": 0.3}
SGD = MOMENTUM | {"inertia": 0.0, "gradient_weight": 1.0}


def brute_force(iterations, *, hessian, noise_variance, lr, inertia, gradient_weight, substeps=1, start="rest"):
    """The covariance of (theta, m) step by step, with the substeps of every iteration written out."""
    schedule = np.broadcast_to(substeps, (iterations,))
    first = schedule[0]
    covariance = np.zeros((2, 2))
    for k, n in enumerate(schedule):
        dt = lr / n
        if inertia == 0:
            a, q = np.array([[1 - dt * hessian, 0], [0, 0]]), np.array([dt * np.sqrt(n * noise_variance), 0])
        else:
            keep, force = 1 - (1 - inertia) / n, gradient_weight / n
            kick = gradient_weight * np.sqrt(noise_variance / n)
            a = np.array([[1 - dt * force * hessian, -dt * keep], [force * hessian, keep]])
            q = np.array([-dt * kick, kick])
            if k == 0 and start == "thermal":
                one = gradient_weight**2 * noise_variance / first
                covariance[1, 1] = one / (1 - keep**2)
        for _ in range(n):
            covariance = a @ covariance @ a.T + np.outer(q, q)
    return covariance


@pytest.mark.parametrize("rule", [MOMENTUM, HEAVY, SGD], ids=["ema", "heavy-ball", "sgd"])
@pytest.mark.parametrize("substeps", [1, 5, [7, 7, 3, *[2] * 197]], ids=["1", "5", "graded"])
@pytest.mark.parametrize("start", ["rest", "thermal"])
def test_doubling_equals_the_recursion_step_by_step(rule, substeps, start):
    for iterations in (1, 2, 3, 17, 200):
        given = substeps[:iterations] if isinstance(substeps, list) else substeps
        expected = brute_force(iterations, **rule, substeps=given, start=start)
        found = theory.discrete_msd(iterations, **rule, substeps=substeps, start=start)
        assert found == pytest.approx(expected[0, 0], rel=1e-11)
        if rule["inertia"] > 0:
            found = theory.discrete_velocity_variance(iterations, **rule, substeps=substeps, start=start)
            assert found == pytest.approx(expected[1, 1], rel=1e-11)


@pytest.mark.parametrize("hessian", [-0.02, 0.0, 0.3])
def test_bias_corrected_momentum_step_by_step(hessian):
    """Against the weights of all gradients, written out."""
    beta, eta, c = 0.9, 0.05, 0.1
    position, momentum = np.zeros(41), np.zeros(41)  # as multiples of the gradient noise of each iteration
    found = theory.bias_corrected_msd(np.arange(41), hessian=hessian, noise_variance=c, lr=eta, inertia=beta)
    for t in range(1, 41):
        gradient = hessian * position + (np.arange(41) == t)
        momentum = beta * momentum + (1 - beta) * gradient
        position = position - eta * momentum / (1 - beta**t)
        assert found[t] == pytest.approx(c * np.sum(position**2), rel=1e-12)


def test_bias_correction_is_none_without_inertia():
    known = {"hessian": -0.02, "noise_variance": 0.1, "lr": 0.05}
    steps = np.array([0, 1, 7, 100])
    found = theory.bias_corrected_msd(steps, **known, inertia=0.0)
    assert found == pytest.approx(theory.discrete_msd(steps, **known, inertia=0.0, gradient_weight=1.0), rel=1e-12)


def test_bias_correction_makes_momentum_faster_than_none_in_a_flat_direction():
    """Half as far again at 10 iterations: an independent sum over the weights of the gradients."""
    found = theory.bias_corrected_msd(10, hessian=0.0, noise_variance=1.0, lr=1.0, inertia=0.9)
    weights = [sum(0.1 * 0.9 ** (t - s) / (1 - 0.9**t) for t in range(s, 11)) for s in range(1, 11)]
    assert found == pytest.approx(np.sum(np.square(weights)), rel=1e-12)
    assert found == pytest.approx(14.99733, rel=1e-6)


def reference(iterations, substeps, start, hessian, lr, inertia, weight):
    """The same in high precision, by doubling, for any number of iterations; noise variance 1."""
    h, eta, beta, weight, n = mp.mpf(hessian), mp.mpf(lr), mp.mpf(inertia), mp.mpf(weight), mp.mpf(substeps)
    dt, a = eta / n, (1 - beta) / n
    if beta == 0:
        matrix, noise = mp.matrix([[1 - dt * h, 0], [0, 0]]), mp.matrix([[dt * dt * n, 0], [0, 0]])
        velocity = mp.mpf(0)
    else:
        b, s = weight * h / n, weight**2 / n
        matrix = mp.matrix([[1 - dt * b, dt * (1 - a)], [-b, 1 - a]])
        noise, velocity = s * mp.matrix([[dt * dt, dt], [dt, 1]]), s / (a * (2 - a))
    moved, gathered, k = mp.eye(2), mp.zeros(2), iterations * substeps
    while k:
        if k & 1:
            gathered, moved = gathered + moved * noise * moved.T, moved * matrix
        noise, matrix, k = noise + matrix * noise * matrix.T, matrix * matrix, k >> 1
    return gathered[0, 0] + (velocity * moved[0, 1] ** 2 if start == "thermal" else 0)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    log_damping=st.floats(-6, 0),
    log_memory_times=st.floats(-8, 8),
    hessian=st.one_of(
        st.sampled_from([0.0, 1.0, -1.0]),
        st.tuples(st.sampled_from([-1, 1]), st.floats(-18, 0)).map(lambda x: x[0] * 10.0 ** x[1]),
    ),
    lr=st.floats(1e-3, 0.5),
    substeps=st.sampled_from([1, 2, 8, 100]),
    ema=st.booleans(),
    start=st.sampled_from(["rest", "thermal"]),
)
def test_moments_match_high_precision_however_many_iterations(
    log_damping, log_memory_times, hessian, lr, substeps, ema, start
):
    inertia = 1 - 10.0**log_damping
    weight = 1 - inertia if ema else 1.0
    iterations = int(min(max(1, round(10.0**log_memory_times / (1 - inertia))), 10**12))
    value = theory.discrete_msd(
        iterations,
        hessian=hessian,
        noise_variance=1.0,
        lr=lr,
        inertia=inertia,
        gradient_weight=weight,
        substeps=substeps,
        start=start,
    )
    with mp.workdps(100):
        arguments = (hessian, lr, inertia, weight)
        exact = reference(iterations, substeps, start, *arguments)
        if exact > sys.float_info.max:
            assert np.isinf(value)
            return
        step, condition = mp.mpf(10) ** -30, mp.mpf(0)
        moved = [(k, mp.mpf(argument) * (1 + step)) for k, argument in enumerate(arguments)]
        moved[2] = (2, 1 - (1 - mp.mpf(inertia)) * (1 + step))
        for k, changed in moved:
            other = reference(iterations, substeps, start, *(changed if j == k else a for j, a in enumerate(arguments)))
            condition += abs(other / exact - 1) / step
        assert abs(mp.mpf(float(value)) / exact - 1) < max(1e-9, 10 * EPS * condition)


def test_sgd_has_its_closed_form():
    t, h, eta, c = np.array([1, 10, 500]), np.array([[0.7], [-0.2]]), 0.05, 0.1
    closed = eta**2 * c * (1 - (1 - eta * h) ** (2 * t)) / (1 - (1 - eta * h) ** 2)
    found = theory.discrete_msd(t, hessian=h, noise_variance=c, lr=eta, inertia=0.0, gradient_weight=1.0)
    np.testing.assert_allclose(found, closed, rtol=1e-11)
    none = theory.discrete_msd([], hessian=1.0, noise_variance=c, lr=eta, inertia=0.0, gradient_weight=1.0)
    assert none.shape == (0,)


def test_thermal_momentum_of_the_discrete_optimizer():
    """After one iteration at H = 0 the thermal share is (lr beta)^2 beta3^2 C/(1 - beta^2)."""
    share = theory.discrete_drift_msd(1, **(MOMENTUM | {"hessian": 0.0}))
    assert share == pytest.approx((0.05 * 0.9) ** 2 * 0.1**2 * 0.1 / (1 - 0.9**2), rel=1e-12)


def test_thermal_share_at_zero_curvature_has_its_closed_form():
    t, beta = np.array([1, 4, 30, 1000]), 0.9
    closed = 0.05**2 * 0.1**2 * 0.1 * beta**2 * (1 - beta**t) ** 2 / ((1 - beta**2) * (1 - beta) ** 2)
    np.testing.assert_allclose(theory.discrete_drift_msd(t, **(MOMENTUM | {"hessian": 0.0})), closed, rtol=1e-12)


@pytest.mark.parametrize("inertia", [0.0, 0.9])
@pytest.mark.parametrize("heavy", [False, True])
def test_stationary_variances_at_finite_learning_rate(inertia, heavy):
    """The recursion after a million steps, and the SDE's variance in the limit of a small learning rate."""
    rule = {"hessian": 0.7, "noise_variance": 0.1, "inertia": inertia, "gradient_weight": 1.0 if heavy else 1 - inertia}
    found = theory.discrete_stationary_variance(lr=0.5, **rule)
    assert found == pytest.approx(theory.discrete_msd(10**6, lr=0.5, **rule), rel=1e-12)
    small = theory.discrete_stationary_variance(lr=1e-9, **rule)
    assert theory.stationary_variance(lr=1e-9, **rule) == pytest.approx(small, rel=1e-8)
    if inertia == 0:
        assert found == pytest.approx(0.5 * 0.1 / (0.7 * (2 - 0.5 * 0.7)), rel=1e-12)


def test_stationary_variance_is_the_limit_of_the_sde():
    """D/(gamma M H), with D = lr C/2."""
    lr, c, h, beta = 0.5, 0.1, 0.7, 0.9
    known = {"hessian": h, "diffusion": lr / 2 * c, "mass": lr, "damping": (1 - beta) / lr}
    limit = theory.momentum_msd_exact(1e3, **known, start="rest")
    found = theory.stationary_variance(hessian=h, noise_variance=c, lr=lr, inertia=beta, gradient_weight=1.0)
    assert found == pytest.approx(limit, rel=1e-12)


def test_equilibrium_velocity_is_what_the_velocity_tends_to():
    """At a minimum the SDE's; without curvature the recursion's, but for (1 + beta)/2."""
    lr, c, beta = 0.5, 0.1, 0.9
    known = {"diffusion": lr / 2 * c, "mass": lr, "damping": (1 - beta) / lr}
    found = theory.equilibrium_velocity_variance(**known)
    assert found == pytest.approx(theory.momentum_velocity_variance(1e3, hessian=0.7, **known, start="rest"), rel=1e-12)
    rule = {"hessian": 0.0, "noise_variance": c, "lr": lr, "inertia": beta, "gradient_weight": 1.0}
    discrete = theory.discrete_velocity_variance(1000, **rule)
    assert found / discrete == pytest.approx((1 + beta) / 2, rel=1e-9)


@pytest.mark.parametrize("rule", [MOMENTUM, HEAVY, SGD], ids=["ema", "heavy-ball", "sgd"])
@pytest.mark.parametrize("start", ["rest", "thermal"])
def test_recursion_tends_to_the_sde_with_weak_order_one(rule, start):
    """By slope and by limit, at 1 and 30 iterations."""
    t = 0.05 * np.array([1, 30])
    d = 0.05 / 2 * 0.1
    if rule is SGD:
        exact = theory.sgd_msd_exact(t, hessian=rule["hessian"], diffusion=d)
    else:
        mass, damping = 0.05 / rule["gradient_weight"], 0.1 / 0.05
        exact = theory.momentum_msd_exact(
            t, hessian=rule["hessian"], diffusion=d, mass=mass, damping=damping, start=start
        )
    counts = 2 ** np.arange(6, 12)
    found = np.array([theory.discrete_msd([1, 30], **rule, substeps=int(n), start=start) for n in counts])
    slopes = np.diff(np.log2(np.abs(found / exact - 1)), axis=0)
    np.testing.assert_allclose(slopes, -1, atol=0.05)
    limit = 2 * found[-1] - found[-2]
    np.testing.assert_allclose(limit, exact, rtol=1e-5)


RATIOS = {"rest": (0.036, 0.168, 0.821, 0.981), "thermal": (0.130, 0.319, 0.862, 0.985)}


@pytest.mark.parametrize("start", RATIOS)
def test_discrete_optimizer_over_theorem_2(start):
    """beta1 = 0.9, lr = 0.01, B = 10, H = -0.001, at 0.3, 1, 10 and 100 times 1/(1 - beta1)."""
    t = np.array([3, 10, 100, 1000])
    rule = {"hessian": -0.001, "noise_variance": 1e-4, "lr": 0.01, "inertia": 0.9, "gradient_weight": 0.1}
    stated = theory.momentum_msd(0.01 * t, hessian=-0.001, diffusion=5e-7, mass=0.1, damping=10.0)
    np.testing.assert_allclose(theory.discrete_msd(t, **rule, start=start) / stated, RATIOS[start], atol=5.1e-4)


def test_overflow_is_infinite_and_silent():
    found = theory.discrete_msd([10, 10**9], **(SGD | {"hessian": -1.0}))
    assert np.isfinite(found[0])
    assert np.isinf(found[1])


BAD = [
    (lambda: theory.discrete_msd(1.5, **SGD), "iterations = 1.5 must be whole numbers"),
    (lambda: theory.discrete_msd(-1, **SGD), "iterations = -1"),
    (lambda: theory.discrete_msd(1e15, **SGD, substeps=100), "iterations times substeps = 1e.17 must be at most"),
    (lambda: theory.discrete_msd(1, **(SGD | {"inertia": 1.0})), r"inertia = 1.0 must lie in \[0, 1\)"),
    (lambda: theory.discrete_msd(1, **(SGD | {"lr": 0.0})), "lr = 0.0 must be above 0"),
    (lambda: theory.discrete_msd(1, **(SGD | {"noise_variance": -1.0})), "noise_variance = -1.0"),
    (lambda: theory.discrete_msd(1, **SGD, substeps=0), "substeps = 0 must be a whole number >= 1"),
    (lambda: theory.discrete_msd(3, **SGD, substeps=[1, 2]), "substeps has 2 entries for 3 iterations"),
    (lambda: theory.discrete_msd(1, **SGD, start="warm"), "start = 'warm' is unknown"),
    (lambda: theory.discrete_velocity_variance(1, **SGD), "inertia = 0.0 must be above 0"),
    (lambda: theory.stationary_variance(**SGD), "hessian = -0.02 must be above 0"),
    (
        lambda: theory.discrete_stationary_variance(**(SGD | {"hessian": 40.0})),
        "lr = 0.05 is unstable at hessian = 40.0; use lr beta3 H below",
    ),
    (
        lambda: theory.bias_corrected_msd(1.5, hessian=0.0, noise_variance=1.0, lr=1.0, inertia=0.0),
        "iterations = 1.5 must be whole numbers",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_names_parameter_value_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()
