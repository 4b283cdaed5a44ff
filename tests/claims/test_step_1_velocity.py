"""The velocity of Step I: where equilibrium is reached and kept, against the recursion step by step."""

import numpy as np
import pytest

from experiments.claims.step_1_velocity import claim
from experiments.referee.routes import Routes


@pytest.fixture(scope="module")
def evidence():
    return claim.tried(Routes(2000, 1))


def piece(evidence, start, beta):
    return next(one for one in evidence if one.data["start"] == start and one.data["beta1"] == beta)


def test_equilibrium_is_reached_from_rest_as_the_velocity_relaxes(evidence):
    """Along a flat direction D/(gamma M^2) [1 - exp(-2 gamma t)]."""
    rest = piece(evidence, "rest", 0.9)
    flat = rest.data.sel(eigenvalue=-0.001)
    expected = 1 / -np.expm1(-2 * flat["iterations_times_damping"].values)
    assert (flat["paper"] / flat["exact"]).values == pytest.approx(expected, rel=2e-3)


def test_equilibrium_is_lost_as_the_displacement_grows(evidence):
    """From a thermal start the mean square velocity is that of equilibrium times 1 + |H| G^2/M, more at a saddle."""
    thermal = piece(evidence, "thermal", 0.9)
    ratio = (thermal.data["exact"] / thermal.data["paper"]).sel(eigenvalue=[-0.001, -0.01, -0.1])
    assert np.all(ratio.diff("iterations") >= 0)
    assert np.all(ratio > 1)


def test_levels_and_the_instrument(evidence):
    verdicts = {verdict.subject: verdict for verdict in claim.verdicts(evidence)}
    assert {subject: verdict.level for subject, verdict in verdicts.items()} == {
        "Momentum, from rest": "in part",
        "Momentum, thermal start": "in part",
    }
    holds = {finding.name: finding.holds for finding in verdicts["Momentum, from rest"].findings}
    assert list(holds.values()) == [False, True]  # after one memory time, and after three
    measured = [one for one in evidence if "discrete" in one.measured]
    assert len(measured) == 2
    for one in measured:
        p = one.measured["discrete"].p_value()
        assert np.nanmin(p) > 1e-5
        assert np.isfinite(p).sum() > 20
