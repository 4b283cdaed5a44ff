"""The action of minibatch noise: closed forms, symmetries, laws without a path, and data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory

CUMULANTS = {  # of z, which pushes down: E - 1 or 1 - E with E exponential, and the normal
    "jumps along the way": lambda s, x: s - np.log1p(s),
    "normal": lambda s, x: s**2 / 2,
    "jumps against the way": lambda s, x: -s - np.log1p(-s),
}


def parabolas(slope):
    """L' of a double parabola of curvatures 1 and 4 whose steepest slope is given, and its saddle."""
    return lambda x: x if x < slope else 4 * (1.25 * slope - x), 1.25 * slope


@pytest.mark.parametrize(("law", "value"), [*zip(CUMULANTS, [0.215806, 0.312500, 0.561129], strict=True)])
def test_published_actions_of_skewed_and_normal_noise(law, value):
    gradient, saddle = parabolas(0.5)
    found = theory.minibatch_action(gradient, CUMULANTS[law], start=0.0, boundary=saddle)
    assert found == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("law", CUMULANTS)
def test_an_exit_downwards_is_the_mirror_image(law):
    gradient, saddle = parabolas(0.4)
    along = theory.minibatch_action(gradient, CUMULANTS[law], start=0.0, boundary=saddle)
    mirrored = theory.minibatch_action(
        lambda x: -gradient(-x), lambda s, x: CUMULANTS[law](-s, x), start=0.0, boundary=-saddle
    )
    assert mirrored == pytest.approx(along, rel=1e-9)


@settings(max_examples=15)
@given(slope=st.floats(1e-3, 1e3), deviation=st.floats(1e-2, 1e2))
def test_of_normal_noise_it_is_the_barrier_over_the_variance(slope, deviation):
    gradient, saddle = parabolas(slope)
    found = theory.minibatch_action(gradient, lambda s, x: (s * deviation) ** 2 / 2, start=0.0, boundary=saddle)
    assert found == pytest.approx(2 * 0.625 * slope**2 / deviation**2, rel=1e-7)


@pytest.mark.parametrize("law", ["jumps along the way", "jumps against the way"])
def test_on_a_low_barrier_every_law_is_normal_but_for_its_skewness(law):
    """To first order theta = 2 f - (4/3) f^2 k3, with k3 = 2 along the way: W/W_Gauss = 1 - (4/9) k3 F."""
    gradient, saddle = parabolas(1e-3)
    found = theory.minibatch_action(gradient, CUMULANTS[law], start=0.0, boundary=saddle) / 1.25e-6
    skewness = 2 if law == "jumps along the way" else -2
    assert (1 - found) / 1e-3 == pytest.approx(4 / 9 * skewness, rel=0.01)


def test_downhill_costs_nothing():
    gradient, saddle = parabolas(0.5)
    normal = CUMULANTS["normal"]
    beyond = theory.minibatch_action(gradient, normal, start=0.0, boundary=saddle + 1)
    assert beyond == pytest.approx(theory.minibatch_action(gradient, normal, start=0.0, boundary=saddle), rel=1e-7)


@pytest.mark.parametrize(
    ("slope", "cumulant"),
    [
        (1.0, CUMULANTS["jumps against the way"]),  # no sample pushes along the way by more than 1
        (1.2, CUMULANTS["jumps against the way"]),
        (0.5, lambda s, x: np.inf if s < 0 else s * s / 2),  # no exponential moment
        (0.5, lambda s, x: np.nan if s < -0.3 else s * s / 2),  # none that outdoes the slope
    ],
)
def test_where_no_path_crosses_the_saddle_it_is_refused(slope, cumulant):
    gradient, saddle = parabolas(slope)
    with pytest.raises(ValueError, match=r"no path at x = |no finite action"):
        theory.minibatch_action(gradient, cumulant, start=0.0, boundary=saddle)


def test_a_cumulant_may_end_anywhere_beyond_the_path():
    gradient, saddle = parabolas(0.5)
    found = theory.minibatch_action(
        gradient, lambda s, x: np.nan if abs(s) > 1.001 else s * s / 2, start=0.0, boundary=saddle
    )
    assert found == pytest.approx(0.3125, abs=1e-6)


def test_cumulant_of_data():
    """Of two samples +-1 it is log cosh; samples with several numbers come one column after the other."""
    pair = theory.empirical_cumulant([-1.0, 1.0], lambda x, sample: x**2 - sample)
    wide = theory.empirical_cumulant([[2.0, -1.0], [3.0, 2.0]], lambda x, sample: sample[1] / 1.5)
    for s in (1e-5, -0.3, 2.0, 1e3):
        assert pair(s, 0.7) == pytest.approx(np.logaddexp(s, -s) - np.log(2), rel=1e-9)
        assert wide(s, 0.7) == pytest.approx(pair(s, 0.7), rel=1e-9)


def test_action_of_data_tends_to_that_of_its_law():
    gradient, saddle = parabolas(0.3)
    data = -np.log1p(-(np.arange(1000) + 0.5) / 1000) - 1  # quantiles of the exponential
    data -= data.mean()
    cumulant = theory.empirical_cumulant(data, lambda x, sample: gradient(x) - sample)
    law = CUMULANTS["jumps along the way"]
    exact = theory.minibatch_action(gradient, law, start=0.0, boundary=saddle)
    found = theory.minibatch_action(gradient, cumulant, start=0.0, boundary=saddle)
    assert found == pytest.approx(exact, rel=0.02)  # normal noise would be 13 % off


def test_start_on_the_boundary_is_refused():
    with pytest.raises(ValueError, match=r"start = 1.0 is on the boundary"):
        theory.minibatch_action(lambda x: x, CUMULANTS["normal"], start=1.0, boundary=1.0)
