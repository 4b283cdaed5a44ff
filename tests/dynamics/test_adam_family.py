"""AdamW, AMSGrad, Padam, RAdam and AdaBound: against their papers in plain NumPy, torch, and their symmetries.

Most tests run the formulas as Python; one run of each compares what is compiled.
"""

import inspect
import pickle

import numpy as np
import pytest
import torch
from driver import driven
from pytorch_optimizer import PAdam
from reference import normals

from diffusion import (
    SGD,
    AdaBound,
    Adam,
    AdamW,
    AMSGrad,
    HessianNoise,
    IsotropicNoise,
    MinibatchNoise,
    Momentum,
    Motion,
    Padam,
    RAdam,
    RMSprop,
    StyblinskiTang,
    escape_prospect,
    simulate,
)

STEPS = 100
EACH = [
    AMSGrad(0.01, 0.9, 0.99, 1e-3, weight_decay=0.1),
    AdamW(0.01, 0.9, 0.99, 1e-3, weight_decay=0.1),
    Padam(0.01, 0.9, 0.99, 1e-3, partial=0.2, weight_decay=0.1),
    RAdam(0.01, 0.9, 0.99, 1e-3, weight_decay=0.1),
    AdaBound(0.01, 0.9, 0.99, 1e-3, final_lr=0.1, gamma=0.05, weight_decay=0.1),
]
NAMES = [type(dynamics).__name__ for dynamics in EACH]
each = pytest.mark.parametrize("dynamics", EACH, ids=NAMES)
SHIPPED = [dynamics for dynamics in EACH if not isinstance(dynamics, Padam)]  # what torch or pytorch_optimizer have
START = np.array([1.0, -0.5, 2.0, 0.0, 0.3])
CURVATURE = np.array([1.0, 3.0, 0.1, 0.0, 0.0])
PUSHES = np.random.default_rng(3).standard_normal((STEPS, 5)) * [1.0, 0.3, 2.0, 0.0, 0.0]  # two coordinates without any
PUSHES[30:50] = 0.0


def amsgrad(o, t, m, v, largest, c1, c2, root):
    return o.lr / c1 * m / root(largest / c2)


def adamw(o, t, m, v, largest, c1, c2, root):
    return o.lr / c1 * m / root(v / c2)


def padam(o, t, m, v, largest, c1, c2, root):
    return o.lr * np.sqrt(c2) / c1 * m / root(largest) ** (2 * o.partial)


def radam(o, t, m, v, largest, c1, c2, root, threshold=5):
    power = np.prod([o.beta2] * t)
    most = 2 / (1 - o.beta2) - 1
    rho = most - 2 * t * power / (1 - power)
    if rho <= threshold:
        return o.lr * m / c1
    r = np.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
    return o.lr * m / c1 * r * np.sqrt(c2) / root(v)


def adabound(o, t, m, v, largest, c1, c2, root):
    low, high = o.final_lr * (1 - 1 / (o.gamma * t + 1)), o.final_lr * (1 + 1 / (o.gamma * t))
    return np.clip(o.lr * np.sqrt(c2) / c1 / root(v), low, high) * m


RULES = {AMSGrad: amsgrad, AdamW: adamw, Padam: padam, RAdam: radam, AdaBound: adabound}


def written(dynamics, scale=1.0, wrong="", rule=None):
    """Positions as the papers (RULES) have them; `wrong` names a mistake."""
    o, theta, path = dynamics, START.copy(), []
    m, v, largest, low1, low2 = (np.zeros(5) for _ in range(5))
    for t, push in enumerate(PUSHES, 1):
        g = scale * (CURVATURE * theta + push)
        if isinstance(o, AdamW) != (wrong == "decay"):
            theta = theta - o.lr * o.weight_decay * theta
        else:
            g = g + o.weight_decay * theta
        m, v = o.beta1 * m + (1 - o.beta1) * g, o.beta2 * v + (1 - o.beta2) * g**2
        low1, low2 = o.beta1 * low1 + 1 - o.beta1, o.beta2 * low2 + 1 - o.beta2  # 1 - beta^t
        largest = np.maximum(largest, v / low2 if wrong == "maximum" else v)
        c1, c2 = (1.0, 1.0) if wrong == "correction" else (low1, low2)
        c2 = 1.0 if wrong == "maximum" else c2
        root = (lambda v: np.sqrt(v + o.eps)) if wrong == "eps" else (lambda v: np.sqrt(v) + o.eps)
        theta = theta - (rule or RULES[type(o)])(o, t, m, v, largest, c1, c2, root)
        path.append(theta)
    return np.array(path)


