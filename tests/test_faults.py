"""A claim's ensemble or reference that fails makes its rows say so; it ends no run, and no verdict is drawn from it.

The faults are real: steps that diverge, learning rates beyond the stability bound or too small for any reference, horizons that are too
short, two replicas.
"""

import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from experiments.comparison import Comparison, Sample
from experiments.ensembles import Ensembles
from experiments.minima import Runner
from experiments.minima import claims as minima_claims
from experiments.minima import verdicts as minima_verdicts
from experiments.minima.low_temperature import SplitSample

from diffusion import SGD, IsotropicNoise, LossLevel, Momentum, StyblinskiTang, exit_times
from experiments import claims, judge, minima, report, rows, standing, verdicts, verify
from experiments.problems import wells as sharpness
from experiments.referee.faults import Fault, mean_exit

RATE = 1e-4
SETTINGS = {"seed": 0, "quick": True, "replicas": 0}


def exits(lr=0.058, boundary=0.0, **more):
    """SGD on Styblinski-Tang with noise that throws it beyond the other well now and then: a step later it is outside all numbers."""
    arguments = {"start": 2.7468, "max_iterations": 10**4, "replicas": 50, "threads": 1} | more
    return exit_times(SGD(lr), StyblinskiTang(1), noise=IsotropicNoise(300.0), boundary=boundary, **arguments)


def concluded(found):
    """Rows and verdicts as `verify` makes them, as JSON has them, and the report's page without figures."""
    about_saddles = [one for one in found if isinstance(one, judge.Judged)]
    about_minima = [one for one in found if isinstance(one, Comparison)]
    said = verdicts.conclude(about_saddles) + minima_verdicts.conclude(about_minima)
    listed = [row for verdict in said for row in rows.rows(verdict, RATE)]
    outcome = verify.Outcome(said, json.loads(json.dumps(listed, allow_nan=False)), 1, RATE, SETTINGS)
    return outcome, report.html(outcome, [])


def test_mean_of_an_ensemble_that_is_whole():
    found = mean_exit(exits)
    assert found.fault is None
    assert found.value == exits()["exit_iteration"].values.mean()


@pytest.mark.parametrize(
    ("more", "state", "reason"),
    [
        ({"boundary": LossLevel(-30.0)}, "failed", r"\d+ of 50 replicas diverged"),
        ({"max_iterations": 3}, "inconclusive", r"\d+ of 50 replicas had not left at the horizon"),
        ({"replicas": 2}, "inconclusive", "only 2 exits, which tell as much as [12] exponential ones; 10 are needed"),
        ({"lr": 0.1}, "failed", "lr = 0.1 is unstable"),
    ],
)
def test_ensemble_with_a_fault_has_no_mean_and_its_row_says_why(more, state, reason):
    found = mean_exit(lambda: exits(**more))
    assert np.isnan(found.value)
    one = Comparison(minima_claims.THEOREM_3, "SGD", {}, "", {"exact": 1.0}, {"simulated": Sample.of(found, 1.0)})
    row = one.row(RATE, "", None)
    assert row["instrument"] == state
    assert (row["simulated"], row["simulated_low"], row["tests"]) == (None, None, {})
    assert re.match(reason, row["reasons"]["simulated"])


def parabolas(runner, titles=("Theorem 3: double parabola",)):
    """The rows of some steps on the double parabola."""
    return minima.compute(runner, lambda _: None, [step for step in minima.STEPS if step.title in titles])


def faster(monkeypatch, factor):
    """The same double parabola with other learning rates."""
    key = "parabolas-piecewise"
    setting = sharpness.settings()[key]
    rates = {optimizer: factor * lr for optimizer, lr in setting.lr.items()}
    monkeypatch.setitem(sharpness.settings(), key, replace(setting, lr=rates))


@cache
def too_few():
    """Rows of two replicas."""
    return parabolas(Runner(2, 2, 0, 1, True))


