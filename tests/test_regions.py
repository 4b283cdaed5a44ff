"""What can be left, and walls: against closed forms, and one kind of boundary against another, replica by replica."""

import numpy as np
import pytest
from brownian import FLAT, FLAT_PLANE, drifting, normal_p
from conftest import SUITE_RATE
from scipy import stats

from diffusion import (
    SGD,
    Adai,
    Adam,
    Beyond,
    Box,
    CoupledLandscape,
    HalfSpace,
    HessianNoise,
    IsotropicNoise,
    LossLevel,
    Momentum,
    QuadraticSaddle,
    Radius,
    Region,
    exit_times,
    regions,
    simulate,
)
from diffusion.edges import edge_of


@pytest.mark.parametrize("drift", [0.7, 0.0])
def test_a_half_space_is_left_as_the_inverse_gaussian_law_has_it(drift):
    """At a distance of 1, by time 4, with D = 0.5: how many, and Kolmogorov-Smirnov. Times at steps are rejected."""
    normal = np.array([1.2, 1.6])  # of length 2
    start = -drift * normal / 2 / FLAT

    def cdf(t):
        with np.errstate(divide="ignore"):
            below, above = (drift * t - 1) / np.sqrt(t), -(drift * t + 1) / np.sqrt(t)
        return stats.norm.cdf(below) + np.exp(2 * drift) * stats.norm.cdf(above)

    found = exit_times(
        SGD(0.05),
        FLAT_PLANE,
        noise=IsotropicNoise(20.0),
        start=start,
        boundary=HalfSpace(normal, normal @ start + 2.0),
        max_iterations=80,
        replicas=20_000,
        crossing="bridge",
        positions=True,
    )
    left = found["exited"].values
    np.testing.assert_allclose(found["exit_position"].values[left] @ normal - normal @ start, 2.0, atol=1e-8)

    def p_value(times):
        share = stats.binomtest(len(times), len(left), cdf(4.0)).pvalue
        return min(share, stats.kstest(times, lambda t: cdf(t) / cdf(4.0)).pvalue)

    times = 0.05 * found["exit_iteration"].values[left]
    assert p_value(times) > SUITE_RATE > p_value(np.ceil(times / 0.05) * 0.05)


@pytest.mark.long  # a kernel of its own
def test_lines_and_others_joined_tell_the_first_part_of_those_that_a_step_leaves():
    options = {"drift": np.zeros(2), "replicas": 2000, "positions": True}
    built = drifting(boundary=lambda start: Beyond(0, 0.5) | Radius(1.0), **options)[0]
    plane = drifting(boundary=lambda start: HalfSpace([2.0, 0.0], 1.0) | Radius(1.0) | Box(None, 9.0), **options)[0]
    for name in ("exit_iteration", "exit_part", "exit_position"):
        np.testing.assert_array_equal(built[name], plane[name], err_msg=name)
    part, place = built["exit_part"].values, built["exit_position"].values
    np.testing.assert_array_equal(part == 0, place[:, 0] > 0.5)
    assert 0.2 < part.mean() < 0.8
    np.testing.assert_array_equal(built["exit_coordinate"], np.where(part == 0, 0, -1))
    np.testing.assert_array_equal(built["exit_side"], np.where(part == 0, 1, 0))
    told = edge_of(Beyond(0, 0.5) | Radius(1.0), FLAT_PLANE, np.zeros(2)).crossed(FLAT_PLANE, place)
    for name, values in zip(("exit_part", "exit_coordinate", "exit_side"), told, strict=True):
        np.testing.assert_array_equal(built[name], values)


# --- walls


WALLED = {"noise": IsotropicNoise(100.0), "iterations": 40, "replicas": 300, "save": np.arange(1, 41), "keep": "states"}


SHIPPED = pytest.param(Adam(0.3, second_moment="running"), marks=pytest.mark.long)  # another kernel


