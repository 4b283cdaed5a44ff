"""Any torch optimizer by a factory: what it does is what the optimizer does, and one that mixes replicas is refused."""

import json

import numpy as np
import pytest

from diffusion import (
    Adam,
    CoupledLandscape,
    IsotropicNoise,
    Minibatches,
    QuadraticSaddle,
    Radius,
    escape_rate,
    exit_times_torch,
    simulate_torch,
)

torch = pytest.importorskip("torch")
optim = torch.optim
optimizers = pytest.importorskip("diffusion.optimizers")
others = pytest.importorskip("pytorch_optimizer")

BOWL = QuadraticSaddle([1.0, 0.5])


def exits(factory, landscape=BOWL, **changed):
    problem = {"noise": IsotropicNoise(1.0), "boundary": Radius(0.4), "max_iterations": 400, "replicas": 60} | changed
    return exit_times_torch(factory, landscape, **problem)


def nadam_exits(replicas, iterations, lr, beta1=0.9, beta2=0.999, decay=4e-3, eps=1e-8):
    """First iterations outside Radius(0.4) and the positions there, by NAdam written out, from the same draws."""
    generator = torch.Generator().manual_seed(0)
    theta, m, v = np.zeros((3, replicas, 2))
    product, first, places = 1.0, np.full(replicas, np.nan), np.full((replicas, 2), np.nan)
    for t in range(1, iterations + 1):
        g = theta * [1.0, 0.5] + torch.randn(replicas, 2, generator=generator, dtype=torch.float64).numpy()
        now, then = (beta1 * (1 - 0.5 * 0.96 ** (k * decay)) for k in (t, t + 1))
        product *= now
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        step = (1 - now) * g / (1 - product) + then * m / (1 - product * then)
        theta = theta - lr * step / (np.sqrt(v / (1 - beta2**t)) + eps)
        gone = np.isnan(first) & (np.hypot(*theta.T) > 0.4)
        first[gone], places[gone] = t, theta[gone]
        theta[~np.isnan(first)] = 0.0
    return first, places


def test_nadam_by_a_factory_is_nadam_written_out():
    """Same draws, same exits; places to the single precision in which torch keeps the product of momenta."""
    found = exits(lambda params: optim.NAdam(params, lr=0.05), positions=True)
    first, places = nadam_exits(60, 400, 0.05)
    assert found["exited"].mean() > 0.5
    np.testing.assert_array_equal(found["exit_iteration"], first)
    np.testing.assert_allclose(found["exit_position"], places, rtol=1e-4, atol=1e-6)
    assert not np.array_equal(
        exits(lambda params: optim.NAdam(params, lr=0.04))["exit_iteration"], first, equal_nan=True
    )


def test_adam_by_a_factory_leaves_when_adam_does():
    known = exits(Adam(0.05, second_moment="running"))
    np.testing.assert_array_equal(
        exits(lambda params: optim.Adam(params, lr=0.05))["exit_iteration"], known["exit_iteration"]
    )


def test_the_record_names_class_and_settings():
    """Two optimizers that differ in an attribute alone are two problems, whose exits are not joined."""
    import xarray

    runs = [exits(lambda params, k=k: others.RAdam(params, lr=0.05, degenerated_to_sgd=k)) for k in (True, False)]
    told = [json.loads(run.attrs["parameters"])["dynamics"] for run in runs]
    assert all(
        name.startswith("pytorch_optimizer.optimizer.radam.RAdam(lr=0.05, betas=(0.9, 0.999), ") for name in told
    )
    assert "degenerated_to_sgd=True" in told[0]
    with pytest.raises(ValueError, match="problem"):
        escape_rate(xarray.concat(runs, "replica", combine_attrs="drop"))


ELEMENTWISE = {
    "the class itself": optim.RAdam,
    "AdamW": lambda params: optim.AdamW(params, lr=0.01, amsgrad=True),
    "AdaBelief": lambda params: others.AdaBelief(params, lr=0.01),
    "Yogi": lambda params: others.Yogi(params, lr=0.01, weight_decay=0.1, weight_decouple=False),
    "Lion": lambda params: others.Lion(params, lr=0.01),
    "GaLore, which without a rank projects nothing": lambda params: others.GaLore(params, lr=0.01),
    "AdaiV2": lambda params: optimizers.AdaiV2(params, lr=0.01, dampening=0.5, replicas=True),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_optimizers_of_single_elements_run(name):
    displacement = simulate_torch(ELEMENTWISE[name], BOWL, noise=IsotropicNoise(1.0), iterations=8, replicas=5)["msd"]
    assert (displacement[-1] > 0).all()


class Doubled(optim.SGD):
    """SGD with a second parameter of its own."""

    def __init__(self, params, lr):
        super().__init__([*params, torch.nn.Parameter(torch.zeros(1))], lr=lr)


class ByReplica(optim.SGD):
    """SGD that says it takes the leading axis for replicas, and does not."""

    def __init__(self, params, lr):
        super().__init__(params, lr=lr)
        self.param_groups[0]["replicas"] = True

    def step(self):
        for p in self.param_groups[0]["params"]:
            p.grad = p.grad / p.grad.norm()
        super().step()


class Clipped(optim.SGD):
    """SGD that clips large gradients by their norm."""

    def step(self):
        torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 100.0)
        super().step()


