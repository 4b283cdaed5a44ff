"""What an optimizer does along one coordinate: the landscape that Adam sees, temperatures, and mean first passages."""

import numpy as np
import pytest

import theory
from diffusion import (
    SGD,
    Adai,
    Adam,
    DoubleParabola,
    HessianNoise,
    MinibatchNoise,
    Momentum,
    RMSprop,
    StyblinskiTang,
    fokker_planck,
)
from experiments.problems.exact import GRID, QUADRATURE, Motion, Normalized, exact_rate
from experiments.problems.wells import settings


@pytest.mark.parametrize("key", ["parabolas-piecewise", "tang-piecewise", "tang-frozen"])
def test_normalized_loss_and_gradient_belong_together(key):
    """Central differences of the loss, also across a switch, where the slope jumps and the loss does not."""
    setting, k = settings()[key], 2.0
    lr = setting.lr["Adam"]
    seen = Normalized(setting.landscape(1, k), setting.noise, lr)
    (start, saddle), switches = setting.positions(k), np.array(setting.breaks(k))
    x = np.linspace(1.5 * start - 0.5 * saddle, 2 * saddle - start, 400)
    x = np.sort(np.concatenate([x, *(switches + side * 1e-3 * abs(saddle - start) for side in (-1, 1))]))
    h = 1e-6 * abs(saddle - start)
    slopes = (seen.loss((x + h)[:, None]) - seen.loss((x - h)[:, None])) / (2 * h)
    gradient = seen.gradient(x[:, None])[:, 0]
    clear = np.abs(x[:, None] - switches).min(axis=1) > 2 * h
    np.testing.assert_allclose(slopes[clear], gradient[clear], atol=1e-6 * np.abs(gradient).max())
    np.testing.assert_allclose(gradient, lr * setting.gradient(k)(x) / np.sqrt(setting.variance(k)(x)), rtol=1e-12)
    across = seen.loss((switches + h)[:, None]) - seen.loss((switches - h)[:, None])
    assert np.all(np.abs(across) <= 2.01 * h * np.abs(gradient).max())
    curvature = (seen.gradient((x + h)[:, None]) - seen.gradient((x - h)[:, None]))[clear, 0] / (2 * h)
    np.testing.assert_allclose(
        seen.hessian_diagonal(x[:, None])[clear, 0], curvature, atol=1e-5 * np.abs(curvature).max()
    )


@pytest.mark.parametrize("key", ["parabolas-piecewise", "tang-piecewise"])
def test_without_inertia_the_grid_and_the_quadrature_agree_on_it(key):
    """RMSprop's SDE with a second moment that follows."""
    setting, k = settings()[key], 4.0
    (start, saddle), lr = setting.positions(k), setting.lr["Adam"]
    seen, where = (
        Normalized(setting.landscape(1, k), setting.noise, lr),
        {"start": start, "boundary": saddle, "breaks": setting.breaks(k)},
    )
    grid = float(fokker_planck.mean_first_passage_time(seen, diffusion=lr**2 / 2, **where)["mfpt"])
    pull, variance = setting.gradient(k), setting.variance(k)
    exact = theory.first_passage_time(lambda x: lr * pull(x) / np.sqrt(variance(x)), lr**2 / 2, **where)
    assert grid == pytest.approx(exact, rel=1e-5)
    frozen = theory.first_passage_time(  # the negative control: a second moment that does not follow
        lambda x: lr * pull(x) / np.sqrt(variance(np.full_like(x, start))), lr**2 / 2, **where
    )
    assert abs(grid / frozen - 1) > 0.1


def test_only_noise_that_is_constant_in_each_piece_can_be_divided_out():
    landscape = StyblinskiTang(1, data_variance=1.5)
    with pytest.raises(ValueError, match="varies between the joins"):
        Normalized(landscape, MinibatchNoise(10), 0.1)
    with pytest.raises(ValueError, match="varies between the joins"):
        Motion(Adam(0.1, second_moment="following"), landscape, MinibatchNoise(10)).passage(1.657, 0.3718)


# --- motions

WELL, NOISE = DoubleParabola(0.5, 1.0, 4.0, 1), HessianNoise(2, "piecewise")


@pytest.mark.parametrize(
    ("dynamics", "temperature"),
    [
        (SGD(0.3), 0.3 / 2 * 2),  # lr C/2 at the saddle, where C = 4/B
        (Momentum(0.3, 0.9), 0.3 / 2 * 2),
        (Momentum(0.3, 0.9, "heavy-ball"), 3.0 / 2 * 2),
        (Adai(0.3), 0.3 / 2 * 2),
        (Adam(0.3, 0.9, second_moment="following"), 0.3 / 2 * np.sqrt(2)),
        (RMSprop(0.3, second_moment="following"), 0.3 / 2 * np.sqrt(2)),
        (Adam(0.3, 0.9, second_moment="frozen"), 0.3 / np.sqrt(0.5) / 2 * 2),  # v stays at 1/B
    ],
    ids=repr,
)
def test_temperature_at_the_saddle(dynamics, temperature):
    """In units of the loss: the noise over the friction of each rule, written out."""
    assert Motion(dynamics, WELL, NOISE).temperature(WELL.saddle) == pytest.approx(temperature, rel=1e-12)


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
