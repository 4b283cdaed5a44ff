"""Noise that varies on coupled landscapes: by region, by place and by a user's function."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from reference import normals
from scipy.stats import ks_2samp

from diffusion import (
    SGD,
    AdaBelief,
    Adam,
    Beyond,
    Channel,
    CurvedValley,
    HalfSpace,
    HessianNoise,
    IsotropicNoise,
    Landscape,
    Momentum,
    Noise,
    Padam,
    QuadraticSaddle,
    RMSprop,
    StyblinskiTang,
    Yogi,
    escape_prospect,
    exit_times,
    fokker_planck,
    rare_escape_rate,
    simulate,
)
from diffusion.kernels import step
from diffusion.kernels.jit import specialise

HELPERS = (step.slopes, step.pulls, step.givens, step.bend, step.choose, step.root, step.surround)


def own_deviation(x, j, lane):
    return 0.3 + 0.2 * x[1 - j, lane] ** 2


def own_covariance(x, j, k, lane):
    return 2.0 + x[j, lane] ** 2 if j == k else 0.3 * x[0, lane] * x[1, lane]


def shaken(noise, landscape, positions, draws):
    """What the kernels make of independent draws at positions of shape (n, d)."""
    field, formulas, (n, d) = noise.field(landscape), landscape.formulas, positions.shape
    parts = {"gradient": formulas.gradient, "WHOLE": formulas.whole, **field.parts}
    xi = np.zeros((d + 2 * d * d + d + 1, n))
    xi[:d] = draws.T
    x = np.ascontiguousarray(positions.T)
    specialise(step.shake, HELPERS, parts)(x, xi, formulas.parameters, field.parameters, n)
    np.testing.assert_array_equal(x.T, positions)
    return xi[:d].T


@pytest.mark.filterwarnings("ignore:at = 'pointwise'")
@pytest.mark.parametrize(
    ("noise", "landscape"),
    [
        (lambda: Noise(own_deviation), CurvedValley()),
        pytest.param(lambda: Noise(lambda theta: 1.0 + theta * theta), CurvedValley(), marks=pytest.mark.long),
        (lambda: Noise(covariance=own_covariance), Channel(2, 8, 3)),
        pytest.param(lambda: HessianNoise(3, "pointwise"), Channel(2, 8, 3), marks=pytest.mark.long),
        (lambda: HessianNoise(3, "pointwise"), CurvedValley()),
        (lambda: HessianNoise(3, "piecewise"), CurvedValley()),
    ],
    ids=["deviation", "deviation of theta", "covariance", "Hessian of 4 coordinates", "Hessian", "regions"],
)
def test_kernels_take_the_root_that_noise_has_at_each_place(noise, landscape):
    """Draws become noise as the symmetric root of the covariance makes it, to the error of differences."""
    noise, rng = noise(), np.random.default_rng(0)
    positions, draws = rng.uniform(-1.2, 1.2, (40, landscape.dimension)), rng.normal(size=(40, landscape.dimension))
    expected = np.einsum("njk,nk->nj", noise.roots(landscape, positions), draws)
    found = shaken(noise, landscape, positions, draws)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    variance = np.sum(noise.roots(landscape, positions) ** 2, axis=2)
    np.testing.assert_allclose(noise.variance_at(landscape, positions), variance)
    along = landscape.basis.T @ noise.mixing(landscape)
    np.testing.assert_allclose(noise.variance_along(landscape), np.sum(along**2, axis=1), rtol=1e-9)


def test_covariances_are_those_of_the_hessian_and_of_the_function():
    valley, place = CurvedValley(), np.array([-0.6, 0.3])
    with pytest.warns(UserWarning, match="vanishes at inflections"):
        pointwise = HessianNoise(4, "pointwise")
    root = pointwise.roots(valley, place)
    values, vectors = np.linalg.eigh(valley.hessian_matrix(place))
    np.testing.assert_allclose(root @ root.T, vectors * np.abs(values) @ vectors.T / 4, rtol=1e-12)
    root = Noise(covariance=own_covariance).roots(valley, place)
    np.testing.assert_allclose(root @ root.T, [[2.36, -0.054], [-0.054, 2.09]], rtol=1e-12)


TURN = np.array([[0.8660254037844386, 0.5], [-0.5, 0.8660254037844386]])  # by 30 degrees


def turned_wells(height=1.0):
    """Styblinski-Tang in two coordinates, as it is and turned."""
    u, v = "(0.8660254037844386*x + 0.5*y)", "(0.8660254037844386*y - 0.5*x)"
    wells = StyblinskiTang(2, height=height)
    text = " + ".join(f"{height}*({name}**4 - 16*{name}**2 + 5*{name})/2" for name in (u, v))
    return wells, Landscape.from_expression(text, reference=wells.reference @ TURN)


@pytest.mark.long
@pytest.mark.parametrize("rule", [SGD(0.5), Momentum(0.5)], ids=["SGD", "Momentum"])
@pytest.mark.parametrize("at", ["reference", "piecewise"])
def test_noise_that_turns_with_its_landscape_lets_out_as_fast(rule, at):
    """By Kolmogorov and Smirnov's test of exit times; noise of two thirds of the variance is rejected."""
    wells, turned = turned_wells(0.02)
    enough = {"max_iterations": 10**6, "replicas": 4000}
    straight = exit_times(rule, wells, noise=HessianNoise(1, at), boundary=Beyond(0, 0.156731), **enough)

    def p_value(size):
        side = HalfSpace(-TURN[0], -0.156731)
        found = exit_times(rule, turned, noise=HessianNoise(size, at), boundary=side, seed=1, **enough)
        return ks_2samp(straight["exit_iteration"], found["exit_iteration"]).pvalue

    assert p_value(1) > SUITE_RATE > p_value(1.5)


