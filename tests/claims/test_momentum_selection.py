"""Momentum's selection of minima: what is found of made-up rates, and the symmetry that gives half of them."""

import numpy as np
import pytest

from experiments.claims.momentum_selection import claim
from experiments.claims.proposition_4 import claim as proposition_4
from experiments.problems.exits import AT, BARRIER, ITERATIONS
from experiments.problems.wells import HIGHEST, exact_rate, settings
from experiments.referee.evidence import Evidence, Row
from experiments.referee.routes import Routes

SETTING = settings()["parabolas-piecewise"]


def known(power):
    """Routes on which Proposition 4's exact times are SGD's to a power."""
    times = [
        Row(
            {"landscape": SETTING.title, "exit": AT, BARRIER: barrier},
            {"exact": exact_rate(SETTING, "SGD", HIGHEST / barrier)["rate"] ** -power},
        )
        for barrier in (2.0, 4.0, 8.0)
    ]
    routes = Routes(1, 1, size="quick")
    routes.memory[("evidence", proposition_4.name)] = [Evidence.of_rows("Adai", ITERATIONS, times)]
    return routes


@pytest.mark.parametrize(("power", "level"), [(1.0, "right"), (0.5, "off")])
def test_a_power_of_sgds_selection_is_found(power, level):
    """At SGD's learning rate it is a tenth of it, but for a prefactor that does not grow with the barrier."""
    matched, unmatched = evidence = claim.tried(known(power))
    assert (matched.data["exact"] / matched.data["exact_sgd"]).values == pytest.approx(power)
    tenth = (unmatched.data["exact"] / unmatched.data["exact_sgd"]).values
    assert tenth == pytest.approx(power / 10, rel=0.2)
    assert matched.data[BARRIER].values.tolist() == [8.0]  # of 4 temperatures the sharp one's is not a barrier
    assert claim.verdicts(evidence)[0].level == level
    assert np.array_equal(matched.data["exact"], unmatched.data["exact"])


def test_minima_flatter_by_what_the_learning_rate_is_larger_have_the_same_barrier():
    for k in (1.0, 2.0):
        matched = SETTING.exponent("Momentum", k)
        assert SETTING.exponent("Momentum", k / 10, factor=10) == pytest.approx(matched, rel=1e-12)
        assert SETTING.exponent("SGD", k / 10) == pytest.approx(10 * matched, rel=1e-12)
