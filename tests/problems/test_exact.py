"""The exact rate of an optimizer along one coordinate."""

import numpy as np
import pytest

import theory
from diffusion import (
    Adai,
    Adam,
    DoubleParabola,
    HessianNoise,
    Momentum,
    RMSprop,
)
from experiments.problems.exact import GRID, QUADRATURE, Motion, exact_rate

WELL, NOISE = DoubleParabola(0.5, 1.0, 4.0, 1), HessianNoise(2, "piecewise")


def test_rmsprop_that_follows_has_an_exact_rate_and_it_is_that_of_its_own_potential():
    dynamics, lr = RMSprop(0.4, second_moment="following"), 0.4
    rate, error = exact_rate(dynamics, WELL, NOISE, start=0.0, boundary=WELL.saddle)
    motion = Motion(dynamics, WELL, NOISE)

    def slope(x):
        return WELL.gradient(x[..., None])[..., 0] / np.sqrt(np.where(x < WELL.join, 1.0, 4.0) / 2)

    time = theory.first_passage_time(slope, lr / 2, start=0.0, boundary=WELL.saddle, breaks=[WELL.join])
    assert rate == pytest.approx(lr / time, rel=1e-9)
    assert 0 < error < 1e-5 * rate
    frozen = exact_rate(RMSprop(lr), WELL, NOISE, start=0.0, boundary=WELL.saddle)[0]  # the negative control
    assert abs(rate / frozen - 1) > 0.05
    assert motion.passage(0.0, WELL.saddle).method == QUADRATURE


def test_a_passage_in_iterations_is_one_over_its_rate():
    passage = Motion(Adai(0.3), WELL, NOISE).passage(0.0, WELL.saddle, 5e-3)
    assert passage.method == GRID
    assert passage.rate * passage.iterations == pytest.approx(1, rel=1e-14)
    assert passage.time == pytest.approx(0.3 * passage.iterations, rel=1e-14)
    assert 0 < passage.error < 5e-3


@pytest.mark.parametrize(
    ("dynamics", "dimension", "message"),
    [
        (Adam(0.1, second_moment="running"), 1, "it needs an idealized rule and a separable loss"),
        (Momentum(0.1), 2, "in 2 coordinates; use dimension = 1, or a rare_escape_rate"),
    ],
)
def test_what_has_no_exact_rate_says_why(dynamics, dimension, message):
    well = DoubleParabola(0.5, 1.0, 4.0, dimension)
    with pytest.raises(ValueError, match=message):
        exact_rate(dynamics, well, NOISE, start=0.0, boundary=WELL.saddle)
