"""Least actions of diffusions: closed forms, published values, symmetries, and what has no path."""

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

import theory

ROUND = np.eye(2) / 2


def maier_stein(beta):
    """Maier and Stein's drift, a gradient at beta = 1 alone."""

    def drift(x):
        u, v = x.T
        return np.stack([u - u**3 - beta * u * v**2, -(1 + u**2) * v], 1)

    return drift


def curved_valley(x):
    """Minus the slope of ``(x^2 - 1)^2/4 + 4 (y - (1 - x^2)^2/2)^2``."""
    u, v = x.T
    off = v - (1 - u**2) ** 2 / 2
    return -np.stack([u**3 - u + 16 * off * u * (1 - u**2), 8 * off], 1)


def double_well(x):
    return x - x**3


def langevin(damping):
    """Positions and velocities in ``x^4/4 - x^2/2``."""

    def drift(z):
        x, r = z.T
        return np.stack([r, -damping * r + x - x**3], 1)

    return drift


def turned(angle, drift, matrix):
    """The same problem in coordinates turned about the origin."""
    q = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return q, lambda x: drift(x @ q) @ q.T, q @ matrix @ q.T


@pytest.mark.parametrize(
    ("beta", "action", "off"), [(2.0, 0.5, 0), (4.2, 0.49905, 1), (5.0, 0.48307, 1), (10.0, 0.34004, 1)]
)
def test_published_quasi_potentials_of_a_motion_that_is_no_gradient(beta, action, off):
    found = theory.least_action(maier_stein(beta), ROUND, start=[1, 0], end=[0, 0])
    assert found.action == pytest.approx(action, abs=5e-6)
    assert found.error < 1e-8
    assert len(found.paths) == 1 + off  # on the axis, or to either side of it
    assert (np.abs(found.path[:, 1]).max() > 0.1) == bool(off)


def test_two_paths_of_equal_action_mirror_each_other():
    found = theory.least_action(maier_stein(5.0), ROUND, start=[1, 0], end=[0, 0])
    one, other = found.paths
    assert other * [1, -1] == pytest.approx(one, abs=1e-6)
    assert found.path == pytest.approx(one)


def test_at_beta_2_the_exact_action_is_found_to_nine_digits():
    found = theory.least_action(maier_stein(2.0), ROUND, start=[1, 0], end=[0, 0])
    assert found.action == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("temperature", [0.01, 1.0, 30.0])
def test_down_a_gradient_in_round_noise_it_is_the_barrier_over_the_temperature(temperature):
    found = theory.least_action(curved_valley, temperature * np.eye(2), start=[-1, 0], end=[0, 0.5])
    assert found.action == pytest.approx(0.25 / temperature, rel=1e-8)
    x, y = found.path.T
    assert y == pytest.approx((1 - x**2) ** 2 / 2, abs=0.2)  # along the bent valley


def test_momenta_are_the_slope_of_the_quasi_potential():
    found = theory.least_action(curved_valley, 0.1 * np.eye(2), start=[-1, 0], end=[0, 0.5])
    middles = (found.path[1:] + found.path[:-1]) / 2
    assert found.momenta == pytest.approx(-curved_valley(middles) / 0.1, abs=5e-3)
    assert np.all(np.diff(found.times) > 0)


def test_in_the_curved_valley_the_hessian_s_noise_cuts_the_corner():
    """Theorem 3's exponent is .125 there."""
    found = theory.least_action(curved_valley, np.diag([2.0, 8.0]), start=[-1, 0], end=[0, 0.5])
    assert found.action == pytest.approx(0.07127, abs=5e-6)


def test_turning_the_coordinates_changes_nothing():
    q, drift, matrix = turned(0.7, curved_valley, np.diag([2.0, 8.0]))
    ends = q @ [-1, 0], q @ [0, 0.5]
    straight = theory.least_action(curved_valley, np.diag([2.0, 8.0]), start=[-1, 0], end=[0, 0.5])
    found = theory.least_action(drift, matrix, start=ends[0], end=ends[1])
    assert found.action == pytest.approx(straight.action, rel=1e-8)
    wrong = theory.least_action(drift, np.diag([2.0, 8.0]), start=ends[0], end=ends[1])  # not turned along
    assert abs(wrong.action / straight.action - 1) > 0.1


@pytest.mark.parametrize("speed", [0.03, 7.0])
def test_a_motion_run_at_another_speed_takes_the_same_path(speed):
    """Drift and diffusion times a function of position: the action is of the path, not of its times."""

    def faster(x):
        return speed * (1 + x[:, :1] ** 2)

    slow = theory.least_action(maier_stein(4.2), ROUND, start=[1, 0], end=[0, 0])
    fast = theory.least_action(
        lambda x: faster(x) * maier_stein(4.2)(x), lambda x: faster(x)[..., None] * ROUND, start=[1, 0], end=[0, 0]
    )
    assert fast.action == pytest.approx(slow.action, rel=1e-7)


def test_scales_of_coordinates_do_not_matter():
    units = np.array([1e-3, 50.0])
    found = theory.least_action(
        lambda x: curved_valley(x / units) * units, np.diag([2.0, 8.0] * units**2), start=[-1e-3, 0], end=[0, 25.0]
    )
    assert found.action == pytest.approx(0.0712715644, rel=1e-7)


