"""Prefactors along the likeliest path: closed forms, published factors of transverse curvature, refusals."""

import numpy as np
import pytest

import theory
from tests.test_least_action import ROUND, curved_valley, langevin, maier_stein


def aligned(low, high):
    """``x^4/4 - x^2/2 + h(x) y^2/2`` with h from low at x = -1 to high at 0, as a drift, and h."""

    def h(x):
        return low * (high / low) ** (1 - x**2)

    def drift(z):
        x, y = z.T
        return -np.stack([x**3 - x - x * np.log(high / low) * h(x) * y**2, h(x) * y], 1)

    return drift, h


def prefactor(drift, noise, start, end):
    return theory.escape_prefactor(drift, noise, theory.least_action(drift, noise, start=start, end=end))


@pytest.mark.parametrize(
    ("noise", "low", "high", "factor"), [((1, 1), 2, 8, 2.0), ((2, 8), 8, 32, 14.309), ((1, 1), 8, 2, 0.5)]
)
def test_transverse_curvature_multiplies_the_time_of_one_dimension(noise, low, high, factor):
    """Round noise: ``sqrt(h_b/h_a)``; frozen at the minimum: the published 14.309."""
    found = prefactor(aligned(low, high)[0], np.diag(np.array(noise, float)), [-1, 0], [0, 0])
    assert found / (2 * np.pi / np.sqrt(2)) == pytest.approx(factor, rel=2e-4)


def test_noise_that_follows_the_curvature_and_falls_on_the_way():
    """D_x from 2 to 1 at x = -1/sqrt 3, D_y = h: 3.7422 if it jumps; here it falls over two widths."""
    drift, h = aligned(4, 8)
    ratios = []
    for width in (0.1, 0.05):

        def along(x, width=width):
            return 1.5 - 0.5 * np.tanh((x + 1 / np.sqrt(3)) / width)

        def noise(z, along=along):
            return along(z[:, 0])[:, None, None] * np.diag([1, 0]) + h(z[:, 0])[:, None, None] * np.diag([0, 1])

        both = prefactor(drift, noise, [-1, 0], [0, 0])
        alone = prefactor(lambda x: x - x**3, lambda x, along=along: along(x)[:, :, None], -1, 0)
        assert alone == pytest.approx(2 * np.pi / np.sqrt(2) / np.sqrt(2), rel=6e-3)  # Ito's: sqrt(D_b/D_a)
        ratios.append(both / alone)
    assert 2 * ratios[1] - ratios[0] == pytest.approx(3.7422, rel=4e-3)


def test_curved_valley_s_published_time():
    found = prefactor(curved_valley, np.diag([2.0, 8.0]), [-1, 0], [0, 0.5])
    assert found == pytest.approx(2 * np.pi * np.sqrt(0.5) * 1.1636, rel=5e-4)


@pytest.mark.parametrize("noise", [0.01, 3.0])
def test_round_noise_has_the_determinants_of_eyring_and_kramers(noise):
    """``2 pi/lambda_+ sqrt(|det H_b|/det H_a)``; Maier and Stein's drift is a gradient at beta = 1."""
    found = prefactor(maier_stein(1.0), noise * np.eye(2), [1, 0], [0, 0])
    assert found == pytest.approx(2 * np.pi * np.sqrt(1 / 4), rel=2e-4)
    bent = prefactor(curved_valley, noise * np.eye(2), [-1, 0], [0, 0.5])
    assert bent == pytest.approx(2 * np.pi / np.sqrt(2), rel=2e-3)


@pytest.mark.parametrize("damping", [1.0, 20.0])
def test_with_inertia_it_is_langer_s(damping):
    found = prefactor(langevin(damping), np.diag([0, damping]), [-1, 0], [0, 0])
    rate = theory.langer_rate(
        barrier=1.0, hessian_minimum=2.0, hessian_saddle=-1.0, temperature=1.0, friction=damping, mass=1.0
    )
    assert found == pytest.approx(np.exp(-1) / rate, rel=1e-3)


def test_paths_of_equal_action_have_no_prefactor_but_an_action():
    found = theory.least_action(maier_stein(5.0), ROUND, start=[1, 0], end=[0, 0])
    assert found.action == pytest.approx(0.48307, abs=5e-6)
    with pytest.raises(ValueError, match="2 paths of near-equal action"):
        theory.escape_prefactor(maier_stein(5.0), ROUND, found)


def test_a_caustic_parts_the_path_into_two():
    """Noise frozen at the minimum, the valley widening fourfold: the published .12496 instead of .125."""
    found = theory.least_action(aligned(8, 2)[0], np.diag([2.0, 8.0]), start=[-1, 0], end=[0, 0])
    assert found.action == pytest.approx(0.12496, abs=5e-6)
    assert len(found.paths) == 2


def test_an_end_that_is_no_saddle_is_refused():
    noise = np.eye(1)
    found = theory.least_action(lambda x: x - x**3, noise, start=-1, end=-0.5)
    with pytest.raises(ValueError, match="no saddle of index 1"):
        theory.escape_prefactor(lambda x: x - x**3, noise, found)


def test_a_path_that_enters_the_saddle_along_its_stable_direction_is_refused():
    """Decay slower than growth: the quasi-potential is not smooth there."""

    def drift(z):
        x, y = z.T
        return np.stack([x - x**3, -0.3 * (y - x**2 * (1 + x))], 1)

    with pytest.raises(ValueError, match="enters the saddle otherwise"):
        prefactor(drift, np.array([[1.0, 0.3], [0.3, 0.5]]), [-1, 0], [0, 0])
