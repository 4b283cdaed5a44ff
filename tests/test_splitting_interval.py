"""The interval of a rate by splitting: its coverage, what makes it unreliable, and limits that hold where it is."""

import numpy as np
import pytest
from scipy import stats

from diffusion import DoubleParabola, HessianNoise, Momentum, rare_escape_rate
from diffusion.splitting.interval import estimate

RUNS = 1000
FALSE_POSITIVE = 1e-3  # of each one-sided test of a coverage
WELL = DoubleParabola(0.4, 2.0, 0.7, 1)


def log_normal(spread, repetitions=8, seed=0):
    """Repetitions' rates with mean 1, shape (RUNS, repetitions)."""
    draws = np.random.default_rng(seed).standard_normal((RUNS, repetitions))
    return np.exp(spread * draws - spread**2 / 2)


def judged(rates, families=20, level=0.95):
    return [estimate(one, 10 * one + 1e-3, np.full(len(one), families), level) for one in rates]


@pytest.mark.parametrize("repetitions", [2, 8, 24])
@pytest.mark.parametrize("spread", [0.1, 0.4, 0.6])
def test_reliable_intervals_cover_the_mean_of_log_normal_repetitions(spread, repetitions):
    """90 % at least, where 95 % are asked for; rejected if fewer than the quantile of the binomial law at FALSE_POSITIVE."""
    trusted = [one for one in judged(log_normal(spread, repetitions)) if one.reliable]
    covered = sum(one.low < 1 < one.high for one in trusted)
    assert len(trusted) > 0.6 * RUNS
    assert covered >= stats.binom.ppf(FALSE_POSITIVE, len(trusted), 0.9)


def test_repetitions_orders_of_magnitude_apart_are_not_reliable():
    """A spread of 3: their mean is nine in ten times too small, and Student's interval misses it; the limits hold."""
    rates = log_normal(3.0)
    found = judged(rates)
    assert np.mean([one.reliable for one in found]) < 0.01
    assert np.mean(rates.mean(axis=1) < 1) > 0.8
    half = stats.t.isf(0.025, 7) * rates.std(axis=1, ddof=1) / np.sqrt(8)
    assert np.mean(np.abs(rates.mean(axis=1) - 1) < half) < 0.6
    assert np.mean([one.low < 1 for one in found]) > 0.97
    assert "differ by a factor of up to" in next(one.doubt for one in found if not one.reliable)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_the_level_sets_the_width(level):
    narrow, wide = (judged(log_normal(0.3)[:1], level=one)[0] for one in (level, (1 + level) / 2))
    assert wide.low < narrow.low < narrow.rate < narrow.high < wide.high


def test_few_families_and_extinction_are_not_reliable():
    rates = log_normal(0.1)[0]
    few = judged(rates[None], families=4)[0]
    assert "fewer than 5 families" in few.doubt
    some = estimate(np.where(np.arange(8) < 3, 0.0, rates), np.full(8, 50.0), np.full(8, 20), 0.95)
    assert some.doubt == "3 of 8 repetitions went extinct"
    assert 0 < some.low < some.rate / 30
    assert some.high == pytest.approx(50)


def test_where_all_went_extinct_there_is_no_rate_but_an_upper_limit():
    """The printed well at a barrier of 300 temperatures, with hardly any replicas; no path has come beyond the limit's level."""
    run = {"noise": HessianNoise(16, "piecewise"), "boundary": WELL.saddle, "replicas": 20, "repetitions": 2}
    with pytest.warns(RuntimeWarning, match="2 of 2 repetitions went extinct.*not reliable.*Momentum.*seed = 1") as one:
        found = rare_escape_rate(Momentum(0.05, 0.95), WELL, seed=1, **run)
    assert found["extinct"].all()
    assert np.isnan(found["rate"])
    assert found["rate_low"] == 0
    assert found["repetition_bound"].max() < found["rate_high"] < found["entrance_rate"].mean()
    assert not found["reliable"]
    with pytest.warns(RuntimeWarning) as other:
        rare_escape_rate(Momentum(0.05, 0.95), WELL, seed=2, **run)
    assert str(one[0].message) != str(other[0].message)
