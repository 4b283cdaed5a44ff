"""Limits of a formula as temperature falls, by extrapolation."""

import numpy as np
import pytest

import theory
from diffusion import Adai
from experiments.problems import low_temperature
from experiments.problems.exits import AT
from experiments.problems.wells import paper_rate, settings
from experiments.referee.evidence import Evidence


def test_a_polynomial_in_the_root_of_temperature_is_extrapolated_exactly():
    x = np.array([3.0, 8.0, 16.0, 32.0, 64.0])
    found = low_temperature.limit(x, 2 - 1 / x + 3 * x**-1.5)
    assert found.value == pytest.approx(2, abs=1e-12)
    assert found.uncertainty > 0.01  # what three points would have said
    assert (found.low, found.high) == (8.0, 64.0)
    assert low_temperature.limit(x, np.full(5, 2.0), np.full(5, 0.01)).uncertainty > 0.02  # errors grow on the way


def test_the_order_of_the_points_does_not_matter():
    x = np.array([32.0, 4.0, 16.0, 8.0])
    assert low_temperature.limit(x, 1 + 1 / x) == low_temperature.limit(np.sort(x), 1 + 1 / np.sort(x))


@pytest.mark.parametrize("exponents", [(10, 20, 40), (5, 9, 20)])
@pytest.mark.parametrize("p", [0.5, 1.0, 2.0])
def test_the_power_of_a_remainder_is_found(exponents, p):
    x = np.array(exponents, float)
    assert low_temperature.power(x, 2 + 0.3 * x**-p) == pytest.approx(p, abs=0.03)
    assert low_temperature.power(x, np.full(3, 2.0)) == np.inf


@pytest.mark.parametrize(
    ("power", "pace"),
    [
        (1.04, "dying out linearly (power 1 of"),
        (0.5, "dying out more slowly than linearly (power 0.5 of"),
        (2.0, "dying out faster than linearly (power 2 of"),
        (np.inf, "dying out faster than linearly"),
        (-0.1, "dying out not yet as a power of temperature"),
    ],
)
def test_the_pace_is_told_by_the_power(power, pace):
    finding = low_temperature.Limit(1.02, 0.01, power, 50.0, 600.0).finding("limit", "somewhere")
    assert pace in finding.text
    assert finding.holds


@pytest.mark.parametrize(("value", "holds"), [(1.0, True), (1.055, True), (1.07, False), (4.0, False), (0.5, False)])
def test_a_limit_holds_within_the_tolerance_and_its_uncertainty(value, holds):
    end = low_temperature.Limit(value, 0.01, 1.0, 50.0, 600.0)
    finding = end.finding("limit", "somewhere")
    assert finding.holds is holds
    assert ("is right" in finding.text, "is another" in finding.text) == (holds, not holds)
    assert end.finding("limit", "somewhere", judged=False).holds is None


@pytest.mark.long  # grids at every temperature
def test_with_inertia_the_extrapolated_limits_hold_those_without():
    """The learning rate is the same at all temperatures, so that inertia dies out: the limit is the overdamped one."""
    setting = settings()["parabolas-frozen"]
    k, lr = 8.0 / 400, setting.lr["SGD"]
    start, saddle = setting.positions(k)
    time = theory.first_passage_time(setting.gradient(k), setting.diffusion(k, lr), start=start, boundary=saddle)
    rows = low_temperature.rows("Adai", setting, "Adai", Adai(setting.lr["Adai"]), low_temperature.OF_THE_GRID, AT)
    data = Evidence.of_rows("Adai", "rate", rows).data
    end = low_temperature.limit(data["barrier_over_temperature"], data["paper"] / data["exact"], data["grid_error"])
    assert abs(end.value - paper_rate(setting, "SGD", k, 1) * time / lr) < end.uncertainty < 0.25
