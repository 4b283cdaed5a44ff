"""The settings of the sharpness experiment: exponents, relaxation times and minima, and the paper's rates in them."""

import numpy as np
import pytest

from experiments.problems.optimizers import BETA0, BETA1
from experiments.problems.wells import (
    OPTIMIZERS,
    STEP,
    exact_rate,
    expected_iterations,
    paper_rate,
    settings,
)

CLEAN = ("parabolas-piecewise", "parabolas-frozen", "tang-piecewise", "tang-frozen")


@pytest.mark.parametrize("key", CLEAN)
def test_clean_settings_have_one_exponent_and_one_step(key):
    """Barrier over temperature is 8 at k = 1 and scales like 1/k, of Adam like 1/sqrt(k)."""
    setting = settings()[key]
    start = setting.positions(1.0)[0]
    curvature = float(setting.landscape(1, 1.0).hessian_diagonal(np.array([start]))[0])
    for optimizer in OPTIMIZERS:
        assert setting.exponent(optimizer, 1.0) == pytest.approx(8, rel=1e-6)
        power = 0.5 if optimizer == "Adam" else 1.0
        for k in (0.25, 4.0):
            assert setting.exponent(optimizer, k) == pytest.approx(8 * k**-power, rel=1e-6)
            assert setting.exponent(optimizer, k, factor=2.0) == pytest.approx(4 * k**-power, rel=1e-6)
    assert setting.lr["SGD"] * curvature == pytest.approx(STEP) == 0.05
    assert setting.lr["Adai"] == setting.lr["SGD"] == pytest.approx(setting.lr["Momentum"] / (1 - BETA1))


@pytest.mark.parametrize("k", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("key", CLEAN)
def test_papers_rates_are_its_formulas(key, k):
    """Theorem 3, Propositions 2 and 4, written out here; the landscape is a height times known curvatures and split."""
    setting = settings()[key]
    if key.startswith("parabolas"):
        barrier, h_a, h_b, split = 0.5, 1.0, 4.0, 0.8
        height = float(setting.landscape(1, 1.0).hessian_diagonal(np.array([0.0]))[0])
    else:
        crest, inflection, low = 0.156731254, np.sqrt(16 / 6), 2.746802770

        def loss(u):
            return (u**4 - 16 * u**2 + 5 * u) / 2

        h_a, h_b, barrier = 6 * low**2 - 16, 16 - 6 * crest**2, loss(crest) - loss(low)
        split = (loss(inflection) - loss(low)) / barrier
        height = setting.landscape(1, 1.0).height
    h_a, h_b, barrier = height * k * h_a, height * k * h_b, height * barrier
    if key.endswith("frozen"):
        split = 1.0
    share = split / h_a + (1 - split) / h_b
    for optimizer in OPTIMIZERS:
        lr = setting.lr[optimizer]
        if optimizer == "Adam":
            root = split / np.sqrt(h_a) + (1 - split) / np.sqrt(h_b)
            factor = np.sqrt(1 + 4 * lr * np.sqrt(h_b) / (1 - BETA1)) + 1
            time = np.pi * factor * (h_b / h_a) ** 0.25 / h_b * np.exp(2 * barrier / lr * root)
            iterations = time * np.sqrt(h_b) / lr
        else:
            friction = 1 - BETA1 if optimizer == "Momentum" else 1.0  # gamma M of the heavy ball
            inertia = {"SGD": 0.0, "Momentum": 4 * h_b * lr / (1 - BETA1) ** 2, "Adai": 4 * lr * h_b / BETA0}[optimizer]
            iterations = np.pi * (np.sqrt(1 + inertia) + 1) / h_b * np.exp(2 * friction * barrier / lr * share) / lr
        assert paper_rate(setting, optimizer, k, 1) == pytest.approx(1 / iterations, rel=1e-6)
        if optimizer != "Adai":  # whose mean second moment would have the other coordinates in it
            assert paper_rate(setting, optimizer, k, 10) == pytest.approx(10 / iterations, rel=1e-6)


def test_expected_iterations_are_near_the_exact_ones():
    """What points are refused by and censored at 60 times of: within a factor 4 of SGD's."""
    for key in CLEAN:
        setting = settings()[key]
        for k in (1.0, 4.0):
            ratio = expected_iterations(setting, "SGD", k, 1) * exact_rate(setting, "SGD", k)["rate"]
            assert 1 / 4 < ratio < 4


@pytest.mark.parametrize("key", CLEAN)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_relaxation_times_are_those_of_runs_without_noise(key, optimizer):
    """From a small displacement: the largest of six relaxation times, which hold a swing, falls by e^12 in twelve."""
    setting, k = settings()[key], 2.0
    start = setting.positions(k)[0]
    relaxation = setting.relaxation(optimizer, k)
    landscape, rule = setting.landscape(1, k), setting.dynamics(optimizer, idealized=True)
    variance = setting.variance(k)(np.array([start]))
    theta, moment, positions = np.array([start + 1e-4]), np.zeros(1), []
    keep, force, _, step = rule.rule(variance).coefficients(1)
    scale = np.sqrt(variance) if rule.second_moment == "following" else 1.0
    for _ in range(int(20 * relaxation)):
        moment = keep * moment + force * landscape.gradient(theta) / scale
        theta = theta - step * moment
        positions.append(float(theta[0] - start))
    window = int(6 * relaxation)
    first, second = (
        np.abs(positions[begin : begin + window]).max() for begin in (window // 3, 2 * window + window // 3)
    )
    assert 2 * window / np.log(first / second) == pytest.approx(relaxation, rel=0.07)


def test_which_settings_have_a_saddle_and_how_many_valleys():
    """Data of a variance above 1.936 leave one; the double parabola's second is without a bottom."""
    assert {key for key, setting in settings().items() if not setting.ends_at_saddle} == {"recalled"}
    assert [settings()[key].minima() for key in ("tang-frozen", "minibatch", "recalled")] == [2, 2, 1]
