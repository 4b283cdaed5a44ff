"""Yogi, AdaBelief, Lion, SignSGD and AdaiW, and the weight decay of older ones: the papers in NumPy, torch, symmetries.

Most tests run the formulas as Python; one kernel by default shows that it runs them.
"""

from dataclasses import replace

import numpy as np
import pytest
import pytorch_optimizer
import torch
from driver import driven
from reference import normals

from diffusion import (
    SGD,
    AdaBelief,
    Adai,
    AdaiW,
    Adam,
    IsotropicNoise,
    Lion,
    Momentum,
    RMSprop,
    SignSGD,
    StyblinskiTang,
    Yogi,
    optimizers,
    simulate,
)
from theory import resting_second_moment

STEPS = 100
EACH = [
    Yogi(0.01, 0.9, 0.99, weight_decay=0.1),
    AdaBelief(0.01, 0.9, 0.99, 1e-4, weight_decay=0.1),
    Lion(0.01, 0.9, 0.98, weight_decay=0.1),
    SignSGD(0.01, 0.9, weight_decay=0.1),
    AdaiW(0.1, 0.1, 0.95, weight_decay=0.1),
]
OLDER = [
    SGD(0.1, weight_decay=0.1),
    Momentum(0.1, weight_decay=0.1),
    Momentum(0.1, 0.8, "heavy-ball", weight_decay=0.1),
    Momentum(0.1, nesterov=True, weight_decay=0.1),
    RMSprop(0.01, second_moment="running", weight_decay=0.1),
    Adam(0.01, second_moment="running", weight_decay=0.1),
    Adai(0.1, second_moment="running", weight_decay=0.1),
]


def named(dynamics):
    return type(dynamics).__name__


each = pytest.mark.parametrize("dynamics", EACH, ids=named)
START = np.array([1.0, -0.5, 2.0, 0.0, 0.3])
CURVATURE = np.array([1.0, 3.0, 0.1, 0.0, 0.0])
PUSHES = np.random.default_rng(3).standard_normal((STEPS, 5)) * [1.0, 0.3, 2.0, 0.0, 0.0]  # two coordinates without any
PUSHES[30:50] = 0.0


def yogi(o, gradient, wrong):
    theta, m, v = START.copy(), np.zeros(5), np.full(5, 0.0 if wrong == "first v" else o.initial_accumulator)
    for t in range(1, STEPS + 1):
        theta, g = decayed(o, theta, gradient(t, theta), wrong == "decay")
        m = o.beta1 * m + (1 - o.beta1) * g
        direction = v - g**2 if wrong == "sign" else np.sign(v - g**2) * g**2
        v = v - (1 - o.beta2) * direction
        c1, c2 = (1, 1) if wrong == "correction" else (1 - o.beta1**t, 1 - o.beta2**t)
        root = np.sqrt(v + o.eps) if wrong == "eps" else np.sqrt(v) + o.eps
        theta = theta - o.lr * np.sqrt(c2) / c1 * m / root
        yield theta


def adabelief(o, gradient, wrong):
    theta, m, s = START.copy(), np.zeros(5), np.zeros(5)
    for t in range(1, STEPS + 1):
        theta, g = decayed(o, theta, gradient(t, theta), wrong == "decay")
        before, m = m, o.beta1 * m + (1 - o.beta1) * g
        s = o.beta2 * s + (1 - o.beta2) * (g - (before if wrong == "mean" else m)) ** 2
        s = s if wrong == "eps" else s + o.eps
        c1, c2 = (1, 1) if wrong == "correction" else (1 - o.beta1**t, 1 - o.beta2**t)
        theta = theta - o.lr * (m / c1) / (np.sqrt(s / c2) + o.eps)
        yield theta


def lion(o, gradient, wrong):
    theta, m = START.copy(), np.zeros(5)
    for t in range(1, STEPS + 1):
        theta, g = decayed(o, theta, gradient(t, theta), wrong != "decay")
        after = o.beta2 * m + (1 - o.beta2) * g
        theta = theta - o.lr * np.sign(after if wrong == "mixture" else o.beta1 * m + (1 - o.beta1) * g)
        m = after
        yield theta


