"""Ensembles of exits, references and numbers that fail make their rows say so; no verdict is drawn from what is left.

The faults are real: steps that diverge, learning rates beyond the stability bound or too small for any reference,
horizons that are too short, two replicas.
"""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from diffusion import SGD, IsotropicNoise, LossLevel, StyblinskiTang, exit_times
from experiments.claims import proposition_4, table_1_minima, theorem_3
from experiments.problems import wells
from experiments.problems.exits import BARRIER, SIMULATED
from experiments.referee import report, verify
from experiments.referee.claim import EVERY, Claim
from experiments.referee.evidence import Evidence, Row, Sample
from experiments.referee.faults import Fault, mean_exit
from experiments.referee.laws import MeanSquare, Student
from experiments.referee.routes import Routes
from experiments.referee.verdict import Finding

SETTINGS = {"size": "quick"} | dict.fromkeys(("seed", "replicas", "torch_replicas", "seconds", "lr", "batch_size"), 1)


def exits(lr=0.058, boundary=0.0, **more):
    """SGD on Styblinski-Tang with noise that throws it beyond the other well now and then: a step later it diverges."""
    arguments = {"start": 2.7468, "max_iterations": 10**4, "replicas": 50, "threads": 1} | more
    return exit_times(SGD(lr), StyblinskiTang(1), noise=IsotropicNoise(300.0), boundary=boundary, **arguments)


class Made(Claim):
    """A claim of rows that are given; then, if there is an error, that."""

    name, place, statement = "Made", "nowhere", "Nothing."

    def __init__(self, *given, error=None):
        self.given, self.error = given, error

    def evidence(self, routes):
        yield Evidence.of_rows("SGD", "time", self.given)
        if self.error:
            raise self.error

    def findings(self, evidence):
        yield Finding("number of rows", len(self.given), f"there are {len(self.given)} rows")


def judged(*claims, routes=None):
    """The claims as `verify` judges them, rows as JSON has them."""
    routes = routes or Routes(2, 2, size="quick")
    outcome = verify.judge(claims, {claim.name: claim.tried(routes) for claim in claims}, SETTINGS)
    return replace(outcome, rows=json.loads(json.dumps(outcome.rows, allow_nan=False)))


def page(outcome):
    """The report without figures."""
    return report.html(outcome, [])


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
    (row,) = judged(Made(Row({}, {"exact": 1.0}, {"simulated": Sample.of(found, 1.0)}))).rows
    assert row["instrument"] == state
    assert (row["simulated"], row["simulated_low"], row["tests"]) == (None, None, {})
    assert re.match(reason, row["reasons"]["simulated"])


def test_splitting_that_is_not_reliable_neither_agrees_nor_counts():
    """Its row is inconclusive with the reason, and the verdict counts what is left out."""
    fault = Fault("splitting's repetitions differ too much", "inconclusive")
    sample = Sample(1e-3, Student(1e-5, 8), 1.0, fault=fault)
    outcome = judged(Made(Row({}, {"exact": 1.0, "exact_splitting": 1.0}, {"splitting": sample})))
    (row,), (verdict,) = outcome.rows, outcome.verdicts
    assert (row["instrument"], row["reasons"]["splitting"]) == ("inconclusive", fault.reason)
    assert (row["splitting"], row["tests"]) == (None, {})
    assert f"measured values left out: 1 (splitting: {fault.reason})" in verdict.sentence


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_fail_a_row(value):
    """A p-value, a deviation, or a reference; each compares as false with every limit."""
    for row in (
        Row({}, {"paper": 1.0, "exact": value}),
        Row({}, {"paper": 1.0, "exact": 1.0}, checks={"grid": (value, 0.01)}),
        Row({}, {"paper": 1.0, "exact": 1.0}, {"simulated": Sample(1.0, MeanSquare.of_times(100), value)}),
    ):
        assert [told["instrument"] for told in judged(Made(row)).rows] == ["failed"]


