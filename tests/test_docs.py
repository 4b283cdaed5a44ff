"""The documentation is complete, its links lead somewhere, and the verdict table says what verdicts and rows say."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from experiments.claims import CLAIMS
from experiments.referee import pages, standing
from experiments.referee.verdict import Finding, Verdict

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in DOCS.rglob("*.md")
    if not {"auto_gallery", "generated", "gallery"} & set(path.relative_to(DOCS).parts)
)
PUBLIC = {
    "diffusion": "diffusion",
    "diffusion.fokker_planck": "fokker_planck",
    "diffusion.plot": "plot",
    "diffusion.optimizers": "optimizers",
    "theory": "theory",
    "experiments.sweep": "sweep",
}


def row(claim="Theorem 1", subject="SGD", deviation=0.0, instrument="ok"):
    return {"claim": claim, "subject": subject, "deviation": deviation, "instrument": instrument}


def verdict(claim="Theorem 1", subject="SGD", holds=(True,), missing=""):
    """As in verdicts.json: a finding for each of `holds`; nothing is said of the last one but its number."""
    said = {"target": 1, "tolerance": 0.05, "right": "so it is", "wrong": "<not> so"}
    values = {True: 1.01, False: 2.5}
    findings = [
        Finding(f"number {place}", 0.25, "measured")
        if state is None
        else Finding.judged(f"number {place}", values[state], **said)
        for place, state in enumerate(holds)
    ]
    return Verdict(claim, "Section 2", subject, tuple(findings), missing).as_json()


TABLE = """{% import "standing.html" as standing %}
{% call(of) standing.table(standings, statements) %}[{{ of.claim }}]{% endcall %}"""


def table(verdicts, rows):
    """The table, as a template that uses it has it; a claim's row unfolds to its name in brackets."""
    found = standing.standings(verdicts, rows)
    statements = {each.claim: f"what {each.claim} says" for each in found}
    return pages.environment().from_string(TABLE).render(standings=found, statements=statements)


def listed(page):
    """The names in a page's autosummary tables."""
    blocks = re.findall(r"```\{eval-rst\}\n(.*?)```", page.read_text(), flags=re.S)
    return [line.strip() for block in blocks for line in block.splitlines() if re.fullmatch(r"   \w+", line)]


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_in_the_reference_once(module):
    found = importlib.import_module(module)
    if hasattr(found, "__all__"):
        public = {name for name in found.__all__ if callable(getattr(found, name))}
    else:  # the optimizers
        public = {name for name, value in vars(found).items() if getattr(value, "__module__", "") == module}
        public = {name for name in public if not name.startswith("_")}
    names = listed(DOCS / "api" / f"{PUBLIC[module]}.md")
    assert len(names) == len(set(names))
    assert set(names) == public


def test_every_page_is_in_a_toctree():
    entries = set()
    for page in PAGES:
        for block in re.findall(r"```\{(?:existing-)?toctree\}\n(.*?)```", page.read_text(), flags=re.S):
            lines = [line for line in block.splitlines() if line and not line.startswith(":")]
            entries |= {(page.parent / f"{line}.md").resolve() for line in lines}
    assert {page.resolve() for page in PAGES} - {DOCS / "index.md"} <= entries


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_between_files_lead_to_files(page):
    generated = {f"auto_gallery/{script.stem}" for script in (DOCS / "gallery").glob("plot_*.py")} | {
        "auto_gallery/index"
    }
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if re.match(r"https?:", target):
            continue
        path = (page.parent / target).resolve()
        inside = path.relative_to(ROOT).as_posix().removeprefix("docs/")
        assert path.exists() or inside.removesuffix(".rst") in generated, target


def test_the_gallery_s_order_names_every_script():
    order = importlib.import_module("gallery_order")
    scripts = [path.stem.removeprefix("plot_") for path in (DOCS / "gallery").glob("plot_*.py")]
    assert sorted(order.ORDER) == sorted(scripts)


@pytest.mark.parametrize("script", sorted((DOCS / "gallery").glob("plot_*.py")), ids=lambda path: path.stem)
def test_a_script_draws_in_its_last_block_alone(script):
    """A figure is shown and closed at the end of the block in which it was begun."""
    blocks = script.read_text().split("\n# %%\n")
    assert all("ax" not in re.findall(r"\bax\b", block) for block in blocks[:-1])
    assert blocks[-1].rstrip().endswith("plt.show()")


@pytest.mark.parametrize(
    ("deviations", "shares"),
    [
        ([0.0, 0.04], (1.0, 0.0, 0.0)),
        ([0.04, 0.5, -0.6, None], (1 / 3, 1 / 3, 1 / 3)),
        ([0.06, -1.0], (0.0, 0.5, 0.5)),
        ([9.0, -0.051], (0.0, 0.5, 0.5)),
        ([0.05, -0.05, 1.0, -0.5], (0.5, 0.5, 0.0)),
        ([None], ()),
    ],
)
def test_shares_are_those_of_the_rows(deviations, shares):
    rows = [row(deviation=deviation) for deviation in deviations]
    (found,) = standing.standings([verdict()], rows)
    assert tuple(found.shares.values()) == pytest.approx(shares)
    assert found.compared == sum(deviation is not None for deviation in deviations)
    assert found.instrument == {"SGD": f"{len(rows)} ok"}


