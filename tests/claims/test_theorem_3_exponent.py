"""Theorem 3's exponent with inertia: findings from slopes, and a case outside the effective temperature's condition."""

import pytest

from experiments.claims import theorem_3_exponent
from experiments.claims.theorem_3_exponent import APPLIES, claim
from experiments.referee.evidence import Evidence, Row


def verdict(*slopes, applies=(True, False, False)):
    """Of slopes against an effective temperature's of 1.25 and .35."""
    rows = []
    for k, (slope, inside) in enumerate(zip(slopes, applies, strict=False)):
        regime = {"temperature_ratio": 4.0 if inside else 0.25, "damping_over_omega_b": 0.3, APPLIES: inside}
        regime["barrier_over_temperature"] = [8.0 * (k + 1), 8.0 * (k + 2)]
        values = {
            "paper": 1.0,
            "exact": slope,
            "effective_temperature": 1.25 if inside else 0.35,
            "least_action": 0.364,
        }
        rows.append(Row(regime, values))
    (found,) = claim.verdicts([Evidence.of_rows("Momentum", "growth", rows)])
    return found


def test_the_exponent_is_right_or_not_by_the_slope_farthest_from_one():
    assert verdict(1.3).findings[0].holds is False
    assert verdict(1.3).level == "off"
    assert "1.300 (T_b/T_a = 4, gamma/omega_b = 0.3, psi 8 to 16)" in verdict(1.3).sentence
    assert verdict(1.005).findings[0].holds is True
    assert verdict(1.005, 0.9).findings[0].value == 0.9


def test_the_effective_temperature_is_told_where_it_applies():
    found = verdict(1.3)
    assert found.findings[2].value == pytest.approx(1.04)
    assert "off by 3.8 %" in found.sentence
    assert len(found.findings) == 3


@pytest.mark.parametrize(
    ("slopes", "words"),
    [
        ((0.345, 0.357), "passes it on the way, so that a small difference is no agreement"),
        ((0.34, 0.345), "has not passed it"),
    ],
)
def test_outside_its_condition_a_growth_that_passes_it_is_no_agreement(slopes, words):
    found = verdict(*slopes, applies=(False, False))
    assert len(found.findings) == 3
    assert words in found.findings[2].text
    assert "the least action's is 0.3640" in found.findings[2].text
    assert found.findings[2].holds is None


@pytest.mark.long  # five least actions with inertia
def test_the_case_outside_is_flagged_and_has_two_slopes(monkeypatch):
    """Without the grids, whose times are not looked at here."""
    import xarray

    from experiments.referee.routes import Routes

    grid = xarray.Dataset({"mfpt": 1.0, "mfpt_error": 0.0})
    monkeypatch.setattr(theorem_3_exponent.fokker_planck, "mean_first_passage_time", lambda *_, **__: grid)
    (full,) = claim.evidence(Routes(1, 1))
    outside = full.where(**{APPLIES: False})
    assert outside["barrier_over_temperature"].values.tolist() == [[8.0, 16.0], [16.0, 24.0]]
    assert set(outside["temperature_ratio"].values) == {0.25}
    assert set(outside["damping_over_omega_b"].values) == {0.3}
    assert outside["effective_temperature"].values == pytest.approx([0.35067, 0.35067], abs=5e-6)
    shares = full.data["least_action"].values
    assert shares == pytest.approx(
        [0.36376, 0.36376, 0.49740, 1.07377, 1.02386], rel=2e-3
    )  # the first crosses the join three times
    assert full.data["paper"].values.tolist() == [1.0] * 5
    (quick,) = claim.evidence(Routes(1, 1, size="quick"))
    assert quick.data[APPLIES].values.tolist() == [True]
