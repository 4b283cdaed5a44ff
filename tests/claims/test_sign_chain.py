"""Escapes of signSGD: ensembles against the finite sums, the exponent beside RMSprop's, and controls."""

import numpy as np
import pytest
from changed_numbers import raised, scaled, with_data
from conftest import SUITE_RATE
from shared_evidence import finding, titles

from diffusion.dynamics import SignSGD
from experiments.claims.sign_chain import OFF, claim
from experiments.problems import exits
from experiments.problems.table_2 import problem
from experiments.referee import Evidence, Row, Sample


@pytest.fixture
def times(quick_routes):
    return next(piece for piece in claim.tried(quick_routes) if "discrete" in piece.measured)


def test_ensembles_leave_as_the_chain_does_and_with_inertia_they_do_not(quick_routes, times):
    """A right ensemble is rejected with probability 3e-6 at most; Signum of beta1 = 0.5 in its place is rejected."""
    route = times.measured["discrete"]
    assert route.tested.sum() == 3
    assert np.nanmin(route.p_value()) > SUITE_RATE
    low, k = times.data.isel(row=0), float(times.data["sharpness"][0])
    signum = SignSGD(float(low["lr"]), beta1=0.5)
    mean = exits.ensemble(quick_routes, signum, problem(), k, problem().positions(k)[1])
    wrong = Row({"optimizer": "SignSGD"}, samples={"discrete": Sample.of(mean, float(low["exact"]))})
    assert Evidence.of_rows("SignSGD", "time", [wrong]).measured["discrete"].p_value() < SUITE_RATE


def test_exit_and_inflection_are_off_the_lattice(times):
    for row in times.data["row"].values:
        k, lr = (float(times.data[name][row]) for name in ("sharpness", "lr"))
        for place in (problem().positions(k)[1], *problem().breaks(k)):
            share = abs(place) / lr % 1
            assert 0.01 < share < 0.99
        assert abs(problem().positions(k)[1]) / lr % 1 == pytest.approx(OFF, abs=1e-6)


def test_the_exponent_is_that_of_small_gradients_and_the_power_adams(quick_routes):
    ratio = finding(claim, "SignSGD", "exponent over RMSprop's where noise dominates")
    assert ratio.holds
    assert ratio.value == pytest.approx(np.sqrt(2 / np.pi), abs=1e-3)
    power = finding(claim, "SignSGD", "power of sharpness")
    assert power.value == pytest.approx(0.5, abs=0.05)
    (title,) = titles(claim, claim.tried(quick_routes)).values()
    assert "0.798" in title


def test_times_or_exponents_of_rmsprop_do_not_pass_for_its_own(quick_routes):
    evidence = claim.tried(quick_routes)
    for change, fails in (
        (raised("exact", 1 / np.sqrt(2 / np.pi)), "growth of exact times"),
        (scaled("exact", 1 / np.sqrt(2 / np.pi)), "exponent over RMSprop's where noise dominates"),
        (scaled("exact", 2.0), "power of sharpness"),
    ):
        told = {each.name: each for each in claim.findings([with_data(piece, change) for piece in evidence])}
        assert told[fails].holds is False
