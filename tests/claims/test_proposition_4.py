"""Proposition 4: Adai's time to arrive beyond the saddle, and what the exit line is worth."""

import matplotlib as mpl
import pytest

from diffusion import Adai, Momentum
from experiments.claims.proposition_4 import KEY, claim
from experiments.drawing import STYLE
from experiments.problems.exits import AT, BARRIER, BEYOND, ITERATIONS
from experiments.problems.optimizers import BETA0
from experiments.problems.wells import settings


@pytest.fixture(scope="module")
def evidence(quick_routes):
    return claim.tried(quick_routes)


def test_beyond_the_saddle_the_formula_is_a_quarter_of_the_exact_time(evidence):
    """0.249 at barrier/temperature 8, found independently."""
    (times,) = (piece for piece in evidence if piece.quantity == ITERATIONS)
    row = times.where(exit=BEYOND, **{BARRIER: 8.0})
    assert float(row["paper"][0] / row["exact"][0]) == pytest.approx(0.249, abs=5e-4)
    (verdict,) = claim.verdicts(evidence)
    findings = {finding.name: finding for finding in verdict.findings}
    assert findings["time to arrive beyond the saddle"].holds is False
    at = times.where(exit=AT, **{BARRIER: 8.0})
    assert findings["factor of the exit line"].value == float(row["exact"][0] / at["exact"][0])


def test_in_one_coordinate_adai_is_momentum(evidence):
    setting = settings()[KEY]
    start, saddle = setting.positions(2.0)
    lr = setting.lr["Adai"]
    adai, momentum = (
        setting.motion(dynamics, 2.0).passage(start, saddle, 5e-3).iterations
        for dynamics in (Adai(lr, BETA0), Momentum(lr, 1 - BETA0))
    )
    assert adai == pytest.approx(momentum, rel=1e-9)


def test_a_quick_run_has_no_figure_of_limits(evidence):
    with mpl.rc_context(STYLE):
        names = [name for name, _, _, _ in claim.figures(evidence)]
    assert names == ["proposition-4"]
