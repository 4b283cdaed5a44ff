"""Shared constants of the suite."""

import os

import matplotlib as mpl

mpl.use("Agg")

# Each statistical test rejects a right ensemble with at most this probability. Seeds are fixed, so a test that has passed
# passes again; the rate says how surprising a failure after a change is.
SUITE_RATE = 1e-6

os.environ.setdefault("COLUMNS", "200")