def signum(o, gradient, wrong):
    theta, m = START.copy(), np.zeros(5)
    for t in range(1, STEPS + 1):
        theta, g = decayed(o, theta, gradient(t, theta), wrong == "decay")
        m = o.beta1 * m + (1 - o.beta1) * g
        theta = theta - o.lr * np.sign(g if wrong == "mean" else m)
        yield theta


def adaiw(o, gradient, wrong):
    theta, m, v, product = START.copy(), np.zeros(5), np.zeros(5), np.ones(5)
    for t in range(1, STEPS + 1):
        theta, g = decayed(o, theta, gradient(t, theta), wrong != "decay")
        v = o.beta2 * v + (1 - o.beta2) * g**2
        beta = np.clip(1 - o.beta0 * v / v.mean(), 0, 1 - o.eps)
        m, product = beta * m + (1 - beta) * g, product * beta
        theta = theta - o.lr * m / (1 - (0 if wrong == "correction" else product))
        yield theta


def decayed(o, theta, g, apart):
    """Position and gradient after decay: that of the position by itself, or through the gradient."""
    return (theta * (1 - o.lr * o.weight_decay), g) if apart else (theta, g + o.weight_decay * theta)


PAPERS = {Yogi: yogi, AdaBelief: adabelief, Lion: lion, SignSGD: signum, AdaiW: adaiw}
MISTAKES = {
    Yogi: ("sign", "first v", "correction", "eps", "decay"),
    AdaBelief: ("mean", "eps", "correction", "decay"),
    Lion: ("mixture", "decay"),
    SignSGD: ("mean", "decay"),
    AdaiW: ("correction", "decay"),
}


def written(dynamics, scale=1.0, wrong=""):
    """Positions as the papers have them, for gradients `scale` times as large; `wrong` names a mistake."""
    return np.array(list(PAPERS[type(dynamics)](dynamics, pushed(scale), wrong)))


def pushed(scale=1.0):
    """Gradients of the first coordinates, as many as there are."""
    return lambda t, theta: scale * (CURVATURE[: len(theta)] * theta + PUSHES[t - 1, : len(theta)])


def ours(dynamics, scale=1.0):
    return driven(dynamics, START, pushed(scale))


def of_three(dynamics):
    return driven(dynamics, START[:3], pushed())


def differ(path, other):
    """The largest difference over the largest position of the coordinate."""
    return np.max(np.abs(path - other) / np.maximum(np.abs(other).max(axis=0), 1e-300))


@each
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_formulas_are_those_of_the_papers(dynamics, scale):
    """The fourth coordinate has neither gradient nor decay, and does not move."""
    path = ours(dynamics, scale)
    assert differ(path, written(dynamics, scale)) < 1e-12
    assert not path[:, 3].any()


@pytest.mark.parametrize(
    ("dynamics", "wrong"),
    [(one, wrong) for one in EACH for wrong in MISTAKES[type(one)]],
    ids=lambda x: x if isinstance(x, str) else named(x),
)
def test_comparison_rejects_a_mistake(dynamics, wrong):
    assert max(differ(ours(dynamics, scale), written(dynamics, scale, wrong)) for scale in (1.0, 1e-3)) > 1e-3


def of_torch(optimizer_of, gradient=pushed()):  # noqa: B008
    """Positions of one replica of three coordinates."""
    theta = torch.nn.Parameter(torch.from_numpy(START[None, :3].copy()))
    optimizer, path = optimizer_of([theta]), []
    for t in range(1, STEPS + 1):
        theta.grad = torch.from_numpy(gradient(t, theta.detach().numpy()[0]))[None]
        optimizer.step()
        path.append(theta.detach().numpy()[0].copy())
    return np.array(path)


@pytest.mark.parametrize("dynamics", [one for one in EACH + OLDER if not isinstance(one, Yogi)], ids=named)
def test_torch_does_the_same(dynamics):
    path = of_torch(dynamics.torch_optimizer)
    assert differ(of_three(dynamics), path) < 1e-12
    assert differ(of_three(replace(dynamics, weight_decay=0.2)), path) > 1e-3