def test_regions_of_a_turned_landscape_are_those_of_its_coordinates():
    """Piecewise noise turns with it."""
    turn, (wells, turned) = TURN, turned_wells()
    noise, x = HessianNoise(5, "piecewise"), np.random.default_rng(1).uniform(-3.5, 3.5, (400, 2))
    x = x[np.abs(x).max(axis=1) > 1.633]  # where both are beyond their inflections a point of index 2 would count
    roots = turn @ noise.roots(turned, x @ turn) @ turn.T
    expected = np.sqrt(noise.variance_at(wells, x))[:, :, None] * np.eye(2)
    inside = np.abs(np.abs(x) - 1.633).min(axis=1) > 1e-3
    np.testing.assert_allclose(roots[inside], expected[inside], atol=1e-6)


def test_rules_along_the_directions_and_torch_have_the_same_noise():
    """One step, by kernel and by torch: covariances within 6 errors; those that are a fifth larger are not."""
    pytest.importorskip("torch")
    from diffusion import simulate_torch

    valley, noise, start, n = CurvedValley(), Noise(covariance=own_covariance), [-0.6, 0.3], 20_000
    settings = {
        "noise": noise,
        "iterations": 1,
        "replicas": n,
        "keep": "states",
        "start": start,
        "save": [1],
        "seed": 4,
    }
    root = noise.roots(valley, np.array(start))
    rule = Adam(0.1).rule(noise.variance_along(valley))
    scale = (rule.learning_rate * rule.gradient_weight)[:, None] * root
    for run, factor in (
        (simulate(Adam(0.1), valley, **settings), scale),
        (simulate_torch(SGD(0.1), valley, **settings), 0.1 * root),
    ):
        found = np.cov(run["position"].values[:, 0].T)
        for expected, right in ((factor @ factor.T, True), (1.2 * factor @ factor.T, False)):
            error = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / n)
            assert np.all(np.abs(found - expected) < 6 * error) == right


def walked(landscape, root, power, lr, beta, iterations, moments=None):
    """The rule in NumPy, replica 0 of seed 7: its second moment follows a matrix of noise, or is `moments`."""
    theta, m = landscape.reference, 0.0
    for t in range(1, iterations + 1):
        noise = root(theta)
        v = np.sum(noise**2, axis=1) if moments is None else moments
        m = beta * m + (1 - beta) * (landscape.gradient(theta) + noise @ normals(7, 0, t, 0, 2)) / v**power
        theta = theta - lr * m
    return theta


