"""Rare escapes: against exact rates down to 1e-12, against direct simulation, and refused where meaningless."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

import theory
from benchmarks import rare as rare_costs
from diffusion import (
    SGD,
    AdaBound,
    Adai,
    Adam,
    AMSGrad,
    Beyond,
    Box,
    CoupledLandscape,
    HalfSpace,
    IsotropicNoise,
    LossLevel,
    Momentum,
    OwnOptimizer,
    Padam,
    QuadraticSaddle,
    RAdam,
    Radius,
    Region,
    escape_rate,
    exit_times,
    rare_escape_rate,
)
from diffusion.edges import edge_of
from diffusion.plan import plan_run
from diffusion.splitting.coordinate import carried
from diffusion.splitting.lines import ends_of
from diffusion.splitting.rate import warn_no_rate
from experiments.problems.wells import HIGHEST, exact_rate, settings

SETTING = settings()["parabolas-piecewise"]
LR = SETTING.lr["SGD"]


def rare(barrier, dynamics=SGD(LR), dimension=1, **more):  # noqa: B008 (frozen)
    k = HIGHEST / barrier
    start, boundary = SETTING.positions(k)
    arguments = {"replicas": 400, "repetitions": 24, "start": start, "boundary": boundary, "seed": 3} | more
    return rare_escape_rate(dynamics, SETTING.landscape(dimension, k), noise=SETTING.noise, **arguments)


def chain(barrier, lr=LR):
    """The exact rate of discrete SGD."""
    k = HIGHEST / barrier
    start, boundary = SETTING.positions(k)
    where = {"start": start, "boundary": boundary, "breaks": SETTING.breaks(k)}
    return 1 / theory.discrete_first_passage_time(SETTING.gradient(k), SETTING.deviation(k), lr=lr, **where)


def student(values, expected, error=0.0):
    """p-value of Student's test that the mean is the one expected, known to a standard error.

    Near enough for skewed values, the mean of which is unbiased.
    """
    spread = np.hypot(np.std(values, ddof=1) / np.sqrt(len(values)), error)
    return 2 * stats.t.sf(abs(np.mean(values) - expected) / spread, len(values) - 1)


def p_value(found, exact):
    """Of the test that the mean over repetitions is the exact rate."""
    return student(found["repetition_rate"].values, exact)


@pytest.mark.parametrize("barrier", [pytest.param(6.0, marks=pytest.mark.long), 16.0])
def test_sgd_leaves_at_the_exact_rate_of_its_chain(barrier):
    """1.0e-9 per iteration at 16; a learning rate 10 % off is rejected at the same false-positive rate."""
    found = rare(barrier)
    assert p_value(found, chain(barrier)) > SUITE_RATE
    if barrier == 16:
        assert chain(barrier) < 1.1e-9
        assert p_value(found, chain(barrier, 1.1 * LR)) < SUITE_RATE
    assert found["rate_low"] < found["rate"] < found["rate_high"]
    assert found["families"].min() >= 5


def test_a_rate_of_1e_12_within_ten_percent():
    """Barrier/temperature 22.5, the quadrature's rate of the SDE within a fifth: the discrete step is small there."""
    found = rare(22.5, replicas=1000, repetitions=16)
    error = float(found["repetition_rate"].std(ddof=1)) / 4 / float(found["rate"])
    assert error < 0.1
    assert 5e-13 < found["rate"] < 2e-12
    assert found["rate"] == pytest.approx(exact_rate(SETTING, "SGD", HIGHEST / 22.5)["rate"], rel=0.2 + 3 * error)


@pytest.mark.long  # by default an interval holds the grid's rate, in test_splitting_interval.py
def test_momentum_leaves_at_the_rate_of_the_phase_space_grid():
    """3e-8 per iteration, at 16 substeps. By position alone the spread of repetitions was 0.47."""
    momentum = Momentum(SETTING.lr["Momentum"], 0.9, "heavy-ball")
    found = rare(12.0, momentum, substeps=16, repetitions=12)
    assert p_value(found, exact_rate(SETTING, "Momentum", HIGHEST / 12.0)["rate"]) > SUITE_RATE
    assert np.std(np.log(found["repetition_rate"])) < 0.3


