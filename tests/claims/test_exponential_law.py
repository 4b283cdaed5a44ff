"""The exponential law: distances against a generator on a grid, the interval's coverage against draws."""

import numpy as np
import pytest
from scipy.linalg import expm

from experiments.claims.exponential_law import COVERAGE, LAW, claim
from experiments.problems.exits import BARRIER
from experiments.problems.wells import HIGHEST, settings
from experiments.referee.routes import Routes


@pytest.fixture(scope="module")
def evidence():
    return claim.tried(Routes(80, 1))


def test_distance_against_a_generator_on_a_grid(evidence):
    """SGD's SDE on the double parabola as jumps between 300 places, at half a temperature."""
    piece = next(one for one in evidence if one.quantity == LAW)
    row = piece.data.isel(row=0)
    barrier = float(row[BARRIER])
    setting, k = settings()["parabolas-frozen"], HIGHEST / barrier
    start, boundary = setting.positions(k)
    lr = setting.lr["SGD"]
    places, width = np.linspace(-3 * boundary, boundary, 301, retstep=True)
    inside = places[:-1]
    diffusion = setting.diffusion(k, lr)(inside)
    lean = setting.gradient(k)(inside + width / 2) * width / diffusion / 2
    up = diffusion / width**2 * np.exp(-lean)
    down = diffusion / width**2 * np.exp(setting.gradient(k)(inside - width / 2) * width / diffusion / 2)
    down[0] = 0
    generator = np.diag(-up - down) + np.diag(up[:-1], 1) + np.diag(down[1:], -1)
    first = int(np.argmin(np.abs(inside - start)))
    mean = -np.linalg.solve(generator, np.ones(len(inside)))[first]
    step, survivals = expm(generator * mean / 40), [1.0]
    state = np.ones(len(inside))
    for _ in range(160):
        state = step @ state
        survivals.append(state[first])
    distance = np.abs(np.array(survivals) - np.exp(-np.arange(161) / 40)).max()
    assert float(row["exact"]) == pytest.approx(distance, rel=0.03)


def test_coverage_against_draws(evidence):
    piece = next(one for one in evidence if one.quantity == COVERAGE)
    sums = np.random.default_rng(0).exponential(size=(40_000, 100)).sum(axis=1)
    rate = 98 / sums
    covered = np.mean((rate * 0.804 <= 1) & (rate * 1.196 >= 1))
    assert float(piece.data["exact"][0]) == pytest.approx(covered, abs=0.005)


def test_the_law_is_near_even_without_a_barrier_to_speak_of(evidence):
    """At half a temperature it is 6 % off, at 6 temperatures 0.2 %; a mean of iterations tests the ensemble."""
    piece = next(one for one in evidence if one.quantity == LAW)
    distances = dict(zip(piece.data[BARRIER].values, piece.data["exact"].values, strict=True))
    assert distances[0.5] == pytest.approx(0.0605, abs=5e-4)
    assert distances[6.0] < 0.002
    ensembles = [one for one in evidence if "discrete" in one.measured]
    assert [one.subject for one in ensembles] == ["SGD", "Momentum"]
    assert np.all(ensembles[0].measured["discrete"].p_value() > 1e-3)
