"""Two ends, ends at which the noise vanishes and velocities at the start, on grids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory
from diffusion import DoubleParabola, QuadraticSaddle, fokker_planck
from diffusion.fokker_planck.equation import pose
from diffusion.fokker_planck.problems import find_path
from tests.test_fokker_planck import MILNE, Line
from tests.test_two_ends import DRIFT, HALF, NEVER, D, drifting, flat, quartic, wright_fisher
from theory import exit_probabilities, first_passage_time
from theory.minimum import CONVENTIONS


def grid(slope, noise, **where):
    return fokker_planck.mean_first_passage_time(Line(slope), diffusion=noise, **where)


def test_grid_and_quadrature_agree_on_two_ends():
    """Constant drift of closed form, and a well with noise of its own in each convention, also by side."""
    found = grid(drifting, D, start=0.0, boundary=(-HALF, HALF))
    assert found.exit_side.values.tolist() == [-1, 1]
    assert float(found.mfpt) == pytest.approx(HALF / DRIFT * np.tanh(DRIFT * HALF / 2 / D), rel=1e-9)
    assert float(found.exit_probability.sel(exit_side=1)) == pytest.approx(1 / (1 + np.exp(-1.68)), rel=1e-11)
    for convention in CONVENTIONS:
        where = {"boundary": (-1.4, 0.9), "convention": convention}
        found = grid(quartic, lambda x: 0.1 * (1.5 + np.sin(x)), start=[-1.0, 0.2], **where)
        for k, start in enumerate((-1.0, 0.2)):
            case = (quartic, lambda x: 0.1 * (1.5 + np.sin(x)))
            exact = [first_passage_time(*case, start=start, through=end, **where) for end in (None, "low", "high")]
            values = [found.mfpt[k], *found.mfpt_by_side[k]]
            np.testing.assert_allclose(values, exact, rtol=1e-7)
            chances = exit_probabilities(*case, start=start, **where)
            np.testing.assert_allclose(found.exit_probability[k], chances, rtol=1e-9)
    assert found.mfpt_by_side_error.shape == (2, 2)


def test_an_end_where_the_path_never_comes_takes_nothing():
    found = grid(quartic, 0.02, start=-1.0, boundary=(-30.0, 0.0))
    assert found.exit_probability.values.tolist() == [0.0, 1.0]
    assert np.isnan(found.mfpt_by_side[0])
    assert float(found.mfpt_by_side[1]) == float(found.mfpt)
    assert float(found.mfpt) == pytest.approx(float(grid(quartic, 0.02, start=-1.0, boundary=0.0).mfpt), rel=1e-10)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.9])
def test_the_grid_solves_noise_that_vanishes_at_its_ends(power):
    def noise(x):
        return (x * (1 - x)) ** power / 2

    where = {"start": [0.05, 0.3], "boundary": (0.0, 1.0)}
    found = grid(flat, noise, **where)
    exact = [first_passage_time(flat, noise, start=start, boundary=(0.0, 1.0)) for start in where["start"]]
    np.testing.assert_allclose(found.mfpt, exact, rtol=2e-7)
    np.testing.assert_allclose(found.exit_probability[:, 1], where["start"], rtol=1e-9)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.floats(0.05, 2.3), st.sampled_from([-1.0, 0.0, 0.5, 1.0]), st.floats(-2, 2), st.sampled_from(sorted(CONVENTIONS))
)
def test_drift_next_to_noise_that_vanishes_by_grid_and_quadrature(power, slope, size, convention):
    """Each may refuse what it cannot tell; where both answer they agree; neither answers of a natural end."""

    def noise(x):
        return np.abs(x) ** power * (1 + 0.3 * np.sin(3 * x))

    def force(x):
        return size * np.abs(x) ** slope

    where = {"start": 0.4, "boundary": (0.0, 1.0), "convention": convention}
    answers = []
    for ask in (lambda: float(grid(force, noise, **where).mfpt), lambda: first_passage_time(force, noise, **where)):
        try:
            answers.append(ask())
        except ValueError as refused:
            assert "boundary = 0" in str(refused) or "tolerance" in str(refused)  # noqa: PT017
    if len(answers) == 2:
        assert answers[0] == pytest.approx(answers[1], rel=5e-7)
    if power >= 2 and slope >= 1:  # no drift carries a path to an end so fast, and noise does not either
        assert not answers


def test_wright_fisher_and_one_singular_end_on_the_grid():
    """The slowest rate of Wright and Fisher's is 1 (Kimura 1955); ``dX = (0.2 - X) dt + sqrt(X) dW`` reaches 0."""
    found = fokker_planck.escape_rate(Line(flat), diffusion=wright_fisher, start=0.3, boundary=(0.0, 1.0))
    assert float(found.escape_rate) == pytest.approx(1, rel=1e-9)
    found = grid(lambda x: x - 0.2, lambda x: x / 2, start=0.4, boundary=0.0)
    exact = first_passage_time(lambda x: x - 0.2, lambda x: x / 2, start=0.4, boundary=0.0)
    assert float(found.mfpt) == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize(("slope", "noise", "message"), NEVER, ids=[message for *_, message in NEVER])