def test_paths_are_judged_by_where_the_momentum_carries_them_without_force_or_for_a_quarter_of_a_period():
    """The recursion itself: where it comes to rest at H = 0, and how far it swings.

    To the first order in its step, at a damping of 3 % of the frequency.
    """

    def reach(dynamics, curvature, substeps):
        plan = plan_run(
            dynamics,
            QuadraticSaddle([curvature]),
            IsotropicNoise(1.0),
            1,
            1,
            None,
            "rest",
            [1],
            "moments",
            substeps,
            0,
            "float64",
        )
        keep, force, _, step = (float(one[0]) for one in dynamics.rule(plan.variance).coefficients(substeps))
        x, m, path = 0.0, -1.0, []
        for _ in range(4000):
            m = keep * m + force * curvature * x
            x -= step * m
            path.append(x)
        return float(carried(plan)[0]), path

    for dynamics in (Momentum(0.05, 0.9), Momentum(0.05, 0.9, "heavy-ball"), Adai(0.05, 0.2)):
        for substeps in (1, 4):
            ahead, path = reach(dynamics, 1e-12, substeps)
            assert ahead == pytest.approx(path[-1], rel=1e-6)
    ahead, path = reach(Momentum(1.0, 0.999), 1.0, 1)
    assert ahead == pytest.approx(np.pi / 2 * max(path), rel=0.05)
    assert reach(SGD(0.05), 1.0, 1)[0] == 0


def test_ten_coordinates_leave_ten_times_as_often():
    found = rare(12.0, dimension=10, repetitions=12)
    assert p_value(found, 10 * chain(12.0)) > SUITE_RATE
    assert p_value(found, chain(12.0)) < SUITE_RATE


def test_direct_simulation_agrees_where_both_work():
    k = HIGHEST / 5
    start, boundary = SETTING.positions(k)
    exits = exit_times(
        SGD(LR),
        SETTING.landscape(1, k),
        noise=SETTING.noise,
        start=start,
        boundary=boundary,
        max_iterations=10**7,
        replicas=20_000,
    )
    assert p_value(rare(5.0), float(escape_rate(exits)["rate"])) > SUITE_RATE


def test_adam_as_shipped_with_its_second_moment_in_the_state():
    """Direct simulation, after the second moment has settled, within 6 standard errors."""
    adam, k = Adam(SETTING.lr["Adam"], 0.9, second_moment="running"), 2.0
    start, boundary = SETTING.positions(k)
    well, where = SETTING.landscape(1, k), {"noise": SETTING.noise, "start": start, "boundary": boundary}
    exits = exit_times(adam, well, max_iterations=10**7, replicas=3000, **where)
    direct = float(escape_rate(exits, burn_in=3000)["rate"])
    rates = rare_escape_rate(adam, well, replicas=400, repetitions=16, **where)["repetition_rate"].values
    error = np.std(rates, ddof=1) / np.sqrt(len(rates))
    assert abs(np.mean(rates) - direct) < 6 * np.hypot(error, direct / np.sqrt(2500))
    assert error < 0.15 * direct


def waves(theta):  # not monotonic on the way out, and it allocates
    return np.sum(theta + 0.3 * np.sin(20 * theta))


@pytest.mark.parametrize("coordinate", [waves, pytest.param("loss", marks=pytest.mark.long)])
def test_the_rate_is_exact_whatever_the_reaction_coordinate(coordinate):
    """7e-7 per iteration; the same bits for any number of threads."""

    def run(**more):
        return rare(10.0, coordinate=coordinate, seed=1, **more)["repetition_rate"].values

    exact, found = chain(10.0), run()
    assert student(found, exact) > SUITE_RATE > student(found, 2 * exact)
    for threads in (1, 3):
        np.testing.assert_array_equal(run(repetitions=2, threads=threads), found[:2])


@pytest.mark.long  # kernels of its own
def test_in_100_coordinates_the_loss_says_too_little():
    with pytest.raises(
        ValueError, match="coordinate = 'loss' does not separate the well from the boundary: in the well"
    ):
        rare(10.0, dimension=100, coordinate="loss", replicas=100, repetitions=2)


def beyond(X, lane):
    return X[0, lane] > 1.6


def along(theta):
    return theta[0]


