"""The drift term alone: exact along flat directions in the SDE, not for the discrete optimizer at small inertia."""

import pytest
from shared_evidence import check_figures, finding, pick, routes

from experiments.claims import theorem_2
from experiments.claims.theorem_2_drift import claim
from experiments.referee.routes import Routes

EMA = "Momentum (EMA), thermal minus rest"


def test_drift_term_alone_is_right_where_the_saddle_is_flat():
    for iterations, ratio in ((100, 1.0016), (1000, 1.020)):
        row = pick(claim, style="ema", beta1=0.9, iterations=iterations, eigenvalue=-0.001)
        assert 1 / (row["deviation"] + 1) == pytest.approx(ratio, abs=5e-4)
    assert finding(claim, EMA, "formula over the exact SDE at T = 1/(1-beta1)").holds


def test_the_discrete_optimizer_adds_less():
    """Along H = 0: lr^2 beta3^2 C beta^2 (1 - beta^T)^2/[(1 - beta^2)(1 - beta)^2]; at H = -0.001 nearly so."""
    told = finding(claim, EMA, "formula over the exact discrete optimizer at T = 1/(1-beta1)")
    assert (told.holds, told.value) == (False, pytest.approx(2.131, abs=1e-3))
    beta, iterations, variance = 0.9, 100, 0.001
    row = pick(claim, style="ema", beta1=beta, iterations=iterations, eigenvalue=0.0)
    added = (0.01 * beta * (1 - beta**iterations)) ** 2 * variance / (1 - beta**2)
    assert row["exact_discrete"] == pytest.approx(added, rel=1e-9)


def test_it_runs_no_ensemble_that_theorem_2_has_run():
    begun = []
    shared = Routes(8, 8, seed=0, threads=1, on_start=begun.append)
    theorem_2.claim.tried(shared)
    count = len(begun)
    claim.tried(shared)
    assert begun[count:] == [claim.name]


def test_titles_tell_the_numbers(monkeypatch):
    names = {"theorem-2-drift-ema", "theorem-2-drift-heavy-ball"}
    assert check_figures(claim, names, monkeypatch) == names
    assert {piece.data["start"].item() for piece in claim.tried(routes())} == {"thermal"}