def ours(dynamics, scale=1.0):
    return driven(dynamics, START, lambda t, theta: scale * (CURVATURE * theta + PUSHES[t - 1]))


def differ(path, other):
    """The largest difference over the largest position of the coordinate."""
    return np.max(np.abs(path - other) / np.maximum(np.abs(other).max(axis=0), 1e-300))


@each
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_formulas_are_those_of_the_papers(dynamics, scale):
    path = ours(dynamics, scale)
    assert differ(path, written(dynamics, scale)) < 1e-12
    assert not path[:, 3].any()


@each
@pytest.mark.parametrize("wrong", ["correction", "eps", "decay"])
def test_comparison_rejects_a_mistake(dynamics, wrong):
    """The bias corrections left out, eps inside the root, coupled decay decoupled or the other way round."""
    assert differ(ours(dynamics), written(dynamics, wrong=wrong)) > 1e-4


def test_amsgrad_takes_its_maximum_before_the_correction():
    assert differ(ours(EACH[0]), written(EACH[0], wrong="maximum")) > 1e-3


def test_radam_adapts_from_torchs_threshold_on_not_the_papers():
    """At beta2 = 0.999 rho_5 is 4.996."""
    dynamics = RAdam(0.01, eps=1e-3)
    assert differ(ours(dynamics), written(dynamics)) < 1e-12
    assert differ(ours(dynamics), written(dynamics, rule=lambda *given: radam(*given, threshold=4))) > 1e-3


def of_torch(optimizer_of, pushes):
    theta = torch.nn.Parameter(torch.from_numpy(START[:3].copy()))
    optimizer, path = optimizer_of([theta]), []
    for push in torch.from_numpy(pushes[:, :3].copy()):
        theta.grad = torch.from_numpy(CURVATURE[:3]) * theta.detach() + push
        optimizer.step()
        path.append(theta.detach().numpy().copy())
    return np.array(path)


@pytest.mark.parametrize("dynamics", SHIPPED, ids=lambda dynamics: type(dynamics).__name__)
def test_torch_does_the_same(dynamics):
    """RAdam's rho_t is a small difference of large numbers: 1e-10; AdaBound adds 1e-15 to v."""
    path = of_torch(dynamics.torch_optimizer, PUSHES)
    tolerance = {RAdam: 1e-10, AdaBound: 1e-10}.get(type(dynamics), 1e-12)
    assert differ(ours(dynamics)[:, :3], path) < tolerance


@pytest.mark.parametrize(
    ("dynamics", "theirs"),
    [
        (AMSGrad(1e-3), lambda params: torch.optim.Adam(params, amsgrad=True)),
        (AdamW(1e-3), torch.optim.AdamW),
        (RAdam(1e-3), torch.optim.RAdam),
    ],
    ids=["AMSGrad", "AdamW", "RAdam"],
)
def test_defaults_are_torchs(dynamics, theirs):
    params = [torch.nn.Parameter(torch.zeros(1))]
    assert dynamics.torch_optimizer(params).defaults == theirs(params).defaults


def test_pytorch_optimizers_padam_lacks_the_maximum():
    """The same as long as v rises, and no longer after it."""
    dynamics = Padam(0.01, 0.9, 0.99, 1e-3)
    pushes = 10 * np.concatenate([np.linspace(1, 4, 50), np.full(50, 0.1)])[:, None] * np.ones(5)
    path = driven(dynamics, START, lambda t, theta: CURVATURE * theta + pushes[t - 1])[:, :3]
    theirs = of_torch(
        lambda params: PAdam(params, lr=0.01, betas=(0.9, 0.99), partial=0.125, eps=1e-3, weight_decouple=False), pushes
    )
    assert differ(path[:50], theirs[:50]) < 1e-12
    assert differ(path[50:], theirs[50:]) > 1e-3
    with pytest.raises(ValueError, match="has no torch optimizer"):
        dynamics.torch_optimizer([])


def test_adabounds_counterpart_has_a_term_under_the_root():
    """pytorch_optimizer's 1e-15 is felt once v is as small."""
    dynamics = AdaBound(1e-7, eps=0.0, gamma=1e-6)
    pushes = np.full((STEPS, 5), 1e-6)
    path = driven(dynamics, START, lambda t, theta: pushes[t - 1]) - START
    theta = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = dynamics.torch_optimizer([theta])
    for _ in range(STEPS):
        theta.grad = torch.full_like(theta, 1e-6)
        optimizer.step()
    assert path[-1, 0] / theta.item() == pytest.approx(1.0, abs=0.1)
    assert abs(path[-1, 0] / theta.item() - 1) > 1e-3


