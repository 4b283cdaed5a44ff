"""Schemes for the SDE, and their increments: exact recursions on parabolas, and what is refused."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy.stats import norm

from diffusion import (
    SGD,
    Adai,
    Adam,
    CoupledLandscape,
    Empirical,
    HessianNoise,
    IsotropicNoise,
    Momentum,
    Noise,
    QuadraticSaddle,
    RMSprop,
    StyblinskiTang,
    engine,
    exit_times,
    rare_escape_rate,
    schemes,
    simulate,
)

EIGENVALUES = [0.9, -0.05]
SADDLE, HILL = QuadraticSaddle(EIGENVALUES), QuadraticSaddle([-1.0, 2.0])
QUIET, NOISE = Noise(0.0), HessianNoise(10)
MOMENTUM, BROWNIAN = Momentum(0.3), SGD(0.3)
OF = {MOMENTUM: "baoab", BROWNIAN: "leimkuhler-matthews"}
KEPT = {"iterations": 60, "save": [4, 20, 60]}


def baoab(h, hessian, lr=0.3, beta=0.9):
    """Matrix and noise of a step of the dynamical time h, in position and velocity: the parts as they are defined."""
    gamma, mass = (1 - beta) / lr, lr / (1 - beta)
    kick, half = np.array([[1, 0], [-h / 2 * hessian / mass, 1]]), np.array([[1, h / 2], [0, 1]])
    keep = np.exp(-gamma * h)
    # the velocity's variance at rest is D/(gamma M^2), D = lr C/2
    noise = np.sqrt(lr * abs(hessian) / 20 / (gamma * mass**2) * (1 - keep**2))
    return kick @ half @ np.diag([1, keep]) @ half @ kick, kick @ half @ [0, noise]


def brownian(h, hessian, lr=0.3):
    """The same of Leimkuhler and Matthews' scheme, in position and the latest draw."""
    half = np.sqrt(lr * abs(hessian) / 10 * h) / 2
    return np.array([[1 - h * hessian, half], [0, 0]]), np.array([half, 1])


def recursion(dynamics, substeps, hessian, first, noise=1.0):
    """Covariances after each of KEPT's iterations, (saves,), from a first one."""
    matrix, push = (baoab if dynamics is MOMENTUM else brownian)(0.3 / substeps, hessian)
    found, covariance = {}, np.diag(first)
    for step in range(1, round(60 * substeps) + 1):
        covariance = matrix @ covariance @ matrix.T + noise * np.outer(push, push)
        found[step / substeps] = covariance[0, 0]
    return np.array([found[t] for t in KEPT["save"]])


@pytest.mark.parametrize("substeps", [2, 0.25])
@pytest.mark.parametrize("dynamics", OF, ids=lambda dynamics: OF[dynamics])
def test_without_noise_a_step_is_the_product_of_its_parts(dynamics, substeps):
    found = simulate(
        dynamics, SADDLE, noise=QUIET, start=1.0, replicas=1, substeps=substeps, scheme=OF[dynamics], **KEPT
    )
    exact = [recursion(dynamics, substeps, h, [1.0, 0.0], noise=0.0) for h in EIGENVALUES]
    np.testing.assert_allclose((1 + np.sqrt(found["msd"]) * [-1, 1]) ** 2, np.transpose(exact), rtol=1e-11, atol=1e-15)


def z_scores(dynamics, substeps=0.25, velocity="rest", increments="normal", replicas=20_000, seed=5):
    """Of displacements of many replicas from the origin, for their exact variances."""
    found = simulate(
        dynamics,
        SADDLE,
        noise=NOISE,
        velocity=velocity,
        replicas=replicas,
        substeps=substeps,
        scheme=OF[dynamics],
        increments=increments,
        seed=seed,
        **KEPT,
    )
    thermal = 0.1 * 0.3 * np.abs(EIGENVALUES) / 20 / 0.3  # gamma M = 1: D/M, with D = lr |H|/(2 B)
    first = np.zeros(2) if velocity == "rest" else thermal
    if dynamics is BROWNIAN:
        first = np.full(2, 3.0)  # the draw before the first step
    exact = np.transpose([recursion(dynamics, substeps, h, [0.0, v]) for h, v in zip(EIGENVALUES, first, strict=True)])
    return (found["msd"].values - exact) / found["msd_stderr"].values


