"""Exact mean exits of signSGD: against linear solves, 30-digit recursions, and paths."""

import mpmath as mp
import numpy as np
import pytest
from conftest import SUITE_RATE
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr

import theory

LR = 0.2


def slope(x):
    """Of a well at 0 with a saddle at 1.3 and a flat place at -1.7."""
    return np.where(x > -1.7, x * (x + 1.7) * (1.3 - x), x + 1.7)


def deviation(x):
    return 3 + 1.2 * np.tanh(x)


def solved(positions, start, reflects, gradient=slope):
    """Mean steps by a dense linear system: out at both ends, or staying at the first position."""
    down = ndtr(gradient(positions) / (deviation(positions) if gradient is slope else 1))
    n = len(positions)
    matrix = np.eye(n) - np.diag(down[1:], -1) - np.diag((1 - down)[:-1], 1)
    if reflects:
        matrix[0, 0] -= down[0]
    return np.linalg.solve(matrix, np.ones(n))[start]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.floats(-1.2, 0.9), st.floats(0.04, 0.3))
def test_one_end_with_a_wall_and_two_ends_against_a_dense_solve(start, lr):
    """From anywhere, so that the ends are off the lattice; the mirrored problem has the same time."""
    low, high = -2.0123, 1.4567
    k = np.arange(int(-((start - low) // lr)), int((high - start) // lr) + 1)
    positions = start + lr * k
    here = int(np.flatnonzero(k == 0)[0])
    wall = theory.sign_exit_time(slope, deviation, lr=lr, start=start, boundary=high, reflecting=low)
    assert wall == pytest.approx(solved(positions, here, True), rel=1e-9)
    both = theory.sign_exit_time(slope, deviation, lr=lr, start=start, boundary=(low, high))
    assert both == pytest.approx(solved(positions, here, False), rel=1e-9)
    mirrored = theory.sign_exit_time(
        lambda x: -slope(-x), lambda x: deviation(-x), lr=lr, start=-start, boundary=-high, reflecting=-low
    )
    assert mirrored == pytest.approx(wall, rel=1e-12)


def test_without_drift_it_is_the_gamblers_ruin():
    """``k_low k_high`` steps between two ends, and ``k (k + 1)`` from a wall."""
    known = {"lr": 0.1, "start": 0.0}
    assert theory.sign_exit_time(lambda x: 0 * x, 1.0, **known, boundary=(-0.25, 0.45)) == pytest.approx(3 * 5)
    assert theory.sign_exit_time(lambda x: 0 * x, 1.0, **known, boundary=0.45, reflecting=0.0) == pytest.approx(5 * 6)


def test_open_side_is_as_far_as_it_matters_and_one_open_end_of_two_is_one_end():
    known = {"lr": LR, "start": 0.0}
    opened = theory.sign_exit_time(slope, deviation, **known, boundary=1.36)
    assert opened == pytest.approx(
        theory.sign_exit_time(slope, deviation, **known, boundary=1.36, reflecting=-30.0), rel=1e-12
    )
    assert theory.sign_exit_time(slope, deviation, **known, boundary=(None, 1.36)) == opened
    assert theory.sign_exit_time(slope, deviation, **known, boundary=1.36, reflecting=-0.4) < 0.95 * opened


def test_an_exponent_of_hundreds_keeps_its_relative_precision_and_beyond_float64_it_is_infinite():
    """``h_k = (1 + d_k h_(k-1))/u_k`` in 30 digits; and down from a hilltop e^1000 times less visited than the ends."""

    def steep(x):
        return 3 * x * (x + 1.7) * (1.3 - x)

    known = {"lr": 0.005, "start": 0.0, "reflecting": -1.0}
    found = theory.sign_exit_time(steep, 1.6, **known, boundary=1.3021)
    with mp.workdps(30):
        total, h = mp.mpf(0), mp.mpf(0)
        for k in range(-200, 261):
            z = mp.mpf(float(steep(k * 0.005)) / 1.6)
            h = (1 + (mp.ncdf(z) * h if k > -200 else 0)) / mp.ncdf(-z) if k > -200 else 1 / mp.ncdf(-z)
            total += h if k >= 0 else 0
    assert 1e200 < found < 1e300
    assert found == pytest.approx(float(total), rel=1e-11)
    assert theory.sign_exit_time(steep, 0.2, **known, boundary=1.3021) == np.inf
    down = theory.sign_exit_time(lambda x: -10 * x, 1.0, lr=0.05, start=0.0, boundary=(-3.01, 3.01))
    assert down == pytest.approx(solved(0.05 * np.arange(-60, 61), 60, False, lambda x: -10 * x), rel=1e-11)


def exits(replicas, rng, low, high):
    """Steps until signSGD is beyond an end, of each replica."""
    x, left = np.zeros(replicas), np.zeros(replicas, dtype=int)
    inside = np.arange(replicas)
    while inside.size:
        x[inside] -= LR * np.sign(slope(x[inside]) + deviation(x[inside]) * rng.standard_normal(inside.size))
        left[inside] += 1
        inside = inside[(x[inside] > low) & (x[inside] < high)]
    return left


@pytest.mark.parametrize("low", [-np.inf, -1.16])
def test_paths_of_noisy_signs_agree_and_those_to_one_position_farther_do_not(low):
    """4000 exits at the suite's false-positive rate; the Ito SDE with the steps' mean and variance is rejected too."""
    steps = exits(4000, np.random.default_rng(3), low, 1.36)
    error, bound = np.std(steps) / np.sqrt(len(steps)), stats.norm.isf(SUITE_RATE / 2)

    def distance(high, far):
        ends = high if far == -np.inf else (far, high)
        return abs(np.mean(steps) - theory.sign_exit_time(slope, deviation, lr=LR, start=0.0, boundary=ends)) / error

    assert distance(1.36, low) < bound
    assert distance(1.56, low) > bound
    ends = 1.36 if low == -np.inf else (low, 1.36)
    sde = theory.first_passage_time(
        lambda x: LR * (2 * ndtr(slope(x) / deviation(x)) - 1), LR**2 / 2, start=0.0, boundary=ends
    )
    assert abs(np.mean(steps) - sde) > bound * error


def test_exponent_is_the_limit_of_small_steps_and_of_the_log_time():
    """From log times at two learning rates, the prefactor being 1/lr; sqrt(2/pi) of RMSprop's in strong noise."""
    times = [
        np.log(theory.sign_exit_time(slope, deviation, lr=lr, start=0.0, boundary=1.5 + 0.123 * lr) * lr)
        for lr in (1 / 256, 1 / 512)
    ]
    exponent = theory.sign_exponent(slope, deviation, lr=1 / 256, minimum=0.0, saddle=1.3)
    assert times[1] - times[0] == pytest.approx(exponent, rel=0.002)
    assert theory.sign_exponent(
        lambda x: -slope(-x), lambda x: deviation(-x), lr=1 / 256, minimum=0.0, saddle=-1.3
    ) == pytest.approx(exponent, rel=1e-12)
    noisy = theory.sign_exponent(slope, 1e3, lr=0.1, minimum=0.0, saddle=1.3)
    rmsprop = 2 / 0.1 * (1.7 * 1.3 * 1.3**2 / 2 - 0.4 * 1.3**3 / 3 - 1.3**4 / 4) / 1e3
    assert noisy / rmsprop == pytest.approx(np.sqrt(2 / np.pi), rel=1e-6)


def test_sharpness_enters_by_the_root_of_it_times_the_learning_rate():
    """f(sqrt(k) x) under noise of variance in proportion to k: chances are the same at each step of the lattice."""
    k = 2.7

    def sharp(lr):
        return theory.sign_exit_time(
            lambda x: np.sqrt(k) * slope(np.sqrt(k) * x),
            lambda x: np.sqrt(k) * deviation(np.sqrt(k) * x),
            lr=lr,
            start=0.0,
            boundary=1.36 / np.sqrt(k),
        )

    assert sharp(LR / np.sqrt(k)) == pytest.approx(
        theory.sign_exit_time(slope, deviation, lr=LR, start=0.0, boundary=1.36), rel=1e-10
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": 0.0}, "lr = 0.0 must be above 0"),
        ({"boundary": 1.4}, r"boundary = 1.4 is 7 steps of lr = 0.2 from start = 0.0.* half a step \(0.1\)"),
        ({"boundary": 1e9 / 3}, "lr = 0.2 takes more than 1048576 steps"),
        ({"boundary": (0.5, 1.36)}, "start = 0.0 is not between the ends"),
        ({"boundary": (-0.55, 1.36), "reflecting": -2.0}, "reflecting = -2.0 has no place beside boundary"),
        ({"reflecting": 0.5}, "reflecting = 0.5 must be on the side of start = 0.0 away from the boundary"),
        ({"deviation": 0.0}, "deviation = 0.0 must be above 0"),
        ({"deviation": lambda x: 1 - x}, "deviation = 0 at x = 1 must be above 0 on the path"),
        ({"gradient": lambda x: np.where(x > 1, np.nan, x)}, "gradient = nan at x = 1.2 must be finite on the path"),
        ({"gradient": lambda x: x**2}, "does not confine the path"),
    ],
)
def test_bad_input(arguments, message):
    known = {"gradient": slope, "deviation": deviation, "lr": LR, "start": 0.0, "boundary": 1.36}
    with pytest.raises(ValueError, match=message):
        theory.sign_exit_time(**known | arguments)


def test_exponent_needs_a_way():
    with pytest.raises(ValueError, match=r"minimum = 1.0 is the saddle too"):
        theory.sign_exponent(slope, deviation, lr=0.1, minimum=1.0, saddle=1.0)
