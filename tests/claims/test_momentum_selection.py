"""Momentum's selection of minima: what is found of made-up rates, and the symmetry that saves half of them."""

import numpy as np
import pytest

from experiments.claims.momentum_selection import claim
from experiments.problems.optimizers import BETA1
from experiments.problems.wells import settings
from experiments.referee.routes import Routes


def known(momentum, sgd):
    """Routes that know rates of the first landscape: by sharpness."""
    routes = Routes(1, 1, quick=True)
    for optimizer, rate in (("Momentum", momentum), ("SGD", sgd)):
        for k in (1.0, 2.0):
            for sharpness in (k, (1 - BETA1) * k):
                routes.memory[("exact rate", "parabolas-frozen", optimizer, sharpness)] = {"rate": rate(sharpness)}
    return routes


def kramers(k, share=1.0):
    return np.exp(-8 / k * share)


@pytest.mark.parametrize(("share", "level"), [(1.0, "right"), (0.5, "off")])
def test_a_power_of_sgds_selection_is_found(share, level):
    routes = known(lambda k: kramers(k, share), kramers)
    matched, unmatched = routes.evidence(claim)
    assert (matched.data["exact"] / matched.data["exact_sgd"]).values == pytest.approx(share)
    assert (unmatched.data["exact"] / unmatched.data["exact_sgd"]).values == pytest.approx(share / 10)
    assert [verdict.level for verdict in claim.verdicts(routes.evidence(claim))] == [level, level]


def test_minima_flatter_by_what_the_learning_rate_is_larger_have_the_same_barrier():
    setting = settings()["parabolas-frozen"]
    for k in (1.0, 2.0):
        matched = setting.exponent("Momentum", k)
        assert setting.exponent("Momentum", k / 10, factor=10) == pytest.approx(matched, rel=1e-12)
        assert setting.exponent("SGD", k / 10) == pytest.approx(10 * matched, rel=1e-12)
