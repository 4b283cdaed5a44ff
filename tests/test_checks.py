"""Argument checks: what an error suggests, and when it suggests nothing."""

import pytest

from diffusion import checks


@pytest.mark.parametrize(("given", "meant"), [("Ito", "ito"), ("haenggi", "hanggi"), ("STRATONOVITCH", "stratonovich")])
def test_a_name_that_is_nearly_known_is_suggested(given, meant):
    with pytest.raises(ValueError, match=f"convention = '{given}' is unknown; did you mean '{meant}'"):
        checks.choice("convention", given, ("ito", "stratonovich", "hanggi"))


@pytest.mark.parametrize("given", ["backward", "x", "", "mixed"])
def test_a_name_that_is_like_none_gets_the_list_alone(given):
    with pytest.raises(ValueError, match=f"^convention = '{given}' is unknown. Known: ito, stratonovich, hanggi$"):
        checks.choice("convention", given, ("ito", "stratonovich", "hanggi"))


def test_several_that_are_near_come_with_the_nearest_first():
    assert checks.close("theorm 2", ["Theorem 1", "Theorem 2", "Lemma 1"]) == ["Theorem 2", "Theorem 1"]
    assert checks.close("saddle", ["Theorem 1"]) == []
