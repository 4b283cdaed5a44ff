"""What rare escapes cost by several methods: the numbers, how they grow, and their table."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Cost:
    """Substeps for a relative error of 10 %, with a 95 % interval, and the relative error of the run they come from."""

    method: str
    barrier: float
    rate: float
    work: float
    low: float
    high: float
    error: float


def growth(costs: list[Cost]) -> tuple[float, float, float]:
    """p in work ~ (-log rate)^p with its 95 % interval, by weighted least squares, widened by any misfit."""
    x = np.log(-np.log([cost.rate for cost in costs]))
    y = np.log([cost.work for cost in costs])
    error = np.log([cost.high / cost.low for cost in costs]) / (2 * stats.norm.isf(0.025))
    design = np.stack([x, np.ones_like(x)], axis=1) / error[:, None]
    covariance = np.linalg.inv(design.T @ design)
    p, c = covariance @ design.T @ (y / error)
    misfit = float(np.sum(((p * x + c - y) / error) ** 2) / (len(x) - 2))
    spread = stats.t.isf(0.025, len(x) - 2) * np.sqrt(covariance[0, 0] * max(1.0, misfit))
    return float(p), float(p - spread), float(p + spread)


def table(costs: list[Cost]) -> str:
    """The costs as a table of text, with how they grow."""
    lines = [f"{'method':<13} {'barrier/T':>9} {'rate':>9} {'substeps for 10 %':>18} {'95 %':>20} {'error here':>11}"]
    lines += [
        f"{cost.method:<13} {cost.barrier:>9g} {cost.rate:>9.2e} {cost.work:>18.3g} "
        f"{f'{cost.low:.3g} to {cost.high:.3g}':>20} {100 * cost.error:>9.1f} %"
        for cost in costs
    ]
    for method in ("splitting", "fixed levels"):
        p, low, high = growth([cost for cost in costs if cost.method == method])
        lines.append(f"{method}: substeps grow like (-log rate)^p, p = {p:.2f} [{low:.2f}, {high:.2f}]")
    return "\n".join(lines)