@pytest.mark.parametrize("dynamics", [SGD(0.02), Momentum(0.02, 0.8), SHIPPED], ids=repr)
def test_walls_mirror_the_path_without_them(dynamics):
    """Without a force the walled path is |x|, in law; until it meets the wall it is x itself."""
    flat = QuadraticSaddle([0.0])
    walled = simulate(dynamics, flat, reflecting=(0.0, None), start=0.3, **WALLED)["position"].values
    free = simulate(dynamics, flat, start=0.3, **WALLED)["position"].values
    assert walled.min() >= 0 > free.min()
    before = np.minimum.accumulate(free, axis=1) >= 0
    np.testing.assert_array_equal(walled[before], free[before])
    p = stats.ks_2samp(walled[:, -1, 0], np.abs(free[:, -1, 0])).pvalue
    assert p > SUITE_RATE > stats.ks_2samp(walled[:, -1, 0], free[:, -1, 0]).pvalue


def test_between_walls_the_density_is_flat():
    """With steps of half the width, too: a uniform density is left as it is by mirrors at both ends."""
    between = simulate(
        SGD(0.02),
        QuadraticSaddle([0.0]),
        noise=IsotropicNoise(100.0),
        iterations=200,
        replicas=4000,
        save=[200],
        keep="states",
        start=0.1,
        reflecting=[0.0, 0.4],
    )["position"].values.ravel()
    assert stats.kstest(between, stats.uniform(0, 0.4).cdf).pvalue > SUITE_RATE
    assert stats.kstest(between, stats.uniform(0, 0.5).cdf).pvalue < SUITE_RATE


@pytest.mark.long  # a kernel of its own
def test_a_wall_makes_an_exit_as_late_as_two_ends_do():
    """By reflection, from a wall at 0 to 1 at D = 1 as from 0 to +-1: 1/2."""
    lr = 0.02
    options = {
        "noise": IsotropicNoise(2 / lr),
        "start": 0.0,
        "max_iterations": 10**6,
        "replicas": 20_000,
        "crossing": "bridge",
    }
    found = exit_times(SGD(lr), QuadraticSaddle([0.0]), boundary=1.0, reflecting=(0.0, None), **options)
    assert normal_p(lr * found["exit_iteration"].values, 0.5) > SUITE_RATE
    assert set(found["exit_side"].values) == {1}


# --- refusals


def bent_loss(x, lane):
    return (x[0, lane] ** 2 - 1) ** 2 + 2 * (x[1, lane] - x[0, lane] ** 2) ** 2


def bent_gradient(x, j, lane):
    away = x[1, lane] - x[0, lane] ** 2
    return 4 * x[0, lane] * (x[0, lane] ** 2 - 1 - 2 * away) * (1 - j) + 4 * away * j


BENT = CoupledLandscape(bent_loss, bent_gradient, dimension=2, reference=1.0)


def run(boundary, landscape=BENT, dynamics=SGD(0.01), **more):  # noqa: B008 (frozen)
    options = {"noise": IsotropicNoise(1.0), "max_iterations": 5, "replicas": 2} | more
    return exit_times(dynamics, landscape, boundary=boundary, **options)