@pytest.mark.long  # four pairs of kernels
def test_regions_are_left_as_direct_simulation_and_symmetry_have_it():
    """In a round bowl a plane at one distance is left as often in any direction; four ends as in direct simulation."""
    bowl, noise, four = QuadraticSaddle([1.0, 1.0]), IsotropicNoise(20.0), (-1.7, 1.6)
    boundaries = {"line": Beyond(0, 1.6), "plane": HalfSpace([0.6, 0.8], 1.6), "own": Region(beyond), "ends": four}
    found = {}
    for name, boundary in boundaries.items():
        more = {"coordinate": along} if name == "own" else {}
        arguments = {"replicas": 200, "repetitions": 16, "paths": True} | more
        found[name] = rare_escape_rate(SGD(0.02), bowl, noise=noise, boundary=boundary, **arguments)
    exits = exit_times(SGD(0.02), bowl, noise=noise, boundary=four, max_iterations=10**6, replicas=2000)
    line, plane, own, ends = (each["repetition_rate"].values for each in found.values())
    error = line.std(ddof=1) / 4
    for rates in (plane, own):
        assert student(rates, line.mean(), error) > SUITE_RATE > student(rates, 3 * line.mean(), 3 * error)
    direct = float(escape_rate(exits, burn_in=200)["rate"])
    assert (
        student(ends, direct, direct / np.sqrt(2000)) > SUITE_RATE > student(ends, direct / 3, direct / np.sqrt(2000))
    )
    assert np.all(found["plane"]["crossing"].values @ [0.6, 0.8] > 1.6)
    place = found["ends"]["crossing"].values
    assert np.all(((place < -1.7) | (place > 1.6)).any(axis=-1))
    np.testing.assert_array_equal(found["ends"]["paths_by_coordinate"].sum(axis=1), place.shape[1])


def test_a_region_that_does_not_tell_how_far_out_a_path_is_needs_a_coordinate():
    with pytest.raises(ValueError, match="does not tell how far out a path is; use 'loss', or a function of theta"):
        rare(8.0, boundary=Region(lambda x, lane: x[0, lane] > 3.0))


def test_ends_are_found_along_each_coordinate_whatever_the_boundary_is():
    """Of lines as they are; of planes and balls by arithmetic; of losses and functions by search."""

    def ends(boundary, landscape=QuadraticSaddle([1.0, 4.0])):  # noqa: B008 (frozen)
        plan = plan_run(SGD(0.1), landscape, IsotropicNoise(1.0), 1, 1, None, "rest", [1], "moments", 1, 0, "float64")
        return ends_of(plan, edge_of(boundary, landscape, plan.origin))

    np.testing.assert_array_equal(ends(3.0), [[3.0, 3.0]])
    np.testing.assert_array_equal(ends(Beyond(1, -2.0)), [[np.nan, -2.0]])
    np.testing.assert_array_equal(ends(Box((-1.0, None), 2.0)), [[2.0, 2.0], [-1.0, np.nan]])
    np.testing.assert_array_equal(ends(HalfSpace([1.0, 2.0], 2.0)), [[2.0, 1.0]])
    np.testing.assert_array_equal(ends(Radius(2.0) | Beyond(0, 1.0)), [[1.0, 2.0], [-2.0, -2.0]])
    np.testing.assert_allclose(ends(LossLevel(2.0)), [[2.0, 1.0], [-2.0, -1.0]], rtol=1e-12)


COUPLED_LR, VARIANCE = 0.05, 2.8


def loss(X, lane):
    x, y = X[0, lane], X[1, lane]
    return (x * x - 1) ** 2 / 4 + (y * y - 1) ** 2 / 4 + 0.15 * (x - y) ** 2


def gradient(X, j, lane):
    return X[j, lane] ** 3 - X[j, lane] + 0.3 * (X[j, lane] - X[1 - j, lane])


def inwards(theta):
    return 1.5 - theta[0] - theta[1] - np.exp(-theta[0])


def one_sided(theta):  # half of the exits are in the other coordinate, at any value of this
    return -theta[0]