@pytest.mark.parametrize(
    ("make", "q"),
    [
        (lambda lr: Adam(lr, eps=0.0, second_moment="running"), 0.5),
        (lambda lr: RMSprop(lr, eps=0.0, second_moment="running"), 0.5),
        (lambda lr: AMSGrad(lr, eps=0.0), 0.5),
        (lambda lr: AdamW(lr, eps=0.0, weight_decay=0.0), 0.5),
        (lambda lr: RAdam(lr, eps=0.0), 0.5),
        (lambda lr: Padam(lr, eps=0.0, partial=0.25), 0.25),
        (lambda lr: Padam(lr, eps=0.0, partial=0.125), 0.125),
    ],
)
def test_sharpness_k_and_learning_rate_k_to_the_q_minus_1_are_the_same_motion(make, q):
    """In lengths that are sqrt(k) times smaller, with the barrier kept; exactly, where no power is taken.

    RAdam's first five steps do not adapt, so gradients start after them.
    """
    k, pushes = 16.0, PUSHES[:, :3] * (np.arange(STEPS) >= 5)[:, None]
    curvature = CURVATURE[:3]

    def path(sharpness, lr):
        long = np.sqrt(sharpness)
        return driven(
            make(lr),
            START[:3] / long,
            lambda t, theta: (t > 5) * (sharpness * curvature * theta + long * pushes[t - 1]),
        )

    plain, sharp = path(1.0, 0.01), path(k, 0.01 / k ** (1 - q)) * np.sqrt(k)
    assert differ(sharp, plain) <= (0 if q == 0.5 else 1e-12)
    assert differ(path(k, 0.01 / k ** (1.25 - q)) * np.sqrt(k), plain) > 1e-3


@pytest.mark.parametrize("kind", [Adam, RMSprop, *RULES])
def test_without_eps_a_coordinate_rests_until_its_first_gradient(kind):
    dynamics = kind(0.01, eps=0.0, weight_decay=0.0, second_moment="running")
    path = driven(dynamics, [1.0, 1.0], lambda t, theta: np.array([0.0, float(t > 20)]))
    assert np.all(path[:, 0] == 1)
    assert np.all(path[:20] == 1)
    assert np.all(np.diff(path[20:, 1]) < 0)


@each
def test_a_gradient_that_is_no_number_is_not_hidden(dynamics):
    path = driven(dynamics, [1.0], lambda t, theta: np.array([np.nan if t == 5 else 1.0]))
    assert np.isnan(path[4:]).all()


def in_substeps(dynamics, slopes, deviation, normals, own=False):
    """Positions from 0 in three substeps an iteration; `own`: v takes the squares of the substeps' gradients."""
    part, path = dynamics.substep(3), []
    theta, slots, powers = 0.0, part.slots, np.ones(len(part.betas))
    for t, (slope, draws) in enumerate(zip(slopes, normals, strict=True), 1):
        for xi in draws:
            powers = powers * part.betas
            shared = part.shared(float(t), tuple(powers), part.parameters)
            g, rms = slope + np.sqrt(3) * deviation * xi, np.hypot(slope, deviation)
            theta, *slots = part.step(theta, g, g if own else rms, slots, shared, part.parameters)
        path.append(theta)
    return np.array(path)


def in_euler_steps(o, slopes, deviation, normals):
    """The same SDE: m and v relax to the gradient and to the mean of its square, and the rules are those above."""
    theta, m, v, largest, unseen, path, dt = 0.0, 0.0, 0.0, 0.0, np.ones(2), [], 1 / 3
    for t, (slope, draws) in enumerate(zip(slopes, normals, strict=True), 1):
        for xi in draws:
            m = m + (1 - o.beta1) * ((slope - m) * dt + np.sqrt(dt) * deviation * xi)
            v = v + (1 - o.beta2) * (slope**2 + deviation**2 - v) * dt
            largest, unseen = max(largest, v), unseen * (1 - (1 - np.array([o.beta1, o.beta2])) * dt)
            theta = theta - RULES[type(o)](o, t, m, v, largest, *(1 - unseen), lambda v: np.sqrt(v) + o.eps) * dt
        path.append(theta)
    return np.array(path)


