"""The main job as a user runs it: `diffusion-lab verify --quick`, its files and refusals; and a user's own claims."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import readme
import xarray
from markupsafe import escape
from shared_evidence import outcome

from experiments.claims import CLAIMS
from experiments.referee import registry, verify
from experiments.referee.verdict import level

HEAVY = ("numba", "xarray", "scipy", "torch", "matplotlib", "pandas")
FIELDS = {
    *("claim", "place", "subject", "quantity", "regime", "paper", "exact", "deviation", "verdict", "instrument"),
    *(f"{name}{end}" for name in ("simulated", "discrete", "torch") for end in ("", "_low", "_high")),
    "exact_discrete",
}
OWN = re.search(r"```python\n(.*?)```", (readme.ROOT / "docs" / "own-claims.md").read_text(), flags=re.S)[1]
UNTESTED = {  # ratios of ensembles tested in rows of their own; the discrete optimizer with inertia; many coordinates
    ("Exit line", "Momentum"),
    ("Exponential law", "Momentum"),
    ("Theorem 3 in n dimensions", "SGD"),
}
TESTED = ("simulated", "discrete", "torch", "network", "long_run")


def command(*arguments, timeout=60, **options):
    line = [sys.executable, "-m", "experiments", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False, **options)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The directory that a quick run of all claims is written to."""
    out = tmp_path_factory.mktemp("results") / "verify"
    out.mkdir()
    (out / "mine.txt").write_text("a file of the user's")
    verify.write(outcome(), out)
    return out


@pytest.fixture(scope="module")
def one_claim(tmp_path_factory):
    """A run of the command: its directory and what it printed."""
    out = tmp_path_factory.mktemp("one") / "some"
    return out, command("verify", "--quick", "--claim", "theorem 1", "--threads", 1, "--out", out)


@pytest.fixture(scope="module")
def rows(quick):
    return json.loads((quick / "claims.json").read_text())


@pytest.fixture(scope="module")
def verdicts(quick):
    return json.loads((quick / "verdicts.json").read_text())


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The claim of the page about own claims, run from its file: the directory and what the command printed."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.py").write_text(OWN)
    return folder / "out", command("verify", "--quick", "--claim", "mine.py", "--out", "out", cwd=folder)


def test_the_command_succeeds_and_shows_progress(one_claim):
    _, done = one_claim
    assert done.returncode == 0, done.stderr
    assert "1/1 Theorem 1" in done.stderr
    assert "The instrument is right" in " ".join(done.stdout.split())


def test_results_replace_their_namesakes_and_leave_other_files_alone(quick):
    out = quick
    assert (out / "mine.txt").exists()
    names = {path.name for path in out.iterdir()}
    assert names == {"mine.txt", "claims.json", "verdicts.json", "report.html", "data", "figures"}
    assert [path for path in out.parent.iterdir() if path != out] == []


def test_every_row_has_every_field_and_a_reason_for_every_null(rows):
    for row in rows:
        assert row.keys() >= FIELDS
        for route in ("paper", "exact", "simulated", "discrete", "torch", "shipped"):
            assert (row[route] is None) == (route in row["reasons"]), (route, row)
            if route in ("simulated", "discrete", "torch") and row[route] is not None:
                assert row[f"{route}_low"] <= row[route] <= row[f"{route}_high"]


def test_no_row_fails_and_every_simulated_row_states_what_it_would_detect(rows):
    assert {row["instrument"] for row in rows} <= {"ok", "inconclusive"}
    for row in rows:
        tested = {route for route in TESTED if row.get(route) is not None}
        if (row["claim"], row["subject"]) not in UNTESTED:
            assert row["tests"].keys() == tested
        assert all(0 < test["detectable"] < 1.5 for test in row["tests"].values())


def test_what_holds_follows_from_the_numbers_and_the_level_from_what_holds(verdicts):
    for verdict in verdicts:
        assert verdict["findings"]
        assert verdict["level"] == level([finding["holds"] for finding in verdict["findings"]])
        for finding in verdict["findings"]:
            value, target, tolerance = finding["value"], finding["target"], finding["tolerance"]
            judged = value is not None and target is not None
            assert finding["holds"] == (abs(value - target) <= tolerance if judged else None)
            assert finding["text"]


def test_verdicts_and_rows_are_of_the_same_claims_and_subjects(rows, verdicts):
    said = {(verdict["claim"], verdict["place"], verdict["subject"]): verdict for verdict in verdicts}
    assert len(said) == len(verdicts)
    assert list(dict.fromkeys(verdict["claim"] for verdict in verdicts)) == [claim.name for claim in CLAIMS]
    assert {(row["claim"], row["place"], row["subject"]) for row in rows} == said.keys()
    for row in rows:
        findings = said[row["claim"], row["place"], row["subject"]]["findings"]
        assert row["claim_verdict"] == "; ".join(finding["text"] for finding in findings)


