"""Tails of multiplicative noise, exits of stable processes, and exits under noise that grows with the loss."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import gamma

import theory


@pytest.mark.parametrize(("lr", "value"), [(0.1, 21.8634), (0.5, 5.5506), (1.0, 2.0)])
def test_tail_exponent_as_published_and_by_quadrature(lr, value):
    found = theory.tail_exponent(1.0, lr, 1.0)
    assert found == pytest.approx(value, abs=6e-5)
    moment = quad(lambda z: abs(1 - lr + lr * z) ** found * stats.norm.pdf(z), -np.inf, np.inf, epsabs=1e-9)[0]
    assert moment == pytest.approx(1, rel=1e-5)


def test_tail_exponent_for_small_learning_rates_is_that_of_the_sde():
    """1 + 2 H/(lr s^2), and continuous where one way of computing hands over to the other, at a deviation of 1/20."""
    assert theory.tail_exponent(1.0, 1e-5, 1.0) == pytest.approx(1 + 2e5, rel=1e-4)
    below, above = (theory.tail_exponent(1.0, 0.1, 0.45 * (1 + side)) for side in (-1e-9, 1e-9))
    assert above == pytest.approx(below, rel=1e-7)
    some, less = (theory.tail_exponent(1.0, 0.1, deviation) for deviation in (1e-8, 1e-60))  # as its square
    assert less == pytest.approx(some * 1e104, rel=1e-10)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.5])
def test_stable_exit_time_solves_the_fractional_equation_at_the_centre(alpha):
    """The generator of the process, a singular integral, takes the mean time to -1."""
    radius = 1.7
    centre = theory.stable_exit_time(0.0, radius=radius, alpha=alpha).item()
    constant = alpha * 2 ** (alpha - 1) * gamma((1 + alpha) / 2) / np.sqrt(np.pi) / gamma(1 - alpha / 2)

    def jump(y):
        return (centre - theory.stable_exit_time(y, radius=radius, alpha=alpha).item()) / y ** (1 + alpha)

    near = centre * alpha / (2 * radius**2) * 0.01 ** (2 - alpha) / (2 - alpha)  # where the time is a parabola
    inside, beyond = quad(jump, 0.01, radius, limit=200)[0], centre * radius**-alpha / alpha
    assert 2 * constant * (near + inside + beyond) == pytest.approx(1, rel=1e-4)


def test_stable_exit_time_of_brownian_motion():
    x = np.array([0.0, 0.5, -1.0])
    np.testing.assert_allclose(theory.stable_exit_time(x, radius=1.0, alpha=2.0), (1 - x**2) / 2, rtol=1e-15)


@pytest.mark.parametrize(("lr", "value"), [(0.1, 2290.83), (0.05, 2.29172e6)])
def test_exits_under_noise_that_grows_with_the_loss(lr, value):
    """L = 1 + double parabola of barrier 1, curvatures 1 and 4, D = lr L: a power of the loss."""
    join = np.sqrt(2 / 1.25)
    saddle = 1.25 * join

    def loss(x):
        return 1 + np.where(x < join, x**2 / 2, 1 - 2 * (x - saddle) ** 2)

    found = theory.first_passage_time(
        lambda x: np.where(x < join, x, 4 * (saddle - x)),
        lambda x: lr * loss(x),
        start=0.0,
        boundary=saddle,
        breaks=[join],
    )
    assert found == pytest.approx(value, rel=3e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.tail_exponent(1.0, 1.0, 3.0), "deviation = 3.0 leaves no stationary law"),
        (lambda: theory.tail_exponent(1e300, 1.0, 1.0), r"lr hessian = 1e\+300 must lie between"),
        (lambda: theory.tail_exponent(1.0, 1.0, 1e-300), "lr deviation = 1e-300 must lie between"),
        (lambda: theory.stable_exit_time(2.0, radius=1.0, alpha=1.0), "start = 2.0 is outside radius = 1.0"),
        (lambda: theory.stable_exit_time(0.0, radius=1.0, alpha=3.0), "alpha = 3.0 must lie in"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
