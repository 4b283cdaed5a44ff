"""First passage: mean, survival and leading rate against closed forms, series and 30-digit quadrature."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import erf, log_ndtr, ndtr

import theory
from theory.first_passage import first_passage_time, leading_rate, survival
from theory.problem import pose
from theory.transform import mean_of_first

SOME = settings(max_examples=25, deadline=None, derandomize=True)
P = {"ito": 1.0, "stratonovich": 0.5, "isothermal": 0.0}

H_A, H_B, BARRIER = 1.0, 4.0, 1.0  # the C^1 double parabola
INFLECTION = np.sqrt(2 * BARRIER / (H_A + H_A**2 / H_B))
SADDLE = INFLECTION * (1 + H_A / H_B)


def parabola_slope(x):
    return np.where(x < INFLECTION, H_A * x, -H_B * (x - SADDLE))


def hessian_noise(lr):
    return lambda x: lr / 2 * np.where(x < INFLECTION, H_A, H_B)


def flat(x):
    return np.zeros_like(x)


def harmonic(x):
    return x


def quartic(x):
    return x**3 - x


# --- the mean


def test_brownian_motion_from_a_reflecting_end():
    for start in (-1.0, 0.3, 1.9):
        found = first_passage_time(flat, 0.7, start=start, boundary=2.0, reflecting=-1.0)
        assert found == pytest.approx((9 - (start + 1) ** 2) / 1.4, rel=1e-13)


def test_constant_drift_takes_distance_over_speed():
    found = first_passage_time(lambda x: np.full_like(x, -0.4), 3.0, start=-1.0, boundary=2.0)
    assert found == pytest.approx(3 / 0.4, rel=1e-12)


@pytest.mark.parametrize(("start", "boundary", "diffusion"), [(-0.5, 1.5, 0.3), (2.0, 0.5, 0.1), (0.0, 1.0, 1 / 1390)])
def test_ornstein_uhlenbeck_against_30_digit_quadrature(start, boundary, diffusion):
    """``(1/D) int e^(y^2/2D) int_-inf^y e^(-z^2/2D)``; the last has an exponent of 695."""
    with mp.workdps(30):
        d, sign = mp.mpf(diffusion), 1 if boundary > start else -1
        density = mp.quad(
            lambda y: mp.exp(y * y / 2 / d) * mp.sqrt(mp.pi / 2 / d) * mp.erfc(-y / mp.sqrt(2 * d)),
            mp.linspace(sign * mp.mpf(start), sign * mp.mpf(boundary), 12),
        )
    found = first_passage_time(harmonic, diffusion, start=start, boundary=boundary)
    assert found == pytest.approx(float(density), rel=1e-11)


@pytest.mark.parametrize("convention", P)
@pytest.mark.parametrize("lr", [0.5, 0.1])
def test_double_parabola_against_30_digit_quadrature(convention, lr):
    """With the jump of D declared and not, which agree with each other as well."""
    p, d_a, d_b = P[convention], lr / 2 * H_A, lr / 2 * H_B
    with mp.workdps(30):
        top = mp.mpf(H_A * INFLECTION**2 / 2 / d_a)

        def psi_b(x):
            return top + (BARRIER - H_A * INFLECTION**2 / 2 - H_B * (x - SADDLE) ** 2 / 2) / d_b

        def well(y):
            return mp.sqrt(mp.pi * d_a / 2 / H_A) * mp.erfc(-y * mp.sqrt(H_A / mp.mpf(2 * d_a))) * d_a ** (-p)

        first = mp.quad(
            lambda y: mp.exp(H_A * y * y / 2 / d_a) * d_a ** (p - 1) * well(y), mp.linspace(0, INFLECTION, 8)
        )

        def beyond(y):  # erfi in closed form: int e^(+H_B (x-b)^2/2D)
            k = mp.sqrt(mp.mpf(H_B) / 2 / d_b)
            return (
                mp.exp(-psi_b(SADDLE))
                * mp.sqrt(mp.pi)
                / 2
                / k
                * (mp.erfi(k * (y - SADDLE)) - mp.erfi(k * (INFLECTION - SADDLE)))
            )

        second = mp.quad(
            lambda y: mp.exp(psi_b(y)) * d_b ** (p - 1) * (well(INFLECTION) + beyond(y) * d_b ** (-p)),
            mp.linspace(INFLECTION, SADDLE, 6),
        )
        exact = float(first + second)
    for breaks in ((), (INFLECTION,)):
        found = first_passage_time(
            parabola_slope, hessian_noise(lr), start=0.0, boundary=SADDLE, convention=convention, breaks=breaks
        )
        assert found == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("where", [0.25, 0.250001, 1 / 3, 0.9999, 1e-4])
def test_a_jump_that_is_not_declared_is_found(where):
    """Brownian motion, D = 1 before and 5 beyond, Ito: (1/2) + int_c^1 (c + (y-c)/5) dy in closed form."""
    found = first_passage_time(flat, lambda x: np.where(x < where, 1.0, 5.0), start=0.0, boundary=1.0, reflecting=0.0)
    exact = where**2 / 2 + where * (1 - where) + (1 - where) ** 2 / 10
    assert found == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("convention", P)
def test_low_temperature_limit_has_the_prefactor_of_its_convention(convention):
    """pi/H_a, pi/sqrt(H_a H_b) or pi/H_b at the saddle. What is missing vanishes like the root of the temperature."""
    well = {"barrier": BARRIER, "hessian_minimum": H_A, "hessian_saddle": H_B, "batch_size": 1.0, "split": 0.8}
    off = []
    for lr in (0.04, 0.01, 0.0025):
        limit = theory.low_temperature_escape_time(**well, lr=lr, convention=convention, arrival="at saddle")
        exact = first_passage_time(
            parabola_slope, hessian_noise(lr), start=0.0, boundary=SADDLE, convention=convention, breaks=(INFLECTION,)
        )
        off.append(abs(float(exact / limit) - 1))
    assert off[0] < 0.1
    assert off[2] < 0.02
    assert off[2] < 0.6 * off[1] < 0.6 * 0.6 * off[0]


@pytest.mark.parametrize("convention", ["stratonovich", "isothermal"])
def test_conventions_coincide_where_the_noise_is_constant(convention):
    ito, other = (
        first_passage_time(quartic, 0.1, start=-1.0, boundary=0.0, convention=name) for name in ("ito", convention)
    )
    assert other == pytest.approx(ito, rel=1e-12)


def test_stratonovich_without_drift_is_brownian_motion_in_another_length():
    """int dx/sqrt(D) is a Brownian motion."""
    found = first_passage_time(
        flat, lambda x: (1 + x) ** 2, start=0.5, boundary=2.0, reflecting=0.0, convention="stratonovich"
    )
    assert found == pytest.approx((np.log(3) ** 2 - np.log(1.5) ** 2) / 2, rel=1e-12)


@SOME
@given(st.floats(0.05, 2), st.floats(-1.5, 0.5), st.sampled_from(sorted(P)))
def test_mirror_image_takes_as_long(diffusion, start, convention):
    def noise(x):
        return diffusion * (1 + 0.5 * np.sin(x))

    one = first_passage_time(quartic, noise, start=start, boundary=0.7, convention=convention)
    other = first_passage_time(quartic, lambda x: noise(-x), start=-start, boundary=-0.7, convention=convention)
    assert other == pytest.approx(one, rel=1e-11)


@SOME
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-50, 50))
def test_units_of_length_and_time_and_the_origin_are_free(log_k, log_c, origin):
    """x = o + k u and t = c t': L' = (k/c) l'(u), D = (k^2/c) d(u)."""
    k, c = 10.0**log_k, 10.0**log_c
    one = first_passage_time(quartic, lambda x: 0.2 + 0.1 * np.cos(x), start=-1.0, boundary=0.3)
    other = first_passage_time(
        lambda x: k / c * quartic((x - origin * k) / k),
        lambda x: k**2 / c * (0.2 + 0.1 * np.cos((x - origin * k) / k)),
        start=origin * k - k,
        boundary=origin * k + 0.3 * k,
    )
    assert other == pytest.approx(c * one, rel=1e-10)


