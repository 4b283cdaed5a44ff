"""Sweeps: any measurement over a labelled grid, on as many machines as there are, into one Zarr store."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.sweep.cluster import StoppedError
    from experiments.sweep.description import Axis, Sweep
    from experiments.sweep.driver import Outcome, check, run
    from experiments.sweep.store import Store

__all__ = ["Axis", "Outcome", "StoppedError", "Store", "Sweep", "check", "run"]

_MODULES = {
    "Axis": "description",
    "Outcome": "driver",
    "StoppedError": "cluster",
    "Store": "store",
    "Sweep": "description",
    "check": "driver",
    "run": "driver",
}


def __getattr__(name: str) -> Any:
    """Imported when first asked for: a store needs the extra `sweep`, the description of a problem does not."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
