"""What a formula for escape rates tends to as temperature falls, and how fast the rest dies out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion.dynamics import Dynamics
from experiments.problems import exits
from experiments.problems.exact import GRID, QUADRATURE
from experiments.problems.exits import AT, BARRIER, BEYOND, EXPONENTS, NO_SAMPLING, ONE
from experiments.problems.wells import GRID_TOLERANCE, Setting, paper_rate, sharpness_at
from experiments.referee import CLOSE, Evidence, Finding, Row, unsampled
from experiments.referee.evidence import ROW

Array = NDArray[np.float64]

BARRIERS = (3.0, 6.0, 12.0, 25.0, 50.0, 100.0, 200.0, 400.0, 600.0)  # barriers over temperature, without inertia
OF_THE_GRID = EXPONENTS[1:]  # with inertia: beyond 32 the grid's rounding is above its tolerance
METHODS, SPLITTING = (QUADRATURE, GRID), "splitting"
USED = 4  # of the highest barriers, for the limit
LINEAR = 0.1  # most that the power of a remainder may be from 1 to be called linear


@dataclass(frozen=True)
class Limit:
    """The formula's rate over the exact one at temperature 0.

    Attributes
    ----------
    value, uncertainty
        The limit.
    power
        Of temperature/barrier, with which the ratio nears the limit; infinite where the last step is lost in rounding.
    low, high
        Barriers over temperature that the limit is extrapolated from.
    """

    value: float
    uncertainty: float
    power: float
    low: float
    high: float

    def finding(self, name: str, where: str, *, judged: bool = True) -> Finding:
        """Whether the prefactor is right in the limit that it is stated for; at another exit line it is not judged."""
        pace = f"{'faster' if self.power > 1 else 'more slowly'} than linearly"
        pace = "linearly" if abs(self.power - 1) <= LINEAR else pace
        pace = pace if self.power > 0 else "not yet as a power of temperature"
        power = f" (power {self.power:.2g} of temperature/barrier)" if 0 < self.power < np.inf else ""
        tends = (
            "as temperature falls formula over exact rate tends to "
            f"{self.value:.4g} ± {max(self.uncertainty, 1e-4):.1g}, {where} (from "
            f"barrier/temperature {self.low:g} to {self.high:g}), the rest dying out {pace}{power}"
        )
        if not judged:
            return Finding(name, self.value, tends)
        right, wrong = (f"the prefactor is {state} in the limit" for state in ("right", "another"))
        return Finding.judged(name, self.value, right, wrong, tends, tolerance=CLOSE + self.uncertainty)


def limit(barriers: ArrayLike, ratio: ArrayLike, errors: ArrayLike = 0.0) -> Limit:
    """The limit of a ratio over barriers/temperature, with relative errors of the exact values.

    It is the value at temperature 0 of the polynomial in sqrt(temperature) through the last `USED` points, as
    corrections come in powers of temperature/barrier, and of its square root where a path is stopped at the saddle.
    The uncertainty is twice what one point fewer changes, and what the errors may amount to.
    """
    order = np.argsort(np.asarray(barriers, float))
    x, y, e = (np.broadcast_to(np.asarray(v, float), order.shape)[order][-USED:] for v in (barriers, ratio, errors))
    weights, fewer = _weights(x**-0.5), np.concatenate([[0.0], _weights(x[1:] ** -0.5)])
    value = float(weights @ y)
    uncertainty = float(2 * abs(value - fewer @ y) + np.abs(weights) @ (e * y))
    return Limit(value, uncertainty, power(x, y), float(x[0]), float(x[-1]))


def _weights(x: Array) -> Array:
    """Lagrange's, of values at x for the value at 0."""
    others = [np.delete(x, i) for i in range(len(x))]
    return np.array([np.prod(rest / (rest - here)) for here, rest in zip(x, others, strict=True)])


def power(barriers: ArrayLike, ratio: ArrayLike) -> float:
    """The power of temperature/barrier with which the ratio nears its limit, from the last three points.

    1 where slopes are equal. Infinite where the last step is lost in rounding.
    """
    x, y = 1 / np.asarray(barriers, float)[-3:], np.asarray(ratio, float)[-3:]
    slopes, middle = np.diff(y) / np.diff(x), (x[1:] + x[:-1]) / 2
    if slopes[0] * slopes[1] <= 0 or abs(y[2] - y[1]) < 1e-8 * abs(y[2]):
        return np.inf
    return float(1 + np.log(slopes[0] / slopes[1]) / np.log(middle[0] / middle[1]))


def rows(
    subject: str, setting: Setting, optimizer: str, dynamics: Dynamics, tried: Sequence[float], *lines: str, **more: Any
) -> Iterator[Row]:
    """Rates by formula and exact, for barriers over temperature and exit lines; `more` are the formula's arguments."""
    for line, barrier in itertools.product(lines, tried):
        k = sharpness_at(optimizer, barrier)
        end = exits.boundary(setting, k, dynamics, line)
        motion = setting.motion(dynamics, k)
        passage = motion.passage(setting.positions(k)[0], end, GRID_TOLERANCE)
        regime: dict[str, Any] = {"optimizer": subject, "landscape": setting.title, "exit": line, "by": passage.method}
        regime |= {"lr": setting.lr[optimizer], BARRIER: barrier}
        error = passage.error if motion.inertia else 0.0
        yield row(regime, paper_rate(setting, optimizer, k, 1, **more), passage.rate, error)


def row(regime: Mapping[str, Any], paper: float, exact: float, error: float) -> Row:
    """A rate by formula and exact; `error` is the grid's relative one, 0 for a quadrature."""
    grid = "given with the mean escape times; here by one method, named under `by`"
    values, checks = {"paper": paper, "exact": exact}, {}
    if error:
        values["grid_error"], checks["grid"] = error, (error, 2 * GRID_TOLERANCE)
    return Row({**ONE, **regime}, values, {}, checks, unsampled(NO_SAMPLING, fokker_planck=grid))


def findings(rates: Evidence, landscape: str) -> Iterator[Finding]:
    """The limit at each exit line; that beyond the saddle alone is what the paper's prefactor is for."""
    for line in (BEYOND, AT):
        curve = rates.where(landscape=landscape, exit=line, by=METHODS)
        if curve.sizes[ROW]:
            tended = limit(curve[BARRIER], curve["paper"] / curve["exact"], curve.get("grid_error", 0.0))
            name, where = f"limit of the rate, {landscape}, {line}", f"{landscape}, exit {line}"
            yield tended.finding(name, where, judged=line == BEYOND)


def of_time(time: Row) -> Row:
    """The rate that a mean escape time by the grid is one over."""
    regime = {**time.regime, "by": GRID}
    return row(regime, 1 / time.values["paper"], 1 / time.values["exact"], time.checks["grid"][0])
