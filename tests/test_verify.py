"""The main job, run as a user runs it: `diffusion-lab verify --quick`, its files and its refusals."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import xarray

from experiments import claims, minima, verify
from experiments.minima.claims import EXIT_LINE
from experiments.problems import saddles as regimes

HEAVY = ("numba", "xarray", "scipy", "torch", "matplotlib", "pandas")
FIELDS = {
    "claim", "regime", "paper", "exact", "simulated", "simulated_low", "simulated_high", "exact_discrete", "discrete",
    "discrete_low", "discrete_high", "torch", "torch_low", "torch_high", "deviation", "verdict", "instrument",
}  # fmt: skip


def command(*arguments, timeout=60):
    line = [sys.executable, "-m", "experiments", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """One quick run, shared by the tests below: its directory and what it printed."""
    out = tmp_path_factory.mktemp("results") / "verify"
    out.mkdir()
    (out / "mine.txt").write_text("a file of the user's")
    return out, command("verify", "--quick", "--out", out, timeout=300)


@pytest.fixture(scope="module")
def rows(quick):
    return json.loads((quick[0] / "claims.json").read_text())


def pick(rows, claim, **regime):
    found = [row for row in rows if row["claim"] == claim and regime.items() <= row["regime"].items()]
    assert len(found) == 1
    return found[0]


def test_quick_run_succeeds_and_shows_progress(quick):
    _, done = quick
    assert done.returncode == 0, done.stderr
    steps = len(claims.cases()) + len(minima.TITLES)
    assert f"{steps}/{steps}" in done.stderr
    assert "The instrument is right" in " ".join(done.stdout.split())


def test_results_replace_their_namesakes_and_leave_other_files_alone(quick):
    out, _ = quick
    assert (out / "mine.txt").exists()
    names = {path.name for path in out.iterdir()}
    assert names == {"mine.txt", "claims.json", "report.html", "data", "figures"}
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
        tested = {route for route in ("simulated", "discrete", "torch") if row[route] is not None}
        if row["claim"] != EXIT_LINE.name:  # a ratio of two ensembles that are tested in rows of their own
            assert row["tests"].keys() == tested
        assert all(0 < test["detectable"] < 1.5 for test in row["tests"].values())


def test_grid_runs_from_plus_one_to_minus_one_and_from_a_tenth_to_a_hundred_memory_times(rows):
    momentum = [row["regime"] for row in rows if row["claim"] == "Theorem 2"]
    assert {regime["eigenvalue"] for regime in momentum} == set(regimes.EIGENVALUES) >= {1.0, 0.0, -1.0}
    assert {(regime["beta1"], regime["iterations"]) for regime in momentum} == {
        (beta, max(1, round(x / (1 - beta)))) for beta in (0.5, 0.9, 0.99) for x in (0.1, 0.3, 1, 3, 10, 30, 100)
    }
    flat = [row for row in rows if row["regime"].get("eigenvalue") == 0]
    assert all(row["regime"]["noise"].startswith("IsotropicNoise") for row in flat)


@pytest.mark.parametrize("style", ["ema", "heavy-ball"])
@pytest.mark.parametrize(("start", "factor"), [("rest", 7.14), ("thermal", 3.26)])
def test_theorem_2_overstates_the_msd_at_one_memory_time(rows, style, start, factor):
    row = pick(rows, "Theorem 2", style=style, beta1=0.9, start=start, iterations=10, eigenvalue=-0.001)
    assert row["verdict"] == f"overstates {factor} times"
    assert row["deviation"] + 1 == pytest.approx(row["paper"] / row["exact"])
    assert f"it overstates the exact MSD {factor} times" in row["claim_verdict"]


def test_theorem_1_is_exact(rows):
    assert {row["verdict"] for row in rows if row["claim"] == "Theorem 1"} == {"exact"}


def test_drift_term_alone_is_right_where_the_saddle_is_flat(rows):
    for iterations, ratio in ((100, 1.0016), (1000, 1.020)):
        row = pick(rows, "Theorem 2, drift term", style="ema", beta1=0.9, iterations=iterations, eigenvalue=-0.001)
        assert 1 / (row["deviation"] + 1) == pytest.approx(ratio, abs=5e-4)


def test_table_1_is_borne_out_for_adam_and_not_for_adai(rows):
    said = {row["regime"]["optimizer"]: row["claim_verdict"] for row in rows if row["claim"] == "Table 1, saddle row"}
    assert said.keys() == {"SGD", "Adam", "RMSprop", "Adai"}
    for optimizer, verdict in said.items():
        assert verdict.startswith("not borne out" if optimizer == "Adai" else "borne out")


def test_theorem_3_has_the_isothermal_prefactor_and_the_ensembles_follow_ito(rows):
    """At H_b = 4 H_a and H_b = 0.54 H_a: formula over exact is near 1 in the isothermal convention only."""
    found = [row for row in rows if row["claim"] == "Theorem 3" and row["regime"]["exit"] == "beyond the saddle"]
    assert len({row["claim_verdict"] for row in found}) == 1
    assert found[0]["claim_verdict"].count("it belongs to the isothermal convention") == 2
    assert "the ensembles follow Ito" in found[0]["claim_verdict"]
    for row in found:
        if row["regime"]["barrier_over_temperature"] == 8:
            assert row["paper"] / row["exact_isothermal"] == pytest.approx(1, abs=0.12)
            assert abs(np.log(row["paper"] / row["exact"])) > 0.5


def test_where_the_exit_line_lies_is_a_factor_that_falls_to_one_with_inertia(rows):
    factor = {row["regime"]["damping_over_omega_b"]: row["exact"] for row in rows if row["claim"] == "Exit line"}
    assert factor[10.0] == pytest.approx(1.73, abs=0.01)
    assert factor[0.025] == pytest.approx(1.006, abs=0.002)


def test_table_1_holds_for_minima(rows):
    p = {row["regime"]["optimizer"]: row["exact"] for row in rows if row["claim"] == "Table 1, minima row"}
    assert p == pytest.approx({"SGD": 1.0, "Momentum": 1.0, "Adai": 1.0, "Adam": 0.5}, abs=0.1)


def test_theorem_4_is_violated_by_inertias_that_depend_on_skewed_noise(rows):
    found = [row for row in rows if row["claim"] == "Theorem 4"]
    violated = [row["regime"]["case"] for row in found if row["verdict"].startswith("violated")]
    assert violated == ["Adai, beta2 = 0, skewed noise"]
    assert all(row["verdict"].startswith("holds") for row in found if row["regime"]["inertias_independent_of_noise"])


def test_report_is_one_page_that_needs_no_network(quick):
    page = (quick[0] / "report.html").read_text()
    assert not re.findall(r"(?:src|href)\s*=\s*['\"](?!data:)", page)
    assert "@import" not in page
    assert "<script" not in page
    assert (
        page.count("<img")
        == len(list((quick[0] / "figures").glob("*.svg")))
        == len(list((quick[0] / "figures").glob("*.png")))
    )
    for claim in (*claims.CLAIMS, *minima.CLAIMS):
        assert f"<span class='name'>{claim.name}</span>" in page


def test_data_is_labelled_and_agrees_with_the_rows(quick, rows):
    with xarray.open_dataset(
        quick[0] / "data" / "theorem-2-momentum-ema-beta1-0.9-from-rest.nc", engine="scipy"
    ) as data:
        row = pick(rows, "Theorem 2", style="ema", beta1=0.9, start="rest", iterations=10, eigenvalue=-0.001)
        here = data.isel(direction=int(np.flatnonzero(data["eigenvalue"] == -0.001)[0])).sel(iteration=10)
        for name in ("paper", "exact", "simulated", "simulated_low", "discrete"):
            assert float(here[name]) == row[name]
        assert data["simulated"].attrs["units"] == "theta^2"


def test_same_seed_gives_the_same_rows(quick, rows):
    """In another process, for the first case: every number of every row."""
    replicas = verify.REPLICAS // verify.QUICK
    case = claims.cases()[0]
    from experiments.ensembles import Ensembles
    from experiments.judge import compute

    measured = compute(case, Ensembles(replicas, 2, seed=0, threads=1)).measured["simulated"].value
    expected = [row["simulated"] for row in rows if row["claim"] == "Theorem 1"]
    assert measured.ravel().tolist() == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "--seed", "-1"], "seed = -1 must be a whole number >= 0"),
        (["verify", "--seed", "x"], "seed"),
        (["verify", "--threads", "0"], "threads = 0"),
        (["verify", "--out", __file__], "is a file; give a directory"),
        (["verify", "--quik"], "--quick"),
        (["verfy"], "verify"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_command_lines_get_one_line_and_status_2(arguments, message):
    done = command(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    "code", ["import diffusion", "import sys; sys.argv = ['x', '--help']; import experiments.cli as c; c.app()"]
)
def test_import_and_help_load_nothing_heavy(code):
    end = f"import sys; print([m for m in {HEAVY} if m in sys.modules])"
    line = f"try:\n exec({code!r})\nexcept SystemExit: pass\n{end}"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_shows_examples():
    done = command("verify", "--help")
    assert done.returncode == 0
    assert "diffusion-lab verify --quick" in done.stdout
