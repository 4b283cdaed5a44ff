"""Data of networks: readers of each format, what they refuse, and what a run takes of a data set."""

import os
import pickle
import stat
import time

import data_files
import numpy as np
import pytest
import torch

from experiments.evidence.data import find, readers, sets


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def test_idx_files_are_read_compressed_or_not(tmp_path):
    pixels, labels = data_files.made((8, 8), 1)
    data_files.write_idx(tmp_path)
    assert np.array_equal(readers.idx(tmp_path / "t10k-images-idx3-ubyte.gz"), pixels)
    assert np.array_equal(readers.idx(tmp_path / "t10k-labels-idx1-ubyte"), labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw[:-1], "elements, and its shape"),
        (lambda raw: raw + b"\0", "elements, and its shape"),
        (lambda raw: raw[:9], "cut off"),
        (lambda raw: b"P5" + raw, "is no IDX file"),
        (lambda raw: b"", "is empty"),
        (lambda raw: data_files.gzip.compress(raw)[:-20], "cut off or damaged"),
    ],
)
def test_damaged_idx_files_are_refused(path, change, message):
    path.write_bytes(change(data_files.idx(data_files.made((4, 4))[0])))
    with pytest.raises(ValueError, match=message):
        readers.idx(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(ValueError, match=f"{path} cannot be read"):
        readers.idx(path)


@pytest.mark.parametrize("fine", [False, True])
def test_batches_of_cifar_are_read(tmp_path, fine):
    known = sets.images(str(data_files.write_cifar(tmp_path, fine)))
    assert known.train.shape == (100 if fine else 500, 3, 32, 32)
    pixels, labels = data_files.made((3072,), 1 if fine else 5)
    assert np.array_equal(known.test.reshape(100, -1), pixels)
    assert np.array_equal(known.test_labels, labels)
    assert known.classes == 10


def test_a_pickle_that_tries_to_run_code_is_refused_and_runs_none(path, tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "run"),)

    path.write_bytes(pickle.dumps({b"data": Attack(), b"labels": []}))
    with pytest.raises(ValueError, match=r"asks for \w+\.mkdir, which data do not need: refused"):
        readers.cifar(path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (data_files.batch()[:-30], "is no pickle, or is cut off"),
        (pickle.dumps([1]), "holds a list"),
        (pickle.dumps({b"labels": [1]}), "is no batch of CIFAR"),
        (pickle.dumps({b"data": np.zeros((3, 3072), np.uint8), b"labels": [1, 2]}), "is no batch of CIFAR"),
        (pickle.dumps({b"data": np.zeros((2, 768), np.uint8), b"labels": [1, 2]}), "is no batch of CIFAR"),
    ],
)
def test_damaged_batches_of_cifar_are_refused(path, raw, message):
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        readers.cifar(path)


def test_texts_of_r_are_read(path):
    path.write_bytes(data_files.rdb(["It is a truth", "", None], ["Émma"]))
    assert readers.r_texts(path) == [["It is a truth", "", ""], ["Émma"]]


@pytest.mark.parametrize(
    "raw", [data_files.rdb(["a truth", "acknowledged"])[:-6], b"\0\0\0\4text", data_files.rdb(["a"])[:4]]
)
def test_damaged_texts_of_r_are_refused(path, raw):
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"cut off|damaged"):
        readers.r_texts(path)


