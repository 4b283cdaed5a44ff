"""Proposition 3: both starts, early and late; what the clip of Adai's inertia does."""

import pytest
from shared_evidence import check_figures, finding, listed

from experiments.claims.proposition_3 import NO_ZERO_ADAI, claim

BEGINNING, END = "at the beginning of the grid", "at the end of the grid"


@pytest.mark.parametrize(
    ("start", "process", "when", "factor"),
    [
        ("from rest", "SDE", BEGINNING, 3.0028e6),
        ("from rest", "discrete optimizer", BEGINNING, 1.0002e6),
        ("thermal start", "SDE", BEGINNING, 2001),
        ("thermal start", "discrete optimizer", BEGINNING, 1999),
        ("from rest", "SDE", END, 6.692),
        ("from rest", "discrete optimizer", END, 6.680),
        ("thermal start", "SDE", END, 3.055),
        ("thermal start", "discrete optimizer", END, 3.054),
    ],
)
def test_it_is_off_from_both_starts_in_the_sde_and_as_a_discrete_optimizer(start, process, when, factor):
    """At the first iteration, and at the thousandth."""
    told = finding(claim, f"Adai, {start}", f"formula over the exact {process} {when}")
    assert (told.holds, told.value) == (False, pytest.approx(factor, rel=2e-4))


@pytest.mark.parametrize(
    ("start", "process", "unit", "value"),
    [
        ("from rest", "SDE", "eps^2", 3.0),
        ("from rest", "discrete optimizer", "eps^2", 1.0),
        ("thermal start", "SDE", "eps", 2.0),
        ("thermal start", "discrete optimizer", "eps", 2.0),
    ],
)
def test_the_first_step_is_what_the_clip_of_the_inertia_makes_it(start, process, unit, value):
    told = finding(claim, f"Adai, {start}", f"formula over the exact {process} {BEGINNING}, times {unit}")
    assert (told.holds, told.value) == (None, pytest.approx(value, rel=2e-3))


def test_it_is_not_stated_along_a_direction_without_noise():
    flat = [row for row in listed(claim) if row["regime"]["eigenvalue"] == 0]
    assert {row["paper"] for row in flat} == {None}
    assert {row["reasons"]["paper"] for row in flat} == {NO_ZERO_ADAI}
    assert all(row["paper"] is not None for row in listed(claim) if row["regime"]["eigenvalue"] != 0)


def test_title_tells_the_numbers(monkeypatch):
    assert check_figures(claim, ["proposition-3"], monkeypatch) == {"proposition-3"}
