"""A torch model's loss as a landscape: gradient, curvature and noise by closed forms, loops and another library."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch_problems import half_square, linear_landscape, network_landscape  # noqa: E402

from diffusion import TorchLandscape  # noqa: E402
from diffusion.torch_ensemble import one_thread_each  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with one_thread_each():
        yield


@pytest.fixture(scope="module")
def linear():
    return linear_landscape(30)


@pytest.fixture(scope="module")
def network():
    return network_landscape()


def test_a_linear_model_has_its_closed_forms(linear):
    """To rounding: loss, gradient, per-sample gradients, Hessian, which is the Gauss-Newton matrix, and covariance."""
    x, y, landscape = linear
    theta = np.array([1.0, 0.5, -0.3, 0.2])
    residual = x @ theta - y
    gradients = residual[:, None] * x
    exact = {"rtol": 1e-12, "atol": 1e-13}
    np.testing.assert_allclose(landscape.loss(theta), np.mean(residual**2) / 2, **exact)
    np.testing.assert_allclose(landscape.losses(theta), residual**2 / 2, **exact)
    np.testing.assert_allclose(landscape.gradient(theta), gradients.mean(axis=0), **exact)
    np.testing.assert_allclose(landscape.sample_gradients(theta), gradients, **exact)
    np.testing.assert_allclose(landscape.hessian(theta=theta), x.T @ x / 30, **exact)
    np.testing.assert_allclose(landscape.gauss_newton(theta), x.T @ x / 30, **exact)
    np.testing.assert_allclose(landscape.noise_covariance(theta), np.cov(gradients.T, bias=True), **exact)
    np.testing.assert_allclose(landscape.gradient(theta, samples=[3, 3, 7]), gradients[[3, 3, 7]].mean(axis=0), **exact)
    np.testing.assert_allclose(landscape.parameters, [0.3, -0.2, 0.5, 1.0], rtol=1e-7)


def test_hessian_products_are_finite_differences_of_the_gradient_and_the_matrix_s(network):
    vectors = np.random.default_rng(2).normal(size=(2, network.dimension))
    products = network.hessian_product(vectors)
    step, here = 1e-5, network.parameters
    for vector, product in zip(vectors, products, strict=True):
        change = network.gradient(here + step * vector) - network.gradient(here - step * vector)
        np.testing.assert_allclose(product, change / (2 * step), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(products, vectors @ network.hessian(), rtol=1e-10, atol=1e-12)


def test_another_library_finds_the_same_hessian_and_gauss_newton_matrix(network):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        curvlinops = pytest.importorskip("curvlinops")
        model = network.sample_losses.model.requires_grad_(True)
        arguments = model, torch.nn.CrossEntropyLoss(), list(model.parameters())
        data = [(network.sample_losses.inputs, network.sample_losses.targets)]
        theirs = [
            kind(*arguments, data, check_deterministic=False)
            for kind in (curvlinops.HessianLinearOperator, curvlinops.GGNLinearOperator)
        ]
        identity = torch.eye(network.dimension, dtype=torch.float64)
        hessian, gauss_newton = ((one @ identity).detach().numpy() for one in theirs)
    model.requires_grad_(False)
    np.testing.assert_allclose(network.hessian(), hessian, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(network.gauss_newton(), gauss_newton, rtol=1e-9, atol=1e-12)
    assert np.abs(hessian - gauss_newton).max() > 1e-3  # which are not the same


@pytest.mark.parametrize("k", [3, 40])
def test_largest_eigenpairs_are_those_of_the_matrix_and_have_the_same_bits_again(network, k):
    values, vectors = network.hessian(k)
    exact, columns = np.linalg.eigh(network.hessian())
    np.testing.assert_allclose(values, exact[::-1][:k], rtol=1e-7, atol=1e-9)
    assert values.shape == (k,)
    np.testing.assert_allclose(np.abs(np.sum(vectors * columns[:, ::-1][:, :k], axis=0))[:3], 1, rtol=1e-6)
    again = network.hessian(k)
    assert np.array_equal(values, again[0])
    assert np.array_equal(vectors, again[1])


def test_gradients_of_samples_are_those_of_a_loop_in_evaluation_mode(network):
    gradients = network.sample_gradients()
    for n in (0, 17, 39):
        np.testing.assert_allclose(gradients[n], network.gradient(samples=[n]), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(network.noise_covariance(), np.cov(gradients.T, bias=True), rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(network.sample_gradients(samples=[5, 1]), gradients[[5, 1]], rtol=1e-12, atol=1e-14)


def test_a_stack_of_parameters_has_the_bits_of_each_alone(network):
    stack = network.parameters + np.random.default_rng(3).normal(size=(2, 3, network.dimension))
    gradients, losses = network.gradient(stack), network.loss(stack)
    assert losses.shape == (2, 3)
    assert np.array_equal(gradients[1, 2], network.gradient(stack[1, 2]))
    assert losses[1, 2] == network.loss(stack[1, 2])


def test_the_model_that_was_given_stays_as_it_was_and_the_copy_does_not_follow_it():
    model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1))
    landscape = TorchLandscape(model, half_square, (torch.randn(5, 2), torch.randn(5)))
    before = landscape.parameters
    assert model.training
    assert model[0].weight.dtype == torch.float32
    assert all(p.requires_grad for p in model.parameters())
    with torch.no_grad():
        model[0].weight += 1
    assert np.array_equal(landscape.parameters, before)


class Mixing(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2, 1))

    def forward(self, x):
        return (x - x.mean(dim=0)) @ self.weight


class Random(Mixing):
    def forward(self, x):
        return torch.nn.functional.dropout(x, 0.5, training=True) @ self.weight


GOOD = {"model": torch.nn.Linear(2, 1), "loss": half_square, "data": (torch.randn(64, 2), torch.randn(64))}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": torch.nn.Tanh()}, "Tanh has no parameters with requires_grad"),
        ({"model": "net"}, "model = 'net' must be a torch.nn.Module"),
        ({"model": Mixing()}, "mixes samples in evaluation mode"),
        ({"model": Random()}, "draws random numbers in evaluation mode"),
        ({"model": torch.nn.Linear(3, 1)}, r"cannot be evaluated on inputs of shape \(64, 2\)"),
        (
            {"loss": lambda outputs, targets: half_square(outputs, targets).mean()},
            r"loss gives \(\) for 2 samples, and must give one number each",
        ),
        ({"loss": lambda outputs, targets: outputs}, r"loss gives \(2, 1\) for 2 samples"),
        ({"loss": lambda outputs, targets: outputs[:, 0] / 0}, "loss is .* on the first samples, and must be finite"),
        ({"data": torch.randn(64, 2)}, "data must be two tensors"),
        ({"data": (torch.randn(64, 2), torch.randn(63))}, "64 inputs and 63 targets"),
        ({"data": (torch.randn(0, 2), torch.randn(0))}, "hold no samples"),
        ({"data": (torch.full((64, 2), torch.nan), torch.randn(64))}, "inputs are not finite in sample 0"),
        ({"dtype": torch.float16}, "dtype = torch.float16 must be"),
    ],
)
def test_bad_models_losses_and_data_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        TorchLandscape(**GOOD | changed)


def test_a_model_that_diverged_is_refused():
    model = torch.nn.Linear(2, 1)
    model.weight.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="parameter weight is not finite"):
        TorchLandscape(**GOOD | {"model": model})


def test_matrices_too_large_for_memory_are_refused_with_the_estimate_and_the_alternative():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3000), torch.nn.Linear(3000, 1))
    landscape = TorchLandscape(**GOOD | {"model": model})
    for ask in (landscape.hessian, landscape.gauss_newton, landscape.noise_covariance):
        with pytest.raises(
            ValueError, match=r"of 12001 parameters .* would take 4.3 GiB, above 2; ask for hessian\(k\)"
        ):
            ask()
    with pytest.raises(ValueError, match=r"gradients of 30000 samples would take 2.7 GiB"):
        landscape.sample_gradients(samples=np.zeros(30_000, int))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda one: one.gradient(np.zeros(3)), r"theta has shape \(3,\), and must have 4 entries"),
        (lambda one: one.hessian(theta=np.zeros((2, 4))), r"theta has shape \(2, 4\), and must be one vector"),
        (lambda one: one.hessian(1, theta=[np.nan, 0, 0, 0]), "theta is not finite, and has no curvature or noise"),
        (lambda one: one.hessian(5), "k = 5 must be at most 4"),
        (lambda one: one.gradient(samples=[30]), "samples must lie between 0 and 29"),
        (lambda one: one.gradient(samples=[0.5]), "must be a non-empty list of positions"),
    ],
)
def test_bad_questions_are_refused(linear, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(linear[2])
