"""First exits: the same as on simulated paths, right against exact Brownian exits, and honest about the rest."""

import json

import numpy as np
import pytest
from brownian import drifting, normal_p
from conftest import SUITE_RATE
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diffusion import (
    SGD,
    Adai,
    Adam,
    Beyond,
    Box,
    DoubleParabola,
    HalfSpace,
    HessianNoise,
    IsotropicNoise,
    LossLevel,
    Momentum,
    QuadraticSaddle,
    Radius,
    Region,
    RMSprop,
    StyblinskiTang,
    exit_times,
    simulate,
)

TANG = StyblinskiTang(3)
LOUD = IsotropicNoise(2e5)
SADDLE_POINT = 0.156731
few = settings(max_examples=8, deadline=None, derandomize=True)


def run(dynamics=SGD(0.002), landscape=TANG, **changed):  # noqa: B008 (frozen)
    arguments = {"noise": LOUD, "boundary": SADDLE_POINT, "max_iterations": 60, "replicas": 300, "seed": 5} | changed
    return exit_times(dynamics, landscape, **arguments)


def paths(dynamics=SGD(0.002), landscape=TANG, **changed):  # noqa: B008
    arguments = {"noise": LOUD, "iterations": 60, "replicas": 300, "seed": 5, "save": np.arange(1, 61)} | changed
    return simulate(dynamics, landscape, keep="states", **arguments)["position"].values


def first(outside):
    """Iteration of the first true entry on axis 1, NaN where there is none."""
    return np.where(outside.any(axis=1), 1.0 + outside.argmax(axis=1), np.nan)


DYNAMICS = [
    SGD(0.002),
    Momentum(0.002),
    Momentum(0.0002, 0.9, "heavy-ball"),
    RMSprop(0.1),
    Adam(0.3),
    Adai(0.002),
    RMSprop(0.1, second_moment="running"),
    Adam(0.1, second_moment="running"),
    Adai(0.002, second_moment="running"),
]


@pytest.mark.parametrize("dynamics", DYNAMICS, ids=repr)
def test_exits_are_the_first_crossings_of_the_simulated_paths(dynamics):
    """For every dynamics: the same seed gives simulate and exit_times the same paths. The first iteration is 1."""
    outside = (positions := paths(dynamics)) < SADDLE_POINT
    result, expected = run(dynamics), first(outside.any(axis=2))
    assert 0 < np.isfinite(expected).sum() < 300
    np.testing.assert_array_equal(result["exit_iteration"], expected)
    np.testing.assert_array_equal(result["exited"], np.isfinite(expected))
    assert not result["diverged"].any()
    at_exit = positions[np.arange(300), np.nan_to_num(expected, nan=1).astype(int) - 1]
    np.testing.assert_array_equal(result["exit_coordinate"], np.where(result["exited"], at_exit.argmin(axis=1), -1))


def test_thermal_starts_are_those_of_simulate():
    momentum = {"dynamics": Momentum(0.002), "velocity": "thermal"}
    np.testing.assert_array_equal(
        run(**momentum)["exit_iteration"], first((paths(**momentum) < SADDLE_POINT).any(axis=2))
    )


@pytest.mark.parametrize("boundary", [LossLevel(-0.01), Radius(0.5)], ids=repr)
def test_levels_and_radii_of_a_rotated_saddle_are_those_of_the_plain_one(boundary):
    """The rule runs along the eigenvectors; loss and distance do not depend on the rotation."""
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    plain, rotated = (
        run(SGD(0.1), QuadraticSaddle([1.0, -0.5], rotation), noise=HessianNoise(1), boundary=boundary, start=start)
        for rotation, start in ((None, [0.1, 0.2]), (turn, turn @ [0.1, 0.2]))
    )
    assert plain["exited"].sum() > 0
    np.testing.assert_array_equal(plain["exit_iteration"], rotated["exit_iteration"])


def test_substeps_give_fractions_of_an_iteration():
    times = run(substeps=4)["exit_iteration"].values
    times = times[np.isfinite(times)]
    np.testing.assert_array_equal(4 * times, np.round(4 * times))
    assert np.any(times != np.round(times))
    assert times.min() >= 0.25


