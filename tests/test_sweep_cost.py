"""What a sweep will cost, estimated from trials."""

from types import SimpleNamespace

import pytest
import sweeps
from sweeps import own

from experiments.sweep import (
    cost,
)
from experiments.sweep.layout import Layout


def test_cost_is_estimated_from_trials():
    """The time of a sweep of known updates, within the spread of a busy machine."""
    asked = own(measure={"name": "own_measure:curvature", "boundary": None, "pause": 0.05})
    found = cost.estimate(Layout.of(asked))
    assert found.hours * 3600 == pytest.approx(0.15, rel=0.5)
    assert found.trials == 3
    assert found.files == 3 * (2 + 2)
    assert not found.large
    assert cost.estimate(Layout.of(asked), 1 / 3).hours < found.hours


@pytest.fixture
def passing(monkeypatch):
    """Seconds pass for estimates of cost when they are told to, whatever else the machine does."""
    now = [0.0]

    def pass_by(seconds):
        now[0] += seconds

    monkeypatch.setattr(cost, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    return pass_by


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (lambda factor, known: 0.5 * (not known), 2 * 0.5),  # the points share code: once in each of 2 processes
        (lambda factor, known: 0.2 * (factor not in known), 3 * 0.2),  # each point has code of its own
        (lambda factor, known: 0.0, 0.0),  # there is none
    ],
)
def test_cost_counts_compilation(monkeypatch, passing, seconds, expected):
    """By a measurement that takes so much longer when it is first run."""
    known = []

    def run(here, options, seed):
        passing(0.01 + seconds(options["factor"], known))
        known.append(options["factor"])

    layout = Layout.of(own())
    monkeypatch.setattr(cost, "named", lambda name: SimpleNamespace(unit="replicas", run=run))
    found = cost.estimate(layout, processes=2)
    assert found.compiling * 3600 == pytest.approx(expected)
    assert found.hours * 3600 == pytest.approx(3 * 0.01 + expected)
    assert ("to compile" in str(found)) == (expected > 0)


def test_cost_of_code_that_is_kept_on_disk_is_not_counted_again(monkeypatch, passing):
    def run(here, options, seed):
        passing(0.01)
        if not cost.compiler.kept:
            passing(0.3)
            cost.compiler.kept += 0.3

    layout = Layout.of(own())
    monkeypatch.setattr(cost, "named", lambda name: SimpleNamespace(unit="replicas", run=run))
    monkeypatch.setattr(cost.compiler, "kept", 0.0)
    assert cost.estimate(layout, processes=100).compiling == pytest.approx(0)


def test_a_large_sweep_wants_a_yes(tmp_path, here):
    path = sweeps.description(tmp_path / "a.toml", replicas=2_000_000, block=2000, low=0.5)
    done = here("sweep", path, "--out", tmp_path / "a.zarr")
    assert done.returncode == 2
    assert "core-hours" in done.stderr
    assert "begin with --yes" in done.stderr
    assert not (tmp_path / "a.zarr").exists()
