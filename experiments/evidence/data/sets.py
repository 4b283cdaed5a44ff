"""Data sets by their source: a name or a path, as a `Recipe` states it; and what of them a run takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.evidence.data import readers

DIGITS = "digits"  # the source that needs no files: the 1,797 images inside scikit-learn's wheel
DIGITS_TESTED = 500
DOCUMENTATION = "python-documentation"  # the text that needs no files: python's own, in its standard library
END_OF_LINE = "<eos>"
ORDER = 20220707  # seed of the order in which images are taken: the same in all runs, whatever their own seed
IDX = {"train": "train", "test": "t10k"}
PAIR = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Images:
    """Labelled images.

    Attributes
    ----------
    name
        What they are.
    train, test
        Bytes of shape (N, channels, height, width).
    train_labels, test_labels
        Whole numbers of shape (N,), from 0.
    """

    name: str
    train: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            pixels, labels = getattr(self, part), getattr(self, f"{part}_labels")
            if pixels.ndim != 4 or labels.shape != pixels.shape[:1] or not len(labels):
                raise ValueError(
                    f"{self.name}, {part}: images of shape {pixels.shape} and labels of shape {labels.shape} are no "
                    "set of labelled images"
                )
        if self.train.shape[1:] != self.test.shape[1:]:
            raise ValueError(f"{self.name}: images to train {self.train.shape[1:]} and to test {self.test.shape[1:]}")

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(max(self.train_labels.max(), self.test_labels.max())) + 1


@dataclass(frozen=True)
class Text:
    """A text as whole numbers.

    Attributes
    ----------
    name
        What it is.
    codes
        One for each token: its place among `tokens`.
    tokens
        All that there are, in order: characters, or words.
    """

    name: str
    codes: NDArray[np.int64]
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Splits:
    """What a run takes of a data set, as pairs of inputs and targets.

    Attributes
    ----------
    name
        Of the data set.
    train, held_out, test
        To learn from; to select by, also from the training images; to judge by.
    classes
        How many different targets there are.
    """

    name: str
    train: PAIR
    held_out: PAIR
    test: PAIR
    classes: int


@lru_cache(maxsize=2)
def images(source: str) -> Images:
    """The images of a source: "digits", a directory with the IDX files of the MNIST family, or one of CIFAR's batches.

    Raises
    ------
    ValueError
        If there are no such files, or they are damaged or do not fit together.
    """
    if source == DIGITS:
        return _digits()
    folder = Path(source)
    if not folder.is_dir():
        raise ValueError(f"data = '{source}' is neither '{DIGITS}' nor a directory; give one with IDX or CIFAR files")
    for batches in (folder, folder / "cifar-10-batches-py", folder / "cifar-100-python"):
        if (batches / "test_batch").exists() or (batches / "test").exists():
            return _cifar(batches)
    return _idx(folder)


def _digits() -> Images:
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    order = np.random.default_rng(ORDER).permutation(len(pixels))
    tested, learnt = order[:DIGITS_TESTED], order[DIGITS_TESTED:]
    labels = digits.target.astype(np.int64)
    return Images("digits (scikit-learn's, 8x8)", pixels[learnt], labels[learnt], pixels[tested], labels[tested])


def _idx(folder: Path) -> Images:
    arrays: dict[str, NDArray[Any]] = {}
    for part, prefix in IDX.items():
        for kind, name in ((part, f"{prefix}-images"), (f"{part}_labels", f"{prefix}-labels")):
            matching = sorted(
                path for path in folder.iterdir() if re.match(rf"{name}[-.]idx[13]-ubyte(\.gz)?$", path.name)
            )
            if not matching:
                raise ValueError(f"data = '{folder}' has no {name}-idx{3 if kind == part else 1}-ubyte, or .gz of it")
            arrays[kind] = readers.idx(matching[0])
    for part in IDX:
        if arrays[part].ndim != 3:
            raise ValueError(f"{folder}: the images to {part} have shape {arrays[part].shape}, not (N, height, width)")
        arrays[part] = arrays[part][:, None]
        arrays[f"{part}_labels"] = arrays[f"{part}_labels"].astype(np.int64)
    return Images(folder.name, **arrays)


def _cifar(folder: Path) -> Images:
    whole = folder / "train"  # CIFAR-100 has one file to train
    batches = [whole] if whole.exists() else [folder / f"data_batch_{number}" for number in range(1, 6)]
    read = [readers.cifar(path) for path in batches]
    tested = readers.cifar(folder / ("test" if whole.exists() else "test_batch"))
    learnt = [np.concatenate(parts) for parts in zip(*read, strict=True)]
    return Images("CIFAR-100" if whole.exists() else "CIFAR-10", learnt[0], learnt[1], *tested)


def is_text(source: str) -> bool:
    """Whether a source is a text."""
    return source == DOCUMENTATION or Path(source).is_file()


@lru_cache(maxsize=2)
def text(source: str, unit: str = "character") -> Text:
    """The text of a source: "python-documentation", or a file of plain text in UTF-8, or of R's texts (.rdb).

    Parameters
    ----------
    source
        Where it is.
    unit
        What a token is: a "character", or a "word", as between spaces; the end of a line is a word, too.

    Raises
    ------
    ValueError
        If it cannot be read, or is no text.
    """
    path = Path(source)
    if source == DOCUMENTATION:
        from pydoc_data.topics import topics

        name, told = "the documentation of Python", "\n".join(topics[name] for name in sorted(topics))
    elif path.suffix == ".rdb":
        name, told = "Jane Austen's six novels", "\n".join("\n".join(lines) for lines in readers.r_texts(path))
    else:
        try:
            name, told = path.name, readers.contents(path).decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"text = '{path}' is no text in UTF-8 ({error})") from error
    if unit == "word":
        words, codes = np.unique(told.replace("\n", f" {END_OF_LINE} ").split(), return_inverse=True)
        return Text(name, codes.astype(np.int64), tuple(words.tolist()))
    alphabet, codes = np.unique(np.frombuffer(told.encode("utf-32-le"), np.uint32), return_inverse=True)
    return Text(name, codes.astype(np.int64), tuple(map(chr, alphabet)))


def split_images(
    source: str, samples: int | None = None, held_out: int = 0, tested: int | None = None, pool: int = 1
) -> Splits:
    """Images in an order that is always the same, standardized by the mean and spread of those to train.

    Parameters
    ----------
    source
        See `images`.
    samples, tested
        How many to train and to test; None: all that there are.
    held_out
        How many images of the training set are held out to select by.
    pool
        Squares of so many pixels a side are averaged.

    Raises
    ------
    ValueError
        If there are not so many, or their sides are no multiples of `pool`.
    """
    known = images(source)
    order = np.random.default_rng(ORDER).permutation(len(known.train))
    samples = len(order) - held_out if samples is None else samples
    tested = len(known.test) if tested is None else tested
    if samples < 1 or samples + held_out > len(order) or tested > len(known.test):
        raise ValueError(
            f"samples = {samples}, held_out = {held_out}, tested = {tested}: {known.name} has {len(order)} images to "
            f"train and {len(known.test)} to test; ask for fewer"
        )
    if any(side % pool for side in known.train.shape[2:]):
        raise ValueError(f"pool = {pool}: the sides {known.train.shape[2:]} of {known.name} are no multiples of it")

    def floats(pixels: NDArray[np.uint8]) -> Tensor:
        number, channels, height, width = pixels.shape
        squares = pixels.reshape(number, channels, height // pool, pool, width // pool, pool)
        return torch.from_numpy(np.ascontiguousarray(squares.mean(axis=(3, 5), dtype=np.float32)))

    learnt, selected = order[:samples], order[samples : samples + held_out]
    inputs = floats(known.train[learnt])
    mean, spread = inputs.mean(dim=(0, 2, 3), keepdim=True), inputs.std(dim=(0, 2, 3), keepdim=True)

    def pair(pixels: Tensor, labels: NDArray[np.int64]) -> PAIR:
        return (pixels - mean) / spread, torch.from_numpy(labels)

    train = pair(inputs, known.train_labels[learnt])
    others = pair(floats(known.train[selected]), known.train_labels[selected])
    return Splits(
        known.name, train, others, pair(floats(known.test[:tested]), known.test_labels[:tested]), known.classes
    )


def split_text(
    source: str,
    samples: int | None = None,
    held_out: int = 0,
    tested: int | None = None,
    window: int = 64,
    unit: str = "character",
) -> Splits:
    """A text as windows of so many tokens, each to be foretold from those before it in the window.

    Windows to test are from the end of the text, those to select by come before them, and those to train from its
    beginning; a tenth is tested unless it is told how many.

    Raises
    ------
    ValueError
        If the text is too short.
    """
    known = text(source, unit)
    count = (len(known.codes) - 1) // window
    tested = count // 10 if tested is None else tested
    samples = count - tested - held_out if samples is None else samples
    if samples < 1 or samples + held_out + tested > count:
        raise ValueError(
            f"samples = {samples}, held_out = {held_out}, tested = {tested}: {known.name} has {count} windows of "
            f"{window} {unit}s; ask for fewer"
        )
    codes = torch.from_numpy(known.codes)
    inputs, targets = (codes[begin : begin + count * window].reshape(count, window) for begin in (0, 1))

    def pair(begin: int, end: int) -> PAIR:
        return inputs[begin:end], targets[begin:end]

    before = count - tested - held_out
    return Splits(
        known.name, pair(0, samples), pair(before, count - tested), pair(count - tested, count), len(known.tokens)
    )
