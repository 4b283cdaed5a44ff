"""The benchmark: contestants compute the same thing, and the table says what was measured."""

import json
import platform
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

from benchmarks import (
    contests,
    fresh,
    machine,
    measure,
    ours,
    peer_numba,
    peer_numpy,
    reference,
    rows,
    targets,
    workloads,
)
from benchmarks.measure import Timing
from benchmarks.rows import Row
from benchmarks.workloads import EVERY, Contestant, Size

SMALL = Size(replicas=1000, iterations=3 * EVERY)
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="the C reference needs gcc")


@needs_gcc
@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-9), ("mixed", 1e-6)])
@pytest.mark.parametrize("size", [SMALL, Size(300, 2 * EVERY, 3)], ids=["A", "ragged"])
def test_c_reference_makes_the_same_draws(precision, tolerance, size):
    """Equal MSDs; in float32, a normal's last bit depends on which products the compiler fuses with sums."""
    c = reference.workload_a(size, precision, seed=2**40 + 7).run()
    np.testing.assert_allclose(c, ours.workload_a(size, precision=precision, seed=2**40 + 7).run(), rtol=tolerance)


def test_c_reference_without_gcc_says_so(monkeypatch):
    monkeypatch.setattr(reference.shutil, "which", lambda name: None)
    with pytest.raises(workloads.UnavailableError, match="no gcc"):
        reference.compile_reference.__wrapped__()


@pytest.mark.parametrize("peer", [peer_numpy, peer_numba], ids=lambda peer: peer.__name__)
def test_peers_of_a_compute_the_same(peer):
    """Welch's test on the MSDs of the coordinates, which are independent and equal in law, at each time."""
    theirs, mine = peer.workload_a(SMALL).run(), ours.workload_a(SMALL).run()
    pvalues = stats.ttest_ind(theirs, mine, axis=1, equal_var=False).pvalue
    assert pvalues.min() > SUITE_RATE / len(pvalues)


@pytest.mark.parametrize("peer", [peer_numpy, peer_numba], ids=lambda peer: peer.__name__)
def test_peers_of_b_compute_the_same(peer):
    """Kolmogorov-Smirnov test on the exit times up to a cap; ties at the cap only make it milder."""
    size = Size(replicas=500, iterations=3000)
    assert stats.ks_2samp(peer.workload_b(size).run(), ours.workload_b(size).run()).pvalue > SUITE_RATE


def test_numpy_reports_every_exit_once_and_the_cap_for_the_others():
    steps = peer_numpy.workload_b(Size(replicas=50, iterations=3000)).run()
    assert steps.shape == (50,)
    assert set(steps) - {3000.0}
    assert steps.min() >= 1
    assert steps.max() <= 3000


def timing(name, ns, result=None, size=SMALL):
    return Timing(Contestant(name, size, lambda: result), list(ns), list(ns), result)


def test_ratios_are_taken_within_a_round():
    timings = {"slow": timing("slow", [10, 40]), "fast": timing("fast", [1, 2])}
    assert targets.ratio(timings, "slow", "fast") == [10, 20]
    assert targets.ratio(timings, "slow", "missing") == []


@pytest.mark.parametrize(
    ("row", "verdict", "target"),
    [
        (Row("g", "w", [14, 15, 99], at_least=15), "met", ">= 15"),
        (Row("g", "w", [14, 14.9, 99], at_least=15), "missed", ">= 15"),
        (Row("g", "w", [1.3], at_most=1.3), "met", "<= 1.3"),
        (Row("g", "w", [1.31], at_most=1.3), "missed", "<= 1.3"),
        (Row("g", "w", [0.5], at_least=0.9, at_most=1.1), "missed", "0.9 to 1.1"),
        (Row("g", "w", [2.0]), "", ""),
        (Row("g", "w", [], at_least=15, note="no gcc"), "skipped", ">= 15"),
    ],
)
def test_a_target_is_met_or_missed_by_the_median(row, verdict, target):
    assert (row.verdict, row.target) == (verdict, target)
    text = rows.table([row], ["a machine"])
    assert verdict in text
    assert target in text
    assert row.note in text
    assert "a machine" in text


def test_a_missing_peer_is_skipped_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    entered, skipped = contests.workload_a(quick=True)
    assert contests.JAX not in [contestant.name for contestant in entered]
    timings = {one.name: timing(one.name, [1.0], np.ones((1, 10)) + np.arange(10)) for one in entered}
    row = next(row for row in targets.rows_a(timings, skipped) if row.what == contests.JAX and row.at_least)
    assert row.verdict == "skipped"
    assert "bench" in row.note


def test_a_wrong_contestant_is_noticed():
    right = timing("right", [1.0], ours.workload_a(SMALL).run())
    wrong = timing("wrong", [1.0], 1.5 * right.result)
    assert measure.disagreement(right, right) == 0
    assert measure.disagreement(right, wrong) > targets.AGREE


def test_exponents_are_recovered():
    sizes = {n: timing(str(n), [3 * n**0.5, 7 * n]) for n in (1, 2, 4)}
    assert targets.exponents(sizes) == pytest.approx([0.5, 1.0])


@pytest.mark.long
def test_vectors_of_a_kernel_are_counted_where_it_is_compiled(tmp_path):
    cold, cached = (fresh.child(tmp_path, "first_result", str(time.time()), "built-in")["vectors"] for _ in range(2))
    assert bool(cold) == (platform.machine() == "x86_64")
    assert cached == {}


def test_machine_is_named_and_every_row_fits_json():
    assert machine.describe()["processor"]
    assert json.loads(json.dumps(Row("g", "w", [], note="why").record(), allow_nan=False))["median"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "0"], "threads = 0 must be a whole number >= 1"),
        (["--out", __file__], "is a file; give a directory"),
        (["--quik"], "--quick"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_command_lines_get_one_line_and_status_2(arguments, message, refusal):
    assert message in refusal("bench", *arguments)


def test_help_shows_examples_and_loads_nothing_heavy():
    code = "import sys; sys.argv = ['x', 'bench', '--help']; import experiments.cli as c\n"
    code += "try:\n c.app()\nexcept SystemExit: pass\n"
    code += "print([m for m in ('numba', 'xarray', 'matplotlib', 'torch', 'jax', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "diffusion-lab bench --quick" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
