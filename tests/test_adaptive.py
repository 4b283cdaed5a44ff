"""Learning rates that go like v^-q: exponents and low-temperature times, resting levels, and decoupled weight decay."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats
from scipy.integrate import quad

import theory

WELL = {"barrier": 1.0, "hessian_minimum": 1.0, "hessian_saddle": 4.0, "batch_size": 3.0, "split": 0.8}
JOIN = np.sqrt(2 * 0.8)
SADDLE = 1.25 * JOIN


def slope(x):
    return np.where(x < JOIN, x, -4 * (x - SADDLE))


def variance(x):
    return np.where(x < JOIN, 1.0, 4.0) / 3


def exact(lr, power, convention="ito", **more):
    """Mean iterations to the saddle, by quadrature."""
    motion = theory.following_motion(slope, variance, lr=lr, power=power, **more)
    return theory.first_passage_time(*motion, start=0.0, boundary=SADDLE, convention=convention, breaks=[JOIN])


@pytest.mark.parametrize("power", [0.0, 0.125, 0.5, 0.8])
def test_exponent_is_the_integral_of_slope_over_temperature(power):
    drift, diffusion = theory.following_motion(slope, variance, lr=0.1, power=power)
    psi = quad(lambda x: drift(x) / diffusion(x), 0, JOIN)[0] + quad(lambda x: drift(x) / diffusion(x), JOIN, SADDLE)[0]
    assert theory.escape_exponent(**WELL, lr=0.1, power=power) == pytest.approx(psi, rel=1e-12)


@pytest.mark.parametrize("convention", ["ito", "stratonovich", "isothermal"])
@pytest.mark.parametrize("power", [0.0, 0.125, 0.5, 0.8])
def test_low_temperature_time_is_the_limit_of_the_quadrature_for_every_power(power, convention):
    """Like the root of the temperature; the prefactor of another power would be off by a factor from 1.08 on."""
    off = []
    for psi in (100.0, 400.0):
        lr = float(theory.escape_exponent(**WELL, lr=1.0, power=power)) / psi
        limit = theory.low_temperature_escape_time(
            **WELL, lr=lr, power=power, convention=convention, arrival="at saddle", clock="iteration"
        )
        off.append(abs(exact(lr, power, convention) / float(limit) - 1))
    assert off[1] < 0.02
    assert off[1] < 0.6 * off[0]


def test_at_one_half_it_is_proposition_2_without_inertia_in_every_convention():
    adam = theory.adam_escape_time(**WELL, lr=0.1, beta1=0.0, clock="iteration")
    for convention in ("ito", "stratonovich", "isothermal"):
        found = theory.low_temperature_escape_time(**WELL, lr=0.1, power=0.5, convention=convention, clock="iteration")
        assert found == pytest.approx(adam, rel=1e-12)


@pytest.mark.parametrize("power", [0.0, 0.125, 0.5, 0.8])
def test_log_rate_per_iteration_falls_with_sharpness_as_one_minus_the_power(power):
    """f(sqrt(k) x): ``-log rate + (1-q) log k`` is a k^-(1-q) + c; of the batch, rates are lr B^q F(lr/B^(1-q))."""
    k = np.array([0.5, 1.0, 2.0, 7.0])
    sharp = WELL | {"hessian_minimum": k, "hessian_saddle": 4 * k}
    time = theory.low_temperature_escape_time(**sharp, lr=0.5, power=power, clock="iteration")
    line = np.log(time) + (1 - power) * np.log(k)
    slopes = np.diff(line) / np.diff(k ** -(1 - power))
    np.testing.assert_allclose(slopes, theory.escape_exponent(**WELL, lr=0.5, power=power), rtol=1e-11)
    larger = WELL | {"batch_size": 2 * 3.0}
    known = {"power": power, "clock": "iteration"}
    twice = theory.low_temperature_escape_time(**larger, lr=0.5 * 2 ** (1 - power), **known)
    once = theory.low_temperature_escape_time(**WELL, lr=0.5, **known)
    # rate = lr B^q F(lr/B^(1-q)): here lr B^q doubles
    assert once / twice == pytest.approx(2, rel=1e-12)


def test_a_level_of_the_second_moment_divides_the_learning_rate_by_its_power():
    level, q = 2.3, 0.125
    motion = theory.following_motion(slope, lambda x: level * variance(x), lr=0.3, power=q)
    scaled = theory.following_motion(slope, variance, lr=0.3 / level**q, power=q)
    x = np.linspace(-1, 2, 7)
    np.testing.assert_allclose(motion[0](x), scaled[0](x), rtol=1e-13)
    np.testing.assert_allclose(motion[1](x) / level, scaled[1](x), rtol=1e-13)  # the noise itself is not multiplied
    raised = theory.escape_exponent(**WELL, lr=0.3 / level**q, power=q)
    assert raised == pytest.approx(level**q * theory.escape_exponent(**WELL, lr=0.3, power=q), rel=1e-13)


# --- where the second moment rests


def yogi(rng, replicas, beta2):
    """Second moments of Yogi under normal gradients of variance 2, in units of it: each replica's mean over time."""
    v, total = np.full(replicas, 2.0), 0.0
    for iteration in range(4000):
        square = 2 * rng.standard_normal(replicas) ** 2
        v -= (1 - beta2) * np.sign(v - square) * square
        total = total + v * (iteration >= 2000)
    return total / 2000 / 2


