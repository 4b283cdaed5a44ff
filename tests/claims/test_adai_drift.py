"""Adai's drift: at equal diffusion it is of Adam's size, and later."""

import numpy as np
import pytest

from experiments.claims.adai_drift import MEAN, claim
from experiments.referee.routes import Routes


@pytest.fixture(scope="module")
def data():
    (piece,) = claim.tried(Routes(1, 1))
    return piece.data


def test_by_the_formula_both_drifts_end_alike(data):
    """lr^2 vbar/(2 beta0) over lr_adam^2/(2 (1 - beta1)) is 1 by default, but where the inertia is clipped at 0.999."""
    last = data["paper"].isel(iterations=-1)
    assert last.sel(eigenvalue=[-0.01, -0.1, -1.0]).values == pytest.approx(1, rel=1e-3)
    assert float(last.sel(eigenvalue=-0.001)) == pytest.approx(0.1 * 0.001 / MEAN / 0.001, rel=1e-3)


def test_at_short_times_the_ratio_is_that_of_the_squares_of_the_velocities(data):
    """(lr <r^2>^(1/2))^2 is lr^2 C (1 - beta)/2: over Adam's it is (|H|/mean)(1 - beta)/(1 - 0.9)."""
    for eigenvalue, damping in ((-0.1, 0.1 * 0.1 / MEAN), (-0.01, 0.1 * 0.01 / MEAN), (-0.001, 0.001)):
        expected = -eigenvalue / MEAN * damping / 0.1
        start = -np.expm1(-0.1 * 10) / 10 / 0.1  # Adam's velocity has relaxed on the way
        found = float(data["exact"].sel(iterations=10, eigenvalue=eigenvalue))
        slow = -np.expm1(-damping * 10) / 10 / damping
        assert found == pytest.approx(expected * (slow / start) ** 2, rel=0.02)


def test_it_is_larger_over_its_own_diffusion_alone(data):
    (verdict,) = claim.verdicts(claim.tried(Routes(1, 1)))
    assert [finding.holds for finding in verdict.findings] == [True, False]
    assert verdict.level == "in part"
    share = data["over_own_diffusion"] / data["exact"]
    assert share.isel(iterations=0).values == pytest.approx(MEAN / -data["eigenvalue"].values, rel=1e-9)
