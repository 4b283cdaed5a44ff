"""Which minimum: the order of preferences, the network against a long run and its control, and what is told."""

import numpy as np
import pytest
from changed_numbers import raised, with_data
from conftest import SUITE_RATE
from shared_evidence import titles

from diffusion.transitions import mean_times, occupation
from experiments.claims.which_minimum import claim, three_minima
from experiments.referee import Evidence, Routes


@pytest.fixture
def evidence(quick_routes):
    return claim.tried(quick_routes)


def test_adam_prefers_the_flat_minimum_less_than_sgd_and_adai(evidence):
    """At low temperature H_sharp/H_flat times e^(difference of exponents), which the paper's e^2 lacks."""
    data = evidence[0].data
    kept = dict(zip(data["optimizer"].values, data["exact"].values, strict=True))
    assert kept["SGD"] == pytest.approx(2 * np.exp(2), rel=0.05)
    assert kept["Momentum"] == kept["Adai"]
    assert 1 < kept["Adam"] < kept["SGD"] / 4
    assert data["paper"][0] == pytest.approx(np.exp(2))
    assert claim.verdicts(evidence)[0].level == "in part"


def test_the_network_s_occupation_is_that_of_a_long_run_and_not_with_two_rates_swapped(evidence):
    """A right network is rejected with probability 1e-6; one with the rates into and out of the flattest swapped is."""
    route, network = evidence[1].measured["network"], evidence[1].case["SGD"]
    assert route.tested.all()
    assert route.p_value().min() > SUITE_RATE
    np.testing.assert_allclose(evidence[1].data["long_run"], evidence[1].data["exact_discrete"], rtol=0.25)
    rates = network["rate"].fillna(0.0).values
    np.testing.assert_allclose(occupation(rates), network["occupation"])
    np.testing.assert_allclose(mean_times(rates), network["mean_time"])
    rates[3, 1], rates[1, 3] = rates[1, 3], rates[3, 1]
    share = occupation(rates)[3]
    swapped = type(route)(np.array([share / (1 - share)]), route.law, route.expected, route.allowance)
    assert swapped.p_value().max() < SUITE_RATE


def test_the_title_is_made_of_the_numbers(evidence):
    (before,), (after,) = (
        titles(claim, pieces).values() for pieces in (evidence, [with_data(p, raised("exact", 2.0)) for p in evidence])
    )
    assert "14.3 times as long" in before
    assert "203 times as long" in after


@pytest.mark.long
def test_rates_between_the_minima_of_a_coupled_landscape_have_gibbs_measure_and_not_that_of_another_temperature():
    """A right network is rejected with probability 1e-6; against the odds of a temperature a fifth higher it is."""
    row = three_minima(Routes(16_384, 1))
    assert row.values["exact"] == pytest.approx(8.81, rel=0.005)  # what descents from every place of a grid find
    route = Evidence.of_rows("SGD", "odds", [row]).measured["network"]
    assert route.p_value().min() > SUITE_RATE
    hotter = type(route)(route.value, route.law, 0.5 * route.expected, route.allowance)
    assert hotter.p_value().max() < SUITE_RATE
