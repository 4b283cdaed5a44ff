"""Adai's parameter groups beside torch's own: schedulers, checkpoints, changes on the way, values that Adam accepts."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler, swa_utils

from diffusion.optimizers import Adai, AdaiV2

CYCLING = {
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=20),
    "OneCycleLR, three phases": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=20, three_phase=True),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=3),
}
OTHERS = {
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=20, cycle_momentum=False),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=3, cycle_momentum=False),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.9**epoch),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 5),  # ends at 0
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o), lr_scheduler.ExponentialLR(o, 0.9)], [4]
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(o), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "SWALR": lambda o: swa_utils.SWALR(o, 0.05),
}


def weights(*sizes):
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(n, generator=generator, dtype=torch.float64)) for n in sizes or (4, 3)]


def train(optimizer, scheduler=None, count=10, seed=1, skip=0):
    """Steps on a noisy quadratic, each followed by the scheduler's; the parameters, and the learning rates used."""
    generator, rates = torch.Generator().manual_seed(seed), []
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for step in range(skip + count):
        noise = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in params]
        if step < skip:
            continue
        for p, draw in zip(params, noise, strict=True):
            p.grad = p.detach() + draw
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if scheduler is not None:
            scheduler.step(*([1.0] if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau) else []))
    return torch.cat([p.detach().clone() for p in params]), rates


class Given:
    """A scheduler that writes the learning rates it is given."""

    def __init__(self, optimizer, rates):
        self.group, self.rates = optimizer.param_groups[0], iter(rates)
        self.step()

    def step(self):
        self.group["lr"] = next(self.rates, None)


def by_hand(rates, **settings):
    """The same training with the learning rates written into the groups."""
    optimizer = Adai(weights(), lr=1.0, **settings)
    return train(optimizer, Given(optimizer, rates), len(rates))[0]


@pytest.mark.parametrize("name", CYCLING)
def test_cycled_momentum_leaves_the_damping_alone_and_brings_one_warning(name):
    optimizer = Adai(weights(), lr=0.1, betas=(0.2, 0.9))
    scheduler = CYCLING[name](optimizer)
    with pytest.warns(UserWarning, match="inertia follows the gradients and is not scheduled") as told:
        found, rates = train(optimizer, scheduler)
    assert len(told) == 1
    assert len(set(rates)) > 5
    assert torch.equal(found, by_hand(rates, betas=(0.2, 0.9)))
    assert optimizer.state_dict()["param_groups"][0]["betas"] == (0.2, 0.9)


