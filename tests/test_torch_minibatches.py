"""Torch optimizers on minibatches of a model's own data: the recursion of a linear model, single runs, exits."""

import json
import time

import numpy as np
import pytest
from conftest import SUITE_RATE

torch = pytest.importorskip("torch")
from torch_problems import half_square, linear_landscape, network_landscape  # noqa: E402

from diffusion import (  # noqa: E402
    SGD,
    Adai,
    Adam,
    HalfSpace,
    HessianNoise,
    LossLevel,
    MinibatchNoise,
    Momentum,
    QuadraticSaddle,
    Radius,
    TorchLandscape,
    TorchMinibatches,
    exit_times_torch,
    simulate,
    simulate_torch,
    torch_ensemble,
)
from experiments.referee.laws import LogNormal  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with torch_ensemble.one_thread_each():
        yield


@pytest.fixture(scope="module")
def linear():
    return linear_landscape(12)


@pytest.fixture(scope="module")
def network():
    return network_landscape()


def exact_msd(x, y, start, basis, lr, batch_size, iterations):
    """Mean squared displacement of SGD with replacement: steps are affine with random coefficients."""
    extended = np.column_stack(
        [x, x @ start - y]
    )  # the gradient of a sample is x (x . displacement + residual at the start)
    steps = np.eye(len(start) + 1) - lr * np.einsum("ni,nj->nij", np.pad(x, ((0, 0), (0, 1))), extended)
    mean = steps.mean(axis=0)
    pairs = np.kron(mean, mean)
    pairs += (np.mean([np.kron(one, one) for one in steps], axis=0) - pairs) / batch_size
    moments = np.zeros((len(mean),) * 2)
    moments[-1, -1] = 1
    for _ in range(iterations):
        moments = (pairs @ moments.ravel()).reshape(moments.shape)
    return np.einsum("ji,jk,ki->i", basis, moments[:-1, :-1], basis)


def test_sgd_with_replacement_has_the_exact_moments_of_the_linear_recursion(linear):
    """200 replicas at the suite's false-positive rate; others, without replacement, are rejected."""
    x, y, landscape = linear
    for replacement in (True, False):
        run = simulate_torch(
            SGD(0.1), landscape, noise=TorchMinibatches(4, replacement), iterations=6, save=[6], replicas=200, seed=5
        )
        _, basis = np.linalg.eigh(x.T @ x / len(x))
        expected = exact_msd(x, y, landscape.parameters, basis, 0.1, 4, 6)
        error = (run["msd_stderr"] / run["msd"]).values
        p = LogNormal(error, error).p_value(run["msd"].values, expected)
        assert (p.min() > SUITE_RATE) == replacement


@pytest.mark.parametrize("replacement", [True, False])
def test_each_replica_follows_its_own_minibatches(linear, replacement):
    """Step by step in NumPy, to rounding, over more than an epoch; along all eigenvectors, or some."""
    x, y, landscape = linear
    noise = TorchMinibatches(5, replacement)
    problem = {"noise": noise, "iterations": 6, "save": [1, 6], "replicas": 3, "seed": 2}
    run = simulate_torch(Momentum(0.05), landscape, keep="states", **problem)
    theta, velocity = np.tile(landscape.parameters, (3, 1)), 0
    for t in range(6):
        drawn = [noise.positions(12, 2, replica, t) for replica in range(3)]
        gradient = [(x[n] @ place - y[n]) @ x[n] / 5 for n, place in zip(drawn, theta, strict=True)]
        velocity = 0.9 * velocity + 0.1 * np.array(gradient)
        theta = theta - 0.05 * velocity
    np.testing.assert_allclose(run["position"][:, -1], theta, rtol=1e-12)
    top = simulate_torch(Momentum(0.05), landscape, directions=2, **problem)
    np.testing.assert_allclose(top["msd"], run["msd"][:, ::-1][:, :2], rtol=1e-9)
    np.testing.assert_allclose(top["noise_variance"], run["noise_variance"][::-1][:2], rtol=1e-9)
    own = simulate_torch(Momentum(0.05), landscape, directions=np.eye(4)[:, [1]], **problem)
    np.testing.assert_allclose(own["msd"][-1], np.mean((theta - landscape.parameters)[:, [1]] ** 2, axis=0), rtol=1e-9)
    assert "evaluation mode, statistics frozen" in json.loads(run.attrs["parameters"])["landscape"]