# --- exact Brownian exits: from 0 in (-1, 1) at diffusion 1, mean (L^2 - x^2)/(2D) = 1/2

MANY = 100_000


def brownian(crossing, lr=0.02):
    """Exit times over the exact mean."""
    result = run(
        SGD(lr),
        QuadraticSaddle([0.0]),
        noise=IsotropicNoise(2 / lr),
        boundary=Radius(1.0),
        start=0.0,
        max_iterations=10**6,
        replicas=MANY,
        crossing=crossing,
    )
    return lr * result["exit_iteration"].values / 0.5


def test_bridge_removes_the_bias_of_checking_once_a_step():
    """At a step where checking at steps is more than 10 % late, the bridge is within 1 % (standard error 0.3 %)."""
    steps, bridged = brownian("step"), brownian("bridge")
    assert steps.mean() > 1.10
    assert abs(bridged.mean() - 1) < 0.01


def test_bridge_gives_the_whole_distribution():
    """Kolmogorov-Smirnov against the exact survival; exits at steps are rejected, which is the negative control."""

    def cdf(t):  # of the exit from (-1, 1) from 0 at diffusion 1, in units of the mean 1/2
        k = np.arange(60)[:, None]
        decay = np.exp(-((2 * k + 1) ** 2) * np.pi**2 / 4 * 0.5 * np.atleast_1d(t))
        return 1 - np.sum(4 / np.pi * (-1.0) ** k / (2 * k + 1) * decay, axis=0)

    bridged, steps = brownian("bridge", lr=0.002), brownian("step", lr=0.002)
    assert stats.kstest(bridged, cdf).pvalue > SUITE_RATE
    assert stats.kstest(steps, cdf).pvalue < SUITE_RATE


def test_bridge_and_step_agree_on_paths_that_ended_beyond():
    """A bridge exits no later than the step at which the same path is found beyond."""
    well = DoubleParabola(0.5, 1.0, 4.0, 3)
    problem = {"landscape": well, "noise": HessianNoise(1, "piecewise"), "boundary": well.saddle}
    steps, bridged = run(SGD(0.2), **problem), run(SGD(0.2), crossing="bridge", **problem)
    both = np.isfinite(steps["exit_iteration"])
    assert np.all(bridged["exit_iteration"].values[both] <= steps["exit_iteration"].values[both])
    assert bridged["exited"].sum() > steps["exited"].sum()


# --- two ends, balls, boxes


def ends(start):
    return start[0] - 1.2, start[0] + 1.2


def test_two_ends_are_left_as_often_and_as_soon_as_the_closed_form_has_it():
    """Drift 0.7, D = 0.5, from 0 between +-1.2: P = 1/(1 + exp(-1.68)), mean 1.2 (2 P - 1)/0.7.

    Checking at steps is rejected.
    """
    upper = 1 / (1 + np.exp(-1.68))
    mean = 1.2 * (2 * upper - 1) / 0.7
    assert (upper, mean) == (pytest.approx(0.8429, abs=5e-5), pytest.approx(1.17567, abs=5e-6))
    found, times, start = drifting(0.7, ends, crossing="bridge", positions=True)
    side = found["exit_side"].values
    assert stats.binomtest(int((side == 1).sum()), len(side), upper).pvalue > SUITE_RATE
    assert normal_p(times, mean) > SUITE_RATE > normal_p(drifting(0.7, ends)[1], mean)
    np.testing.assert_allclose(found["exit_position"][:, 0] - start[0], 1.2 * side, atol=1e-9)
    np.testing.assert_array_equal(found["exit_substep"], np.ceil(found["exit_iteration"]))


def test_mirrored_problems_leave_by_mirrored_ends():
    """No drift: either end half of the time; drift the other way: the other end."""
    (still, *_), (down, *_) = (drifting(v, ends, crossing="bridge") for v in (0.0, -0.7))
    sides = still["exit_side"].values
    assert stats.binomtest(int((sides == 1).sum()), len(sides), 0.5).pvalue > SUITE_RATE
    p = stats.binomtest(int((down["exit_side"] == -1).sum()), len(sides), 1 / (1 + np.exp(-1.68))).pvalue
    assert p > SUITE_RATE


