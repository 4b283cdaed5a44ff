"""The job `diffusion-lab evidence`: what it is asked for, what it writes, and that it gives the same bits again."""

import json
import sys
import warnings

import data_files
import pytest
from toy_claim import CLAIM

from experiments.cli import main
from experiments.evidence import claims, job, lab, networks
from experiments.referee import report, verify

NAMED = {"Equation 3", "Figure 5", "Figure 7", "Figure 8", "Figure 13", "Figure 14", "Table 2"}
SMALL = networks.Plan("MLP", {"model": "mlp", "model_settings": [["hidden", [1]]], "samples": 100}, (0, 20), 2, 24)


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    monkeypatch.setattr(job, "PARTS", {"learning": (CLAIM,)})


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """A quick run, written."""
    out = tmp_path_factory.mktemp("evidence")
    outcome = job.run([CLAIM], out, size="quick", threads=1)
    verify.write(outcome, out)
    return outcome, out


def test_it_writes_verdicts_rows_and_a_report_that_says_on_which_data_they_hold(outcome):
    ran, out = outcome
    assert [verdict["claim"] for verdict in json.loads((out / "verdicts.json").read_text())] == ["Figure 0"]
    page = (out / "report.html").read_text()
    assert "digits (scikit-learn&#39;s, 8x8), 1297 images to train and 500 to test" in page
    assert "hold for networks?" in page
    assert "diffusion-lab evidence --only &#39;Figure 0&#39; --seed 0 --quick" in page
    assert ran.passed
    assert ran.settings["torch"]


def test_a_run_that_diverged_is_a_row_that_says_so_and_no_fault_of_the_instrument(outcome):
    learnt, diverged = outcome[0].rows
    assert learnt["test_error"] < 0.9
    assert diverged["test_error"] is None
    assert diverged["faults"][0].startswith("test_error: diverged at iteration")
    assert {learnt["instrument"], diverged["instrument"]} == {"ok"}
    assert outcome[0].verdicts[0].findings[-1].name == "measured values that are left out"


def test_a_second_run_takes_what_is_finished_and_one_elsewhere_has_the_same_bits(outcome, tmp_path):
    ran, out = outcome
    for where in (out, tmp_path):
        assert job.run([CLAIM], where, size="quick", threads=1).rows == ran.rows
    assert job.run([CLAIM], tmp_path, size="quick", seed=1, threads=1).rows != ran.rows


@pytest.fixture
def command(monkeypatch):
    """A quick run by `diffusion-lab evidence`: the bytes of verdicts.json and of claims.json."""
    monkeypatch.setattr(job, "PARTS", claims.PARTS)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)

    def written(out, *arguments):
        monkeypatch.setattr(sys, "argv", ["diffusion-lab", "evidence", "--quick", "--out", str(out), *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
        return [(out / name).read_bytes() for name in ("verdicts.json", "claims.json")]

    return written


def test_the_command_judges_a_network_and_gives_the_same_bytes_from_its_store(command, tmp_path, monkeypatch):
    """The smallest form of a claim as it is shipped: one network, two seeds, two stages."""
    monkeypatch.setattr(networks, "plans", lambda lab: [SMALL])
    arguments = (tmp_path, "--only", "Theorem 3", "--threads", "1")
    first = command(*arguments)
    monkeypatch.setattr(lab, "work", None)  # nothing is left to do
    assert command(*arguments) == first
    (verdict,) = json.loads(first[0])
    assert verdict["subject"] == "MLP, cross-entropy"
    assert len(verdict["findings"]) > 1
    assert [path.suffix for path in (tmp_path / "stores").iterdir()] == [".npz"] * 2
    assert list((tmp_path / "figures").glob("theorem-3*.svg"))


@pytest.mark.long
def test_a_quick_run_judges_what_the_paper_says_of_networks_and_another_has_the_same_bits(command, tmp_path):
    first = command(tmp_path / "first")
    verdicts = json.loads(first[0])
    assert {verdict["claim"] for verdict in verdicts} >= NAMED
    assert all(verdict["findings"] for verdict in verdicts if verdict["claim"] in NAMED)
    assert command(tmp_path / "second") == first


def test_claims_are_selected_by_part_or_name(monkeypatch):
    assert job.select([]) == job.select(["learning"]) == job.select(["Figure0", "figure"]) == [CLAIM]
    with pytest.raises(ValueError, match=r"only = 'theory' is neither a part \(learning\)"):
        job.select(["theory"])
    assert "learning: Figure 0" in job.told([CLAIM])


def test_every_claim_is_in_one_part_and_names_are_their_own():
    listed = [claim for part in claims.PARTS.values() for claim in part]
    assert len({claim.name for claim in listed}) == len(listed)
    assert all(part == part.casefold() and " " not in part for part in claims.PARTS)


def test_data_of_the_user_are_used_and_told(tmp_path):
    (tmp_path / "data").mkdir()
    folder = data_files.write_idx(tmp_path / "data", side=12)
    outcome = job.run([], tmp_path / "out", given=job.Given(data=folder, text=data_files.__file__))
    assert "data, 100 images to train and 100 to test" in outcome.settings["data"]
    assert "data_files.py" in outcome.settings["text"]
    command = report.command(outcome, "Figure 0")
    assert command == f"diffusion-lab evidence --only 'Figure 0' --seed 0 --data {folder} --text {data_files.__file__}"
    with pytest.raises(ValueError, match="neither 'digits' nor a directory"):
        job.run([], tmp_path / "out", given=job.Given(data=tmp_path / "missing"))


def test_without_packages_it_goes_on_with_what_there_is_and_names_the_step(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(job.find, "found", lambda package: None)
    outcome = job.run([], tmp_path)
    assert outcome.settings["data"].startswith("digits")
    assert outcome.settings["text"].startswith("the documentation of Python")
    said = capsys.readouterr().err.splitlines()
    assert "apt-get install dataset-fashion-mnist, or give --data DIR; going on with the digits" in said[0]
    assert "apt-get install r-cran-janeaustenr, or give --text FILE" in said[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quick", "--full"], "full = True and quick = True contradict each other"),
        (["--only", "nothing"], "only = 'nothing' is neither a part"),
        (["--seed", "-1"], "seed = -1"),
        (["--data", "/no/such/folder"], "neither 'digits' nor a directory"),
    ],
)
def test_bad_command_lines_get_one_line_and_status_2(arguments, message, refusal, tmp_path):
    given = "--text", data_files.__file__  # without the package of novels it would say so in another line
    assert message in refusal("evidence", "--only", "learning", "--out", str(tmp_path), *given, *arguments)