def test_minibatches_have_the_covariance_that_they_tell(linear):
    """Over all subsets that one epoch can begin with, exactly; and over draws with replacement, by its share 1/B."""
    from itertools import combinations

    _, _, landscape = linear
    gradients = landscape.sample_gradients()
    means = np.array([gradients[list(chosen)].mean(axis=0) for chosen in combinations(range(12), 4)])
    basis = np.linalg.eigh(landscape.hessian())[1]
    expected = TorchMinibatches(4, replacement=False).share(12) * landscape.noise_along(basis)
    np.testing.assert_allclose(np.var(means @ basis, axis=0), expected, rtol=1e-10)
    assert TorchMinibatches(4).share(12) == 1 / 4


def test_an_epoch_without_replacement_has_every_sample_once_and_the_next_another_order(linear):
    batches = linear[2].batches(4, replacement=False, seed=1)
    epochs = [np.concatenate([next(batches) for _ in range(3)]) for _ in range(2)]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(12))
    assert not np.array_equal(*epochs)
    first = next(linear[2].batches(4, replacement=False, seed=1, replica=1))
    assert not np.array_equal(first, epochs[0][:4])


def test_draws_with_replacement_are_uniform():
    """Pearson's chi-square of 20,000 draws at the suite's rate; draws of which one sample is left out are rejected."""
    from scipy import stats

    drawn = np.concatenate(
        [TorchMinibatches(100).positions(10, 3, replica, t) for replica in range(10) for t in range(20)]
    )
    counts = np.bincount(drawn, minlength=10)
    assert stats.chisquare(counts).pvalue > SUITE_RATE
    assert stats.chisquare(np.bincount(drawn[drawn > 0], minlength=10)).pvalue < SUITE_RATE


@pytest.mark.parametrize(
    ("kind", "factory"),
    [
        (Momentum(0.05), lambda params: Momentum(0.05).torch_optimizer(params)),
        (Adam(0.02, second_moment="running"), lambda params: torch.optim.Adam(params, lr=0.02)),
        (
            Adai(0.02, second_moment="running"),
            lambda params: Adai(0.02, second_moment="running").torch_optimizer(params),
        ),
        (lambda params: torch.optim.AdamW(params, lr=0.02), lambda params: torch.optim.AdamW(params, lr=0.02)),
    ],
    ids=["Momentum", "Adam", "Adai", "AdamW"],
)
def test_a_replica_in_a_stack_has_the_bits_of_a_single_run(network, kind, factory):
    """Whatever the replicas beside it: a plain loop over a vector of parameters, fed the replica's minibatches."""
    run = simulate_torch(
        kind,
        network,
        noise=TorchMinibatches(8),
        iterations=5,
        save=[5],
        replicas=4,
        keep="states",
        directions=1,
        seed=7,
    )
    theta = torch.nn.Parameter(torch.from_numpy(network.parameters[None]))
    optimizer = factory([theta])
    for _, drawn in zip(range(5), network.batches(8, seed=7, replica=3), strict=False):
        theta.grad = torch.from_numpy(network.gradient(theta.detach(), samples=drawn))
        optimizer.step()
    np.testing.assert_array_equal(run["position"][3, -1], theta.detach().numpy()[0])


def test_same_seed_same_bits_for_any_number_of_threads_and_blocks(network, monkeypatch):
    problem = {"noise": TorchMinibatches(4), "iterations": 3, "replicas": 5, "directions": 1, "keep": "states"}
    one = simulate_torch(SGD(0.1), network, threads=1, **problem)["position"]
    monkeypatch.setattr(torch_ensemble, "BLOCK_BYTES", 1)  # each replica is a block of its own
    two, other = (simulate_torch(SGD(0.1), network, threads=2, seed=seed, **problem)["position"] for seed in (0, 1))
    np.testing.assert_array_equal(one, two)
    assert not np.any(one[:, -1] == other[:, -1])


class Waiting(torch.nn.Linear):
    """A model in which one thread is between two layers while the other begins."""

    def forward(self, x):
        time.sleep(0.002)
        return super().forward(x)


