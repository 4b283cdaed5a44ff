"""Sweeps for the tests, what runs them, here or in processes, and what makes two stores the same."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from experiments.sweep import Store, Sweep, tasks

ROOT = Path(__file__).parents[1]

SHORT = """
title = "a test"
[landscape]
name = "StyblinskiTang"
dimension = 1
height = 0.0054
[noise]
name = "HessianNoise"
batch_size = 1
at = "piecewise"
[dynamics]
name = "SGD"
lr = 0.316
[measure]
boundary = "saddle"
replicas = {replicas}
block = {block}
substeps = 8
max_iterations = 10_000_000
crossing = "bridge"
[axes]
sharpness = {{ start = {low}, stop = 4, count = {points}, spacing = "log" }}
[axes.route]
labels = ["simulated", "exact"]
"measure.name" = ["escape_rate", "exact_rate"]
"""


BASE = {
    "landscape": {"name": "StyblinskiTang", "dimension": 1, "height": 0.0054},
    "noise": {"name": "HessianNoise", "batch_size": 1, "at": "piecewise"},
    "dynamics": {"name": "SGD", "lr": 0.316},
    "measure": {"name": "exact_rate", "boundary": "saddle"},
    "axes": {"sharpness": [1.0, 2.0]},
}


def sweep(**changes):
    """BASE with sections changed; a section's entry that is None is left out."""
    mapping = {name: dict(table) for name, table in BASE.items()}
    for name, table in changes.items():
        mapping[name] = table if name in ("axes", "title") else {**mapping.get(name, {}), **table}
        if isinstance(mapping[name], dict):
            mapping[name] = {key: value for key, value in mapping[name].items() if value is not None}
    return Sweep.from_mapping(mapping)


def own(**more):
    """A sweep of a user's own measurement."""
    arguments = {
        "measure": {"name": "own_measure:curvature", "boundary": None},
        "axes": {"factor": [1.0, 2.0, 3.0]},
    } | more
    return sweep(**arguments)


def run_here(asked, path):
    """Every task, in order, in this process."""
    store = Store.create(path, asked)
    for point in range(asked.size):
        blocks = store.layout.blocks_of(point)
        for block in range(blocks):
            tasks.run(str(path), 0.0, point, block)
        if blocks > 1:
            tasks.run(str(path), 0.0, point, tasks.ALL)
    return store


def description(path, replicas=200, block=50, points=3, low=2.0):
    """A file with a sweep of exits and exact rates: at sharpness 2 a block of 50 takes a twentieth of a second."""
    path.write_text(SHORT.format(replicas=replicas, block=block, points=points, low=low))
    return path


def start(*arguments, **more):
    """A driver in a process and a session of its own, heeding interrupts."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    heed = "import signal, runpy, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv[0] = 'x'; "
    code = heed + "runpy.run_module('experiments', run_name='__main__')"
    return subprocess.Popen(
        [sys.executable, "-c", code, "sweep", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )


def finish(process, status=0, timeout=300):
    """Wait for a driver and check its exit status; returns what it printed."""
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == status, (process.returncode, out, err)
    return out + err


def complete(*arguments, status=0):
    """Run a driver to its end."""
    return finish(start(*arguments), status)


def wait_for(condition, seconds=120, process=None):
    """Wait until something is so, or a process ends."""
    end = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            return False
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return True


def tasks_done(store):
    """Tasks that are marked done."""
    return sum(len(files) for _, _, files in os.walk(store / "done" / "c"))


def contents(store):
    """Every chunk and every metadata file, by name."""
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}


def end(process):
    """SIGKILL to a driver and its children, all of which it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
