"""Two ends, and ends at which the noise vanishes, by quadrature, against closed forms."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import gamma, gammaincc

import theory
from theory import exit_probabilities, first_passage_time, leading_rate, survival

FEW = settings(max_examples=8, deadline=None, derandomize=True)
DRIFT, D, HALF = 0.7, 0.5, 1.2


def flat(x):
    return np.zeros_like(x)


def drifting(x):
    return np.full_like(x, -DRIFT)


def quartic(x):
    return x**3 - x


def wright_fisher(x):
    return x * (1 - x) / 2


# --- two ends


def test_constant_drift_between_two_ends():
    """``P(high) = 1/(1 + e^(-v a/D))``, and ``tau = (a/v) tanh(v a/2D)`` whichever end is left by."""
    where = {"start": 0.0, "boundary": (-HALF, HALF)}
    low, high = exit_probabilities(drifting, D, **where)
    assert high == pytest.approx(1 / (1 + np.exp(-DRIFT * HALF / D)), rel=1e-12) == pytest.approx(0.8429, abs=5e-5)
    assert low + high == pytest.approx(1, rel=1e-14)
    exact = HALF / DRIFT * np.tanh(DRIFT * HALF / 2 / D)
    assert exact == pytest.approx(1.17567, abs=5e-6)
    for through in (None, "low", "high"):
        assert first_passage_time(drifting, D, through=through, **where) == pytest.approx(exact, rel=1e-12)


def test_survival_and_rate_of_constant_drift_between_two_ends():
    """Fourier's series, whose rates are ``D k^2 + v^2/4D``, ``k = n pi/(2a)``; its cube's integral is a mean."""
    k, pull = np.arange(1, 400) * np.pi / (2 * HALF), DRIFT / 2 / D
    rates, times, start = D * k**2 + DRIFT**2 / 4 / D, np.array([0.01, 0.2, 3.0]), 0.9
    arrived = k * (1 - (-1.0) ** np.arange(1, 400) * np.exp(2 * pull * HALF)) / (pull**2 + k**2)
    terms = np.sin(k * (start + HALF)) * arrived * np.exp(-pull * (start + HALF)) / HALF
    where = {"start": start, "boundary": (-HALF, HALF)}
    found = survival(drifting, D, times, **where)
    np.testing.assert_allclose(found, np.exp(-rates * times[:, None]) @ terms, rtol=1e-11)
    assert leading_rate(drifting, D, **where) == pytest.approx(rates[0], rel=1e-12)
    fine = np.linspace(1e-3, 4, 4001)
    cubed = 1e-3 + np.trapezoid((np.exp(-rates * fine[:, None]) @ terms) ** 3, fine)
    assert first_passage_time(drifting, D, dimension=3, **where) == pytest.approx(cubed, rel=1e-5)


@FEW
@given(st.floats(-0.9, 0.9), st.floats(0.05, 1), st.sampled_from(sorted(theory.minimum.CONVENTIONS)))
def test_two_ends_turn_into_one_another_in_a_mirror(start, cold, convention):
    def noise(x):
        return cold * (1.2 + np.sin(x))

    one = {"start": start, "boundary": (-1.0, 1.3), "convention": convention}
    other = {"start": -start, "boundary": (-1.3, 1.0), "convention": convention}
    low, high = exit_probabilities(quartic, noise, **one)
    assert exit_probabilities(quartic, lambda x: noise(-x), **other) == pytest.approx((high, low), rel=1e-10)
    assert low + high == pytest.approx(1, rel=1e-14)
    mean, *parts = (first_passage_time(quartic, noise, through=end, **one) for end in (None, "low", "high"))
    mirrored = first_passage_time(quartic, lambda x: noise(-x), through="low", **other)
    assert parts[1] == pytest.approx(mirrored, rel=1e-10)
    assert low * parts[0] + high * parts[1] == pytest.approx(mean, rel=1e-10)  # over all paths it is the whole mean


@FEW
@given(st.floats(-1.2, -0.1), st.floats(0.02, 0.2))
def test_a_far_low_end_is_an_open_one(start, cold):
    near, far = (first_passage_time(quartic, cold, start=start, boundary=(low, 0.0)) for low in (-1.6, -3.0))
    alone = first_passage_time(quartic, cold, start=start, boundary=0.0)
    assert far == pytest.approx(alone, rel=1e-9)
    assert near < alone
    assert first_passage_time(quartic, cold, start=start, boundary=(None, 0.0)) == alone


def test_chances_keep_their_precision_however_small():
    """The ways out of a parabola at D = 1/500 differ by an exponent of 110; Dawson's function is their scale."""
    from scipy.special import dawsn

    low, high = exit_probabilities(lambda x: x, 1 / 500, start=0.0, boundary=(-1.0, 1.2))
    a, b = np.sqrt(250), 1.2 * np.sqrt(250)
    assert high == pytest.approx(np.exp(a**2 - b**2) * dawsn(a) / dawsn(b), rel=1e-10)
    assert low == 1.0


# --- ends at which noise vanishes or drift grows without bound