@SOME
@given(st.floats(0.02, 5), st.floats(-1.5, 0.4))
def test_mean_times_add_up_along_the_way(diffusion, start):
    """A continuous path to b passes every point between."""
    whole = first_passage_time(quartic, diffusion, start=start, boundary=0.9)
    first = first_passage_time(quartic, diffusion, start=start, boundary=0.5)
    second = first_passage_time(quartic, diffusion, start=0.5, boundary=0.9)
    assert first + second == pytest.approx(whole, rel=1e-11)


# --- survival and the leading rate


def brownian_series(times):
    """Fourier series on [-1, 2], D = 0.7, reflected at -1, from 0.3."""
    n = np.arange(300)
    k = (n + 0.5) * np.pi / 3
    terms = 2 / 3 * (-1.0) ** n / k * np.cos(1.3 * k) * np.exp(-0.7 * k**2 * np.asarray(times)[:, None])
    return terms.sum(axis=1)


def test_brownian_survival_is_its_fourier_series():
    times = np.geomspace(1e-3, 200, 40)
    found = survival(flat, 0.7, times, start=0.3, boundary=2.0, reflecting=-1.0)
    np.testing.assert_allclose(found, brownian_series(times), rtol=1e-11, atol=1e-13)
    assert found[-1] < 1e-15
    assert leading_rate(flat, 0.7, start=0.3, boundary=2.0, reflecting=-1.0) == pytest.approx(
        0.7 * (np.pi / 6) ** 2, rel=1e-13
    )


