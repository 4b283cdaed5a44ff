"""Adai, AdaiW and AdaiV2 as torch optimizers."""

import copy

import numpy as np
import pytest
import pytorch_optimizer
import torch

from diffusion.optimizers import Adai, AdaiV2, AdaiW


@pytest.fixture(autouse=True)
def _double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def parameters(*shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes or [(3, 4), (5,)]]


def steps(optimizer, params, count=50, scale=1.0, seed=1):
    """Take steps on a noisy quadratic whose gradients have the given scale; positions after each."""
    generator = torch.Generator().manual_seed(seed)
    path = []
    for _ in range(count):
        for k, p in enumerate(params):
            p.grad = scale * ((k + 1) * p.detach() + torch.randn(p.shape, generator=generator))
        optimizer.step()
        path.append([p.detach().clone() for p in params])
    return path


def assert_same(first, second, rtol=1e-12):
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, rtol=rtol, atol=rtol)


def test_first_step_is_sgds():
    ours, sgd = parameters(), parameters()
    assert_same(steps(Adai(ours, lr=0.1), ours, 1), steps(torch.optim.SGD(sgd, lr=0.1), sgd, 1), rtol=1e-15)


def official(params, lr, **settings):
    """pytorch-optimizer's Adai without the floor that its constructor's eps puts under mean(v)."""
    return pytorch_optimizer.Adai([{"params": params, "eps": 1e-3}], lr=lr, eps=1e-30, **settings)