@pytest.fixture(scope="module")
def landed():
    """Where replicas of a direct simulation are when they leave, and their rate."""
    steps, replicas, settle = 15000, 2000, 1000
    rng, x, out = np.random.default_rng(1), np.ones((2, replicas)), []
    for t in range(steps):
        pushed = np.sqrt(VARIANCE) * rng.standard_normal(x.shape)
        x -= COUPLED_LR * (x**3 - x + 0.3 * (x - x[::-1]) + pushed)
        gone = (x < 0).any(axis=0)
        if t >= settle:
            out.append(x[:, gone].T)
        x[:, gone] = 1
    positions = np.concatenate(out)
    return positions, len(positions) / (replicas * (steps - settle))


@pytest.mark.filterwarnings(
    "ignore:.* coordinate = 'one_sided' does not grow towards the exit by coordinate 1",
    "ignore:boundary = 0.0 is a line in each of the 2 coordinates",
)
@pytest.mark.parametrize(
    "coordinate",
    [
        "exit",
        pytest.param(inwards, marks=pytest.mark.long),
        pytest.param("loss", marks=pytest.mark.long),
        pytest.param(one_sided, marks=pytest.mark.long),
    ],
)
def test_coupled_coordinates_leave_as_in_direct_simulation(landed, coordinate):
    """Two symmetric wells, coupled: the rate, how often each coordinate crosses, and where the other is then.

    Five tests at SUITE_RATE for each reaction coordinate. Rejected: half the rate, and the start as the other's
    position.
    """
    wells = CoupledLandscape(loss, gradient, dimension=2, reference=1.0, domain=0.9)
    arguments = {"noise": IsotropicNoise(VARIANCE), "boundary": 0.0, "coordinate": coordinate}
    run = rare_escape_rate(SGD(COUPLED_LR), wells, replicas=200, repetitions=32, paths=True, **arguments)
    rates, crossing, by_coordinate = (
        run[name].values for name in ("repetition_rate", "crossing", "paths_by_coordinate")
    )
    np.testing.assert_array_equal(by_coordinate[:, 0], (crossing[..., 0] < crossing[..., 1]).sum(axis=1))
    positions, direct = landed
    error = direct / np.sqrt(len(positions))
    assert student(rates, direct, error) > SUITE_RATE > student(rates, direct / 2, error)

    def leave_alike(function, expected, error):
        off = rates / rates.mean() * (function(crossing).mean(axis=1) - expected)  # repetitions weigh as their rates
        return student(off, 0.0, error)

    def first(where):
        return where[..., 0] < where[..., 1]

    def other(where):
        return where.max(axis=-1)

    def near(where):
        return where.max(axis=-1) < 0.7

    assert leave_alike(first, 0.5, 0.0) > SUITE_RATE
    for function in (first, other, near):
        here = function(positions)
        assert leave_alike(function, here.mean(), here.std() / np.sqrt(len(here))) > SUITE_RATE
    assert leave_alike(other, 1.0, 0.0) < SUITE_RATE


def test_paths_lead_from_the_rim_of_the_well_over_every_milestone_to_the_crossing():
    found = rare(12.0, replicas=100, repetitions=2, paths=True)
    start, boundary = SETTING.positions(HIGHEST / 12)
    along = (found["path"].isel(coordinate=0) - start) / (boundary - start)
    assert along.dims == ("repetition", "replica", "milestone")
    assert found.sizes["milestone"] == 20
    assert (found["crossing"] > boundary).all()
    assert (along > found["gate_high"]).all()  # the first milestones hold the entrance
    reached = found["gate_low"] + found["milestone"] * (found["level_top"] - found["gate_low"])
    assert (along > reached - 1e-12).all()
    assert (along.diff("milestone") >= 0).all()
    assert len(np.unique(along.isel(repetition=0, milestone=0))) <= found["families"].values[0]
    assert "path" not in rare(12.0, replicas=100, repetitions=2)


def test_same_bits_for_any_number_of_threads_and_whether_paths_are_kept():
    one, two, told = (
        rare(8.0, replicas=100, repetitions=3, **more) for more in ({"threads": 1}, {"threads": 2}, {"paths": True})
    )
    np.testing.assert_array_equal(one["repetition_rate"], two["repetition_rate"])
    np.testing.assert_array_equal(one["repetition_rate"], told["repetition_rate"])
    assert len(np.unique(one["repetition_rate"])) == 3


def test_work_grows_slowly_where_that_of_direct_simulation_grows_exponentially():
    work = [float(rare(barrier, repetitions=2)["steps"].sum()) for barrier in (6.0, 12.0)]
    assert work[1] < 8 * work[0]
    assert chain(12.0) < 1e-2 * chain(6.0)


