"""The dask client of a run: of processes on this machine, or of a scheduler that runs already."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

JOIN = 30.0  # seconds that a scheduler is given to answer, and to find a worker
RETURN = "1 h"  # that a worker here is given to start again: after dask's 15 s a loaded machine would have none left


class StoppedError(Exception):
    """A run that ended before its sweep did; the message says why, and what is kept."""


@contextmanager
def without_script() -> Iterator[None]:
    """Processes that are spawned meanwhile do not run the user's script again: they need nothing of it.

    Multiprocessing runs the file of ``__main__`` in each process, whatever its last lines do; what came from standard
    input is no file.
    """
    main = sys.modules["__main__"]
    stand_in = ModuleType("__main__")
    vars(stand_in).update(vars(main) | {"__spec__": None, "__file__": None})
    sys.modules["__main__"] = stand_in
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def connected(scheduler: str | None, workers: int | None, tls: dict[str, str] | None) -> Iterator[Any]:
    """A dask client: of a scheduler that runs, or of processes on this machine, on loopback alone."""
    import dask
    from distributed import Client, LocalCluster, Security

    for name in ("distributed", "distributed.client"):  # what matters is in the store, or raised
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if scheduler is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        options: dict[str, Any] = {"threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
        options |= {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}
        options |= {"preload": ["experiments.sweep.tasks"], "silence_logs": logging.CRITICAL}
        ours: dict[str, Any] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
        ours |= {"distributed.deploy.lost-worker-timeout": RETURN}
        with (
            without_script(),
            dask.config.set(ours),
            LocalCluster(n_workers=workers or cores, **options) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    address = urlparse(scheduler)
    if address.scheme not in ("tcp", "tls") or not address.port:
        raise ValueError(f"scheduler = {scheduler!r} must be tcp://host:port or tls://host:port")
    if address.scheme == "tls" and not tls:
        raise ValueError(f"scheduler = {scheduler!r} wants certificates; give --tls-ca-file, --tls-cert and --tls-key")
    if address.scheme == "tcp" and address.hostname not in ("127.0.0.1", "localhost", "::1"):
        warnings.warn(
            f"scheduler = {scheduler!r} is not encrypted: who reads or joins this network can run code on its workers; "
            "use tls:// with --tls-ca-file, --tls-cert and --tls-key",
            UserWarning,
            stacklevel=2,
        )
    security = None
    if tls:
        for name, path in tls.items():
            if not Path(path).is_file():
                raise ValueError(f"tls_{name} = {path!r} is not there")
        files = {"tls_ca_file": tls["ca_file"], "tls_client_cert": tls["cert"], "tls_client_key": tls["key"]}
        security = Security(**files, require_encryption=True)
    try:
        client = Client(scheduler, security=security, timeout=JOIN)
    except OSError as error:
        raise StoppedError(f"no scheduler answers at {scheduler}: {error}") from error
    with client:
        yield client
