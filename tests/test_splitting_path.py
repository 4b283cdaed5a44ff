"""Splitting along a path: its rates do not depend on the path, and in a curved valley reach down to 1e-12 with the slope of least action."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

import theory
from diffusion import (
    SGD,
    Beyond,
    CoupledLandscape,
    HessianNoise,
    IsotropicNoise,
    Momentum,
    QuadraticSaddle,
    escape_rate,
    exit_times,
    rare_escape_rate,
)
from diffusion.edges import edge_of
from diffusion.plan import plan_run
from diffusion.splitting.path import nodes_of, values_along

LR, BOUNDARY = 0.05, 0.5


def loss(X, lane, bend):
    across = X[1, lane] - bend * (1 - X[0, lane] ** 2) ** 2
    return (X[0, lane] ** 2 - 1) ** 2 / 4 + 4 * across * across


def gradient(X, j, lane, bend):
    x = X[0, lane]
    across = X[1, lane] - bend * (1 - x * x) ** 2
    return x * (x * x - 1) + 32 * bend * across * x * (1 - x * x) if j == 0 else 8 * across


def along(dynamics, bend, batch_size, coordinate, **more):
    """Rates out of the valley from (-1, 0), which bends by so much, with noise of the covariance diag(2, 8)/B everywhere."""
    valley = CoupledLandscape(loss, gradient, dimension=2, parameters=(bend,), reference=(-1.0, 0.0))
    where = {"noise": HessianNoise(batch_size), "boundary": Beyond(0, BOUNDARY)}
    return rare_escape_rate(dynamics, valley, coordinate=coordinate, **where | {"seed": 3} | more)


def p_value(found, exact, error=0.0):
    """Student's, of the mean over repetitions; the rate is known to a standard error."""
    rates = found["repetition_rate"].values
    spread = np.hypot(np.std(rates, ddof=1) / np.sqrt(len(rates)), error)
    return 2 * stats.t.sf(abs(np.mean(rates) - exact) / spread, len(rates) - 1)


def test_the_rate_is_exact_along_any_path():
    """1e-6 per iteration: in a straight valley that of one coordinate, whatever detour the path makes in the other."""
    exact = 1 / theory.discrete_first_passage_time(
        lambda x: x**3 - x, lambda x: 1 + 0 * x, lr=LR, start=-1.0, boundary=BOUNDARY
    )
    detour = [[-1.0, 0.0], [-0.5, 0.2], [0.0, 0.2], [1.0, 0.0]]
    found = along(SGD(LR), 0.0, 2.0, detour, replicas=300, repetitions=24)
    assert p_value(found, exact) > SUITE_RATE > p_value(found, 2 * exact)
    assert found["reliable"]
    assert "path of shape (4, 2) from [-1.0, 0.0] to" in found.attrs["parameters"]


def plan_in(landscape, start=None):
    return plan_run(SGD(0.1), landscape, IsotropicNoise(1.0), 1, 1, start, "rest", [1], "moments", 1, 0, "float64")


def test_a_path_is_measured_by_its_length_from_the_start_to_the_boundary():
    """On the path itself the share of its length, beside it that of the nearest point, behind its ends straight on."""
    bowl = QuadraticSaddle([1.0, 1.0])
    plan = plan_in(bowl)
    corner = [[0.0, 0.0], [1.0, 0.0], [1.0, 5.0]]
    nodes = nodes_of(corner, plan, edge_of(Beyond(1, 2.0), bowl, plan.origin))
    np.testing.assert_allclose(nodes[[0, -1]], [[0, 0], [1, 2]], atol=2e-3)
    places = [[0.5, 0.0], [0.5, 0.2], [1.0, 1.0], [0.7, 1.5], [-0.6, 0.3], [1.1, 2.3]]
    np.testing.assert_allclose(
        values_along(nodes, np.array(places)), np.array([0.5, 0.5, 2, 2.5, -0.6, 3.3]) / 3, atol=3e-3
    )
    open_end = nodes_of(corner, plan, edge_of(Beyond(1, 7.0), bowl, plan.origin))
    np.testing.assert_allclose(open_end[-1], [1, 5])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ([[0.0, 0.0], [1.0]], r"must be a path: two or more positions, of 2 finite numbers each"),
        ([[0.0, 0.0]], r"must be a path"),
        (np.zeros((5, 3)), r"of shape \(5, 3\), must be a path"),
        ([[0.0, np.nan], [1.0, 0.0]], "must be a path"),
        ([[0.0, 0.0], [0.0, 0.0]], "must lead from the start over the saddle"),
        ([[2.0, 0.0], [0.0, 0.0]], r"nearest to the start, \[0.0, 0.0\], after 1 of its way; .* turn it round"),
        ([[1.1, 0.0], [2.0, 0.0]], "is crossed already; it must begin at the minimum"),
    ],
)
def test_what_is_no_path_from_the_start_is_refused(path, message):
    bowl = QuadraticSaddle([1.0, 1.0])
    plan = plan_in(bowl)
    with pytest.raises(ValueError, match=message):
        nodes_of(path, plan, edge_of(Beyond(0, 1.0), bowl, plan.origin))
