"""The escape job, run as a user runs it, continued and interrupted."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import SUITE_RATE

from experiments import extras
from experiments.problems.wells import OPTIMIZERS, exact_rate, settings
from experiments.referee.laws import MeanSquare
from experiments.sharpness import findings, job, power, report
from experiments.sweep import Store, provenance

POINTS = 4 * 4 * 2  # of a quick run: sharpnesses, optimizers, routes
LINES = 3 * 3
STORES = {f"{name}-quick-seed-0.zarr" for name in ("sde", "discrete", "lines")}


def command(*arguments, timeout=120):
    line = [sys.executable, "-m", "experiments", "escape", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """One quick run: its directory and what it printed."""
    out = tmp_path_factory.mktemp("results") / "escape"
    out.mkdir()
    (out / "mine.txt").write_text("a file of the user's")
    return out, command("--quick", "--threads", 1, "--out", out, timeout=300)


@pytest.fixture(scope="module")
def found(quick):
    return json.loads((quick[0] / "escape.json").read_text())


def flags(out):
    """When each rate was measured, by store and place."""
    return {
        (path.parents[2].name, path.name): path.stat().st_mtime_ns
        for path in (out / job.STORES).glob("*.zarr/complete/c/*")
    }


def test_quick_run_succeeds_with_progress_and_its_files(quick):
    out, done = quick
    assert done.returncode == 0, done.stderr
    assert f"{POINTS + LINES}/{POINTS + LINES} " in done.stderr
    files = {"escape.json", "verdicts.json", "captions.txt", "figures", "stores"}
    assert {path.name for path in out.iterdir()} == {"mine.txt", *files}
    assert {path.name for path in (out / "stores").iterdir()} == STORES  # no lock and nothing unfinished is left
    names = {path.stem for path in (out / "figures").glob("*.png")}
    assert names == {path.stem for path in (out / "figures").glob("*.svg")}
    assert {"sharpness-parabolas-piecewise-1", "powers"} <= names
    captions = (out / "captions.txt").read_text()
    assert all(f"{name}: " in captions for name in names)


def test_four_optimizers_are_fitted_with_intervals_and_shown(quick, found):
    fits = {(one["optimizer"], one["route"]): one for one in found["fits"]}
    assert fits.keys() == {(optimizer, route) for optimizer in OPTIMIZERS for route in ("sde", "discrete", "exact")}
    table = " ".join(quick[1].stdout.split())
    for (optimizer, route), one in fits.items():
        assert one["geometry"] == "one-dimensional"
        if route == "exact":
            assert "low" not in one
            assert one["p"] == pytest.approx(one["claimed"], abs=0.06)
            assert f"{optimizer} │ exact │ 3 of 3 │ {one['p']:.2f} │" in table
        else:
            ends = {name: (one[name], one[f"judged_{name}"]) for name in ("low", "high")}
            (low, lower), (high, higher) = (
                [sign * np.inf if end is None else end for end in ends[name]]
                for name, sign in (("low", -1), ("high", 1))
            )
            assert lower <= low < one["p"] < high <= higher
            assert (one["excludes_1"], one["excludes_1/2"]) == (not low <= 1 <= high, not low <= 0.5 <= high)
            assert f"{optimizer} │ {route} │ 4 of 4 │ {power.interval(one)} │ {one['claimed']:g} │" in table


def test_verdicts_are_written_and_printed(quick):
    written = json.loads((quick[0] / "verdicts.json").read_text())
    assert [verdict["subject"].split(":")[0] for verdict in written] == list(OPTIMIZERS)
    shown = " ".join(quick[1].stdout.split())
    for verdict in written:
        assert {finding["name"] for finding in verdict["findings"]} >= {"power, exact SDE", "power, SDE ensembles"}
        assert all(" ".join(finding["text"].split()) in shown for finding in verdict["findings"])
        assert f"{verdict['subject']}: {verdict['level']}: " in shown


def test_measured_rates_are_the_exact_ones(found):
    """At the sharpest minimum 60 exits of each SDE, tested at SUITE_RATE each; the blunter one's rates are rejected."""
    lines = {(one["optimizer"], one["sharpness"]): one["rate"] for one in found["lines"]}
    for optimizer in OPTIMIZERS:
        sharp, blunt = (16.0, 4.0) if optimizer == "Adam" else (4.0, 1.0)
        [point] = [
            one
            for one in found["points"]
            if (one["optimizer"], one["route"], one["sharpness"]) == (optimizer, "sde", pytest.approx(sharp))
        ]
        assert (point["events"], point["censored"]) == (60, 0)
        law = MeanSquare.of_times(60)
        p = [float(law.p_value(1 / point["rate"], 1 / lines[optimizer, k])) for k in (sharp, blunt)]
        assert p[0] > SUITE_RATE > p[1]


