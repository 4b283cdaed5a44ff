"""One question, one call: a saddle's mean squared displacement or a well's escape time, by every route within reach."""

from experiments.comparison.answer import Comparison, compare
from experiments.comparison.description import described

__all__ = ["Comparison", "compare", "described"]