@pytest.mark.parametrize("dampening", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_equals_pytorch_optimizers_adai(scale, dampening):
    ours, theirs = parameters(), parameters()
    path = steps(AdaiV2(ours, lr=0.1 / scale, dampening=dampening), ours, scale=scale)
    assert_same(path, steps(official(theirs, 0.1 / scale, dampening=dampening), theirs, scale=scale))


def test_comparison_would_notice_a_floor_on_the_mean_second_moment():
    """pytorch-optimizer's default floors mean(v): no difference at gradient scale 1, a large one at 1e-4."""
    for scale, differs in ((1.0, False), (1e-4, True)):
        ours, theirs = parameters(), parameters()
        last = steps(Adai(ours, lr=0.1 / scale), ours, scale=scale)[-1]
        floored = steps(pytorch_optimizer.Adai(theirs, lr=0.1 / scale), theirs, scale=scale)[-1]
        assert (max((a - b).abs().max().item() for a, b in zip(last, floored, strict=True)) > 1e-3) == differs


@pytest.mark.parametrize("decoupled", [False, True])
def test_weight_decay_equals_pytorch_optimizers(decoupled):
    ours, theirs = parameters(), parameters()
    path = steps(Adai(ours, lr=0.1, weight_decay=0.3, decoupled=decoupled), ours)
    assert_same(path, steps(official(theirs, 0.1, weight_decay=0.3, weight_decouple=decoupled), theirs))


@pytest.mark.parametrize("dampening", [0.0, 0.5, 1.0])
def test_equals_the_formulas_written_plainly(dampening):
    p = parameters((6,))
    theta = p[0].detach().numpy().copy()
    path = steps(AdaiV2(p, lr=0.1, betas=(0.3, 0.9), dampening=dampening), p, 20)
    generator = torch.Generator().manual_seed(1)
    m, v, product = np.zeros(6), np.zeros(6), np.ones(6)
    for t in range(1, 21):
        g = theta + torch.randn(6, generator=generator).numpy()
        v = 0.9 * v + 0.1 * g**2
        vhat = v / (1 - 0.9**t)
        beta1 = np.clip(1 - 0.3 * (vhat / vhat.mean()) ** (1 / (3 - 2 * dampening)), 0, 1 - 1e-3)
        m, product = beta1 * m + (1 - beta1) ** dampening * g, product * beta1
        theta = theta - 0.1 * m / (1 - product) * 0.3 ** (1 - dampening)
        np.testing.assert_allclose(path[t - 1][0].numpy(), theta, rtol=1e-12)


def test_mean_second_moment_spans_all_parameter_groups():
    one, two = parameters(), parameters()
    together = steps(Adai(one, lr=0.1), one)
    assert_same(together, steps(Adai([{"params": [p]} for p in two], lr=0.1), two), rtol=1e-14)
    apart = parameters()
    alone = [steps(Adai([p], lr=0.1), [p])[-1][0] for p in apart]
    assert (alone[0] - together[-1][0]).abs().max() > 1e-3


def test_groups_keep_their_own_settings():
    params = parameters()
    steps(Adai([{"params": params[:1], "lr": 0.1}, {"params": params[1:], "lr": 1e-9}], lr=1.0), params)
    fresh = parameters()
    assert (params[0] - fresh[0]).abs().max() > 0.1
    assert (params[1] - fresh[1]).abs().max() < 1e-6


def test_batch_of_replicas_equals_separate_runs():
    """Two parameters, three replicas along their leading axes: each has a mean second moment of its own."""
    batch = parameters((3, 4), (3, 2, 2))
    batch[1].data *= 100  # so that a mean over all replicas would differ
    batch[0].data[1] *= 50
    singles = [[torch.nn.Parameter(p.detach()[r].clone()) for p in batch] for r in range(3)]
    noise = torch.randn(40, 3, 8, generator=torch.Generator().manual_seed(2))
    optimizer = Adai(batch, lr=0.1, replicas=True)
    separate = [Adai(params, lr=0.1) for params in singles]
    for draw in noise:
        batch[0].grad = batch[0].detach() + draw[:, :4]
        batch[1].grad = batch[1].detach() + draw[:, 4:].reshape(3, 2, 2)
        optimizer.step()
        for r, params in enumerate(singles):
            params[0].grad = params[0].detach() + draw[r, :4]
            params[1].grad = params[1].detach() + draw[r, 4:].reshape(2, 2)
            separate[r].step()
    for r, params in enumerate(singles):
        for k, p in enumerate(params):
            torch.testing.assert_close(batch[k][r], p, rtol=1e-14, atol=0)


def test_replicas_must_agree_in_number():
    params = parameters((3, 4), (2, 4))
    with pytest.raises(ValueError, match=r"same leading axis in every parameter, found sizes \[2, 3\]"):
        steps(Adai(params, lr=0.1, replicas=True), params, 1)


def test_trajectory_does_not_depend_on_the_scale_of_the_gradient():
    one, tiny = parameters(), parameters()
    assert_same(steps(Adai(one, lr=0.1), one), steps(Adai(tiny, lr=0.1e12), tiny, scale=1e-12), rtol=1e-11)


@pytest.mark.parametrize("replicas", [False, True])
def test_zero_gradients_are_safe_and_move_nothing(replicas):
    params = parameters((2, 3), (2, 2))
    before = [p.detach().clone() for p in params]
    optimizer = Adai(params, lr=0.1, replicas=replicas)
    for _ in range(3):
        for p in params:
            p.grad = torch.zeros_like(p)
        optimizer.step()
    assert_same([params], [before], rtol=0)
    assert all(torch.isfinite(p).all() for p in steps(optimizer, params, 3)[-1])


def test_parameters_without_gradient_are_left_alone():
    params = parameters()
    params[0].grad = torch.ones_like(params[0])
    before = params[1].detach().clone()
    Adai(params, lr=0.1).step()
    assert torch.equal(params[1], before)
    Adai(parameters(), lr=0.1).step()


@pytest.mark.parametrize("kind", [Adai, AdaiW, AdaiV2])
def test_state_dict_round_trip_continues_bit_for_bit(kind):
    params = parameters()
    optimizer = kind(params, lr=0.1, weight_decay=0.1)
    steps(optimizer, params, 10)
    copies = copy.deepcopy(params)
    resumed = kind(copies, lr=0.9)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for a, b in zip(steps(optimizer, params, 10)[-1], steps(resumed, copies, 10)[-1], strict=True):
        assert torch.equal(a, b)


def test_closure_is_evaluated_with_gradients_and_its_loss_returned():
    (p,) = parameters((3,))
    optimizer = Adai([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    first = optimizer.step(closure)
    assert optimizer.step(closure) < first


def test_decoupled_decay_shrinks_theta_and_l2_decay_goes_through_the_gradient():
    for kind, exactly in ((AdaiW, True), (AdaiV2, True), (Adai, False)):
        (p,) = parameters((3,))
        before = p.detach().clone()
        optimizer = kind([p], lr=0.1, weight_decay=0.5)
        for _ in range(4):
            p.grad = torch.zeros_like(p)
            optimizer.step()
        shrunk = torch.allclose(p, before * (1 - 0.05) ** 4, rtol=1e-14, atol=0)
        assert shrunk == exactly


def test_no_dampening_is_adaiw():
    one, two = parameters(), parameters()
    assert_same(steps(AdaiV2(one, 0.1, weight_decay=0.1), one), steps(AdaiW(two, 0.1, weight_decay=0.1), two), rtol=0)


BAD = [
    ({"lr": -0.1}, "lr = -0.1 must be 0 or above"),
    ({"betas": (0.0, 0.9)}, "beta0 = 0.0 must be above 0"),
    ({"betas": (0.1, 1.0)}, r"beta2 = 1.0 must lie in \[0, 1\)"),
    ({"eps": 0.0}, r"eps = 0.0 must lie in \(0, 1\]"),
    ({"weight_decay": -1.0}, "weight_decay = -1.0 must be 0 or above"),
    ({"dampening": 2.0}, r"dampening = 2.0 must lie in \[0, 1\]"),
]


@pytest.mark.parametrize(("settings", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_settings_are_named_in_the_constructor_and_in_groups(settings, message):
    with pytest.raises(ValueError, match=message):
        AdaiV2(parameters(), **({"lr": 0.1} | settings))
    with pytest.raises(ValueError, match=message):
        AdaiV2([{"params": parameters(), **settings}], lr=0.1)


def test_sparse_gradients_are_refused():
    (p,) = parameters((3,))
    p.grad = torch.ones(3).to_sparse()
    with pytest.raises(ValueError, match="is sparse; Adai needs dense gradients"):
        Adai([p], lr=0.1).step()


def test_complex_number_is_two_coordinates():
    (pairs,) = parameters((3, 2))
    number = torch.nn.Parameter(torch.view_as_complex(pairs.detach().clone()))
    ours, other = AdaiW([number], lr=0.1, weight_decay=0.3), AdaiW([pairs], lr=0.1, weight_decay=0.3)
    for g in torch.randn(20, 3, 2, generator=torch.Generator().manual_seed(1)):
        number.grad, pairs.grad = torch.view_as_complex(g), g
        ours.step()
        other.step()
    assert torch.equal(torch.view_as_real(number), pairs)


def test_stiff_coordinate_has_no_inertia_and_a_flat_one_at_most_1_minus_eps():
    (p,) = parameters((20,))
    optimizer = Adai([p], lr=0.1, eps=0.01)
    p.grad = torch.cat([torch.full((1,), 10.0), torch.full((19,), 1e-3)])
    optimizer.step()
    assert torch.equal(optimizer.state[p]["weight"][:2], torch.tensor([1.0, 0.01]))  # 1 - prod beta1


def test_parameter_without_gradient_is_not_in_the_mean_and_joins_with_a_step_count_of_its_own():
    """Constant gradients 1 and 2: vhat = 1 and 4 whatever the step counts, and at last vbar = (2 * 1 + 6 * 4) / 8."""
    one, two = parameters((2,), (6,))
    optimizer = Adai([one, two], lr=0.1)
    for _ in range(5):
        one.grad = torch.ones(2)
        optimizer.step()
    torch.testing.assert_close(optimizer.state[one]["weight"], torch.full((2,), 1 - 0.9**5), rtol=1e-14, atol=0)
    assert not optimizer.state[two]
    two.grad = torch.full((6,), 2.0)
    optimizer.step()
    torch.testing.assert_close(optimizer.state[two]["weight"], torch.full((6,), 0.1 * 4 / 3.25), rtol=1e-14, atol=0)


@pytest.mark.parametrize("replicas", [False, True])
def test_zero_gradients_leave_the_inertia_at_1_minus_beta0(replicas):
    """All coordinates alike, as for equal gradients too small to move anything; also in one replica at rest."""
    (p,) = parameters((2, 3))
    optimizer = Adai([p], lr=0.1, replicas=replicas)
    for _ in range(2):
        p.grad = torch.zeros_like(p)
        p.grad[1] = float(replicas)
        optimizer.step()
    torch.testing.assert_close(optimizer.state[p]["weight"], torch.full((2, 3), 1 - 0.9**2), rtol=1e-14, atol=0)


def test_low_precision_stays_finite():
    """1 - eps rounds to 1 in bfloat16, and a plain float16 sum of the second moments overflows."""
    for dtype in (torch.bfloat16, torch.float16):
        p = torch.nn.Parameter(torch.ones(90_000, dtype=dtype))
        optimizer = Adai([p], lr=0.5)
        for _ in range(2):
            p.grad = torch.ones_like(p)
            p.grad[0] = 0.0
            optimizer.step()
        assert p[0] == 1
        assert p[-1] == 0
        assert float(optimizer.state[p]["weight"][-1]) == pytest.approx(0.19, rel=0.02)


HALF = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0])
@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_has_the_inertia_and_the_step_of_float64_on_the_same_gradients(dtype, scale):
    """In float16 itself squares of 300 are infinite and squares of 0.001 are 0, and then all inertias are alike."""
    half, double = torch.nn.Parameter(torch.zeros(4, dtype=dtype)), torch.nn.Parameter(torch.zeros(4))
    ours, exact = Adai([half], lr=0.1 / scale), Adai([double], lr=0.1 / scale)
    for t in range(5):
        half.grad = (scale * torch.tensor([1.0, 2.0, 3.0, 0.1]) * (1 + t % 2)).to(dtype)
        double.grad = half.grad.double()
        half.data.zero_()
        double.data.zero_()
        ours.step()
        exact.step()
    assert {ours.state[half][name].dtype for name in ("exp_avg", "exp_avg_sq", "weight")} == {torch.float32}
    torch.testing.assert_close(ours.state[half]["weight"].double(), exact.state[double]["weight"], rtol=1e-5, atol=0)
    torch.testing.assert_close(half.double(), double, rtol=torch.finfo(dtype).eps, atol=0)


def test_half_precision_step_is_rounded_once():
    """Decay and step of 0.001 each: in bfloat16 1 - 0.001 is 1, but 1 - 0.002 is 1 - 1/256."""
    p = torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
    p.grad = torch.full_like(p, 0.125)
    AdaiW([p], lr=0.008, weight_decay=0.125).step()
    assert p.tolist() == [1 - 1 / 256] * 2


def test_precisions_mix_in_one_mean_whatever_their_order():
    """As in float64 throughout, where float32 and float16 hold the gradients exactly."""
    dtypes = (torch.float32, torch.float64, torch.float16)
    expected = None
    for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        mixed = [torch.nn.Parameter(torch.zeros(3, dtype=dtypes[k])) for k in order]
        optimizer = Adai(mixed, lr=0.1)
        for k, p in zip(order, mixed, strict=True):
            p.grad = torch.tensor([1.0, 2.0, 4.0]).to(p.dtype) * 2.0**k
        optimizer.step()
        weight = torch.cat([optimizer.state[mixed[order.index(k)]]["weight"].double() for k in range(3)])
        g = torch.cat([torch.tensor([1.0, 2.0, 4.0]) * 2.0**k for k in range(3)])
        expected = (0.1 * g**2 / (g**2).mean()).clamp(1e-3, 1)
        torch.testing.assert_close(weight, expected, rtol=1e-6, atol=0)
        assert [p.dtype for p in mixed] == [dtypes[k] for k in order]


@pytest.mark.parametrize("dtype", HALF)
def test_checkpoint_of_half_precision_keeps_its_state_in_float32(dtype):
    """Torch casts state to the parameters' precision as it loads."""
    p = torch.nn.Parameter(torch.ones(4, dtype=dtype))
    optimizer = Adai([p], lr=1e-4)
    p.grad = torch.tensor([300.0, 1e-3, 1.0, 7.0]).to(dtype)
    optimizer.step()
    resumed = Adai([p], lr=1e-4)
    resumed.load_state_dict(optimizer.state_dict())
    for name in ("exp_avg", "exp_avg_sq", "weight"):
        assert resumed.state[p][name].dtype == torch.float32
        assert torch.equal(resumed.state[p][name], optimizer.state[p][name])
    old = optimizer.state_dict()
    old["state"][0]["exp_avg_sq"] = old["state"][0]["exp_avg_sq"].to(
        dtype
    )  # as a version without float32 state saved it
    resumed.load_state_dict(old)
    assert resumed.state[p]["exp_avg_sq"].dtype == torch.float32


@pytest.mark.parametrize("other", [torch.float32, torch.float64])
def test_squares_that_overflow_give_infinite_ratios_and_no_nan(other):
    """Gradients of 1e20 in float32: as the steepest by far they have no inertia, the others the most."""
    p, q = (torch.nn.Parameter(torch.zeros(2, dtype=dtype)) for dtype in (torch.float32, other))
    optimizer = Adai([p, q], lr=1e-20)
    for _ in range(3):
        p.grad = torch.tensor([1e20, 1.0], dtype=torch.float32)
        q.grad = torch.ones_like(q)
        optimizer.step()
    assert optimizer.state[q]["weight"].tolist() == pytest.approx([1 - 0.999**3] * 2)
    assert optimizer.state[p]["weight"].tolist() == pytest.approx([1.0, 1 - 0.999**3])
    torch.testing.assert_close(p, torch.tensor([-3.0, -3e-20], dtype=torch.float32))


def test_nan_in_a_gradient_is_not_hidden():
    (p,) = parameters((3,))
    p.grad = torch.tensor([float("nan"), 1.0, 1.0])
    Adai([p], lr=0.1).step()
    assert p.isnan().all()


def test_empty_and_scalar_parameters_are_taken():
    empty, scalar = parameters((0,), ())
    before = scalar.item()
    empty.grad, scalar.grad = torch.zeros(0), torch.tensor(2.0)
    Adai([empty, scalar], lr=0.1).step()
    assert scalar.item() == pytest.approx(before - 0.2, rel=1e-14)
    Adai([empty], lr=0.1).step()


def test_gradients_are_left_as_they_were():
    (p,) = parameters((3,))
    p.grad = torch.ones(3)
    Adai([p], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(p.grad, torch.ones(3))


def test_deep_copy_and_state_dict_carry_replicas_and_dampening():
    params = parameters((2, 3), (2, 2))
    optimizer = AdaiV2(params, lr=0.1, betas=(0.2, 0.9), eps=0.01, weight_decay=0.3, dampening=0.5, replicas=True)
    steps(optimizer, params, 10)
    twins, twin = copy.deepcopy((params, optimizer))
    copies = copy.deepcopy(params)
    resumed = AdaiV2(copies, lr=0.9)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    path = steps(optimizer, params, 10)
    assert_same(steps(twin, twins, 10), path, rtol=0)
    assert_same(steps(resumed, copies, 10), path, rtol=0)


def test_l2_decay_is_the_gradient_of_a_penalty():
    decayed, penalized = parameters(), parameters()
    path = steps(Adai(decayed, lr=0.1, weight_decay=0.3), decayed, 20)
    optimizer, generator = Adai(penalized, lr=0.1), torch.Generator().manual_seed(1)
    for _ in range(20):
        for k, p in enumerate(penalized):
            p.grad = (k + 1) * p.detach() + torch.randn(p.shape, generator=generator) + 0.3 * p.detach()
        optimizer.step()
    assert_same([penalized], path[-1:], rtol=1e-14)


def test_no_dampening_and_l2_decay_is_adai():
    one, two = parameters(), parameters()
    path = steps(AdaiV2(one, lr=0.1, weight_decay=0.1, dampening=1.0, decoupled=False), one)
    assert_same(path, steps(Adai(two, lr=0.1, weight_decay=0.1), two), rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": float("nan")}, "lr = nan must be 0 or above and finite"),
        ({"lr": float("inf")}, "lr = inf must be 0 or above and finite"),
        ({"lr": "0.1"}, "lr = '0.1' must be one number, and be 0 or above"),
        ({"lr": torch.ones(2)}, r"lr = tensor\(\[1., 1.\].* must be one number"),
        ({"betas": (0.1, -0.1)}, "beta2 = -0.1 must lie"),
        ({"betas": 0.1}, r"betas = 0.1 must be a pair \(beta0, beta2\)"),
        ({"betas": (0.2, 0.9), "beta0": 0.3}, r"betas = \(0.2, 0.9\) and beta0 = 0.3 contradict each other"),
        ({"eps": 1.5}, "eps = 1.5 must lie"),
        ({"dampening": -0.1}, "dampening = -0.1 must lie"),
        ({"replicas": True}, "replicas = True must be the same in all parameter groups"),
    ],
)
def test_refused_group_leaves_no_trace(settings, message):
    params = parameters()
    optimizer = AdaiV2(params[:1], lr=0.1)
    with pytest.raises(ValueError, match=message):
        optimizer.add_param_group({"params": params[1:]} | settings)
    optimizer.add_param_group({"params": params[1:]})
    steps(optimizer, params, 1)


def test_refused_gradient_leaves_every_parameter_in_place():
    params = parameters()
    before = params[0].detach().clone()
    params[0].grad, params[1].grad = torch.ones_like(params[0]), torch.ones(5).to_sparse()
    optimizer = AdaiW(params, lr=0.1, weight_decay=0.1)
    with pytest.raises(ValueError, match=r"gradient of shape \(5,\) is sparse"):
        optimizer.step()
    assert torch.equal(params[0], before)
    assert not optimizer.state