def test_ensembles_that_are_not_whole_leave_their_rows_inconclusive_and_out_of_the_sentence():
    outcome, page = concluded(too_few())
    simulated = [row for row in outcome.rows if row["regime"]["barrier_over_temperature"] <= minima_claims.SIMULATED]
    assert {row["instrument"] for row in simulated} == {"inconclusive"}
    reason = "only 2 exits"
    assert all(reason in row["reasons"][name] for row in simulated for name in ("simulated", "discrete"))
    assert all(row["exact"] is not None for row in outcome.rows)
    (verdict,) = outcome.verdicts
    assert "the exponent is right within" in verdict.sentence  # of the exact times
    assert "the ensembles follow nothing, as none is whole" in verdict.sentence
    assert reason in verdict.sentence
    assert reason in page


def test_ensemble_beyond_the_stability_bound_fails_its_rows_alone(monkeypatch):
    faster(monkeypatch, 15.0)
    outcome, page = concluded(parabolas(Runner(60, 20, 0, 1, True)))
    refused = [row for row in outcome.rows if "is unstable" in row["reasons"].get("discrete", "")]
    assert 0 < len(refused) < len(outcome.rows)
    assert {row["instrument"] for row in refused} == {"failed"}
    assert not outcome.passed
    assert "is unstable" in page


def test_reference_that_cannot_be_computed_is_a_failed_row_and_verdicts_say_what_is_missing(monkeypatch):
    """At a learning rate of a thousandth, barriers are 2,000 temperatures and more."""
    faster(monkeypatch, 1e-3)
    found = parabolas(
        Runner(20, 20, 0, 1, True), ("Theorem 3: double parabola", "Proposition 4", "Table 1, minima row")
    )
    outcome, _ = concluded(found)
    assert [(row["claim"], row["instrument"]) for row in outcome.rows] == [
        ("Theorem 3", "failed"), ("Proposition 4", "failed"), ("Table 1, minima row", "failed"),
    ]  # fmt: skip
    assert not outcome.passed
    assert all(verdict.sentence.startswith("not judged: ") for verdict in outcome.verdicts)
    assert "whose grid has" in outcome.verdicts[1].sentence
    assert {one.level for one in standing.standings(outcome.rows)} == {"open"}


def test_no_verdict_is_drawn_from_the_rows_that_are_left_of_a_claim(monkeypatch):
    """Theorem 3's on the double parabola, where those on Styblinski-Tang are missing."""
    key = "tang-piecewise"
    slow = replace(sharpness.settings()[key], lr={"SGD": 1e-6})
    monkeypatch.setitem(sharpness.settings(), key, slow)
    outcome, _ = concluded(too_few() + parabolas(Runner(2, 2, 0, 1, True), ("Theorem 3: Styblinski-Tang",)))
    assert sum(row["instrument"] == "failed" for row in outcome.rows) == 1 < len(outcome.rows)
    assert all(verdict.sentence.startswith("not judged: Theorem 3: Styblinski-Tang") for verdict in outcome.verdicts)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_fail_a_row(value):
    """A p-value, a deviation, or a reference; each compares as false with every limit."""
    claim = minima_claims.PROPOSITION_4
    for one in (
        Comparison(claim, "Adai", {}, "", {"paper": 1.0, "exact": value}),
        Comparison(claim, "Adai", {}, "", {"paper": 1.0, "exact": 1.0}, checks={"grid": (value, 0.01)}),
        Comparison(claim, "Adai", {}, "", {"paper": 1.0, "exact": 1.0}, {"simulated": Sample(1.0, 100, value)}),
    ):
        row = one.row(RATE, "", None)
        assert row["instrument"] == "failed"
        json.dumps(row, allow_nan=False)


def test_splitting_that_is_not_reliable_neither_agrees_nor_counts():
    """Its row is inconclusive with the reason, and no verdict quotes it."""
    fault = Fault("splitting's repetitions differ too much", "inconclusive")
    sample = SplitSample(1e-3, 8, 1.0, fault=fault, error=1e-5)
    row = Comparison(
        minima_claims.LOW_TEMPERATURE, "Theorem 3 (SGD)", {}, "", {"exact_splitting": 1.0}, {"splitting": sample}
    )
    told = row.row(0.01, "", None)
    assert (told["instrument"], told["reasons"]["splitting"]) == ("inconclusive", fault.reason)
    assert "splitting" not in row.samples
