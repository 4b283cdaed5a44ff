"""Theorem 3: which prefactor is right, its limits, whom the ensembles follow, and its map."""

import matplotlib as mpl
import numpy as np
import pytest
from changed_numbers import copied, with_data

from experiments.claims.theorem_3 import CONVENTIONS, KEYS, claim
from experiments.drawing import STYLE
from experiments.problems.exits import AT, BARRIER, BEYOND
from experiments.problems.wells import settings

TITLES = [settings()[key].title for key in KEYS]
RATIOS = (4.0, 15.853 / 29.270)  # H_b/H_a of the double parabola and of Styblinski-Tang's local minimum


def finding(evidence, name):
    (verdict,) = claim.verdicts(evidence)
    (found,) = (one for one in verdict.findings if one.name == name)
    return found


@pytest.fixture(scope="module")
def evidence(quick_routes):
    return claim.tried(quick_routes)


@pytest.mark.parametrize("landscape", TITLES)
def test_the_prefactor_is_the_isothermal_one(evidence, landscape):
    """Formula over exact, at barrier/temperature 8, is near 1 in the isothermal convention only."""
    row = evidence[0].where(landscape=landscape, exit=BEYOND, **{BARRIER: 8.0}).isel(row=0)
    assert row["paper"] / row["exact_isothermal"] == pytest.approx(1, abs=0.12)
    assert abs(np.log(row["paper"] / row["exact"])) > 0.5
    found = finding(evidence, f"prefactor, {landscape}")
    assert found.value == float(row["paper"] / row["exact"])
    assert found.holds is False
    assert finding([with_data(piece, copied("exact", "paper")) for piece in evidence], found.name).holds


@pytest.mark.parametrize(("landscape", "ratio"), list(zip(TITLES, RATIOS, strict=True)))
def test_as_temperature_falls_rates_are_off_by_the_ratio_of_curvatures(evidence, landscape, ratio):
    """At the saddle by half of it, as half of those that reach it return: exact without inertia."""
    beyond, at = (finding(evidence, f"limit of the rate, {landscape}, {line}") for line in (BEYOND, AT))
    assert beyond.value == pytest.approx(ratio, rel=1e-3)
    assert at.value == pytest.approx(ratio / 2, rel=2e-3)
    assert (beyond.holds, at.holds) == (False, None)  # what the paper states is beyond the saddle


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_ensembles_are_said_to_follow_the_convention_they_are_near(evidence, convention):
    changed = [with_data(evidence[0], copied("simulated", CONVENTIONS[convention])), evidence[1]]
    found = finding(changed, "log deviation of the ensembles from Ito")
    assert f"the ensembles are nearest to {convention} " in found.text
    assert (found.value == 0) == (convention == "Ito")


def test_every_exact_time_is_found_by_the_grid_and_every_row_has_one_coordinate(evidence):
    deviation, most = evidence[0].checks["fokker_planck"]
    assert np.all(deviation < 1e-9)
    assert most <= 1e-5
    for piece in evidence:
        assert set(piece.data["coordinates"].values.tolist()) == {1}


def test_the_map_is_the_inverse_ratio_of_curvatures_at_high_barriers(evidence):
    """1 where both curvatures are the same and, without a jump of the noise, the conventions with them."""
    ratio = evidence[1].case
    assert ratio.sel(curvature_ratio=1.0, method="nearest")[-1] == pytest.approx(1, abs=0.02)
    last = ratio.isel({BARRIER: -1})
    np.testing.assert_allclose(last * last["curvature_ratio"], 1, rtol=0.25)
    four = evidence[0].where(landscape=TITLES[0], exit=BEYOND, **{BARRIER: 8.0}).isel(row=0)
    between = ratio.interp(curvature_ratio=4.0, **{BARRIER: 8.0})
    assert between == pytest.approx(float(four["paper"] / four["exact"]), rel=0.05)  # read off between points


def test_figures_say_what_the_evidence_says(evidence):
    with mpl.rc_context(STYLE):
        figures = {name: (figure, caption) for name, _, figure, caption in claim.figures(evidence)}
        changed = [with_data(piece, copied("exact", "paper")) for piece in evidence]
        others = {name: caption for name, _, _, caption in claim.figures(changed)}
    assert figures.keys() == {"theorem-3", "theorem-3-map", "theorem-3-low-temperature"}
    assert "0.277 to 1.74 times the exact time" in figures["theorem-3"][1]
    assert "Theorem 3: 1 times the exact time" in others["theorem-3"]
    assert "tends to 4.001 ± 0.003 (SGD, double parabola" in figures["theorem-3-low-temperature"][1]
    assert "tends to 1.0000 ± 0.0001 (SGD, double parabola" in others["theorem-3-low-temperature"]