def test_a_ball_is_left_after_the_time_of_brownian_motion_and_through_every_side():
    """R^2/2dD; at steps, of a ball larger by 0.5826 standard deviations of one (Chernoff 1965), else it is rejected."""
    lr, d = 0.002, 3
    found, times, _ = drifting(np.zeros(d), lambda start: Radius(1.0), lr=lr, replicas=10_000, positions=True)
    larger = 1 + 0.5826 * np.sqrt(lr)
    assert normal_p(times, larger**2 / d) > SUITE_RATE > normal_p(times, 1 / d)
    place = found["exit_position"].values
    assert np.all(np.linalg.norm(place, axis=1) > 1)
    assert all(normal_p(place[:, j], 0.0) > SUITE_RATE for j in range(d))


def test_lines_in_other_words_are_the_same_lines():
    """An interval, a box, the number on either side, joined lines; the end and the coordinate that is farthest out."""
    options = {"drift": np.zeros(2), "replicas": 500, "positions": True, "seed": 3}
    lines = Beyond(0, 0.5) | Beyond(0, -0.6) | Beyond(1, -1.0) | Beyond(1, 0.5)
    box, joined = (
        drifting(boundary=lambda start, one=one: one, **options)[0] for one in (Box([-0.6, -1.0], 0.5), lines)
    )
    np.testing.assert_array_equal(box["exit_iteration"], joined["exit_iteration"])
    place = box["exit_position"].values
    beyond = np.stack([place - 0.5, [-0.6, -1.0] - place])
    np.testing.assert_array_equal(box["exit_coordinate"], beyond.max(axis=0).argmax(axis=1))
    np.testing.assert_array_equal(box["exit_side"], np.where(beyond.max(axis=2).argmax(axis=0) == 0, 1, -1))
    assert set(box["exit_side"].values) == {1, -1}
    assert "exit_part" not in box
    one, two, pair = (
        run(boundary=b)["exit_iteration"] for b in (SADDLE_POINT, (SADDLE_POINT, None), [SADDLE_POINT, 9.0])
    )
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, pair)


def beside(x, lane):
    return abs(x[0, lane]) > 0.6


def far_out(x, lane):
    return x[0, lane] ** 2 + x[1, lane] ** 2 > 0.64


def test_functions_are_left_when_the_built_in_is_and_parts_are_told():
    """Bit for bit: two joined, each against its own; lines as half-spaces too. Paths do not depend on what is left."""
    options = {"drift": np.zeros(2), "replicas": 1000}
    beside_either = HalfSpace([2.0, 0.0], 1.2) | HalfSpace([-1.0, 0.0], 0.6)
    lines, planes, ball, joined = (
        drifting(boundary=lambda start, one=one: one, **options)[0]
        for one in (Box((-0.6, None), (0.6, None)), beside_either, Radius(0.8), Region(beside) | Region(far_out))
    )
    np.testing.assert_array_equal(lines["exit_iteration"], planes["exit_iteration"])
    np.testing.assert_array_equal(lines["exit_side"], 1 - 2 * planes["exit_part"])
    first = np.minimum(lines["exit_iteration"], ball["exit_iteration"])
    np.testing.assert_array_equal(joined["exit_iteration"], first)
    np.testing.assert_array_equal(joined["exit_part"], ball["exit_iteration"] < lines["exit_iteration"])
    assert 0.1 < joined["exit_part"].mean() < 0.9
    assert set(joined["exit_coordinate"].values) == {-1}


# --- the scaling symmetry: sqrt(k) theta depends on sharpness k and learning rate through k lr, or sqrt(k) lr for Adam


