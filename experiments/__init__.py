"""The referee: claims of the paper set beside exact values, simulations and torch runs."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.comparison import compare

__all__ = ["compare"]

# Before NumPy is loaded, here and in the processes that claims are tried in. Linear systems are small and many: several
# threads on one of them mostly wait for each other, and take the cores from claims beside it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def __getattr__(name: str) -> Any:
    """`compare`, imported when first asked for: commands must begin at once."""
    if name != "compare":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from experiments.comparison import compare

    return compare
