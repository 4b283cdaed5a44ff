"""Shared constants of the suite, and its order."""

import os

import matplotlib as mpl

mpl.use("Agg")

# Each statistical test rejects a right ensemble with at most this probability. Seeds are fixed, so a test that has passed
# passes again; the rate says how surprising a failure after a change is.
SUITE_RATE = 1e-6

os.environ.setdefault("COLUMNS", "200")


def pytest_collection_modifyitems(items):
    """Count compiled kernels after everything else has run."""
    items.sort(key=lambda item: item.name == "test_the_suite_compiles_at_most_forty_kernels")
