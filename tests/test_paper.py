"""The sentences of the paper: in its order, each judged by claims that exist or with what is missing."""

import json
import os
import re
from pathlib import Path

import paper
import pytest
import readme
from markupsafe import escape

from experiments.claims import CLAIMS
from experiments.evidence.claims import PARTS as OF_NETWORKS
from experiments.referee import pages
from experiments.sharpness.findings import PLACES  # claims that `diffusion-lab escape` judges

PARTS = ["Abstract", *(f"Section {k}" for k in range(1, 8)), *(f"Appendix {letter}" for letter in "ABCDEFGH")]
TEXT = os.environ.get("DIFFUSION_LAB_PAPER", "")  # the paper's text, without formulas; it is not ours to keep here


def without_formulas(text):
    """The words, however spaced: what stands in brackets is ours."""
    kept, depth = [], 0
    for letter in text:
        depth += letter == "["
        if depth == 0:
            kept.append(letter)
        depth -= letter == "]"
    assert depth == 0, text
    return re.sub(r"\s*([.,:;)|])", r"\1", re.sub(r"\s+", " ", "".join(kept))).replace("( ", "(").strip()


def test_every_sentence_is_judged_by_known_claims_or_says_what_is_missing():
    listed = paper.sentences()
    assert len(listed) > 45
    networks = {claim.name for claims in OF_NETWORKS.values() for claim in claims}
    names = {claim.name for claim in CLAIMS} | set(PLACES) | networks
    used = {name for sentence in listed for name in sentence.claims}
    assert used == names
    for sentence in listed:
        assert bool(sentence.claims) != bool(sentence.needs)
        assert len(set(sentence.claims)) == len(sentence.claims)
    words = [without_formulas(sentence.quote) for sentence in listed]
    assert len(set(words)) == len(words)


def test_places_are_in_the_papers_order():
    def place(sentence):
        part = re.match(r"(Abstract|Section \d|Appendix [A-H])", sentence.place)
        assert part, sentence.place
        return PARTS.index(part[0])

    order = [place(sentence) for sentence in paper.sentences()]
    assert order == sorted(order)


@pytest.mark.skipif(not TEXT, reason="DIFFUSION_LAB_PAPER names no file with the paper's text")
def test_quotes_stand_in_the_paper_in_this_order():
    text, position = without_formulas(re.sub(r"[\[\]]", "", Path(TEXT).read_text("utf-8"))), 0
    for sentence in paper.sentences():
        found = text.find(without_formulas(sentence.quote), position)
        assert found >= 0, (sentence.place, sentence.quote)
        position = found + 1


def test_a_sentences_level_is_that_of_all_findings_on_it():
    sentence = next(one for one in paper.sentences() if len(one.claims) == 2)
    verdicts = [
        {"claim": name, "subject": "SGD", "findings": [{"holds": holds, "text": "so it is"}]}
        for name, holds in zip(sentence.claims, (True, False), strict=True)
    ]

    def level(known):
        return next(one for one in paper.judged(known) if one.sentence == sentence).level

    assert level(verdicts) == "in part"
    assert level(verdicts[:1]) == "right"
    assert level(verdicts[1:]) == "off"
    assert level([]) == "open"


def test_the_page_has_every_sentence_with_its_findings_or_its_need():
    environment = pages.environment(Path(paper.__file__).parent / "templates")
    finding = {"holds": True, "text": "it is <exact>"}
    verdict = {"claim": "Theorem 1", "subject": "SGD", "level": "right", "findings": [finding], "missing": ""}
    missing = {"claim": "Theorem 2", "subject": "all", "level": "open", "findings": [], "missing": "no reference"}
    found = {"sentences": paper.judged([verdict, missing]), "pages_of": {"Theorem 1": "verdicts.html"}}
    html = environment.get_template("paper.html").render(**found)
    listed = paper.sentences()
    assert html.count("<details>") == len(listed)
    for sentence in listed:
        assert str(escape(sentence.quote)) in html
        assert str(escape(sentence.needs)) in html
    about = [sentence for sentence in listed if "Theorem 1" in sentence.claims]
    assert html.count("it is &lt;exact&gt;") == len(about) > 2
    assert html.count('<a href="verdicts.html#theorem-1">') == len(about)
    assert "not judged: no reference" in html
    assert f"Not in this run: {about[0].claims[1]}" in html


def test_a_sentence_has_claims_or_a_need():
    with pytest.raises(ValueError, match="must have either claims or what it needs"):
        paper.Sentence("Section 1", "It is so.")
    with pytest.raises(ValueError, match="must have either claims or what it needs"):
        paper.Sentence("Section 1", "It is so.", ("Theorem 1",), "a network")


def test_a_sentence_on_some_subjects_is_judged_by_their_verdicts_alone():
    sentence = next(one for one in paper.sentences() if one.subjects == ("Adam",))
    findings = {"Adam": [{"holds": True, "text": "yes"}], "Adai": [{"holds": False, "text": "no"}]}
    listed = [{"claim": sentence.claims[0], "subject": name, "findings": said} for name, said in findings.items()]
    [judged] = [one for one in paper.judged(listed) if one.sentence == sentence]
    assert [verdict["subject"] for verdict in judged.verdicts] == ["Adam"]
    assert judged.level == "right"


def test_subjects_of_sentences_are_those_of_kept_verdicts():
    kept = {(one["claim"], one["subject"]) for one in json.loads(readme.KEPT.read_text())}
    for sentence in paper.sentences():
        for name in sentence.subjects:
            assert any((claim, name) in kept for claim in sentence.claims), (sentence.quote, name)
