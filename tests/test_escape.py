"""The escape job, run as a user runs it, continued and interrupted; and the parts it is made of."""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from conftest import SUITE_RATE
from experiments.minima import claims
from experiments.minima.verdicts import comparison_verdict

from diffusion import StyblinskiTang
from experiments.problems.optimizers import BETA0, BETA1
from experiments.problems.wells import (
    OPTIMIZERS,
    STEP,
    exact_rate,
    expected_iterations,
    paper_rate,
    settings,
)
from experiments.referee import laws
from experiments.sharpness import job as escape
from experiments.sharpness import points

CLEAN = escape.CLEAN
POINTS = 4 * 4 * 2  # of a quick run: sharpnesses, optimizers, routes
LINES = 3 * 3


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


def times_of(directory):
    return {path.name: path.stat().st_mtime_ns for path in directory.iterdir()}


# --- the command


def test_quick_run_succeeds_with_progress_and_its_files(quick):
    out, done = quick
    assert done.returncode == 0, done.stderr
    assert f"{POINTS + LINES}/{POINTS + LINES} " in done.stderr
    assert {path.name for path in out.iterdir()} == {"mine.txt", "escape.json", "captions.txt", "figures", "points"}
    names = {path.stem for path in (out / "figures").glob("*.png")}
    assert names == {path.stem for path in (out / "figures").glob("*.svg")}
    assert {"sharpness-parabolas-piecewise-1", "powers"} <= names
    assert len(list((out / "points").iterdir())) == POINTS + LINES  # no partial file is left
    captions = (out / "captions.txt").read_text()
    assert all(f"{name}: " in captions for name in names)


def test_four_optimizers_are_fitted_with_intervals_and_shown(quick, found):
    fits = {(one["optimizer"], one["route"]): one for one in found["fits"]}
    assert fits.keys() == {(optimizer, route) for optimizer in OPTIMIZERS for route in ("sde", "discrete", "exact")}
    table = " ".join(quick[1].stdout.split())
    for (optimizer, route), one in fits.items():
        if route == "exact":
            assert "low" not in one
            assert one["p"] == pytest.approx(one["claimed"], abs=0.06)
            assert f"{optimizer} │ exact │ 3 │ {one['p']:.2f} │" in table
        else:
            low, high = (end if one[name] is None else one[name] for name, end in (("low", -np.inf), ("high", np.inf)))
            assert low < one["p"] < high
            assert (one["excludes_1"], one["excludes_1/2"]) == (not low <= 1 <= high, not low <= 0.5 <= high)
            assert f"{optimizer} │ {route} │ 4 │ {escape.interval(one)} │ {one['claimed']:g} │" in table


def test_measured_rates_are_the_exact_ones(found):
    """At the sharpest minimum, 60 exits of each SDE, tested at SUITE_RATE each. The rates of the blunter one are rejected."""
    lines = {(one["optimizer"], one["sharpness"]): one["rate"] for one in found["lines"]}
    for optimizer in OPTIMIZERS:
        sharp, blunt = (16.0, 4.0) if optimizer == "Adam" else (4.0, 1.0)
        [point] = [
            one
            for one in found["points"]
            if (one["optimizer"], one["route"], one["sharpness"]) == (optimizer, "sde", pytest.approx(sharp))
        ]
        assert (point["events"], point["censored"]) == (60, 0)
        p = [float(laws.mean_square_test(1 / point["rate"], 1 / lines[optimizer, k], 120)) for k in (sharp, blunt)]
        assert p[0] > SUITE_RATE > p[1]


def test_adai_in_one_coordinate_is_momentum(found):
    lines = {(one["optimizer"], one["sharpness"]): one["rate"] for one in found["lines"]}
    for k in (1.0, 1.0, 4.0):
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
    kept = times_of(out / "points")
    assert 3 <= len([name for name in kept if name.endswith(".json")]) < POINTS + LINES
    last = said.splitlines()[-1]
    assert last.startswith(
        f"diffusion-lab: interrupted; {sum(name.endswith('.json') for name in kept)} results are kept"
    )
    assert f"{out}/points" in last
    assert not (out / "escape.json").exists()

    for path in (whole / "points").glob("line-*"):
        shutil.copy2(path, out / "points")
    done = command("--quick", "--threads", 2, "--out", out)
    assert done.returncode == 0, done.stderr
    after = times_of(out / "points")
    assert after.keys() == times_of(whole / "points").keys()
    assert all(after[name] == kept[name] for name in kept if name.endswith(".json") and not name.startswith("line"))
    assert (out / "escape.json").read_bytes() == (whole / "escape.json").read_bytes()
    assert done.stdout.splitlines()[:-1] == quick[1].stdout.splitlines()[:-1]


