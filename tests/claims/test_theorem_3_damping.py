"""Theorem 3's damping, Equation 57 and the exit line: findings and the figure from given times."""

import numpy as np
import pytest

from experiments.claims import equation_57, exit_line, theorem_3_damping
from experiments.problems import turnover
from experiments.problems.exits import AT, BEYOND
from experiments.problems.turnover import Passage
from experiments.referee.faults import MeanExit
from experiments.referee.routes import Routes

KRAMERS = {ratio: (1 + np.sqrt(1 + 4 / ratio**2)) / 2 for ratio in (10.0, 0.4, 0.025)}  # over that without inertia


def routes(weakest=2.0, exact=1.0, prefactor=1.0, thermal=np.nan):
    """Kramers' times, but `weakest` times them at the weakest damping, where the orbit loses one temperature."""
    passages = []
    for ratio, kramers in KRAMERS.items():
        time = kramers * (weakest if ratio == 0.025 else exact)
        formulas = {"paper": prefactor * kramers, "kramers": kramers, "melnikov": time / 1.05}
        times = {AT: 0.6 * time, BEYOND: time}
        exits = {AT: MeanExit(0.6 * time, 500), BEYOND: MeanExit(time, 500)} if ratio < 1 else {}
        lost = 1.0 if ratio == 0.025 else 50.0
        start = thermal * time if ratio == 0.025 else np.nan
        passages.append(Passage(ratio, formulas, lost, times, dict.fromkeys(times, 1e-4), exits, start))
    return Routes(100, 1, memory={"turnover": passages})


def verdict(module, **changes):
    (found,) = module.claim.verdicts(module.claim.tried(routes(**changes)))
    return found


def holds(found):
    return [finding.holds for finding in found.findings]


def test_theorem_3_s_factor_holds_at_fast_loss_and_not_at_weak_damping():
    found = verdict(theorem_3_damping)
    assert holds(found) == [True, True, False, None, None]
    assert "for gamma/omega_b >= 0.4" in found.sentence
    assert "0.5 times the exact" in found.sentence
    assert f"start {turnover.START}" in found.sentence
    assert "understates by 4.8 %" in found.sentence
    assert "an inertia above 0.902" in found.sentence


def test_another_start_is_told_where_it_is_computed():
    found = verdict(theorem_3_damping, thermal=0.95)
    assert holds(found) == [True, True, False, None, None, None]
    assert found.findings[4].value == pytest.approx(0.95)
    assert "thermal position in the well as well escape takes 0.950 times as long" in found.sentence


def test_each_of_its_findings_can_be_otherwise():
    assert holds(verdict(theorem_3_damping, weakest=1.0))[:3] == [True, True, True]
    assert holds(verdict(theorem_3_damping, prefactor=0.5))[:3] == [False, True, False]
    assert verdict(theorem_3_damping, weakest=1.0).level == "right"
    assert verdict(theorem_3_damping, weakest=5.0).findings[2].value == pytest.approx(0.2)


def test_equation_57_is_judged_against_the_rate_without_inertia(monkeypatch):
    monkeypatch.setattr(turnover, "without_inertia", lambda: 1.0)
    (evidence,) = equation_57.claim.tried(routes())
    np.testing.assert_allclose(evidence.data["paper"], [1 / kramers for kramers in KRAMERS.values()])
    np.testing.assert_allclose(evidence.data["exact"][-1], evidence.data["paper"][-1] / 2)
    assert holds(verdict(equation_57)) == [True, False]
    assert verdict(equation_57).findings[1].value == pytest.approx(2)
    assert holds(verdict(equation_57, weakest=1.0, exact=1.2)) == [False, True]


def test_the_exit_line_s_factor_is_measured_with_its_interval():
    found = verdict(exit_line)
    assert found.level == "measured"
    assert [finding.value for finding in found.findings] == pytest.approx([1 / 0.6, 1 / 0.6])
    assert "95 % interval" in found.findings[1].text
    assert "95 % interval" not in found.findings[0].text


def test_the_figure_s_title_is_made_of_the_numbers():
    titles = []
    for weakest in (2.0, 3.0):
        evidence = theorem_3_damping.claim.tried(routes(weakest=weakest))
        ((name, claim, figure, caption),) = theorem_3_damping.claim.figures(evidence)
        assert (name, claim) == ("damping", "Theorem 3, damping")
        assert turnover.START in caption
        titles.append(" ".join(figure.get_suptitle().split()))
    assert "takes 2.00 times Kramers'" in titles[0]
    assert "takes 3.00 times Kramers'" in titles[1]
