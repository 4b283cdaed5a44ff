"""Points of the escape job: which are measured, which are refused, and which count as escapes."""

from dataclasses import replace

import numpy as np
import pytest

from diffusion import StyblinskiTang, escape_rate
from diffusion.progress import Task
from experiments.problems.wells import exact_rate, settings
from experiments.sharpness import plan, points, power
from experiments.sharpness.job import Kind
from experiments.sharpness.points import Point


def test_a_too_blunt_minimum_is_refused_with_what_it_would_take():
    """The stated exponent is right, the stated time within a factor 3 of the exact one."""
    point = Point("parabolas-piecewise", 1, "SGD", "sde", 0.2, 100, 0)
    with pytest.raises(ValueError, match=r"sharpness = 0\.2: barrier over temperature is 40 for SGD") as refused:
        point.measure()
    words = str(refused.value)
    stated = float(words.split("about ")[1].split(" iterations")[0])
    exact = 1 / exact_rate(settings()[point.setting], "SGD", 0.2)["rate"]
    assert 1 / 3 < stated / exact < 3
    hours = float(words.split("about ")[2].split(" hours")[0])
    assert hours == pytest.approx(stated * 100 * point.substeps * 2e-9 / 3600, rel=0.1)
    assert "use theory.first_passage_time or diffusion.fokker_planck, or a sharper minimum" in words
    assert points.refuse_long(settings()[point.setting], replace(point, sharpness=4.0)) > 0
    with pytest.raises(ValueError, match="sharpness = 0 must be a finite number above 0"):
        StyblinskiTang(1, sharpness=0)


def test_point_that_cannot_be_measured_has_a_fault_is_tried_again_and_is_in_no_fit(tmp_path):
    """A learning rate beyond the stability bound, among points that are whole."""
    everything = plan.plan(full=False, quick=True, seed=0)
    whole = [point for point in everything if (point.optimizer, point.route) == ("SGD", "discrete")]
    kind = Kind("discrete", [*whole, replace(whole[0], factor=100.0)])
    rows = kind.measure(tmp_path, 1, Task())
    for row in rows:
        row["why_not"] = power.why_not(row)
    assert [row["fault"] for row in rows if "fault" in row] == [rows[-1]["fault"]]
    assert "is unstable" in rows[-1]["fault"]
    assert rows[-1]["rate"] is None
    assert rows[-1]["why_not"] == "it was not measured"
    assert kind.left(tmp_path) == 1
    [fit], [other] = power.fits(rows), power.fits(rows[:-1])
    assert (fit["points"], fit["left_out"]) == (len(whole), 1)
    assert fit["p"] == other["p"]


def test_every_point_of_every_run_is_within_the_limit():
    for full in (False, True):
        wanted = (
            plan.plan(full=full, quick=False, seed=0) + plan.collapse_plan(0) + plan.data_set_plan(full=full, seed=0)
        )
        for point in wanted:
            if point.route not in ("minibatches", "splitting"):
                points.refuse_long(settings()[point.setting], point)
        assert len({point.label for point in wanted}) == len(wanted)


SEEDS = (6789793403929361245, 14220412557810677455)


def test_seeds_of_points_are_what_they_were():
    """Two of them, as earlier versions had them: results of before are found again."""
    point = Point("parabolas-piecewise", 1, "SGD", "sde", 4.0, 60, 0)
    assert point.ensemble_seed == SEEDS[0]
    assert replace(point, setting="minibatch", route="torch", seed=3, factor=2.0).ensemble_seed == SEEDS[1]


# --- what counts as an escape


def test_splitting_that_is_not_reliable_counts_for_nothing():
    """Its interval is told, but no number of exits stands for it, and no power is fitted to it."""
    point = Point("parabolas-piecewise", 1, "SGD", "splitting", 8 / 22.5, 20, 0)
    found = point.measure()
    assert (found["reliable"], found["events"]) == (0.0, 0.0)
    assert found["rate_low"] < found["rate_high"]
    assert power.why_not(point.row | found) == "only 0 exits, 10 are needed"


def row(**more):
    """A point that counts: a mean exit of 30 relaxation times."""
    point = Point("parabolas-piecewise", 1, "SGD", "sde", 4.0, 60, 0)
    return point.row | {"rate": 1 / 30 / point.relaxation, "events": 60.0, "exponential_p": 0.3} | more


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        ({"exponential_p": None}, ""),
        ({"rate": 1 / 4.9 / row()["relaxation"]}, "the mean exit takes 4.9 relaxation times, an escape more than 5"),
        ({"rate": 1 / 5.1 / row()["relaxation"]}, ""),
        ({"exponential_p": 0.009}, "exits do not follow the exponential law (p = 0.009, rejected below 0.01)"),
        ({"exponential_p": 0.011}, ""),
        ({"events": 9.0}, "only 9 exits, 10 are needed"),
        ({"ends_at_saddle": False}, "runs do not leave over a saddle of the expected loss"),
        ({"fault": "it broke", "rate": None}, "it was not measured"),
    ],
)
def test_a_rate_counts_only_if_it_is_that_of_an_escape(changed, reason):
    assert power.why_not(row(**changed)) == reason


@pytest.mark.parametrize("escapes", [2, 3, 4, 5])
def test_a_power_needs_more_escapes_than_parameters(escapes):
    """Of five points, those that are none are left out; with three or fewer no power is told, but of exact rates."""
    ks = np.geomspace(1, 4, 5)
    series = [
        row(sharpness=float(k), rate=float(k * np.exp(-8 / k)), why_not="" if place < escapes else "too fast")
        for place, k in enumerate(ks)
    ]
    [fit], [exact] = power.fits(series), power.fits([one | {"route": "exact"} for one in series])
    assert (fit["points"], fit["left_out"]) == (escapes, 5 - escapes)
    if escapes < 4:
        assert (fit["p"], fit["low"], fit["excludes_1"], power.interval(fit)) == (None, None, None, "cannot be told")
    else:
        assert fit["low"] < fit["p"] == pytest.approx(1, abs=1e-4)
        assert fit["p"] < fit["high"]
    assert (exact["p"] is None) == (escapes < 3)
    assert escapes < 3 or exact["p"] == pytest.approx(1, abs=1e-4)


def test_real_minibatches_of_one_data_set_leave_as_at_the_exact_rate_and_warm_up_second_moments_first():
    """SGD at k = 1: 1,499 iterations by other programs, on other data; under Gaussian noise 87,670."""
    sgd = Point("minibatch", 10, "SGD", "minibatches", 1.0, 300, 0)
    measured = sgd.measure(1)
    assert 1000 < 1 / measured["rate"] < 2200
    data, other = (settings()["minibatch"].minibatches(10, k, 0).data for k in (1.0, 2.0))
    np.testing.assert_array_equal(data, other)
    adai = replace(sgd, optimizer="Adai")
    burnt = [point.burn_in for point in (sgd, adai, *(replace(adai, route=route) for route in ("discrete", "sde")))]
    assert burnt == [0, points.BURN_IN, points.BURN_IN, 0]


@pytest.mark.long
def test_exits_of_adai_under_gaussian_noise_are_exponential_once_second_moments_have_warmed_up():
    """500 exits, ten coordinates, k = 1; from the first iteration on the law is rejected, the rate too high."""
    point = Point("minibatch", 10, "Adai", "discrete", 1.0, 500, 0)
    whole, later = (escape_rate(points.exits(point), burn_in=burn_in) for burn_in in (0, point.burn_in))
    assert later["exponential_p"] > power.REJECTED > 1e-6 > whole["exponential_p"]
    assert later["rate_high"] < whole["rate_low"]
