"""Fixtures of 100 made images, and a text, in each layout."""

import gzip
import pickle
import struct
import zlib

import numpy as np

COUNT = 100


def made(shape, seed=0):
    """Images of this shape, and labels from 0 to 9."""
    pixels = np.random.default_rng(seed).integers(0, 256, (COUNT, *shape), dtype=np.uint8)
    return pixels, (np.arange(COUNT) % 10).astype(np.uint8)


def idx(array):
    """The bytes of an IDX file."""
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder, side=8):
    """The four files of the MNIST family, half of them compressed."""
    for seed, prefix in enumerate(("train", "t10k")):
        pixels, labels = made((side, side), seed)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels)))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


def batch(seed=0, labels="labels"):
    """A batch of CIFAR: as python 2 pickled it, its texts are bytes."""
    pixels, classes = made((3072,), seed)
    return pickle.dumps({b"data": pixels, labels.encode(): classes.tolist()}, protocol=3)


def write_cifar(folder, fine=False):
    """The python batches of CIFAR-10, or of CIFAR-100."""
    names = ("train", "test") if fine else (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
    for seed, name in enumerate(names):
        (folder / name).write_bytes(batch(seed, "fine_labels" if fine else "labels"))
    return folder


def rdb(*vectors):
    """R's lazy-load file of vectors of texts."""
    chunks = []
    for texts in vectors:
        body = b"X\n" + struct.pack(">iiii", 3, 262657, 197888, 5) + b"UTF-8" + struct.pack(">ii", 16, len(texts))
        for text in texts:
            raw = b"" if text is None else text.encode()
            body += struct.pack(">ii", 262153, -1 if text is None else len(raw)) + raw
        chunks.append(struct.pack(">I", len(body)) + zlib.compress(body))
    return b"".join(chunks)