def test_a_second_start_computes_nothing_and_deleted_points_alone_are_computed_again(quick, tmp_path):
    whole, out = quick[0], tmp_path / "again"
    shutil.copytree(whole / "points", out / "points", copy_function=shutil.copy2)
    before = times_of(out / "points")

    def again():
        escape.write(escape.run(out=out, quick=True, threads=1), out)
        assert (out / "escape.json").read_bytes() == (whole / "escape.json").read_bytes()
        after = times_of(out / "points")
        assert after.keys() == before.keys()
        return {name for name in before if after[name] != before[name]}

    assert again() == set()
    gone = {name for name in before if "-sgd-discrete-" in name or name.startswith("line-parabolas-piecewise-sgd-4-")}
    assert len(gone) == 5
    for name in gone:
        (out / "points" / name).unlink()
    assert again() == gone


def test_points_of_another_seed_are_others(tmp_path):
    """A run with another seed in the same directory does not take these for its own."""
    one, other = (escape.plan(full=False, quick=True, seed=seed) for seed in (0, 1))
    [first, second] = [point.result(tmp_path, 1) for point in (one[3], other[3])]
    assert first["rate"] != second["rate"]
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_points_of_another_learning_rate_or_scheme_are_others(tmp_path, monkeypatch):
    """Not taken for those that are kept, without anyone having to think of it."""
    point = escape.plan(full=False, quick=True, seed=0)[3]
    point.result(tmp_path, 1)
    monkeypatch.setitem(
        settings()[point.setting].lr, point.optimizer, 1.01 * settings()[point.setting].lr[point.optimizer]
    )
    point.result(tmp_path, 1)
    monkeypatch.setattr("experiments.sharpness.points.SUBSTEPS", 16)
    point.result(tmp_path, 1)
    assert len(list(tmp_path.glob("*.json"))) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--full", "--quick"], "full = True and quick = True contradict each other"),
        (["--seed", "-1"], "seed = -1 must be a whole number >= 0"),
        (["--out", __file__], "is a file; give a directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_command_lines_get_one_line_and_status_2(arguments, message):
    done = command(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


# --- points and settings


def test_a_too_blunt_minimum_is_refused_with_what_it_would_take():
    """The stated exponent is right, the stated time within a factor 3 of the exact one."""
    point = points.Point("parabolas-piecewise", 1, "SGD", "sde", 0.2, 100, 0)
    with pytest.raises(ValueError, match=r"sharpness = 0\.2: barrier over temperature is 40 for SGD") as refused:
        points.measure(point)
    words = str(refused.value)
    stated = float(words.split("about ")[1].split(" iterations")[0])
    exact = 1 / exact_rate(settings()[point.setting], "SGD", 0.2)["rate"]
    assert 1 / 3 < stated / exact < 3
    hours = float(words.split("about ")[2].split(" hours")[0])
    assert hours == pytest.approx(stated * 100 * points.SUBSTEPS * 2e-9 / 3600, rel=0.1)
    assert "use theory.first_passage_time or diffusion.fokker_planck, or a sharper minimum" in words
    assert (
        points.refuse_long(settings()[point.setting], points.Point("parabolas-piecewise", 1, "SGD", "sde", 4.0, 100, 0))
        > 0
    )
    with pytest.raises(ValueError, match="sharpness = 0 must be a finite number above 0"):
        StyblinskiTang(1, sharpness=0)


def test_point_that_cannot_be_measured_has_a_reason_is_not_kept_and_is_in_no_fit(tmp_path):
    """A learning rate beyond the stability bound, among points that are whole."""
    plan = escape.plan(full=False, quick=True, seed=0)
    whole = [point for point in plan if (point.optimizer, point.route) == ("SGD", "discrete")]
    found = [point.result(tmp_path, 1) for point in [*whole, replace(whole[0], factor=100.0)]]
    kept = len(list(tmp_path.iterdir()))
    outcome = escape.Outcome(points=found)
    assert [one["fault"] for one in outcome.failed] == [found[-1]["fault"]]
    assert "is unstable" in found[-1]["fault"]
    assert kept == len(whole)
    assert escape.fits(outcome) == escape.fits(escape.Outcome(points=found[:-1]))
    escape.write(outcome, tmp_path)
    assert json.loads((tmp_path / "escape.json").read_text())["points"][-1]["rate"] is None


def test_every_point_of_every_run_is_within_the_limit():
    for full in (False, True):
        for point in escape.plan(full=full, quick=False, seed=0) + escape.collapse_plan(0):
            if point.route not in ("torch", "splitting"):
                points.refuse_long(settings()[point.setting], point)


@pytest.mark.parametrize("key", CLEAN)
def test_clean_settings_have_one_exponent_and_one_step(key):
    """Barrier over temperature is 8 at k = 1 and scales like 1/k, of Adam like 1/sqrt(k)."""
    setting = settings()[key]
    start = setting.positions(1.0)[0]
    curvature = float(setting.landscape(1, 1.0).hessian_diagonal(np.array([start]))[0])
    for optimizer in OPTIMIZERS:
        assert setting.exponent(optimizer, 1.0) == pytest.approx(8, rel=1e-6)
        power = 0.5 if optimizer == "Adam" else 1.0
        for k in (0.25, 4.0):
            assert setting.exponent(optimizer, k) == pytest.approx(8 * k**-power, rel=1e-6)
            assert setting.exponent(optimizer, k, factor=2.0) == pytest.approx(4 * k**-power, rel=1e-6)
    assert setting.lr["SGD"] * curvature == pytest.approx(STEP) == 0.05
    assert setting.lr["Adai"] == setting.lr["SGD"] == pytest.approx(setting.lr["Momentum"] / (1 - BETA1))


@pytest.mark.parametrize("k", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("key", CLEAN)
def test_papers_rates_are_its_formulas(key, k):
    """Theorem 3, Propositions 2 and 4, written out here; the landscape is a height times known curvatures and split."""
    setting = settings()[key]
    if key.startswith("parabolas"):
        barrier, h_a, h_b, split = 0.5, 1.0, 4.0, 0.8
        height = float(setting.landscape(1, 1.0).hessian_diagonal(np.array([0.0]))[0])
    else:
        crest, inflection, low = 0.156731254, np.sqrt(16 / 6), 2.746802770

        def loss(u):
            return (u**4 - 16 * u**2 + 5 * u) / 2

        h_a, h_b, barrier = 6 * low**2 - 16, 16 - 6 * crest**2, loss(crest) - loss(low)
        split = (loss(inflection) - loss(low)) / barrier
        height = setting.landscape(1, 1.0).height
    h_a, h_b, barrier = height * k * h_a, height * k * h_b, height * barrier
    if key.endswith("frozen"):
        split = 1.0
    share = split / h_a + (1 - split) / h_b
    for optimizer in OPTIMIZERS:
        lr = setting.lr[optimizer]
        if optimizer == "Adam":
            root = split / np.sqrt(h_a) + (1 - split) / np.sqrt(h_b)
            factor = np.sqrt(1 + 4 * lr * np.sqrt(h_b) / (1 - BETA1)) + 1
            time = np.pi * factor * (h_b / h_a) ** 0.25 / h_b * np.exp(2 * barrier / lr * root)
            iterations = time * np.sqrt(h_b) / lr
        else:
            friction = 1 - BETA1 if optimizer == "Momentum" else 1.0  # gamma M of the heavy ball
            inertia = {"SGD": 0.0, "Momentum": 4 * h_b * lr / (1 - BETA1) ** 2, "Adai": 4 * lr * h_b / BETA0}[optimizer]
            iterations = np.pi * (np.sqrt(1 + inertia) + 1) / h_b * np.exp(2 * friction * barrier / lr * share) / lr
        assert paper_rate(setting, optimizer, k, 1) == pytest.approx(1 / iterations, rel=1e-6)
        if optimizer != "Adai":  # whose mean second moment would have the other coordinates in it
            assert paper_rate(setting, optimizer, k, 10) == pytest.approx(10 / iterations, rel=1e-6)


def test_expected_iterations_are_near_the_exact_ones():
    """What points are refused by and censored at 60 times of: within a factor 4 of SGD's."""
    for key in CLEAN:
        setting = settings()[key]
        for k in (1.0, 4.0):
            ratio = expected_iterations(setting, "SGD", k, 1) * exact_rate(setting, "SGD", k)["rate"]
            assert 1 / 4 < ratio < 4