@pytest.mark.parametrize("kind", [AdamW, AMSGrad, AdaBound, Padam])
def test_substeps_are_the_sde_in_which_v_has_no_noise(kind):
    """The slope falls, so that the largest v is not the last; the negative control feeds v each substep's noise."""
    dynamics = kind(0.01, beta2=0.9, eps=1e-3, weight_decay=0.0)
    problem = np.linspace(3.0, 0.1, STEPS), 2.0, np.random.default_rng(5).standard_normal((STEPS, 3))
    expected = in_euler_steps(dynamics, *problem)
    np.testing.assert_allclose(in_substeps(dynamics, *problem), expected, rtol=1e-11)
    assert np.abs(in_substeps(dynamics, *problem, own=True) / expected - 1).max() > 0.05


@pytest.mark.parametrize(
    ("dynamics", "message"),
    [
        (SGD(0.1, weight_decay=0.1), "in substeps decay is .* of the landscape; use weight_decay=0"),
        (AMSGrad(0.1, weight_decay=0.1), "in substeps decay is .* of the landscape; use weight_decay=0"),
        (Momentum(0.1, nesterov=True), "the same SDE as nesterov=False; use substeps=1"),
        (RAdam(0.1), "which do not adapt, are no small steps; use substeps=1"),
    ],
)
def test_substeps_are_refused_where_no_sde_is_known(dynamics, message):
    with pytest.raises(ValueError, match=message):
        dynamics.substep(4)


# Compiling takes seconds each: Padam has every formula that is in several others, and the only power.
@pytest.mark.parametrize(
    "dynamics",
    [
        pytest.param(dynamics, marks=() if isinstance(dynamics, Padam) else pytest.mark.long, id=name)
        for dynamics, name in zip(EACH, NAMES, strict=True)
    ],
)
def test_kernel_runs_the_formulas(dynamics):
    landscape, noise, start, every = (
        StyblinskiTang(2),
        IsotropicNoise(4.0),
        np.array([-2.5, 2.0]),
        np.arange(1, STEPS + 1),
    )
    problem = {"iterations": STEPS, "replicas": 3, "start": start, "save": every, "keep": "states", "seed": 5}
    run = simulate(dynamics, landscape, noise=noise, **problem)
    for replica, positions in enumerate(run["position"].values):

        def pushed(t, theta, replica=replica):
            return landscape.gradient(theta) + 2 * normals(5, replica, t, 0, 2)

        np.testing.assert_allclose(positions, driven(dynamics, start, pushed), rtol=1e-10)


def following(q, **settings):
    return Padam(0.05, beta1=0.5, partial=q, second_moment="following", **settings)


def test_kernel_divides_by_a_power_of_the_present_noise():
    """m and theta by hand; the negative control divides by the square root."""
    landscape, noise, q = StyblinskiTang(2, data_variance=0.5), MinibatchNoise(10), 0.2
    run = simulate(
        following(q), landscape, noise=noise, iterations=30, replicas=2, save=np.arange(1, 31), keep="states", seed=5
    )

    def by_hand(q, theta, replica):
        m, path = np.zeros(2), []
        for t in range(1, 31):
            variance = noise.variance_at(landscape, theta)
            g = (landscape.gradient(theta) + np.sqrt(variance) * normals(5, replica, t, 0, 2)) / variance**q
            m = 0.5 * m + 0.5 * g
            theta = theta - 0.05 * m
            path.append(theta)
        return np.array(path)

    for replica, positions in enumerate(run["position"].values):
        np.testing.assert_allclose(positions, by_hand(q, landscape.reference, replica), rtol=1e-9)
        assert np.abs(positions - by_hand(0.5, landscape.reference, replica)).max() > 1e-2


def test_idealized_rules_scale_with_the_power():
    """lr/C^q frozen; following, force L'/C^q, noise C^(1 - 2 q), temperature lr C^(1 - q)/2; at q = 1/2 Adam's."""
    variance = np.array([4.0, 0.25])
    frozen = Padam(0.1, partial=0.25, second_moment="frozen").rule(variance)
    np.testing.assert_allclose(frozen.learning_rate, 0.1 / np.sqrt(np.sqrt(variance)))
    np.testing.assert_allclose(following(0.25).rule(variance).noise_variance, np.sqrt(variance))
    landscape, noise, x = StyblinskiTang(1), HessianNoise(2, at="piecewise"), np.linspace(-3, 1, 9)
    motion = Motion(following(0.25), landscape, noise)
    np.testing.assert_allclose(motion.pull(x), motion.gradient(x) / motion.variance(x) ** 0.25)
    np.testing.assert_allclose(motion.diffusion(x), 0.025 * np.sqrt(motion.variance(x)))
    assert motion.temperature(-3.0) == pytest.approx(0.025 * motion.variance(-3.0)[()] ** 0.75)
    adam, half = Adam(0.05, beta1=0.5, second_moment="following"), following(0.5)
    for name in ("learning_rate", "noise_variance", "inertia"):
        np.testing.assert_array_equal(getattr(half.rule(variance), name), getattr(adam.rule(variance), name))
    np.testing.assert_array_equal(Motion(half, landscape, noise).pull(x), Motion(adam, landscape, noise).pull(x))