@pytest.mark.parametrize("rule", [Adam, pytest.param(Padam, marks=pytest.mark.long)])
def test_a_second_moment_follows_the_noise_in_each_coordinate_draw_by_draw(rule):
    """Of a full matrix its diagonal, to 1e-12 and whatever the threads; one that stays as it was is told apart."""
    valley, noise = CurvedValley(), Noise(covariance=own_covariance)
    dynamics = rule(0.02, beta1=0.9, second_moment="following")
    run, again = (
        simulate(dynamics, valley, noise=noise, iterations=60, replicas=1100, keep="states", seed=7, threads=threads)
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(run["position"], again["position"])
    power, start = dynamics.follows, noise.variance_at(valley, valley.reference)
    settings = (valley, lambda theta: noise.roots(valley, theta), power, 0.02, 0.9, 60)
    found = run["position"].values[0, -1]
    np.testing.assert_allclose(found, walked(*settings), rtol=1e-12, atol=1e-12)
    assert np.abs(found - walked(*settings, moments=start)).max() > 1e-4


@pytest.mark.long
def test_a_second_moment_follows_the_noise_in_coordinates_where_the_landscape_is_turned():
    """Of constant noise that is one rule, in coordinates and not along the eigenvectors; by a bridge too."""
    turned, noise = QuadraticSaddle([1.0, 3.0], [[0.6, -0.8], [0.8, 0.6]]), HessianNoise(4)
    following = RMSprop(0.1, second_moment="following")
    at = {"noise": noise, "iterations": 30, "replicas": 1, "keep": "states", "seed": 7, "save": [30]}
    mixing = noise.mixing(turned)
    expected = walked(turned, lambda _: mixing, 0.5, 0.1, 0.0, 30)
    for dynamics, right in ((following, True), (RMSprop(0.1), False)):
        found = simulate(dynamics, turned, **at)["position"].values[0, 0]
        assert np.allclose(found, expected, rtol=1e-12, atol=1e-12) == right
    where = {"noise": noise, "boundary": HalfSpace([1.0, 0.0], 0.18)}
    slow, many = RMSprop(0.02, second_moment="following"), {"max_iterations": 10**5, "replicas": 2000}
    times = exit_times(slow, turned, **where, **many, crossing="bridge", substeps=16)["exit_iteration"]
    grid = fokker_planck.mean_first_passage_time(turned, dynamics=slow, start=[0.0, 0.0], **where)
    assert times.mean().item() == pytest.approx(grid.mfpt_iterations.item(), rel=4 / np.sqrt(2000))


def deviates(theta):
    return 0.3 + 0.1 * theta * theta


FOLLOWING = [
    (kind, noise, {})
    for kind in (Adam, RMSprop, Padam, Yogi, AdaBelief)
    for noise in (Noise([0.5, 1.2]), Noise(deviates))
]
FOLLOWING += [
    (Adam, Noise(deviates), {"substeps": 4}),
    (Adam, Noise(deviates), {"velocity": "thermal"}),
    (Padam, Noise(deviates), {"substeps": 2, "scheme": "baoab"}),
    (Adam, Noise([0.5, 1.2]), {"substeps": 2, "scheme": "baoab"}),
    (RMSprop, Noise([0.5, 1.2]), {"substeps": 2, "scheme": "leimkuhler-matthews"}),
]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "noise", "settings"), FOLLOWING)
def test_a_second_moment_follows_the_noise_as_where_coordinates_are_independent(kind, noise, settings):
    """A separable loss, written as one that couples: the same draws, the same numbers."""
    wells, rule = StyblinskiTang(2, height=0.02), kind(0.05, second_moment="following")
    text = " + ".join(f"0.02*({u}**4 - 16*{u}**2 + 5*{u})/2" for u in "xy")
    coupled = Landscape.from_expression(text, reference=wells.reference)
    alone, together = (
        simulate(rule, each, noise=noise, iterations=200, replicas=64, keep="states", seed=3, **settings)["position"]
        for each in (wells, coupled)
    )
    np.testing.assert_allclose(together, alone, rtol=1e-11, atol=1e-11)


