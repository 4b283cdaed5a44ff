"""Tests of means of exponential times and of repetitions reject right values at the stated rate, and see wrong ones."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats
from scipy.optimize import brentq

from experiments.referee import laws
from experiments.referee.evidence import Measured
from experiments.referee.laws import MeanSquare, Student

EVENTS, RATE = 400, 1e-3


def measured(value, events=EVENTS, other=0, allowance=0.0):
    """A mean of exponential times whose expectation is 1."""
    return Measured(np.array([value]), MeanSquare.of_times(events, other), np.array([1.0]), allowance)


def limits(rate, events=EVENTS, **more):
    """Means below and above which a sample of expectation 1 is rejected."""
    return [
        brentq(lambda value: np.log(max(measured(value, events, **more).p_value()[0], 1e-300) / rate), *ends)
        for ends in ((0.5, 0.9999), (1.0001, 2.0))
    ]


def means(scale=1.0, seed=0):
    """20,000 means of EVENTS exponential times."""
    return scale * np.random.default_rng(seed).gamma(EVENTS, 1 / EVENTS, 20_000)


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.1])
def test_a_right_mean_is_rejected_at_the_stated_rate(rate):
    low, high = limits(rate)
    drawn = means()
    count = np.sum((drawn < low) | (drawn > high))
    assert stats.binomtest(int(count), 20_000, rate).pvalue > SUITE_RATE


@pytest.mark.parametrize("allowance", [0.0, 0.02])
def test_the_detectable_deviation_is_detected_with_the_stated_power(allowance):
    """Upwards 90 %, and downwards, by division, no less; within the allowance never more than at the stated rate."""
    low, high = limits(RATE, allowance=allowance)
    detectable = measured(1.0, allowance=allowance).detectable(RATE)[0]
    for scale in (1 + detectable, 1 - detectable):
        drawn = means(scale)
        assert np.mean((drawn < low) | (drawn > high)) > laws.POWER - 0.015
    for scale in (1 + allowance, 1 / (1 + allowance)):
        drawn = means(scale)
        count = int(np.sum((drawn < low) | (drawn > high)))
        assert stats.binomtest(count, 20_000, RATE, alternative="greater").pvalue > SUITE_RATE


@pytest.mark.parametrize("value", [1 / 1.02, 0.99, 1.0, 1.01, 1.02])
def test_a_value_within_the_allowance_is_never_rejected(value):
    for events in (10, 10**4, 10**7):
        assert measured(value, events, allowance=0.02).p_value() > 0.9
    assert measured(1.05 * value, 10**7, allowance=0.02).p_value() < 1e-9 or value < 1


@pytest.mark.parametrize(("events", "other"), [(400, 400), (350, 1536), (2800, 12288)])
def test_two_samples_are_rejected_at_nearly_the_stated_rate(events, other):
    """Exactly, as the ratio of two such means has an F law.

    A test that ignored the spread of the other sample would reject 1.4 times too often or more.
    """
    for rate, most in ((1e-2, 1.1), (1e-3, 1.25), (3e-6, 2.0)):
        low, high = limits(rate, events, other=other)
        true = stats.f.cdf(low, 2 * events, 2 * other) + stats.f.sf(high, 2 * events, 2 * other)
        assert 1 / most < true / rate < most
        low, high = limits(rate, events)
        ignored = stats.f.cdf(low, 2 * events, 2 * other) + stats.f.sf(high, 2 * events, 2 * other)
        assert ignored > 1.4 * rate


def test_repeated_splitting_is_rejected_at_the_stated_rate_and_detected_with_the_stated_power():
    """Student's law, by 20,000 samples of 24 normal repetitions of spread 10 %: the rate within 5 standard errors."""
    drawn = np.random.default_rng(0).normal(1.0, 0.1, (20_000, 24))
    law = Student(drawn.std(axis=1, ddof=1) / np.sqrt(24), 24)
    off = float(Student(0.1 / np.sqrt(24), 24).detectable(1.0, 0.01))
    shares = [np.mean(law.p_value(drawn.mean(axis=1), expected) < 0.01) for expected in (1.0, 1 - off)]
    assert shares == [pytest.approx(0.01, abs=5 * np.sqrt(0.01 / 20_000)), pytest.approx(laws.POWER, abs=0.02)]
    low, high = law.interval(drawn.mean(axis=1))
    count = int(np.sum((low > 1) | (high < 1)))
    assert stats.binomtest(count, 20_000, 1 - laws.LEVEL).pvalue > SUITE_RATE