def test_images_and_labels_that_do_not_fit_together_are_refused(tmp_path):
    data_files.write_idx(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(data_files.idx(np.zeros(99, np.uint8)))
    with pytest.raises(ValueError, match=r"labels of shape \(99,\)"):
        sets.images(str(tmp_path))
    labels.unlink()
    with pytest.raises(ValueError, match="has no train-labels-idx1-ubyte"):
        sets.images(str(tmp_path))
    with pytest.raises(ValueError, match="neither 'digits' nor a directory"):
        sets.images(str(labels))


def test_images_are_standardized_and_those_held_out_are_not_learnt_from():
    known, splits = sets.images("digits"), sets.split_images("digits", 1000, 297)
    assert len(known.train) + len(known.test) == 1797
    inputs, targets = splits.train
    assert inputs.shape == (1000, 1, 8, 8)
    assert abs(inputs.mean()) < 1e-6
    assert inputs.std() == pytest.approx(1)
    everything = torch.cat((inputs, splits.held_out[0])).flatten(1)
    assert len(everything.unique(dim=0)) == len(torch.from_numpy(known.train).flatten(1).unique(dim=0)) == 1297
    assert np.array_equal(np.sort(torch.cat((targets, splits.held_out[1])).numpy()), np.sort(known.train_labels))


def test_pooled_images_are_averages_of_squares(tmp_path):
    folder = str(data_files.write_idx(tmp_path))
    whole, pooled = sets.split_images(folder), sets.split_images(folder, pool=2)
    averages = torch.nn.functional.avg_pool2d(whole.train[0], 2)
    assert torch.allclose(pooled.train[0], (averages - averages.mean()) / averages.std(), atol=1e-5)
    with pytest.raises(ValueError, match="pool = 3"):
        sets.split_images(folder, pool=3)
    with pytest.raises(ValueError, match="samples = 90, held_out = 20"):
        sets.split_images(folder, 90, 20)


def test_a_text_is_foretold_one_character_ahead_and_tested_at_its_end(path):
    path.write_text("abcdefghij" * 10 + "!")
    splits = sets.split_text(str(path), held_out=2, tested=2, window=10)
    assert splits.classes == 11
    assert [len(part[0]) for part in (splits.train, splits.held_out, splits.test)] == [6, 2, 2]
    assert torch.equal(splits.train[1][:, :-1], splits.train[0][:, 1:])
    assert splits.test[1][-1, -1] == 0  # the exclamation mark
    with pytest.raises(ValueError, match="has 10 windows of 10 characters"):
        sets.split_text(str(path), 10, 1, 0, window=10)
    path.write_bytes(b"\xff\xfe\xfd")
    sets.text.cache_clear()
    with pytest.raises(ValueError, match="is no text in UTF-8"):
        sets.text(str(path))


def test_words_are_between_spaces_and_the_end_of_a_line_is_one(path):
    path.write_text("to be or\nnot to be")
    words = sets.text(str(path), "word")
    assert [words.tokens[code] for code in words.codes] == ["to", "be", "or", "<eos>", "not", "to", "be"]


def test_there_is_a_text_without_any_file():
    assert len(sets.text(sets.DOCUMENTATION).codes) > 300_000


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder of programs that is all there is, and an empty cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_a_package_is_unpacked_into_the_cache_once(programs, tmp_path):
    script(programs / "apt-get", "echo package > data.deb")
    script(programs / "dpkg-deb", f'/bin/mkdir -p "$3/{find.FASHION.inside}"')
    unpacked = find.found(find.FASHION, tmp_path)
    assert unpacked is not None
    assert unpacked.is_dir()
    assert tmp_path / "cache" in unpacked.parents
    (programs / "apt-get").unlink()
    assert find.found(find.FASHION, tmp_path) == unpacked
    assert [entry.name for entry in find.cache().iterdir()] == [find.FASHION.name]


@pytest.mark.parametrize(
    "programs_there",
    [{}, {"apt-get": "exit 100"}, {"apt-get": "echo > a.deb"}, {"apt-get": "echo > a.deb", "dpkg-deb": "exit 2"}],
)
def test_without_a_package_it_goes_on_at_once(programs, tmp_path, programs_there):
    for name, text in programs_there.items():
        script(programs / name, text)
    began = time.monotonic()
    assert find.found(find.NOVELS, tmp_path) is None
    assert time.monotonic() - began < 5
    assert list(find.cache().iterdir()) == []


def test_a_network_that_does_not_answer_is_waited_for_no_longer_than_stated(programs, tmp_path, monkeypatch):
    monkeypatch.setattr(find, "PATIENCE", 0.3)
    script(programs / "apt-get", "exec /bin/sleep 60")
    began = time.monotonic()
    assert find.found(find.NOVELS, tmp_path) is None
    assert time.monotonic() - began < 10