def test_ornstein_uhlenbeck_survival_to_the_minimum_is_an_error_function():
    """By reflection, S = erf(x0 e^-t/sqrt(2 D (1 - e^-2t))), and the leading rate is 1."""
    times = np.geomspace(1e-3, 100, 40)
    for start in (1.2, -1.2):
        found = survival(harmonic, 0.3, times, start=start, boundary=0.0)
        exact = erf(1.2 * np.exp(-times) / np.sqrt(2 * 0.3 * (1 - np.exp(-2 * times))))
        np.testing.assert_allclose(found, exact, rtol=1e-11)
        assert leading_rate(harmonic, 0.3, start=start, boundary=0.0) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("convention", P)
def test_two_media_against_their_transcendental_equation(convention):
    """L' = 0, D jumps from .5 to 2 at .6: u and D^(1-p) u' are continuous, u'(0) = 0, u(1) = 0."""
    p, c, d1, d2, start = P[convention], 0.6, 0.5, 2.0, 0.2

    def wave(rate):
        return np.sqrt(rate / d1), np.sqrt(rate / d2)

    def mismatch(rate):
        k1, k2 = wave(rate)
        left = d1 ** (1 - p) * k1 * np.sin(k1 * c) * np.sin(k2 * (1 - c))
        return left - d2 ** (1 - p) * k2 * np.cos(k2 * (1 - c)) * np.cos(k1 * c)

    grid = np.linspace(1e-3, 150, 3000) ** 2
    signs = mismatch(grid)
    rates = np.array(
        [brentq(mismatch, *grid[i : i + 2], xtol=1e-13, rtol=1e-15) for i in np.nonzero(signs[:-1] * signs[1:] < 0)[0]]
    )
    k1, k2 = wave(rates)
    ratio = np.cos(k1 * c) / np.sin(k2 * (1 - c))  # u = cos(k1 x), ratio sin(k2 (1-x))
    overlap = d1**-p * np.sin(k1 * c) / k1 + d2**-p * ratio * (1 - np.cos(k2 * (1 - c))) / k2
    norm = d1**-p * (c / 2 + np.sin(2 * k1 * c) / 4 / k1) + d2**-p * ratio**2 * (
        (1 - c) / 2 - np.sin(2 * k2 * (1 - c)) / 4 / k2
    )
    times = np.geomspace(0.01, 10, 20)
    exact = (overlap / norm * np.cos(k1 * start) * np.exp(-rates * times[:, None])).sum(axis=1)
    case = {"start": start, "boundary": 1.0, "reflecting": 0.0, "convention": convention}
    for breaks in ((), (c,)):
        found = survival(flat, lambda x: np.where(x < c, d1, d2), times, breaks=breaks, **case)
        np.testing.assert_allclose(found, exact, rtol=1e-9)
    found = leading_rate(flat, lambda x: np.where(x < c, d1, d2), **case)
    assert found == pytest.approx(rates[0], rel=1e-11)


@pytest.mark.parametrize("lr", [0.5, 0.1])
def test_survival_integrates_to_the_mean_and_ends_at_the_leading_rate(lr):
    case = {"start": 0.2, "boundary": SADDLE, "breaks": (INFLECTION,)}
    mean = first_passage_time(parabola_slope, hessian_noise(lr), **case)
    rate = leading_rate(parabola_slope, hessian_noise(lr), **case)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    edges = np.r_[0, np.geomspace(1e-2, 40 / rate, 20 if lr == 0.5 else 40)]
    half = np.diff(edges)[:, None] / 2
    times = edges[:-1, None] + half * (1 + nodes)
    alive = survival(parabola_slope, hessian_noise(lr), times, **case)
    assert alive.shape == times.shape
    assert np.sum(half * weights * alive) == pytest.approx(mean, rel=1e-9)
    assert np.all(np.diff(alive.ravel()) <= 1e-12)
    late = survival(parabola_slope, hessian_noise(lr), np.array([5, 6]) / rate, **case)
    assert late[1] / late[0] == pytest.approx(np.exp(-1), rel=1e-10)


