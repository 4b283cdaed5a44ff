"""The referee: claims of the paper set beside exact values, simulations and torch runs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.comparison import compare

__all__ = ["compare"]


def __getattr__(name: str) -> Any:
    """`compare`, imported when first asked for: commands must begin at once."""
    if name != "compare":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from experiments.comparison import compare

    return compare