@pytest.mark.parametrize(("coupled", "decoupled"), [(OLDER[-2], torch.optim.AdamW), (OLDER[-1], optimizers.AdaiW)])
def test_decay_through_the_gradient_is_not_decoupled(coupled, decoupled):
    settings = coupled.torch_optimizer([torch.zeros(1, 1)]).defaults
    names = ("lr", "betas", "eps", "weight_decay") if "betas" in settings else ("lr", "eps", "weight_decay")
    assert (
        differ(
            of_three(coupled), of_torch(lambda params: decoupled(params, **{name: settings[name] for name in names}))
        )
        > 1e-3
    )


def pytorch_optimizers_yogi(**settings):
    return lambda params: pytorch_optimizer.Yogi(params, lr=0.01, **settings)


def test_pytorch_optimizers_yogi_starts_its_momentum_too_at_the_first_second_moment():
    """From a start at 0 and without eps it is the same; by default it differs, and moves where no gradient is."""
    same = Yogi(0.01, eps=0.0, initial_accumulator=0.0)
    assert differ(of_three(same), of_torch(pytorch_optimizers_yogi(eps=0.0, initial_accumulator=0.0))) < 1e-12
    assert differ(of_three(Yogi(0.01)), of_torch(pytorch_optimizers_yogi())) > 1e-3
    assert np.all(of_torch(pytorch_optimizers_yogi(), lambda t, theta: np.zeros(3))[0] < START[:3] - 1e-6)
    assert np.all(driven(Yogi(0.01), START, lambda t, theta: np.zeros(5)) == START)
    with pytest.raises(ValueError, match="has no torch optimizer"):
        Yogi(0.01).torch_optimizer([])


@pytest.mark.parametrize(
    ("make", "power"),
    [
        (lambda lr, k: Yogi(lr, eps=0.0, initial_accumulator=k * 1e-6), 0.5),
        (lambda lr, k: Yogi(lr, eps=0.0, initial_accumulator=0.0), 0.5),
        (lambda lr, k: AdaBelief(lr, eps=0.0), 0.5),
        (lambda lr, k: Lion(lr), 0.5),
        (lambda lr, k: SignSGD(lr), 0.5),
        (lambda lr, k: SignSGD(lr, 0.9), 0.5),
        (lambda lr, k: AdaiW(lr, weight_decay=0.0), 1.0),
    ],
)
def test_sharpness_k_and_a_learning_rate_k_to_the_power_smaller_are_the_same_motion(make, power):
    """In lengths sqrt(k) times smaller, with the barrier kept: to the last bit, as k is a power of 4."""

    def path(k, lr):
        length = np.sqrt(k)
        return length * driven(
            make(lr, k),
            START[:3] / length,
            lambda t, theta: length * (CURVATURE[:3] * (length * theta) + PUSHES[t - 1, :3]),
        )

    assert np.array_equal(path(16.0, 0.01 / 16**power), path(1.0, 0.01))
    assert differ(path(16.0, 0.01 / 8**power), path(1.0, 0.01)) > 1e-3


def test_a_first_second_moment_that_is_not_scaled_breaks_yogis_symmetry():
    large, small = (driven(Yogi(0.01, eps=0.0), [0.0], lambda t, theta, g=g: [g])[-1, 0] for g in (1.0, 1e-3))
    assert abs(small / large - 1) > 0.1


@each
def test_without_eps_a_coordinate_rests_until_its_first_gradient(dynamics):
    settings = {"eps": 0.0} if isinstance(dynamics, Yogi | AdaBelief) else {}
    settings |= {"initial_accumulator": 0.0} if isinstance(dynamics, Yogi) else {}
    path = driven(type(dynamics)(0.01, weight_decay=0.0, **settings), [1.0, 1.0], lambda t, theta: [0.0, float(t > 20)])
    assert np.all(path[:, 0] == 1)
    assert np.all(path[:20] == 1)
    assert np.all(np.diff(path[20:, 1]) < 0)


