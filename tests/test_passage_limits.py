"""Passage times where numbers run out: far walls, singularities, any temperature and unit, by grid and quadrature."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from test_fokker_planck import Line

import theory
from diffusion import QuadraticSaddle, StyblinskiTang, fokker_planck

P = {"ito": 1.0, "stratonovich": 0.5, "isothermal": 0.0}
SECONDS = 2.0  # of the processor, in which a refusal has to come
BOTTOM = 2 ** (1 / 6)  # of Lennard-Jones' well


def lennard_jones(u):
    return 20 * (-12 * u**-13 + 6 * u**-7)


def morse(u):
    return 10 * (1 - np.exp(-u)) * np.exp(-u)


def grid_time(slope, diffusion, **arguments):
    found = fokker_planck.mean_first_passage_time(Line(slope, 0.0), diffusion=diffusion, **arguments)
    return found.mfpt.item()


def quadrature(psi, edges, start, noise=np.ones_like):
    """log of ``int_start e^psi dy int e^-psi/D dz`` by 24 Gauss points a panel, sums of logarithms between them."""
    x, w = np.polynomial.legendre.leggauss(24)
    inverse = np.linalg.inv(np.polynomial.legendre.legvander(x, 23))
    inner = np.array([np.polynomial.legendre.legval(x, np.polynomial.legendre.legint(c, lbnd=-1)) for c in inverse.T]).T
    half = np.diff(edges)[:, None] / 2
    points = edges[:-1, None] + half * (1 + x)
    values, log_d = psi(points), np.log(noise(points))
    middle = values.mean(axis=1, keepdims=True)
    speed, scale = np.exp(middle - values - log_d), np.exp(values - middle)
    mass = np.log((speed @ w) * half[:, 0]) - middle[:, 0]
    before = np.append(-np.inf, np.logaddexp.accumulate(mass)[:-1])[:, None] + middle
    top = np.maximum(before, 0.0)  # of what is before the panel and what is on it
    within = np.log(((scale * (np.exp(before - top) + np.exp(-top) * (speed @ inner.T) * half)) @ w) * half[:, 0])
    return float(np.logaddexp.reduce((within + top[:, 0])[edges[:-1] >= start]))


def refused(call, message):
    """The call is refused, in time, with a message that says what cannot be resolved."""
    begin = time.process_time()
    with pytest.raises(ValueError, match=message):
        call()
    assert time.process_time() - begin < SECONDS


# Walls, singularities and open sides


@pytest.mark.parametrize(
    "wall",
    [{}, {"reflecting": -5.0}, {"boundary": (-5.0, 0.3)}, {"reflecting": -1e6}, {"reflecting": -1e100}],
    ids=lambda wall: str(wall) or "open",
)
def test_a_wall_that_the_path_never_reaches_does_not_matter(wall):
    exact = np.exp(quadrature(lambda x: 50 * x * x, np.linspace(-1.2, 0.3, 151), -1e-12, lambda x: 0.01 + 0 * x))
    assert exact == pytest.approx(86.9316, abs=1e-4)
    arguments = {"diffusion": 0.01, "start": 0.0, "boundary": 0.3, **wall}
    found = fokker_planck.mean_first_passage_time(QuadraticSaddle([1.0]), **arguments)
    assert found.mfpt.item() == pytest.approx(exact, rel=1e-9)
    rate = fokker_planck.escape_rate(QuadraticSaddle([1.0]), **arguments).escape_rate.item()
    assert rate == pytest.approx(theory.leading_rate(lambda x: x, 0.01, start=0.0, boundary=0.3), rel=1e-7)
    found = theory.first_passage_time(lambda x: x, 0.01, **({"start": 0.0, "boundary": 0.3} | wall))
    assert found == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("boundary", [20.0, 60.0, 2000.0])
def test_a_singularity_behind_an_open_side_is_not_reached(boundary):
    edges = np.unique(
        np.r_[np.linspace(0.76, BOTTOM, 120), np.linspace(BOTTOM, 4, 120), np.geomspace(4, boundary, 120)]
    )
    exact = np.exp(quadrature(lambda r: 20 * (r**-12 - r**-6), edges, BOTTOM - 1e-9))
    for wall in ({}, {"reflecting": 0.8}, {"reflecting": 0.01}, {"reflecting": 0.0}):
        where = {"start": BOTTOM, "boundary": boundary, **wall}
        assert theory.first_passage_time(lennard_jones, 1.0, **where) == pytest.approx(exact, rel=1e-11)
        assert grid_time(lennard_jones, 1.0, **where) == pytest.approx(exact, rel=1e-7)


@pytest.mark.parametrize("boundary", [20.0, 170.0, 400.0, 777.0, 2000.0])
def test_an_open_side_is_found_wherever_the_boundary_is(boundary):
    edges = np.unique(np.r_[np.linspace(-2, 0, 60), np.linspace(0, 20, 200), np.geomspace(20, boundary, 60)])
    exact = np.exp(quadrature(lambda u: 5 * (1 - np.exp(-u)) ** 2, edges, 0.0))
    if boundary == 400:
        assert exact == pytest.approx(132895.45, abs=0.01)
    assert theory.first_passage_time(morse, 1.0, start=0.0, boundary=boundary) == pytest.approx(exact, rel=1e-11)
    for origin, sign in ((0.0, 1.0), (0.0, -1.0), (1e3, 1.0)):
        where = {"start": origin, "boundary": origin + sign * boundary}
        found = grid_time(lambda x, o=origin, s=sign: s * morse(s * (x - o)), 1.0, **where)
        assert found == pytest.approx(exact, rel=1e-7)


def test_a_step_up_is_a_wall_and_a_value_that_is_not_finite_behind_it_does_not_matter():
    """Brownian motion from a cliff at 0, or from where the slope stops being a number high up a slope."""
    where = {"start": 0.5, "boundary": 1.0}
    cliff = grid_time(lambda x: np.where(x < 0, -1e30, 0.0), 1.0, **where)
    assert cliff == pytest.approx((1 - 0.25) / 2, rel=1e-7)
    assert theory.first_passage_time(lambda x: np.where(x < 0, -1e30, 0.0), 1.0, **where) == pytest.approx(
        cliff, rel=1e-9
    )
    steep = {"start": 0.5, "boundary": 1.0, "reflecting": -9.0}

    def slope(x):
        return np.where(x < -3, np.nan, -100.0)

    assert grid_time(slope, 1.0, **steep) == pytest.approx(0.005, rel=1e-7)
    assert theory.first_passage_time(slope, 1.0, **steep) == pytest.approx(0.005, rel=1e-11)


def test_a_deeper_well_between_the_start_and_a_wall_counts():
    """From the upper well of a tilted quartic over its lower barrier: nearly all time is spent in the other well."""

    def slope(u):
        return 12 * u * (u * u - 1) + 0.6

    def psi(u):
        return (3 * u**4 - 6 * u**2 + 0.6 * u) / 0.05

    exact = np.exp(
        quadrature(
            psi, np.unique([*np.linspace(-2.0, 1.0, 300), *np.linspace(1.0, 1.3, 60)]), 1.0, lambda x: 0.05 + 0 * x
        )
    )
    where = {"start": 1.0, "boundary": 1.3, "reflecting": -2.0}
    assert theory.first_passage_time(slope, 0.05, **where) == pytest.approx(exact, rel=1e-10)
    assert grid_time(slope, 0.05, **where) == pytest.approx(exact, rel=1e-7)
    near = {"start": 1.0, "boundary": 1.3, "reflecting": 0.0}
    assert grid_time(slope, 0.05, **near) < 1e-3 * exact


# Units and temperatures


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1.0, 1e5, 1e12])
@pytest.mark.parametrize("energy", [1.38e-23, 1.0, 1e9])
def test_no_scale_is_absolute(unit, energy):
    """L(x) = energy l(x/unit), D = energy d: times go like unit^2/energy, rates and densities accordingly."""

    def slope(x):
        return energy / unit * 4 * (x / unit) * ((x / unit) ** 2 - 1)

    where = {"start": -1.0 * unit, "boundary": 0.2 * unit}
    one = theory.first_passage_time(lambda u: 4 * u * (u * u - 1), 0.2, start=-1.0, boundary=0.2)
    time_unit = unit**2 / energy
    assert theory.first_passage_time(slope, 0.2 * energy, **where) / time_unit == pytest.approx(one, rel=1e-11)
    assert grid_time(slope, 0.2 * energy, **where) / time_unit == pytest.approx(one, rel=1e-8)
    ends = fokker_planck.stationary_density(Line(slope, -unit), diffusion=0.2 * energy)
    assert (ends.density * ends.position_width).sum().item() == pytest.approx(1.0)
    assert ends.position.item(-1) / unit == pytest.approx(2.0, abs=0.2)
    late = fokker_planck.density(Line(slope, -unit), diffusion=0.2 * energy, times=[time_unit], fineness=0.3, **where)
    assert 0.9 < late.survival.item() < 1.0


@pytest.mark.parametrize("diffusion", [1e-3, 1e-6, 1e-12, 1e-200])
def test_times_beyond_floating_point_are_refused_at_once(diffusion):
    where = {"diffusion": diffusion, "start": 2.7468, "boundary": 0.156731}
    for solve, name in (
        (fokker_planck.mean_first_passage_time, "mfpt"),
        (fokker_planck.escape_rate, "1 / escape_rate"),
    ):
        refused(lambda solve=solve: solve(StyblinskiTang(1), **where), f"diffusion is too small: {name} would be exp")


def test_paths_that_no_grid_holds_are_refused_before_it_is_made():
    q = QuadraticSaddle([1.0])
    long = "nodes to be resolved, more than"
    refused(lambda: fokker_planck.committor(q, diffusion=1e-9, boundary=(-3.0, 2.0)), long)
    refused(lambda: fokker_planck.stationary_density(q, diffusion=1e-9, reflecting=[1.0, 3.0], start=2.0), long)
    refused(lambda: fokker_planck.density(q, diffusion=1e-9, start=0.0, times=[1.0], boundary=1.0), long)
    downhill = {"start": 0.0, "boundary": 3.0, "reflecting": 0.0}
    refused(lambda: grid_time(lambda x: -x, 1e-7, **downhill), long)
    refused(lambda: theory.first_passage_time(lambda x: -x, 1e-7, **downhill), "too rough or too steep")
    refused(lambda: grid_time(lambda x: np.sin(1e7 * x), 1e-4, **downhill), "too rough or too steep")


# Rates


@pytest.mark.parametrize("speed", [0.3, 3.0, 30.0])
def test_where_drift_carries_all_paths_to_the_boundary_the_rate_depends_on_the_far_end(speed):
    """u'' + v u' = -lambda u, u'(0) = 0 = u(1): lambda = v^2/4 + k^2 with tan k = -2k/v."""
    k = brentq(lambda k: np.sin(k) * speed / 2 + k * np.cos(k), np.pi / 2, np.pi)
    exact = speed**2 / 4 + k * k
    where = {"start": 0.5, "boundary": 1.0}

    def slope(x):
        return np.full_like(x, -speed)

    assert theory.leading_rate(slope, 1.0, reflecting=0.0, **where) == pytest.approx(exact, rel=1e-12)
    found = fokker_planck.escape_rate(Line(slope), diffusion=1.0, reflecting=0.0, **where)
    assert found.escape_rate.item() == pytest.approx(exact, rel=1e-7)
    refused(lambda: theory.leading_rate(slope, 1.0, **where), "on the open side .* give a reflecting end")
    refused(lambda: fokker_planck.escape_rate(Line(slope), diffusion=1.0, **where), "give reflecting = a position")


def test_rates_that_cannot_be_told_apart_are_refused():
    """Two wells nearly alike, each with an exit of its own, behind a barrier that hardly anything crosses."""

    def slope(x):
        return 4 * x * (x * x - 1) * (2.5 - x * x) + 1e-5

    where = {"diffusion": 0.02, "start": 0.1, "boundary": (-1.6, 1.6)}
    refused(lambda: fokker_planck.escape_rate(Line(slope), **where), "cannot be told from the next")


@pytest.mark.parametrize("wall", [100.0, 40226.8, 1e6])
def test_a_far_wall_does_not_set_the_size_of_what_lies_at_the_start(wall):
    """Steps that are small beside the whole way, but not beside the way from the start to the boundary."""

    def slope(u):
        return 2 * np.exp(-u) - 2 * np.exp(-2 * u)

    where = {"start": 1.207, "boundary": 0.5595, "reflecting": wall}
    assert grid_time(slope, 269.0, **where) == pytest.approx(theory.first_passage_time(slope, 269.0, **where), rel=1e-6)


@pytest.mark.parametrize(
    ("slope", "noise"),
    [(lambda x: np.sin(50 * x), 0.2), (lambda x: x - 2.5 * np.sin(5 * x), lambda x: 6 * (1 + x * x))],
)
def test_a_slope_that_swings_for_ever_is_refused_in_time(slope, noise):
    began = time.process_time()
    with pytest.raises(ValueError, match="gradient does not confine the path"):
        theory.first_passage_time(slope, noise, start=0.0, boundary=1.0, convention="isothermal")
    assert time.process_time() - began < SECONDS


def test_densities_longer_than_can_be_followed_are_refused_at_once():
    began = time.process_time()
    for more in ({}, {"spread": 0.1, "mass": 1.0, "damping": 1.0}):
        with pytest.raises(ValueError, match=r"times = 1e\+300 is longer than can be followed"):
            fokker_planck.density(StyblinskiTang(1), diffusion=30.0, start=-2.9, times=[1e300], **more)
    assert time.process_time() - began < SECONDS


def test_where_one_start_is_meant_two_are_refused():
    with pytest.raises(ValueError, match=r"start = \[-2.9, 2.5\] must be one position"):
        fokker_planck.density(StyblinskiTang(1), diffusion=10.0, start=[-2.9, 2.5], times=[0.01])
    with pytest.raises(ValueError, match=r"start = \[0.0, 0.1\] must be one number"):
        theory.first_passage_time(lambda x: x, 1.0, start=[0.0, 0.1], boundary=1.0)


def test_survival_of_many_panels_ends():
    refused(
        lambda: theory.survival(lambda x: 0 * x - 3e4, 1.0, [1e-300], start=0.0, boundary=1.0, reflecting=0.0),
        "closer ends, or use first_passage_time",
    )


# Random problems

WELLS = {
    "parabola": (lambda u: u, lambda u: u * u / 2),
    "quartic": (lambda u: 4 * u * (u * u - 1), lambda u: (u * u - 1) ** 2),
    "tilted": (lambda u: 4 * u * (u * u - 1) + 0.7, lambda u: (u * u - 1) ** 2 + 0.7 * u),
    "cosine": (lambda u: 0.3 * u + 3 * np.sin(3 * u), lambda u: 0.15 * u * u - np.cos(3 * u)),
    "morse": (lambda u: morse(u) / 2, lambda u: 2.5 * (1 - np.exp(-u)) ** 2),
    "kinked": (np.sign, np.abs),
    "slope": (lambda u: 0 * u + 0.7, lambda u: 0.7 * u),
}
PROBLEMS = {
    "kind": st.sampled_from(sorted(WELLS)),
    "start": st.floats(-1.5, 1.5, allow_subnormal=False),
    "log_way": st.floats(-1, 1),
    "log_back": st.one_of(st.none(), st.floats(-1, 4)),
    "log_temperature": st.floats(-6, 6),
    "log_unit": st.floats(-6, 6),
    "wave": st.floats(0, 0.9),
    "mirrored": st.booleans(),
    "convention": st.sampled_from(sorted(P)),
}


def check_problem(kind, start, log_way, log_back, log_temperature, log_unit, wave, mirrored, convention):
    """Grid and quadrature agree with each other and, if D is constant, with the sum of logarithms; or refuse."""
    unit, sign, t = 10.0**log_unit, -1.0 if mirrored else 1.0, 10.0**log_temperature
    slope, loss = WELLS[kind]
    boundary, low = start + 10.0**log_way, None if log_back is None else start - 10.0**log_back

    def force(x):
        return sign / unit * slope(sign * x / unit)

    def noise(x):
        return t * (1 + wave * np.sin(3 * sign * x / unit))

    where = {"start": sign * start * unit, "boundary": sign * boundary * unit, "convention": convention}
    if low is not None:
        where["reflecting"] = sign * low * unit
    results = {}
    for name, solve in (
        ("grid", lambda: grid_time(force, noise, **where)),
        ("theory", lambda: theory.first_passage_time(force, noise, **where)),
        ("rate", lambda: fokker_planck.escape_rate(Line(force), diffusion=noise, **where).escape_rate.item()),
        ("leading", lambda: theory.leading_rate(force, noise, **where)),
    ):
        begin, reason = time.process_time(), ""
        try:
            results[name] = solve()
        except ValueError as error:
            reason = str(error)
        if reason:  # says what to do, in time
            assert ";" in reason
            assert time.process_time() - begin < SECONDS
    if {"grid", "theory"} <= set(results):
        assert results["grid"] == pytest.approx(results["theory"], rel=3e-7, abs=0)
    if {"rate", "leading"} <= set(results) and low is not None:
        assert results["rate"] == pytest.approx(results["leading"], rel=3e-7, abs=0)
    if "theory" in results and np.isfinite(results["theory"]) and low is not None and wave == 0:
        climb = np.ptp(loss(np.linspace(low, boundary, 1000))) / t
        if climb < 3000:
            even = np.linspace(low, boundary, 1000 + int(climb))
            edges = np.unique(
                [*even, *(start + np.r_[-1, 1][:, None] * np.geomspace(1e-9, 1, 200)).ravel(), start, 0.0]
            )
            edges = edges[(edges >= low) & (edges <= boundary)]
            exact = quadrature(lambda u: loss(u) / t, edges, start) + np.log(unit**2 / t)
            assert np.log(results["theory"]) == pytest.approx(exact, abs=1e-8)
    return results


@settings(max_examples=12, deadline=None, derandomize=True)
@given(**PROBLEMS)
def test_random_problems_are_right_or_refused(**problem):
    check_problem(**problem)


def test_the_slowest_well_is_found_behind_one_that_holds_nearly_all_mass():
    """The well near the boundary has all mass but e^-279, and is left e^64 times as often as the one behind it."""
    where = {
        "kind": "cosine",
        "start": -0.75,
        "log_way": 0.0,
        "log_back": 0.0,
        "log_temperature": -2.0,
        "log_unit": 0.0,
    }
    results = check_problem(**where, wave=0.5, mirrored=False, convention="isothermal")
    assert results["rate"] == pytest.approx(results["leading"], rel=1e-9, abs=0)


@pytest.mark.long
@settings(max_examples=3000, deadline=None, derandomize=True)
@given(**PROBLEMS)
def test_many_random_problems_are_right_or_refused(**problem):
    check_problem(**problem)


@pytest.mark.long
@settings(max_examples=500, deadline=None, derandomize=True)
@given(**PROBLEMS)
def test_many_random_problems_with_constant_noise_are_as_a_sum_of_logarithms(**problem):
    check_problem(**problem | {"wave": 0.0})