TURNED = QuadraticSaddle([1.0, -1.0], [[0.6, -0.8], [0.8, 0.6]])
BAD = [
    (lambda: run("0"), r"boundary = '0' must be a number, \(low, high\), Beyond, Box"),
    (lambda: run((0.0, 1.0, 2.0)), "must be a number"),
    (lambda: run((None, None)), r"\(None, None\) has no end"),
    (lambda: run((2.0, 0.5)), "must have low below high"),
    (lambda: run((1.5, 2.0)), "the start is 1 in coordinate 0, which is outside already, or on the boundary; choose"),
    (lambda: run(Box([0.0, 1.0], 3.0)), "the start is 1 in coordinate 1, which is outside already"),
    (lambda: run(Box([0.0, 0.0, 0.0])), "must be a number or None, or 2 of them"),
    (lambda: run(Box("low")), "low = 'low' must be numbers or None"),
    (lambda: run(Beyond(2, 0.0)), "landscape has coordinates 0 to 1"),
    (lambda: run(Beyond(0, 1.0)), "is where the start is"),
    (lambda: Beyond(-1, 0.0), "Beyond coordinate = -1"),
    (lambda: run(HalfSpace([1.0, 1.0], 1.5)), "is 2 at the start, which is outside already; .* signs of normal"),
    (lambda: run(HalfSpace([1.0], 3.0)), "its normal has 1 entries, and the landscape 2"),
    (lambda: HalfSpace([0.0, 0.0], 1.0), "must have an entry that is not 0"),
    (lambda: run(Region(lambda x, lane: x[0, lane] > 0)), "is True at the start"),
    (lambda: run(Region(lambda x, lane: x[0, lane])), "returns 1.0 at the start; it must return True or False"),
    (lambda: Region(3.0), "Region outside = 3.0 must be a function"),
    (lambda: run(Region(lambda x, lane: x.nothing)), "outside = <lambda> does not compile with numba"),
    (lambda: run(Beyond(0, 1.0), TURNED), "use HalfSpace for a line"),
    (lambda: run(Region(lambda x, lane: x[0, lane] > 1), TURNED), "is a function in coordinates"),
    (lambda: run(Radius(1.0) | Beyond(0, 0.0), crossing="bridge"), "nor one HalfSpace; use crossing='step'"),
    (lambda: run(Beyond(0, 0.0), crossing="bridge"), "only a HalfSpace may be left then"),
    (lambda: run(0.0, reflecting=1.0), "reflecting = 1.0 is where the start is"),
    (lambda: run(0.0, reflecting=(2.0, 3.0)), "the start is 1 in coordinate 0, which is behind a wall"),
    (lambda: run(0.0, reflecting=[-1.0]), "the wall at -1 in coordinate 0 is not before the boundary"),
    (lambda: run(Beyond(0, 0.0), reflecting=Beyond(0, 0.5)), "is before boundary = .* everywhere, so"),
    (lambda: run(0.0, reflecting=float("inf")), "reflecting = inf must be a finite number"),
    (lambda: run(0.0, reflecting=Radius(3.0)), "reflecting = Radius.* must be of coordinates"),
    (lambda: run(Radius(0.5), TURNED, reflecting=3.0), "this rule runs along the eigenvectors"),
    (lambda: run(0.0, dynamics=Adai(0.01), noise=HessianNoise(1), reflecting=3.0), "in coordinates, and this rule"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_names_parameter_value_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def far_out(x, lane):
    return x[0, lane] > 0.5


def test_written_as_they_are_made():
    """In a record, where a digest tells problems apart."""
    assert (
        repr(Beyond(0, 0.0) | (None, 2.0) | Radius(1.0))
        == "Beyond(coordinate=0, value=0.0) | (None, 2.0) | Radius(value=1.0)"
    )
    assert repr(2.0 | HalfSpace(np.array([1, 0]), 3)) == "2.0 | HalfSpace(normal=(1.0, 0.0), offset=3)"
    assert Box(np.array([0.0, 1.0]), [None, 2.0]) == Box((0.0, 1.0), (None, 2.0))
    assert len({LossLevel(1.0) | Radius(1.0), LossLevel(1.0) | Radius(1.0)}) == 1
    assert Region(far_out) == Region(far_out)
    assert "x[0, lane] > 0.5" in repr(Region(far_out))


def test_equal_boundaries_are_written_alike_and_a_truth_value_is_none():
    assert regions.plain([-1, 1]) == regions.plain(np.array([-1, 1])) == (-1, 1)
    with pytest.raises(ValueError, match=r"boundary = True must be a number, \(low, high\), Beyond"):
        regions.parts_of(True)
