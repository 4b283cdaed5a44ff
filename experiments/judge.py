"""From a case to all its routes: exact values, measured values with their tests, and why a route has no value."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import xarray
from numpy.typing import NDArray

from diffusion import SGD, Momentum
from experiments import claims
from experiments.claims import Case
from experiments.ensembles import REFUSED, TORCH_MISSING, Ensembles
from experiments.referee import laws as statistics
from experiments.referee.faults import NOT_HAD, refused

Array = NDArray[np.float64]
TABLE_1_CURVATURES = (0.1, 0.01, 0.001)
HIDDEN = (
    1e-20  # a mean square this much smaller than the MSD is the rounding of the displacements it is a difference of
)


@dataclass
class Measured:
    """A measured route on (iteration, direction), NaN where it was not run.

    Attributes
    ----------
    value
        What was measured.
    expected
        What the instrument should have measured; None: nothing to test it against.
    log_error
        Standard error of log(value).
    test_error
        Standard error of log(value/expected): larger than log_error if `expected` is a measurement too.
    lost, why
        Where there should be a value and is none, and the reason.
    replicas
        Set if value is a mean square over this many Gaussian displacements, whose test and interval are exact.
    """

    value: Array
    expected: Array | None
    log_error: Array
    test_error: Array
    lost: NDArray[np.bool_]
    why: str
    replicas: int | None = None

    def interval(self) -> tuple[Array, Array]:
        """Interval of confidence `statistics.LEVEL`."""
        if self.replicas is not None:
            return statistics.mean_square_interval(self.value, self.replicas)
        return statistics.log_interval(self.value, self.log_error)

    def p_value(self) -> Array:
        """Two-sided p-value of the test against `expected`, NaN where there is none."""
        if self.expected is None:
            return np.full(self.value.shape, np.nan)
        testable = np.isfinite(self.value) & np.isfinite(self.expected) & (self.expected > 0)
        value, expected = np.where(testable, self.value, 1.0), np.where(testable, self.expected, 1.0)
        if self.replicas is not None:
            p = statistics.mean_square_test(value, expected, self.replicas)
        else:
            p = statistics.log_test(value, expected, np.where(testable, self.test_error, 1.0))
        return np.where(testable, p, np.nan)

    def detectable(self, rate: float) -> Array:
        """Smallest relative deviation that the test at this rate rejects with probability `statistics.POWER`."""
        if self.replicas is not None:
            found: Array | float = statistics.mean_square_detectable(self.replicas, rate)
        else:
            found = statistics.log_detectable(self.test_error, rate)
        return np.where(np.isfinite(self.p_value()), found, np.nan)

    @property
    def tests(self) -> int:
        """Number of tests."""
        return int(np.isfinite(self.p_value()).sum())


@dataclass
class Judged:
    """A case with all its routes on (iteration, direction).

    `exact` holds what is computed without noise: "paper", "exact" (the SDE), "exact_simulated" (the recursion of the SDE
    ensemble at its substeps), "exact_discrete" (one step per iteration), and "finer", "finest": the recursion at 128 and 256
    times the substeps. `measured` holds "simulated", "discrete", "torch", "shipped", as far as they exist. `missing` says why the
    case cannot be judged at all.
    """

    case: Case
    directions: tuple[float, ...]
    exact: dict[str, Array]
    measured: dict[str, Measured]
    reasons: dict[str, str] = field(default_factory=dict)
    missing: str = ""

    @property
    def tests(self) -> int:
        """Number of statistical tests."""
        return sum(route.tests for route in self.measured.values())

    def substeps_order(self) -> Array:
        """Order in 1/substeps at which the recursion approaches the SDE; NaN where the distance is rounding."""
        with np.errstate(all="ignore"):
            before, after = (np.abs(np.log(self.exact[name] / self.exact["exact"])) for name in ("finer", "finest"))
            return np.where(after > 1e-7, np.log2(before / after), np.nan)

    def dataset(self) -> xarray.Dataset:
        """The routes as labelled data."""
        unit, meaning = (
            ("1", "factor of the MSD per decade of |H|") if len(self.directions) == 1 else ("theta^2", "MSD")
        )
        data = {}
        for name, values in self.exact.items():
            data[name] = (("iteration", "direction"), values, {"units": unit, "long_name": f"{meaning}: {name}"})
        for name, route in self.measured.items():
            for suffix, values in zip(("", "_low", "_high"), (route.value, *route.interval()), strict=True):
                data[name + suffix] = (("iteration", "direction"), values, {"units": unit, "long_name": meaning})
        coords = {
            "iteration": ("iteration", self.case.iterations, {"units": "1", "long_name": "iterations completed"}),
            "eigenvalue": ("direction", list(self.directions), {"units": "loss / theta^2", "long_name": "eigenvalue"}),
        }
        attrs = {"claim": self.case.claim.name, "case": self.case.label, **self.case.regime()}
        return xarray.Dataset(data, coords, attrs)


def compute(case: Case, ensembles: Ensembles) -> Judged:
    """Every route of a case; without exact values no ensemble is run."""
    routes: dict[str, Callable[[], Array]] = {
        "paper": case.paper,
        "exact": case.exact,
        "exact_simulated": lambda: case.exact_recursion(1),
        "exact_discrete": lambda: case.exact_recursion(None),
        "finer": lambda: case.exact_recursion(128),
        "finest": lambda: case.exact_recursion(256),
    }
    try:
        exact = {name: route() for name, route in routes.items()}
    except NOT_HAD as error:
        nothing = np.full((len(case.iterations), len(claims.HESSIAN)), np.nan)
        return Judged(case, tuple(claims.HESSIAN), dict.fromkeys(routes, nothing), {}, missing=refused(error).reason)
    judged = Judged(case, tuple(claims.HESSIAN), exact, {})
    for name, route, expected in (("simulated", "sde", "exact_simulated"), ("discrete", "discrete", "exact_discrete")):
        starts = (case.start, "rest") if case.drift else (case.start,)
        runs = [getattr(ensembles, route)(case.dynamics, start, case.simulated) for start in starts]
        mean_squares = _added(runs[0], runs[1], exact[expected]) if case.drift else runs[0]["msd"].values
        judged.measured[name] = _gaussian(case, mean_squares, exact[expected], ensembles.replicas, *runs)

    if case.start == "thermal":
        judged.reasons["torch"] = claims.NO_TORCH_START
        return judged
    torch = ensembles.torch(case.dynamics, case.simulated)
    if torch is None:
        judged.reasons["torch"] = TORCH_MISSING
    if isinstance(case.dynamics, SGD | Momentum):
        if torch is not None:
            judged.measured["torch"] = _gaussian(
                case, torch["msd"].values, exact["exact_discrete"], ensembles.torch_replicas, torch
            )
        return judged
    shipped = _running(case, ensembles.shipped(case.dynamics, case.simulated))
    judged.measured["shipped"] = shipped
    if torch is not None:
        measured = _running(case, torch)
        measured.expected = shipped.value
        measured.test_error = statistics.two_sample_log_error(measured.log_error, shipped.log_error)
        judged.measured["torch"] = measured
    return judged


def _added(warm: xarray.Dataset, cold: xarray.Dataset, expected: Array) -> Array:
    """Mean square of what a thermal start adds to the same run from rest; NaN where rounding hides it."""
    added = np.mean((warm["displacement"].values - cold["displacement"].values) ** 2, axis=0)
    return np.where(expected[: len(added)] > HIDDEN * warm["msd"].values, added, np.nan)


def _gaussian(case: Case, mean_squares: Array, expected: Array, replicas: int, *runs: xarray.Dataset) -> Measured:
    value = _padded(case, mean_squares)
    error = np.full(value.shape, statistics.log_mean_square_error(replicas))
    return Measured(value, expected, error, error, *_lost(case, *runs), replicas)


def _running(case: Case, run: xarray.Dataset) -> Measured:
    error = _padded(case, run["msd_stderr"].values / run["msd"].values)
    return Measured(_padded(case, run["msd"].values), None, error, error, *_lost(case, run))


def _lost(case: Case, *runs: xarray.Dataset) -> tuple[NDArray[np.bool_], str]:
    """Where replicas of these runs diverged, or everywhere if one was refused, and why."""
    lost = np.zeros((len(case.iterations), len(claims.HESSIAN)), np.bool_)
    for run in runs:
        lost[: run.sizes["iteration"]] |= np.isnan(run["msd"].values)
    return lost, next((run.attrs[REFUSED] for run in runs if REFUSED in run.attrs), claims.DIVERGED)


def _padded(case: Case, values: Array) -> Array:
    """Simulated values on the case's whole grid."""
    out = np.full((len(case.iterations), values.shape[1]), np.nan)
    out[: len(values)] = values
    return out


