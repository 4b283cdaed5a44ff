"""Rare escapes: against exact rates down to 1e-12, against direct simulation, and refused where they have no meaning."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

import theory
from diffusion import SGD, Momentum, escape_rate, exit_times, rare_escape_rate
from experiments.lines import exact_rate
from experiments.sharpness import HIGHEST, settings

SETTING = settings()["parabolas-piecewise"]
LR = SETTING.lr["SGD"]


def rare(barrier, dynamics=SGD(LR), dimension=1, **more):  # noqa: B008 (frozen)
    k = HIGHEST / barrier
    start, boundary = SETTING.positions(k)
    arguments = {"replicas": 400, "repetitions": 24, "start": start, "boundary": boundary, "seed": 3} | more
    return rare_escape_rate(dynamics, SETTING.landscape(dimension, k), noise=SETTING.noise, **arguments)


def chain(barrier, lr=LR):
    """The exact rate of discrete SGD."""
    k = HIGHEST / barrier
    start, boundary = SETTING.positions(k)
    where = {"start": start, "boundary": boundary, "breaks": SETTING.breaks(k)}
    return 1 / theory.discrete_first_passage_time(SETTING.gradient(k), SETTING.deviation(k), lr=lr, **where)


def p_value(found, exact):
    """Of Student's test that the mean over repetitions is the exact rate; an unbiased mean of skewed values is near enough."""
    rates = found["repetition_rate"].values
    t = (rates.mean() - exact) / (rates.std(ddof=1) / np.sqrt(len(rates)))
    return 2 * stats.t.sf(abs(t), len(rates) - 1)


@pytest.mark.parametrize("barrier", [6.0, 16.0])
def test_sgd_leaves_at_the_exact_rate_of_its_chain(barrier):
    """1.0e-9 per iteration at 16; a learning rate 10 % off is rejected at the same false-positive rate."""
    found = rare(barrier)
    assert p_value(found, chain(barrier)) > SUITE_RATE
    if barrier == 16:
        assert chain(barrier) < 1.1e-9
        assert p_value(found, chain(barrier, 1.1 * LR)) < SUITE_RATE
    assert found["rate_low"] < found["rate"] < found["rate_high"]
    assert found["families"].min() >= 5


def test_a_rate_of_1e_12_within_ten_percent():
    """Barrier/temperature 22.5, the quadrature's rate of the SDE within a fifth: the discrete step is small there."""
    found = rare(22.5, replicas=1000, repetitions=16)
    error = float(found["repetition_rate"].std(ddof=1)) / 4 / float(found["rate"])
    assert error < 0.1
    assert 5e-13 < found["rate"] < 2e-12
    assert found["rate"] == pytest.approx(exact_rate(SETTING, "SGD", HIGHEST / 22.5)["rate"], rel=0.2 + 3 * error)


def test_momentum_leaves_at_the_rate_of_the_phase_space_grid():
    """3e-8 per iteration, at 16 substeps."""
    momentum = Momentum(SETTING.lr["Momentum"], 0.9, "heavy-ball")
    found = rare(12.0, momentum, substeps=16, repetitions=12)
    assert p_value(found, exact_rate(SETTING, "Momentum", HIGHEST / 12.0)["rate"]) > SUITE_RATE


def test_ten_coordinates_leave_ten_times_as_often():
    found = rare(12.0, dimension=10, repetitions=12)
    assert p_value(found, 10 * chain(12.0)) > SUITE_RATE
    assert p_value(found, chain(12.0)) < SUITE_RATE


def test_direct_simulation_agrees_where_both_work():
    k = HIGHEST / 5
    start, boundary = SETTING.positions(k)
    exits = exit_times(
        SGD(LR),
        SETTING.landscape(1, k),
        noise=SETTING.noise,
        start=start,
        boundary=boundary,
        max_iterations=10**7,
        replicas=20_000,
    )
    assert p_value(rare(5.0), float(escape_rate(exits)["rate"])) > SUITE_RATE


ADAM = """
import numpy as np
from diffusion import Adam, escape_rate, exit_times, rare_escape_rate
from experiments.sharpness import settings
setting = settings()["parabolas-piecewise"]
adam, k = Adam(setting.lr["Adam"], 0.9, second_moment="running"), 2.0
start, boundary = setting.positions(k)
where = {"noise": setting.noise, "start": start, "boundary": boundary}
exits = exit_times(adam, setting.landscape(1, k), max_iterations=10**7, replicas=3000, **where)
rates = rare_escape_rate(adam, setting.landscape(1, k), replicas=400, repetitions=16, **where)["repetition_rate"].values
print(float(escape_rate(exits, burn_in=3000)["rate"]), *rates)
"""


def test_adam_as_shipped_with_its_second_moment_in_the_state():
    """In a process of its own, for its kernels. Direct simulation, after the second moment has settled, within 6 standard errors."""
    done = subprocess.run([sys.executable, "-c", ADAM], capture_output=True, text=True, timeout=120, check=True)
    direct, *rates = map(float, done.stdout.split())
    error = np.std(rates, ddof=1) / np.sqrt(len(rates))
    assert abs(np.mean(rates) - direct) < 6 * np.hypot(error, direct / np.sqrt(2500))
    assert error < 0.15 * direct


def test_same_bits_for_any_number_of_threads():
    one, two = (rare(8.0, replicas=100, repetitions=3, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one["repetition_rate"], two["repetition_rate"])
    assert len(np.unique(one["repetition_rate"])) == 3


def test_work_grows_slowly_where_that_of_direct_simulation_grows_exponentially():
    work = [float(rare(barrier, repetitions=2)["steps"].sum()) for barrier in (6.0, 12.0)]
    assert work[1] < 8 * work[0]
    assert chain(12.0) < 1e-2 * chain(6.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"replicas": 5}, "replicas = 5 must be a whole number >= 20"),
        ({"repetitions": 1}, "repetitions = 1 must be a whole number >= 2"),
        ({"level": 1.0}, "level = 1.0 must lie between 0 and 1"),
        ({"boundary": 0.0}, "boundary = 0.0 is where the start is"),
        ({"boundary": 1e-3}, "the well is not separated from the boundary"),
    ],
)
def test_bad_input(changed, message):
    with pytest.raises(ValueError, match=message):
        rare(8.0, **changed)


def test_few_families_are_said():
    with pytest.warns(RuntimeWarning, match="came down to fewer than 5 families"):
        rare(20.0, replicas=20, repetitions=2)
