"""Work against precision: orders and plans from biases, and contestants that solve the same problem."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

import theory
from benchmarks import targets
from benchmarks.precision import bias, in_numba, in_numpy, ours, report
from benchmarks.precision.bias import Rung
from benchmarks.precision.contest import ONE, Entry
from benchmarks.precision.problems import PROBLEMS, TARGETS, Solver

LADDER = (1, 2, 4, 8, 16)


def ladder(factor, order, error, seed=0):
    """Biases factor h^order with normal errors; a path has a deviation of 1 and 100 updates at one substep."""
    noise = np.random.default_rng(seed).standard_normal(len(LADDER))
    return [
        Rung(n, factor * n**-order + error * xi, error, 1.0, 100.0 * n) for n, xi in zip(LADDER, noise, strict=True)
    ]


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0])
def test_an_order_is_recovered_within_its_interval(order):
    """95 of 100 intervals hold it, 85 or fewer with a probability of 1e-4; an order off by 0.3 is in few."""
    fits = [bias.power(ladder(0.2, order, 0.002, seed)) for seed in range(100)]
    assert sum(fit.low - 0.025 <= order <= fit.high + 0.025 for fit in fits) > 85
    assert sum(fit.low <= order + 0.3 <= fit.high for fit in fits) < 10


def test_a_bias_below_its_errors_has_no_order():
    """At most 1 in 100 ladders without a bias; of 100, 6 or more would be one case in 2,000."""
    assert sum(bias.power(ladder(0.0, 1.0, 0.002, seed)) is not None for seed in range(100)) <= 5


def test_a_sum_of_two_laws_is_followed_from_where_one_is_left():
    rungs = [Rung(n, 0.1 / n + 0.4 / n**4, 1e-4, 1.0, 100.0 * n) for n in (1, 2, 4, 8, 16, 32)]
    fit = bias.power(rungs)
    assert fit.first > 1
    assert fit.order == pytest.approx(1, abs=0.1)


def test_the_plan_meets_its_target_and_is_the_cheapest_of_first_order():
    """bias = a/n, so that updates n/(target^2 - a^2/n^2) are fewest at bias = target/sqrt(3)."""
    rungs, target = [Rung(n, 0.2 / n, 1e-5, 1.0, 100.0 * n) for n in LADDER], 0.003
    plan = bias.cheapest(rungs, bias.power(rungs), target)
    assert plan.bias**2 + 1 / plan.paths <= target**2
    assert plan.bias == pytest.approx(target / np.sqrt(3), rel=0.1)
    assert plan.updates == pytest.approx(100 * plan.substeps * plan.paths)
    assert not plan.measured
    ((low, high),) = bias.intervals(rungs, [target])
    assert low <= plan.updates <= high


def test_an_unresolved_bias_counts_as_its_error_and_no_step_is_fine_enough_below_it():
    rungs = [Rung(n, 0.0, 0.004, 1.0, 100.0 * n) for n in LADDER]
    assert bias.power(rungs) is None
    assert bias.cheapest(rungs, None, 0.01).bias == pytest.approx(0.004)
    assert bias.cheapest(rungs, None, 0.003) is None


@pytest.mark.parametrize("hotter", [False, True])
def test_numpy_follows_the_exact_moments_of_the_discrete_recursion(hotter):
    """At one substep, where Euler's bias is 42 %; a tenth more noise is rejected."""
    problem = PROBLEMS["msd"]
    damped = {"inertia": 1 - problem.damping * problem.lr, "gradient_weight": problem.damping * problem.lr}
    motion = {"hessian": problem.hessian, "noise_variance": 2 * problem.diffusion / problem.lr, "lr": problem.lr}
    exact = float(theory.discrete_msd(problem.iterations(), **motion, **damped, start="rest"))
    diffusion = (1.1 if hotter else 1) * problem.diffusion
    sample = in_numpy.solvers(replace(problem, diffusion=diffusion))[0].run(1, 5000, 1)
    z = (sample.mean - exact) / (sample.deviation / sample.paths**0.5)
    assert (2 * stats.norm.sf(abs(z)) < SUITE_RATE) == hotter


@pytest.mark.long
@pytest.mark.parametrize("key", PROBLEMS)
def test_contestants_have_the_same_bias(key):
    """Welch's test against ours at one substep, where the bias is up to 50 %; a tenth more noise is rejected."""
    problem = PROBLEMS[key]
    mine, vectorised, compiled = (
        solvers[0] for solvers in (ours.solvers(problem, 10.0), in_numpy.solvers(problem), in_numba.solvers(problem))
    )

    def p_value(a, b):
        spread = np.hypot(a.deviation / a.paths**0.5, b.deviation / b.paths**0.5)
        return 2 * stats.norm.sf(abs(a.mean - b.mean) / spread)

    sample = mine.run(1, 3000, 0)
    for peer in (vectorised, compiled):
        assert p_value(sample, peer.run(1, 3000, 1)) > SUITE_RATE
        assert peer.run(1, 20, 1).updates == pytest.approx(mine.run(1, 20, 1).updates, rel=1 if problem.exits else 0)
    hotter = in_numpy.solvers(replace(problem, diffusion=1.1 * problem.diffusion))[0]
    assert p_value(sample, hotter.run(1, 3000, 1)) < SUITE_RATE


def entry(name, scheme, ns, seconds=()):
    rungs = [Rung(n, 0.2 / n, 1e-5, 1.0, 100.0 * n) for n in LADDER]
    made = Entry(Solver(name, scheme, lambda *sizes: None), ns=[ns, ns], rungs=rungs, fit=bias.power(rungs))
    made.plans = {target: bias.cheapest(rungs, made.fit, target) for target in TARGETS}
    made.seconds = {ONE: list(seconds)} if seconds else {}
    made.errors = [0.01, -0.01] if seconds else []
    return made


def test_rows_compare_real_runs_and_libraries_step_for_step():
    entries = [
        entry("diffusion-lab", "Euler", 2.0, [1.0, 2.0]),
        entry("diffusion-lab", "BAOAB", 2.0, [0.1, 0.2]),
        entry("numpy, in place", "Euler", 12.0, [6.0, 12.0]),
        entry("torchsde", "SRK", 80.0, [4.0, 8.0]),
    ]
    found = {"msd": {one.solver.label: one for one in entries}}
    rows = {row.what: row for row in targets.rows_precision(found)}
    assert rows["Euler: times faster than numpy's"].values == [6, 6]
    assert rows["best: times faster than our Euler"].values == pytest.approx([10, 10])
    assert rows["best: times faster than torchsde, SRK"].values == pytest.approx([40, 40])
    assert rows["best: times faster than torchsde, SRK"].verdict == "missed"
    assert rows["Euler: than as many steps of a library"].verdict == "skipped"
    assert rows["root mean square error found, at worst"].verdict == "met"
    text = "\n".join(report.table(found))
    assert "~" in text
    assert max(map(len, report.table(found)[2:])) <= 132
    assert json.loads(json.dumps(report.record(found), allow_nan=False))["msd"]["diffusion-lab, BAOAB"]["order"]