@each
def test_a_gradient_that_is_no_number_is_not_hidden(dynamics):
    path = driven(dynamics, [1.0], lambda t, theta: [np.nan if t == 5 else 1.0], steps=8)
    assert np.isfinite(path[:4]).all()
    assert np.isnan(path[4:]).all()


@pytest.mark.parametrize(
    ("make", "level"),
    [
        (lambda **settings: Yogi(0.1, 0.8, **settings), resting_second_moment("yogi")),
        (lambda **settings: AdaBelief(0.1, 0.8, **settings), resting_second_moment("adabelief", beta1=0.8)),
    ],
)
def test_idealized_learning_rate_is_that_of_the_resting_second_moment(make, level):
    variance = np.array([0.5, 4.0])
    frozen, following = (make(second_moment=moment).rule(variance) for moment in ("frozen", "following"))
    np.testing.assert_allclose(frozen.learning_rate, 0.1 / np.sqrt(level * variance), rtol=1e-14)
    np.testing.assert_allclose(following.learning_rate, 0.1 / np.sqrt(level), rtol=1e-14)
    assert np.array_equal(following.noise_variance, [1.0, 1.0])
    assert np.array_equal(frozen.inertia, [0.8, 0.8])
    assert make(second_moment="frozen").update is None


@pytest.mark.parametrize(
    "make",
    [
        lambda lr: SGD(lr, weight_decay=0.5),
        lambda lr: Momentum(lr, 0.8, weight_decay=0.5),
        lambda lr: Momentum(lr, 0.8, "heavy-ball", weight_decay=0.5),
        lambda lr: Momentum(lr, 0.8, nesterov=True, weight_decay=0.5),
        lambda lr: Adai(lr, eps=0.1, second_moment="running", weight_decay=0.5),
        lambda lr: AdaiW(lr, eps=0.1, weight_decay=0.5),
    ],
)
def test_bound_of_stability_counts_decay(make):
    """A coordinate alone: motion dies out below the bound of lr times curvature, and grows above it."""
    for share, dies in ((0.95, True), (1.05, False)):
        dynamics = make(0.3)
        h = share * dynamics.shipped_bound / 0.3
        path = np.abs(driven(dynamics, [1.0], lambda t, theta, h=h: h * theta, steps=400)[:, 0])
        assert (path[-50:].max() < 0.1 * path[:50].max()) == dies


LANDSCAPE, NOISE, FROM = StyblinskiTang(2), IsotropicNoise(4.0), np.array([-2.5, 2.0])


# Compiling takes seconds each: Yogi's has decay through the gradient, signs, and a product that is rounded by itself.
@pytest.mark.parametrize(
    "dynamics",
    [
        pytest.param(dynamics, marks=() if isinstance(dynamics, Yogi) else pytest.mark.long, id=named(dynamics))
        for dynamics in EACH + OLDER
    ],
)
def test_kernel_runs_the_formulas(dynamics):
    problem = {"iterations": STEPS, "replicas": 3, "start": FROM, "keep": "states", "seed": 5}
    dynamics = replace(dynamics, lr=0.002)
    run = simulate(dynamics, LANDSCAPE, noise=NOISE, save=np.arange(1, STEPS + 1), **problem)
    for replica, positions in enumerate(run["position"].values):

        def noisy(t, theta, replica=replica):
            return LANDSCAPE.gradient(theta) + 2 * normals(5, replica, t, 0, 2)

        np.testing.assert_allclose(positions, driven(dynamics, FROM, noisy), rtol=1e-9)


def run(dynamics, **settings):
    return lambda: simulate(dynamics, LANDSCAPE, noise=NOISE, iterations=1, replicas=1, **settings)


