"""The noise of a torch model beside its curvature: by definition on a small network, and where the answer is known."""

import itertools
import json

import numpy as np
import pytest
from scipy import stats

torch = pytest.importorskip("torch")
from torch_problems import half_square, network_landscape  # noqa: E402

from diffusion import TorchLandscape  # noqa: E402
from diffusion.torch_ensemble import one_thread_each  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with one_thread_each():
        yield


@pytest.fixture(scope="module")
def network():
    return network_landscape()


@pytest.fixture(scope="module")
def report(network):
    return network.noise_report(batch_size=[1, 2, 50])


def test_the_report_has_what_its_definitions_say(network, report):
    """By per-sample gradients, products with the Hessian of one sample after another, and matrices."""
    vectors = report["eigenvector"].values
    along = network.sample_gradients() @ vectors
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(network.dimension), atol=1e-10)
    np.testing.assert_allclose(network.hessian() @ vectors, vectors * report["curvature"].values, atol=1e-10)
    assert np.all(np.diff(report["curvature"]) <= 1e-12)
    np.testing.assert_allclose(report["sample_variance"], along.var(axis=0), rtol=1e-9, atol=1e-15)
    expected = np.sum(vectors * (network.gauss_newton() @ vectors), axis=0)
    np.testing.assert_allclose(report["gauss_newton"], expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(report["loss_curvature"], network.loss() * np.abs(report["curvature"]), rtol=1e-12)
    products = [network.hessian_product(vectors.T[:3], samples=[n]) for n in range(network.samples)]
    squares = np.mean([np.sum(vectors.T[:3] * one, axis=1) ** 2 for one in products], axis=0)
    np.testing.assert_allclose(report["squared_curvature"][:3], squares, rtol=1e-9)


def test_skewness_and_kurtosis_of_minibatches_are_those_of_all_that_there_are(network, report):
    """All 1,600 pairs of 40 samples, along eigenvectors and in coordinates; a minibatch of 50 by the laws of sums."""
    gradients = network.sample_gradients()
    pairs = np.array([(gradients[a] + gradients[b]) / 2 for a, b in itertools.product(range(40), repeat=2)])
    for prefix, projected in (("", pairs @ report["eigenvector"].values[:, :5]), ("coordinate_", pairs[:, :5])):
        skewness, kurtosis = (report[f"{prefix}{name}"] for name in ("skewness", "kurtosis"))
        np.testing.assert_allclose(skewness.sel(batch_size=2)[:5], stats.skew(projected), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(kurtosis.sel(batch_size=2)[:5], stats.kurtosis(projected), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(kurtosis.sel(batch_size=50) * 50, kurtosis.sel(batch_size=1), rtol=1e-12)


def test_the_top_directions_alone_have_the_same_and_results_say_how_they_were_taken(network, report):
    top = network.noise_report(batch_size=[1, 2, 50], k=3, curvature_samples=10)
    for name in ("curvature", "sample_variance", "gauss_newton", "kurtosis"):
        np.testing.assert_allclose(top[name], report[name].isel(direction=slice(3)), rtol=1e-5)
    assert not np.allclose(top["squared_curvature"], report["squared_curvature"][:3], rtol=1e-3)  # of ten samples
    parameters = json.loads(top.attrs["parameters"])
    assert parameters["mode"] == "evaluation, statistics frozen"
    assert (parameters["curvature_samples"], parameters["k"], parameters["theta"]) == (10, 3, "the model's")


def regression(noise):
    """Linear regression at its minimum, on inputs that come twice, once with the noise added and once subtracted."""
    inputs = np.random.default_rng(4).normal(size=(25, 3)) * [2.0, 1.0, 0.5]
    weights = np.array([0.5, -1.0, 2.0])
    model = torch.nn.Linear(3, 1, bias=False).double()
    model.weight.data[:] = torch.tensor(weights)
    targets = np.concatenate([inputs @ weights + noise, inputs @ weights - noise])
    return TorchLandscape(model, half_square, (np.tile(inputs, (2, 1)), targets))


def classifier(output):
    """A network whose own probabilities are those of the labels: outputs are equal, and each input has every label."""
    torch.manual_seed(2)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3))
    for p in model[2].parameters():
        p.data[:] = output
    inputs = torch.randn(20, 3).repeat(3, 1)
    labels = torch.arange(3).repeat_interleave(20)
    return TorchLandscape(model, torch.nn.CrossEntropyLoss(reduction="none"), (inputs, labels))


@pytest.mark.parametrize("landscape", [regression(1.0), classifier(0.5)], ids=["regression", "classifier"])
def test_where_the_model_is_right_the_noise_is_the_hessian_exactly(landscape):
    """Equation 3 on a network: C = H, which is the Gauss-Newton matrix, direction by direction and as matrices."""
    report = landscape.noise_report()
    np.testing.assert_allclose(report["sample_variance"], report["curvature"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(report["gauss_newton"], report["curvature"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(landscape.noise_covariance(), landscape.hessian(), rtol=1e-9, atol=1e-12)


def test_where_labels_are_noisier_than_the_model_says_the_noise_is_the_loss_times_the_hessian():
    """Residuals of 3: C = 9 H = 2 L H, so that the report tells one model of the noise from the other."""
    report = regression(3.0).noise_report()
    np.testing.assert_allclose(report["sample_variance"] / report["curvature"], 9, rtol=1e-9)
    np.testing.assert_allclose(report["sample_variance"] / report["loss_curvature"], 2, rtol=1e-9)


def test_noise_that_vanishes_has_no_shape():
    """Interpolated data: the variance is 0, and skewness and kurtosis are no numbers."""
    report = regression(0.0).noise_report()
    assert float(abs(report["sample_variance"]).max()) < 1e-25
    assert float(report["loss"]) < 1e-25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": [10, 0]}, "batch_size = 0 must be a whole number >= 1"),
        ({"k": 0}, "k = 0 must be a whole number >= 1"),
        ({"curvature_samples": 0}, "curvature_samples = 0 must be a whole number >= 1"),
    ],
)
def test_bad_options_are_refused(network, options, message):
    with pytest.raises(ValueError, match=message):
        network.noise_report(**options)
