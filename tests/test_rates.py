"""Escape rates: interval, censoring, the exponential law, and results that say what they are worth."""

import json

import numpy as np
import pytest
import xarray
from scipy import stats

from diffusion import SGD, DoubleParabola, HessianNoise, escape_rate, exit_times
from diffusion.rates import exponential_test

HORIZON = 10_000


def sample(times, horizon=HORIZON, diverged=0):
    """A result of exit_times with these times; those beyond the horizon are censored."""
    times = np.concatenate([np.asarray(times, float), np.full(diverged, np.nan)])
    exited = times <= horizon
    return xarray.Dataset(
        {
            "exit_iteration": ("replica", np.where(exited, times, np.nan)),
            "exited": ("replica", exited),
            "diverged": ("replica", np.isnan(times)),
        },
        attrs={"parameters": json.dumps({"max_iterations": horizon, "seed": 0})},
    )


def exponential(rng, count, rate=1e-3):
    return rng.exponential(1 / rate, count)


def test_rate_is_exits_over_time_at_risk():
    found = escape_rate(sample([*range(1, 21), 20_000, 30_000]))
    assert found["rate"] == pytest.approx(20 / (210 + 2 * HORIZON))
    assert (int(found["events"]), int(found["censored"]), int(found["early"])) == (20, 2, 0)
    assert np.isnan(found["rate_paper"])


def test_interval_without_censoring_is_chi_squared():
    found = escape_rate(sample(range(1, 21)))
    low, high = stats.chi2.ppf([0.025, 0.975], 40) / 2 / 210
    assert (float(found["rate_low"]), float(found["rate_high"])) == pytest.approx((low, high), rel=1e-12)


def test_papers_estimate():
    found = escape_rate(sample(range(1, 21)))
    assert found["rate_paper"] == pytest.approx(18 / 210)
    assert found["rate_paper_high"] == pytest.approx(18 / 210 * (1 + 1.96 / np.sqrt(20)))


@pytest.mark.parametrize(("replicas", "horizon"), [(30, 10**6), (120, 300)], ids=["complete", "censored"])
def test_interval_covers_the_rate_as_often_as_it_says(replicas, horizon):
    """2000 samples of about 30 exits: 95 %, or somewhat more where runs were censored. False-positive rate 1e-6."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(2000):
        found = escape_rate(sample(exponential(rng, replicas), horizon))
        covered += bool(found["rate_low"] <= 1e-3 <= found["rate_high"])
    low, high = stats.binom.ppf([5e-7, 1 - 5e-7], 2000, 0.95)
    assert low <= covered <= (high if horizon > 300 else 2000)


@pytest.mark.parametrize("horizon", [500, HORIZON * 100])
def test_exponential_test_has_its_false_positive_rate_and_its_power(horizon):
    """At 1 %: 2000 true samples; then Weibull samples of the shape said to be detectable, 90 % of them rejected."""
    rng = np.random.default_rng(2)

    def rejected(draw):
        count = 0
        for _ in range(2000):
            times = np.sort(draw())
            p, _ = exponential_test(times[times <= horizon], int(np.sum(times > horizon)), horizon)
            count += p < 0.01
        return count

    low, high = stats.binom.ppf([5e-7, 1 - 5e-7], 2000, 0.01)
    assert low <= rejected(lambda: exponential(rng, 4000)) <= high
    times = np.sort(exponential(rng, 4000))
    _, departure = exponential_test(times[times <= horizon], int(np.sum(times > horizon)), horizon)
    up, down = (rejected(lambda k=k: 1000 * rng.weibull(k, 4000)) / 2000 for k in (1 + departure, 1 - departure))
    assert 0.88 < (up + down) / 2 < 0.92  # for small departures; by symmetry the next order cancels


def test_settling_shows_and_burn_in_removes_it():
    """A well that takes 400 iterations to reach the rate: rejected as it stands, accepted after burn-in."""
    rng = np.random.default_rng(3)
    times = 400 + exponential(rng, 1000)
    assert escape_rate(sample(times, 10**6))["exponential_p"] < 1e-6
    settled = escape_rate(sample(times, 10**6), burn_in=400)
    assert settled["exponential_p"] > 1e-3
    assert settled["rate_low"] < 1e-3 < settled["rate_high"]


def test_no_exits_give_an_upper_limit_and_a_warning():
    with pytest.warns(RuntimeWarning, match=r"none of 5 runs left within 10000 iterations: the rate is below 7.38e-05"):
        found = escape_rate(sample([2e4] * 5))
    assert (float(found["rate"]), float(found["rate_low"])) == (0, 0)
    assert found["rate_high"] == pytest.approx(stats.chi2.isf(0.025, 2) / 2 / (5 * HORIZON))


def test_few_exits_come_with_a_warning_that_carries_the_estimate():
    with pytest.warns(RuntimeWarning, match=r"only 3 exits: the rate, 0.5 per iteration, may be anything up to"):
        escape_rate(sample([1, 2, 3]))


def test_diverged_replicas_are_left_out_and_said():
    with pytest.warns(RuntimeWarning, match="2 replicas diverged and were left out"):
        found = escape_rate(sample(range(1, 21), diverged=2))
    assert int(found["diverged"]) == 2
    assert found["rate"] == pytest.approx(20 / 210)


def test_an_ensemble_that_diverged_as_a_whole_is_refused():
    with pytest.raises(ValueError, match="all 20 replicas diverged; lower the learning rate"):
        escape_rate(sample([], diverged=20))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": 1.0}, "level = 1.0 must lie between 0 and 1"),
        ({"burn_in": -1.0}, "burn_in = -1.0 must be a finite number >= 0"),
        ({"burn_in": 1e9}, r"burn_in = 1e\+09 leaves nothing of max_iterations = 10000"),
        ({"burn_in": 100.0}, "all replicas were out before burn_in = 100"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        escape_rate(sample([1.0, 2.0, 3.0]), **arguments)


def test_refuses_other_datasets():
    with pytest.raises(ValueError, match="exit_times has no diverged, exit_iteration, exited"):
        escape_rate(xarray.Dataset())


def test_four_lines():
    """From a landscape to a rate with its interval."""
    well = DoubleParabola(barrier=0.15, hessian_minimum=1.0, hessian_saddle=1.0, dimension=1)
    noise = HessianNoise(batch_size=1, at="piecewise")
    exits = exit_times(
        SGD(0.1), well, noise=noise, boundary=2 * well.saddle, max_iterations=100_000, replicas=500, seed=4
    )
    found = escape_rate(exits, burn_in=50)
    assert found["rate_low"] < found["rate"] < found["rate_high"]
    assert found["rate"].attrs["units"] == "1 / iteration"
    assert found["exponential_p"] > 1e-6
