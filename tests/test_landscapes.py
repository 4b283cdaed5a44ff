"""Landscapes: derivatives, critical points, and a user's own, checked before they run."""

import types

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from diffusion import (
    SGD,
    CoupledLandscape,
    DoubleParabola,
    HessianNoise,
    IsotropicNoise,
    MinibatchNoise,
    OwnDynamics,
    QuadraticSaddle,
    SeparableLandscape,
    StyblinskiTang,
    TripleParabola,
    derivatives,
    simulate,
)


def tang_loss(u):
    return 0.5 * (u * u * u * u - 16.0 * u * u + 5.0 * u)


def tang_gradient(u):
    return 2.0 * u * u * u - 16.0 * u + 2.5


def tang_curvature(u):
    return 6.0 * u * u - 16.0


def ring_loss(x, lane):
    return 0.25 * (x[0, lane] ** 2 + x[1, lane] ** 2 - 1.0) ** 2


def ring_gradient(x, j, lane):
    return (x[0, lane] ** 2 + x[1, lane] ** 2 - 1.0) * x[j, lane]


def own(**changed):
    return SeparableLandscape(
        tang_loss,
        tang_gradient,
        tang_curvature,
        **({"dimension": 3, "reference": 2.746803, "saddle": 0.156731} | changed),
    )


def ring(**changed):
    return CoupledLandscape(ring_loss, ring_gradient, **({"dimension": 2, "reference": [1.0, 0.0]} | changed))


LANDSCAPES = [
    QuadraticSaddle([1.0, -0.5, 0.0], ortho_group.rvs(3, random_state=0)),
    StyblinskiTang(3, 2.0),
    StyblinskiTang(3, 2.0, data_variance=1.0),
    DoubleParabola(1.5, 1.0, 4.0, 3),
    TripleParabola((1.5, 0.4), (1.0, 2.0), 4.0, 3),
    own(sharpness=2.0),
    ring(),
]


@pytest.mark.parametrize("landscape", LANDSCAPES, ids=lambda one: type(one).__name__)
def test_gradient_and_hessian_are_the_derivatives_of_the_loss(landscape):
    d = landscape.dimension
    for theta in np.random.default_rng(1).normal(1, 0.7, (5, d)):
        shifts = 1e-5 * np.eye(d)
        slope = (landscape.loss(theta + shifts) - landscape.loss(theta - shifts)) / 2e-5
        np.testing.assert_allclose(landscape.gradient(theta), slope, atol=1e-6 * (1 + np.abs(slope).max()))
        curvature = (landscape.gradient(theta + shifts) - landscape.gradient(theta - shifts)) / 2e-5
        scale = 1 + np.abs(curvature).max()
        np.testing.assert_allclose(landscape.hessian_matrix(theta), curvature, atol=1e-5 * scale)
        np.testing.assert_allclose(landscape.hessian_diagonal(theta), np.diag(curvature), atol=1e-5 * scale)


@pytest.mark.parametrize("landscape", LANDSCAPES, ids=lambda one: type(one).__name__)
def test_reference_points_are_critical(landscape):
    assert np.abs(landscape.gradient(landscape.reference)).max() < 1e-4


def test_styblinski_tang_has_its_published_critical_points():
    points = StyblinskiTang(1).critical_coordinates
    np.testing.assert_allclose(points, [-2.903534, 0.156731, 2.746803], atol=5e-7)
    np.testing.assert_allclose(StyblinskiTang(1).loss(points[:, None]), [-39.1662, 0.1956, -25.0294], atol=5e-5)
    np.testing.assert_allclose(
        StyblinskiTang(1).hessian_diagonal(points[:, None])[:, 0], [34.583, -15.853, 29.270], atol=5e-4
    )
    assert StyblinskiTang(2).reference == pytest.approx([2.746803] * 2, abs=5e-7)