@pytest.mark.long
def test_escapes_of_a_second_moment_that_follows_the_noise_are_those_of_the_grid():
    """To 4 standard errors, by exits and by splitting; a frozen second moment is 40 away; a prospect to 5 times."""
    valley, noise, side = CurvedValley(), HessianNoise(1, "piecewise"), HalfSpace([1, 0], 0.75)
    rule, settings = RMSprop(0.06, second_moment="following"), {"noise": noise, "boundary": side}
    grid = fokker_planck.mean_first_passage_time(
        valley, dynamics=rule, noise=noise, start=valley.reference, boundary=side
    )
    mean = grid.mfpt_iterations.item()
    for dynamics, right in ((rule, True), (RMSprop(0.06), False)):
        times = exit_times(dynamics, valley, **settings, substeps=8, max_iterations=10**6, replicas=2000)
        found = times["exit_iteration"].values
        assert (abs(found.mean() - mean) < 4 * mean / np.sqrt(2000)) == right
    split = rare_escape_rate(rule, valley, **settings, substeps=8, replicas=500)
    assert split["reliable"]
    assert split["rate_low"] < 1 / mean < split["rate_high"]
    assert abs(escape_prospect(rule, valley, **settings).log_iterations - np.log(mean)) < np.log(5)


def test_where_noise_is_constant_the_prospect_of_a_following_second_moment_is_that_of_the_frozen_one():
    loud = {"noise": IsotropicNoise(1e4), "boundary": HalfSpace([1, 0], 0.75)}
    following, frozen = (
        escape_prospect(RMSprop(0.002, second_moment=moment), CurvedValley(), **loud).log_iterations
        for moment in ("following", "frozen")
    )
    assert following == pytest.approx(frozen, abs=1e-6)


def no_covariance(x, j, k, lane):
    return 1.0 if j == k else 2.0


@pytest.mark.parametrize(
    ("noise", "landscape", "told"),
    [
        (lambda: Noise(), None, "give either deviation or covariance"),
        (lambda: Noise(1.0, covariance=own_covariance), None, "give either deviation or covariance"),
        (lambda: Noise(covariance=lambda x: x), None, r"does not compile with numba as covariance\(X, j, k, lane\)"),
        (
            lambda: Noise(covariance=no_covariance),
            CurvedValley(),
            "has a negative eigenvalue, -1; it must be positive semidefinite",
        ),
        (lambda: Noise(covariance=lambda x, j, k, lane: 1.0 * j), CurvedValley(), "must be finite and symmetric"),
        (
            lambda: Noise(lambda x, j, lane: x[0, lane]),
            CurvedValley(),
            r"deviation is \[-1.0, -1.0\] at .*; it must be a finite",
        ),
        (
            lambda: Noise(own_deviation),
            StyblinskiTang(2),
            "is of coupled coordinates, and those of StyblinskiTang are not",
        ),
        (
            lambda: HessianNoise(3, "piecewise"),
            QuadraticSaddle([1.0, 2.0], [[0.6, -0.8], [0.8, 0.6]]),
            "does not tell them; use 'reference'",
        ),
        (
            lambda: HessianNoise(3, "piecewise"),
            Landscape.from_expression("x**2 + y**2"),
            "no saddle next to the minimum",
        ),
    ],
)
def test_what_is_no_noise_of_the_landscape_is_refused(noise, landscape, told):
    with pytest.raises(ValueError, match=told):
        simulate(SGD(0.01), landscape, noise=noise(), iterations=1, replicas=1)


def test_what_varying_noise_cannot_do_is_refused():
    valley = {"landscape": CurvedValley(), "noise": Noise(own_deviation)}
    side = {"boundary": HalfSpace([1.0, 0.0], 0.0), "max_iterations": 1, "replicas": 1}
    with pytest.raises(
        ValueError, match=r"(?s)crossing = 'bridge' does not apply: Noise.* varies on a coupled landscape"
    ):
        exit_times(SGD(0.01), **valley, **side, crossing="bridge")
    with pytest.raises(
        ValueError, match="varies on a coupled landscape: it has no substeps of an optimizer as shipped"
    ):
        simulate(SGD(0.01), **valley, iterations=1, replicas=1, precision="mixed")
