"""Exponential law: from when on escape times are exponential, and what a hundred repeats tell of it."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.stats import gamma

import theory
from diffusion import SGD, DoubleParabola, HessianNoise, Momentum, exit_times
from diffusion.dynamics import Dynamics
from diffusion.rates import exponential_test
from experiments.problems import exits, optimizers
from experiments.problems.exits import AT, BARRIER, ONE
from experiments.problems.optimizers import BETA1
from experiments.problems.wells import HIGHEST, STEP, Setting, settings
from experiments.referee import EVERY, Claim, Evidence, Finding, Routes, Row, Sample, told, unsampled
from experiments.referee.faults import mean_exit

# Barriers over temperature at which the mean is about 50, 1000 and 100,000 iterations, and the 6 of Appendix B.
BARRIERS = {"parabolas-frozen": (0.5, 3.3, 8.0, 6.0), "tang-frozen": (0.25, 2.3, 7.0, 6.0)}
MEASURED = (0.5, 3.3)  # of them, on the double parabola
REPEATS, REJECTED = 100, 0.01  # the paper's, and the p-value below which a test rejects
COVERED, NEARLY = 0.95, 0.02  # of the interval of Equation 120, and how far from that it may be
LAW, COVERAGE = "greatest distance of survival from the exponential law", "coverage of the interval of Equation 120"
TIMES = np.concatenate([np.geomspace(1e-3, 0.05, 12), np.linspace(0.06, 8, 120)])  # over the mean
UNSAMPLED = unsampled(exits.NO_SAMPLING)


class ExponentialLaw(Claim):
    """SGD's exact survival beside the exponential law of the same mean, and tests of ensembles."""

    name = "Exponential law"
    place = "Section 3, Assumptions 2 and 3; Appendices B and E"
    statement = (
        "Escapes of 50 to 100,000 iterations on average, and those over a barrier of 6 temperatures, follow the "
        "exponential law."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """By barrier, with the noise of the minimum everywhere; then ensembles; then the paper's interval."""
        rows = [_survival(settings()[key], barrier) for key, barriers in BARRIERS.items() for barrier in barriers]
        yield Evidence.of_rows("SGD", LAW, rows)
        for dynamics in (SGD, lambda lr: Momentum((1 - BETA1) * lr, BETA1, "heavy-ball")):
            runs = [_ensemble(routes, dynamics(2 / barrier), barrier, 2 / barrier) for barrier in MEASURED]
            yield Evidence.of_rows(str(runs[0].regime["optimizer"]), exits.ITERATIONS, runs)
        spread = 1.96 / np.sqrt(REPEATS)
        low, high = (gamma.cdf((REPEATS - 2) * (1 + side * spread), REPEATS) for side in (-1, 1))
        regime, values = {"optimizer": EVERY, "repeats": REPEATS}, {"paper": COVERED, "exact": high - low}
        yield Evidence.of_rows(EVERY, COVERAGE, [Row(regime, values, reasons=UNSAMPLED)])

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """How far from the law at each mean, whether ensembles tell, and whether the interval covers what it says."""
        judges = {LAW: _distance, COVERAGE: _coverage, exits.ITERATIONS: _tests}
        for piece in evidence:
            for k in range(piece.data.sizes["row"]):
                yield from judges[piece.quantity](piece.data.isel(row=k))


def _survival(setting: Setting, barrier: float) -> Row:
    """How far exact survival is from exp(-t/mean); the mean is in iterations of learning rate STEP over curvature."""
    k = HIGHEST / barrier
    start, boundary = setting.positions(k)
    problem = setting.gradient(k), setting.diffusion(k, setting.lr["SGD"])
    where: dict[str, Any] = {"start": start, "boundary": boundary, "breaks": setting.breaks(k)}
    mean = theory.first_passage_time(*problem, **where)
    exact = theory.survival(*problem, TIMES * mean, **where)
    curvature = float(setting.landscape(1, k).hessian_diagonal(np.array([start]))[0])
    regime = {"optimizer": "SGD", "landscape": setting.title, "exit": AT, BARRIER: barrier, "lr_curvature": STEP}
    values = {"exact": float(np.abs(exact - np.exp(-TIMES)).max())}
    reasons = UNSAMPLED | {"paper": "the law is at no distance from itself"}
    return Row(ONE | regime | {"mean_iterations": mean * curvature / STEP}, values, reasons=reasons)


def _ensemble(routes: Routes, dynamics: Dynamics, barrier: float, lr: float) -> Row:
    """Mean exit time of the optimizer, and p-values of the law from the paper's repeats and from all runs."""
    height = STEP / lr
    well = DoubleParabola(height, height, 4 * height, 1)
    where: dict[str, Any] = {"start": 0.0, "boundary": well.saddle}
    options = {"max_iterations": exits.HORIZON, **routes.options(told("exponential", dynamics), routes.exits)}
    run = exit_times(dynamics, well, noise=HessianNoise(1), **where, **options)
    mean, times = mean_exit(lambda: run), run["exit_iteration"].values
    values = {}
    for name, some in (("p_of_repeats", times[:REPEATS]), ("p_of_all", times)):
        values[name] = exponential_test(some, np.ones(len(some), bool), np.full(len(some), float(exits.HORIZON)))[0]
    if not dynamics.rule(np.array([height])).inertia.any():
        chain = {"lr": lr, "breaks": list(well.pieces().switches), **where}
        gradient = lambda x: well.gradient(np.asarray(x, float)[..., None])[..., 0]  # noqa: E731
        values["exact_discrete"] = theory.discrete_first_passage_time(gradient, float(np.sqrt(height)), **chain)
    regime = {"optimizer": optimizers.name(dynamics), "landscape": "double parabola, noise of the minimum", "exit": AT}
    reasons = UNSAMPLED | {"paper": exits.NOT_SAID, "exact": exits.NO_DISCRETE}
    samples = {"discrete": Sample.of(mean, values.get("exact_discrete"))}
    told_of = {BARRIER: barrier, "lr_curvature": STEP, "runs": len(times)}
    return Row(ONE | regime | told_of, values, samples, reasons=reasons)


def _distance(row: Any) -> Iterator[Finding]:
    distance, barrier, mean = (float(row[name]) for name in ("exact", BARRIER, "mean_iterations"))
    where = f"{row['landscape'].values}, {mean:.3g} iterations, a barrier of {barrier:.2g} temperatures"
    tells = f"survival is at most {distance:.2g} from it ({where})"
    yield Finding.judged(
        f"distance at a barrier of {barrier:.2g} temperatures, {row['landscape'].values}",
        distance,
        "the law holds",
        "the law does not hold",
        tells,
        target=0,
    )


def _tests(row: Any) -> Iterator[Finding]:
    p, of_all, barrier, mean = (float(row[name]) for name in ("p_of_repeats", "p_of_all", BARRIER, "discrete"))
    runs, where = int(row["runs"]), f"{mean:.3g} iterations, a barrier of {barrier:.2g} temperatures"
    tells = f"the law (p = {p:.2g} from {min(REPEATS, runs)} runs; {where})"
    word = "rejects" if p < REJECTED else "does not reject"
    yield Finding(f"p-value of the paper's repeats, barrier {barrier:.2g}", p, f"a test {word} {tells}")
    yield Finding(f"p-value of all runs, barrier {barrier:.2g}", of_all, f"all {runs} have p = {of_all:.2g}")


def _coverage(row: Any) -> Iterator[Finding]:
    covers, says, repeats = (float(row[name]) for name in ("exact", "paper", "repeats"))
    rates = f"covers {100 * covers:.1f} % of exponential rates ({repeats:g} repeats)"
    right, wrong = "about as often as it says", "not as often as it says"
    tells = f"the interval for {100 * says:.3g} % {rates}"
    yield Finding.judged("coverage", covers, right, wrong, tells, target=says, tolerance=NEARLY)


claim = ExponentialLaw()
