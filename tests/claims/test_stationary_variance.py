"""The stationary variance: the optimizer's own by whole steps, and what is said where the formula is not it."""

import numpy as np
import pytest

from experiments.claims.stationary_variance import claim
from experiments.referee.routes import Routes


@pytest.fixture(scope="module")
def evidence():
    return claim.tried(Routes(2000, 1))


def test_the_formula_is_the_sdes_and_short_of_the_optimizers_by_half_a_step(evidence):
    """D/H over lr C/[H (2 - lr H)] is 1 - lr H/2; with inertia 1 - lr beta3 H/(2 (1 + beta))."""
    for piece, share in zip(evidence, (1, 0.1 / 1.9, 1 / 1.9), strict=True):
        steps = 0.01 * piece.data["eigenvalue"].values
        assert piece.ratio.values == pytest.approx(1, rel=1e-12)
        expected = 1 - share * steps / 2
        assert (piece.data["paper"] / piece.data["exact_discrete"]).values == pytest.approx(expected, rel=1e-12)


def test_levels_and_the_instrument(evidence):
    levels = {verdict.subject: verdict.level for verdict in claim.verdicts(evidence)}
    assert levels == {"SGD": "in part", "Momentum (EMA)": "right", "Momentum (heavy ball)": "in part"}
    for piece in evidence:
        assert np.all(piece.measured["discrete"].p_value() > 1e-4)
        deviation, tolerance = piece.checks["the recursion in the end"]
        assert np.all(deviation < tolerance)
