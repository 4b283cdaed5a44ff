"""The fitted power of sharpness: exact laws give their powers, and intervals cover as often as they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import theory
from experiments.sharpness.power import fit_power

K = np.geomspace(1, 4, 5)
WELL = {
    "barrier": 0.25,
    "hessian_minimum": 1.0,
    "hessian_saddle": 4.0,
    "batch_size": 1.0,
    "split": 0.8,
    "clock": "iteration",
}


def sharp(k):
    return WELL | {"hessian_minimum": k, "hessian_saddle": 4 * k}


def test_exact_laws_give_one_and_one_half():
    """Theorem 3 without inertia and Proposition 2 for RMSprop, to 1 %."""
    sgd = np.array([np.log(theory.sgd_escape_time(**sharp(k), lr=0.05) * k) for k in K])
    assert fit_power(K, sgd, np.full(5, 0.05)).p == pytest.approx(1, rel=0.01)
    rmsprop = np.array([np.log(theory.adam_escape_time(**sharp(k), lr=0.05, beta1=0.0) * np.sqrt(k)) for k in K])
    assert fit_power(K, rmsprop, np.full(5, 0.05)).p == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(("largest", "raw"), [(4, 0.81), (16, 0.91)])
def test_a_raw_fit_is_biased_by_the_prefactor(largest, raw):
    """Without dividing by k, Theorem 3's own law down to exponent 2 seems to have a lower power."""
    k = np.geomspace(1, largest, 9)
    y = 2 * largest / k - np.log(k)
    assert fit_power(k, y, np.full(9, 0.05)).p == pytest.approx(raw, abs=0.02)
    assert fit_power(k, y, np.full(9, 0.05)).p < 0.97


def test_interval_covers_the_power_as_often_as_it_says():
    """1500 noisy draws of a law with p = 1: 95 % or more, as errors are widened where a fit is poor; rate 1e-6."""
    rng = np.random.default_rng(5)
    errors = np.full(5, 0.05)
    covered = sum(not fit_power(K, 8 / K + errors * rng.standard_normal(5), errors).excludes(1.0) for _ in range(1500))
    low, high = stats.binom.ppf([5e-7, 1 - 5e-7], 1500, [0.93, 0.99])
    assert low <= covered <= high


def test_a_wrong_power_is_excluded():
    y = 8 / np.sqrt(K)
    assert fit_power(K, y, np.full(5, 0.02)).excludes(1.0)
    assert not fit_power(K, y, np.full(5, 0.02)).excludes(0.5)


@given(st.floats(0.3, 2.5), st.floats(2, 12), st.floats(-5, 5), st.floats(0.2, 5))
def test_exact_curves_are_recovered_in_any_unit_of_sharpness(p, a, c, unit):
    found = fit_power(unit * K, c + a * K**-p, np.full(5, 0.05))
    assert found.p == pytest.approx(p, rel=1e-4)
    np.testing.assert_allclose(found.curve(unit * K), c + a * K**-p, rtol=1e-5, atol=1e-5)


def test_flat_data_exclude_nothing():
    found = fit_power(K, np.zeros(5), np.full(5, 0.05))
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_bad_input():
    with pytest.raises(ValueError, match="fewer than three different values"):
        fit_power([1, 1, 2], [1, 1, 2], [1, 1, 1])
    with pytest.raises(ValueError, match="leave out points without exits"):
        fit_power([1, 2, 3], [1, np.inf, 2], [1, 1, 1])