@pytest.mark.parametrize(
    "lr", [0.1, torch.tensor(0.1, dtype=torch.float64), torch.tensor([0.1], dtype=torch.float64)], ids=repr
)
@pytest.mark.parametrize("name", OTHERS)
def test_schedulers_set_the_learning_rate(name, lr):
    """A tensor stays one where torch's own optimizers keep it: `ReduceLROnPlateau` of 2.9 puts a number there."""
    optimizer, plain = (
        kind(weights(), lr=lr.clone() if isinstance(lr, torch.Tensor) else lr) for kind in (Adai, torch.optim.SGD)
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The epoch parameter", UserWarning)  # SequentialLR itself uses it
        found, rates = train(optimizer, OTHERS[name](optimizer))
        train(plain, OTHERS[name](plain))
    assert len(set(rates)) > 1
    assert type(optimizer.param_groups[0]["lr"]) is type(plain.param_groups[0]["lr"])
    assert torch.equal(found, by_hand(rates))


def test_training_that_cycles_goes_on_from_its_checkpoint_as_if_uninterrupted():
    whole = Adai(weights(), lr=0.1, betas=(0.2, 0.9))
    with pytest.warns(UserWarning, match="cycle_momentum=False"):
        expected, _ = train(whole, CYCLING["OneCycleLR"](whole), 10)
    first = Adai(weights(), lr=0.1, betas=(0.2, 0.9))
    schedule = CYCLING["OneCycleLR"](first)
    with pytest.warns(UserWarning, match="cycle_momentum=False"):
        train(first, schedule, 4)
    second = Adai(copy.deepcopy(first.param_groups[0]["params"]), lr=0.5)
    again = CYCLING["OneCycleLR"](second)
    second.load_state_dict(first.state_dict())
    again.load_state_dict(schedule.state_dict())
    with pytest.warns(UserWarning, match="cycle_momentum=False"):
        found, _ = train(second, again, 6, skip=4)
    assert torch.equal(found, expected)


def test_betas_of_a_group_are_its_own():
    one, two = weights()
    optimizer = Adai(
        [{"params": [one], "betas": (0.5, 0.8)}, {"params": [two], "beta2": 0.7}], lr=0.1, betas=(0.2, 0.9)
    )
    held = [(group["beta0"], group["beta2"], "betas" in group) for group in optimizer.param_groups]
    assert held == [(0.5, 0.8, False), (0.2, 0.7, False)]
    one.grad, two.grad = torch.ones_like(one), torch.ones_like(two)
    optimizer.step()
    assert float(optimizer.state[one]["weight"][0]) == pytest.approx(0.5)
    assert float(optimizer.state[two]["weight"][0]) == pytest.approx(0.2)


@pytest.mark.parametrize("written", [{"beta0": 0.4}, {"betas": (0.4, 0.99)}, {"betas": [np.float32(0.4), 0.99]}])
def test_damping_that_is_written_into_a_group_is_used(written):
    (p,) = weights(3)
    optimizer = Adai([p], lr=0.1)
    optimizer.param_groups[0] |= written
    p.grad = torch.ones_like(p)
    optimizer.step()
    assert float(optimizer.state[p]["weight"][0]) == pytest.approx(0.4)
    assert optimizer.state_dict()["param_groups"][0]["betas"][0] == pytest.approx(0.4)


@pytest.mark.parametrize(("betas", "message"), [((0.0, 0.9), "beta0 = 0.0 must be above 0"), (0.1, "must be a pair")])
def test_bad_betas_that_are_written_into_a_group_are_refused_before_anything_moves(betas, message):
    optimizer = Adai(weights(), lr=0.1)
    before, _ = train(optimizer, count=1)
    optimizer.param_groups[0]["betas"] = betas
    with pytest.raises(ValueError, match=message):
        train(optimizer, count=1)
    del optimizer.param_groups[0]["betas"]
    assert torch.equal(torch.cat([p.detach() for p in optimizer.param_groups[0]["params"]]), before)


def test_pickle_and_deep_copy_go_on_alike():
    optimizer = AdaiV2(weights(), lr=0.1, betas=(0.2, 0.9), dampening=0.5)
    train(optimizer)
    twins = [pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer)]
    expected, _ = train(optimizer, seed=2)
    for twin in twins:
        assert torch.equal(train(twin, seed=2)[0], expected)


ADDED = ("beta0", "beta2", "momentum", "replicas", "dampening", "decoupled")  # since the first version


def older(optimizer):
    """The checkpoint that the first version would have saved."""
    saved = copy.deepcopy(optimizer.state_dict())
    for group in saved["param_groups"]:
        for name in ADDED:
            del group[name]
    return saved


def test_older_checkpoint_loads_and_what_it_does_not_say_stays_as_constructed():
    optimizer = AdaiV2(weights(), lr=0.1, betas=(0.2, 0.9), dampening=0.5, decoupled=False, weight_decay=0.1)
    train(optimizer)
    params = copy.deepcopy(optimizer.param_groups[0]["params"])
    resumed = AdaiV2([{"params": params, "dampening": 0.5, "decoupled": False}], lr=0.7)
    resumed.load_state_dict(older(optimizer))
    assert torch.equal(train(resumed, seed=2)[0], train(optimizer, seed=2)[0])


def test_whole_optimizer_of_an_older_version_is_restored():
    optimizer = Adai(weights(), lr=0.1, betas=(0.2, 0.9))
    train(optimizer)
    state = optimizer.__getstate__()
    groups = [
        {**group, "params": of["params"]}
        for group, of in zip(older(optimizer)["param_groups"], optimizer.param_groups, strict=True)
    ]
    defaults = {"lr": 0.1, "betas": (0.2, 0.9), "eps": 1e-3, "weight_decay": 0.0}
    restored = Adai.__new__(Adai)
    restored.__setstate__(copy.deepcopy(state | {"param_groups": groups, "defaults": defaults}))
    assert torch.equal(train(restored, seed=2)[0], train(optimizer, seed=2)[0])
    restored.add_param_group({"params": weights(2)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"betas": (0.3, 0.9)}, "contradict each other"),
        ({"lr": float("nan")}, "lr = nan must"),
        ({"replicas": True}, r"same leading axis in every parameter, found sizes \[3, 4\]"),
    ],
)
def test_refused_checkpoint_changes_nothing(change, message):
    optimizer = Adai(weights(), lr=0.1, betas=(0.2, 0.9))
    train(optimizer)
    saved = optimizer.state_dict()
    saved["param_groups"][0] |= change
    fresh = Adai(weights(), lr=0.5)
    with pytest.raises(ValueError, match=message):
        fresh.load_state_dict(saved)
    assert not fresh.state
    assert fresh.param_groups[0]["lr"] == 0.5