def test_a_row_fails_by_a_test_or_a_check_and_is_inconclusive_by_a_weak_test():
    def state(value=1.0, events=10**5, deviation=0.0):
        samples = {"simulated": Sample(value, MeanSquare.of_times(events), 1.0)}
        (row,) = judged(Made(Row({}, {"exact": 1.0}, samples, {"grid": (deviation, 0.01)}))).rows
        return row["instrument"]

    assert state() == "ok"
    assert state(value=1.1) == "failed"
    assert state(deviation=0.02) == state(deviation=np.nan) == "failed"
    assert state(events=100) == "inconclusive"


def test_no_verdict_is_drawn_from_the_rows_that_are_left_of_a_claim():
    outcome = judged(Made(Row({}, {"paper": 1.0, "exact": 1.0}), error=ArithmeticError("nothing converges")))
    assert [row["instrument"] for row in outcome.rows] == ["ok", "failed"]
    assert [verdict.subject for verdict in outcome.verdicts] == ["SGD", EVERY]
    assert {verdict.level for verdict in outcome.verdicts} == {"open"}
    assert {verdict.sentence for verdict in outcome.verdicts} == {
        "not judged: Made: ArithmeticError: nothing converges"
    }
    assert not outcome.passed
    assert "nothing converges" in page(outcome)


# --- claims


def faster(monkeypatch, factor):
    """The double parabola with other learning rates, and alone."""
    key = "parabolas-piecewise"
    setting = wells.settings()[key]
    rates = {optimizer: factor * lr for optimizer, lr in setting.lr.items()}
    monkeypatch.setitem(wells.settings(), key, replace(setting, lr=rates))
    monkeypatch.setattr(theorem_3, "KEYS", (key,))


def test_ensembles_that_are_not_whole_leave_their_rows_inconclusive_and_out_of_the_sentence(monkeypatch):
    faster(monkeypatch, 1.0)
    outcome = judged(theorem_3.claim)
    simulated = [row for row in outcome.rows if row["regime"][BARRIER] <= SIMULATED and "by" not in row["regime"]]
    assert {row["instrument"] for row in simulated} == {"inconclusive"}
    reason = "only 2 exits"
    assert all(reason in row["reasons"][name] for row in simulated for name in ("simulated", "discrete"))
    assert all(row["exact"] is not None for row in outcome.rows)
    (verdict,) = outcome.verdicts
    names = {finding.name for finding in verdict.findings}
    assert any(name.startswith("exponent") for name in names)  # of the exact times
    assert "log deviation of the ensembles from Ito" not in names
    assert reason in verdict.sentence
    assert reason in page(outcome)


def test_ensemble_beyond_the_stability_bound_fails_its_rows_alone(monkeypatch):
    faster(monkeypatch, 15.0)
    outcome = judged(theorem_3.claim, routes=Routes(50, 20, size="quick"))
    refused = [row for row in outcome.rows if "is unstable" in row["reasons"].get("discrete", "")]
    assert 0 < len(refused) < len(outcome.rows)
    assert {row["instrument"] for row in refused} == {"failed"}
    assert not outcome.passed
    assert "is unstable" in page(outcome)


def test_reference_that_cannot_be_computed_is_a_failed_row_and_verdicts_say_what_is_missing(monkeypatch):
    """At a learning rate of a thousandth, barriers are 2,000 temperatures and more."""
    faster(monkeypatch, 1e-3)
    outcome = judged(theorem_3.claim, proposition_4.claim, table_1_minima.claim)
    assert [(row["claim"], row["instrument"]) for row in outcome.rows] == [
        ("Theorem 3", "failed"),
        ("Proposition 4", "failed"),
        ("Table 1, minima row", "failed"),
    ]
    assert not outcome.passed
    assert {verdict.level for verdict in outcome.verdicts} == {"open"}
    assert "rounding leaves a phase-space grid no digit" in outcome.verdicts[1].sentence
    assert "it builds on Theorem 3, which is not judged" in outcome.verdicts[2].sentence