def test_barrier_of_the_expected_loss_is_gone_above_data_variance_1_936():
    assert len(StyblinskiTang(1, data_variance=1.935).critical_coordinates) == 3
    assert len(StyblinskiTang(1, data_variance=1.937).critical_coordinates) == 1
    with pytest.raises(ValueError, match=r"data_variance = 2.0 has none; keep it below 1.936"):
        StyblinskiTang(1, data_variance=2.0).pieces()


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.floats(0.1, 10), st.integers(0, 2))
def test_sharpness_scales_the_hessian_and_leaves_barriers_alone(k, which):
    for plain, sharp in ((StyblinskiTang(1), StyblinskiTang(1, k)), (own(dimension=1), own(dimension=1, sharpness=k))):
        theta = StyblinskiTang(1).critical_coordinates[which : which + 1]
        np.testing.assert_allclose(sharp.loss(theta / np.sqrt(k)), plain.loss(theta), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(
            sharp.hessian_diagonal(theta / np.sqrt(k)), k * plain.hessian_diagonal(theta), rtol=1e-9
        )


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.1, 10))
def test_double_parabola_has_its_barrier_and_joins_smoothly(barrier, a, b):
    parabolas = DoubleParabola(barrier, a, b, 1)
    saddle, join = np.array([parabolas.saddle]), np.array([parabolas.join])
    assert parabolas.loss(saddle) == pytest.approx(barrier)
    assert parabolas.gradient(saddle)[0] == pytest.approx(0, abs=1e-9)
    below, above = join * (1 - 1e-9), join * (1 + 1e-9)
    assert parabolas.gradient(below)[0] == pytest.approx(parabolas.gradient(above)[0], rel=1e-6)
    assert (parabolas.hessian_diagonal(below)[0], parabolas.hessian_diagonal(above)[0]) == pytest.approx((a, -b))
    s = float(parabolas.loss(join)) / barrier  # the share of the barrier climbed at the join is H_b/(H_a + H_b)
    assert s == pytest.approx(b / (a + b))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.tuples(*[st.floats(0.1, 10)] * 5))
def test_triple_parabola_is_a_double_parabola_from_either_minimum(numbers):
    """From below its minimum up to the saddle, from the minimum at the origin and, mirrored, from the other."""
    *barriers, h_a, h_c, h_b = numbers
    valleys = TripleParabola(barriers, (h_a, h_c), h_b, 1)
    far, height = valleys.minima[1], barriers[0] - barriers[1]
    for place, barrier, h, below in ((lambda x: x, barriers[0], h_a, 0), (lambda x: far - x, barriers[1], h_c, height)):
        side = DoubleParabola(barrier, h, h_b, 1)
        x = np.linspace(-side.saddle, side.saddle, 31)[:, None]
        np.testing.assert_allclose(valleys.loss(place(x)) - below, side.loss(x), rtol=1e-9, atol=1e-9)
        sign = place(1.0) - place(0.0)
        np.testing.assert_allclose(sign * valleys.gradient(place(x)), side.gradient(x), rtol=1e-9, atol=1e-9)
        off = np.abs(x - side.join) > 1e-6
        np.testing.assert_allclose(valleys.hessian_diagonal(place(x))[off], side.hessian_diagonal(x)[off], rtol=1e-12)
    assert place(side.saddle) == pytest.approx(valleys.saddle)
    assert valleys.pieces().curvatures == (h_a, -h_b, h_c)


# --- a user's own, at any scale

UNITS = st.floats(-40, 40).map(lambda exponent: 10.0**exponent)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(UNITS, UNITS, st.floats(-3, 3), st.sampled_from([1.0, 1.001, 0.5, -1.0]))
def test_derivatives_are_checked_at_any_scale(width, height, shift, factor):
    """A double well of any width, height and place, its gradient right or wrong by a factor."""

    def loss(x):
        return height * ((x / width - shift) ** 2 - 1) ** 2

    def gradient(x):
        return factor * 4 * height / width * (x / width - shift) * ((x / width - shift) ** 2 - 1)

    reference = width * (1 + shift)
    where = derivatives.intervals(reference, reference - 2 * width, reference + width)
    if factor == 1.0:
        assert derivatives.check("gradient", "loss", gradient, loss, where)
    else:
        with pytest.raises(
            ValueError, match=r"gradient integrates to .*, but loss changes by .*; one of the two is wrong"
        ):
            derivatives.check("gradient", "loss", gradient, loss, where)


