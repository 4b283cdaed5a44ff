"""Evidence: rows become arrays that keep what each row knows; tests and intervals are those of the samples' laws."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import xarray

from experiments.referee.evidence import ROW, Evidence, Measured, Row, Sample
from experiments.referee.faults import Fault, MeanExit
from experiments.referee.laws import MeanSquare, Student
from experiments.referee.routes import Routes, told


def rows():
    whole = {"simulated": Sample(1.1, MeanSquare(200), 1.0)}
    lost = {"simulated": Sample(np.nan, MeanSquare(0), 1.0, fault=Fault("diverged"))}
    yield Row({"exit": "at", "barrier": 2.0, "k": [1.0, 3.0]}, {"paper": 2.0, "exact": 1.0}, whole)
    yield Row({"exit": "beyond", "barrier": 2.0, "k": [1.0, 9.0]}, {"exact": 3.0}, lost, {"grid": (0.1, 0.2)})


def test_rows_become_arrays_that_keep_what_each_row_knows():
    evidence = Evidence.of_rows("SGD", "time", rows())
    assert evidence.data.sizes == {ROW: 2}
    np.testing.assert_array_equal(evidence.data["paper"], [2.0, np.nan])
    np.testing.assert_array_equal(evidence.ratio, [2.0, np.nan])
    np.testing.assert_array_equal(evidence.data["simulated"], [1.1, np.nan])
    assert evidence.data["k"].values[1] == [1.0, 9.0]
    assert evidence.where(exit="beyond")["exact"].item() == 3.0
    assert evidence.where(exit=("at", "beyond")).sizes[ROW] == 2
    assert evidence.checks["grid"][0].tolist() == [-np.inf, 0.1]
    assert [fault.reason for _, fault in evidence.faults] == ["diverged"]
    assert evidence.tests == 1


def test_a_row_without_a_finite_reference_is_missing_and_one_without_the_paper_s_value_is_not():
    evidence = Evidence.of_rows("SGD", "time", [Row({}, {"paper": np.nan, "exact": 1.0}), Row({}, {"exact": np.inf})])
    assert evidence.missing.tolist() == ["", "no finite value of exact"]
    assert evidence.why_missing == "no finite value of exact"


def test_a_sample_whose_expectation_is_no_number_is_a_fault_and_one_without_expectation_is_not_tested():
    samples = [Sample(1.0, MeanSquare(100), np.nan), Sample(1.0, MeanSquare(100))]
    evidence = Evidence.of_rows("SGD", "time", [Row({}, {"exact": 1.0}, {"shipped": sample}) for sample in samples])
    assert [fault.reason for _, fault in evidence.faults] == ["what it should find is not known"]
    assert np.isnan(evidence.measured["shipped"].p_value()).all()
    np.testing.assert_array_equal(evidence.data["shipped"], [np.nan, 1.0])


def test_an_allowance_moves_the_expectation_towards_the_value_and_widens_what_is_detectable():
    law = MeanSquare(np.array([200.0]))
    value, expected = np.array([1.3]), np.array([1.0])
    strict, lenient = Measured(value, law, expected), Measured(value, law, expected, allowance=0.1)
    assert lenient.p_value() == law.p_value(1.3, 1.1) > strict.p_value()
    assert lenient.detectable(0.01) == pytest.approx(1.1 * (1 + strict.detectable(0.01)) - 1)
    assert Measured(value, law, expected, allowance=0.5).p_value() == law.p_value(1.0, 1.0)


def test_two_samples_count_as_one_of_their_harmonic_size():
    assert MeanSquare.of_times(300, 150).effective == 200
    mean = MeanExit(10.0, 300)
    sample = Sample.of(mean, 10.0, other=150, unit=2.0)
    assert sample.value == 20.0
    assert sample.law.p_value(20.0, 20.0) > 0.9


def test_student_s_interval_and_test_agree():
    law = Student(0.1, 8)
    low, high = law.interval(1.0)
    assert law.p_value(1.0, high) == pytest.approx(0.05)
    assert law.p_value(1.0, low) == pytest.approx(0.05)


def test_stored_evidence_is_netcdf_with_pairs_as_json(tmp_path):
    evidence = Evidence.of_rows("SGD", "time", rows())
    evidence.storable().to_netcdf(tmp_path / "e.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "e.nc", engine="scipy") as data:
        assert data["k"].values[1] == "[1.0, 9.0]"
        assert data.attrs["subject"] == "SGD"
        np.testing.assert_array_equal(data["simulated"], evidence.data["simulated"])


# --- what an ensemble's seed is made of


@dataclass(frozen=True)
class Before:
    lr: float
    style: str = "ema"


@dataclass(frozen=True)
class Optimizer:
    lr: float
    style: str = "ema"
    nesterov: bool = field(default=False, kw_only=True)


def test_the_text_of_a_seed_is_the_representation_without_later_fields_at_their_defaults():
    before, after = told(Before(0.1), 2.0, {"a": 1}), told(Optimizer(0.1), 2.0, {"a": 1})
    assert before == repr((Before(0.1), 2.0, {"a": 1}))
    assert after == before.replace("Before", "Optimizer")
    assert "nesterov=True" in told(Optimizer(0.1, nesterov=True))


def test_seeds_differ_with_the_run_and_with_what_they_are_for():
    seeds = {Routes(1, 1, seed).seed_of(text) for seed in (0, 1) for text in ("a", "b")}
    assert len(seeds) == 4
    assert Routes(1, 1, 0).seed_of("a") in seeds


def test_what_is_computed_once_is_computed_once_and_announced():
    said = []
    routes = Routes(1, 1, on_start=said.append)
    assert routes.once("key", lambda: 1, "title") == routes.once("key", lambda: 2, "title") == 1
    assert said == ["title"]
