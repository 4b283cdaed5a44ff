"""Sweeps: any measurement over a labelled grid, on as many machines as there are, into one Zarr store."""

from experiments.sweep.cluster import StoppedError
from experiments.sweep.description import Axis, Sweep
from experiments.sweep.driver import Outcome, check, run
from experiments.sweep.store import Store

__all__ = ["Axis", "Outcome", "StoppedError", "Store", "Sweep", "check", "run"]