def test_threads_do_not_see_each_other_s_parameters(monkeypatch):
    monkeypatch.setattr(torch_ensemble, "BLOCK_BYTES", 1)
    landscape = TorchLandscape(Waiting(3, 1), half_square, (torch.randn(9, 3), torch.randn(9)))
    problem = {"noise": TorchMinibatches(2), "iterations": 3, "replicas": 4, "keep": "states"}
    one, two = (simulate_torch(SGD(0.1), landscape, threads=n, **problem)["position"] for n in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("boundary", [Radius(0.5), HalfSpace([1, 1, 0, 0], 0.5), LossLevel(1.5)], ids=repr)
def test_exits_from_any_region_are_where_single_runs_leave(linear, boundary):
    landscape = linear[2]
    exits = exit_times_torch(
        SGD(0.4), landscape, noise=TorchMinibatches(1), boundary=boundary, max_iterations=30, replicas=6, positions=True
    )
    start = landscape.parameters
    outside = {
        "Radius": lambda theta: np.linalg.norm(theta - start) > 0.5,
        "HalfSpace": lambda theta: theta[0] + theta[1] > 0.5,
        "LossLevel": lambda theta: landscape.loss(theta) > 1.5,
    }[type(boundary).__name__]
    for replica in range(6):
        theta, left = start.copy(), np.nan
        for t, drawn in zip(range(30), landscape.batches(1, replica=replica), strict=False):
            theta = theta - 0.4 * landscape.gradient(theta, samples=drawn)
            if outside(theta):
                left = t + 1
                break
        np.testing.assert_equal(float(exits["exit_iteration"][replica]), left)
        if left == left:
            np.testing.assert_allclose(exits["exit_position"][replica], theta, rtol=1e-12)
    assert exits["exited"].any()


def test_full_batches_are_stable_up_to_twice_the_inverse_of_the_sharpness_and_no_further(linear):
    """Gradient descent from beside the minimum leaves above lr = 2/lambda_1 alone; `simulate_torch` refuses it."""
    x, y, landscape = linear
    minimum = np.linalg.lstsq(x, y, rcond=None)[0]
    (sharpness,), vector = landscape.hessian(1)
    problem = {"noise": TorchMinibatches(12, replacement=False), "start": minimum + 0.1 * vector[:, 0], "replicas": 1}
    for factor, leaves in ((0.99, False), (1.01, True)):
        lr = factor * 2 / sharpness
        exits = exit_times_torch(SGD(lr), landscape, boundary=Radius(0.5), max_iterations=200, **problem)
        assert bool(exits["exited"].all()) == leaves
    with pytest.raises(ValueError, match="is unstable in direction 0"):
        simulate_torch(SGD(lr), landscape, iterations=2, directions=1, **problem)


def test_noise_models_run_on_a_torch_model_too(linear):
    """Gaussian noise of the exact covariance of a minibatch, and Equation 3's."""
    x, _, landscape = linear
    run = simulate_torch(SGD(0.1), landscape, noise=MinibatchNoise(4), iterations=1, replicas=2000, keep="states")
    moved = run["position"].values[:, 0] - landscape.parameters + 0.1 * landscape.gradient()
    np.testing.assert_allclose(np.cov(moved.T) / 0.01, landscape.noise_covariance() / 4, atol=0.2)
    direct = TorchMinibatches(4)
    real = simulate_torch(SGD(0.1), landscape, noise=direct, iterations=1, replicas=2)
    np.testing.assert_allclose(run["noise_variance"], real["noise_variance"], rtol=1e-9)
    hessian = simulate_torch(SGD(0.1), landscape, noise=HessianNoise(4), iterations=1, replicas=2)
    np.testing.assert_allclose(hessian["noise_variance"], np.linalg.eigvalsh(x.T @ x / 12) / 4, rtol=1e-9)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda one: TorchMinibatches(0), "batch_size = 0 must be a whole number >= 1"),
        (lambda one: TorchMinibatches(2, "no"), "replacement = 'no' must be True or False"),
        (lambda one: one.batches(13, replacement=False), "batch_size = 13 is more than the 12 samples; lower it"),
        (
            lambda one: exit_times_torch(
                SGD(1.0), one, noise=TorchMinibatches(13, False), boundary=Radius(1.0), max_iterations=1, replicas=1
            ),
            "batch_size = 13 is more than the 12 samples",
        ),
        (
            lambda one: simulate_torch(
                SGD(0.1), QuadraticSaddle([1.0]), noise=TorchMinibatches(2), iterations=1, replicas=2
            ),
            "has no samples to draw; use a TorchLandscape",
        ),
        (
            lambda one: simulate_torch(SGD(0.1), one, noise=HessianNoise(2), iterations=1, replicas=2, directions=1),
            "would leave out all other directions of 4; use TorchMinibatches, or None",
        ),
        (
            lambda one: simulate_torch(
                SGD(0.1), one, noise=TorchMinibatches(2), iterations=1, replicas=2, directions=np.ones((4, 2))
            ),
            r"directions of shape \(4, 2\) must be orthonormal columns of 4 entries",
        ),
        (
            lambda one: simulate(SGD(0.1), one, noise=HessianNoise(2), iterations=1, replicas=2),
            "a TorchLandscape runs in simulate_torch and exit_times_torch alone",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(linear, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(linear[2])
