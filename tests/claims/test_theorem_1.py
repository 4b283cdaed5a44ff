"""Theorem 1: the formula is the exact one."""

from shared_evidence import check_figures, listed, routes

from experiments.claims.theorem_1 import claim


def test_theorem_1_is_exact():
    (verdict,) = claim.verdicts(claim.tried(routes()))
    (whole,) = verdict.findings
    assert (verdict.level, whole.holds) == ("right", True)
    assert {row["verdict"] for row in listed(claim)} == {"exact"}


def test_title_tells_the_finding(monkeypatch):
    assert check_figures(claim, ["theorem-1"], monkeypatch) == {"theorem-1"}
