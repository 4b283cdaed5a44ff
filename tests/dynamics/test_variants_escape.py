"""Adam's relatives and signSGD leave a well by splitting as they do by themselves."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

import theory
from diffusion import (
    AdaBound,
    AdamW,
    DoubleParabola,
    IsotropicNoise,
    Lion,
    Momentum,
    SignSGD,
    Yogi,
    escape_rate,
    exit_times,
    rare_escape_rate,
)

WELL, VARIANCE = DoubleParabola(0.1, 1.0, 2.0, 1), 0.5
LR = 0.035
LEAVES = {"noise": IsotropicNoise(VARIANCE), "boundary": WELL.saddle}


def p_value(rates, expected, error=0.0):
    """Student's, that the mean of the rates is the one expected, known to a standard error."""
    spread = np.hypot(np.std(rates, ddof=1) / np.sqrt(len(rates)), error)
    return 2 * stats.t.sf(abs(np.mean(rates) - expected) / spread, len(rates) - 1)


def test_sign_sgd_by_splitting_leaves_at_the_exact_rate_of_its_chain():
    """The control is the rate at a learning rate 5 % higher: psi is 6.5."""
    found = rare_escape_rate(SignSGD(LR), WELL, replicas=400, repetitions=24, seed=3, **LEAVES)
    assert found["reliable"]

    def exact(lr):
        where = {"lr": lr, "start": 0.0, "boundary": WELL.saddle}
        return 1 / theory.sign_exit_time(lambda x: WELL.gradient(x[..., None])[..., 0], np.sqrt(VARIANCE), **where)

    rates = found["repetition_rate"].values
    assert p_value(rates, exact(LR)) > SUITE_RATE
    assert p_value(rates, exact(1.05 * LR)) < SUITE_RATE


@pytest.mark.long  # three kernels each
@pytest.mark.parametrize("dynamics", [Yogi(0.1, beta2=0.99), AdamW(0.08, beta2=0.99), Lion(0.015)], ids=repr)
def test_splitting_agrees_with_direct_exits(dynamics):
    """The first iterations, in which v and m are not yet at rest, are left out of the direct ones."""
    exits = exit_times(dynamics, WELL, max_iterations=10**6, replicas=4000, seed=1, **LEAVES)
    direct = escape_rate(exits, burn_in=1000)
    found = rare_escape_rate(dynamics, WELL, replicas=400, repetitions=24, seed=2, **LEAVES)
    rate, events = float(direct["rate"]), int(direct["events"])
    assert found["reliable"]
    assert p_value(found["repetition_rate"].values, rate, rate / np.sqrt(events)) > SUITE_RATE


@pytest.mark.long  # two pairs of kernels
def test_adabound_leaves_by_splitting_as_the_momentum_that_it_becomes():
    """Its early bounds let Adam's learning rate through, four times as hot; half the rate is rejected."""
    run = {"replicas": 400, "repetitions": 24, **LEAVES}
    late = rare_escape_rate(Momentum(0.06, 0.9), WELL, seed=1, **run)["repetition_rate"].values
    with pytest.warns(RuntimeWarning, match="AdaBound.* has no stationary state"):
        found = rare_escape_rate(AdaBound(0.2, beta2=0.99, final_lr=0.06, gamma=1e-2), WELL, seed=2, **run)
    rates, error = found["repetition_rate"].values, late.std(ddof=1) / np.sqrt(len(late))
    assert p_value(rates, late.mean(), error) > SUITE_RATE > p_value(rates, late.mean() / 2, error / 2)
