"""What the store of a sweep holds, refuses, and finds damaged, without any scheduler."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import sweeps
import xarray
from sweeps import own, run_here, sweep

from experiments.sweep import (
    Store,
    check,
    provenance,
    report,
    tasks,
)
from experiments.sweep.lock import locked


@pytest.fixture(autouse=True)
def _forget_open_stores():
    tasks._opened.cache_clear()


def test_a_running_sweep_can_be_read(tmp_path):
    store = Store.create(tmp_path / "a.zarr", own())
    tasks.run(str(store.path), 0.0, 1, 0)
    found = xarray.open_zarr(store.path).compute()
    assert found["done"].values.tolist() == [[False], [True], [False]]
    assert np.isnan(found["curvature"].values).tolist() == [True, False, True]
    assert "no driver runs" in report.status(store.path)[0]


def test_a_store_with_other_parameters_is_refused_and_the_difference_named(tmp_path):
    Store.create(tmp_path / "a.zarr", own())
    with pytest.raises(ValueError, match=r"axes.factor.labels is \[1.0, 2.0, 3.0\] there and \[1.0\] here"):
        check(own(axes={"factor": [1.0]}), tmp_path / "a.zarr", resume=True)
    with pytest.raises(ValueError, match=r"dynamics\.lr is 0\.316 there and 0\.3 here"):
        check(own(dynamics={"lr": 0.3}), tmp_path / "a.zarr", resume=True)
    with pytest.raises(ValueError, match="exists; go on with it"):
        check(own(), tmp_path / "a.zarr", resume=False)
    assert check(own(), tmp_path / "a.zarr", resume=True) == 1.0


@pytest.mark.parametrize(
    ("attribute", "key", "message"),
    [("physics", "source", "physics"), ("own_sources", "own_measure:curvature", "source of")],
)
def test_a_store_of_another_version_is_refused(tmp_path, attribute, key, message):
    import zarr

    store = Store.create(tmp_path / "a.zarr", own())
    group = zarr.open_group(store.path, mode="r+", use_consolidated=False)
    there = json.loads(group.attrs[attribute])
    assert key in there
    group.attrs[attribute] = json.dumps(there | {key: "0123"})
    with pytest.raises(
        ValueError, match=f"begun with another .*{message}: {key} is 0123 there and [0-9a-f]{{16}} here"
    ):
        check(own(), store.path, resume=True)
    with pytest.raises(ValueError, match="begun with another"):
        tasks.run(str(store.path), 0.0, 0, 0)


def test_a_second_driver_is_refused(tmp_path):
    store = Store.create(tmp_path / "a.zarr", own())
    with locked(store.path) as lock:
        assert f"driver: process {os.getpid()} on" in report.status(store.path)[0]
        assert "starting" in report.status(store.path)[0]
        lock.tell(total=401, computed=101, since=(time.time() - 60, 1))
        assert "about 3 minutes left" in report.status(store.path)[0]
        with pytest.raises(ValueError, match=f"is in use by process {os.getpid()}"), locked(store.path):
            pass
    assert "no driver runs" in report.status(store.path)[0]
    store.path.with_name("a.zarr.lock").write_text(
        '{"pid": 1, "host": "dead", "computed": 3, "total": 9, "since": [0, 1]}'
    )  # of one killed
    assert "no driver runs" in report.status(store.path)[0]
    with locked(store.path):
        assert f"driver: process {os.getpid()} on" in report.status(store.path)[0]
        assert "starting" in report.status(store.path)[0]
    assert not store.path.with_name("a.zarr.lock").exists()


def test_a_worker_computes_with_what_it_imported_and_says_so(tmp_path, monkeypatch):
    """A module changes on disk after it was imported: no store begun with the new file is computed with the old."""
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "def value(factor):\n    return {{'v': {0} * factor}}\nvalue.variables = ('v',)\n"
    text += "ready = __import__('diffusion').StyblinskiTang({0})\n"
    (tmp_path / "changing.py").write_text(text.format(1))
    asked = sweep(measure={"name": "changing:value", "boundary": None}, axes={"factor": [1.0]})
    ready = sweep(landscape={"name": "changing:ready", "dimension": None, "height": None}, axes={"lr": [0.1]})
    before = provenance.own_sources(asked) | provenance.own_sources(ready)
    assert len(set(before.values())) == 1
    (tmp_path / "changing.py").write_text(text.format(2))
    store = Store.create(tmp_path / "a.zarr", asked)
    assert provenance.own_sources(asked)["changing:value"] == before["changing:value"]  # of what it computes with
    new = "import sys; from experiments.sweep import Store; Store.open(sys.argv[1]).check_physics()"
    path = os.pathsep.join([str(sweeps.ROOT), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, "-c", new, store.path], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert "begun with another source of: changing:value is" in done.stderr


def test_a_reason_without_its_flag_is_of_a_task_that_was_killed(tmp_path):
    """Between the two; computed again and well, the point has not failed."""
    store = Store.create(tmp_path / "a.zarr", own())
    store._arrays["reason"][1, 0] = "killed before it was done"
    assert not store.survey().failed.any()
    for point in range(3):
        tasks.run(str(store.path), 0.0, point, 0)
    assert store.why(1) == ""
    assert store.survey().complete.all()


@pytest.mark.parametrize("flag", ["done/c/1/0", "complete/c/1"])
def test_an_empty_flag_is_none(tmp_path, flag):
    """As a loss of power leaves files."""
    store = run_here(own(), tmp_path / "a.zarr")
    (store.path / flag).write_bytes(b"")
    (store.path / "done" / "c" / "1" / ".nfs0001").write_bytes(b"x")
    assert store.survey().complete.all() != store.survey().done.all()
    assert check(own(), store.path, resume=True) == pytest.approx(1 / 3 if "complete" in flag else 0)


def test_what_killed_processes_left_is_removed(tmp_path):
    store = run_here(own(), tmp_path / "a.zarr")
    left = store.path / "curvature" / "c" / "1.0123.partial"
    left.write_bytes(b"x")
    assert list(store.survey().damaged()) == []
    assert not left.exists()


def test_many_points_are_looked_at_quickly(tmp_path):
    """Ten thousand of four blocks: none of their 40,000 reasons is read."""
    factors = {"start": 0, "stop": 1, "count": 10_000}
    store = Store.create(
        tmp_path / "a.zarr",
        sweep(
            measure={"name": "msd", "replicas": 4, "block": 1, "iterations": 1, "boundary": None}, axes={"lr": factors}
        ),
    )
    began = time.monotonic()
    report.results(store.path)
    report.status(store.path)
    assert time.monotonic() - began < 5


def test_failed_tasks_count_as_left_when_they_are_tried_again(tmp_path):
    store = run_here(own(axes={"factor": [1.0, -1.0]}), tmp_path / "a.zarr")
    assert check(store.sweep, store.path, resume=True) == 0
    assert check(store.sweep, store.path, resume=True, retry=True) == 0.5


@pytest.mark.parametrize("harm", ["truncated", "missing", "longer"])
def test_a_chunk_that_is_not_whole_is_found(tmp_path, harm):
    store = run_here(own(), tmp_path / "a.zarr")
    chunk = store.path / "curvature" / "c" / "1"
    match harm:
        case "truncated":
            chunk.write_bytes(chunk.read_bytes()[:5])
        case "missing":
            chunk.unlink()
        case _:
            chunk.write_bytes(chunk.read_bytes() + b"0")
    survey = store.survey()
    assert list(survey.damaged()) == [(1, 0)]
    survey.forget(1, 0)
    assert store.survey().done.tolist() == [[True], [False], [True]]
    tasks.run(str(store.path), 0.0, 1, 0)
    assert list(store.survey().damaged()) == []


def test_a_flipped_bit_is_not_read(tmp_path):
    store = run_here(own(), tmp_path / "a.zarr")
    chunk = store.path / "curvature" / "c" / "1"
    harmed = bytearray(chunk.read_bytes())
    harmed[3] ^= 1
    chunk.write_bytes(harmed)
    with pytest.raises(ValueError, match=r"(?i)checksum"):
        xarray.open_zarr(store.path)["curvature"].compute()


def test_export_to_netcdf(tmp_path):
    store = run_here(own(axes={"factor": [1.0, -1.0]}), tmp_path / "a.zarr")
    report.export(store.path, tmp_path / "a.nc")
    with xarray.open_dataset(tmp_path / "a.nc") as found:
        assert found["reason"].values.tolist() == [[""], ["ArithmeticError: factor = -1.0 is below 0"]]
        xarray.testing.assert_equal(found["curvature"], xarray.open_zarr(store.path)["curvature"].compute())
        assert json.loads(found.attrs["sweep"])["measure"]["name"] == "own_measure:curvature"
    with pytest.raises(ValueError, match="exists"):
        report.export(store.path, tmp_path / "a.nc")
    with pytest.raises(ValueError, match="no store of a sweep"):
        report.status(tmp_path)
