"""The report as a page: printed by a Chromium, on a telephone, and by links into it. Run by `make test-browser`."""

from dataclasses import dataclass
from io import BytesIO
from itertools import combinations
from pathlib import Path

import browsing
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright", reason="the browser's tests need playwright")
pytest.importorskip("pypdfium2", reason="what is printed is read by pypdfium2")
from pypdfium2 import PdfDocument

from experiments import doctor, drawing
from experiments.referee import laws, pages, report
from experiments.referee.outcome import Outcome
from experiments.referee.verdict import Finding, Verdict

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(doctor.chromium() is None, reason="no Chromium: apt-get install chromium, or set CHROMIUM"),
]
KEPT = Path("results/browser")
SUBJECTS = ("SGD", "Momentum (heavy ball), thermal start", "RMSprop", "Adai")


@dataclass(frozen=True)
class Stated:
    """What the report needs of a claim."""

    name: str
    place: str = "Section 2"
    statement: str = "The formula is right."


CLAIMS = (Stated("Theorem 1"), Stated("Proposition 2, of a name that is long enough to fill a telephone's line twice"))


def findings(claim, subject):
    """One of each kind, all, some and none of which hold in turn over the subjects."""
    place = SUBJECTS.index(subject)
    said = {"target": 1.0, "tolerance": 0.05, "right": "so it is at every learning rate", "wrong": "not so by far"}
    judged = [Finding.judged(f"{subject} {k}", 1.0 if k >= place - 1 else 2.5e24, **said) for k in range(2)]
    return (*judged, Finding(f"{subject} measured", 0.25, "it is a quarter"))


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A report of two claims with figures, wide and tall, that needs no simulation."""
    there = tmp_path_factory.mktemp("report")
    KEPT.mkdir(parents=True, exist_ok=True)
    verdicts, rows, figures = [], [], []
    for claim in CLAIMS:
        verdicts += [Verdict(claim.name, claim.place, subject, findings(claim, subject)) for subject in SUBJECTS]
        verdicts.append(Verdict(claim.name, claim.place, "Adam", (), "no torch"))
        common = {"claim": claim.name, "place": claim.place, "quantity": "mean squared displacement", "verdict": None}
        common |= {"instrument": "ok", "faults": [], "tests": {}, "exact": 1.0}
        rows += [
            common
            | {"subject": SUBJECTS[k % 4], "regime": {"iterations": k}, "paper": 1 + deviation, "deviation": deviation}
            for k, deviation in enumerate(np.repeat([0.0, 0.5, 3.0], 9))
        ]
        for k, size in enumerate([(12, 4), (6, 11)]):
            figure, axis = drawing.subplots(size=size)
            axis.plot([0, 1])
            figures.append(
                (
                    f"{claim.name[:9].strip()}-{k}".lower().replace(" ", "-"),
                    claim.name,
                    figure,
                    f"Figure {k}. " + 30 * "It is so. ",
                )
            )
    settings = {"seed": 0, "size": "quick", "replicas": 1}
    outcome = Outcome(CLAIMS, {claim.name: [] for claim in CLAIMS}, verdicts, rows, 1, laws.FAMILY_WISE_RATE, settings)
    page = there / "report.html"
    page.write_text(report.html(outcome, list(drawing.drawn(figures))), encoding="utf-8")
    return page.as_uri()


@pytest.fixture(scope="module")
def chromium():
    with browsing.browser() as started:
        yield started


def opened(chromium, address, width=1366, height=768):
    page = chromium.new_context(viewport={"width": width, "height": height}, is_mobile=width < 500).new_page()
    page.goto(address)
    return page


@pytest.fixture(scope="module")
def printed(chromium, address):
    """The page on paper, without backgrounds, as printers have it."""
    return PdfDocument(opened(chromium, address).pdf(format="A4"))


def test_on_paper_every_verdict_is_open_and_rows_are_not(printed):
    text = " ".join("".join(page.get_textpage().get_text_range() for page in printed).split())
    for subject in SUBJECTS:
        for finding in findings(None, subject):
            assert text.count(f"{finding.name} {finding.text}") == len(CLAIMS)
    assert text.count("not judged: no torch") == len(CLAIMS)
    assert "All 27 rows" not in text
    assert "back to the page" not in text


def test_on_paper_no_figure_is_split_over_pages_and_captions_stay_with_them(printed, chromium, address):
    count = 0
    for sheet in printed:
        width, height = sheet.get_size()
        shapes = np.array([shape.get_bounds() for shape in sheet.get_objects(max_depth=1)])
        large = shapes[np.minimum(*(shapes[:, 2:] - shapes[:, :2]).T) > 0.15 * width]
        whole = [shape for shape in large if sum(within(shape, other) for other in large) == 1]  # no part of another
        assert all(within(shape, (-1, -1, width + 1, height + 1)) for shape in whole)
        assert sheet.get_textpage().get_text_range().count("It is so. It is so.") >= len(whole)
        count += len(whole)
    assert count == opened(chromium, address).locator("img").count()


def within(shape, other):
    """Whether one shape, (left, bottom, right, top), lies within another."""
    beyond = np.subtract(shape, other) * [-1, -1, 1, 1]
    return beyond.max() <= 1


def test_marks_and_bars_are_told_apart_in_grey_without_backgrounds(chromium, address):
    page = opened(chromium, address)
    page.emulate_media(media="print")
    page.add_style_tag(content="* {background: none !important} .standing .key {font-size: 60px}")
    for shapes, kinds in ((page.locator(".key .mark"), 5), (page.locator(".key i"), 3)):
        pictures = [
            np.asarray(Image.open(BytesIO(shapes.nth(k).screenshot())).convert("L").resize((40, 40)), float)
            for k in range(kinds)
        ]
        for one, other in combinations(pictures, 2):
            assert np.abs(one - other).mean() > 10


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("width", [360, 390, 768, 1366])
def test_nothing_is_wider_than_the_page(chromium, address, width):
    page = opened(chromium, address, width, 844)
    assert overflow(page) <= 0
    page.evaluate("document.querySelectorAll('details').forEach(claim => { claim.open = true; })")
    assert overflow(page) <= 0
    assert page.locator(".standing .head").is_visible() == (width > 800)
    for box in page.locator(".standing .bar").all():
        inside = box.bounding_box()
        assert inside["x"] >= 0
        assert inside["x"] + inside["width"] <= width
    page.screenshot(path=KEPT / f"report-{width}.png")


def test_a_figure_opens_large_and_closes(chromium, address):
    page = opened(chromium, f"{address}#theorem-1", 390, 844)
    picture = page.locator("#theorem-1-0-large img")
    assert picture.bounding_box()["width"] < 390
    picture.click()
    assert picture.bounding_box()["width"] > 1000
    page.get_by_role("link", name="back to the page").click()
    assert picture.bounding_box()["width"] < 390
    assert overflow(page) <= 0


@pytest.mark.parametrize("width", [390, 1366])
def test_a_link_to_a_claim_opens_it_alone_and_shows_its_name(chromium, address, width):
    for claim in CLAIMS:
        page = opened(chromium, f"{address}#{pages.slug(claim.name)}", width, 768)
        (shown,) = page.locator(".standing > details[open]").all()
        name = shown.locator(".name")
        assert name.inner_text().endswith(claim.name)
        assert 0 <= name.bounding_box()["y"] < 768
        assert shown.locator("a.anchor").get_attribute("href") == f"#{pages.slug(claim.name)}"
