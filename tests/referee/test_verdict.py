"""What holds follows from numbers alone, what is said follows from what holds, and the level from nothing else."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.referee.verdict import LEFT_OUT, LEVELS, Finding, Verdict, level, of_ratio, size, span

numbers = st.floats(-1e6, 1e6)


@given(numbers, numbers, st.floats(0, 1e6))
def test_a_finding_holds_where_its_value_is_within_the_tolerance_and_its_text_says_so(value, target, tolerance):
    finding = Finding.judged("n", value, target=target, tolerance=tolerance, right="yes", wrong="no")
    assert finding.holds == (abs(value - target) <= tolerance)
    assert finding.text == ("yes" if finding.holds else "no")
    told = json.loads(json.dumps(finding.as_json(), allow_nan=False))
    assert told["holds"] == (abs(told["value"] - told["target"]) <= told["tolerance"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_null_and_holds_nothing(value):
    finding = Finding.judged("n", value, target=1, tolerance=0.1, right="yes", wrong="no")
    told = finding.as_json()
    assert (told["value"], told["holds"]) == (None, None)
    assert level([told["holds"]]) == Verdict("Theorem 9", "Section 1", "SGD", (finding,)).level
    assert told["text"] != "yes"


def test_an_interval_is_told_where_there_is_one():
    judge = {"target": 1, "right": "yes", "wrong": "no"}
    assert Finding.judged("n", 1.0, **judge, interval=(0.9, 1.2)).as_json()["interval"] == [0.9, 1.2]
    assert "interval" not in Finding.judged("n", 1.0, **judge).as_json()


def test_a_finding_on_which_the_paper_says_nothing_neither_holds_nor_falls():
    assert Finding("n", 3.0, "three").holds is None


@pytest.mark.parametrize(
    ("holds", "expected"),
    [
        ([True, True, None], "right"),
        ([True, False], "in part"),
        ([False, None, False], "off"),
        ([None, None], "measured"),
        ([], "open"),
    ],
)
def test_level_is_a_function_of_what_holds(holds, expected):
    assert level(holds) == expected
    assert expected in LEVELS


def test_a_verdict_that_could_not_be_drawn_says_why():
    verdict = Verdict("Theorem 9", "Section 1", "SGD", (), "no grid")
    assert (verdict.level, verdict.sentence) == ("open", "not judged: no grid")


def test_a_verdict_of_nothing_but_what_was_left_out_is_open():
    left_out = Finding(LEFT_OUT, 2, "measured values left out: 2")
    assert Verdict("Theorem 9", "Section 1", "SGD", (left_out,)).level == "open"
    assert Verdict("Theorem 9", "Section 1", "SGD", (left_out, Finding("a", 1, "a"))).level == "measured"


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (1 + 1e-10, "exact"),
        (1.12, "overstates by 12 %"),
        (7.143, "overstates 7.14 times"),
        (0.25, "understates 4 times"),
    ],
)
def test_a_ratio_in_words(ratio, said):
    assert size(ratio) == said


def test_a_row_s_verdict():
    assert of_ratio(1.02, 1.0) == "within 2 %"
    assert of_ratio(2.0, 1.0) == "overstates 2 times"
    assert of_ratio(None, 1.0) is of_ratio(1.0, None) is of_ratio(1.0, 0.0) is None


def test_a_range_in_words():
    assert span([0.9999, 1.0001]) == "1.00"
    assert span([2.0, 0.25]) == "0.25 to 2.00"
    assert span([-1e-6, 0.5]) == "0.00 to 0.50"