def test_the_grid_refuses_an_end_that_is_not_accessible(slope, noise, message):
    told = "boundary = 0 is reached by a force" if "cannot be told" in message else message  # in the grid's own words
    with pytest.raises(ValueError, match=told):
        grid(slope, noise, start=0.4, boundary=(0.0, 1.0))


# --- with inertia


@pytest.mark.parametrize("velocity", ["thermal", 9.0])
def test_two_ends_of_free_motion_with_friction(velocity):
    """Kinetic lengths from the ends ``P(high) = 1/2 + (x + v/gamma)/(2(a + slip))``, the slip 1.4603 such lengths."""
    damping, start = 40.0, 0.3
    where = {"mass": 1 / damping, "damping": damping, "start": start, "boundary": (-HALF, HALF), "velocity": velocity}
    found = grid(flat, D, **where)
    slip, way = MILNE * np.sqrt(D * damping) / damping, start + (0.0 if velocity == "thermal" else velocity / damping)
    low, high = found.exit_probability.values
    assert high == pytest.approx(0.5 + way / (2 * (HALF + slip)), abs=2e-5)
    assert low + high == pytest.approx(1, abs=1e-9)
    assert found.mfpt_by_side.values @ (low, high) == pytest.approx(float(found.mfpt), rel=1e-9)


def test_a_start_at_rest_takes_longer_than_a_thermal_one():
    """Beyond the saddle, over Kramers' formula at gamma/omega_b = 0.15: 1.055 from rest, 1.050 from a thermal start."""
    well, temperature, damping = DoubleParabola(1.0, 1.0, 4.0, 1), 1 / 4.5, 0.15**2 * 4
    terms = {"mass": 1 / damping, "damping": damping}
    kramers = theory.kramers_escape_time(
        barrier=1.0, hessian_minimum=1.0, hessian_saddle=4.0, temperature=temperature, **terms
    )
    where = {"start": 0.0, "boundary": well.saddle + np.sqrt(10 * temperature / 4), "tolerance": 5e-3}
    found = fokker_planck.mean_first_passage_time(well, diffusion=temperature, velocity="rest", **terms, **where)
    assert float(found.mfpt) / kramers == pytest.approx(1.0545, abs=0.002)


def test_the_box_holds_a_fast_start():
    """At velocity 6 a particle in a parabola swings out to 6, in temperatures far above where thermal ones come."""
    equation = pose(QuadraticSaddle([1.0]), 0.02, 1.0, 0.1, (), "ito", None, None)
    slow, fast = (find_path(equation, np.zeros(1), boundary=1.0, velocity=velocity).lower for velocity in (0.0, 6.0))
    assert fast < -6 < -3 < slow


def test_bad_velocities_are_refused():
    where = {"start": 0.0, "boundary": (-HALF, HALF)}
    with pytest.raises(ValueError, match="velocity = 'rest' has no meaning without inertia"):
        grid(flat, D, velocity="rest", **where)
    with pytest.raises(ValueError, match="velocity = 'fast' is unknown"):
        grid(flat, D, velocity="fast", mass=1.0, damping=1.0, **where)
    with pytest.raises(ValueError, match="velocity = nan"):
        grid(flat, D, velocity=np.nan, mass=1.0, damping=1.0, **where)
