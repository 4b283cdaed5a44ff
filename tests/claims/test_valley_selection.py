"""Valley selection: published ratios, routes that agree, the ensemble and its control, and what is told."""

import numpy as np
import pytest
from changed_numbers import copied, scaled, with_data
from conftest import SUITE_RATE
from shared_evidence import finding, titles

from experiments.claims.valley_selection import claim


@pytest.fixture
def rows(quick_routes):
    return claim.tried(quick_routes)[0]


def test_ratios_are_those_published_and_theorem_3_lacks_the_curvatures(quick_routes, rows):
    """78.0209 and 647076 by the stationary density, 20.0855 and 162755 by the paper's times."""
    data = rows.data.isel(row=[1, 3])
    np.testing.assert_allclose(data["exact"], [78.0209, 647076], rtol=1e-6)
    np.testing.assert_allclose(data["paper"], [20.0855, 162755], rtol=3e-6)
    assert finding(claim, "SGD", "ratio of times over occupation").value == pytest.approx(0.2515, abs=1e-4)
    assert finding(claim, "SGD", "growth as noise falls, over the occupation's").holds
    assert claim.verdicts(claim.tried(quick_routes))[0].level == "in part"


def test_ensembles_are_occupied_as_their_chains_and_not_as_the_rates(rows):
    """A right ensemble is rejected with probability 1e-6; the ratio of Theorem 3's times in place of its chain's is."""
    for name in ("discrete", "simulated"):
        route = rows.measured[name]
        assert route.tested.sum() == 1
        assert np.nanmin(route.p_value()) > SUITE_RATE
        wrong = type(route)(route.value, route.law, rows.data["paper"].values)
        assert np.nanmax(wrong.p_value()) < SUITE_RATE


def test_a_ratio_that_is_the_occupation_is_right(quick_routes):
    evidence = claim.tried(quick_routes)
    right = [with_data(piece, copied("paper", "exact")) for piece in evidence]
    assert claim.verdicts(right)[0].level == "right"
    (before,), (after,) = (
        titles(claim, pieces).values() for pieces in (evidence, [with_data(p, scaled("paper", 2.0)) for p in evidence])
    )
    assert "0.252" in before
    assert "0.503" in after
