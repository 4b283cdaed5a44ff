"""Noise proportional to the loss: published times and tails, ensembles of its own noise, and noise that is rejected."""

import numpy as np
import pytest
from changed_numbers import copied, scaled, with_data
from conftest import SUITE_RATE
from shared_evidence import finding, titles

from diffusion import SGD, HessianNoise, exit_times
from experiments.claims.loss_noise import SADDLE, WELL, claim, loss
from experiments.problems import exits
from experiments.referee import Evidence, Row, Sample
from experiments.referee.faults import mean_exit


@pytest.fixture
def times(quick_routes):
    return claim.tried(quick_routes)[0]


def test_times_to_the_saddle_and_tail_exponents_are_the_published_ones(times, quick_routes):
    """tau is dynamical: iterations times the learning rate."""
    data = times.data.set_index(row="lr")
    for lr, tau in ((0.1, 2290.83), (0.05, 2.29172e6)):
        assert lr * float(data["exact"].sel(row=lr)) == pytest.approx(tau, rel=5e-6)
    exponents = claim.tried(quick_routes)[-1].data["exact"].values
    assert exponents == pytest.approx([21.8634, 5.5506, 2.0], abs=6e-5)


def test_ensembles_leave_as_chain_and_scheme_do_and_under_the_minimums_noise_they_do_not(times, quick_routes):
    """Right ensembles are rejected with probability 1e-5 at most, all together; the minimum's noise is."""
    pieces = [piece for piece in claim.tried(quick_routes) if piece.measured]
    routes = [route for piece in pieces for route in piece.measured.values()]
    assert sum(int(route.tested.sum()) for route in routes) >= 7
    assert min(np.nanmin(route.p_value()) for route in routes) > SUITE_RATE
    slow = times.data.isel(row=1)
    options = {"start": 0.0, "boundary": SADDLE, "max_iterations": exits.HORIZON, **quick_routes.options("wrong")}
    mean = mean_exit(lambda: exit_times(SGD(float(slow["lr"])), WELL, noise=HessianNoise(1), **options))
    wrong = Row({"optimizer": "SGD"}, samples={"discrete": Sample.of(mean, float(slow["exact_discrete"]))})
    assert Evidence.of_rows("SGD", "time", [wrong]).measured["discrete"].p_value() < SUITE_RATE


def test_the_noise_of_the_kernels_is_the_loss(times):
    from experiments.claims.loss_noise import deviation

    x = np.linspace(-3, 3, 601)
    assert [deviation(each) ** 2 / 2 for each in x] == pytest.approx(loss(x), rel=1e-12)


def test_verdict_and_title(quick_routes):
    for name, holds in (
        ("growth of log tau over Theorem 3's", False),
        ("Mori's formula over exact", True),
        ("power of the loss", True),
        ("power of the tail over Kesten's, lr H = 0.5", True),
        ("tail exponent of the SDE over that of whole steps", False),
    ):
        assert finding(claim, "SGD", name).holds is holds
    (title,) = titles(claim, claim.tried(quick_routes)).values()
    assert "the power 5.48 of the loss ratio" in title


def test_times_of_another_law_do_not_pass_for_its_own(quick_routes):
    evidence = claim.tried(quick_routes)
    for change, name, holds in (
        (copied("exact", "paper"), "growth of log tau over Theorem 3's", True),
        (copied("exact", "paper"), "power of the loss", False),
        (scaled("power", 1.1), "Mori's formula over exact", False),
        (copied("exact_discrete", "exact"), "power of the tail over Kesten's, lr H = 0.5", False),
        (copied("sde", "exact"), "tail exponent of the SDE over that of whole steps", True),
    ):
        told = {each.name: each for each in claim.findings([with_data(piece, change) for piece in evidence])}
        assert told[name].holds is holds