def test_report_is_one_page_that_needs_no_network(quick):
    page = (quick / "report.html").read_text()
    assert not re.findall(r"(?:src|href)\s*=\s*['\"](?!data:|#)", page)
    assert "@import" not in page
    assert "<script" not in page
    assert (
        page.count("<img")
        == len(list((quick / "figures").glob("*.svg")))
        == len(list((quick / "figures").glob("*.png")))
    )
    for claim in CLAIMS:
        assert f'<span class="name">{escape(claim.name)}</span>' in page


def test_data_is_labelled_and_agrees_with_the_rows(quick, rows):
    with xarray.open_dataset(quick / "data" / "theorem-1-sgd-from-rest.nc", engine="scipy") as data:
        (row,) = (
            row
            for row in rows
            if row["claim"] == "Theorem 1" and {"iterations": 10, "eigenvalue": -0.001}.items() <= row["regime"].items()
        )
        here = data.sel(iterations=10, eigenvalue=-0.001)
        for name in ("paper", "exact", "simulated", "simulated_low", "discrete"):
            assert float(here[name]) == row[name]
        assert data["simulated"].attrs["units"] == "theta^2"


def test_same_seed_gives_the_same_rows_in_a_run_of_one_claim(rows, verdicts, one_claim):
    """In another process, on one thread: every number but what tests detect, which depends on how many there are."""
    out, _ = one_claim
    again = json.loads((out / "claims.json").read_text())
    shared = {"tests", "instrument"}
    assert [{name: row[name] for name in row.keys() - shared} for row in again] == [
        {name: row[name] for name in row.keys() - shared} for row in rows if row["claim"] == "Theorem 1"
    ]
    assert json.loads((out / "verdicts.json").read_text()) == [
        verdict for verdict in verdicts if verdict["claim"] == "Theorem 1"
    ]
    assert "diffusion-lab verify --claim &#39;theorem 1&#39; --seed 0 --quick" in (out / "report.html").read_text()


def test_other_seed_gives_other_draws(own, here):
    folder = own[0].parent
    done = here("verify", "--quick", "--claim", folder / "mine.py", "--seed", 1, "--out", folder / "other")
    assert done.returncode == 0
    first, second = (json.loads((folder / name / "claims.json").read_text()) for name in ("out", "other"))
    for one, other in zip(first, second, strict=True):
        assert one["exact"] == other["exact"]
        assert one["discrete"] != other["discrete"]


def test_own_claim_of_the_documentation_is_judged_and_reported(own):
    out, done = own
    assert len(OWN.splitlines()) <= 30
    assert done.returncode == 0, done.stderr
    assert "Effective learning rate" in done.stdout
    (verdict,) = json.loads((out / "verdicts.json").read_text())
    assert (verdict["claim"], verdict["subject"], verdict["level"]) == (
        "Effective learning rate",
        "Momentum",
        "in part",
    )
    assert [finding["holds"] for finding in verdict["findings"]] == [True, False, False]
    assert [finding["value"] for finding in verdict["findings"]] == pytest.approx([1.0243, 1.9474, 3.8421], rel=1e-4)
    page = (out / "report.html").read_text()
    assert '<span class="name">Effective learning rate</span>' in page
    assert "3.84 times the exact one at lr = 0.15" in page
    assert "diffusion-lab verify --claim mine.py --seed 0 --quick" in page
    assert all(row["tests"]["discrete"]["p"] > 1e-4 for row in json.loads((out / "claims.json").read_text()))


def test_an_own_claim_whose_exact_value_is_wrong_fails_the_instrument(tmp_path, here):
    (tmp_path / "mine.py").write_text(OWN.replace("exact}", "sgd / (2 - sgd)}").replace("=exact", "=sgd / (2 - sgd)"))
    done = here("verify", "--quick", "--claim", tmp_path / "mine.py", "--out", tmp_path / "out")
    assert done.returncode == 1
    (verdict,) = json.loads((tmp_path / "out" / "verdicts.json").read_text())
    assert verdict["level"] == "right"  # the claim is judged apart


def test_claims_are_selected_by_the_beginnings_of_their_names():
    names = [claim.name for claim in registry.select([])]
    assert names == [claim.name for claim in CLAIMS]
    selected = [claim.name for claim in registry.select(["THEOREM 3", "theorem 1", "Theorem 1"])]
    assert selected == [name for name in names if name.startswith("Theorem 3")] + ["Theorem 1"]


def test_list_names_every_claim_with_its_place_and_statement(here):
    done = here("verify", "--list")
    assert done.returncode == 0
    for claim in CLAIMS:
        assert f"{claim.name} ({claim.place})\n    {claim.statement}\n" in done.stdout
    some = here("verify", "--list", "--claim", "theorem 1").stdout
    assert some.splitlines()[0] == "Theorem 1 (Section 2.2, proof in A.1)"
    assert len(some.splitlines()) == 2