@pytest.mark.parametrize(
    ("dynamics", "options"),
    [
        (MOMENTUM, {}),
        (MOMENTUM, {"velocity": "thermal", "substeps": 1}),
        (MOMENTUM, {"increments": "three-point"}),
        (BROWNIAN, {}),
        (BROWNIAN, {"increments": "three-point"}),
    ],
    ids=str,
)
def test_ensembles_have_the_variances_of_the_recursion(dynamics, options):
    """False positives: as rare as a normal beyond the bound, six numbers each."""
    bound = norm.isf(SUITE_RATE / 2 / 6)
    assert np.abs(z_scores(dynamics, **options)).max() < bound


def test_a_wrong_width_of_the_momentums_noise_is_rejected(monkeypatch):
    """That of Euler's scheme, sqrt(2 gamma h) for sqrt(1 - exp(-2 gamma h)): 1.2 times as wide at 4 iterations."""
    right = engine.coefficients

    def wrong(scheme, rule, n):
        keep, force, share, step = right(scheme, rule, n)
        return keep, force, share * np.sqrt(-2 * np.log(keep) / (1 - keep**2)), step

    monkeypatch.setattr(engine, "coefficients", wrong)
    assert np.abs(z_scores(MOMENTUM)).max() > norm.isf(SUITE_RATE / 2 / 6)


def test_a_free_walk_has_its_variance_after_every_step_and_a_parabola_its_stationary_one():
    """Exact in Leimkuhler and Matthews' scheme at any stable step; of BAOAB the second."""
    free, kept = brownian(0.3, 0.0), np.diag([0.0, 3.0])
    matrix, push = free[0] + [[0, 0.5], [0, 0]], free[1] + [0.5, 0]  # at H = 0 the noise of Equation 3 is none: take 1
    for steps in range(1, 5):
        kept = matrix @ kept @ matrix.T + np.outer(push, push)
        assert kept[0, 0] == pytest.approx(steps, rel=1e-12)
    for part, step in ((brownian, 1.2), (baoab, 3.0)):
        matrix, push = part(step, 0.9)
        stationary = np.linalg.solve(np.eye(4) - np.kron(matrix, matrix), np.outer(push, push).ravel())
        assert stationary[0] == pytest.approx(0.3 * 0.9 / 20 / 0.9, rel=1e-12)


def test_results_do_not_depend_on_threads_and_fewer_replicas_begin_more():
    options = {"noise": NOISE, "substeps": 0.25, "scheme": "baoab", "keep": "states", "seed": 2, **KEPT}
    alone = simulate(MOMENTUM, SADDLE, replicas=1100, threads=1, **options)
    together = simulate(MOMENTUM, SADDLE, replicas=1300, threads=2, **options)
    np.testing.assert_array_equal(alone["position"], together["position"][:1100])


