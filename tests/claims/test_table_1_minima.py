"""Table 1, minima row: the powers of exact times, which test the instrument."""

import numpy as np
import pytest
from changed_numbers import scaled, with_data

from experiments.claims.table_1_minima import SOURCES, TOLERANCE, claim
from experiments.problems.wells import CLAIMED_POWER


def test_powers_are_those_of_the_symmetry(quick_routes):
    verdicts = {verdict.subject: verdict for verdict in claim.verdicts(claim.tried(quick_routes))}
    assert verdicts.keys() == SOURCES.keys()
    for optimizer, verdict in verdicts.items():
        (finding,) = verdict.findings
        assert finding.value == pytest.approx(CLAIMED_POWER[optimizer], abs=0.1)
        assert finding.target == CLAIMED_POWER[optimizer]
        assert verdict.level == "right"
        assert "a test of the instrument" in finding.text


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
