"""The documentation is complete, its links lead somewhere, and the verdict table says what the rows say."""

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

from experiments import claims, minima, standing

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in DOCS.rglob("*.md")
    if not {"auto_gallery", "generated", "gallery"} & set(path.relative_to(DOCS).parts)
)
PUBLIC = {
    "diffusion": "diffusion", "diffusion.fokker_planck": "fokker_planck", "diffusion.plot": "plot",
    "diffusion.optimizers": "optimizers", "theory": "theory", "experiments.sweep": "sweep",
}  # fmt: skip


def row(claim="Theorem 1", subject="SGD", deviation=0.0, sentence="approximate: ...", instrument="ok"):
    return {
        "claim": claim, "subject": subject, "place": "Section 2", "deviation": deviation, "claim_verdict": sentence,
        "instrument": instrument,
    }  # fmt: skip


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
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        order = importlib.import_module("gallery_order")
    finally:
        sys.path.pop(0)
    scripts = [path.stem.removeprefix("plot_") for path in (DOCS / "gallery").glob("plot_*.py")]
    assert sorted(order.ORDER) == sorted(scripts)


@pytest.mark.parametrize("script", sorted((DOCS / "gallery").glob("plot_*.py")), ids=lambda path: path.stem)
def test_a_script_draws_in_its_last_block_alone(script):
    """A figure is shown and closed at the end of the block in which it was begun."""
    blocks = script.read_text().split("\n# %%\n")
    assert all("ax" not in re.findall(r"\bax\b", block) for block in blocks[:-1])
    assert blocks[-1].rstrip().endswith("plt.show()")


@pytest.mark.parametrize(
    ("rows", "level", "shares"),
    [
        ([row(deviation=0.0), row(deviation=0.04)], "right", (1.0, 0.0, 0.0)),
        ([row(deviation=0.04), row(deviation=0.5), row(deviation=-0.6), row(deviation=None)], "in part", (1 / 3, 1 / 3, 1 / 3)),
        ([row(deviation=0.06), row(deviation=-1.0)], "off", (0.0, 0.5, 0.5)),
        ([row(deviation=9.0, sentence="borne out: p = 1")], "right", (0.0, 0.0, 1.0)),
        ([row(deviation=0.0, sentence="not borne out: p = 3")], "off", (1.0, 0.0, 0.0)),
        ([row(deviation=0.0, sentence="not right where T_b is not T_a")], "off", (1.0, 0.0, 0.0)),
        ([row(deviation=0.9, sentence="double parabola: the exponent is right within 1 %")], "in part", (0.0, 1.0, 0.0)),
        ([row(deviation=None, sentence="holds, 80 times loose")], "right", None),
        ([row(deviation=None, sentence="holds ...; violated by ...")], "in part", None),
        ([row(deviation=None, sentence="takes longer by a factor 1.7")], "measured", None),
    ],
)  # fmt: skip
def test_standing_follows_the_rows(rows, level, shares):
    (found,) = standing.standings(rows)
    assert found.level == level
    assert standing.shares([found]) == (None if shares is None else pytest.approx(shares))
    assert found.instrument == {"ok": len(rows)}


def test_table_has_a_row_for_each_claim_and_escapes_what_it_shows():
    rows = [row(), row(subject="<b>", instrument="failed"), row(claim="Theorem 2", deviation=2.0)]
    found = standing.standings(rows)
    html = standing.table(found, lambda claim: f"[{claim}]")
    assert html.count("<details id=") == 2
    assert "&lt;b&gt;" in html
    assert "[Theorem 2]" in html
    assert "100 % of 2" in html
    assert standing.instrument(found) == "2 ok, 1 failed"


def test_rows_of_an_earlier_version_are_refused():
    old = row()
    del old["subject"]
    with pytest.raises(ValueError, match="make verify"):
        standing.standings([old])


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
    """The pages, built apart from the working tree, from one row of each claim."""
    pytest.importorskip("sphinx_gallery", reason="needs the extra docs")
    there = tmp_path_factory.mktemp("docs")
    ignored = shutil.ignore_patterns("auto_gallery", "generated", "__pycache__")
    shutil.copytree(DOCS, there / "docs", ignore=ignored)
    (there / "benchmarks").mkdir()
    shutil.copy(ROOT / "benchmarks" / "README.md", there / "benchmarks")
    (there / "results" / "verify").mkdir(parents=True)
    rows = [row(claim=claim.name) for claim in (*claims.CLAIMS, *minima.CLAIMS)]
    (there / "results" / "verify" / "claims.json").write_text(json.dumps(rows))
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
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        f"--user-data-dir={tmp_path}", "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=20000", "--dump-dom",
        (site / f"{page}.html").as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    formulas = len(re.findall(r"class=\"math ", dom))
    assert formulas > 0
    assert dom.count("<mjx-container") == formulas
    assert "<mjx-merror" not in dom
