"""Minibatches of data: which samples are drawn, what they do, and that the kernels and torch do the same."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

import theory
from diffusion import (
    SGD,
    Adam,
    CoupledLandscape,
    DoubleParabola,
    Minibatches,
    Momentum,
    QuadraticSaddle,
    escape_prospect,
    exit_times,
    rare_escape_rate,
    simulate,
)

REPLICAS = 100_000
BOUND = stats.norm.isf(SUITE_RATE / 2)


def linear(theta, x, hessian=1.0):
    return hessian * theta - x


def centred(count, seed=0):
    x = np.random.default_rng(seed).exponential(size=count)
    return x - x.mean()


def epoch(batches, replicas=REPLICAS, seed=0, number=0):
    """The samples of an epoch in the order in which replicas go through them, shape (replicas, N)."""
    first = number * batches.batches + 1
    drawn = [batches.drawn(seed, np.arange(replicas), first + k) for k in range(batches.batches)]
    return np.concatenate(drawn, axis=1)


# --- which samples


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 1), (7, 3), (24, 5), (97, 10), (1000, 999), (50_000, 25_000)])
def test_an_epoch_is_all_samples_in_a_new_order_but_a_tail_that_fills_no_minibatch(count, size):
    batches = Minibatches(np.arange(count), linear, size, replacement=False)
    orders = [epoch(batches, 3, number=number) for number in (0, 1, 5)]
    for row in np.concatenate(orders):
        assert len(np.unique(row)) == len(row) == count // size * size
        assert row.min() >= 0
        assert row.max() < count
    if count > 20:
        assert len(np.unique(np.concatenate(orders), axis=0)) == 9


def test_with_replacement_samples_are_equally_likely_and_independent():
    batches = Minibatches(np.arange(20), linear, 6)
    first, second = (batches.drawn(0, np.arange(REPLICAS), t) for t in (1, 2))
    for pair in [(first[:, 0], first[:, 1]), (first[:, 0], first[:, 5]), (first[:, 3], second[:, 3])]:
        assert stats.chisquare(np.bincount(pair[0] * 20 + pair[1], minlength=400)).pvalue > SUITE_RATE
    assert not np.array_equal(first, batches.drawn(1, np.arange(REPLICAS), 1))


def of_pairs(orders, places, count):
    """The p-value of two places of an order holding every pair of different samples equally often."""
    counts = np.bincount(orders[:, places[0]] * count + orders[:, places[1]], minlength=count * count)
    apart = ~np.eye(count, dtype=bool).ravel()
    return 0.0 if counts[~apart].any() else stats.chisquare(counts[apart]).pvalue


@pytest.mark.parametrize("count", [5, 8, 24])
def test_positions_and_pairs_are_those_of_true_shuffles(count):
    """Chi-squared at the suite's false-positive rate; cyclic shifts and replacement are rejected."""
    orders = epoch(Minibatches(np.arange(count), linear, 1, replacement=False))
    for place in (0, 1, count // 2, count - 1):
        assert stats.chisquare(np.bincount(orders[:, place], minlength=count)).pvalue > SUITE_RATE
    pairs = [(0, 1), (1, 2), (0, count // 2), (0, count - 1), (count // 3, 2 * count // 3)]
    for places in pairs:
        assert of_pairs(orders, places, count) > SUITE_RATE
    rng = np.random.default_rng(0)
    shifted = (np.arange(count) + rng.integers(count, size=(REPLICAS, 1))) % count
    replaced = rng.integers(count, size=(REPLICAS, count))
    for wrong in (shifted, replaced):
        assert of_pairs(wrong, (0, 1), count) < SUITE_RATE


def test_triples_and_sums_of_sorted_samples_are_those_of_true_shuffles():
    """Arithmetic progressions, which the first step alone would make, are rejected by both."""
    batches = Minibatches(np.arange(1100), linear, 8, replacement=False)
    drawn, rng = batches.drawn(0, np.arange(REPLICAS), 1), np.random.default_rng(0)
    shuffled = np.argsort(rng.random((20_000, 1100)), axis=1)[:, :8]
    steps = rng.integers(1, 1100, (REPLICAS, 1)) * np.arange(8)
    progressions = (rng.integers(1100, size=(REPLICAS, 1)) + steps) % 1100
    second = [
        np.bincount((row[:, 0] - 2 * row[:, 1] + row[:, 2]) % 1100, minlength=1100) for row in (drawn, progressions)
    ]
    assert stats.chisquare(second[0]).pvalue > SUITE_RATE > stats.chisquare(second[1]).pvalue
    sums = [each.sum(axis=1) for each in (drawn, shuffled, progressions)]
    assert stats.ks_2samp(sums[0], sums[1]).pvalue > SUITE_RATE > stats.ks_2samp(sums[2], sums[1]).pvalue


def test_sums_of_many_sorted_samples_are_as_normal_as_those_of_true_shuffles():
    """Excess kurtosis of 3,000 sums at the suite's false-positive rate; progressions of random steps are rejected."""
    count, replicas, rng = 16_000, np.arange(3000), np.random.default_rng(0)
    x = stats.norm.ppf((np.arange(count) + 0.5) / count)
    batches = Minibatches(x, linear, 4, replacement=False)
    sums = np.sum([x[batches.drawn(5, replicas, 1 + k)].sum(axis=1) for k in range(80)], axis=0)
    start, step = rng.integers(count, size=(2, len(replicas)))
    progressions = np.sum([x[(start + k * step) % count] for k in range(320)], axis=0)
    bound = BOUND * np.sqrt(24 / len(replicas))
    assert abs(stats.kurtosis(sums)) < bound < abs(stats.kurtosis(progressions))


@pytest.mark.long
def test_escapes_on_sorted_samples_take_as_long_as_on_true_shuffles():
    """4,000 exits each at the suite's false-positive rate; those of draws with replacement are rejected."""
    count, size, lr, replicas, most = 800, 4, 0.1, 4000, 10**6
    x = np.sqrt(size / 2) * stats.norm.ppf((np.arange(count) + 0.5) / count)
    well = DoubleParabola(0.1, 0.5, 2.0, 1)
    join, saddle = float(well.join), float(well.saddle)

    def gradient(theta, x):
        return 0.5 * np.minimum(theta, join) - 2.0 * np.maximum(theta - join, 0.0) - x

    def of_kernel(replacement):
        noise = Minibatches(x, gradient, size, replacement)
        setting = {"boundary": saddle, "start": 0.0, "max_iterations": most, "replicas": replicas}
        return exit_times(SGD(lr), well, noise=noise, **setting)["exit_iteration"].values

    rng, theta, times, t = np.random.default_rng(0), np.zeros(replicas), [], 0
    while len(theta):
        orders = rng.permuted(np.tile(x, (len(theta), 1)), axis=1).reshape(len(theta), -1, size).mean(axis=2)
        inside = np.full(len(theta), True)
        for mean in orders.T:
            t += 1
            theta = theta - lr * gradient(theta, mean)
            gone = inside & (theta >= saddle)
            times += [t] * int(gone.sum())
            inside &= ~gone
        theta = theta[inside]
    shuffled, replaced = of_kernel(False), of_kernel(True)
    assert stats.ks_2samp(shuffled, times).pvalue > SUITE_RATE > stats.ks_2samp(replaced, times).pvalue


# --- what they do


SETTINGS = [
    (SGD(0.1), 1.0, 200, 10),  # dynamics, hessian, samples, batch size
    (SGD(0.05), -0.2, 120, 4),
    (Momentum(0.1, 0.9), 1.0, 60, 6),
    (Momentum(0.02, 0.8, "heavy-ball"), 1.0, 105, 10),  # five samples are left out
]


@pytest.mark.parametrize(("dynamics", "hessian", "count", "size"), SETTINGS)
def test_shuffled_displacements_are_those_of_the_formula_and_not_those_with_replacement(dynamics, hessian, count, size):
    """At the end of epochs and inside them; the formula knows no tail that is left out, another one in every epoch."""
    data = centred(count)
    of = {kept: Minibatches(data, linear, size, kept, parameters=[hessian]) for kept in (False, True)}
    saddle, each = QuadraticSaddle([hessian]), of[False].batches
    save = [each // 2, each, 3 * each]
    rule = dynamics.rule(np.ones(1))
    exact = theory.shuffled_msd(
        np.array(save) / each,
        hessian=hessian,
        noise_variance=data.var() * of[False].share,
        lr=dynamics.lr,
        inertia=float(rule.inertia[0]),
        gradient_weight=float(rule.gradient_weight[0]),
        batches=each,
    )
    z = {}
    for kept, noise in of.items():
        found = simulate(dynamics, saddle, noise=noise, iterations=save[-1], save=save, replicas=20_000)
        z[kept] = ((found["msd"][:, 0] - exact) / found["msd_stderr"][:, 0]).values
    if count % size == 0:
        assert np.abs(z[False]).max() < BOUND
    else:
        assert abs(z[False][0]) < BOUND  # inside the first epoch nothing is left out yet
    assert np.abs(z[True]).max() > 2 * BOUND


WELL = DoubleParabola(0.1, 1.0, 4.0, 1)


def test_exits_take_as_long_as_the_exact_chain_of_the_data_and_not_of_its_gaussian():
    """2,000 exits at the suite's false-positive rate, from and over the double parabola of the data's own mean."""
    data, size, lr = -centred(1000), 8, 0.4
    switch, saddle = WELL.pieces().switches[0], float(WELL.saddle)

    def gradient(theta, x):
        return (theta < switch) * theta + (theta >= switch) * 4.0 * (saddle - theta) - x

    setting = {"lr": lr, "start": 0.0, "boundary": saddle, "breaks": [switch]}
    exact = theory.minibatch_first_passage_time(data, gradient, size, **setting)
    noise = Minibatches(data, gradient, size)
    found = exit_times(SGD(lr), WELL, noise=noise, boundary=saddle, max_iterations=10**6, replicas=2000)
    surrogate = theory.discrete_first_passage_time(
        lambda x: gradient(x, 0.0), lambda x: np.full_like(x, (data.var() / size) ** 0.5), **setting
    )
    times = found["exit_iteration"].values
    error = times.std(ddof=1) / np.sqrt(len(times))
    assert abs(times.mean() - exact) < BOUND * error < abs(times.mean() - surrogate)


def test_same_bits_for_any_number_of_threads_and_as_the_beginning_of_a_longer_run():
    noise = Minibatches(centred(60), linear, 6, replacement=False, parameters=[1.0])
    few, many = (
        simulate(
            SGD(0.1), QuadraticSaddle([1.0]), noise=noise, iterations=25, keep="states", replicas=n, threads=threads
        )
        for n, threads in ((1500, 1), (3000, 2))
    )
    np.testing.assert_array_equal(few["position"], many["position"][:1500])


def two(theta, sample, weight=1.0):
    """Of a sample's squared error, (theta_0 + theta_1 a - b)^2/2."""
    off = theta[0] + theta[1] * sample[0] - sample[1]
    return weight * off, weight * off * sample[0]


def regression(count=400):
    """Points (a, b) about a line, and the mean of their losses as a landscape."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=count)
    data = np.stack([a, 0.5 - a + rng.exponential(size=count)], axis=1)
    design = np.stack([np.ones(count), a], axis=1)
    matrix, vector = design.T @ design / count, design.T @ data[:, 1] / count
    h00, h01, h11, (v0, v1) = matrix[0, 0], matrix[0, 1], matrix[1, 1], vector

    def loss(x, lane):
        s, t = x[0, lane], x[1, lane]
        return 0.5 * (h00 * s * s + 2 * h01 * s * t + h11 * t * t) - v0 * s - v1 * t

    def gradient(x, j, lane):
        s, t = x[0, lane], x[1, lane]
        return h00 * s + h01 * t - v0 if j == 0 else h01 * s + h11 * t - v1

    return data, CoupledLandscape(loss, gradient, dimension=2, reference=np.linalg.solve(matrix, vector).tolist())


PAIRS = np.stack([centred(90), centred(90, 1)], axis=1)
MIDDLE = float((PAIRS[:, 0] * (1 + PAIRS[:, 1])).mean())


def of_two(theta, z):
    return theta - z[0] * (1 + z[1]) + MIDDLE


ON_TORCH = {
    "a number": (SGD(0.1), QuadraticSaddle([1.0, 1.0]), Minibatches(PAIRS[:, 0], linear, 7)),
    "a column each": (
        Adam(0.1, second_moment="running"),
        QuadraticSaddle([1.0, 1.0]),
        Minibatches(PAIRS, linear, 7, False),
    ),
    "two entries": (Momentum(0.1, 0.9), QuadraticSaddle([1.0]), Minibatches(PAIRS, of_two, 7)),
    "coupled": (Momentum(0.1, 0.9), regression()[1], Minibatches(regression()[0], two, 8, False)),
}


@pytest.mark.parametrize("case", ON_TORCH)
def test_torch_goes_the_same_way_on_the_same_samples(case):
    """To rounding, which no chaos has grown yet; with another seed it goes elsewhere."""
    pytest.importorskip("torch")
    from diffusion import simulate_torch

    dynamics, landscape, noise = ON_TORCH[case]
    setting = {"noise": noise, "iterations": 40, "replicas": 30, "keep": "states", "save": [1, 13, 40]}
    ours, theirs, others = (
        run(dynamics, landscape, seed=seed, **setting)["position"].values
        for run, seed in ((simulate, 3), (simulate_torch, 3), (simulate_torch, 4))
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    assert np.abs(ours - others).max() > 0.01


def test_exits_of_torch_are_the_same_ones():
    pytest.importorskip("torch")
    from diffusion import exit_times_torch

    noise = Minibatches(PAIRS[:, 0], linear, 2, replacement=False)
    setting = {"noise": noise, "boundary": 0.3, "max_iterations": 500, "replicas": 50, "seed": 2}
    ours, theirs = (run(SGD(0.3), QuadraticSaddle([1.0]), **setting) for run in (exit_times, exit_times_torch))
    np.testing.assert_array_equal(ours["exit_iteration"], theirs["exit_iteration"])
    assert len(np.unique(ours["exit_iteration"])) > 5


# --- what is refused


def tilted(theta, x):
    return theta - x + 0.5


BOWL = QuadraticSaddle([1.0])
USED = {"noise": Minibatches(centred(400), linear, 5), "boundary": 1.0, "max_iterations": 5, "replicas": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[[1.0]]], linear, 5), r"data of shape \(1, 1, 1\) must be finite numbers"),
        (([1.0, np.nan], linear, 1), "must be finite numbers"),
        ((["a", "b"], linear, 1), "data must be finite numbers, .*dtype"),
        ((np.array([1j]), linear, 1), "data must be finite numbers, .*complex"),
        (([[1.0], [1.0, 2.0]], linear, 1), "data must be finite numbers, .*inhomogeneous"),
        (([], linear, 1), "with N and m at least 1"),
        (([1.0], 3, 1), r"gradient = 3 must be a function of \(theta, sample\)"),
        (([1.0], linear, 0), "batch_size = 0 must be a whole number >= 1"),
        (([1.0], linear, 2, False), "batch_size = 2 is more than the 1 samples; lower it, or use replacement=True"),
        (([1.0], linear, 1, 3), "replacement = 3 must be True or False"),
    ],
)
def test_bad_minibatches(arguments, message):
    with pytest.raises(ValueError, match=message):
        Minibatches(*arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"substeps": 4}, "substeps = 4 needs a model of its noise; use Noise"),
        ({"velocity": "thermal"}, "velocity = 'thermal' needs a model"),
        ({"crossing": "bridge"}, "crossing = 'bridge' needs a model"),
        ({"precision": "mixed"}, "precision = 'mixed' draws normals in float32"),
        (
            {"noise": Minibatches(centred(400), tilted, 5)},
            r"gradient = tilted: its mean over the data is .* and the gradient of QuadraticSaddle is",
        ),
        (
            {"noise": Minibatches(np.ones((400, 3)), lambda theta, x: x[0] if x[0] > 0 else x[1], 5)},
            "cannot be called with arrays",
        ),
        (
            {"noise": Minibatches(centred(400), lambda theta, x: theta - x + eval("0.0"), 5)},
            "does not compile with numba",
        ),
    ],
)
def test_what_minibatches_cannot_do_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        exit_times(SGD(0.1), BOWL, **(USED | changed))


def test_routes_of_the_sde_refuse_minibatches():
    setting = {"noise": USED["noise"], "boundary": 1.0}
    for refused in (
        lambda: rare_escape_rate(SGD(0.1), BOWL, replicas=20, **setting),
        lambda: escape_prospect(SGD(0.1), BOWL, **setting),
        lambda: USED["noise"].deviation(BOWL),
        lambda: simulate(Adam(0.1, second_moment="following"), BOWL, noise=USED["noise"], iterations=1, replicas=2),
    ):
        with pytest.raises(ValueError, match="is what one iteration of an optimizer steps on"):
            refused()


def test_a_shape_that_fits_no_landscape_and_a_gradient_of_too_few_coordinates_are_refused():
    three = Minibatches(np.ones((50, 3)), linear, 5)
    with pytest.raises(
        ValueError, match=r"^data has 3 entries a sample, and QuadraticSaddle 2 independent coordinates"
    ):
        simulate(SGD(0.1), QuadraticSaddle([1.0, 1.0]), noise=three, iterations=1, replicas=1)
    data, landscape = regression()
    with pytest.raises(ValueError, match=r"^gradient = <lambda> must return a tuple of 2"):
        simulate(SGD(0.1), landscape, noise=Minibatches(data, lambda theta, z: theta[0], 5), iterations=1, replicas=1)


def test_random_samples_of_what_the_landscape_averages_over_are_accepted():
    """300 data sets of 40, whose means are off by their sampling error; with 1.5 added, 9 errors, all are refused."""
    for seed in range(300):
        data = np.random.default_rng(seed).normal(size=40)
        Minibatches(data, linear, 5).check(BOWL, np.zeros(1))
        with pytest.raises(ValueError, match="its mean over the data"):
            Minibatches(data + 1.5, linear, 5).check(BOWL, np.zeros(1))


@pytest.mark.parametrize("count", [2, 8, 40])
def test_a_wrong_curvature_shows_however_few_samples_differ_in_a_constant_alone(count):
    """By how much each gradient changes; a mean itself may be off by as much as a sample of so many is."""
    data = np.random.default_rng(0).normal(size=count)
    Minibatches(data, linear, 1).check(BOWL, np.zeros(1))
    with pytest.raises(ValueError, match=r"in coordinate 0 by its change from theta = \[0.0\] to"):
        Minibatches(data, linear, 1, parameters=[1.01]).check(BOWL, np.zeros(1))


def test_random_curvatures_of_what_the_landscape_averages_over_are_accepted():
    """300 data sets of 40, whose curvatures are off by their sampling error."""
    for seed in range(300):
        data = np.random.default_rng(seed).exponential(size=40)
        Minibatches(data, lambda theta, x: x * theta, 5).check(BOWL, np.zeros(1))
    with pytest.raises(ValueError, match="its mean over the data"):
        Minibatches(data + 3, lambda theta, x: x * theta, 5).check(BOWL, np.zeros(1))


def test_the_repr_tells_data_and_gradients_apart():
    one, two_, three = (Minibatches(data, linear, 5) for data in (PAIRS, PAIRS, -PAIRS))
    assert repr(one) == repr(two_) != repr(three)
    assert "90 samples of 2" in repr(one)
    assert "hessian * theta - x" in repr(one)
    assert repr(Minibatches(PAIRS, linear, 5, False)) != repr(one)
