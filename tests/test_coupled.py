"""Coupled landscapes: directions and rules are those of the Hessian's eigenvectors; a turned problem stays the same."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import ortho_group

from diffusion import (
    SGD,
    Adai,
    Adam,
    CoupledLandscape,
    HessianNoise,
    IsotropicNoise,
    LossLevel,
    Momentum,
    QuadraticSaddle,
    Radius,
    RMSprop,
    StyblinskiTang,
    escape_rate,
    exit_times,
    simulate,
)
from diffusion.directions import directions
from diffusion.escape import warn_any_coordinate
from experiments.referee.laws import LogNormal

few = settings(max_examples=20, deadline=None, derandomize=True)


def bowl_loss(x, lane):
    total = 0.0
    for j in range(3):
        total += 0.5 * (x[j, lane] - 0.5 * x[(j + 1) % 3, lane]) ** 2
    return total


def bowl_gradient(x, j, lane):
    return (x[j, lane] - 0.5 * x[(j + 1) % 3, lane]) - 0.5 * (x[(j + 2) % 3, lane] - 0.5 * x[j, lane])


BOWL = CoupledLandscape(bowl_loss, bowl_gradient, dimension=3)
SAME = QuadraticSaddle(BOWL.hessian, BOWL.basis)  # compiled as a quadratic, along its eigenvectors


def matrix_loss(x, lane, *entries):
    total = 0.0
    for j in range(x.shape[0]):
        for k in range(x.shape[0]):
            total += 0.5 * entries[j * x.shape[0] + k] * x[j, lane] * x[k, lane]
    return total


def matrix_gradient(x, j, lane, *entries):
    total = 0.0
    for k in range(x.shape[0]):
        total += entries[j * x.shape[0] + k] * x[k, lane]
    return total


def coupled(matrix):
    """A quadratic by its symmetric matrix, given as a coupled landscape."""
    return CoupledLandscape(matrix_loss, matrix_gradient, dimension=len(matrix), parameters=np.ravel(matrix))


# --- directions


def test_labels_and_stability_are_those_of_the_eigenvalues():
    """H = [[1, 0.9], [0.9, 1]]: 0.1 and 1.9, so that a learning rate of 1.5 is beyond the bound of 2/1.9."""
    pair = CoupledLandscape(
        lambda x, lane: 0.5 * (x[0, lane] ** 2 + x[1, lane] ** 2) + 0.9 * x[0, lane] * x[1, lane],
        lambda x, j, lane: x[j, lane] + 0.9 * x[1 - j, lane],
        dimension=2,
    )
    np.testing.assert_allclose(pair.hessian, [0.1, 1.9], rtol=1e-7)
    np.testing.assert_allclose(HessianNoise(4).variance_along(pair), [0.1 / 4, 1.9 / 4], rtol=1e-7)
    with pytest.raises(ValueError, match=r"lr = 1.5 is unstable in direction 1: .* is 2.85, the bound is 2;"):
        simulate(SGD(1.5), pair, noise=HessianNoise(4), iterations=10, replicas=2)
    with pytest.raises(ValueError, match=r"lr = 1.5 is unstable in direction 1: .* is 2.85, the bound is 2;"):
        exit_times(SGD(1.5), pair, noise=HessianNoise(4), boundary=Radius(1.0), max_iterations=10, replicas=2)


def test_a_diagonal_hessian_keeps_the_order_of_its_coordinates():
    """Up to what differences cannot tell from 0; with eigenvalues of any sign, equal ones and zeros."""
    values = np.array([2.0, -1.0, 2.0, 0.0])
    found, basis = directions(np.diag(values) + 1e-11)
    np.testing.assert_allclose(found, values, atol=2e-11)
    np.testing.assert_array_equal(basis, np.eye(4))
    found, basis = directions(np.zeros((2, 2)))
    assert (found.tolist(), basis.tolist()) == ([0, 0], [[1, 0], [0, 1]])


def test_a_stiff_direction_does_not_hide_how_others_are_coupled():
    found, basis = directions(np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1e9]]))
    np.testing.assert_allclose(found, [0.1, 1.9, 1e9], rtol=1e-6)
    np.testing.assert_allclose(np.abs(basis[:2, :2]), np.sqrt(0.5), rtol=1e-6)


@few
@given(st.integers(0, 10_000), st.sampled_from([(0.1, 1.9, 3.0), (-1.0, 2.0, 2.0), (0.5, 0.5, 0.5), (-2.0, 0.0, 1e6)]))
def test_directions_are_eigenvectors_that_rounding_does_not_choose(seed, values):
    """Ascending; the same, signs and bases of equal eigenvalues included, if the matrix is off by rounding."""
    turn = ortho_group.rvs(3, random_state=seed)
    matrix = turn * values @ turn.T
    matrix = (matrix + matrix.T) / 2
    found, basis = directions(matrix)
    scale = max(np.abs(values))
    np.testing.assert_allclose(found, values, atol=1e-10 * scale)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(basis * found @ basis.T, matrix, atol=1e-8 * scale)
    if scale > 10:
        return  # rounding is then not small beside the other eigenvalues
    shaken = np.random.default_rng(seed).normal(size=(3, 3)) * 1e-12 * scale
    np.testing.assert_allclose(directions(matrix + shaken + shaken.T)[1], basis, atol=1e-9)


@pytest.mark.parametrize("landscape", [BOWL, SAME], ids=["coupled", "rotated quadratic"])
@pytest.mark.parametrize("noise", [HessianNoise(4), HessianNoise(4, at=0.5), IsotropicNoise(2.0)], ids=repr)
def test_variances_and_mixing_tell_of_the_same_covariance(landscape, noise):
    mixing = noise.mixing(landscape)
    covariance = mixing @ mixing.T
    expected = 2 * np.eye(3) if isinstance(noise, IsotropicNoise) else landscape.hessian_matrix(np.zeros(3)) / 4
    np.testing.assert_allclose(covariance, expected, atol=1e-8)
    along = landscape.basis.T @ covariance @ landscape.basis
    np.testing.assert_allclose(noise.variance_along(landscape), np.diag(along), rtol=1e-8)
    np.testing.assert_allclose(noise.variance_at(landscape, np.ones((5, 3))), np.tile(np.diag(covariance), (5, 1)))


def test_noise_of_another_position_is_told_along_the_eigenvectors_of_the_reference():
    """L = x^2 y + x^2 + y^2 has [[2 y + 2, 2 x], [2 x, 2]]: at (0, 0) diagonal, at (1, 1) not."""
    saddle = CoupledLandscape(
        lambda x, lane: x[0, lane] ** 2 * x[1, lane] + x[0, lane] ** 2 + x[1, lane] ** 2,
        lambda x, j, lane: 2 * x[0, lane] * (x[1, lane] + 1) * (1 - j) + (x[0, lane] ** 2 + 2 * x[1, lane]) * j,
        dimension=2,
    )
    np.testing.assert_array_equal(saddle.basis, np.eye(2))
    values, vectors = np.linalg.eigh([[4.0, 2.0], [2.0, 2.0]])
    expected = np.diag(vectors * np.abs(values) @ vectors.T) / 8
    np.testing.assert_allclose(HessianNoise(8, at=[1.0, 1.0]).variance_along(saddle), expected, rtol=1e-6)


# --- a quadratic given as a coupled landscape, against the same compiled along its eigenvectors: path by path


@pytest.mark.parametrize("dynamics", [RMSprop(0.1), Adam(0.1), Adai(0.2, beta0=0.7)], ids=repr)
def test_rules_that_differ_between_directions_hold_along_the_eigenvectors(dynamics):
    """To rounding, with labels and clocks: from rest and thermal, at one substep and at several."""
    for velocity, substeps in (("rest", 1), ("rest" if isinstance(dynamics, RMSprop) else "thermal", [3, *[2] * 19])):
        one, other = (
            simulate(
                dynamics,
                landscape,
                noise=HessianNoise(4),
                iterations=20,
                replicas=70,
                save=[1, 5, 20],
                keep="states",
                start=[0.5, -0.2, 0.3],
                velocity=velocity,
                substeps=substeps,
                seed=2,
            )
            for landscape in (BOWL, SAME)
        )
        np.testing.assert_allclose(one["position"], other["position"], atol=1e-8)
        for name in ("msd", "eigenvalue", "noise_variance", "dynamical_time"):
            np.testing.assert_allclose(one[name], other[name], rtol=1e-6)


# --- a separable landscape that is turned


def turned_wells(seed):
    """Styblinski-Tang in two coordinates u, given in x = R u."""
    (a, b), (c, d) = ortho_group.rvs(2, random_state=seed)

    def loss(x, lane):
        u, v = a * x[0, lane] + c * x[1, lane], b * x[0, lane] + d * x[1, lane]
        return (u**4 - 16 * u**2 + 5 * u + v**4 - 16 * v**2 + 5 * v) / 2

    def gradient(x, j, lane):
        u, v = a * x[0, lane] + c * x[1, lane], b * x[0, lane] + d * x[1, lane]
        along_u, along_v = 2 * u**3 - 16 * u + 2.5, 2 * v**3 - 16 * v + 2.5
        return (a * along_u + b * along_v) * (1 - j) + (c * along_u + d * along_v) * j

    turn = np.array([[a, b], [c, d]])
    return turn, CoupledLandscape(loss, gradient, dimension=2, reference=turn @ TANG.reference)


TANG = StyblinskiTang(2)
TURN, WELLS = turned_wells(0)
START = np.array([2.0, 2.6])  # where the two wells are unlike
MOVING = [(SGD(0.002), "rest"), (Momentum(0.002), "thermal"), (Momentum(0.0004, 0.8, "heavy-ball"), "thermal")]


def first(outside):
    """Iteration of the first true entry on axis 1, NaN where there is none."""
    return np.where(outside.any(axis=1), 1.0 + outside.argmax(axis=1), np.nan)


@pytest.fixture(scope="module", params=[0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def wells(request):
    """A rotation and the wells that it turns: one is enough, as each is compiled."""
    return (TURN, WELLS) if request.param == 0 else turned_wells(request.param)


@pytest.mark.parametrize(("dynamics", "velocity"), MOVING, ids=repr)
@pytest.mark.parametrize(("variance", "right"), [(9400.0, True), (14_000.0, False)])
def test_turned_wells_behave_in_law_like_the_separable_ones(wells, dynamics, velocity, variance, right):
    """Displacements along u, from where the wells are unlike, and exits of either kind; another noise is told apart."""
    turn, own = wells
    np.testing.assert_allclose(own.hessian, TANG.hessian, rtol=1e-6)
    built_in = {"noise": IsotropicNoise(9400), "replicas": 2000, "velocity": velocity, "seed": 1}
    turned = built_in | {"noise": IsotropicNoise(variance), "start": turn @ START, "seed": 2}
    every = {"iterations": 300, "save": np.arange(1, 301), "keep": "states"}
    u = simulate(dynamics, TANG, start=START, **every, **built_in)["position"].values
    x = simulate(dynamics, own, iterations=40, save=[5, 40], keep="states", **turned)["position"].values
    squares = (u[:, [4, 39]] - START) ** 2, (x @ turn - START) ** 2
    means = [one.mean(axis=0) for one in squares]
    errors = [one.std(axis=0) / np.sqrt(2000) / mean for one, mean in zip(squares, means, strict=True)]
    built_in_law, turned_law = (LogNormal(error, error) for error in errors)
    p = built_in_law.against(turned_law).p_value(*means)
    assert (p.min() > SUITE_RATE) == right
    for boundary, outside in (
        (Radius(2.0), np.sum((u - START) ** 2, axis=2) > 4),
        (LossLevel(-15.0), TANG.loss(u) > -15),
    ):
        expected = first(outside)
        found = exit_times(dynamics, own, boundary=boundary, max_iterations=300, **turned)["exit_iteration"]
        assert np.isfinite(expected).sum() > 400
        p = stats.ks_2samp(np.nan_to_num(expected, nan=np.inf), found.fillna(np.inf)).pvalue
        assert (p > SUITE_RATE) == right


# --- boundaries


def test_boundaries_are_lines_levels_and_radii_from_either_side():
    problem = {"noise": IsotropicNoise(9400), "start": TURN @ START, "replicas": 300, "seed": 5}
    run = simulate(SGD(0.002), WELLS, iterations=60, save=np.arange(1, 61), keep="states", **problem)
    positions = run["position"].values
    start, loss = TURN @ START, WELLS.loss(positions)
    low, high = float(start.min()) - 1, float(start.max()) + 1
    cases = [
        (high, (positions > high).any(axis=2)),
        (low, (positions < low).any(axis=2)),
        (LossLevel(-30.0), loss > -30),
        (LossLevel(-49.5), loss < -49.5),
        (Radius(1.0), np.sum((positions - start) ** 2, axis=2) > 1),
    ]
    for boundary, outside in cases:
        expected = first(outside)
        assert 0 < np.isfinite(expected).sum() < 300, boundary
        if isinstance(boundary, float):
            with pytest.warns(RuntimeWarning) as said:
                result = exit_times(SGD(0.002), WELLS, boundary=boundary, max_iterations=60, **problem)
            check_warning(said, result, boundary)
        else:
            result = exit_times(SGD(0.002), WELLS, boundary=boundary, max_iterations=60, **problem)
            assert np.all(result["exit_coordinate"] == -1)
        np.testing.assert_array_equal(result["exit_iteration"], expected, err_msg=str(boundary))


def check_warning(said, result, boundary):
    """One, at the caller's line, of how many left by which coordinate."""
    count = np.bincount(result["exit_coordinate"].values[result["exited"].values], minlength=2)
    assert count.sum() > 0
    [one] = said
    assert one.filename == __file__
    told = (
        f"boundary = {boundary!r} is a line in each of the 2 coordinates of CoupledLandscape, and any of them counts: "
    )
    assert f"{told}of {count.sum()} exits " in str(one.message)
    assert all(f"{count[j]} by coordinate {j}" in str(one.message) for j in range(2))
    assert escape_rate(result)["events_by_coordinate"].values.tolist() == count.tolist()


def test_independent_coordinates_and_a_single_one_are_not_warned_of():
    warn_any_coordinate(TANG, 0.0, [0, 1])
    warn_any_coordinate(coupled([[1.0]]), 0.0, [0])
    with pytest.warns(
        RuntimeWarning, match="of 7 exits 2 by coordinate 5, 1 by coordinate 0, .* 1 by coordinate 3, 1 by others;"
    ):
        warn_any_coordinate(coupled(np.eye(6)), 0.0, [5, 0, 1, 2, 3, 4, 5, -1])