class Noisy(optim.SGD):
    """SGD with noise of its own."""

    def step(self):
        for p in self.param_groups[0]["params"]:
            p.grad = p.grad + torch.randn_like(p)
        super().step()


PROJECTION = {"rank": 1, "update_proj_gap": 200, "scale": 1.0, "projection_type": "std"}
MIXES, STEPS = "must be updated by itself", "stepped by their gradients alone"
REFUSED = {
    "trust ratio of LARS": (lambda params: others.LARS(params, lr=0.1), MIXES),
    "trust ratio of LAMB": (lambda params: others.Lamb(params, lr=0.1), MIXES),
    "factored second moment": (optim.Adafactor, MIXES),
    "orthogonalization": (optim.Muon, MIXES),
    "projected gradients": (lambda params: others.GaLore(params, lr=0.01, **PROJECTION), MIXES),
    "centralized gradients": (lambda params: others.Ranger(params, lr=0.1), MIXES),
    "a step length that is found later": (lambda params: others.Prodigy(params, lr=0.01), MIXES),
    "a switch for the whole tensor": (lambda params: others.SWATS(params, lr=0.01), MIXES),
    "clipping of large gradients alone": (lambda params: Clipped(params, lr=0.1), "gradients of scale 1000"),
    "vbar over all replicas": (lambda params: optimizers.Adai(params, lr=0.1), MIXES),
    "replicas that are said to be apart": (lambda params: ByReplica(params, lr=0.1), r"moves replica 0 by \[\["),
    "a closure": (optim.LBFGS, STEPS),
    "second derivatives": (lambda params: others.AdaHessian(params), STEPS),
    "random numbers": (lambda params: Noisy(params, lr=0.1), "draws random numbers of its own"),
    "another parameter": (lambda params: Doubled(params, lr=0.1), "holds 2 parameters"),
    "a copy of the parameter": (lambda params: optim.SGD([params[0].clone().detach()]), "must hold the one"),
    "an infinite step": (lambda params: optim.SGD(params, lr=1e308), "leaves floating-point range"),
    "no optimizer": (lambda params: 0.1, "dynamics makes 0.1, which is no torch.optim.Optimizer"),
    "no factory": (0.1, "dynamics = 0.1 must be a dynamics, or make a torch optimizer"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_run_as_one_tensor_is_refused(reason):
    factory, message = REFUSED[reason]
    with pytest.raises(ValueError, match=message):
        exits(factory)


@pytest.mark.parametrize("reason", ["trust ratio of LARS", "orthogonalization", "centralized gradients", "no factory"])
def test_simulate_refuses_it_too_in_one_coordinate(reason):
    factory, _ = REFUSED[reason]
    with pytest.raises(ValueError, match=r"only supports 2D|element must be|dynamics = 0\.1"):
        simulate_torch(factory, QuadraticSaddle([1.0]), noise=IsotropicNoise(1.0), iterations=2, replicas=5)


def coupled_loss(x, lane):
    return 0.5 * (x[0, lane] ** 2 + x[1, lane] ** 2) + 0.5 * x[0, lane] * x[1, lane]


def coupled_gradient(x, j, lane):
    return x[j, lane] + 0.5 * x[1 - j, lane]


@pytest.mark.parametrize("data", [False, True])
def test_it_runs_on_coupled_losses_and_real_minibatches_without_a_forecast(data):
    """A hopeless run is not announced, as nothing is known of the optimizer: a warning would be an error here."""
    landscape = QuadraticSaddle([1.0, 1.0]) if data else CoupledLandscape(coupled_loss, coupled_gradient, dimension=2)
    noise = Minibatches(np.ones(100), lambda theta, x: theta * x, 10) if data else IsotropicNoise(1e-6)
    found = exits(optim.NAdam, landscape, noise=noise, boundary=Radius(50.0), max_iterations=5, replicas=4)
    assert not found["exited"].any()