def test_the_growth_of_work_is_fitted_with_its_interval():
    x = np.linspace(8, 30, 7)
    noise = np.random.default_rng(0).normal(0, 0.1, len(x))
    costs = [
        rare_costs.Cost("splitting", 0.0, np.exp(-u), w, w / 1.22, w * 1.22, 0.1)
        for u, w in zip(x, x**2.5 * np.exp(noise), strict=True)
    ]
    p, low, high = rare_costs.growth(costs)
    assert low < 2.5 < high
    assert low < p < high < 4


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"replicas": 5}, "replicas = 5 must be a whole number >= 20"),
        ({"repetitions": 1}, "repetitions = 1 must be a whole number >= 2"),
        ({"level": 1.0}, "level = 1.0 must lie between 0 and 1"),
        ({"boundary": 0.0}, "boundary = 0.0 is where the start is"),
        ({"boundary": 1e-3}, "the well is not separated from the boundary"),
        ({"coordinate": "lss"}, "coordinate = 'lss' is unknown; did you mean 'loss'"),
        ({"coordinate": 1.0}, "coordinate = 1.0 must be a function"),
        ({"coordinate": lambda theta: theta.nothing}, "does not compile with numba"),
        ({"coordinate": lambda theta: theta * 1.0}, "must return a number"),
        ({"coordinate": lambda theta: np.log(theta[0])}, "is -inf at the start; it must be finite"),
        ({"coordinate": lambda theta: np.sqrt(theta[0] - 1e-9)}, "is nan at the start; it must be finite"),
        (
            {"coordinate": lambda theta: -theta[0]},
            "does not separate the well from the boundary: it is -0 at the start",
        ),
        ({"coordinate": lambda theta: 1.0}, "does not separate the well from the boundary: it is 1 at the start"),
        ({"paths": True, "repetitions": 10**6}, "paths = True would take 62.6 GiB"),
    ],
)
def test_bad_input(changed, message):
    with pytest.raises(ValueError, match=message):
        rare(8.0, **changed)


def test_few_families_are_said():
    with pytest.warns(RuntimeWarning, match="came down to fewer than 5 families"):
        found = rare(20.0, replicas=20, repetitions=2, paths=True)
    np.testing.assert_array_equal(found["extinct"], found["repetition_rate"] == 0)
    np.testing.assert_array_equal(found["extinct"], np.isnan(found["crossing"]).all(["replica", "coordinate"]))


def test_optimizers_without_a_stationary_state_say_so():
    """Those that keep the largest v or close their bounds, and an own step that goes by the iteration; no others."""

    def slower(theta, g, slots, shared, p):
        return (theta - p[0] / np.sqrt(shared[0]) * g,)

    def steady(theta, g, slots, shared, p):
        return (theta - p[0] * g,)

    assert "largest second moment" in AMSGrad(0.1).unsteady
    assert "largest second moment" in Padam(0.1).unsteady
    assert "bounds of its learning rate close over some 1e+03 iterations" in AdaBound(0.1).unsteady
    assert OwnOptimizer(slower, lr=0.1).unsteady == "its step depends on the iteration"
    steady_ones = (
        OwnOptimizer(steady, lr=0.1),
        Padam(0.1, second_moment="frozen"),
        Adam(0.1),
        Momentum(0.1, 0.9),
        RAdam(0.1),
    )
    assert not any(dynamics.unsteady for dynamics in steady_ones)
    repetition = SimpleNamespace(entrance_rate=1e-3, probability=1e-3, iterations=40_000)
    with pytest.warns(RuntimeWarning, match=r"AMSGrad.* has no stationary state: .* one of about iteration 40000"):
        warn_no_rate(AMSGrad(0.1), [repetition], 1000.0)
    warn_no_rate(Adam(0.1), [repetition], 1000.0)


def test_a_barrier_that_is_too_low_for_a_rate_is_told():
    """Less than a temperature above the start paths leave as soon as they have forgotten it; at 6 nothing is said."""
    with pytest.warns(RuntimeWarning, match="forget their start in 20: the barrier is too low for one rate"):
        rare(8.0, boundary=0.3, replicas=100, repetitions=2)
