"""The chain with steps of any law: closed forms, the limit of large deviations, and paths of numpy."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import theory

BATCH = 8


def gamma(z, shape=BATCH):
    """Density of the mean of exponential draws, standardised."""
    return np.sqrt(shape) * stats.gamma(shape).pdf(shape + np.sqrt(shape) * z)


LAWS = {  # density, where it jumps, action per B/lr, slope
    "jumps along the way": (lambda z, x: gamma(-z), [np.sqrt(BATCH)], 0.215806, 0.9922),
    "normal": (None, [], 0.3125, 0.9999),
    "jumps against the way": (lambda z, x: gamma(z), [-np.sqrt(BATCH)], 0.561129, 1.0227),
}
SADDLE, JOIN = 0.625, 0.5


def pull(x):
    return np.where(x < JOIN, x, 4 * (SADDLE - x))


def chain(lr, law, law_breaks=(), **more):
    where = {"start": 0.0, "boundary": SADDLE, "law": law, "law_breaks": law_breaks, "breaks": [JOIN]} | more
    return theory.discrete_first_passage_time(pull, BATCH**-0.5, lr=lr, **where)


@settings(max_examples=10)
@given(boundary=st.sampled_from([-0.45, -0.4, 0.4, 0.45]), side=st.sampled_from([-1, 1]))
def test_steps_that_forget_the_last_leave_with_the_tail_of_an_exponential(boundary, side):
    """lr = 1, H = 1: exits are geometric; the density jumps at one end."""
    found = theory.discrete_first_passage_time(
        lambda x: x,
        0.5,
        lr=1.0,
        start=0.0,
        boundary=boundary,
        law=lambda z, x: np.where(side * z > -1, np.exp(-np.maximum(side * z, -1) - 1), 0.0),
        law_breaks=[-side],
    )
    tail = np.exp(2 * boundary * side - 1)  # of z times the side
    assert found == pytest.approx(1 / (tail if boundary * side < 0 else 1 - tail), rel=1e-9)


def test_a_jump_may_move_with_position():
    """A deviation that depends on position, and a law that does in its place, are one chain."""

    def scale(x):
        return 1 + 0.3 * np.cos(3 * x)

    def exponential(z, x):
        return np.where(z > -1, np.exp(-np.maximum(z, -1) - 1), 0.0)

    where = {"lr": 0.4, "start": 0.0, "boundary": -0.5}
    plain = theory.discrete_first_passage_time(
        lambda x: x, lambda x: 0.5 * scale(x), law=exponential, law_breaks=[-1.0], **where
    )
    moved = theory.discrete_first_passage_time(
        lambda x: x,
        0.5,
        law=lambda z, x: exponential(z / scale(x), x) / scale(x),
        law_breaks=[lambda x: -scale(x)],
        **where,
    )
    assert moved == pytest.approx(plain, rel=1e-7)


def test_steps_that_end_steeply_keep_their_mass():
    """Of a gamma law of shape 1.5 the density rises like a square root; exits are rare, and geometric as lr H = 1."""
    shape, boundary = 1.5, -5.0
    found = theory.discrete_first_passage_time(
        lambda x: x,
        0.5,
        lr=1.0,
        start=0.0,
        boundary=boundary,
        law=lambda z, x: gamma(z, shape),
        law_breaks=[-np.sqrt(shape)],
        tolerance=1e-4,
    )
    assert found == pytest.approx(1 / stats.gamma(shape).sf(shape - np.sqrt(shape) * boundary / 0.5), rel=1e-4)


def test_a_normal_density_gives_what_no_law_gives():
    for more in ({}, {"substeps": 2}):
        assert chain(0.4, lambda z, x: stats.norm.pdf(z), **more) == pytest.approx(chain(0.4, None, **more), rel=1e-8)


@pytest.mark.parametrize("law", LAWS)
def test_slope_of_the_logarithm_is_the_action_s_but_for_one_or_two_percent(law):
    """Between 12 and 15 times lr/B, as published; Gaussian chain: 325752.3 in time, which is lr times iterations."""
    density, breaks, action, slope = LAWS[law]
    lrs = [BATCH * action / depth for depth in (12, 15)]
    times = [lr * chain(lr, density, breaks) for lr in lrs]
    assert np.log(times[1] / times[0]) / 3 == pytest.approx(slope, abs=1e-4)
    if density is None:
        assert times[0] == pytest.approx(325752.3, rel=1e-6)


def test_mirror_image():
    density, breaks, _, _ = LAWS["jumps along the way"]
    mirrored = theory.discrete_first_passage_time(
        lambda x: -pull(-x),
        BATCH**-0.5,
        lr=0.4,
        start=0.0,
        boundary=-SADDLE,
        breaks=[-JOIN],
        law=lambda z, x: density(-z, -x),
        law_breaks=[-breaks[0]],
    )
    assert mirrored == pytest.approx(chain(0.4, density, breaks), rel=1e-7)


def test_simulated_paths_agree_under_a_law_that_changes_with_position_and_a_normal_one_does_not():
    """20,000 paths, at the suite's false-positive rate: a gamma law whose skewness turns round at the origin."""
    lr, paths = 0.6, 20_000
    exact = chain(lr, lambda z, x: gamma(np.where(x > 0, -z, z)), [-np.sqrt(BATCH), np.sqrt(BATCH)], breaks=[0.0, JOIN])
    rng = np.random.default_rng(18)
    x, left = np.zeros(paths), np.zeros(paths)
    inside = np.arange(paths)
    while inside.size:
        z = (rng.gamma(BATCH, size=inside.size) - BATCH) / np.sqrt(BATCH) * np.where(x > 0, -1, 1)
        x = x - lr * (pull(x) + z * BATCH**-0.5)
        left[inside] += 1
        stays = x <= SADDLE
        inside, x = inside[stays], x[stays]

    def z_value(mean):
        return (left.mean() - mean) / (left.std() / np.sqrt(paths))

    assert abs(z_value(exact)) < stats.norm.isf(SUITE_RATE / 2) < abs(z_value(chain(lr, None)))


def test_tails_that_fall_like_a_power_need_no_far_side():
    """lr = 1, H = 1, Student's t with 3 degrees of freedom: steps may land anywhere below."""
    scale = np.sqrt(3)
    found = theory.discrete_first_passage_time(
        lambda x: x, 0.5, lr=1.0, start=0.0, boundary=0.7, law=lambda z, x: scale * stats.t(3).pdf(scale * z)
    )
    assert found == pytest.approx(1 / stats.t(3).sf(1.4 * scale), rel=1e-6)


def test_what_is_no_density_is_refused():
    with pytest.raises(ValueError, match="law has values that are below 0 or not finite"):
        chain(0.4, lambda z, x: np.sin(z))