def adabelief(rng, replicas, beta1):
    """Means of (g - m)^2 in units of the variance, under normal gradients of variance 2 about 0.7."""
    m, total, lasting = np.full(replicas, 0.7), 0.0, int(20 / (1 - beta1))
    for iteration in range(lasting + 1000):
        g = 0.7 + np.sqrt(2) * rng.standard_normal(replicas)
        m = beta1 * m + (1 - beta1) * g
        total = total + (g - m) ** 2 * (iteration >= lasting)
    return total / 1000 / 2


def distance(sample, expected):
    """In standard errors."""
    return abs(np.mean(sample) - expected) / (np.std(sample, ddof=1) / np.sqrt(len(sample)))


BOUND = stats.t.isf(SUITE_RATE / 2, 399)


def test_yogi_rests_at_the_median_of_chi_squared_with_three_degrees_of_freedom():
    """400 replicas at the suite's false-positive rate, at beta2 = 0.99, where the mean is 0.58 (1 - beta2) above.

    The mean gradient square's, C, and the median of the gradient's square, with one degree of freedom, are rejected.
    """
    level = float(theory.resting_second_moment("yogi"))
    assert level == pytest.approx(2.36597, abs=1e-5)
    assert np.sqrt(level) == pytest.approx(1.538, abs=5e-4)
    density = stats.chi2.pdf(level, 3)
    # drift 1 - 2 F and E g^4 = 3 give the variance 3/(4 f); the drift's curvature moves the mean by -f'/(2 f) of it
    shift = -(0.5 / level - 0.5) / 2 * 3 / (4 * density)
    assert shift == pytest.approx(0.58, abs=0.01)
    sample = yogi(np.random.default_rng(1), 400, 0.99)
    assert distance(sample, level + 0.01 * shift) < BOUND
    assert distance(sample, 1.0) > 10 * BOUND
    assert distance(sample, stats.chi2.median(1)) > 10 * BOUND


@pytest.mark.parametrize("beta1", [0.3, 0.9, 0.99])
def test_adabelief_rests_at_the_variance_about_an_average_that_includes_the_gradient(beta1):
    """400 replicas at the suite's false-positive rate; that about the average before it is rejected."""
    level = float(theory.resting_second_moment("adabelief", beta1=beta1))
    sample = adabelief(np.random.default_rng(2), 400, beta1)
    assert distance(sample, level) < BOUND
    assert distance(sample, level / beta1**2) > BOUND
    assert theory.resting_second_moment("adabelief", beta1=0.9) == pytest.approx(0.8526, abs=1e-4)


# --- decoupled weight decay


def test_decoupled_weight_decay_tilts_the_potential_which_coupled_decay_does_not():
    """Kramers' time in ``int L'/sqrt(C) + lambda x^2/2`` is the quadrature's at psi = 340; coupled is rejected."""
    decay, lr = 0.1, 0.01
    steep_a, steep_b = np.sqrt(3.0), 2 * np.sqrt(3.0)
    saddle = steep_b * SADDLE / (steep_b - decay)
    height = (steep_a * JOIN**2 + steep_b * (SADDLE - JOIN) ** 2) / 2
    height += decay * saddle**2 / 2 - steep_b * (saddle - SADDLE) ** 2 / 2
    curvatures = {"hessian_minimum": steep_a + decay, "hessian_saddle": steep_b - decay}
    limit = theory.kramers_escape_time(barrier=height, temperature=lr / 2, mass=1.0, damping=1e9, **curvatures)
    limit = limit / 1e9 / lr / 2
    where = {"start": 0.0, "boundary": saddle, "breaks": [JOIN]}
    decoupled = theory.following_motion(slope, variance, lr=lr, power=0.5, weight_decay=decay)
    coupled = theory.following_motion(lambda x: slope(x) + decay * x, variance, lr=lr, power=0.5)
    assert theory.first_passage_time(*decoupled, **where) == pytest.approx(limit, rel=0.01)
    assert theory.first_passage_time(*coupled, **where) > 100 * limit
    assert exact(0.1, 0.5, weight_decay=decay) > 3 * exact(0.1, 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.escape_exponent(**WELL, lr=0.1, power=-0.5), "power = -0.5 must be 0 or above"),
        (lambda: theory.resting_second_moment("lion"), "rule = 'lion' is unknown; use one of 'mean', 'yogi'"),
        (lambda: theory.resting_second_moment("adabelief", beta1=0.0), "beta1 = 0.0 makes m the gradient itself"),
        (lambda: theory.following_motion(1.0, 1.0, lr=0.1, power=0.5), "gradient = 1.0 must be a function"),
        (lambda: theory.following_motion(slope, 0.0, lr=0.1, power=0.5), "variance = 0.0 must be above 0"),
        (lambda: theory.following_motion(slope, 1.0, lr=0.1, power=-1.0), "power = -1.0 must be 0 or above"),
        (lambda: theory.following_motion(slope, 1.0, lr=0.1, power=0.5, weight_decay=-1.0), "decay = -1.0 must be 0"),
        (
            lambda: theory.first_passage_time(
                *theory.following_motion(slope, lambda x: 1 - x, lr=0.1, power=0.5), start=0.0, boundary=SADDLE
            ),
            "variance = .* must be above 0 wherever the path goes",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
