"""The interval of a rate by splitting: its coverage, what makes it unreliable, and limits that hold where it is."""

import numpy as np
import pytest
from scipy import stats

from diffusion import SGD, DoubleParabola, HessianNoise, IsotropicNoise, Momentum, StyblinskiTang, rare_escape_rate
from diffusion.plan import plan_run
from diffusion.splitting import entrances
from diffusion.splitting.interval import estimate
from diffusion.splitting.lines import second_valley, unseen

RUNS = 1000
FALSE_POSITIVE = 1e-3  # of each one-sided test of a coverage
WELL = DoubleParabola(0.4, 2.0, 0.7, 1)
# The phase-space grid's rate at batch size 2, computed by a long test; steps of 0.05 change it by a few percent.
GRID = 1.0315e-13
TANG = {
    "landscape": StyblinskiTang(1),
    "noise": IsotropicNoise(400.0),
    "start": 2.7468,
}  # 25 above the saddle, 39 in the other well


def log_normal(spread, repetitions=8, seed=0):
    """Repetitions' rates with mean 1, shape (RUNS, repetitions)."""
    draws = np.random.default_rng(seed).standard_normal((RUNS, repetitions))
    return np.exp(spread * draws - spread**2 / 2)


def judged(rates, families=20, level=0.95):
    return [estimate(one, 10 * one + 1e-3, np.full(len(one), 1e9), np.full(len(one), families), level) for one in rates]


@pytest.mark.parametrize("repetitions", [2, 8, 24])
@pytest.mark.parametrize("spread", [0.1, 0.4, 0.6])
def test_reliable_intervals_cover_the_mean_of_log_normal_repetitions(spread, repetitions):
    """90 % at least, where 95 % are asked for; rejected if fewer than the binomial law's quantile at FALSE_POSITIVE."""
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
    some = estimate(np.where(np.arange(8) < 3, 0.0, rates), np.full(8, 50.0), np.full(8, 200.0), np.full(8, 20), 0.95)
    assert some.doubt == "3 of 8 repetitions went extinct"
    assert 0 < some.low < some.rate / 30
    assert some.high == pytest.approx(50)
    hidden = estimate(rates, np.full(8, 50.0), np.full(8, 200.0), np.full(8, 20), 0.95, "a valley")
    assert (hidden.low, hidden.reliable, hidden.doubt) == (0, False, "a valley")
    assert hidden.high == pytest.approx(200)


def hopeless():
    """That splitting says, before it begins, that so many replicas do not split so high a barrier."""
    return pytest.warns(RuntimeWarning, match="split paths reliably up to psi")


def test_where_all_went_extinct_there_is_no_rate_but_an_upper_limit():
    """The printed well at a barrier of 300 temperatures, hardly any replicas; no path is beyond the limit's level."""
    run = {"noise": HessianNoise(16, "piecewise"), "boundary": WELL.saddle, "replicas": 20, "repetitions": 2}
    extinct = "not reliable, since 2 of 2 repetitions went extinct.*Momentum.*seed = 1"
    with hopeless(), pytest.warns(RuntimeWarning, match=extinct) as one:
        found = rare_escape_rate(Momentum(0.05, 0.95), WELL, seed=1, **run)
    assert found["extinct"].all()
    assert np.isnan(found["rate"])
    assert found["rate_low"] == 0
    assert found["repetition_bound"].max() < found["rate_high"] < 1.5 * found["entrance_rate"].max()
    assert not found["reliable"]
    with pytest.warns(RuntimeWarning) as other:
        rare_escape_rate(Momentum(0.05, 0.95), WELL, seed=2, **run)
    assert str(one[-1].message) != str(other[-1].message)


def test_paths_that_swing_are_found_and_their_interval_holds_the_grids_rate():
    """The printed well at 38 temperatures; by position alone its rate was 75 times too small, the interval by 33."""
    run = {"noise": HessianNoise(2, "piecewise"), "boundary": WELL.saddle, "replicas": 1000, "repetitions": 8}
    with pytest.warns(RuntimeWarning, match="fewer than 5 families"):
        found = rare_escape_rate(Momentum(0.05, 0.95), WELL, seed=0, **run)
    assert found["rate_low"] < GRID < found["rate_high"]
    assert GRID / 5 < np.median(found["repetition_rate"]) < 5 * GRID


def test_a_second_valley_behind_the_well_is_told():
    """A wall on this side higher than the pass on the other, at temperature 2.

    Nothing where the pass is a way out, or low, or high.
    """

    def told(boundary, variance):
        well, noise = StyblinskiTang(1), IsotropicNoise(variance)
        plan = plan_run(SGD(0.01), well, noise, 1, 1, 2.7468, "rest", [1], "moments", 1, 0, "float64")
        return second_valley(plan, boundary)

    assert "past a pass 25.2 above the start, lower than the exit's, 35: a second valley" in told(4.0, 400.0)
    for boundary, variance in ((0.0, 400.0), (4.0, 2e4), (3.5, 400.0)):
        assert told(boundary, variance) == ""


def test_exits_that_a_coordinate_ignores_are_told():
    ends, heights = np.array([[0.1, 1.0], [0.1, 0.1], [0.1, 0.1]]), np.array([2.0, 2.1, 9.0])
    assert "does not grow towards the exit by coordinate 1" in unseen("first", ends, 0.0, heights)
    assert "exit by coordinate 0" in unseen("first", ends, 1.2, heights)
    assert not unseen("first", np.array([[0.1, 1.0], [0.1, 0.9], [0.1, 0.0]]), 0.3, heights)


def test_a_flat_well_is_refused_before_anything_is_run():
    """1e-8 is curvature times learning rate: 1e8 iterations would pass until replicas have settled."""
    flat = r"lr \* curvature is 2e-08 .* raise the learning rate and lower the noise's variance"
    with pytest.raises(ValueError, match=flat):
        rare_escape_rate(SGD(1e-8), WELL, noise=IsotropicNoise(8e6), boundary=WELL.saddle, replicas=20)


def test_entrances_that_grow_in_time_are_not_settled():
    """A drift of a tenth at 64 replicas of 100 entrances is 5 standard errors; no drift is passed."""
    counts = np.random.default_rng(0).poisson(100.0, (200, entrances.WANDERERS, 2))
    assert all(map(entrances._settled, counts))
    assert not any(entrances._settled(one + np.array([0, 20])) for one in counts)


def test_a_path_that_is_held_between_well_and_boundary_is_told(monkeypatch):
    """Here by a patience of 20 substeps."""
    from diffusion.splitting import repetition

    monkeypatch.setattr(repetition, "LONGEST", 20)
    run = {"noise": HessianNoise(16, "piecewise"), "boundary": WELL.saddle, "replicas": 20, "repetitions": 2}
    held = "a path was 20 substeps between the well and the boundary, and neither"
    with hopeless(), pytest.raises(ValueError, match=held):
        rare_escape_rate(Momentum(0.05, 0.95), WELL, **run)
