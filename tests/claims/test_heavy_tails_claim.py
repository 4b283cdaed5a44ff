"""Gaussian or heavy-tailed: ensembles of each law against its chain, fits that tell laws apart, and tail indices."""

import numpy as np
import pytest
from changed_numbers import copied, with_data
from conftest import SUITE_RATE
from shared_evidence import finding, titles

from experiments.claims.heavy_tails import ACROSS, ALONG, CAUCHY, DENSITIES, LAWS, NORMAL_LAW, STUDENT, claim
from experiments.referee import Evidence, Row, Sample
from experiments.referee.laws import MeanSquare


def of(routes, subject):
    """The times of one law."""
    (piece,) = (piece for piece in claim.tried(routes) if piece.subject == subject)
    return piece


def test_ensembles_of_each_law_leave_as_its_chain_does_and_no_other_law_passes_for_it(quick_routes):
    """Right ensembles are rejected with probability 2e-5 at most, all together; where laws differ most, another is."""
    for law in LAWS:
        route = of(quick_routes, law).measured["discrete"]
        assert route.tested.sum() >= 3
        assert np.nanmin(route.p_value()) > SUITE_RATE
    measured = float(of(quick_routes, STUDENT).data["discrete"][2])
    sample = Sample(
        measured, MeanSquare.of_times(quick_routes.exits), float(of(quick_routes, NORMAL_LAW).data["exact"][2])
    )
    wrong = Evidence.of_rows("SGD", "time", [Row({"optimizer": "SGD"}, samples={"discrete": sample})])
    assert wrong.measured["discrete"].p_value() < SUITE_RATE


@pytest.mark.parametrize("law", LAWS)
def test_densities_are_those_of_the_laws_that_are_simulated(law):
    """The median of |z| and its other quartiles: the share of draws that the density has below them."""
    draws = np.abs(LAWS[law].of_normals(np.random.default_rng(3).standard_normal((1, 200_000))))
    for quantile in (0.25, 0.5, 0.75):
        edge = float(np.quantile(draws, quantile))
        z = np.linspace(-edge, edge, 20_001)
        assert np.trapezoid(DENSITIES[law](z, 0.0), z) == pytest.approx(quantile, abs=6 * np.sqrt(0.25 / 200_000))


def test_escapes_are_exponential_under_normal_noise_and_a_power_under_stable(quick_routes):
    name = "share of the exponential law's misfit"
    assert finding(claim, NORMAL_LAW, name).value < 0.1
    assert finding(claim, CAUCHY, name).value > 0.8
    assert finding(claim, STUDENT, name).holds is False
    assert finding(claim, STUDENT, "power of the scale").value == pytest.approx(4.3, abs=0.1)
    assert finding(claim, CAUCHY, "power of the scale").holds


def test_an_index_over_parameters_looks_heavy_tailed_where_one_direction_does_not(quick_routes):
    subject = "Gaussian noise of unequal directions"
    for over in (ACROSS, ALONG):
        judged = finding(claim, subject, f"tail index over {over}, 4096 samples")
        assert judged.holds
        assert judged.interval[0] < judged.value < judged.interval[1]
    apart = finding(claim, subject, "samples from which indices differ").value
    assert 0 < apart <= 1024
    (title,) = titles(claim, claim.tried(quick_routes)).values()
    assert f"differ from {apart:g} samples on" in title


def test_times_of_another_law_change_the_verdict(quick_routes):
    share = "share of the exponential law's misfit"
    for law, fit in ((NORMAL_LAW, "power_fit"), (CAUCHY, "exponential_fit")):
        changed = with_data(of(quick_routes, law), copied("exact", fit))
        told = {each.name: each for each in claim.findings([changed])}
        assert told[share].holds is False
    changed = [with_data(piece, copied("measured", "exact")) for piece in claim.tried(quick_routes)]
    (title,) = titles(claim, changed).values()
    assert "differ nowhere" in title