REFUSED = [
    (lambda: Yogi(0.0), "lr = 0.0 must be a finite number above 0"),
    (lambda: Yogi(0.1, initial_accumulator=-1.0), "initial_accumulator = -1.0 must be a finite number >= 0"),
    (lambda: Yogi(0.1, eps=-1.0), "eps = -1.0 must be a finite number >= 0"),
    (
        lambda: AdaBelief(0.1, 0.0),
        "beta1 = 0 makes m the gradient itself, and so s = 0; give beta1 above 0, or use RMSprop",
    ),
    (lambda: SignSGD(0.1, 1.0), r"beta1 = 1.0 must lie in \[0, 1\)"),
    (lambda: SignSGD(0.1, weight_decay=-1.0), "weight_decay = -1.0 must be a finite number >= 0"),
    (
        lambda: Lion(0.1, weight_decay=20.0),
        "lr .* weight_decay is 2, the bound is 2; lower weight_decay below 20, or lr",
    ),
    (lambda: AdaiW(0.1, weight_decay=20.0), "weight_decay is 2, the bound is 2"),
    (lambda: Adai(0.1, eps=1.0, weight_decay=20.0), "weight_decay is 2, the bound is 2"),
    (lambda: SGD(0.1, weight_decay=20.0), "weight_decay is 2, the bound is 2"),
    (lambda: Momentum(0.1, 0.5, weight_decay=60.0), "weight_decay is 6, the bound is 6"),
    (lambda: Momentum(0.1, 0.5, nesterov=True, weight_decay=30.0), "weight_decay is 3, the bound is 3"),
    (run(SGD(0.01, weight_decay=199.0)), "lr = 0.01 is unstable in direction 0"),
    (lambda: Yogi(0.1, second_moment="frozen", weight_decay=0.1), "the idealized rule of Yogi has no decay"),
    (
        run(Adam(0.1, weight_decay=0.1)),
        "idealized rules have none; use weight_decay=0 and add 0.1 theta.2/2 to the landscape",
    ),
    (lambda: SGD(0.1, weight_decay=0.1).rule(np.ones(2)), "idealized rules have none"),
    (lambda: Momentum(0.1, weight_decay=0.1).mass, "idealized rules have none"),
    (
        lambda: AdaiW(0.1, second_moment="frozen"),
        "second_moment = 'frozen': .* has no idealized rule, it runs only as shipped",
    ),
    (lambda: AdaiW(0.1).rule(np.ones(2)), "has no idealized rule"),
    (
        lambda: Lion(0.1).rule(np.ones(2)),
        "has no idealized rule, it runs only as shipped: .* use SGD, Momentum, RMSprop",
    ),
    (lambda: SignSGD(0.1).learning_rate(np.ones(2)), "has no idealized rule"),
    (run(Lion(0.01), substeps=4), "the sign of a minibatch gradient is not that of a substep's; use substeps=1"),
    (lambda: Yogi(0.1).substep(4), "use substeps=1, or the running second moment of RMSprop"),
    (lambda: AdaBelief(0.1).substep(4), "gradients about m, not of gradients; use substeps=1"),
    (lambda: Lion(0.1, second_moment="frozen"), "Lion has no idealized rule; use 'running', or Adam"),
    (lambda: SignSGD(0.1, second_moment="following"), "SignSGD has no idealized rule; use 'running', or Adam"),
]


@pytest.mark.parametrize(("ask", "message"), REFUSED)
def test_what_cannot_be_is_refused_with_a_remedy(ask, message):
    with pytest.raises(ValueError, match=message):
        ask()


def test_repr_names_decay_only_where_there_is_some():
    assert repr(SGD(0.1)) == "SGD(lr=0.1)"
    assert repr(Momentum(0.1)) == "Momentum(lr=0.1, beta1=0.9, style='ema')"
    assert repr(RMSprop(0.1)) == "RMSprop(lr=0.1, beta2=0.99, eps=1e-08, second_moment='frozen')"
    assert repr(Adam(0.1)) == "Adam(lr=0.1, beta1=0.9, beta2=0.999, eps=1e-08, second_moment='frozen')"
    assert repr(Adai(0.1)) == "Adai(lr=0.1, beta0=0.1, beta2=0.99, eps=0.001, second_moment='frozen')"
    assert repr(SGD(0.1, weight_decay=0.2)) == "SGD(lr=0.1, weight_decay=0.2)"
    assert repr(Yogi(0.1, initial_accumulator=0.0)).endswith("second_moment='running', initial_accumulator=0.0)")
    assert repr(Lion(0.1)) == "Lion(lr=0.1, beta1=0.9, beta2=0.99)"
