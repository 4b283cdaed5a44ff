"""Escape rates: interval, censoring, the exponential law, and results that say what they are worth."""

import json

import numpy as np
import pytest
import xarray
from scipy import stats

from diffusion import (
    SGD,
    DoubleParabola,
    HessianNoise,
    IsotropicNoise,
    Momentum,
    StyblinskiTang,
    escape_rate,
    exit_times,
)
from diffusion.rates import exponential_test

HORIZON = 10_000


def sample(times, horizon=HORIZON, diverged=0):
    """A result of exit_times with these times; those beyond their horizon are censored."""
    times = np.concatenate([np.asarray(times, float), np.full(diverged, np.nan)])
    horizon = np.broadcast_to(horizon, times.shape)
    exited = times <= horizon
    return xarray.Dataset(
        {
            "exit_iteration": ("replica", np.where(exited, times, np.nan)),
            "exited": ("replica", exited),
            "diverged": ("replica", np.isnan(times)),
        },
        {"horizon": ("replica", horizon.copy())},
    )


def exponential(rng, count, rate=1e-3):
    return rng.exponential(1 / rate, count)


def test_rate_is_exits_over_time_at_risk():
    found = escape_rate(sample([*range(1, 21), 20_000, 30_000]))
    assert found["rate"] == pytest.approx(20 / (210 + 2 * HORIZON))
    assert (int(found["events"]), int(found["censored"]), int(found["early"])) == (20, 2, 0)
    assert np.isnan(found["rate_paper"])


def test_interval_without_censoring_is_chi_squared():
    found = escape_rate(sample(range(1, 21)))
    low, high = stats.chi2.ppf([0.025, 0.975], 40) / 2 / 210
    assert (float(found["rate_low"]), float(found["rate_high"])) == pytest.approx((low, high), rel=1e-12)


def test_papers_estimate():
    found = escape_rate(sample(range(1, 21)))
    assert found["rate_paper"] == pytest.approx(18 / 210)
    assert found["rate_paper_high"] == pytest.approx(18 / 210 * (1 + 1.96 / np.sqrt(20)))