def test_joules_and_micrometres_are_no_reason_to_refuse():
    b, w = 5 * 1.380649e-23 * 300, 1e-6
    well = {"reference": 1.0, "saddle": 0.0}
    SeparableLandscape(
        lambda u: b * (u * u - 1) ** 2, lambda u: 4 * b * u * (u * u - 1), lambda u: 4 * b * (3 * u * u - 1), **well
    )
    with pytest.raises(
        ValueError, match=r"gradient integrates to .*e-21 .* changes by .*e-20 there; one of the two is wrong"
    ):
        SeparableLandscape(
            lambda u: b * (u * u - 1) ** 2, lambda u: 2 * b * u * (u * u - 1), lambda u: 4 * b * (3 * u * u - 1), **well
        )
    SeparableLandscape(
        lambda u: ((u / w) ** 2 - 1) ** 2,
        lambda u: 4 / w * (u / w) * ((u / w) ** 2 - 1),
        lambda u: 4 / w**2 * (3 * (u / w) ** 2 - 1),
        reference=w,
        domain=(-2 * w, 2 * w),
    )


def test_a_table_is_told_that_it_is_too_rough_and_a_wrong_table_that_it_is_wrong():
    x = np.linspace(-3, 3, 601)
    y = (x * x - 1) ** 2
    slope = np.gradient(y, x)
    where = derivatives.intervals(1.0, 0.0, 2.0)
    with pytest.raises(ValueError, match=r"too rough .* as tables are .*CubicSpline\(positions, values\)"):
        derivatives.check("gradient", "loss", lambda u: np.interp(u, x, slope), lambda u: np.interp(u, x, y), where)
    with pytest.raises(ValueError, match="one of the two is wrong"):
        derivatives.check("gradient", "loss", lambda u: np.interp(u, x, 2 * slope), lambda u: np.interp(u, x, y), where)


def test_a_loss_whose_rounding_hides_it_is_told_so():
    where = derivatives.intervals(0.0, -1e-9, 1e-9)
    assert not derivatives.check("gradient", "loss", lambda u: u, lambda u: 1.0 + u * u / 2, where)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.floats(-9, 9), st.floats(-9, 9), UNITS)
def test_differences_of_a_gradient_find_the_hessian_at_any_scale(first, second, height):
    """Of exp(-x^2 - y^2 + x y/2), in any units of coordinates and of itself, from steps a thousand times as wide."""
    scales = 10.0 ** np.array([first, second])

    def gradient(positions):
        x, y = (positions / scales).T
        with np.errstate(all="ignore"):
            value = height * np.exp(-x * x - y * y + x * y / 2)
            return value[:, None] * np.stack([-2 * x + y / 2, -2 * y + x / 2], axis=1) / scales

    found = derivatives.jacobian(gradient, np.zeros(2), 1e3 * scales) * np.outer(scales, scales) / height
    np.testing.assert_allclose(found, [[-2.0, 0.5], [0.5, -2.0]], atol=1e-6)


def test_differences_are_not_deceived_by_what_is_rounded_away():
    """A coordinate at 0 beside one at 1, where terms cancel; a constant that is; a kink, which has no derivative."""

    def cancels(positions):
        x, y = positions.T
        return np.stack([2 * (x - y) - 2, 2 * (y - x) + 2 + np.sinh(y)], axis=1)

    np.testing.assert_allclose(
        derivatives.jacobian(cancels, np.array([1.0, 0.0]), np.ones(2)), [[2, -2], [-2, 3]], rtol=1e-8
    )
    np.testing.assert_allclose(
        derivatives.jacobian(lambda x: (x + 1) ** 2 - 1, np.zeros(1), np.ones(1)), [[2.0]], rtol=1e-8
    )
    np.testing.assert_allclose(
        derivatives.jacobian(lambda x: (x + 1e8) ** 2 - 1e16, np.zeros(1), np.ones(1)), [[2e8]], rtol=1e-6
    )
    np.testing.assert_allclose(
        derivatives.jacobian(lambda x: 4 * x**3, np.zeros(2), np.ones(2)), np.zeros((2, 2)), atol=1e-12
    )
    with pytest.raises(
        ValueError, match=r"domain = 1e-12 in coordinate 1 is lost in the rounding of \[100000.0, 0.0\]"
    ):
        derivatives.jacobian(lambda x: x, np.array([1e5, 0.0]), np.array([1.0, 1e-12]))
    with pytest.raises(ValueError, match=r"gradient has no derivative at .* give a point where it is smooth"):
        derivatives.jacobian(np.sign, np.zeros(1), np.ones(1))


