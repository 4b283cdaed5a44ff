"""Displacements: ensembles that diverge or are refused fail their rows alone; seeds; no ensemble without a reference.

The faults are real: steps that diverge, learning rates beyond the stability bound.
"""

import json

import numpy as np
from shared_evidence import rows_of

from diffusion import SGD, Momentum
from experiments.claims import theorem_1, theorem_2_drift
from experiments.problems import displacements
from experiments.problems.saddles import LR, Departure
from experiments.referee.routes import Routes


def evidence(departure, module=theorem_1, paper=None, **settings):
    routes = Routes(**({"replicas": 20, "torch_replicas": 20, "threads": 1} | settings))
    return displacements.evidence(routes, departure, paper or module.paper)


def concluded(claim, piece):
    """The verdict and the rows, as JSON has them."""
    (verdict,) = claim.verdicts([piece])
    return verdict, json.loads(json.dumps(list(rows_of(claim, [piece])), allow_nan=False))


def sgd(lr):
    return Departure(SGD(lr), "rest", 0.9, memory=False)


def test_diverged_ensemble_fails_its_rows_from_there_on_and_the_rest_is_judged():
    """Along H = -1 a step of 1.5 multiplies by 2.5: after 300 iterations beyond 1e75, after 100 not."""
    verdict, rows = concluded(theorem_1.claim, evidence(sgd(1.5)))
    lost = [row for row in rows if row["regime"]["iterations"] >= 300 and row["regime"]["eigenvalue"] != 0]
    assert {row["instrument"] for row in lost} == {"failed"}
    for row in lost:
        assert {row["reasons"][name] for name in ("simulated", "discrete", "torch")} == {displacements.DIVERGED}
    assert not any(row["faults"] for row in rows if row not in lost)
    assert verdict.level != "open"
    assert displacements.DIVERGED in verdict.sentence


def test_ensemble_that_is_refused_fails_its_rows():
    """SGD(2.5) along H = 1."""
    verdict, rows = concluded(theorem_1.claim, evidence(sgd(2.5)))
    assert {row["instrument"] for row in rows} == {"failed"}
    assert all("is unstable" in row["reasons"]["discrete"] for row in rows)
    assert "measured values left out" in verdict.sentence


def test_diverged_pair_is_no_rounding():
    """The share of a thermal start is the difference of two runs, both of which diverge."""
    departure = Departure(Momentum(3.0, 0.5, "ema"), "thermal", 0.5, added=True)
    _, rows = concluded(theorem_2_drift.claim, evidence(departure, theorem_2_drift))
    lost = [row for row in rows if row["reasons"].get("simulated") == displacements.DIVERGED]
    assert lost
    assert {row["instrument"] for row in lost} == {"failed"}


def test_without_a_reference_no_ensemble_is_run_and_nothing_is_judged():
    def refuse(*_):
        raise ValueError("the formula has no value here")

    begun = []
    verdict, rows = concluded(theorem_1.claim, evidence(sgd(LR), paper=refuse, on_start=begun.append))
    assert begun == []
    assert (verdict.level, verdict.missing) == ("open", "the formula has no value here")
    assert {row["instrument"] for row in rows} == {"failed"}
    assert {row["reasons"]["simulated"] for row in rows} == {"the formula has no value here"}


def test_a_recursion_of_the_wrong_order_fails_its_rows():
    short = displacements.order_check(np.array([1.0, np.nan, 0.79]))["order of the scheme"]
    assert (short[0] <= short[1]).tolist() == [True, True, False]


def test_same_seed_gives_the_same_numbers_on_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(Routes, "torch", False)  # its threads have tests of their own
    first, threaded, other = (evidence(sgd(LR), **settings).data for settings in ({}, {"threads": 2}, {"seed": 1}))
    for name in ("simulated", "discrete"):
        assert first[name].equals(threaded[name])
        assert not first[name].equals(other[name])
