"""Exact mean exits of the discrete chain: against closed forms, and against the compiled ensembles."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats
from scipy.integrate import quad

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
    """20,000 exits of discrete SGD and Euler-Maruyama, at the suite's false-positive rate; power: 5 % is rejected."""
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


def finite_step(rise, psi, lr=0.05):
    """Log time of the chain over the SDE's, the same of both recipes, and the formula.

    L' = x (1 - x), and C is proportional to exp(rise x).
    """

    def shape(x):
        return np.exp(rise * np.clip(x, -1.5, 2.5))

    def gradient(x):
        return x * (1 - x)

    noise = 2 * quad(lambda x: gradient(x) / shape(x), 0, 1)[0] / (lr * psi)
    where = {"start": 0.0, "boundary": 1.8, "breaks": [-1.5]}
    chain = lr * theory.discrete_first_passage_time(gradient, lambda x: np.sqrt(noise * shape(x)), lr=lr, **where)

    def sde(step, hotter):
        return first_passage_time(
            lambda x: gradient(x) * (1 + step * lr / 2 * (1 - 2 * x)),
            lambda x: lr / 2 * noise * shape(x) * (1 + hotter * lr * (1 - 2 * x)),
            **where,
        )

    times = np.array([chain, sde(-1, 0), sde(1, 1)]) / sde(0, 0)
    stated = rise / 2 * quad(lambda x: gradient(x) ** 2 / shape(x), 0, 1)[0] / noise
    return np.array([*np.log(times), stated])


@pytest.mark.parametrize("rise", [1.0, -1.0])
def test_where_noise_depends_on_position_neither_recipe_for_finite_learning_rates_has_the_exponent(rise):
    """Per unit of psi, free of prefactors: the formula is right to the next order, both recipes have the other sign."""
    chain, loss, diffusion, stated = finite_step(rise, 20.0) - finite_step(rise, 10.0)
    assert chain == pytest.approx(stated, rel=0.05)
    assert loss == pytest.approx(-stated, rel=0.05)
    assert diffusion == pytest.approx(-stated, rel=0.15)


def test_with_constant_noise_the_exponent_between_minimum_and_saddle_does_not_change():
    chain, loss, diffusion, stated = np.abs(finite_step(0.0, 20.0) - finite_step(0.0, 10.0))
    assert stated == 0
    assert max(chain, loss, diffusion) < 0.1 * abs((finite_step(1.0, 20.0) - finite_step(1.0, 10.0))[0])


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
