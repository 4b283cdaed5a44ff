"""Exact mean exits of the discrete chain: against closed forms, and against the compiled ensembles."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

import theory
from diffusion import SGD, DoubleParabola, HessianNoise, escape_rate, exit_times
from theory.first_passage import first_passage_time

WELL = DoubleParabola(barrier=0.235, hessian_minimum=1.0, hessian_saddle=4.0, dimension=1)
NOISE = HessianNoise(1, at="piecewise")


def gradient(x):
    return WELL.gradient(x[:, None])[:, 0]


def deviation(x):
    return np.sqrt(NOISE.variance_at(WELL, x[:, None])[:, 0])


def exact(lr=0.1, boundary=WELL.saddle, **more):
    return theory.discrete_first_passage_time(
        gradient, deviation, lr=lr, start=0.0, boundary=boundary, breaks=[WELL.join], **more
    )


def test_one_step_out_of_a_flat_stretch_with_a_wall():
    """lr = 1, H = 1: each step forgets the last, so exits are geometric with the normal's tail."""
    found = theory.discrete_first_passage_time(lambda x: x, 0.5, lr=1.0, start=0.0, boundary=0.7)
    assert found == pytest.approx(1 / stats.norm.sf(0.7 / 0.5), rel=1e-9)


def test_mirror_image():
    found = theory.discrete_first_passage_time(
        lambda x: -gradient(-x), lambda x: deviation(-x), lr=0.1, start=0.0, boundary=-WELL.saddle, breaks=[-WELL.join]
    )
    assert found == pytest.approx(exact(), rel=1e-9)


@pytest.mark.parametrize("substeps", [1, 4])
def test_ensembles_agree_and_one_with_another_boundary_does_not(substeps):
    """20,000 exits of discrete SGD and of Euler-Maruyama, at the suite's false-positive rate; power: 5 % is rejected."""
    exits = exit_times(
        SGD(0.1),
        WELL,
        noise=NOISE,
        boundary=WELL.saddle,
        max_iterations=10**7,
        replicas=20_000,
        substeps=substeps,
        seed=6,
    )
    z = np.log(float(escape_rate(exits)["rate"]) * exact(substeps=substeps)) * np.sqrt(20_000)
    bound = stats.norm.isf(SUITE_RATE / 2)
    assert abs(z) < bound
    assert abs(np.log(float(escape_rate(exits)["rate"]) * exact(boundary=1.03 * WELL.saddle, substeps=substeps))) > 0.04
    assert 0.04 * np.sqrt(20_000) > bound


def test_substeps_tend_to_the_sde_like_their_root_of_the_step():
    """Exits seen after a step only are late like the root of the step; the limit is the Ito quadrature's."""
    gaps = np.array([exact(substeps=n) for n in (16, 64, 256)])
    order = np.log2((gaps[0] - gaps[1]) / (gaps[1] - gaps[2])) / 2
    assert 0.4 < order < 0.65
    limit = gaps[2] + (gaps[2] - gaps[1]) / (4**order - 1)
    ito = first_passage_time(
        gradient, lambda x: 0.05 * deviation(x) ** 2, start=0.0, boundary=WELL.saddle, breaks=[WELL.join]
    )
    assert limit == pytest.approx(ito / 0.1, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": 0.0}, "lr = 0.0 must be above 0"),
        ({"substeps": 0}, "substeps = 0 must be a whole number >= 1"),
        ({"boundary": 0.0}, "start = 0.0 is on the boundary"),
        ({"substeps": 10**6}, "too small beside the valley"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        exact(**arguments)


def test_vanishing_noise_and_open_sides_are_refused():
    with pytest.raises(ValueError, match="deviation is 0 at"):
        theory.discrete_first_passage_time(lambda x: x, lambda x: np.abs(x - 0.5), lr=0.1, start=0.0, boundary=1.0)
    with pytest.raises(ValueError, match="nothing confines"):
        theory.discrete_first_passage_time(lambda x: 0 * x, 1.0, lr=0.1, start=0.0, boundary=1.0)