# --- a user's own, at the same values as the built-in


def test_own_landscape_moves_like_the_built_in():
    problem = {"noise": IsotropicNoise(500.0), "iterations": 50, "replicas": 70, "keep": "states", "start": 2.0}
    built_in, mine = (simulate(SGD(0.002), one, **problem) for one in (StyblinskiTang(3, 2.0), own(sharpness=2.0)))
    np.testing.assert_allclose(mine["position"], built_in["position"], rtol=1e-10, atol=1e-12)


def wrong_gradient(u):
    return 2.0 * u * u * u - 16.0 * u + 2.4


def undefined(u):
    return np.log(u - 2.0)


def uncompilable(u):
    return u.no_such_attribute


def wrong_ring(x, j, lane):
    return (x[0, lane] ** 2 + x[1, lane] ** 2 - 1.0) * x[1 - j, lane]


BAD = [
    (
        lambda: SeparableLandscape(tang_loss, wrong_gradient, tang_curvature),
        "gradient integrates to .* from .* to .*, but loss changes by",
    ),
    (
        lambda: SeparableLandscape(tang_loss, tang_gradient, tang_loss),
        "curvature integrates to .*, but gradient changes by",
    ),
    (lambda: SeparableLandscape(undefined, tang_gradient, tang_curvature), "loss is nan at -1"),
    (
        lambda: SeparableLandscape(tang_loss, uncompilable, tang_curvature),
        r"gradient = uncompilable does not compile with numba as gradient\(u, \*parameters\) -> float: "
        r"Unknown attribute 'no_such_attribute' of type float64 \(line \d+ of test_landscapes.py\); give a function",
    ),
    (
        lambda: CoupledLandscape(ring_loss, ring_loss, dimension=2),
        r"as gradient\(X, j, lane, \*parameters\) -> float: too many arguments: expected 2, got 3",
    ),
    (lambda: SeparableLandscape(tang_loss, 3, tang_curvature), "gradient = 3 must be a function"),
    (lambda: own(dimension=0), "dimension = 0"),
    (lambda: own(sharpness=-1.0), "sharpness = -1.0"),
    (lambda: own(saddle=3.0).pieces(), "saddle = 3.0: the curvature there .* same sign"),
    (lambda: ring(reference=[1.0, 0.0, 0.0]), "reference has 3 entries; give one number or 2"),
    (
        lambda: CoupledLandscape(ring_loss, wrong_ring, dimension=2),
        r"gradient \(coordinate 0\) integrates to .* in coordinate 0, the others at .*, but loss changes by",
    ),
    (lambda: HessianNoise(10, at="piecewize"), "did you mean 'piecewise'"),
    (
        lambda: simulate(SGD(0.1), ring(), noise=HessianNoise(10, "piecewise"), iterations=1, replicas=1),
        "use 'reference' or a position",
    ),
    (
        lambda: simulate(
            SGD(0.1), QuadraticSaddle([1.0]), noise=HessianNoise(10, "piecewise"), iterations=1, replicas=1
        ),
        "needs a minimum and a saddle",
    ),
    (
        lambda: simulate(SGD(0.1), StyblinskiTang(1), noise=MinibatchNoise(10), iterations=1, replicas=1),
        "data_variance=v",
    ),
    (lambda: StyblinskiTang(1, data_variance=-1.0), "data_variance = -1.0"),
    (lambda: DoubleParabola(0.0, 1.0, 1.0, 1), "barrier = 0.0"),
    (
        lambda: TripleParabola((1.0, 0.0), (1.0, 1.0), 1.0, 1),
        r"barriers = \(1.0, 0.0\) must be two numbers above 0, of a and of c",
    ),
    (lambda: TripleParabola((1.0, 1.0), (1.0,), 1.0, 1), r"hessian_minima = \(1.0,\) must be two numbers"),
    (lambda: TripleParabola((1.0, 1.0), (1.0, 1.0), -1.0, 1), "hessian_saddle = -1.0 must be"),
    (lambda: OwnDynamics(lambda v, mean_v: 1.0, lambda v: 0.1), "inertia_function is 1.0"),
    (lambda: OwnDynamics(lambda v, mean_v: 0.9, lambda v: -v), "learning_rate_function is -1.0"),
    (lambda: OwnDynamics(lambda v: 0.9, lambda v: v), "inertia_function = <lambda> does not compile"),
    (
        lambda: OwnDynamics(lambda v, mean_v: None, lambda v: v),
        "inertia_function returns None at v = 1, mean_v = 1; it must lie in",
    ),
    (
        lambda: simulate(
            OwnDynamics(lambda v, mean_v: 0.5, lambda v: 1.5 - v, second_moment="frozen"),
            StyblinskiTang(1),
            noise=IsotropicNoise(2.0),
            iterations=1,
            replicas=1,
        ),
        "learning_rate_function is -0.5 at v = 2",
    ),
    (
        lambda: SeparableLandscape(tang_loss, tang_gradient, tang_curvature, parameters={"a": 1}),
        "parameters = {'a': 1} must be",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_names_parameter_value_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_numba_says_is_told_without_its_colours(monkeypatch):
    """It has some where colorama is installed."""
    coloured = types.SimpleNamespace(
        **dict.fromkeys(("code", "errmsg", "filename", "indicate", "highlight", "reset"), "\x1b[1m{}\x1b[0m".format)
    )
    monkeypatch.setattr(numba.core.errors, "_termcolor_inst", coloured)
    with pytest.raises(ValueError, match="does not compile with numba as gradient") as told:
        SeparableLandscape(tang_loss, uncompilable, tang_curvature)
    assert "Unknown attribute 'no_such_attribute' of type float64 (line " in str(told.value)
    assert "\x1b" not in str(told.value)


@pytest.mark.parametrize(
    ("call", "slope"),
    [
        (lambda: own(reference=2.0), r"reference = \[2.0\] is no critical point: the gradient is \[-13.5\] there"),
        (
            lambda: ring(reference=[0.8, 0.0]),
            r"reference = \[0.8, 0.0\] is no critical point: the gradient is \[-0.288, -?0\] there",
        ),
    ],
)
def test_a_reference_point_on_a_slope_is_told(call, slope):
    """The file's other landscapes have theirs to six digits, and a warning would be an error there."""
    with pytest.warns(RuntimeWarning, match=slope):
        call()


def test_height_multiplies_loss_gradient_hessian_and_noise():
    low, high = (StyblinskiTang(2, sharpness=2.0, data_variance=1.0, height=h) for h in (1.0, 0.25))
    theta = np.array([0.3, -1.2])
    assert high.loss(theta) == pytest.approx(0.25 * low.loss(theta), rel=1e-14)
    np.testing.assert_allclose(high.gradient(theta), 0.25 * low.gradient(theta), rtol=1e-14)
    np.testing.assert_allclose(high.hessian_diagonal(theta), 0.25 * low.hessian_diagonal(theta), rtol=1e-14)
    noise = MinibatchNoise(10)
    np.testing.assert_allclose(noise.variance_at(high, theta), noise.variance_at(low, theta) / 16, rtol=1e-13)
    np.testing.assert_allclose(high.pieces().curvatures, 0.25 * np.array(low.pieces().curvatures), rtol=1e-14)
