"""Noise: exact variances and covariances, at a position, piecewise, pointwise, of minibatches, and followed."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

from diffusion import (
    SGD,
    Adam,
    CoupledLandscape,
    CurvedValley,
    DoubleParabola,
    HessianNoise,
    MinibatchNoise,
    Noise,
    RMSprop,
    SeparableLandscape,
    StyblinskiTang,
    simulate,
)


def tang_loss(u):
    return 0.5 * (u * u * u * u - 16.0 * u * u + 5.0 * u)


def tang_gradient(u):
    return 2.0 * u * u * u - 16.0 * u + 2.5


def tang_curvature(u):
    return 6.0 * u * u - 16.0


def own(**changed):
    return SeparableLandscape(tang_loss, tang_gradient, tang_curvature, reference=2.746803, saddle=0.156731, **changed)


def test_piecewise_noise_is_the_theorys():
    noise, parabolas = HessianNoise(10, at="piecewise"), DoubleParabola(1.5, 1.0, 4.0, 1)
    inside, beyond = noise.variance_at(parabolas, [[parabolas.join - 0.1], [parabolas.join + 0.1]])[:, 0]
    assert (inside, beyond) == pytest.approx((0.1, 0.4))
    points = StyblinskiTang(1, 2.0).critical_coordinates
    for landscape, at in ((StyblinskiTang(1, 2.0), points), (own(dimension=1, sharpness=2.0), points[1:])):
        expected = np.abs(landscape.hessian_diagonal(at[:, None])) / 10
        for shift in (0.0, 0.05):
            np.testing.assert_allclose(noise.variance_at(landscape, at[:, None] + shift), expected, rtol=1e-5)


def test_hessian_noise_at_a_position_and_pointwise():
    tang = StyblinskiTang(2)
    theta = np.array([1.0, -2.0])
    np.testing.assert_allclose(HessianNoise(10, at=[1.0, -2.0]).variance_along(tang), [1.0, 0.8])
    with pytest.warns(UserWarning, match="vanishes at inflections"):
        pointwise = HessianNoise(10, at="pointwise")
    np.testing.assert_allclose(pointwise.variance_at(tang, theta), [1.0, 0.8])
    assert pointwise.variance_at(tang, np.full(2, np.sqrt(16 / 6))) == pytest.approx(0, abs=1e-12)


def test_minibatch_noise_is_the_variance_of_real_minibatches():
    """Sample variance of 2e5 real gradients in each of 4 places: z against its own error; a wrong v is rejected."""
    noise, v, k, b = MinibatchNoise(5), 0.7, 2.0, 5
    tang, rng = StyblinskiTang(4, k, data_variance=v), np.random.default_rng(3)
    theta = np.array([-2.0, 0.1, 0.8, 2.0]) / np.sqrt(k)
    u = np.sqrt(k) * theta - np.sqrt(v) * rng.normal(size=(200_000, b, 4))
    gradients = np.sqrt(k) * tang_gradient(u).mean(axis=1)
    error = np.sqrt(noise.variance_at(tang, theta).max() / 2e5)
    np.testing.assert_allclose(gradients.mean(axis=0), tang.gradient(theta), atol=6 * error)
    deviations = (gradients - gradients.mean(axis=0)) ** 2
    error = deviations.std(axis=0) / np.sqrt(len(deviations))
    for variance, right in ((noise.variance_at(tang, theta), True), (1.05 * noise.variance_at(tang, theta), False)):
        z = np.abs(deviations.mean(axis=0) - variance) / error
        assert (2 * stats.norm.sf(z.max()) > SUITE_RATE) == right


def test_coupled_noise_has_the_covariance_of_the_hessian():
    """SGD for one step from the reference moves by lr sqrt([H]^+/B) xi: 40,000 replicas, each entry within 6 errors."""
    landscape = CoupledLandscape(
        lambda x, lane: 0.5 * (x[0, lane] ** 2 + x[1, lane] ** 2) + 0.9 * x[0, lane] * x[1, lane],
        lambda x, j, lane: x[j, lane] + 0.9 * x[1 - j, lane],
        dimension=2,
    )
    run = simulate(SGD(1.0), landscape, noise=HessianNoise(4), iterations=1, replicas=40_000, keep="states")
    found = np.cov(run["position"].values[:, 0].T)
    expected = np.array([[1.0, 0.9], [0.9, 1.0]]) / 4
    np.testing.assert_allclose(found, expected, atol=6 * 0.25 * np.sqrt(2 / 40_000))


def test_a_following_second_moment_is_the_frozen_one_where_noise_is_constant():
    """v = C everywhere: dividing each gradient or the step by sqrt(v) is the same."""
    problem = {"noise": HessianNoise(10), "iterations": 50, "replicas": 8, "keep": "states"}
    frozen, following = (
        simulate(Adam(0.01, second_moment=moment), StyblinskiTang(2), **problem)["position"]
        for moment in ("frozen", "following")
    )
    np.testing.assert_allclose(following, frozen, rtol=1e-12)


def test_a_following_second_moment_is_refused_where_there_is_none():
    for landscape in (StyblinskiTang(2), CurvedValley()):
        with pytest.raises(
            ValueError, match="noise variance is 0 in direction 1: a following second moment would divide"
        ):
            simulate(
                RMSprop(0.01, second_moment="following"), landscape, noise=Noise([1.0, 0.0]), iterations=5, replicas=2
            )
    with pytest.raises(ValueError, match="second_moment = 'pursuing' is unknown"):
        Adam(0.01, second_moment="pursuing")
