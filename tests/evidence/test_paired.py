"""Paired comparisons: how often they reject wrongly, and what they find."""

import numpy as np
import pytest
from scipy import stats

from experiments.evidence.paired import differences, holm

FAMILIES = 400


def test_holm_multiplies_the_least_p_value_by_their_number_and_keeps_the_order():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_equal_optimizers_are_told_apart_at_the_stated_rate_and_the_intervals_cover_together():
    random = np.random.default_rng(1)
    rejected = covered = 0
    for _ in range(FAMILIES):
        baseline, *others = random.normal(size=(12, 8))  # one baseline: the differences depend on each other
        family = differences({str(k): other - baseline for k, other in enumerate(others)})
        rejected += any(each.sign for each in family.values())
        covered += all(each.low <= 0 <= each.high for each in family.values())
    assert stats.binomtest(rejected, FAMILIES, 0.05, alternative="greater").pvalue > 1e-4
    assert stats.binomtest(covered, FAMILIES, 0.95, alternative="less").pvalue > 1e-4


def test_a_planted_difference_is_found_with_its_sign_and_no_other():
    random = np.random.default_rng(2)
    family = differences({str(k): random.normal(loc=3 * (k == 4), size=8) for k in range(11)})
    assert [name for name, each in family.items() if each.sign] == ["4"]
    assert family["4"].sign == 1
    assert family["4"].low < 3 < family["4"].high


def test_repetitions_that_are_all_alike_have_a_point_as_interval():
    family = differences({"same": [0.0, 0.0], "apart": [-1.0, -1.0]})
    assert (family["same"].sign, family["apart"].sign) == (0, -1)
    assert family["apart"].told() == "-1.00 [-1.00, -1.00]"


def test_one_family_of_one_has_students_interval():
    pairs = np.array([0.3, 0.1, 0.5])
    exact = stats.ttest_1samp(pairs, 0)
    (each,) = differences({"one": pairs}).values()
    assert each.p == pytest.approx(exact.pvalue)
    assert (each.low, each.high) == pytest.approx(tuple(exact.confidence_interval()))
