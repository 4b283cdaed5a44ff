"""Table 1, minima row: the powers of exact times, which test the instrument."""

import numpy as np
import pytest
from changed_numbers import scaled, with_data

from experiments.claims import adam_variants
from experiments.claims.table_1_minima import SOURCES, TOLERANCE, claim, of_signs
from experiments.problems.table_2 import SIGNS, TABLE_2
from experiments.problems.wells import CLAIMED_POWER
from experiments.referee import Routes

OTHERS = {name: entry for name, entry in TABLE_2.items() if name not in SOURCES}
AGAINST = {"Padam", "AdaBound, late"}  # adaptive in name, and their learning rates nearly or wholly constant


def test_powers_are_those_of_the_symmetry(quick_routes):
    verdicts = {verdict.subject: verdict for verdict in claim.verdicts(claim.tried(quick_routes))}
    assert verdicts.keys() == SOURCES.keys() | OTHERS.keys()
    for optimizer in SOURCES:
        verdict = verdicts[optimizer]
        (finding,) = verdict.findings
        assert finding.value == pytest.approx(CLAIMED_POWER[optimizer], abs=0.1)
        assert finding.target == CLAIMED_POWER[optimizer]
        assert verdict.level == "right"
        assert "a test of the instrument" in finding.text


def test_of_all_others_it_is_the_power_of_their_column_but_of_two(quick_routes):
    verdicts = {verdict.subject: verdict for verdict in claim.verdicts(claim.tried(quick_routes))}
    for name, entry in OTHERS.items():
        (finding,) = verdicts[name].findings
        assert finding.target == (0.5 if entry.variant else 1.0)
        assert finding.value == pytest.approx(1 - entry.power, abs=0.05)
        assert finding.holds is (name not in AGAINST)


def test_a_measured_power_is_judged_beside_its_interval(quick_routes):
    (momentum,) = (piece for piece in adam_variants.claim.tried(quick_routes) if piece.label == "Momentum, power")
    for column, holds in ((1.0, True), (0.5, False)):
        changed = with_data(momentum, lambda values, column=column: values.update(paper=np.array([column])))
        *_, told = claim.findings([changed])
        assert told.holds is holds
        assert told.interval[0] <= told.value <= told.interval[1]


@pytest.mark.parametrize("optimizer", SOURCES)
def test_the_other_power_is_not_taken_for_the_claimed_one(quick_routes, optimizer):
    (piece,) = (piece for piece in claim.tried(quick_routes) if piece.subject == optimizer)
    other = (1.5 - CLAIMED_POWER[optimizer]) / CLAIMED_POWER[optimizer]
    (finding,) = claim.findings([with_data(piece, scaled("exact", other))])
    assert finding.holds is False
    assert TOLERANCE == 0.25
    assert np.isclose(finding.tolerance, TOLERANCE)


def test_every_row_says_what_it_tests_and_that_it_has_one_coordinate(quick_routes):
    for piece in claim.tried(quick_routes):
        assert piece.data["coordinates"].item() == 1
        assert "symmetry" in piece.data["test"].item()


@pytest.mark.long
def test_signs_have_adams_power_as_shipped_and_not_sgds():
    """By the interval of 95 % of 640 exits at each of five sharpnesses."""
    for name in SIGNS:
        piece = of_signs(Routes(1536, 64), name)
        (told,) = claim.findings([piece])
        assert told.holds
        assert told.interval[0] < told.value < told.interval[1] < 1
