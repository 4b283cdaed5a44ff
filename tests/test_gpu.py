"""On a GPU, where there is one: models and optimizers give the numbers that they give on the CPU, to rounding."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch_problems import network_landscape  # noqa: E402

from diffusion import SGD, Radius, TorchLandscape, TorchMinibatches, exit_times_torch, simulate_torch  # noqa: E402
from diffusion.optimizers import Adai, AdaiV2, AdaiW  # noqa: E402
from diffusion.torch_ensemble import one_thread_each  # noqa: E402

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with one_thread_each():
        yield


@pytest.fixture(scope="module")
def pair():
    """The same network and data on the CPU and on the GPU."""
    here = network_landscape()
    losses = here.sample_losses
    moved = copy.deepcopy(losses.model).requires_grad_(True).to("cuda")
    return here, TorchLandscape(moved, losses.loss, (losses.inputs, losses.targets))


TAKEN = {
    "loss": lambda landscape: landscape.loss(),
    "losses": lambda landscape: landscape.losses(samples=[3, 3, 7]),
    "gradient": lambda landscape: landscape.gradient(np.linspace(-1, 1, 2 * landscape.dimension).reshape(2, -1)),
    "sample_gradients": lambda landscape: landscape.sample_gradients(),
    "hessian_product": lambda landscape: landscape.hessian_product(np.eye(landscape.dimension)[:3]),
    "hessian": lambda landscape: landscape.hessian(),
    "three eigenvalues": lambda landscape: landscape.hessian(3)[0],
    "gauss_newton": lambda landscape: landscape.gauss_newton(),
    "noise_covariance": lambda landscape: landscape.noise_covariance(),
    "noise_along": lambda landscape: landscape.noise_along(np.eye(landscape.dimension)[:, :2]),
}


@pytest.mark.parametrize("taken", TAKEN.values(), ids=TAKEN)
def test_a_model_on_a_gpu_has_the_numbers_it_has_on_the_cpu(pair, taken):
    on_cpu, on_gpu = (taken(landscape) for landscape in pair)
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-9, atol=1e-11)


def test_its_noise_report_is_the_same(pair):
    on_cpu, on_gpu = (landscape.noise_report(batch_size=10, k=4) for landscape in pair)
    for name in ("curvature", "sample_variance", "squared_curvature", "gauss_newton", "skewness", "kurtosis"):
        np.testing.assert_allclose(abs(on_gpu[name]), abs(on_cpu[name]), rtol=1e-6, atol=1e-9, err_msg=name)


def test_replicas_on_a_gpu_draw_the_same_minibatches(pair):
    known = {"noise": TorchMinibatches(10), "iterations": 30, "replicas": 3, "directions": 2, "keep": "states"}
    on_cpu, on_gpu = (simulate_torch(SGD(lr=0.05), landscape, **known) for landscape in pair)
    np.testing.assert_allclose(on_gpu.position, on_cpu.position, rtol=1e-9, atol=1e-11)


def test_exits_on_a_gpu_are_those_on_the_cpu(pair):
    known = {"noise": TorchMinibatches(10), "replicas": 3, "max_iterations": 50, "boundary": Radius(0.05)}
    on_cpu, on_gpu = (exit_times_torch(SGD(lr=0.05), landscape, **known) for landscape in pair)
    assert on_cpu.exited.all()
    np.testing.assert_array_equal(on_gpu.exit_iteration, on_cpu.exit_iteration)


@pytest.mark.parametrize("kind", [Adai, AdaiW, AdaiV2])
def test_adai_takes_the_same_steps_and_goes_on_from_a_checkpoint_of_the_cpu(kind):
    def parameters(device):
        values = np.linspace(-1, 1, 17)
        parts = values[:5], values[5:].reshape(4, 3)
        return [torch.nn.Parameter(torch.tensor(part, device=device)) for part in parts]

    def step(optimizer, params, count):
        for number in range(count):
            for place, p in enumerate(params):
                p.grad = (place + 1) * p.detach() + np.sin(number + place)
            optimizer.step()

    here, there = parameters("cpu"), parameters("cuda")
    own, other = (kind(params, lr=0.1, weight_decay=0.01) for params in (here, there))
    step(own, here, 10)
    step(other, there, 10)
    torch.testing.assert_close([p.detach().cpu() for p in there], [p.detach() for p in here], rtol=1e-12, atol=1e-13)
    again = kind(there, lr=0.1, weight_decay=0.01)
    again.load_state_dict(copy.deepcopy(own.state_dict()))
    step(own, here, 10)
    step(again, there, 10)
    torch.testing.assert_close([p.detach().cpu() for p in there], [p.detach() for p in here], rtol=1e-12, atol=1e-13)


def test_adai_takes_the_mean_over_parameters_on_both_devices():
    values = np.linspace(0.5, 2, 8)
    together = [torch.nn.Parameter(torch.tensor(values[:3])), torch.nn.Parameter(torch.tensor(values[3:]))]
    apart = [
        torch.nn.Parameter(p.detach().clone().to(where)) for p, where in zip(together, ("cpu", "cuda"), strict=True)
    ]
    for params in (together, apart):
        optimizer = Adai(params, lr=0.1)
        for _ in range(5):
            for p in params:
                p.grad = p.detach() ** 2
            optimizer.step()
    torch.testing.assert_close([p.detach().cpu() for p in apart], [p.detach() for p in together], rtol=1e-12, atol=0.0)
