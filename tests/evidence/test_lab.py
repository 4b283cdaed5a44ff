"""The lab: tasks in workers, their store, and what becomes of those that fail."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import lab_tasks

from experiments.evidence import store
from experiments.evidence.lab import Lab, failure
from experiments.evidence.training import Recipe
from experiments.referee.routes import Routes

SETTINGS = [{"seed": seed} for seed in range(4)]


@pytest.fixture
def lab(tmp_path):
    return Lab(out=tmp_path, threads=1)


def test_numbers_are_the_same_bits_for_any_number_of_workers(lab, tmp_path):
    alone = lab.each(lab_tasks.failing, SETTINGS)
    several = Lab(out=tmp_path / "several", threads=2)
    try:
        together = several.each(lab_tasks.failing, SETTINGS)
    finally:
        several.close()
    assert [failure(arrays) for arrays in alone] == [
        "",
        "ArithmeticError: seed 1 is odd",
        "",
        "ArithmeticError: seed 3 is odd",
    ]
    assert [failure(arrays) for arrays in together] == [failure(arrays) for arrays in alone]
    for first, second in zip(alone[::2], together[::2], strict=True):
        assert np.array_equal(first["sum"], second["sum"])
        assert first["threads"] == second["threads"] == 1


def test_what_is_finished_is_not_done_again_and_what_is_damaged_is(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACES", str(tmp_path))
    first = lab.each(lab_tasks.traced, SETTINGS)
    again = lab.each(lab_tasks.traced, SETTINGS[::-1])[::-1]
    assert all(np.array_equal(early["sum"], late["sum"]) for early, late in zip(first, again, strict=True))
    path = store.path_of(lab.out / "stores", lab_tasks.traced, SETTINGS[2])
    path.write_bytes(path.read_bytes()[:300])
    lab.each(lab_tasks.traced, SETTINGS)
    assert [(tmp_path / str(seed)).read_text() for seed in range(4)] == ["x", "x", "xx", "x"]


def test_an_interrupted_run_goes_on(lab, monkeypatch):
    done = []

    def interrupted(task, arguments, path):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(arguments)
        return work(task, arguments, path)

    from experiments.evidence import lab as module

    work = module.work
    monkeypatch.setattr(module, "work", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.each(lab_tasks.draws, SETTINGS)
    done[:] = done[:1]
    with pytest.raises(KeyboardInterrupt):
        lab.each(lab_tasks.draws, SETTINGS)
    assert done == SETTINGS[:1] + SETTINGS[2:3]


def test_a_long_task_goes_on_from_what_it_keeps(lab):
    with pytest.raises(KeyboardInterrupt):
        lab.each(lab_tasks.slow, SETTINGS[:1])
    assert [path.suffix for path in (lab.out / "stores").iterdir()] == [".part"]
    assert lab.each(lab_tasks.slow, SETTINGS[:1])[0]["seed"] == 0
    assert [path.suffix for path in (lab.out / "stores").iterdir()] == [".npz"]


def test_a_result_is_void_once_arguments_code_or_files_differ(tmp_path, monkeypatch):
    file = tmp_path / "mine.py"
    file.write_text("1")

    def path(**arguments):
        return store.path_of(tmp_path, lab_tasks.draws, arguments)

    of_array = path(seed=np.arange(3.0))
    assert of_array == path(seed=np.arange(3.0)) != path(seed=np.arange(3.0) + 1e-12)
    before = path(seed=f"{file}:net")
    assert path(seed=f"{file}:net") == before
    file.write_text("1 + 1")
    assert path(seed=f"{file}:net") != before
    assert path(seed=1) != path(seed=2)
    assert path(seed=1) != store.path_of(tmp_path, lab_tasks.failing, {"seed": 1})


def test_the_sources_that_count_are_those_that_a_task_imports():
    counted = {path.name for path in store.sources(Path(store.__file__).with_name("training.py"))}
    assert {"training.py", "optimizers.py", "sets.py", "small.py"} <= counted
    assert not {"lab.py", "job.py", "claim.py"} & counted


def test_a_run_that_diverges_says_so_and_one_that_fails_costs_all_of_them(lab):
    recipe = Recipe(samples=64, batch_size=32, epochs=1, model="residual")
    good, diverged = lab.runs([recipe, Recipe(**recipe.as_arguments | {"lr": 1e30})])
    assert good.fault == ""
    assert diverged.fault.startswith("diverged at iteration")
    with pytest.raises(ValueError, match="training: ValueError: samples = 1000000"):
        lab.runs([recipe, Recipe(samples=10**6)])


def test_where_none_may_fail_the_first_reason_is_told(lab):
    assert len(lab.whole(lab_tasks.failing, SETTINGS[::2])) == 2
    with pytest.raises(ValueError, match="sums: ArithmeticError: seed 1 is odd"):
        lab.whole(lab_tasks.failing, SETTINGS, "sums")


def test_a_lab_is_what_diffusion_lab_evidence_has():
    with pytest.raises(ValueError, match="try it by diffusion-lab evidence"):
        Lab.of(Routes(1, 1))


@pytest.mark.long
def test_a_worker_that_dies_costs_what_is_under_way_and_no_more(tmp_path):
    lab = Lab(out=tmp_path, threads=2)
    try:
        assert all("BrokenProcessPool" in failure(arrays) for arrays in lab.each(lab_tasks.dying, SETTINGS[1:]))
        assert not any(failure(arrays) for arrays in lab.each(lab_tasks.draws, SETTINGS))
    finally:
        lab.close()