def table_1(sources: list[Judged]) -> list[Judged]:
    """For each optimizer the factor by which the MSD grows per decade of |H|: 10 for SGD, 1 if independent of the Hessian.

    Ten to the least-squares slope of log10 MSD over log10 |H|, both signs of |H| = 0.1, 0.01 and 0.001 together.
    """
    used = np.isin(np.abs(claims.HESSIAN), TABLE_1_CURVATURES)
    decades = np.log10(np.abs(claims.HESSIAN[used]))
    weights = (decades - decades.mean()) / np.sum((decades - decades.mean()) ** 2)

    def factor(values: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray(np.exp(np.log(values[:, used]) @ weights)[:, None])

    def error(values: Array) -> Array:
        return np.asarray(np.sqrt(values[:, used] ** 2 @ weights**2)[:, None])

    def derived(route: Measured) -> Measured:
        expected = None if route.expected is None else factor(route.expected)
        value, log_error, test_error = factor(route.value), error(route.log_error), error(route.test_error)
        lost = np.asarray(route.lost[:, used].any(axis=1, keepdims=True))
        return Measured(value, expected, log_error, test_error, lost, route.why)

    return [
        Judged(
            Case(claims.TABLE_1, source.case.dynamics, source.case.start, source.case.beta, source.case.memory),
            (np.nan,),
            {name: factor(values) for name, values in source.exact.items()},
            {name: derived(route) for name, route in source.measured.items()},
            dict(source.reasons),
            source.missing,
        )
        for source in sources
    ]
