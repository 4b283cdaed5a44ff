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
    "test_verify.py",
    "test_sharpness_job.py",
    "test_escape.py",
    "test_engine.py",
    "test_splitting.py",
    "test_sweep_faults.py",
    "test_sweep.py",
)


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest, so that no process waits for another; count compiled kernels last."""
    first = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(item.path.name, len(first)))
    items.sort(key=lambda item: item.name == "test_the_suite_compiles_at_most_forty_kernels")


@pytest.fixture(scope="session")
def quick_routes():
    """What tests of claims share."""
    from shared_evidence import routes

    return routes()