def test_noise_that_depends_on_position_in_one_coordinate():
    """``int L'/D`` with D = 1 + x^2, L' = x^3 - x, over [-1, 0]: ln 2 - 1/2."""
    found = theory.least_action(double_well, lambda x: (1 + x**2)[:, :, None], start=-1, end=0)
    assert found.action == pytest.approx(np.log(2) - 0.5, abs=1e-9)


def test_in_bent_coordinates_noise_is_a_full_matrix_that_depends_on_position():
    """``v = y + x^2`` in the curved valley."""

    def drift(z):
        u, v = z.T
        x, y = curved_valley(np.stack([u, v - u**2], 1)).T
        return np.stack([x, y + 2 * u * x], 1)

    def slope(z):
        return np.array([[1.0, 0], [0, 1]]) + 2 * z[:, :1, None] * np.array([[0, 0], [1, 0]])

    def noise(z):
        return slope(z) @ np.diag([2.0, 8.0]) @ np.swapaxes(slope(z), 1, 2)

    found = theory.least_action(drift, noise, start=[-1, 1], end=[0, 0.5])
    assert found.action == pytest.approx(0.0712715644, rel=1e-7)
    frozen = theory.least_action(drift, noise(np.array([[-1.0, 1.0]]))[0], start=[-1, 1], end=[0, 0.5])
    assert abs(frozen.action / found.action - 1) > 0.05


def test_a_transposed_matrix_of_the_drift_is_another_motion():
    """Linear motion: ``x C^-1 x/2`` of the stationary covariance, which that of the transposed motion is not."""
    slope, noise, end = np.array([[-1.0, 2.0], [-0.5, -1.5]]), np.array([[0.3, 0.1], [0.1, 0.2]]), np.array([0.4, -1.0])
    covariance = solve_continuous_lyapunov(slope, -2 * noise)
    found = theory.least_action(lambda x: x @ slope.T, noise, start=[0, 0], end=end)
    assert found.action == pytest.approx(end @ np.linalg.solve(covariance, end) / 2, rel=1e-9)
    wrong = theory.least_action(lambda x: x @ slope, noise, start=[0, 0], end=end)
    assert abs(wrong.action / found.action - 1) > 0.1


@pytest.mark.parametrize(("damping", "end"), [(0.3, (0.0, 0.0)), (1.0, (-0.5, 0.3)), (5.0, (0.0, 0.0))])
def test_with_inertia_it_is_the_energy_over_the_temperature(damping, end):
    """Noise drives the velocity alone; ``r^2/2 + V(x) - V(-1)`` whatever the damping."""
    found = theory.least_action(langevin(damping), np.diag([0, 0.2 * damping]), start=[-1, 0], end=end)
    x, r = end
    energy = r**2 / 2 + x**4 / 4 - x**2 / 2 + 0.25
    assert found.action == pytest.approx(energy / 0.2, rel=1e-5)
    assert abs(found.action - energy / 0.2) < 5 * found.error


@pytest.mark.parametrize(("bend", "exact"), [(0.5, 0.046058), (0.75, 0.043772)])
def test_weak_damping_in_a_bent_valley_that_is_hotter_across(bend, exact):
    """gamma/omega_b = .3; refined without being held in its middle the first path had 24 times this action."""
    mass = 1 / 0.09

    def drift(z):
        position, velocity = z[:, :2], z[:, 2:]
        wide = 1 - position[:, 0] ** 2
        off = 8 * (position[:, 1] - bend * wide**2)
        slope = np.stack([(4 * bend * off - 1) * position[:, 0] * wide, off], 1)
        return np.concatenate([velocity, -(slope + velocity) / mass], 1)

    noise = np.diag([0, 0, 2, 8]) / mass**2
    found = theory.least_action(drift, noise, start=[-1, 0, 0, 0], end=[0, bend, 0, 0])
    assert found.action == pytest.approx(exact, rel=2e-5)
    assert found.error < 1e-4 * exact


@pytest.mark.parametrize(
    ("ratio", "damping", "share"),
    [
        (4, 1, 1.024),
        (0.25, 0.3, 0.655),
        pytest.param(4, 0.3, 1.074, marks=pytest.mark.long),
        pytest.param(0.25, 1, 0.733, marks=pytest.mark.long),
    ],
)
def test_two_temperatures_with_inertia(ratio, damping, share):
    """Double parabola, H_b = 4 H_a; psi is the exponent without inertia. Where noise jumps is said."""
    join = np.sqrt(1.6)
    saddle = 1.25 * join

    def drift(z):
        x, r = z.T
        return np.stack([r, -2 * damping * r - np.where(x < join, x, 4 * (saddle - x))], 1)

    def noise(z):
        return 2 * damping * np.where(z[:, 0] < join, 1, ratio)[:, None, None] * np.diag([0, 1])

    found = theory.least_action(drift, noise, start=[0, 0], end=[saddle, 0], jump=lambda z: z[:, 0] - join)
    psi = 0.8 + 0.2 / ratio
    assert found.action / psi == pytest.approx(share, abs=1e-3)
    assert found.error < 1e-3