def same_on_a_coupled_landscape(dynamics, noise):
    """Whether the same parabolas have the same displacements along other code."""

    def gradient(x, j, lane):
        return (0.9 if j == 0 else -0.05) * x[j, lane]

    def loss(x, lane):
        return 0.45 * x[0, lane] ** 2 - 0.025 * x[1, lane] ** 2

    coupled = CoupledLandscape(gradient=gradient, loss=loss, dimension=2)
    scheme = OF.get(dynamics, "baoab")
    options = {"noise": noise, "substeps": 0.25, "scheme": scheme, "start": [1.0, 0.5], "replicas": 64, **KEPT}
    found, same = (simulate(dynamics, each, **options)["msd"].values for each in (coupled, SADDLE))
    np.testing.assert_array_equal(coupled.basis, np.eye(2))
    return np.allclose(found, same, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dynamics", OF, ids=lambda dynamics: OF[dynamics])
def test_a_coupled_landscape_moves_as_independent_coordinates_do(dynamics):
    assert same_on_a_coupled_landscape(dynamics, NOISE)


@pytest.mark.long
@pytest.mark.parametrize(
    ("dynamics", "noise"),
    [(Adai(0.3), NOISE), (MOMENTUM, Noise(lambda theta: 0.1 * np.sqrt(1 + theta * theta)))],
    ids=["along eigenvectors", "noise that varies"],
)
def test_so_it_does_with_inertia_and_noise_that_differ_between_directions_and_places(dynamics, noise):
    assert same_on_a_coupled_landscape(dynamics, noise)


@pytest.mark.long
def test_exits_are_counted_in_iterations_at_steps_of_several():
    """A roll down a hill without noise; a step of eight iterations is whole."""
    options = {"boundary": 1.0, "max_iterations": 400, "replicas": 3, "substeps": 1 / 8, "scheme": "baoab"}
    found = exit_times(MOMENTUM, HILL, noise=QUIET, start=[0.1, 0.0], **options)
    matrix, _ = baoab(0.3 * 8, -1.0)
    place, steps = np.array([0.1, 0.0]), 0
    while place[0] <= 1:
        place, steps = matrix @ place, steps + 1
    assert found["exit_iteration"].values.tolist() == [8.0 * steps] * 3


RUNNING, MIXED = Adam(0.01, second_moment="running"), Adai(0.1, beta0=5.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scheme": "baobab"}, "did you mean 'baoab'"),
        ({"increments": "three point"}, "did you mean 'three-point'"),
        ({"dynamics": BROWNIAN}, "needs inertia in every direction.*scheme='leimkuhler-matthews'"),
        ({"dynamics": MIXED}, "needs inertia in every direction.*scheme='euler'"),
        ({"scheme": "leimkuhler-matthews"}, "has inertia; use scheme='baoab'"),
        ({"dynamics": RUNNING}, "runs as shipped; use scheme='euler'"),
        ({"dynamics": SGD(0.1, weight_decay=0.1)}, "runs as shipped"),
        ({"noise": IsotropicNoise(1.0, law=Empirical([-1, 1]))}, "assumes normal noise"),
        ({"substeps": [1] * 60}, "takes equal steps"),
        ({"substeps": 0.3}, "1/k for a step of k iterations"),
        ({"substeps": 1 / 7}, "iterations = 60 must be a multiple of the 7"),
        ({"substeps": 0.25, "save": [3]}, "must be multiples of the 4 iterations"),
        ({"scheme": "euler", "substeps": 0.25}, "takes an iteration or parts of it"),
        ({"scheme": "euler", "increments": "three-point"}, "one step of scheme = 'euler' is one iteration"),
        ({"increments": "three-point", "precision": "mixed"}, "use precision='float64'"),
        ({"substeps": 1 / 20, "save": [60]}, "lr = 0.3 is unstable in direction 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_a_scheme_is_not_for_is_refused(changed, message):
    given = {"dynamics": MOMENTUM, "noise": NOISE, "scheme": "baoab", "replicas": 2, **KEPT} | changed
    with pytest.raises(ValueError, match=message):
        simulate(given.pop("dynamics"), SADDLE, **given)


@pytest.mark.parametrize(
    "noise", [HessianNoise(10, at="piecewise"), Noise(lambda theta: 1 + theta**2)], ids=["pieces", "own"]
)
def test_brownian_dynamics_needs_noise_that_is_the_same_everywhere(noise):
    with pytest.raises(ValueError, match="needs noise that is the same everywhere"):
        simulate(SGD(0.01), StyblinskiTang(1), noise=noise, iterations=4, replicas=2, scheme="leimkuhler-matthews")


def test_noise_that_following_moments_make_the_same_everywhere_is_taken():
    following, noise = RMSprop(1e-3, second_moment="following"), HessianNoise(10, at="piecewise")
    schemes.check_scheme("leimkuhler-matthews", "normal", following, StyblinskiTang(1), noise, 1)


def test_bridges_are_refused_where_a_step_is_no_brownian_one():
    options = {"boundary": 1.0, "max_iterations": 4, "replicas": 2, "crossing": "bridge"}
    with pytest.raises(ValueError, match=r"bridge.*is no Brownian one"):
        exit_times(BROWNIAN, HILL, noise=NOISE, scheme="leimkuhler-matthews", **options)


def test_rates_name_the_number_of_substeps():
    with pytest.raises(ValueError, match=r"substeps = 1\.5 must be a whole number"):
        rare_escape_rate(BROWNIAN, HILL, noise=NOISE, boundary=1.0, substeps=1.5)
