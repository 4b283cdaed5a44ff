"""The scaling symmetry and the batch scaling rules: findings from given numbers, and references that cannot be had."""

from dataclasses import replace

import pytest

from experiments.claims import batch_rules, scaling_symmetry
from experiments.problems import wells
from experiments.problems.exits import ONE
from experiments.referee.claim import EVERY
from experiments.referee.evidence import Evidence, Row, Sample
from experiments.referee.laws import MeanSquare
from experiments.referee.routes import Routes


def symmetry(same):
    rows = [Row({"optimizer": "SGD"}, {"paper": 1.0, "exact": 1.0, "exact_discrete": share}) for share in (1.0, same)]
    (verdict,) = scaling_symmetry.claim.verdicts([Evidence.of_rows(EVERY, "share", rows)])
    return verdict


@pytest.mark.parametrize(
    ("same", "level", "words"),
    [
        (1.0, "right", "every run leaves"),
        (0.999, "right", "all but a share of 0.001"),
        (0.5, "off", "all but a share of 0.5"),
    ],
)
def test_symmetry_is_judged_by_the_smallest_share(same, level, words):
    verdict = symmetry(same)
    assert verdict.level == level
    assert words in verdict.sentence
    assert "tests the instrument" in verdict.sentence


def test_a_diverging_ensemble_leaves_the_symmetry_unjudged(monkeypatch):
    key = "parabolas-piecewise"
    setting = wells.settings()[key]
    monkeypatch.setitem(wells.settings(), key, replace(setting, lr={name: 60 * lr for name, lr in setting.lr.items()}))
    routes = Routes(16, 1, threads=1)
    (verdict,) = scaling_symmetry.claim.verdicts(scaling_symmetry.claim.tried(routes))
    assert verdict.level == "open"
    assert "is unstable" in verdict.missing


def batch(exact=1.0, discrete=0.98, before=1.0):
    sample = {"discrete": Sample(discrete, MeanSquare(2000), discrete)}
    rows = [
        Row(ONE | {"lr": lr, "batch_size": 10 * lr}, {"paper": 1.0, "exact": 1.0, "exact_discrete": step}, sample)
        for lr, step in ((0.1, 1.0), (0.2, before))
    ]
    rows.append(
        Row(ONE | {"lr": 0.4, "batch_size": 4.0}, {"paper": 1.0, "exact": exact, "exact_discrete": discrete}, sample)
    )
    (verdict,) = batch_rules.claim.verdicts([Evidence.of_rows("SGD", "time", rows)])
    return verdict


def test_batch_rules_are_judged_for_the_sde_and_for_whole_steps():
    assert [finding.holds for finding in batch().findings] == [True, True]
    assert [finding.holds for finding in batch(exact=0.8).findings] == [False, True]
    assert [finding.holds for finding in batch(discrete=0.13).findings] == [True, False]
    assert [finding.holds for finding in batch(before=1.06).findings] == [True, False]
    assert "takes 1.06 times what the rule says at batch size 2 and learning rate 0.2" in batch(before=1.06).sentence
    assert "off by 20 % for the SDE" in batch(exact=0.8).sentence
    assert "takes 0.13 times what the rule says at batch size 4 and learning rate 0.4" in batch(discrete=0.13).sentence
    assert "95 % interval" in batch().sentence
