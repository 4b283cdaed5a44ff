"""Each lesson, headless, at default and extreme settings."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("marimo", reason="the lessons need the extra 'teach'")
from experiments.lessons import LESSONS
from experiments.teach import chart, page, scales, static
from experiments.teach.lesson import written


@pytest.fixture(scope="module")
def outcome():
    run = subprocess.run(
        [sys.executable, "-W", "error", Path(__file__).parent / "run_lessons.py"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(run.stdout)


@pytest.mark.parametrize("name", LESSONS)
def test_runs_at_default_and_extreme_settings(outcome, name):
    results = outcome["lessons"][name]
    assert len(results) > 6
    for result in results:
        root = ElementTree.fromstring(result["svg"])
        assert "nan" not in result["svg"], result["settings"]
        assert root.attrib["aria-label"]
        assert "nan" not in result["answer"].lower(), result["settings"]


@pytest.mark.parametrize("name", LESSONS)
def test_code_shown_runs_and_prints_a_number_of_the_answer(outcome, name):
    default = outcome["lessons"][name][0]
    assert len(default["code"].splitlines()) <= 4
    assert default["printed"]
    assert default["printed"] in default["answer"].replace("**", " ").split() or default["printed"] in default["answer"]


def test_every_setting_changes_the_picture(outcome):
    for name, results in outcome["lessons"].items():
        default = results[0]
        for key in default["settings"]:
            others = [r["svg"] for r in results if r["settings"] == default["settings"] | {key: r["settings"][key]}]
            assert len(set(others)) > 1, (name, key)


def test_noise_sets_the_exponent_and_the_side_on_which_the_bent_valley_is_left(outcome):
    default, answers = outcome["lessons"]["valley"][0]["settings"], {}
    for result in outcome["lessons"]["valley"]:
        if result["settings"] == default | {"anisotropy": result["settings"]["anisotropy"]}:
            answers[result["settings"]["anisotropy"]] = result["answer"]
    assert "inner side" in answers[0.25]
    assert "too little" in answers[0.25]
    assert "outer side" in answers[8]
    assert "too much" in answers[8]
    straight = [r["answer"] for r in outcome["lessons"]["valley"] if r["settings"] == default | {"bend": 0}]
    assert "**1.00** times the true exponent, as it should" in straight[0]


@pytest.mark.parametrize("name", LESSONS)
def test_pages_without_a_server_run_within_the_limit_and_offer_what_is_set_at_first(name):
    lesson = LESSONS[name]
    settings = static.grid(lesson)
    assert {key: control.first for key, control in lesson.CONTROLS.items()} in settings
    assert 40 < len(settings) < 80
    if name != "convention":  # whose updates take exact times, which its page computes anyway
        assert max(map(lesson.updates, settings)) < page.UPDATES


def test_an_address_sets_what_it_names_and_nothing_else():
    control = LESSONS["curvature"].CONTROLS["lr"]
    assert [control.read(text) for text in ("0.02", "0.03", "", None, ["0.02"])] == [0.02, 0.01, 0.01, 0.01, 0.01]
    for lesson in LESSONS.values():
        for control in lesson.CONTROLS.values():
            assert [control.read(written(value)) for value in control.values] == list(control.values)


def test_a_run_above_the_limit_takes_fewer_replicas_and_says_so(outcome):
    assert any("With 375 replicas instead of 1,000" in text for text in outcome["lowered"]["shown"])
    assert "replicas=375" in outcome["lowered"]["code"]


def test_ticks_are_round_and_inside():
    assert scales.ticks((0, 1), False, 5) == [
        (0.0, "0"),
        (0.2, "0.2"),
        (0.4, "0.4"),
        (0.6000000000000001, "0.6"),
        (0.8, "0.8"),
        (1.0, "1"),
    ]
    assert [name for _, name in scales.ticks((1, 1000), True, 9)] == ["1", "10", "100", "1,000"]
    assert [name for _, name in scales.ticks((0.3, 6), True, 9)] == ["0.5", "1", "2", "5"]
    assert [name for _, name in scales.ticks((1e-9, 1e-3), True, 3)] == ["10⁻⁹", "10⁻⁶", "10⁻³"]
    assert scales.ticks((-0.1, 0.1), False, 2)[1][1] == "0"


def test_a_line_has_gaps_where_it_is_not_finite():
    panel = chart.Panel((0, 0, 300, 300), (0, 4), (0, 1))
    panel.line([0, 1, 2, 3], [0, float("nan"), 1, float("inf")], chart.BLUE)
    assert panel.inside[0].count("M") == 2
    assert "L" not in panel.inside[0]