@pytest.mark.parametrize("second_moment", ["frozen", "following"])
@pytest.mark.parametrize("partial", [0.125, 0.25, 0.5])
def test_escape_exponent_goes_like_the_variance_to_the_power_minus_1(second_moment, partial):
    """psi = 2 Delta L/(lr C^(1 - q)) in constant noise, and the prospect knows which variance has which psi."""
    landscape, rule = StyblinskiTang(1), Padam(1e-4, partial=partial, second_moment=second_moment)
    barrier = landscape.loss(np.zeros(1)) - landscape.loss(landscape.reference)
    prospect = escape_prospect(rule, landscape, noise=IsotropicNoise(30.0), boundary=0.0)
    assert prospect.exponent == pytest.approx(2 * barrier / (1e-4 * 30.0 ** (1 - partial)), rel=0.02)
    powers = {name: power for name, _, power in prospect.settings}
    assert powers == {"variance": pytest.approx(partial - 1), "lr": -1.0}


REFUSED = [
    (lambda: AMSGrad(0.0), "lr = 0.0 must be a finite number above 0"),
    (lambda: RAdam(0.1, beta1=1.0), r"beta1 = 1.0 must lie in \[0, 1\)"),
    (lambda: AdaBound(0.1, eps=-1.0), "eps = -1.0 must be a finite number >= 0"),
    (lambda: AdaBound(0.1, gamma=0.0), "gamma = 0.0 must be a finite number above 0"),
    (lambda: Padam(0.1, partial=0.6), r"partial = 0.6 must lie in \(0, 0.5\]"),
    (lambda: AdamW(0.1, weight_decay=20.0), "weight_decay = 20.0 is unstable: .* lower weight_decay below 20"),
    (
        lambda: RAdam(0.1, second_moment="frozen"),
        "second_moment = 'frozen': RAdam has no idealized rule; use 'running'",
    ),
    (lambda: AdamW(0.1, second_moment="frozen"), "weight_decay = 0.01: the idealized rule of AdamW has no decay"),
    (lambda: following(0.2, weight_decay=0.1), "weight_decay = 0.1: the idealized rule of Padam has no decay"),
    (lambda: AMSGrad(0.1).rule(np.ones(2)), "has no idealized rule, it runs only as shipped"),
]


@pytest.mark.parametrize(("ask", "message"), REFUSED)
def test_what_cannot_be_is_refused_with_a_remedy(ask, message):
    with pytest.raises(ValueError, match=message):
        ask()


def test_repr_names_decay_where_there_is_some():
    assert repr(RAdam(0.1)) == "RAdam(lr=0.1, beta1=0.9, beta2=0.999, eps=1e-08)"
    assert repr(RAdam(0.1, weight_decay=0.2)).endswith("eps=1e-08, weight_decay=0.2)")
    assert repr(AdamW(0.1, weight_decay=0.0, second_moment="frozen")).endswith(
        "weight_decay=0.0, second_moment='frozen')"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Momentum(0.1, beta=0.9),
            r"^beta = 0.9 is no parameter of Momentum; did you mean beta1\? Parameters: lr, beta1,",
        ),
        (lambda: Adam(lr=0.1, betas=(0.9, 0.99)), r"^betas = \(0.9, 0.99\) is no parameter of Adam; did you mean"),
        (lambda: SGD(0.1, momentum=0.9), "^momentum = 0.9 is no parameter of SGD. Parameters: lr, weight_decay$"),
    ],
)
def test_a_name_that_is_no_parameter_is_refused_with_those_that_are(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_signatures_are_those_of_the_parameters_and_optimizers_can_be_pickled():
    assert list(inspect.signature(Momentum).parameters) == ["lr", "beta1", "style", "nesterov", "weight_decay"]
    assert pickle.loads(pickle.dumps(Momentum(0.1, beta1=0.8))) == Momentum(0.1, beta1=0.8)
