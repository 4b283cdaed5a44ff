"""Shared constants of the suite, and its order."""

import os

import matplotlib as mpl
import pytest

mpl.use("Agg")

# Each statistical test rejects a right ensemble with at most this probability. Seeds are fixed, so a test that has passed
# passes again; the rate says how surprising a failure after a change is.
SUITE_RATE = 1e-6

os.environ.setdefault("COLUMNS", "200")


LONGEST = (
    "claims",
    "test_sharpness_job.py",
    "test_engine.py",
    "test_splitting.py",
    "test_sweep_faults.py",
    "test_sweep.py",
)
SHARING = ("test_verify.py", "test_low_temperature.py", "test_exit_faults.py")  # share a quick run with tests/claims


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items):
    """Put tests that share a quick run into one process, each other file into one; begin with what takes longest.

    The test that counts compiled kernels comes last.
    """
    first = {name: place for place, name in enumerate(LONGEST)}
    groups = {}
    for item in items:
        shared = item.path.parent.name == "claims" or item.path.name in SHARING
        groups[item] = "claims" if shared else item.path.name
        item.add_marker(pytest.mark.xdist_group(groups[item]))
    items.sort(key=lambda item: first.get(groups[item], len(first)))
    items.sort(key=lambda item: item.name == "test_the_suite_compiles_at_most_forty_kernels")


@pytest.fixture(scope="session")
def quick_routes():
    """What tests of claims share."""
    from shared_evidence import routes

    return routes()
