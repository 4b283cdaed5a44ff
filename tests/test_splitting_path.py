"""Splitting along a path: rates do not depend on it; in a curved valley they fall to 1e-12 as least action has it."""

import warnings
from functools import lru_cache

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

import theory
from diffusion import (
    SGD,
    Beyond,
    CoupledLandscape,
    CurvedValley,
    HessianNoise,
    IsotropicNoise,
    Momentum,
    Noise,
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


def frozen(batch_size):
    """Noise of the covariance of the Hessian at the minimum over B."""
    return Noise(np.sqrt([2 / batch_size, 8 / batch_size]))


def along(dynamics, bend, batch_size, coordinate, **more):
    """Rates out of the valley from (-1, 0), which bends by so much."""
    valley = CoupledLandscape(loss, gradient, dimension=2, parameters=(bend,), reference=(-1.0, 0.0))
    where = {"noise": frozen(batch_size), "boundary": Beyond(0, BOUNDARY)}
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
    found = along(SGD(LR), 0.0, 2.0, detour, replicas=300, repetitions=16)
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


PATH = [  # of least action to the saddle at (0, 1/2) of the valley of bend 1/2; then downhill
    (-1.0, 0.0),
    (-0.94, 0.025),
    (-0.84, 0.093),
    (-0.697, 0.195),
    (-0.531, 0.322),
    (-0.358, 0.438),
    (-0.191, 0.5),
    (-0.069, 0.503),
    (0.0, 0.5),
    (0.054, 0.498),
    (0.14, 0.484),
    (0.319, 0.418),
    (0.556, 0.262),
]
ACTION = {"SGD": 0.0712716, "Momentum": 0.0711100}  # over eps: the exponent; the paper's is 1/8
SLOW = {"SGD": SGD(0.01), "Momentum": Momentum(0.01, 0.9)}
STEEP, STEEPEST, REPETITIONS = 10.0, 20.0, 160  # action over eps, and repetitions of 100 replicas

FALSE_POSITIVE = 0.01  # of the test of variances


@lru_cache
def repeated(name, exponent, by):
    """Splitting at an exponent, along the path or by the exit, with few replicas."""
    coordinate = PATH if by == "path" else "exit"
    more = {"replicas": 100, "repetitions": REPETITIONS}
    with warnings.catch_warnings():  # they are not reliable one by one
        warnings.simplefilter("ignore", RuntimeWarning)
        return along(SLOW[name], 0.5, SLOW[name].lr / 2 / eps(exponent), coordinate, **more)


def eps(exponent):
    """Of D = eps diag(2, 8)."""
    return ACTION["SGD"] / exponent


def relative(found):
    """Mean, its relative error, and the relative variance of a repetition."""
    rates = found["repetition_rate"].values
    variance = float(rates.var(ddof=1) / rates.mean() ** 2)
    return float(rates.mean()), np.sqrt(variance / len(rates)), variance


@pytest.mark.long
@pytest.mark.parametrize("name", SLOW)
def test_in_a_curved_valley_direct_exits_agree_with_splitting_along_the_path(name):
    """At an exponent of 5; half the rate is rejected."""
    valley = CoupledLandscape(loss, gradient, dimension=2, parameters=(0.5,), reference=(-1.0, 0.0))
    batch_size = SLOW[name].lr / 2 / eps(5.0)
    exits = exit_times(
        SLOW[name], valley, noise=frozen(batch_size), boundary=Beyond(0, BOUNDARY), max_iterations=10**7, replicas=4000
    )
    direct = float(escape_rate(exits, burn_in=500)["rate"])
    found = along(SLOW[name], 0.5, batch_size, PATH, replicas=400, repetitions=24)
    assert (
        p_value(found, direct, direct / np.sqrt(4000))
        > SUITE_RATE
        > p_value(found, direct / 2, direct / 2 / np.sqrt(4000))
    )


def covariance(X, j, k, lane):
    """Noise that grows towards the saddle and is correlated there."""
    rise = 1 - X[0, lane] ** 2
    return (2 + 6 * j) * (1 + rise / 2) if j == k else rise


@pytest.mark.long
@pytest.mark.parametrize(
    ("noise", "lr"),
    [(HessianNoise(1, "piecewise"), 0.04), (Noise(covariance=covariance), 0.02)],
    ids=["by region", "own"],
)
@pytest.mark.parametrize("rule", [SGD, Momentum])
def test_with_noise_that_varies_direct_exits_agree_with_splitting_along_the_path(rule, noise, lr):
    """The minimum's noise everywhere would give another rate, which is rejected."""
    valley, where = CurvedValley(0.5), {"boundary": Beyond(0, BOUNDARY)}
    direct, frozen_rate = (
        float(
            escape_rate(
                exit_times(rule(lr), valley, noise=each, max_iterations=10**7, replicas=4000, **where), burn_in=500
            )["rate"]
        )
        for each in (noise, HessianNoise(1))
    )
    found = rare_escape_rate(rule(lr), valley, noise=noise, coordinate=PATH, replicas=400, repetitions=24, **where)
    right, wrong = (p_value(found, rate, rate / np.sqrt(4000)) for rate in (direct, frozen_rate))
    assert right > SUITE_RATE > wrong


@pytest.mark.long
@pytest.mark.parametrize("name", SLOW)
def test_in_a_curved_valley_rates_fall_to_1e_12_as_the_path_of_least_action_has_it(name):
    """Between exponents of 10 and 20 the slope is 0.992 of the action, by finite differences of SGD's SDE; not 1/8."""
    (high, high_error, _), (low, low_error, _) = (
        relative(repeated(name, exponent, "path")) for exponent in (STEEP, STEEPEST)
    )
    assert low < 1e-11
    slope = np.log(high / low) / (1 / eps(STEEPEST) - 1 / eps(STEEP))
    error = np.hypot(high_error, low_error) / (STEEPEST - STEEP)
    print(f"| {name} | {high:.3e} | {low:.3e} | {slope:.5f} +- {error * slope:.5f} | {ACTION[name]} |")
    assert slope == pytest.approx(0.992 * ACTION[name], rel=0.01 + 4 * error)
    assert abs(slope - 1 / 8) > 10 * error * slope


@pytest.mark.long
def test_in_a_curved_valley_repetitions_differ_less_along_the_path_than_by_the_exit():
    """At an exponent of 20, by the variance of log rates times substeps, of both optimizers; so many are nearly normal.

    The control: halves of the repetitions by the exit do not differ so.
    """
    spread = {}
    for name in SLOW:
        for by in ("exit", "path"):
            found = repeated(name, STEEPEST, by)
            assert not found["extinct"].any()
            (rate, error, variance), steps = relative(found), float(found["steps"].mean())
            families = found["families"].values.mean()
            print(
                f"| {name} | {by} | {rate:.2e} | {error:.3f} | {variance:.3f} | {variance * steps:.2g} | "
                f"{families:.1f} |"
            )
            spread[name, by] = np.log(found["repetition_rate"].values) * np.sqrt(steps)

    def p_value_of_more(pairs):
        logarithms = [np.log(more.var(ddof=1) / less.var(ddof=1)) for more, less in pairs]
        error = np.sqrt(sum(2 / (len(one) - 1) for pair in pairs for one in pair))
        return stats.norm.sf(sum(logarithms) / error)

    assert p_value_of_more([(spread[name, "exit"], spread[name, "path"]) for name in SLOW]) < FALSE_POSITIVE
    halves = [(spread[name, "exit"][::2], spread[name, "exit"][1::2]) for name in SLOW]
    assert FALSE_POSITIVE < p_value_of_more(halves) < 1 - FALSE_POSITIVE