@pytest.mark.parametrize(
    ("replicas", "horizon"),
    [(30, 10**6), (120, 300), (90, np.repeat([100, 800], 45))],
    ids=["complete", "censored", "two horizons"],
)
def test_interval_covers_the_rate_as_often_as_it_says(replicas, horizon):
    """1000 samples of about 30 exits: 95 %, or somewhat more where runs were censored. False-positive rate 1e-6."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(1000):
        found = escape_rate(sample(exponential(rng, replicas), horizon))
        covered += bool(found["rate_low"] <= 1e-3 <= found["rate_high"])
    low, high = stats.binom.ppf([5e-7, 1 - 5e-7], 1000, 0.95)
    assert low <= covered <= (high if np.min(horizon) > 300 else 1000)


RUNS = 3000
TWO_HORIZONS = np.repeat([500, 3000], RUNS // 2)


@pytest.mark.parametrize("horizon", [500, HORIZON * 100, TWO_HORIZONS], ids=["censored", "complete", "two horizons"])
def test_exponential_test_has_its_false_positive_rate_and_its_power(horizon):
    """At 1 %: 1000 true samples; then Weibull samples of the shape said to be detectable, 90 % of them rejected."""
    rng, horizon = np.random.default_rng(2), np.broadcast_to(horizon, RUNS)

    def tested(times):
        return exponential_test(np.minimum(times, horizon), times <= horizon, horizon)

    def rejected(draw):
        return sum(tested(draw())[0] < 0.01 for _ in range(1000))

    low, high = stats.binom.ppf([5e-7, 1 - 5e-7], 1000, 0.01)
    assert low <= rejected(lambda: exponential(rng, RUNS)) <= high
    _, departure = tested(exponential(rng, RUNS))
    up, down = (rejected(lambda k=k: 1000 * rng.weibull(k, RUNS)) / 1000 for k in (1 + departure, 1 - departure))
    assert 0.87 < (up + down) / 2 < 0.93  # for small departures; by symmetry the next order cancels


def test_settling_shows_and_burn_in_removes_it():
    """A well that takes 400 iterations to reach the rate: rejected as it stands, accepted after burn-in."""
    rng = np.random.default_rng(3)
    times = 400 + exponential(rng, 1000)
    assert escape_rate(sample(times, 10**6))["exponential_p"] < 1e-6
    settled = escape_rate(sample(times, 10**6), burn_in=400)
    assert settled["exponential_p"] > 1e-3
    assert settled["rate_low"] < 1e-3 < settled["rate_high"]


def test_no_exits_give_an_upper_limit_and_a_warning():
    with pytest.warns(RuntimeWarning, match=r"none of 5 runs left within 10000 iterations: the rate is below 7.38e-05"):
        found = escape_rate(sample([2e4] * 5))
    assert (float(found["rate"]), float(found["rate_low"])) == (0, 0)
    assert found["rate_high"] == pytest.approx(stats.chi2.isf(0.025, 2) / 2 / (5 * HORIZON))


def test_few_exits_come_with_a_warning_that_carries_the_estimate():
    with pytest.warns(RuntimeWarning, match=r"only 3 exits: the rate, 0.5 per iteration, may be anything up to"):
        escape_rate(sample([1, 2, 3]))


def test_diverged_replicas_are_left_out_and_said():
    with pytest.warns(RuntimeWarning, match="2 replicas diverged and were left out"):
        found = escape_rate(sample(range(1, 21), diverged=2))
    assert int(found["diverged"]) == 2
    assert found["rate"] == pytest.approx(20 / 210)


def test_an_ensemble_that_diverged_as_a_whole_is_refused():
    with pytest.raises(ValueError, match="all 20 replicas diverged; lower the learning rate"):
        escape_rate(sample([], diverged=20))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": 1.0}, "level = 1.0 must lie between 0 and 1"),
        ({"burn_in": -1.0}, "burn_in = -1.0 must be a finite number >= 0"),
        ({"burn_in": 1e9}, r"burn_in = 1e\+09 leaves nothing of max_iterations = 10000"),
        ({"burn_in": 100.0}, "all replicas were out before burn_in = 100"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        escape_rate(sample([1.0, 2.0, 3.0]), **arguments)


def test_refuses_other_datasets():
    with pytest.raises(ValueError, match="exit_times has no diverged, exit_iteration, exited"):
        escape_rate(xarray.Dataset())


def test_four_lines():
    """From a landscape to a rate with its interval."""
    well = DoubleParabola(barrier=0.15, hessian_minimum=1.0, hessian_saddle=1.0, dimension=1)
    noise = HessianNoise(batch_size=1, at="piecewise")
    exits = exit_times(
        SGD(0.1), well, noise=noise, boundary=2 * well.saddle, max_iterations=100_000, replicas=500, seed=4
    )
    found = escape_rate(exits, burn_in=50)
    assert found["rate_low"] < found["rate"] < found["rate_high"]
    assert found["rate"].attrs["units"] == "1 / iteration"
    assert found["exponential_p"] > 1e-6


# --- exits that were joined, cut, written, stripped, or made by an older version


def run(max_iterations, seed=0, dynamics=SGD(0.002), **changed):  # noqa: B008 (frozen)
    arguments = {"noise": IsotropicNoise(9400), "boundary": 0.156731, "replicas": 500} | changed
    return exit_times(dynamics, StyblinskiTang(1), max_iterations=max_iterations, seed=seed, **arguments)


@pytest.fixture(scope="module")
def runs():
    """Of one problem, with horizons 20,000 and 200."""
    return run(20_000), run(200, seed=1)


def numbers(found):
    return {name: np.nan_to_num(value.values, nan=-1.0).tolist() for name, value in found.data_vars.items()}


def test_joined_runs_give_pooled_exits_over_pooled_time(runs):
    long, short = runs
    both = xarray.concat(runs, "replica")
    found = escape_rate(both)
    exits = int(long["exited"].sum() + short["exited"].sum())
    time = float(long["exit_iteration"].sum() + short["exit_iteration"].sum()) + 200 * int((~short["exited"]).sum())
    assert long["exited"].all()
    assert found["rate"] == exits / time
    assert found["rate"] == pytest.approx(7.10e-4, rel=0.05)  # every censored run for 20,000 iterations: 5.82e-5
    assert (int(found["events"]), int(found["censored"])) == (exits, 1000 - exits)
    assert found["exponential_p"] > 1e-3  # with one horizon for all it was below 1e-100
    assert numbers(escape_rate(both.isel(replica=slice(None, None, -1)))) == numbers(found)


def test_the_record_of_a_join_or_a_part_claims_only_what_all_replicas_share(runs):
    whole, joined, part = (
        json.loads(escape_rate(exits, burn_in=10).attrs["parameters"])
        for exits in (runs[1], xarray.concat(runs, "replica"), runs[1].isel(replica=slice(100)))
    )
    assert whole | {"burn_in": 10} == json.loads(runs[1].attrs["parameters"]) | {"burn_in": 10, "level": 0.95}
    assert joined == {k: v for k, v in whole.items() if k != "seed"} | {
        "replicas": 1000,
        "max_iterations": [200, 20000],
    }
    assert part == {k: v for k, v in whole.items() if k != "seed"} | {"replicas": 100}
    foreign = runs[1].assign_attrs(
        parameters=json.dumps({"dynamics": "Adam(lr=1.0)", "replicas": 500, "max_iterations": 200})
    )
    assert "dynamics" not in json.loads(escape_rate(foreign).attrs["parameters"])


def test_runs_of_different_problems_do_not_join(runs):
    other = run(20_000, dynamics=Momentum(0.002))
    with pytest.raises(
        ValueError, match=r"joins exits of 2 problems.* analyse each alone, or drop_vars\(\"problem\"\)"
    ):
        escape_rate(xarray.concat([runs[0], other], "replica"))
    mixed = xarray.concat([runs[0], other], "replica").drop_vars("problem")
    assert escape_rate(mixed)["events"] == 1000
    assert "dynamics" not in json.loads(escape_rate(mixed).attrs["parameters"])


def test_runs_of_one_seed_are_no_more_exits(runs):
    short = runs[1]
    for again, repeated in ((short, 500), (run(200, seed=1, replicas=20), 20)):
        with pytest.warns(RuntimeWarning, match=f"^{repeated} of the replicas are there twice, .* of different seeds$"):
            escape_rate(xarray.concat([short, again], "replica"))
    escape_rate(short)


def written_and_read(exits, path):
    exits.to_netcdf(path, engine="h5netcdf")
    return xarray.load_dataset(path, engine="h5netcdf")


@pytest.mark.parametrize(
    "change",
    [
        lambda exits, path: exits.drop_attrs(),
        lambda exits, path: 1.0 * exits,  # flags become numbers, attributes go
        lambda exits, path: exits.assign_attrs(parameters="no JSON"),
        lambda exits, path: exits.where(exits["horizon"] > 0),  # flags become objects
        lambda exits, path: exits.drop_vars("replica"),
        lambda exits, path: exits.rename(replica="run"),
        written_and_read,
        lambda exits, path: xarray.decode_cf(written_and_read(exits, path), mask_and_scale=False),
        lambda exits, path: exits.chunk(replica=70),
    ],
    ids=["stripped", "arithmetic", "not ours", "masked", "unnumbered", "renamed", "netCDF", "undecoded", "dask"],
)
def test_what_becomes_of_a_dataset_does_not_change_the_rate(runs, change, tmp_path):
    pytest.importorskip("dask")
    both = xarray.concat(runs, "replica")
    assert numbers(escape_rate(change(both, tmp_path / "exits.nc"))) == numbers(escape_rate(both))


def old(exits, **parameters):
    """As versions before made them: without horizon."""
    kept = {"max_iterations": 200, "replicas": exits.sizes["replica"]} | parameters
    return exits.drop_vars(["horizon", "problem"]).assign_attrs(parameters=json.dumps(kept))


def test_a_result_without_horizon_takes_that_of_its_record_if_nothing_speaks_against_it(runs):
    short = runs[1]
    assert numbers(escape_rate(old(short))) == numbers(escape_rate(short))
    for exits in (
        old(short).isel(replica=slice(100)),
        xarray.concat([old(short), old(short)], "replica"),
        xarray.concat([old(short, replicas=1000)] * 2, "replica"),
        old(short).drop_attrs(),
        old(short, max_iterations="200"),
    ):
        with pytest.raises(ValueError, match=r"no horizon, .*exits.assign_coords\(horizon="):
            escape_rate(exits)


CONTRADICTIONS = [
    (lambda exits: exits.isel(replica=slice(0)), "exit_times has no replicas; widen the selection"),
    (lambda exits: exits.isel(replica=0), r"exit_iteration has dimensions \(\), .* isel\(replica=\[0\]\)"),
    (lambda exits: xarray.concat([exits, exits], "case"), r"dimensions \('case', 'replica'\).* select one case"),
    (lambda exits: exits.where(exits["replica"] < 90), "exited is missing for 410 of 500 replicas; drop them"),
    (lambda exits: exits.assign_coords(horizon=exits["horizon"] / 2), "replicas left after their horizon, as replica"),
    (lambda exits: exits.assign_coords(horizon=0 * exits["horizon"]), "horizon must be a finite number above 0"),
    (
        lambda exits: exits.assign_coords(horizon=exits["horizon"].where(exits["replica"] > 9)),
        "horizon is missing for 10",
    ),
    (lambda exits: exits.assign(exited=exits["exited"] / 2), "exited is 0.5 somewhere, and must be 0 or 1"),
    (lambda exits: exits.assign(exited=~exits["exited"]), "exited, and have no exit_iteration"),
    (lambda exits: exits.assign(exited=exits["exited"] & False), "have an exit_iteration, and did not exit"),
    (lambda exits: exits.assign(diverged=exits["exited"]), "both exited and diverged"),
    (lambda exits: exits.assign(exit_iteration=-exits["exit_iteration"]), "left before iteration 0"),
    (lambda exits: exits.assign(exited=exits["exited"].astype(str)), "exited is not a number for every replica"),
    (
        lambda exits: exits["exit_iteration"].rename("times"),
        "exit_times has no .*give the result of diffusion.exit_times",
    ),
]


@pytest.mark.parametrize(("change", "message"), CONTRADICTIONS, ids=[message for _, message in CONTRADICTIONS])
def test_exits_that_contradict_themselves_are_refused_by_name(runs, change, message):
    with pytest.raises(ValueError, match=message):
        escape_rate(change(runs[1]))


def test_burn_in_beyond_some_horizons_leaves_those_runs_out_with_a_warning(runs):
    long, short = runs
    alone = escape_rate(long, burn_in=300)
    with pytest.warns(RuntimeWarning, match=r"4\d\d replicas that had not left were censored before burn_in = 300"):
        found = escape_rate(xarray.concat(runs, "replica"), burn_in=300)
    for name in ("rate", "rate_low", "rate_high", "time_at_risk", "events", "censored", "exponential_p"):
        assert found[name] == pytest.approx(float(alone[name]), rel=1e-12)
    assert int(found["early"]) == int(alone["early"]) + int(short["exited"].sum())


def test_events_are_told_by_coordinate(runs):
    wells = exit_times(
        SGD(0.002), StyblinskiTang(3), noise=IsotropicNoise(9400), boundary=0.156731, max_iterations=1000, replicas=100
    )
    found = escape_rate(wells, burn_in=50)
    counted = wells["exit_coordinate"].values[wells["exit_iteration"].values > 50]
    assert found["events_by_coordinate"].values.tolist() == [int(np.sum(counted == j)) for j in range(3)]
    assert int(found["events_by_coordinate"].sum()) == int(found["events"]) > 0
    assert "events_by_coordinate" not in escape_rate(runs[1])
