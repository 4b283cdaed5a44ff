"""One driver at a time: a lock file beside the store, which goes with its process however that ends."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE, PAUSE = 10, 0.05  # tries, and seconds between them: `status` looks at the lock for a moment


class Lock:
    """A store's lock file; it tells `status` how far the driver is."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._about: dict[str, Any] = {"pid": os.getpid(), "host": socket.gethostname()}
        self.tell()

    def tell(self, **about: Any) -> None:
        """Note in the file how far the driver is."""
        self._about |= about
        text = json.dumps(self._about).encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))


@contextmanager
def locked(store: Path) -> Iterator[Lock]:
    """Keep other drivers off a store, there or not yet.

    Raises
    ------
    ValueError
        If another has it.
    """
    path = _path(store)
    path.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(PATIENCE):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
        else:
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                break  # it is not one that another has just removed
            os.close(descriptor)
        if attempt == PATIENCE - 1:
            holder = read_lock(store)
            who = f"process {holder['pid']} on {holder['host']}" if "pid" in holder else "another process"
            raise ValueError(f"{store} is in use by {who}; wait for it, or end it")
        time.sleep(PAUSE)
    try:
        yield Lock(descriptor)
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def read_lock(store: Path) -> dict[str, Any]:
    """What the driver of a store says of itself; nothing if none runs."""
    try:
        with _path(store).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:  # held: a driver runs
                return {"pid": "?", "host": "?"} | _parsed(file.read())
            return {}
    except FileNotFoundError:
        return {}


def _parsed(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except json.JSONDecodeError:  # the driver is writing it now
        return {}


def _path(store: Path) -> Path:
    return store.with_name(store.name + ".lock")