@pytest.mark.parametrize("value", ["added{}:claim", "added{}"])
def test_a_package_adds_claims_by_an_entry_point(tmp_path, monkeypatch, value):
    monkeypatch.syspath_prepend(tmp_path)
    value = value.format(len(value))  # a module of another name each time, as Python imports each once
    (tmp_path / f"{value.partition(':')[0]}.py").write_text(OWN)
    (tmp_path / "mine-1.dist-info").mkdir()
    (tmp_path / "mine-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    points = tmp_path / "mine-1.dist-info" / "entry_points.txt"
    points.write_text(f"[{registry.GROUP}]\nmine = {value}\n")
    assert [claim.name for claim in registry.select([])] == [
        *(claim.name for claim in CLAIMS),
        "Effective learning rate",
    ]
    assert [claim.name for claim in registry.select(["effective"])] == ["Effective learning rate"]
    points.write_text(f"[{registry.GROUP}]\nmine = nothing_like_it\n")
    with pytest.raises(ValueError, match="entry point 'mine' \\(nothing_like_it\\) cannot be imported: ModuleNotFound"):
        registry.select([])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "has no claim at its top level"),
        ("import nothing_like_it", "cannot be imported: ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        (OWN.replace('name = "Effective learning rate"', 'name = "theorem 1"'), "there is a claim 'Theorem 1' already"),
        (OWN + "again = EffectiveRate()\n", "there is a claim 'Effective learning rate' already"),
        (OWN.replace("place =", "spot ="), "EffectiveRate must state its place"),
        (OWN.replace("def findings", "def judgement"), "abstract"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, text, message):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        registry.select([str(tmp_path / "mine.py")])
    assert "mine.py" in str(error.value)


def test_claims_that_a_file_imports_are_not_its_own(tmp_path):
    (tmp_path / "mine.py").write_text(OWN + "from experiments.claims.theorem_1 import claim as known\n")
    assert [claim.name for claim in registry.select([str(tmp_path / "mine.py"), "Theorem 1"])] == [
        "Effective learning rate",
        "Theorem 1",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "--seed", "-1"], "seed = -1 must be a whole number >= 0"),
        (["verify", "--seed", "x"], "seed"),
        (["verify", "--threads", "0"], "threads = 0"),
        (["verify", "--out", __file__], "is a file; give a directory"),
        (["verify", "--quik"], "--quick"),
        (["verify", "--quick", "--full"], "full = True and quick = True contradict each other"),
        (["verify", "--claim", "Theorm 3"], "claim = 'Theorm 3': no claim's name begins like this; close: 'Theorem 3'"),
        (["verify", "--claim", "nothing/mine.py"], "claim = 'nothing/mine.py': there is no such file"),
        (["verfy"], "verify"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_command_lines_get_one_line_and_status_2(arguments, message, refusal):
    assert message in refusal(*arguments)


@pytest.mark.parametrize(
    "code", ["import diffusion", "import sys; sys.argv = ['x', '--help']; import experiments.cli as c; c.app()"]
)
def test_import_and_help_load_nothing_heavy(code):
    end = f"import sys; print([m for m in {HEAVY} if m in sys.modules])"
    line = f"try:\n exec({code!r})\nexcept SystemExit: pass\n{end}"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_shows_examples(here):
    done = here("verify", "--help")
    assert done.returncode == 0
    assert "diffusion-lab verify --quick" in done.stdout
    assert "diffusion-lab verify --claim path/to/mine.py" in done.stdout


def by_name(verdicts):
    return {
        (verdict["claim"], verdict["subject"], finding["name"]): finding
        for verdict in verdicts
        for finding in verdict["findings"]
    }


def test_kept_verdicts_are_those_of_the_registered_claims_and_agree_where_a_quick_run_has_the_same_grid(rows, verdicts):
    """Displacements are judged without noise and on one grid, in quick runs too; those under shuffling by ensembles."""
    kept = json.loads(readme.KEPT.read_text())
    assert {claim.name for claim in CLAIMS} <= {verdict["claim"] for verdict in kept}
    now, then = by_name(verdicts), by_name(kept)
    same = {row["claim"] for row in rows if "eigenvalue" in row["regime"]} - {"Shuffling"}
    compared = [key for key in now.keys() | then.keys() if key[0] in same]
    assert compared
    for key in compared:
        assert now[key]["target"] == then[key]["target"]
        if now[key]["target"] is not None:
            assert now[key]["holds"] == then[key]["holds"], key
            assert now[key]["value"] == pytest.approx(then[key]["value"], rel=1e-6, abs=1e-12), key


@pytest.mark.long
def test_kept_verdicts_are_those_of_a_full_run():
    now = by_name([verdict.as_json() for verdict in verify.run(CLAIMS, size="full", seed=0).verdicts])
    then = by_name(json.loads(Path(readme.KEPT).read_text()))
    for key, finding in now.items():
        assert finding["holds"] == then[key]["holds"], key
        assert finding["value"] == pytest.approx(then[key]["value"], rel=1e-6, abs=1e-12), key
