"""From measured biases to the cheapest step and number of paths for a total error."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from benchmarks.workloads import Array

POWERS = np.linspace(0.25, 6, 231)
SIGMAS, MISFIT = 1.96, 0.01  # a bias is resolved beyond so many standard errors; a fit is refused below this p-value
LARGE = 0.25  # relative biases above are no guide to small ones
RESAMPLED = 100
BEYOND = 16  # times finer than the finest step with a resolved bias: no fit is trusted farther


class Rung(NamedTuple):
    """Bias at a number of substeps, its standard error, the standard deviation of a path, and updates of a path.

    The first three are relative to the answer.
    """

    substeps: int
    bias: float
    error: float
    deviation: float
    updates: float

    @property
    def resolved(self) -> bool:
        """Whether the bias is beyond its 95 % interval."""
        return abs(self.bias) > SIGMAS * self.error


class Power(NamedTuple):
    """bias = factor h^order, h = 1/substeps, from rung `first` on; low to high holds the order with 95 %."""

    factor: float
    order: float
    low: float
    high: float
    first: int

    def bias(self, substeps: Array) -> Array:
        """At other substeps."""
        return self.factor * substeps**-self.order


class Plan(NamedTuple):
    """Substeps and paths for a total error, and updates of all of them.

    Then whether the bias there was measured; else it is the fit's.
    """

    substeps: int
    paths: int
    updates: float
    bias: float
    measured: bool


def power(rungs: Sequence[Rung]) -> Power | None:
    """The law by weighted least squares, of as many rungs as it fits; None if it fits fewer than three or none."""
    for first in range(len(rungs) - 2):
        used = rungs[first:]
        if abs(used[0].bias) > LARGE:
            continue
        h = 1.0 / np.array([rung.substeps for rung in used])
        bias, weight = (np.array(values) for values in zip(*((r.bias, r.error**-2) for r in used), strict=True))
        shape = h ** POWERS[:, None]
        factor = (shape * weight * bias).sum(axis=1) / (shape**2 * weight).sum(axis=1)
        chi2 = (weight * (bias - factor[:, None] * shape) ** 2).sum(axis=1)
        best = int(np.argmin(chi2))
        if stats.chi2.sf(chi2[best], len(used) - 2) < MISFIT:
            continue
        # against no bias at all: both numbers of the law are fitted
        if stats.chi2.sf((weight * bias**2).sum() - chi2[best], 2) > 1e-3:
            return None
        within = POWERS[chi2 <= chi2[best] + SIGMAS**2]
        return Power(float(factor[best]), float(POWERS[best]), float(within[0]), float(within[-1]), used[0].substeps)
    return None


def cheapest(rungs: Sequence[Rung], fit: Power | None, target: float) -> Plan | None:
    """The fewest updates with ``bias^2 + deviation^2/paths = target^2``; None if no step is known to be fine enough.

    Of a measured bias the square is that of the value found plus that of its standard error.
    """
    known = {r.substeps: (float(np.hypot(r.bias, r.error)), r.updates / r.substeps) for r in rungs}
    measured = set(known)
    deviation = float(np.median([rung.deviation for rung in rungs]))
    if fit is not None:
        finest = max(rung.substeps for rung in rungs if rung.resolved or rung.substeps == fit.first)
        finer = np.unique(np.geomspace(fit.first, BEYOND * finest, 100).astype(int))
        known |= {
            int(n): (float(abs(fit.bias(n))), rungs[-1].updates / rungs[-1].substeps) for n in finer if n not in known
        }
    plans = []
    for substeps, (bias, each) in known.items():
        if bias < target:
            paths = int(np.ceil(deviation**2 / (target**2 - bias**2)))
            plans.append(Plan(substeps, max(paths, 2), paths * each * substeps, bias, substeps in measured))
    return min(plans, key=lambda plan: plan.updates, default=None)


def intervals(rungs: Sequence[Rung], targets: Sequence[float]) -> Array:
    """95 % intervals of the cheapest plans' updates, from the errors of the biases, (targets, 2); inf: none known."""
    rng, updates = np.random.default_rng(0), np.full((RESAMPLED, len(targets)), np.inf)
    for row in updates:
        drawn = [rung._replace(bias=rung.bias + rung.error * rng.standard_normal()) for rung in rungs]
        fit = power(drawn)
        plans = [cheapest(drawn, fit, target) for target in targets]
        row[:] = [np.inf if plan is None else plan.updates for plan in plans]
    return np.quantile(updates, [0.025, 0.975], axis=0, method="nearest").T  # type: ignore[no-any-return]
