"""Gaussian noise in place of minibatches: exact factors, ensembles on data, and noise that does not pass for them."""

import numpy as np
import pytest
from changed_numbers import copied, with_data
from conftest import SUITE_RATE
from scipy import stats
from scipy.integrate import quad
from shared_evidence import finding, titles

from experiments.claims.gaussian_noise import INFINITE, LR, claim, gamma_density
from experiments.referee import Evidence, Row, Sample
from experiments.referee.laws import MeanSquare


@pytest.fixture
def times(quick_routes):
    return claim.tried(quick_routes)[0]


@pytest.fixture
def infinite(times):
    """Infinite data at the setting's learning rate."""
    keep = (times.data["data"].values == INFINITE) & (times.data["lr"].values == LR)
    return times.data.isel(row=np.flatnonzero(keep)).isel(row=0)


def test_infinite_data_leave_sixty_times_as_fast_forty_by_skewness(infinite):
    """Paths of ten coordinates had 58.9 +- .4 and 61.5 +- 1.4, of a gamma law 40 to 43."""
    assert float(infinite["paper"]) == pytest.approx(876413, rel=1e-5)
    assert float(infinite["paper"] / infinite["exact"]) == pytest.approx(59.4, rel=0.01)
    assert float(infinite["paper"] / infinite["skewed"]) == pytest.approx(40.5, rel=0.01)


def test_ensembles_on_minibatches_leave_as_their_chain_does_and_gaussian_noise_does_not(times, quick_routes):
    """Right ensembles are rejected with probability 2e-6 at most, both together; the Gaussian chain is."""
    gauss = claim.tried(quick_routes)[1]
    for piece in (times, gauss):
        assert piece.measured["discrete"].tested.sum() == 1
        assert np.nanmin(piece.measured["discrete"].p_value()) > SUITE_RATE
    row = times.data.isel(row=np.flatnonzero(np.isfinite(times.data["discrete"].values))[0])
    law = MeanSquare.of_times(quick_routes.exits)
    wrong = Row({"optimizer": "SGD"}, samples={"discrete": Sample(float(row["discrete"]), law, float(row["paper"]))})
    assert Evidence.of_rows("SGD", "time", [wrong]).measured["discrete"].p_value() < SUITE_RATE


@pytest.mark.parametrize("skewness", [1.5, -0.4, 1e-3])
def test_the_gamma_law_has_mean_0_variance_1_and_this_skewness(skewness):
    moments = [quad(lambda z, k=k: z**k * gamma_density(z, skewness), -20, 30, limit=500)[0] for k in range(4)]
    assert moments == pytest.approx([1, 0, 1, skewness], abs=1e-5)
    assert gamma_density(0.3, skewness) == pytest.approx(stats.pearson3.pdf(0.3, skewness), rel=1e-6)


def test_verdict_and_title(quick_routes):
    factor = finding(claim, "SGD", "rate over that of Gaussian noise")
    assert factor.holds is False
    assert factor.interval[0] < factor.value < factor.interval[1]
    assert 0.6 < finding(claim, "SGD", "action over that of Gaussian noise").value < 0.8
    (title,) = titles(claim, claim.tried(quick_routes)).values()
    assert f"{factor.value:.3g} times as fast" in title
    assert "grows as the learning rate falls" in title


def test_times_of_gaussian_noise_would_be_told_from_those_of_minibatches(quick_routes):
    changed = [with_data(piece, copied("exact", "paper")) for piece in claim.tried(quick_routes)]
    told = {each.name: each for each in claim.findings(changed)}
    for name in ("rate", "growth of log tau", "action"):
        (judged,) = [each for each in told.values() if each.name.startswith(f"{name} over")]
        assert judged.holds
    (title,) = titles(claim, changed).values()
    assert "does not grow" in title
