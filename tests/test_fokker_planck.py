"""Fokker-Planck grids: closed forms, quadratures written here, limits, symmetries, conservation, and refusals."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from diffusion import DoubleParabola, HessianNoise, QuadraticSaddle, StyblinskiTang, fokker_planck
from diffusion.fokker_planck import overdamped
from diffusion.fokker_planck.elements import Elements
from diffusion.fokker_planck.path import make_path
from diffusion.fokker_planck.phase_grid import make_grid
from diffusion.landscapes import Landscape
from diffusion.variables import VARIABLES

POWERS = {"ito": 1.0, "stratonovich": 0.5, "isothermal": 0.0}
SADDLE, LOCAL_MINIMUM = 0.156731, 2.746803
# Slip length of the absorbing Klein-Kramers half-space in units of thermal speed / damping (Burschka 1981)
MILNE = 1.4603


class Line(Landscape):
    """A landscape given by its slope."""

    dimension = 1

    def __init__(self, slope, reference=0.0):
        self.slope, self._reference = slope, reference

    @property
    def reference(self):
        return np.array([self._reference])

    @property
    def formulas(self):
        raise NotImplementedError

    def gradient(self, theta):
        return self.slope(np.asarray(theta))


def slope_of_flat(x):
    return 0.0 * x


def mfpt(landscape, **arguments):
    found = fokker_planck.mean_first_passage_time(landscape, **arguments)
    return found.mfpt.values, found.mfpt_error.values


def exact_mfpt(psi, diffusion, power, low, start, boundary, breaks=()):
    """int_start^boundary e^psi D^(p-1) dy int_low^y e^-psi D^-p dz."""

    def integral(f, a, b):
        cuts = [a, *[c for c in breaks if a < c < b], b]
        return sum(quad(f, c, d, epsabs=0, epsrel=1e-11, limit=200)[0] for c, d in pairwise(cuts))

    def inner(y):
        return integral(lambda z: np.exp(-psi(z)) * diffusion(z) ** -power, low, y)

    top = psi(boundary)
    outer = integral(lambda y: np.exp(psi(y) - top) * diffusion(y) ** (power - 1) * inner(y), start, boundary)
    return outer * np.exp(top)


def double_parabola(exponent):
    """Landscape and temperature of the double parabola with H_a = 1, H_b = 4."""
    return DoubleParabola(1.0, 1.0, 4.0, 1), 1.0 / exponent


# Overdamped: mean first-passage times


@pytest.mark.parametrize("drift", [0.0, 1.3, -40.0])
def test_brownian_motion_with_drift_leaves_an_interval_as_in_closed_form(drift):
    d, x = 0.7, 0.3
    landscape = Line(lambda theta: 0.0 * theta - drift)
    both, error = mfpt(landscape, diffusion=d, start=x, boundary=(0.0, 1.0))
    k = drift / d
    exact = x * (1 - x) / (2 * d) if drift == 0 else (np.expm1(-k * x) / np.expm1(-k) - x) / drift
    assert both == pytest.approx(exact, rel=1e-7)
    assert abs(both - exact) <= error
    one, error = mfpt(landscape, diffusion=d, start=x, boundary=1.0, reflecting=0.0)
    exact = (1 - x * x) / (2 * d) if drift == 0 else (1 - x) / drift + (np.exp(-k) - np.exp(-k * x)) / (k * drift)
    assert one == pytest.approx(exact, rel=1e-7)
    assert abs(one - exact) <= error


@pytest.mark.parametrize("convention", POWERS)
def test_noise_that_depends_on_position_in_each_convention(convention):
    def psi(x):
        return (1 - np.exp(-0.6 * x) * (1 + 0.6 * x)) / 0.36  # int x exp(-0.6 x)

    def diffusion(x):
        return np.exp(0.6 * x)

    value, error = mfpt(QuadraticSaddle([1.0]), diffusion=diffusion, start=0.2, boundary=1.5, convention=convention)
    exact = exact_mfpt(psi, diffusion, POWERS[convention], -4.0, 0.2, 1.5)
    assert value == pytest.approx(exact, rel=1e-6)
    assert abs(value - exact) <= error + 1e-9 * exact


@pytest.mark.parametrize("convention", POWERS)
def test_noise_that_jumps_is_found_and_integrated_exactly(convention):
    jump = np.sqrt(2) / 3

    def diffusion(x):
        return np.where(x < jump, 0.05, 0.2)

    def psi(x):
        return 10 * x * x if x < jump else 10 * jump**2 + (x * x - jump * jump) / 0.4

    value, error = mfpt(QuadraticSaddle([1.0]), diffusion=diffusion, start=0.0, boundary=1.2, convention=convention)
    exact = exact_mfpt(psi, diffusion, POWERS[convention], -2.2, 0.0, 1.2, [jump])
    assert value == pytest.approx(exact, rel=1e-6)
    assert abs(value - exact) <= error + 1e-9 * exact
    path = make_path(
        QuadraticSaddle([1.0]), diffusion, np.zeros(1), None, 1.2, absorbing=(False, True), friction=1.0, rise=40.0
    )
    assert path.breaks == (jump,)


@pytest.mark.parametrize("exponent", [4.5, 20.0, 60.0])
def test_high_barriers_lose_no_digits(exponent):
    landscape, d = double_parabola(exponent)

    def psi(x):
        return float(landscape.loss(np.array([[x]]))[0]) / d

    value, error = mfpt(landscape, diffusion=d, start=0.0, boundary=landscape.saddle)
    exact = exact_mfpt(psi, lambda x: d, 1.0, -np.sqrt(80 * d), 0.0, landscape.saddle, [0.0, 0.1, landscape.join])
    assert value == pytest.approx(exact, rel=1e-6)
    assert abs(value - exact) <= error + 1e-9 * exact


def test_noise_of_the_theory_in_each_convention():
    landscape, noise, lr = DoubleParabola(1.0, 1.0, 4.0, 1), HessianNoise(10, at="piecewise"), 1.5
    join = landscape.join
    t = lr / 20  # D in the well; 4 times as large beyond the join

    def diffusion(x):
        return lr / 2 * noise.variance_at(landscape, x[:, None])[:, 0]

    def psi(x):
        loss, at_join = (float(landscape.loss(np.array([[y]]))[0]) for y in (x, join))
        return min(loss, at_join) / t + (loss - at_join) / (4 * t) if x > join else loss / t

    times = {}
    for convention, power in POWERS.items():
        times[convention], error = mfpt(
            landscape, diffusion=diffusion, start=0.0, boundary=landscape.saddle, convention=convention
        )
        exact = exact_mfpt(
            psi, lambda x: t if x < join else 4 * t, power, -np.sqrt(80 * t), 0.0, landscape.saddle, [0.0, join]
        )
        assert times[convention] == pytest.approx(exact, rel=1e-6)
        assert abs(times[convention] - exact) <= error + 1e-9 * exact
    assert times["ito"] > 1.5 * times["stratonovich"] > 2 * times["isothermal"]


def test_many_starts_at_once_and_on_a_wall():
    landscape, d = double_parabola(4.5)
    starts = [0.0, -0.5, 1.0]
    together, _ = mfpt(landscape, diffusion=d, start=starts, boundary=landscape.saddle)
    alone = [mfpt(landscape, diffusion=d, start=x, boundary=landscape.saddle)[0] for x in starts]
    np.testing.assert_allclose(together, alone, rtol=1e-8)
    assert together[1] > together[0] > together[2]
    assert mfpt(Line(slope_of_flat), diffusion=1.0, start=0.0, boundary=2.0, reflecting=0.0)[0] == pytest.approx(2.0)


@settings(deadline=None, max_examples=20)
@given(
    barrier=st.floats(0.1, 40),
    curvature=st.floats(0.1, 10),
    k=st.floats(0.05, 20),
    convention=st.sampled_from(sorted(POWERS)),
)
def test_mirror_image_and_sharpness_leave_the_time_as_they_must(barrier, curvature, k, convention):
    base = DoubleParabola(barrier, 1.0, curvature, 1)
    b, root = base.saddle, np.sqrt(k)

    def diffusion(x):
        return 0.7 + 0.2 * np.sin(x / b)

    kept = {"tolerance": 1e-5, "convention": convention}
    value, error = mfpt(base, diffusion=diffusion, start=0.0, boundary=b, **kept)
    mirrored = Line(lambda theta: -base.gradient(-theta))
    other, _ = mfpt(mirrored, diffusion=lambda x: diffusion(-x), start=0.0, boundary=-b, breaks=[-base.join], **kept)
    assert other == pytest.approx(value, rel=1e-6)
    # L(sqrt(k) theta) with the same temperature: dynamics of sqrt(k) theta are k times as fast
    sharp = Line(lambda theta: root * base.gradient(root * theta))
    scaled, _ = mfpt(
        sharp, diffusion=lambda x: diffusion(root * x), start=0.0, boundary=b / root, breaks=[base.join / root], **kept
    )
    assert k * scaled == pytest.approx(value, rel=1e-6)
    assert error < 1e-5 * value


# Overdamped: densities, rates, committors


def test_ornstein_uhlenbeck_propagator_of_second_order_positive_and_conserving():
    d, h, times = 0.5, 2.0, np.array([0.01, 0.1, 1.0, 3.0])
    variance, mean = d / h * (1 - np.exp(-2 * h * times)), np.exp(-h * times)
    errors = []
    for fineness in (0.5, 1.0):
        found = fokker_planck.density(QuadraticSaddle([h]), diffusion=d, start=1.0, times=times, fineness=fineness)
        x = found.position.values
        exact = np.exp(-((x - mean[:, None]) ** 2) / 2 / variance[:, None]) / np.sqrt(2 * np.pi * variance[:, None])
        errors.append(np.abs(found.density.values - exact).max(axis=1) / exact.max(axis=1))
        assert found.density.values.min() >= 0
        np.testing.assert_allclose(found.survival, 1.0, atol=1e-12)
    assert errors[1].max() < 4e-3
    assert np.all(errors[0] > 3 * errors[1])


def test_the_chain_forgets_how_it_got_somewhere():
    landscape, d = double_parabola(4.5)
    arguments = {"diffusion": d, "start": 0.3, "boundary": landscape.saddle}
    direct = fokker_planck.density(landscape, times=[0.1, 7.3], **arguments)
    stepped = fokker_planck.density(landscape, times=[0.1, 0.4, 2.9, 7.3], **arguments)
    np.testing.assert_allclose(direct.density[-1], stepped.density[-1], rtol=1e-10)
    assert direct.survival[-1] < 0.99


def test_survival_decays_at_the_escape_rate_and_keeps_its_shape():
    landscape, d = double_parabola(3.0)
    arguments = {"diffusion": d, "start": 0.0, "boundary": landscape.saddle}
    rate = fokker_planck.escape_rate(landscape, **arguments)
    later = fokker_planck.density(landscape, times=[30.0, 60.0], **arguments)
    decay = np.log(later.survival[0] / later.survival[1]) / 30
    assert decay == pytest.approx(rate.escape_rate.item(), rel=1e-3)
    shape = np.interp(later.position, rate.position, rate.density)
    np.testing.assert_allclose(later.density[1] / later.survival[1], shape, atol=2e-3 * rate.density.max().item())
    assert (rate.density * rate.position_width).sum() == pytest.approx(1.0)


def test_rate_is_one_over_the_mean_time_at_low_temperature():
    ratios = []
    for exponent in (5.0, 10.0, 15.0):
        landscape, d = double_parabola(exponent)
        arguments = {"diffusion": d, "start": 0.0, "boundary": landscape.saddle}
        rate = fokker_planck.escape_rate(landscape, **arguments)
        assert rate.escape_rate_error < 1e-6 * rate.escape_rate
        ratios.append(rate.escape_rate.item() * mfpt(landscape, **arguments)[0] - 1)
    assert 0 < ratios[2] < ratios[1] < ratios[0] < 0.01
    assert ratios[2] < 1e-6


def test_rate_between_walls_is_that_of_the_sine():
    rate = fokker_planck.escape_rate(Line(slope_of_flat), diffusion=0.3, start=0.2, boundary=(0.0, 1.0))
    exact = 0.3 * np.pi**2
    assert rate.escape_rate.item() == pytest.approx(exact, rel=1e-7)
    assert abs(rate.escape_rate.item() - exact) <= rate.escape_rate_error.item()
    sine = np.pi / 2 * np.sin(np.pi * rate.position.values)
    np.testing.assert_allclose(rate.density, sine, atol=1e-4)


@pytest.mark.parametrize("convention", POWERS)
def test_stationary_density_of_each_convention(convention):
    def diffusion(x):
        return 1 + 0.6 * np.sin(2 * x)

    found = fokker_planck.stationary_density(QuadraticSaddle([1.0]), diffusion=diffusion, convention=convention)
    assert (found.density * found.position_width).sum() == pytest.approx(1.0)
    points = np.array([-2.0, -0.7, 0.0, 0.8, 1.9])
    psi = np.array([quad(lambda z: z / diffusion(z), 0, x)[0] for x in points])
    law = np.interp(points, found.position, found.density) * np.exp(psi) * diffusion(points) ** POWERS[convention]
    np.testing.assert_allclose(law, law.mean(), rtol=1e-3)


def test_density_becomes_stationary_and_reflecting_walls_keep_the_mass():
    def diffusion(x):
        return np.where(x < 0.3, 1.0, 2.5)

    landscape, walls = QuadraticSaddle([1.0]), [-1.0, 2.0]
    found = fokker_planck.density(landscape, diffusion=diffusion, start=0.0, times=[0.2, 30.0], reflecting=walls)
    np.testing.assert_allclose(found.survival, 1.0, atol=1e-12)
    assert found.position.min() == -1.0
    assert found.position.max() == 2.0
    ends = fokker_planck.stationary_density(landscape, diffusion=diffusion, reflecting=walls)
    points = np.array([-0.8, 0.2, 0.4, 1.7])
    np.testing.assert_allclose(
        np.interp(points, found.position, found.density[1]), np.interp(points, ends.position, ends.density), rtol=2e-3
    )
    left, right = (np.interp(x, ends.position, ends.density) for x in (0.29, 0.31))
    assert left / right == pytest.approx(2.5, rel=0.02)  # Ito: P D is continuous


def test_committor_of_symmetric_wells_and_of_free_motion():
    wells = Line(lambda x: 4 * x * (x * x - 1))
    found = fokker_planck.committor(wells, diffusion=0.2, boundary=(-1.0, 1.0))
    values, x = found.committor.values, found.position.values
    np.testing.assert_allclose(values + np.interp(-x, x, values), 1.0, atol=1e-4)
    assert np.interp(0.0, x, values) == pytest.approx(0.5, abs=1e-9)
    assert np.all(np.diff(values) > 0)
    free = fokker_planck.committor(Line(slope_of_flat), diffusion=0.2, boundary=(1.0, 4.0))
    np.testing.assert_allclose(free.committor, (free.position - 1) / 3, atol=1e-12)


# Phase space


@pytest.mark.parametrize(("damping", "simulated", "error"), [(3.0, 439, 3), (1.0, 760, 14), (0.3, 1510, 27)])
def test_phase_space_agrees_with_direct_simulation(damping, simulated, error):
    value, _ = mfpt(
        StyblinskiTang(1), diffusion=4.0, start=LOCAL_MINIMUM, boundary=SADDLE, mass=1 / damping, damping=damping
    )
    assert value == pytest.approx(simulated, abs=3 * error)


def passage(exponent, damping_ratio, far=False, hot=1.0, **arguments):
    """First passage at the saddle, or arrival 10 temperatures below it on the other side, with gamma M = 1.

    The exponent is int L'/temperature; beyond the join the temperature is `hot` times that in the well.
    """
    landscape = DoubleParabola(1.0, 1.0, 4.0, 1)
    t = (0.8 + 0.2 / hot) / exponent
    damping = 4.0 * damping_ratio**2
    boundary = landscape.saddle + far * np.sqrt(2 * 10 * hot * t / 4.0)

    def diffusion(x):
        return np.where(x < landscape.join, t, hot * t)

    return mfpt(
        landscape, diffusion=diffusion, start=0.0, boundary=boundary, mass=1 / damping, damping=damping, **arguments
    )


@pytest.mark.parametrize(("damping_ratio", "ratio"), [(4.0, 1.65), (1.0, 1.24)])
def test_arrival_beyond_over_first_passage_as_simulated(damping_ratio, ratio):
    at, beyond = passage(4.5, damping_ratio, hot=4.0)[0], passage(4.5, damping_ratio, far=True, hot=4.0)[0]
    assert beyond / at == pytest.approx(ratio, rel=0.02)


def test_high_damping_is_the_overdamped_equation_with_its_boundary_one_milne_length_off():
    landscape, d = double_parabola(4.5)
    value, _ = passage(4.5, 50.0)
    damping = 4.0 * 50.0**2
    slip = MILNE * np.sqrt(d * damping) / damping
    limit = mfpt(landscape, diffusion=d, start=0.0, boundary=landscape.saddle)[0]
    shifted = mfpt(landscape, diffusion=d, start=0.0, boundary=landscape.saddle + slip)[0]
    assert value == pytest.approx(shifted, rel=1e-3)
    assert value / limit - 1 > 0.01


def test_kramers_rate_at_low_temperature_and_intermediate_damping():
    damping = 4.0  # omega_b = 4 as well
    arrived, _ = passage(16.0, 1.0, far=True)
    growth = -damping / 2 + np.sqrt(damping**2 / 4 + 4 * damping)
    omega_a, omega_b = np.sqrt(damping), np.sqrt(4 * damping)
    kramers = 2 * np.pi / omega_a * omega_b / growth * np.exp(16.0)
    assert arrived == pytest.approx(kramers, rel=1e-4)
    further, _ = passage(16.0, 1.0, far=2.0)  # 40 temperatures below the saddle: deeper than the well
    assert further == pytest.approx(kramers, rel=1e-4)


@pytest.mark.parametrize(
    ("exponent", "damping_ratio"), [(4.5, 0.1), (12.0, 10.0), pytest.param(15.0, 0.3, marks=pytest.mark.long)]
)
def test_errors_in_phase_space_are_honest(exponent, damping_ratio):
    value, error = passage(exponent, damping_ratio)
    landscape, d = double_parabola(exponent)
    damping = 4.0 * damping_ratio**2
    path = make_path(
        landscape, d, np.zeros(1), None, landscape.saddle, absorbing=(False, True), friction=1.0, rise=18.0
    )
    grid = make_grid(path, 1 / damping, damping, degree=6, fineness=1.2)
    finer = grid.at_start(grid.backward(grid.weights), 0.0, grid.maxwell(d * damping / grid.speed**2))
    assert abs(value - finer) <= error
    assert error < 2e-3 * value
    np.testing.assert_allclose(
        grid.weights @ grid.matrix, -grid.leaving.sum(axis=0), atol=1e-9 * abs(grid.matrix).max()
    )


def test_rate_and_quasi_stationary_density_in_phase_space():
    landscape, d = double_parabola(6.0)
    arguments = {"diffusion": d, "start": 0.0, "boundary": landscape.saddle, "mass": 0.5, "damping": 2.0}
    found = fokker_planck.escape_rate(landscape, **arguments)
    assert found.escape_rate.item() * mfpt(landscape, **arguments)[0] == pytest.approx(1.0, rel=0.01)
    widths = found.position_width * found.velocity_width
    assert (found.density * widths).sum() == pytest.approx(1.0)
    np.testing.assert_allclose((found.density * found.velocity_width).sum("velocity"), found.position_density)
    assert found.undershoot < 1e-6
    flux = (found.density.isel(position=-1) * found.velocity * found.velocity_width).sum()
    assert flux.item() == pytest.approx(found.escape_rate.item(), rel=0.05)  # the last point is close to the boundary


def test_gibbs_density_in_phase_space():
    d, mass, damping = 0.5, 0.8, 1.5
    found = fokker_planck.stationary_density(QuadraticSaddle([2.0]), diffusion=d, mass=mass, damping=damping)
    temperature = d / (damping * mass)
    x, r = found.position.values[:, None], found.velocity.values
    gibbs = np.exp(-(x * x + mass * r * r / 2) / temperature) * np.sqrt(2 * mass) / (2 * np.pi * temperature)
    np.testing.assert_allclose(found.density, gibbs, atol=1e-4 * gibbs.max())
    assert found.undershoot < 1e-6


def test_moments_of_position_and_velocity_over_time():
    d, mass, damping, h, spread = 0.5, 1.0, 1.0, 2.0, 0.3
    times = np.array([0.4, 0.8])
    found = fokker_planck.density(
        QuadraticSaddle([h]), diffusion=d, start=1.0, times=times, mass=mass, damping=damping, spread=spread
    )
    weights = found.density * found.position_width * found.velocity_width
    moments = {
        name: (weights * variable).sum(["position", "velocity"]).values
        for name, variable in {
            "x": found.position,
            "r": found.velocity,
            "xx": found.position**2,
            "rr": found.velocity**2,
            "xr": found.position * found.velocity,
        }.items()
    }
    roots = np.roots([1, damping, h / mass])

    def response(t):  # to a unit velocity: G and its derivative
        a, b = np.exp(roots * t)
        return ((a - b) / (roots[0] - roots[1])).real, ((roots[0] * a - roots[1] * b) / (roots[0] - roots[1])).real

    for i, t in enumerate(times):
        g, dg = response(t)
        f, df = dg + damping * g, -h / mass * g  # to a unit displacement
        thermal = d / (damping * mass**2)
        noise = 2 * d / mass**2

        def kicks(p, q, t=t, noise=noise):
            return noise * quad(lambda s: response(s)[0] ** p * response(s)[1] ** q, 0, t)[0]

        np.testing.assert_allclose([moments["x"][i], moments["r"][i]], [f, df], atol=1e-6)
        np.testing.assert_allclose(
            [moments["xx"][i], moments["xr"][i], moments["rr"][i]],
            [
                f * f * (1 + spread**2) + thermal * g * g + kicks(2, 0),
                f * df * (1 + spread**2) + thermal * g * dg + kicks(1, 1),
                df * df * (1 + spread**2) + thermal * dg * dg + kicks(0, 2),
            ],
            atol=1e-6,
        )
    np.testing.assert_allclose(found.survival, 1.0, atol=1e-9)
    assert found.undershoot < 1e-6
    assert found.density.values.min() > -1e-6 * found.density.values.max()


def test_noise_that_jumps_in_phase_space_and_the_mirror_image():
    landscape, d = double_parabola(5.0)

    def diffusion(x):
        return np.where(x < landscape.join, d, 2 * d)

    arguments = {"mass": 0.5, "damping": 2.0}
    value, error = mfpt(landscape, diffusion=diffusion, start=0.0, boundary=landscape.saddle, **arguments)
    mirrored = Line(lambda theta: -landscape.gradient(-theta))
    other, _ = mfpt(
        mirrored,
        diffusion=lambda x: diffusion(-x),
        start=0.0,
        boundary=-landscape.saddle,
        breaks=[-landscape.join],
        **arguments,
    )
    assert other == pytest.approx(value, rel=1e-6)
    cold, _ = mfpt(landscape, diffusion=d, start=0.0, boundary=landscape.saddle, **arguments)
    assert cold > 1.1 * value
    assert error < 2e-3 * value


def test_velocities_at_the_start_are_thermal_there():
    landscape, d = double_parabola(5.0)
    path = make_path(
        landscape,
        lambda x: np.where(x < landscape.join, d, 3 * d),
        np.zeros(1),
        None,
        landscape.saddle,
        absorbing=(False, True),
        friction=1.0,
        rise=16.0,
    )
    grid = make_grid(path, 0.5, 2.0, degree=3)
    x, u = grid.positions.points, grid.velocities.points
    for hot in (1.0, 3.0):
        square = grid.at_start(np.tile(u * u, len(x)), 1.4, grid.maxwell(hot))
        assert square == pytest.approx(hot, rel=1e-4)
    everywhere = grid.thermal(np.ones(len(x))).reshape(len(x), len(u))
    spread = (everywhere @ (grid.velocities.weights * u * u)) / (everywhere @ grid.velocities.weights)
    np.testing.assert_allclose(spread, np.where(x < landscape.join, 1.0, 3.0), rtol=1e-4)


def test_committor_in_phase_space_turns_into_its_complement_with_position_and_velocity():
    wells = Line(lambda x: 4 * x * (x * x - 1))
    found = fokker_planck.committor(wells, diffusion=0.5, boundary=(-1.0, 1.0), mass=1.0, damping=1.0)
    np.testing.assert_allclose(found.committor.values + found.committor.values[::-1, ::-1], 1.0, atol=1e-6)
    towards = found.committor.sel(position=0, method="nearest").interp(velocity=[-1.0, 1.0]).values
    assert towards[0] < 0.25 < 0.75 < towards[1]


def test_elements_differentiate_polynomials_and_conserve_mass():
    line = Elements(np.array([0.0, 0.3, 0.4, 1.0]), 3)
    x, w = line.points, line.weights
    assert w @ x**7 == pytest.approx(1 / 8)
    assert line.at(0.37) @ x**3 == pytest.approx(0.37**3)
    forward = line.transport(np.ones(len(x)), np.ones(4))
    inflow = (forward @ np.ones(len(x)))[:4]  # a constant that does not enter: all of the defect is at the entrance
    np.testing.assert_allclose((forward @ x**3)[0:], 3 * x**2, atol=1e-10)
    np.testing.assert_allclose((forward @ np.ones(len(x)))[4:], 0, atol=1e-10)
    assert w[:4] @ inflow == pytest.approx(1.0)
    np.testing.assert_allclose(w @ line.diffusion().toarray(), 0, atol=1e-10)
    bump = x**2 * (1 - x) ** 2  # no slope at the ends
    weak = (3 * x**2 - 2 * x**3) @ (w * (line.diffusion() @ (3 * x**2 - 2 * x**3)))
    assert weak == pytest.approx(-(36 * w @ bump))


# What results say, and what is refused


def test_results_are_labelled():
    found = fokker_planck.mean_first_passage_time(QuadraticSaddle([1.0]), diffusion=0.5, start=[0.0, 0.1], boundary=1.0)
    assert found.mfpt.attrs["units"] == "theta^2 / loss"
    assert "seed" not in found.attrs
    assert set(json.loads(found.attrs["versions"])) >= {"numpy", "scipy"}
    parameters = json.loads(found.attrs["parameters"])
    assert parameters["landscape"] == "QuadraticSaddle([1.0])"
    assert parameters["start"] == [0.0, 0.1]
    known = {variable.name for variable in VARIABLES}
    assert {"mfpt", "committor", "survival", "undershoot"} <= known


BAD = [
    ({"landscape": QuadraticSaddle([1.0, 1.0])}, r"dimension = 2"),
    ({"start": 1.0}, r"start = \[1.0\] is at boundary = 1.0"),
    ({"start": [0.0, 2.0]}, r"start = \[0.0, 2.0\] is on both sides of boundary"),
    ({"start": np.nan}, r"start = nan"),
    ({"start": -3.0, "reflecting": -2.0}, r"reflecting = -2.0 and 1.0 are both above start"),
    ({"boundary": np.inf}, r"boundary = inf must be a finite number"),
    ({"diffusion": -1.0}, r"diffusion = -1.0"),
    ({"diffusion": lambda x: x**2 + 0.0}, r"noise vanishes there"),
    ({"diffusion": lambda x: np.abs(x - np.sqrt(2) / 4)}, r"x = 0.353553: the noise vanishes there"),
    ({"diffusion": lambda x: np.where(x > 0.5, np.nan, 1.0)}, r"diffusion = nan at x = 0.5"),
    ({"diffusion": 1e-4}, r"diffusion is too small: mfpt would be exp"),
    ({"landscape": QuadraticSaddle([-1.0])}, r"does not confine on the open side"),
    ({"landscape": Line(slope_of_flat)}, r"does not confine on the open side"),
    ({"landscape": Line(lambda x: np.where(x < -1, np.nan, x))}, r"does not confine on the open side"),
    ({"convention": "Ito"}, r"convention = 'Ito' is unknown; did you mean 'ito'"),
    ({"mass": 1.0}, r"damping = None, but mass is given"),
    ({"damping": 1.0}, r"mass = None, but damping is given"),
    ({"damping": 1.0, "mass": -2.0}, r"mass = -2.0"),
    ({"damping": 1.0, "mass": 1.0, "convention": "isothermal"}, r"'isothermal' has no meaning in phase space"),
    ({"damping": 1.0, "mass": 1.0, "diffusion": 1e-3, "start": 3.0}, r"smallest that 120000 resolve is about"),
    (
        {
            "landscape": DoubleParabola(1.0, 1.0, 4.0, 1),
            "boundary": 1.6,
            "diffusion": 1 / 44,
            "damping": 1.0,
            "mass": 1.0,
        },
        r"psi = 44: the mean time is about 1e19 relaxation times, .* for psi <= 40, that is a diffusion 1.1 times",
    ),
    ({"tolerance": 1e-6, "damping": 1.0, "mass": 1.0}, r"tolerance = 1e-06 is not reached in phase space"),
    ({"tolerance": 1e-15}, r"tolerance = 1e-15 is not reached"),
    ({"tolerance": 0.0}, r"tolerance = 0.0"),
]


@pytest.mark.parametrize(("changed", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_refused_with_its_name(changed, message):
    arguments = {"landscape": QuadraticSaddle([1.0]), "diffusion": 0.5, "start": 0.0, "boundary": 1.0} | changed
    with pytest.raises(ValueError, match=message):
        fokker_planck.mean_first_passage_time(**arguments)


def test_bad_input_of_densities_and_committors_is_refused():
    q = QuadraticSaddle([1.0])
    with pytest.raises(ValueError, match=r"times = \[1.0, 0.5\]"):
        fokker_planck.density(q, diffusion=0.5, start=0.0, times=[1.0, 0.5])
    with pytest.raises(ValueError, match=r"spread = 0 cannot be resolved"):
        fokker_planck.density(q, diffusion=0.5, start=0.0, times=[1.0], mass=1.0, damping=1.0)
    with pytest.raises(
        ValueError, match=r"spread = 0.5: the starting density reaches the wall at 1.0; take at most 0.2"
    ):
        fokker_planck.density(q, diffusion=0.5, start=0.0, times=[1.0], boundary=1.0, spread=0.5)
    with pytest.raises(ValueError, match=r"boundary = \(1.0, 0.0\) must be two ends in ascending order"):
        fokker_planck.committor(q, diffusion=0.5, boundary=(1.0, 0.0))
    with pytest.raises(ValueError, match=r"nodes to be resolved"):
        fokker_planck.density(q, diffusion=0.5, start=0.0, times=[1.0], fineness=100.0)
    assert overdamped.POWERS == POWERS