def test_hooks_on_loading_see_and_change_what_is_loaded():
    p = torch.nn.Parameter(torch.ones(3, dtype=torch.float16))
    optimizer = Adai([p], lr=0.1)
    p.grad = torch.ones_like(p)
    optimizer.step()
    fresh = Adai([p], lr=0.1)

    def doubled(_, state_dict):
        return {
            **state_dict,
            "state": {0: {**state_dict["state"][0], "exp_avg": 2 * state_dict["state"][0]["exp_avg"]}},
        }

    fresh.register_load_state_dict_pre_hook(doubled)
    fresh.load_state_dict(optimizer.state_dict())
    assert torch.equal(fresh.state[p]["exp_avg"], 2 * optimizer.state[p]["exp_avg"])
    assert len(fresh._optimizer_load_state_dict_pre_hooks) == 1


def test_learning_rate_zero_moves_nothing_and_gathers_moments():
    frozen, free = weights()
    before = frozen.detach().clone()
    optimizer = Adai([{"params": [frozen], "lr": 0.0}, {"params": [free]}], lr=0.1, weight_decay=0.1, decoupled=True)
    train(optimizer)
    assert torch.equal(frozen, before)
    assert (optimizer.state[frozen]["exp_avg_sq"] > 0).all()


@pytest.mark.parametrize(
    "kind",
    [np.float32, np.float64, torch.tensor, lambda x: torch.tensor([x])],
    ids=["float32", "float64", "tensor", "vector"],
)
def test_numpy_scalars_and_tensors_count_as_numbers(kind):
    plain = {
        "lr": 0.125,
        "betas": (0.25, 0.75),
        "eps": 0.0625,
        "weight_decay": 0.125,
        "dampening": 0.5,
    }  # exact in float32
    given = {name: tuple(map(kind, one)) if name == "betas" else kind(one) for name, one in plain.items()}
    assert torch.equal(train(AdaiV2(weights(), **given))[0], train(AdaiV2(weights(), **plain))[0])


def test_lazy_parameters_join_when_they_have_a_shape():
    model = torch.nn.Sequential(torch.nn.LazyLinear(4), torch.nn.LazyLinear(4))
    optimizer = Adai(model.parameters(), lr=0.1)
    optimizer.step()
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    assert [tuple(optimizer.state[p]["exp_avg"].shape) for p in model.parameters()] == [(4, 3), (4,), (4, 4), (4,)]


def test_lazy_parameters_must_agree_about_replicas_at_the_first_step():
    for out, agree in ((4, True), (5, False)):
        model = torch.nn.Sequential(torch.nn.LazyLinear(4), torch.nn.LazyLinear(out))
        optimizer = Adai(model.parameters(), lr=0.1, replicas=True)
        model(torch.ones(2, 3)).sum().backward()
        if agree:
            optimizer.step()
            continue
        with pytest.raises(ValueError, match=r"same leading axis in every parameter, found sizes \[4, 5\]"):
            optimizer.step()
        assert not optimizer.state


def test_named_parameters_keep_their_names_in_checkpoints():
    model = torch.nn.Linear(2, 2)
    assert Adai(model.named_parameters(), lr=0.1).state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_keywords_of_adam_alone_are_unknown():
    with pytest.raises(TypeError, match="maximize"):
        Adai(weights(), lr=0.1, maximize=True)


@pytest.mark.parametrize("infinite", [False, True])
def test_gradient_scaler_steps_and_skips_infinite_gradients(infinite):
    (p,) = weights(3)
    before = p.detach().clone()
    optimizer, scaler = Adai([p], lr=0.1), torch.amp.GradScaler("cpu")
    scaler.scale((p**2).sum()).backward()
    if infinite:
        p.grad[0] = torch.inf
    scaler.step(optimizer)
    assert torch.equal(p, before) == infinite
    if not infinite:
        torch.testing.assert_close(p, 0.8 * before, rtol=1e-6, atol=0)  # the scale is applied in float32


def test_compiled_step_agrees():
    plain, compiled = (AdaiV2(weights(), lr=0.1, weight_decay=0.1, dampening=0.5) for _ in range(2))
    compiled.step = torch.compile(compiled.step, backend="eager")
    torch.testing.assert_close(train(compiled, count=4)[0], train(plain, count=4)[0], rtol=1e-14, atol=1e-14)


def test_betas_written_into_a_group_are_in_a_checkpoint_made_before_the_next_step():
    optimizer = Adai([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    optimizer.param_groups[0]["betas"] = (0.2, 0.9)
    assert optimizer.state_dict()["param_groups"][0]["betas"] == (0.2, 0.9)