@few
@given(st.floats(0.2, 5.0))
@pytest.mark.parametrize(
    ("make", "power"), [(SGD, 1), (Momentum, 1), (lambda lr: Adam(50 * lr, eps=1e-300, second_moment="running"), 0.5)]
)
def test_exits_depend_on_sharpness_through_the_learning_rate_alone(make, power, k):
    """Replica by replica, with Hessian noise; eps of Adam out of the way."""
    plain = run(make(0.02), noise=HessianNoise(1e-3 + 1), boundary=2.4, max_iterations=2000, replicas=40)
    scaled = run(
        make(0.02 / k**power),
        StyblinskiTang(3, k),
        noise=HessianNoise(1e-3 + 1),
        boundary=2.4 / np.sqrt(k),
        max_iterations=2000,
        replicas=40,
    )
    assert plain["exited"].sum() > 20
    np.testing.assert_array_equal(plain["exit_iteration"], scaled["exit_iteration"])


# --- what did not exit, labels, refusals


def test_censored_and_diverged_replicas_say_so():
    steep = DoubleParabola(1.0, 1.0, 4.0, 2)
    with pytest.warns(RuntimeWarning, match="none can be expected to leave"):
        censored = run(SGD(1e-3), steep, noise=HessianNoise(10, "piecewise"), boundary=5.0, max_iterations=10)
    assert not censored["exited"].any()
    assert not censored["diverged"].any()
    assert censored["exit_iteration"].isnull().all()
    with pytest.warns(RuntimeWarning, match="300 of 300 replicas left floating-point range"):
        lost = run(
            SGD(1.0), QuadraticSaddle([-50.0, 0.1]), noise=HessianNoise(10), boundary=LossLevel(1e9), max_iterations=400
        )
    assert lost["diverged"].all()
    assert not lost["exited"].any()
    assert lost["exit_iteration"].isnull().all()


def test_result_carries_units_and_everything_to_run_it_again():
    result = run(Momentum(0.002), boundary=0.25, substeps=2)
    assert all(variable.attrs["units"] and variable.attrs["long_name"] for variable in result.variables.values())
    again = json.loads(result.attrs["parameters"])
    assert again["boundary"] == "0.25"
    assert again["max_iterations"] == 60
    assert again["substeps"] == 2
    assert 0 < result.attrs["lane_steps_useful"] <= result.attrs["lane_steps"]


def test_finished_lanes_are_refilled():
    """Over 97 % of the lane substeps computed are of live replicas."""
    result = run(replicas=20_000, max_iterations=500, threads=1)
    assert result.attrs["lane_steps_useful"] > 0.97 * result.attrs["lane_steps"]


turned = QuadraticSaddle([1.0, -1.0], [[0.6, -0.8], [0.8, 0.6]])
BAD = [
    (lambda: run(boundary=np.nan), "boundary = nan must be a finite number"),
    (lambda: run(boundary=2.0, start=2.0), "boundary = 2.0 is where the start is; choose"),
    (lambda: run(boundary=LossLevel(np.inf)), "LossLevel value = inf"),
    (lambda: run(boundary=Radius(0.0)), "Radius value = 0.0 must be a finite number above 0"),
    (lambda: run(landscape=QuadraticSaddle([1.0]), boundary=LossLevel(0.0)), "is the loss at the start"),
    (lambda: run(landscape=turned, noise=HessianNoise(1), boundary=1.0), "use Radius or LossLevel, or rotation=None"),
    (lambda: run(max_iterations=0), "max_iterations = 0 must be a whole number >= 1"),
    (lambda: run(max_iterations=2**32), "must be at most 4294967295"),
    (lambda: run(substeps=[1, 2]), r"substeps = \[1, 2\] must be a whole number"),
    (lambda: run(crossing="bridges"), "did you mean 'bridge'"),
    (lambda: run(precision="float32"), "precision = 'float32' is unknown"),
    (lambda: run(crossing="bridge", boundary=Radius(1.0)), "Radius.* is not a line .* use crossing='step'"),
    (lambda: run(Momentum(0.002), crossing="bridge"), "is not the overdamped SDE"),
    (lambda: run(Adam(0.1, beta1=0, second_moment="running"), crossing="bridge"), "is not the overdamped SDE"),
    (lambda: run(replicas=10**9), "replicas = 1000000000 would take 49.4 GiB"),
    (lambda: run(velocity="thermal"), "'thermal' needs inertia"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_names_parameter_value_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()