@pytest.mark.parametrize("start", [1e-4, 0.3, 0.9999])
def test_wright_fisher_fixes_or_loses_in_a_finite_time(start):
    """``D u'' = -1``, D = x(1-x)/2: the mean, Kimura and Ohta's (1969) of the fixed alone, the chance x of fixation."""
    where, other = {"start": start, "boundary": (0.0, 1.0)}, 1 - start
    exact = -2 * (start * np.log(start) + other * np.log1p(-start))
    if start == 0.3:
        assert exact == pytest.approx(1.22173, abs=5e-6)
    assert first_passage_time(flat, wright_fisher, **where) == pytest.approx(exact, rel=1e-11)
    assert exit_probabilities(flat, wright_fisher, **where) == pytest.approx((other, start), rel=1e-11)
    fixed = first_passage_time(flat, wright_fisher, through="high", **where)
    assert fixed == pytest.approx(-2 * other / start * np.log1p(-start), rel=1e-11)


@pytest.mark.parametrize("power", [0.5, 1.5, 1.9])
def test_noise_that_vanishes_like_a_power_below_two(power):
    exact = (0.4 - 0.4 ** (2 - power)) / ((1 - power) * (2 - power))
    found = first_passage_time(flat, lambda x: x**power, start=0.4, boundary=(0.0, 1.0))
    assert found == pytest.approx(exact, rel=1e-11)
    found = first_passage_time(flat, lambda x: np.maximum(1 - x, 0) ** power, start=0.6, boundary=(0.0, 1.0))
    assert found == pytest.approx(exact, rel=1e-9)  # where positions are rounded to 1e-16


def test_one_end_with_drift_and_vanishing_noise():
    """``dX = (0.2 - X) dt + sqrt(X) dW`` reaches 0: ``int_0^x y^-0.4 e^2y Gamma(0.4, 2y) 2^0.6 dy``."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    u = 0.4**0.6 * (nodes + 1) / 2  # y = u^(1/0.6) takes the power away
    y = u ** (1 / 0.6)
    inner = 2**0.6 * gamma(0.4) * gammaincc(0.4, 2 * y) * np.exp(2 * y)
    exact = np.sum(weights * inner) * 0.4**0.6 / 2 / 0.6
    found = first_passage_time(lambda x: x - 0.2, lambda x: x / 2, start=0.4, boundary=0.0)
    assert found == pytest.approx(exact, rel=1e-6)


@FEW
@given(st.floats(-0.97, 0.95), st.floats(0.05, 0.9))
def test_distance_from_the_origin_in_fewer_than_two_dimensions(nu, start):
    """``dX = nu dt/X + sqrt(2) dW``, in nu + 1 dimensions: it reaches 0 for nu < 1, with the scale x^(1-nu)."""
    assume(abs(nu) > 0.02)
    where = {"start": start, "boundary": (0.0, 1.0)}
    _, high = exit_probabilities(lambda x: -nu / x, 1.0, **where)
    assert high == pytest.approx(start ** (1 - nu), rel=1e-9)
    exact = (start ** (1 - nu) - start**2) / (2 * (1 + nu))
    assert first_passage_time(lambda x: -nu / x, 1.0, **where) == pytest.approx(exact, rel=1e-8)


NEVER = [
    (
        flat,
        lambda x: x**2,
        r"boundary = 0 is not reached in any finite time: the noise vanishes there like distance\^2",
    ),
    (lambda x: -x, lambda x: x**2 / 2, r"boundary = 0 is n"),
    (lambda x: x - 0.6, lambda x: x / 2, r"boundary = 0 is never reached"),
    (lambda x: -1 / x, 1.0, r"boundary = 0 is never reached"),
    (
        lambda x: 1 + 0 * x,
        lambda x: x**2,
        r"boundary = 0: what lies next to this end, .*cannot be told within 1e-07; put the boundary before it$",
    ),
]


@pytest.mark.parametrize(("slope", "noise", "message"), NEVER, ids=[message for *_, message in NEVER])
def test_an_end_that_is_not_accessible_is_refused(slope, noise, message):
    with pytest.raises(ValueError, match=message):
        first_passage_time(slope, noise, start=0.4, boundary=(0.0, 1.0))


def test_bad_ends_are_refused():
    where = {"start": 0.3, "boundary": (0.0, 1.0)}
    for boundary in ((None, None), (0.5, 1.0), (1.0, 0.0), (0.0, 1.0, 2.0)):
        with pytest.raises(ValueError, match="boundary = "):
            first_passage_time(flat, D, start=0.3, boundary=boundary)
    with pytest.raises(ValueError, match="reflecting = -1 has no place"):
        first_passage_time(flat, D, reflecting=-1, **where)
    with pytest.raises(ValueError, match="through = 'high' needs boundary"):
        first_passage_time(quartic, D, start=-1.0, boundary=0.0, through="high")
    with pytest.raises(ValueError, match="must be two ends"):
        exit_probabilities(quartic, D, start=-1.0, boundary=(None, 0.0))
    with pytest.raises(ValueError, match="singular at the boundary"):
        survival(flat, wright_fisher, [1.0], **where)
    with pytest.raises(ValueError, match="start is too near"):
        first_passage_time(flat, wright_fisher, start=1 - 1e-13, boundary=(0.0, 1.0))
