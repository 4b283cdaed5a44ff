"""Formula over exact rate as temperature falls: the ratio's limit, how fast what is left dies out, and split paths beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

import theory
from diffusion import SGD, rare_escape_rate
from experiments.comparison import Comparison, Sample
from experiments.minima import claims
from experiments.minima.propositions import rmsprop_times
from experiments.minima.runner import Runner, beyond
from experiments.problems.wells import GRID_TOLERANCE, HIGHEST, exact_rate, paper_rate, settings
from experiments.referee import laws as statistics
from experiments.referee.faults import Fault, quietly

Array = NDArray[np.float64]

QUADRATURE = (3.0, 6.0, 12.0, 25.0, 50.0, 100.0, 200.0, 400.0, 600.0)  # barriers over temperature, without inertia
GRID = claims.EXPONENTS[1:]  # with inertia: beyond 32 the grid's rounding is above its tolerance
USED = 4  # of the highest, for the limit
SPLIT = {8.0: 24, 14.0: 32, 19.0: 40}  # repetitions of splitting, by barrier over temperature; the last rate is 4e-11
SPLIT_REPLICAS = 1000
RATE = "escape rate per iteration"
LIMIT = "limit of the rate over the formula's"


@dataclass
class SplitSample(Sample):
    """A mean over `events` repetitions of splitting with standard error `error`; tests and interval are Student's."""

    error: float = 0.0

    def interval(self) -> tuple[float, float]:
        """Interval of confidence `statistics.LEVEL`."""
        spread = float(stats.t.isf((1 - statistics.LEVEL) / 2, self.events - 1)) * self.error
        return self.value - spread, self.value + spread

    def p_value(self) -> float | None:
        """Two-sided p-value against the expectation."""
        if self.expected is None:
            return None
        return float(2 * stats.t.sf(abs(self.value - self.expected) / self.error, self.events - 1))

    def detectable(self, rate: float) -> float:
        """Smallest relative deviation from the expectation that is rejected with probability `statistics.POWER`."""
        reach = stats.t.isf(rate / 2, self.events - 1) + stats.t.ppf(statistics.POWER, self.events - 1)
        return float(reach * self.error / self.value)


@dataclass(frozen=True)
class Curve:
    """Rates by formula and exact over barrier/temperature, with relative errors of the exact ones."""

    subject: str
    landscape: str
    exit: str
    exponents: Sequence[float]
    paper: Sequence[float]
    exact: Sequence[float]
    errors: Sequence[float]
    method: str


def low_temperature(found: list[Comparison], runner: Runner) -> Iterator[Comparison]:
    """Ratios and their limits; those with inertia, and split paths, in a full run only.

    `found` has Proposition 2's rows, whose grids are not computed again.
    """
    curves = [_sgd(key, line) for key in ("parabolas-piecewise", "tang-piecewise") for line in (claims.AT, claims.FAR)]
    curves.append(_rmsprop())
    for curve in curves if runner.quick else [*curves, _adai()]:
        yield from _ratios(curve)
        yield _limit(curve)
    if not runner.quick:
        yield _limit(_adam(found))
        yield from _split(runner)


def extrapolate(exponents: ArrayLike, ratio: ArrayLike, errors: ArrayLike) -> tuple[float, float]:
    """Value at temperature 0 of the polynomial in sqrt(temperature) through the last points, and its uncertainty.

    Corrections come in powers of temperature/barrier, and of its square root where a path is stopped at the saddle. The uncertainty is
    twice what one point fewer changes, and what the errors may amount to.
    """
    x, y, e = (np.asarray(values, float)[-USED:] for values in (exponents, ratio, errors))
    weights, fewer = _weights(x**-0.5), np.concatenate([[0.0], _weights(x[1:] ** -0.5)])
    value = float(weights @ y)
    return value, float(2 * abs(value - fewer @ y) + np.abs(weights) @ (e * y))


def _weights(x: Array) -> Array:
    """Lagrange's, of values at x for the value at 0."""
    others = [np.delete(x, i) for i in range(len(x))]
    return np.array([np.prod(rest / (rest - here)) for here, rest in zip(x, others, strict=True)])


def power(exponents: ArrayLike, ratio: ArrayLike) -> float:
    """The power of temperature/barrier with which the ratio nears its limit, from the last three points.

    1 where slopes are equal. Infinite where the last step is lost in rounding.
    """
    x, y = 1 / np.asarray(exponents, float)[-3:], np.asarray(ratio, float)[-3:]
    slopes, middle = np.diff(y) / np.diff(x), (x[1:] + x[:-1]) / 2
    if slopes[0] * slopes[1] <= 0 or abs(y[2] - y[1]) < 1e-8 * abs(y[2]):
        return np.inf
    return float(1 + np.log(slopes[0] / slopes[1]) / np.log(middle[0] / middle[1]))


def _sgd(key: str, line: str) -> Curve:
    setting = settings()[key]
    lr = setting.lr["SGD"]
    paper, exact = [], []
    for exponent in QUADRATURE:
        k = HIGHEST / exponent
        start, saddle = setting.positions(k)
        time = theory.first_passage_time(
            setting.gradient(k), setting.diffusion(k, lr), start=start, breaks=setting.breaks(k),
            boundary=saddle if line == claims.AT else beyond(setting, k),
        )  # fmt: skip
        paper.append(paper_rate(setting, "SGD", k, 1))
        exact.append(lr / time)
    nothing = [0.0] * len(exact)
    return Curve("Theorem 3 (SGD)", setting.title, line, QUADRATURE, paper, exact, nothing, "quadrature")


