"""Measures of sharpness: exact where the answer is known, and free of scale where they are said to be."""

import numpy as np
import pytest
import torch
from torch import nn

from diffusion import TorchLandscape
from experiments.evidence import minima, replicas, sharpness
from experiments.evidence.training import cross_entropy


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_largest_eigenvalues_are_those_of_the_scaled_hessian():
    curvature, scale = np.array([5.0, 3.0, 2.0, 1.0, 0.5]), np.array([1.0, 0.5, 2.0, 1.0, 3.0])
    landscape = replicas.quadratic(curvature, 50)
    np.testing.assert_allclose(sharpness.largest(landscape, 2, np.ones(5)), [5, 3], rtol=1e-6)
    np.testing.assert_allclose(sharpness.largest(landscape, 2, scale), [8, 5], rtol=1e-6)


def test_sharpness_free_of_scale_does_not_see_a_filter_and_its_statistics_multiplied():
    torch.manual_seed(0)
    convolution, normalized = nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2, eps=1e-12)
    network = nn.Sequential(convolution, normalized, nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)).eval()
    data = torch.randn(20, 1, 4, 4), torch.randint(3, (20,))

    def measured():
        landscape = TorchLandscape(network, cross_entropy, data)
        scale = sharpness.scales(network)
        absolute, free = (sharpness.largest(landscape, 1, each)[0] for each in (np.ones_like(scale), scale))
        step = 0.05 * scale * np.random.default_rng(0).standard_normal(len(scale))
        return absolute, free, landscape.loss(landscape.parameters + step)

    absolute, free, rise = measured()
    with torch.no_grad():
        convolution.weight *= 0.1
        normalized.running_mean *= 0.1
        normalized.running_var *= 0.01
    changed = measured()
    np.testing.assert_allclose(changed[1:], (free, rise), rtol=1e-4)
    assert changed[0] > 10 * absolute


def test_scales_are_root_mean_squares_of_filters_and_of_vectors():
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
        layer.bias.copy_(torch.tensor([1.0, 7.0]))
    np.testing.assert_allclose(sharpness.scales(layer) ** 2, [12.5, 12.5, 2, 2, 25, 25])


@pytest.mark.parametrize(("level", "expected"), [(0.9, {3: 1.0}), (1.0, {0: 0.5, 1: 0.5}), (0.25, {}), (4.0, {})])
def test_equal_loss_is_found_where_the_run_passes_it_for_the_last_time(level, expected):
    assert minima.bracket(np.array([2.0, 0.5, 0.45, 0.9]), level) == pytest.approx(expected)


def test_measures_are_interpolated_on_the_log_scale():
    before = {"eigenvalues": np.array([4.0, 1.0]), "rise": np.array([1.0, 3.0])}
    ends = [before, {"eigenvalues": np.array([1.0]), "rise": np.array([8.0])}]
    found = minima.between(ends, [0.5, 0.5])
    assert found["eigenvalues"] == pytest.approx(2)
    assert found["rise"] == pytest.approx(4)