def test_high_barriers_keep_their_relative_precision():
    """At e^-30 and e^-700, the leading rate is 1/mean up to the mean's own small corrections."""
    for exponent, tolerance in ((30.0, 1e-11), (700.0, 1e-11)):
        case = {"start": 0.0, "boundary": 1.0}
        d = 0.5 / exponent
        mean, rate = first_passage_time(harmonic, d, **case), leading_rate(harmonic, d, **case)
        assert rate * mean == pytest.approx(1, abs=tolerance)
        found = survival(harmonic, d, np.array([1.0, 3.0]) * mean, **case)
        np.testing.assert_allclose(found, np.exp([-1, -3]), rtol=1e-10)


def test_near_the_top_most_paths_leave_at_once_and_the_others_stay():
    """Survival falls to the chance of falling back, then stays there for e^20 times as long."""
    found = survival(harmonic, 0.025, [0.0, 1e-9, 10.0, 1e4], start=0.95, boundary=1.0)
    psi = 1 / 0.05  # committor: share of paths that reach 0 before 1
    x = np.linspace(0, 1, 200_001)
    scale = np.exp(x**2 * psi - psi)
    committor = np.trapezoid(scale[x >= 0.95], x[x >= 0.95]) / np.trapezoid(scale, x)
    assert found[0] == found[1] == 1
    assert found[2] == pytest.approx(committor, rel=1e-3)
    assert found[3] == pytest.approx(found[2], rel=1e-3)


@pytest.mark.parametrize("speed", [0.3, 3.0, 30.0, 300.0])
def test_drift_to_the_boundary_is_inverse_gaussian(speed):
    """From nearly no drift to nearly none but drift; reflection is too far behind to matter."""
    times = np.array([0.02, 0.1, 0.6, 0.97, 1.03, 1.5]) / speed
    with mp.workdps(60):
        exact = []
        for t in map(mp.mpf, times):
            ahead, behind = (sign * speed * t - 1 for sign in (1, -1))
            root = mp.sqrt(2 * t)
            exact.append(float(1 - mp.ncdf(ahead / root) - mp.exp(mp.mpf(speed)) * mp.ncdf(behind / root)))
    found = survival(lambda x: np.full_like(x, -speed), 1.0, times, start=0.0, boundary=1.0, reflecting=-60 / speed)
    np.testing.assert_allclose(found, exact, atol=1e-11)


@pytest.mark.parametrize("diffusion", [4e-3, pytest.param(1e-3, marks=pytest.mark.long)])  # the less, the slower
def test_a_start_far_up_the_slope_is_nearly_deterministic(diffusion):
    """x = 5 e^-t, and to the minimum S = erf(x0 e^-t/sqrt(2 D (1 - e^-2t)))."""
    assert first_passage_time(harmonic, 1e-3, start=5.0, boundary=1.0) == pytest.approx(np.log(5), rel=1e-3)
    times = np.array([1.0, 4.0, 5.0, 100.0])
    found = survival(harmonic, diffusion, times, start=-5.0, boundary=0.0)
    exact = erf(5 * np.exp(-times) / np.sqrt(2 * diffusion * (1 - np.exp(-2 * times))))
    np.testing.assert_allclose(found, exact, atol=1e-11)


# --- several coordinates


def test_the_first_of_ten_brownian_motions():
    nodes, weights = np.polynomial.legendre.leggauss(20)
    edges = np.r_[1e-3, np.geomspace(0.02, 30, 30)]
    half = np.diff(edges)[:, None] / 2
    exact = 1e-3 + np.sum(
        half * weights * (brownian_series((edges[:-1, None] + half * (1 + nodes)).ravel()) ** 10).reshape(-1, 20)
    )
    case = {"start": 0.3, "boundary": 2.0, "reflecting": -1.0, "dimension": 10}
    assert first_passage_time(flat, 0.7, **case) == pytest.approx(exact, rel=1e-11)
    np.testing.assert_allclose(survival(flat, 0.7, [0.5, 1.0], **case), brownian_series([0.5, 1.0]) ** 10, rtol=1e-11)