def test_adai_in_one_coordinate_is_momentum(found):
    lines = {(one["optimizer"], one["sharpness"]): one["rate"] for one in found["lines"]}
    for k in (1.0, 2.0, 4.0):
        assert lines["Adai", k] == lines["Momentum", k]
    setting = settings()["parabolas-piecewise"]
    assert exact_rate(setting, "Adai", 4.0)["rate"] == pytest.approx(lines["Momentum", 4.0], rel=1e-6)
    assert lines["SGD", 4.0] > 1.2 * lines["Momentum", 4.0]  # what it would be without inertia


INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
sys.argv = ["diffusion-lab", *sys.argv[1:]]
from experiments.cli import main
main()
"""


def test_an_interrupted_run_says_what_is_kept_and_goes_on_to_the_same_result(quick, tmp_path):
    """Interrupted after the third point. To save time the second start finds the exact lines of the other run."""
    out, whole = tmp_path / "stopped", quick[0]
    line = [sys.executable, "-c", INTERRUPTIBLE, "escape", "--quick", "--threads", "1", "--out", str(out)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for shown in process.stderr:
            if "] 3/" in shown:
                process.send_signal(signal.SIGINT)
                break
        printed, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert printed == ""
    kept = flags(out)
    assert 3 <= len(kept) < POINTS + LINES
    last = f"diffusion-lab: interrupted; {len(kept)} results are kept in {out}/stores, the same command goes on"
    assert said.splitlines()[-1] == last
    assert not (out / "escape.json").exists()

    name = "lines-quick-seed-0.zarr"
    shutil.copytree(whole / "stores" / name, out / "stores" / name)
    done = command("--quick", "--threads", 2, "--out", out)
    assert done.returncode == 0, done.stderr
    after = flags(out)
    assert after.keys() == flags(whole).keys()
    assert all(after[point] == time for point, time in kept.items())
    assert (out / "escape.json").read_bytes() == (whole / "escape.json").read_bytes()
    assert done.stdout.splitlines()[:-1] == quick[1].stdout.splitlines()[:-1]


@pytest.fixture
def again(quick, tmp_path):
    """A copy of a quick run's stores, and a function that runs the job there and tells which rates it measured."""
    shutil.copytree(quick[0] / "stores", tmp_path / "stores", copy_function=shutil.copy2)

    def run():
        before = flags(tmp_path)
        outcome = job.measure(tmp_path, quick=True, threads=1)
        report.write(outcome, findings.verdicts(outcome), tmp_path)
        after = flags(tmp_path)
        return {point for point in after if after[point] != before.get(point)}

    return tmp_path, run


def test_a_second_start_computes_nothing_and_damaged_points_alone_are_computed_again(quick, again):
    out, run = again
    assert run() == set()
    store = out / "stores" / "discrete-quick-seed-0.zarr"
    (store / "rate" / "c" / "3").unlink()  # lost, though its flag is there
    assert run() == {(store.name, "3")}
    for name in ("escape.json", "verdicts.json"):
        assert (out / name).read_bytes() == (quick[0] / name).read_bytes()


def test_results_of_other_code_are_refused_before_anything_is_computed(again, monkeypatch):
    out, run = again
    monkeypatch.setitem(provenance.PHYSICS, "source", "another")
    with pytest.raises(ValueError, match=r"was begun with another version of the physics: source is .* another here"):
        run()
    assert {path.name for path in (out / "stores").iterdir()} == STORES


def test_results_of_another_seed_or_size_are_kept_apart(quick, tmp_path):
    """Their stores have other names, and the ensembles other seeds."""
    shutil.copytree(quick[0] / "stores", tmp_path / "stores", copy_function=shutil.copy2)
    kinds = job.kinds(full=False, quick=True, seed=1)
    assert not {kind.path(tmp_path / "stores").name for kind in kinds.values()} & STORES
    assert sum(kind.left(tmp_path / "stores") for kind in kinds.values()) == POINTS + LINES
    seeds = [kind["sde"].points[0].ensemble_seed for kind in (kinds, job.kinds(full=False, quick=True, seed=0))]
    assert seeds[0] != seeds[1]


def test_a_store_names_what_its_rates_depend_on(quick):
    """The settings are among the sources; the points' own module too."""
    store = Store.open(quick[0] / "stores" / "sde-quick-seed-0.zarr")
    assert provenance.own_sources(store.sweep).keys() == {"experiments.sharpness.points:measured"}
    assert store.sweep.shape == (POINTS // 2,)
    axis = store.sweep.axes[0]
    assert axis.sets["measure.replicas"] == (60,) * (POINTS // 2)
    assert axis.labels[0] == "parabolas-piecewise, d = 1: SGD, sde, k = 1.41421, 60 runs, seed 0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--full", "--quick"], "full = True and quick = True contradict each other"),
        (["--seed", "-1"], "seed = -1 must be a whole number >= 0"),
        (["--out", __file__], "is a file; give a directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_command_lines_get_one_line_and_status_2(arguments, message, refusal):
    assert message in refusal("escape", *arguments)


def test_a_missing_module_is_named_with_the_extra_that_has_it():
    with pytest.raises(ValueError, match=r"^no_such_module is not installed: pip install 'diffusion-lab\[sweep\]'$"):
        extras.need("sweep", "json", "no_such_module")
