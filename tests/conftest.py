"""Shared constants of the suite, and its order."""

import gc
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded: see `experiments`

import subprocess
import sys
import warnings
from pathlib import Path

import hypothesis
import matplotlib as mpl
import pytest

mpl.use("Agg")

# The same examples in every run, and no deadline: a machine may be busy.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True)
hypothesis.settings.load_profile("suite")

# Each statistical test rejects a right ensemble with at most this probability. Seeds are fixed, so a test that has
# passed passes again; the rate says how surprising a failure after a change is.
SUITE_RATE = 1e-6

# Kernels take seconds to compile: the tests of a file may need so many, whatever else its process has run.
KERNELS = 35

os.environ.setdefault("COLUMNS", "200")


LONGEST = (
    "test_long.py",
    "claims",
    "test_evidence_job.py",
    "test_networks.py",
    "test_passage_limits.py",
    "test_sharpness_job.py",
    "test_engine.py",
    "test_splitting.py",
    "test_sweep_faults.py",
    "test_sweep.py",
    "test_gallery.py",
    "test_fokker_planck.py",
    "test_compiled.py",
    "test_teach.py",
    "test_lessons.py",
)
SHARING = (
    "test_verify.py",
    "test_low_temperature.py",
    "test_exit_faults.py",
    "test_transitions.py",
)  # share runs with tests/claims


def group(path):
    """What runs in one process: a file, or all files that share a quick run."""
    return "claims" if path.parent.name == "claims" or path.name in SHARING else path.name


def pytest_collection_modifyitems(items):
    """Begin with what takes longest, so that no process waits for another."""
    first = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(group(item.path), len(first)))


def pytest_collection_finish():
    """All modules and tests are there to stay: the garbage collector, which compilers keep busy, need not walk them."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Several processes take groups, one after another, in the order above."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group(Path(nodeid.partition("::")[0]))

    return Groups(config, log)


@pytest.fixture(autouse=True, scope="module")
def few_kernels(pytestconfig):
    """The tests of a file compile at most `KERNELS`, each for one set of formulas, less those that others have.

    Long ones any number.
    """
    before = compiled_kernels()
    yield
    if "not long" not in pytestconfig.option.markexpr:
        return
    compiled = compiled_kernels() - before
    assert compiled <= KERNELS, f"these tests compile {compiled} kernels, and may compile {KERNELS}: share landscapes"


def compiled_kernels():
    """How many were compiled in this process; none while nothing that has kernels is imported."""
    jit = sys.modules.get("diffusion.kernels.jit")
    return len(jit.specialisations) if jit else 0


@pytest.fixture(scope="session")
def quick_routes():
    """What tests of claims share."""
    from shared_evidence import routes

    return routes()


@pytest.fixture
def here(monkeypatch, capfd):
    """`diffusion-lab` in this process, which has imported already what a process of its own imports for seconds."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)

    def run(*arguments):
        from experiments.cli import main

        monkeypatch.setattr(sys, "argv", ["diffusion-lab", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, end.value.code, out, err)

    return run


@pytest.fixture
def refusal(here):
    """What `diffusion-lab` says to a command line that it refuses: one line, and status 2."""

    def said(*arguments):
        done = here(*arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        return done.stderr

    return said