def test_the_first_of_two_that_drift_to_the_boundary():
    """Two inverse Gaussian times at speed 30."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    edges = np.linspace(0, 0.3, 13)
    half = np.diff(edges)[:, None] / 2
    times = edges[:-1, None] + half * (1 + nodes)
    root = np.sqrt(2 * times)
    alive = 1 - ndtr((30 * times - 1) / root) - np.exp(30 + log_ndtr((-1 - 30 * times) / root))
    found = first_passage_time(
        lambda x: np.full_like(x, -30.0), 1.0, start=0.0, boundary=1.0, reflecting=-2.0, dimension=2
    )
    assert found == pytest.approx(np.sum(half * weights * alive**2), rel=1e-10)


def test_one_of_several_agrees_with_the_mean_of_one():
    """The survival integral and the double integral are two ways to the same mean."""
    for slope, noise, start, boundary in (
        (harmonic, 0.3, -0.5, 1.5),
        (quartic, 0.05, -1.0, 0.0),
        (harmonic, 1.0, 0.99, 1.0),
    ):
        mean = first_passage_time(slope, noise, start=start, boundary=boundary)
        passage = pose(slope, noise, start, boundary, "ito", None, ())
        assert mean_of_first(passage, 1) == pytest.approx(mean, rel=1e-10)


def test_behind_a_high_barrier_the_first_of_ten_takes_a_tenth():
    one, ten = (first_passage_time(harmonic, 1 / 60, start=0.0, boundary=1.0, dimension=d) for d in (1, 10))
    assert 10 * ten == pytest.approx(one, rel=1e-10)


def test_beyond_the_range_of_float64():
    case = {"start": 0.0, "boundary": 1.0}
    assert first_passage_time(harmonic, 1 / 2000, **case) == np.inf
    assert first_passage_time(harmonic, 1 / 2000, **case, dimension=2) == np.inf
    assert leading_rate(harmonic, 1 / 2000, **case) == 0
    np.testing.assert_allclose(survival(harmonic, 1 / 2000, [0.0, 1.0, 1e9], **case), 1, rtol=1e-12)


# --- bad input

INSIDE = {"start": 0.0, "boundary": 1.0}
BAD = [
    ({"start": 1.0}, "start = 1.0 is at the boundary"),
    ({"reflecting": 0.5}, "start = 0.0 is not between the reflecting end 0.5 and the boundary 1.0"),
    ({"start": 1.5, "reflecting": -1.0}, "start = 1.5 is not between"),
    ({"start": np.nan}, "start = nan has a value that is not finite"),
    ({"convention": "anti"}, "convention = 'anti' is unknown; use one of 'ito'"),
    ({"dimension": 0}, "dimension = 0 must be a whole number"),
    ({"diffusion": 0.0}, "diffusion = 0.0 must be above 0"),
    ({"diffusion": lambda x: np.abs(x - 0.3)}, "noise vanishes at x = 0.3, and no overdamped path crosses it"),
    ({"diffusion": lambda x: np.where(x > 0.5, 0.0, 1.0)}, "noise vanishes at x = 0.5"),
    ({"diffusion": lambda x: 0.3 - x}, "diffusion is negative at x = 0.3"),
    ({"diffusion": lambda x: np.where(x > 0.5, np.nan, 1.0)}, "diffusion is not finite at x = 0.5"),
    ({"gradient": lambda x: np.where(x > 0.5, np.inf, x)}, "gradient is not finite at x = 0.5"),
    ({"gradient": flat}, "gradient does not confine the path"),
    ({"gradient": lambda x: -x}, "gradient does not confine the path"),
    ({"gradient": lambda x: x / (1 + x**2)}, "gradient does not confine the path"),
    ({"gradient": lambda x: np.sin(1e7 * x), "reflecting": 0.0, "diffusion": 1e-4}, "too rough or too steep"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_names_parameter_value_and_remedy(change, message):
    arguments = {"gradient": harmonic, "diffusion": 1.0, **INSIDE} | change
    with pytest.raises(ValueError, match=message):
        first_passage_time(arguments.pop("gradient"), arguments.pop("diffusion"), **arguments)


def test_bad_times():
    with pytest.raises(ValueError, match="must be 0 or above"):
        survival(harmonic, 1.0, [-1.0], **INSIDE)
    with pytest.raises(ValueError, match="too short for 5000 panels"):
        survival(lambda x: np.full_like(x, -2e4), 1.0, [0.9 / 2e4], start=0.0, boundary=1.0, reflecting=-0.1)