@pytest.mark.long
def test_a_path_that_crosses_a_jump_three_times():
    """H_b = H_a/4, T_b = T_a/4, gamma = .3 omega_b: .36376 psi by shooting; one crossing would be .35067."""
    join = np.sqrt(0.1)
    saddle = 5 * join

    def drift(z):
        x, r = z.T
        return np.stack([r, -0.3 * r - np.where(x < join, 4 * x, saddle - x)], 1)

    def noise(z):
        return 0.3 * np.where(z[:, 0] < join, 1, 0.25)[:, None, None] * np.diag([0, 1])

    found = theory.least_action(drift, noise, start=[0, 0], end=[saddle, 0], jump=lambda z: z[:, 0] - join)
    assert found.action / 3.4 == pytest.approx(0.36376, abs=1e-4)
    assert np.sum(np.diff(np.sign(found.path[:, 0] - join)) != 0) == 3


def test_noise_that_jumps_without_inertia():
    """``Delta L [s/T_a + (1-s)/T_b]``."""
    place = -1 / np.sqrt(3)

    def noise(x):
        return np.where(x < place, 2.0, 1.0)[:, :, None]

    found = theory.least_action(double_well, noise, start=-1, end=0, jump=lambda x: x[:, 0] - place)
    assert found.action == pytest.approx((1 / 9) / 2 + 5 / 36, abs=3e-5)
    with pytest.raises(ValueError, match=r"diffusion jumps at .*give jump"):
        theory.least_action(double_well, noise, start=-1, end=0)


def test_beyond_the_saddle_the_way_down_is_free():
    found = theory.least_action(double_well, np.eye(1), start=-1, end=0.5)
    assert found.action == pytest.approx(0.25, abs=1e-4)
    assert abs(found.action - 0.25) < 3 * found.error


def test_a_guess_leads_to_a_path_that_bends_do_not():
    """Round a ring, the way with less noise in it, be it long."""
    angles = np.linspace(np.pi, 2 * np.pi, 40)
    ring = np.stack([np.cos(angles), np.sin(angles)], 1)
    found = theory.least_action(maier_stein(5.0), ROUND, start=[1, 0], end=[0, 0], guess=0.5 * ring + [0.5, 0])
    assert found.action == pytest.approx(0.48307, abs=5e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": [0.5, 0]}, "start = .* is not at rest"),
        ({"start": [0, 0], "end": [1, 0]}, "start = .* is left without noise"),
        ({"end": [1, 0]}, "end = .* is the start itself"),
        ({"end": [0, 0, 0]}, "as many coordinates"),
        ({"end": [np.nan, 0]}, "not finite"),
        ({"diffusion": np.diag([1.0, -0.1])}, "eigenvalue -0.1; it must be positive semidefinite"),
        ({"diffusion": lambda x: np.eye(2) * (x[:, 0] - 0.5)[:, None, None]}, "positive semidefinite"),
        ({"diffusion": [[1, 1], [0, 1]]}, "symmetric"),
        ({"diffusion": np.zeros((2, 2))}, "diffusion vanishes at start"),
        ({"diffusion": lambda x: np.eye(2)}, "shape"),
        ({"drift": 3.0}, "drift = 3.0 must be a function"),
        ({"drift": lambda x: x[:, 0]}, "drift returns shape"),
        ({"drift": lambda x: np.where(x[:, :1] < 0.5, np.nan, maier_stein(2.0)(x))}, "not finite"),
        ({"guess": [[1, 2, 3]]}, "guess has shape"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(change, message):
    given = {"drift": maier_stein(2.0), "diffusion": ROUND, "start": [1, 0], "end": [0, 0]} | change
    with pytest.raises(ValueError, match=message):
        theory.least_action(given.pop("drift"), given.pop("diffusion"), **given)


def test_a_path_of_too_many_turns_is_refused():
    """Weakly damped it winds out of the minimum, ``omega/(gamma/2)`` radians in a relaxation time."""
    with pytest.raises(ValueError, match=r"drift turns by 141 radians .*kramers_escape_time"):
        theory.least_action(langevin(0.02), np.diag([0, 0.02]), start=[-1, 0], end=[0, 0])


def test_a_saddle_of_index_2_is_refused():
    with pytest.raises(ValueError, match="saddle of index 2"):
        theory.least_action(double_well, np.eye(2), start=[-1, -1], end=[0, 0])


def test_where_noise_leads_only_round_a_bend_it_is_refused_as_such():
    """Out of a bent valley with noise along the first coordinate alone, which moves the second one only on the way."""
    with pytest.raises(ValueError, match=r"diffusion = .* leaves a direction without noise"):
        theory.least_action(curved_valley, np.diag([2.0, 0.0]), start=[-1, 0], end=[0, 0.5])


def test_where_noise_never_leads_there_is_no_path():
    with pytest.raises(ValueError, match="end is reached by no path"):
        theory.least_action(double_well, np.diag([1.0, 0.0]), start=[-1, -1], end=[0, -0.5])
