"""Readers of the formats that data come in: IDX, the python pickles of CIFAR, R's lazy-load files, plain text."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from struct import unpack_from
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNSIGNED_BYTE = 8  # the type of an IDX file's elements
R_TEXTS, R_TEXT, R_MISSING = 16, 9, -1  # codes of R's serialization: a vector of texts, one of them, a missing one
# All that a pickled batch of CIFAR is made of, besides dicts, lists, texts and numbers.
MADE_OF: dict[tuple[str, str], Callable[..., Any]] = {
    (f"numpy.{core}.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0]  # type: ignore[misc]
    for core in ("core", "_core")
}
MADE_OF |= {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}


def idx(path: Path) -> NDArray[np.uint8]:
    """The array of an IDX file of unsigned bytes, compressed by gzip or not: images (N, height, width) or labels (N,).

    Raises
    ------
    ValueError
        If it is no such file, or is cut off.
    """
    raw = contents(path)
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path} is cut off or damaged ({error}); get it again") from error
    if len(raw) < 4 or raw[:2] != b"\x00\x00" or raw[2] != UNSIGNED_BYTE:
        raise ValueError(f"{path} is no IDX file of unsigned bytes: it begins with {raw[:4].hex()}, not 0000 08")
    begin = 4 + 4 * raw[3]
    if len(raw) < begin:
        raise ValueError(f"{path} is cut off: it has {len(raw)} bytes, and its head alone {begin}")
    shape = unpack_from(f">{raw[3]}I", raw, 4)
    if len(raw) - begin != int(np.prod(shape)):
        raise ValueError(f"{path} has {len(raw) - begin} elements, and its shape {shape} needs {np.prod(shape)}")
    return np.frombuffer(raw, np.uint8, offset=begin).reshape(shape)


def cifar(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 3, 32, 32) and labels (N,) of a batch of CIFAR-10 or CIFAR-100 (fine labels) as pickled for python.

    Nothing that the pickle asks for is run, but for the making of numpy's arrays.

    Raises
    ------
    ValueError
        If the pickle asks for anything else, is cut off, or holds something of another form.
    """
    try:
        batch = _Restricted(io.BytesIO(contents(path)), encoding="bytes").load()
    except ValueError:
        raise
    except Exception as error:  # whatever a damaged pickle leads to
        raise ValueError(f"{path} is no pickle, or is cut off ({type(error).__name__}: {error})") from error
    if not isinstance(batch, dict):
        raise ValueError(f"{path} holds a {type(batch).__name__}; a batch of CIFAR is a dict")
    named = {name.decode() if isinstance(name, bytes) else name: value for name, value in batch.items()}
    images, labels = np.asarray(named.get("data")), np.asarray(named.get("fine_labels", named.get("labels", ())))
    fits = images.dtype == np.uint8 and images.ndim == 2 and images.shape[1] == 3072
    if not fits or labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(f"{path} is no batch of CIFAR: it needs 'data' (N, 3072) of bytes and N whole 'labels'")
    return images.reshape(-1, 3, 32, 32), labels.astype(np.int64)


class _Restricted(pickle.Unpickler):
    """An unpickler that makes arrays of numpy, and refuses whatever else a pickle asks for."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in MADE_OF:
            raise ValueError(f"the pickle asks for {module}.{name}, which data do not need: refused")
        return MADE_OF[module, name]


def r_texts(path: Path) -> list[list[str]]:
    """The vectors of texts in a lazy-load file of R (.rdb), in the file's order; a missing text is empty.

    Raises
    ------
    ValueError
        If it holds something else, or is cut off.
    """
    raw, vectors = contents(path), []
    while raw:
        unpacker = zlib.decompressobj()  # after the length of its contents each is a zlib stream
        try:
            unpacked = unpacker.decompress(raw[4:])
            vectors.append(_r_texts(unpacked))
        except (zlib.error, struct.error, UnicodeDecodeError, IndexError) as error:
            raise ValueError(f"{path} holds something else than texts of R, or is damaged ({error})") from error
        if not unpacker.eof:
            raise ValueError(f"{path} is cut off; get it again")
        raw = unpacker.unused_data
    return vectors


def _r_texts(raw: bytes) -> list[str]:
    """A vector of texts in R's binary serialization, version 3."""
    form, version, encoding = raw[:2], unpack_from(">i", raw, 2)[0], unpack_from(">i", raw, 14)[0]
    place = 18 + encoding
    kind, count = unpack_from(">ii", raw, place)
    if form != b"X\n" or version != 3 or kind & 0xFF != R_TEXTS:
        raise IndexError(f"form {form!r}, version {version}, kind {kind & 0xFF}")
    place, texts = place + 8, []
    for _ in range(count):
        kind, length = unpack_from(">ii", raw, place)
        if kind & 0xFF != R_TEXT:
            raise IndexError(f"kind {kind & 0xFF} among texts")
        place += 8
        texts.append("" if length == R_MISSING else raw[place : place + length].decode())
        place += max(length, 0)
    return texts


def contents(path: Path) -> bytes:
    """The bytes of a file.

    Raises
    ------
    ValueError
        If there is none, it cannot be read, or it is empty.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from error
    if not raw:
        raise ValueError(f"{path} is empty; get it again")
    return raw
