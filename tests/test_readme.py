"""The README's examples run and give the numbers it states, and tables of findings are those of the kept verdicts."""

import json
import re

import pytest
import readme

from experiments.referee.verdict import LEFT_OUT

TEXT = readme.README.read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
SCRIPT = {"__name__": "__main__"}  # what Python tells a script of itself


def verdict(claim="A", subject="SGD", findings=(), level="in part", missing=""):
    names = ("name", "holds", "value", "target", "tolerance")
    listed = [dict(zip(names, finding, strict=True)) for finding in findings]
    return {"claim": claim, "subject": subject, "level": level, "findings": listed, "missing": missing}


def test_four_lines_reproduce_the_number_in_their_comment(capsys):
    assert len(EXAMPLES[0].strip().splitlines()) == 4
    exec(EXAMPLES[0], dict(SCRIPT))
    stated = float(re.search(r"# ([\d.]+):", EXAMPLES[0]).group(1))
    assert float(capsys.readouterr().out) == pytest.approx(stated, rel=0.03)


def test_other_examples_run():
    for example in EXAMPLES[1:]:
        exec(example, dict(SCRIPT))


def test_findings_are_those_of_the_kept_verdicts():
    kept = json.loads(readme.KEPT.read_text())
    assert readme.renewed(TEXT, readme.headlines(kept)) == TEXT, "run `make readme`"
    page = readme.FINDINGS.read_text()
    assert readme.renewed(page, readme.table(kept)) == page, "run `make readme`"


def test_the_table_shows_the_mildest_of_what_does_not_hold():
    findings = [
        ("a", True, 1.0, 1.0, 0.05),
        ("b|c", False, 7.14159, 1.0, 0.05),
        ("d", None, 0.5, None, None),
        ("e", False, 1e-53, 1.0, 0.05),
        ("f", False, 2.0, 1.0, 0.05),
        ("g", False, 1.0, 0.0, 0.0),
        ("h", False, 1e300, 0.0, 1e-9),
    ]
    words = readme.summary(verdict(findings=findings))
    assert words == "**in part** (1 of 6 hold): ✗ g: 1 (0 ± 0); ✗ f: 2 (1 ± 0.05); ✓ a: 1 (1 ± 0.05)"
    assert readme.summary(verdict(findings=findings[2:3], level="measured")) == "**measured**: · d: 0.5"
    unknown = [("g", None, None, 1.0, 0.1)]
    assert readme.summary(verdict(findings=unknown, level="measured")) == "**measured**: · g: not known (1 ± 0.1)"
    measured = verdict(findings=findings[:1], level="right")
    measured["findings"][0]["interval"] = [0.912, 1.1]
    assert readme.summary(measured) == r"**right** (1 of 1 hold): ✓ a: 1 \[0.91, 1.10] (1 ± 0.05)"
    assert readme.summary(verdict(level="open", missing="no <grid>")) == "**open**: no \\<grid>"


def test_what_was_not_run_says_why():
    finding = {
        "name": LEFT_OUT,
        "holds": None,
        "value": 1.0,
        "target": None,
        "tolerance": None,
        "text": "it needs <that>",
    }
    assert readme.summary(verdict(level="open") | {"findings": [finding]}) == "**open**: it needs \\<that>"
    with_another = [finding, finding | {"name": "d", "value": 0.5}]
    assert "d: 0.5" in readme.summary(verdict(level="measured") | {"findings": with_another})


def test_subjects_of_which_the_same_is_said_share_a_line():
    same = [("a", True, 1.0, 1.0, 0.05)]
    verdicts = [verdict(subject=name, findings=same, level="right") for name in ("SGD", "Adam")]
    verdicts += [verdict("B", level="open", missing="why")]  # and then the first claim again, of another run
    verdicts += [verdict(subject="Adai", findings=[("a", False, 2.0, 1.0, 0.05)], level="off")]
    lines = readme.table(verdicts).splitlines()[2:]
    assert lines == [
        "| A | SGD; Adam | **right** (1 of 1 hold): ✓ a: 1 (1 ± 0.05) |",
        "|  | Adai | **off** (0 of 1 hold): ✗ a: 2 (1 ± 0.05) |",
        "| B | SGD | **open**: why |",
    ]


def test_a_claim_has_one_line_with_the_level_of_all_its_subjects_together():
    """Its examples are chosen among all findings, and name their subject where there are several."""
    right, off = ("a", True, 1.0, 1.0, 0.05), ("b", False, 2.0, 1.0, 0.05)
    verdicts = [verdict(subject=name, findings=[right], level="right") for name in ("SGD", "Adam", "Lion")]
    verdicts += [
        verdict(subject="Adai, from rest", findings=[off], level="off"),
        verdict("B", findings=[right], level="right"),
    ]
    verdicts += [verdict("C", level="open", missing="why")]
    assert readme.headlines(verdicts).splitlines()[2:] == [
        "| A | **in part** (3 of 4 hold): right for 3; off for Adai, from rest "
        "| ✗ Adai, from rest, b: 2 (1 ± 0.05); ✓ SGD, a: 1 (1 ± 0.05) |",
        "| B | **right** (1 of 1 hold) | ✓ a: 1 (1 ± 0.05) |",
        "| C | **open** | why |",
    ]


def test_the_command_keeps_the_verdicts_of_both_runs_and_renews_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(readme, "README", tmp_path / "README.md")
    monkeypatch.setattr(readme, "KEPT", tmp_path / "verdicts.json")
    monkeypatch.setattr(readme, "FINDINGS", tmp_path / "findings.md")
    for page in ("README.md", "findings.md"):
        (tmp_path / page).write_text(f"before\n{readme.BEGIN}old\n{readme.END}after\n")
    both = [verdict("A", findings=[("a", True, 1.0, 1.0, 0.05)]), verdict("B", level="open", missing="why")]
    for name, content in zip("ab", both, strict=True):
        (tmp_path / name).write_text(json.dumps([content]))
    readme.main([str(tmp_path / "a"), str(tmp_path / "b")])
    assert json.loads((tmp_path / "verdicts.json").read_text()) == both
    for _ in range(2):
        for page, made in (("README.md", readme.headlines), ("findings.md", readme.table)):
            assert (tmp_path / page).read_text() == f"before\n{readme.BEGIN}{made(both)}{readme.END}after\n"
        readme.main([])
    with pytest.raises(ValueError, match="lacks the lines"):
        readme.renewed("no marks", "")