def _rmsprop() -> Curve:
    setting = settings()["parabolas-piecewise"]
    times = [rmsprop_times(setting, (HIGHEST / exponent) ** 2) for exponent in QUADRATURE]
    paper, exact = ([1 / pair[i] for pair in times] for i in range(2))
    nothing = [0.0] * len(exact)
    return Curve("Proposition 2 (RMSprop)", setting.title, claims.AT, QUADRATURE, paper, exact, nothing, "quadrature")


def _adai() -> Curve:
    """With the noise of the minimum everywhere: with inertia and two temperatures the exponent is another."""
    setting = settings()["parabolas-frozen"]
    found = [exact_rate(setting, "Adai", HIGHEST / exponent) for exponent in GRID]
    paper = [paper_rate(setting, "Adai", HIGHEST / exponent, 1) for exponent in GRID]
    errors = [one["error"] / one["rate"] for one in found]
    exact = [one["rate"] for one in found]
    return Curve("Proposition 4 (Adai)", setting.title, claims.AT, GRID, paper, exact, errors, "phase-space grid")


def _adam(found: list[Comparison]) -> Curve:
    used = [
        one
        for one in found
        if one.claim is claims.PROPOSITION_2
        and one.subject == "Adam, v following"
        and one.regime[claims.BARRIER] in GRID
    ]
    paper, exact = ([1 / one.values[name] for one in used] for name in ("paper", "exact"))
    errors = [one.checks["grid"][0] for one in used]
    if len(used) < len(GRID):
        raise ValueError(f"{len(used)} exact times of Proposition 2 (Adam), the limit needs {len(GRID)}")
    title = str(used[0].regime["landscape"])
    return Curve("Proposition 2 (Adam)", title, claims.AT, GRID, paper, exact, errors, "phase-space grid")


def _ratios(curve: Curve) -> Iterator[Comparison]:
    reasons = _reasons(claims.TOO_HIGH)
    for exponent, paper, exact, error in zip(curve.exponents, curve.paper, curve.exact, curve.errors, strict=True):
        checks = {"grid": (error, 2 * GRID_TOLERANCE)} if error else {}
        regime = _regime(curve) | {claims.BARRIER: exponent}
        yield Comparison(
            claims.LOW_TEMPERATURE, curve.subject, regime, RATE, {"paper": paper, "exact": exact}, {}, checks, reasons
        )


def _limit(curve: Curve) -> Comparison:
    ratio = np.array(curve.paper) / np.array(curve.exact)
    value, uncertainty = extrapolate(curve.exponents, ratio, curve.errors)
    values = {
        "paper": 1.0, "exact": 1 / value, "formula_over_exact": value, "uncertainty": uncertainty,
        "power": power(curve.exponents, ratio),
    }  # fmt: skip
    regime = _regime(curve) | {claims.BARRIER: [float(end) for end in curve.exponents[-USED :: USED - 1]]}
    reasons = _reasons(claims.NO_SAMPLING)
    return Comparison(claims.LOW_TEMPERATURE, curve.subject, regime, LIMIT, values, {}, {}, reasons)


def _split(runner: Runner) -> Iterator[Comparison]:
    """Discrete SGD by splitting against the exact mean of its chain."""
    setting = settings()["parabolas-piecewise"]
    lr = setting.lr["SGD"]
    for exponent, repetitions in SPLIT.items():
        k = HIGHEST / exponent
        start, saddle = setting.positions(k)
        with quietly():
            found = rare_escape_rate(
                SGD(lr), setting.landscape(1, k), noise=setting.noise, start=start, boundary=saddle, replicas=SPLIT_REPLICAS,
                repetitions=repetitions, seed=runner.seed_of("splitting", exponent), threads=runner.threads,
            )  # fmt: skip
        rates = found["repetition_rate"].values
        where: dict[str, Any] = {"start": start, "boundary": saddle, "breaks": setting.breaks(k)}
        sde = theory.first_passage_time(setting.gradient(k), setting.diffusion(k, lr), **where) / lr
        chain = theory.discrete_first_passage_time(setting.gradient(k), setting.deviation(k), lr=lr, **where)
        error = float(rates.std(ddof=1) / np.sqrt(repetitions))
        reliable = error > 0 and bool(found["reliable"])
        fault = None if reliable else Fault("splitting's repetitions differ too much, or found nothing", "inconclusive")
        sample = SplitSample(float(rates.mean()), repetitions, 1 / chain, fault=fault, error=error)
        values = {"paper": paper_rate(setting, "SGD", k, 1), "exact": 1 / sde, "exact_splitting": 1 / chain}
        regime = {"landscape": setting.title, "exit": claims.AT, claims.BARRIER: exponent, "lr": lr, "by": "splitting"}
        yield Comparison(
            claims.LOW_TEMPERATURE, "Theorem 3 (SGD)", regime, RATE, values, {"splitting": sample}, {},
            _reasons(claims.TOO_HIGH),
        )  # fmt: skip


def _regime(curve: Curve) -> dict[str, Any]:
    return {"landscape": curve.landscape, "exit": curve.exit, "by": curve.method}


def _reasons(why: str) -> dict[str, str]:
    return {
        "fokker_planck": "given with the claim itself; here by one method, named under `by`", "shipped": claims.NO_SHIPPED,
    } | dict.fromkeys(("simulated", "discrete", "torch"), why)  # fmt: skip