@pytest.mark.parametrize(
    ("holds", "level", "marks"),
    [
        ((True, True), "right", ["right", "right"]),
        ((True, False, None), "in part", ["right", "off", "measured"]),
        ((False,), "off", ["off"]),
        ((None,), "measured", ["measured"]),
        ((), "open", []),
    ],
)
def test_marks_follow_from_what_holds_whatever_the_rows(holds, level, marks):
    page = table([verdict(holds=holds, missing="" if holds else "no torch")], [row(deviation=9.0)])
    inside = page[page.index("<summary>") :]
    found = re.findall(r'class="mark ([a-z-]+)"', inside)
    assert found == [level.replace(" ", "-")] * 2 + marks
    assert ("not judged: no torch" in inside) == (not holds)


def test_table_has_a_row_for_each_claim_and_escapes_what_it_shows():
    verdicts = [verdict(), verdict(subject="<b>", holds=(False, None)), verdict("Theorem 2", holds=(True,))]
    rows = [row(), row(subject="<b>", instrument="failed"), row("Theorem 2", deviation=2.0)]
    page = table(verdicts, rows)
    assert (
        re.findall(r'class="inside" id="(.*?)"', page)
        == re.findall(r'href="#(.*?)"', page)
        == ["theorem-1", "theorem-2"]
    )
    assert "&lt;b&gt;" in page
    assert "<b>: " not in page
    assert "&lt;not&gt; so" in page
    assert "[Theorem 2]" in page
    assert "100 % of 2" in page
    assert "SGD: 1 ok; &lt;b&gt;: 1 failed." in page
    assert "what Theorem 1 says" in page
    numbers = re.findall(r'<td class="n">(.*?)</td>', page)
    assert numbers == [*("1.01", "1 ± 0.05"), *("2.5", "1 ± 0.05"), *("0.25", "–"), *("1.01", "1 ± 0.05")]
    assert standing.counted(rows) == "2 ok, 1 failed"


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.loaded, self.ids = [], [], set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids |= {given.get("id"), given.get("name")}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag in ("script", "link", "img"):
            self.loaded.append(given.get("src") or given.get("href"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages, built apart from the working tree, from one row of each claim but one."""
    pytest.importorskip("sphinx_gallery", reason="needs the extra docs")
    there = tmp_path_factory.mktemp("docs")
    ignored = shutil.ignore_patterns("auto_gallery", "generated", "__pycache__")
    shutil.copytree(DOCS, there / "docs", ignore=ignored)
    (there / "benchmarks").mkdir()
    shutil.copy(ROOT / "benchmarks" / "README.md", there / "benchmarks")
    (there / "results" / "verify").mkdir(parents=True)
    files = {"claims": row, "verdicts": verdict}
    for name, entry in files.items():
        entries = [entry(claim=claim.name) for claim in CLAIMS[1:]]
        (there / "results" / "verify" / f"{name}.json").write_text(json.dumps(entries))
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", "html"]
    done = subprocess.run(command, cwd=there, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return there / "html"


@pytest.mark.long
def test_docs_build_without_a_warning_and_no_link_is_broken(site):
    parsed = {}
    for path in site.rglob("*.html"):
        parsed[path] = _Links()
        parsed[path].feed(path.read_text())
    assert len(parsed) > 100
    for path, page in parsed.items():
        for link in filter(None, page.loaded):
            assert not re.match(r"(https?:)?//", link), f"{path} loads {link}"
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            name, _, fragment = link.partition("#")
            target = (path.parent / unquote(name)).resolve() if name else path
            assert target.exists(), f"{path} links to {link}"
            if fragment and target in parsed:
                assert unquote(fragment) in parsed[target].ids, f"{path} links to {link}"


@pytest.mark.long
def test_the_page_of_verdicts_says_which_claims_it_lacks(site):
    page = (site / "verdicts.html").read_text()
    assert f"Not in this run: {CLAIMS[0].name}." in page
    assert [f'class="inside" id="{pages.slug(claim.name)}">' in page for claim in CLAIMS] == [False] + [True] * (
        len(CLAIMS) - 1
    )


@pytest.mark.long
def test_three_notebooks_are_executed_and_linked(site):
    found = sorted(site.rglob("_downloads/**/*.ipynb"))
    executed = [path for path in found if "image/png" in path.read_text()]
    assert sorted({path.name for path in executed}) == [
        "plot_rare_escapes.ipynb",
        "plot_sharpness.ipynb",
        "plot_theorem_2.ipynb",
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    "page", ["theory/minimum", "theory/fokker-planck", "conventions", "auto_gallery/plot_theorem_2"]
)
def test_formulas_are_typeset_with_the_network_off(site, page, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs a Chromium: apt-get install chromium")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
        f"--user-data-dir={tmp_path}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--virtual-time-budget=20000",
        "--dump-dom",
        (site / f"{page}.html").as_uri(),
    ]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    formulas = len(re.findall(r"class=\"math ", dom))
    assert formulas > 0
    assert dom.count("<mjx-container") == formulas
    assert "<mjx-merror" not in dom
