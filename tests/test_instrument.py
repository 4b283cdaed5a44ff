"""The statistical tests of the instrument: their rates, their power, and wrong kernels that they must reject."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

from diffusion import SGD, Adam, HessianNoise, Momentum, QuadraticSaddle, RMSprop, simulate
from diffusion.dynamics import Rule
from experiments.claims import theorem_2, theorem_2_drift
from experiments.problems import displacements
from experiments.problems.saddles import Departure
from experiments.referee import laws
from experiments.referee.laws import LogNormal, MeanSquare
from experiments.referee.routes import Routes

REPLICAS = 2000
RATE = 1e-3


def chi_squares(size=20_000, scale=1.0):
    return scale * np.random.default_rng(0).chisquare(REPLICAS, size) / REPLICAS


def within(count, size, probability):
    """Whether a binomial count is one that probability gives, at SUITE_RATE."""
    return stats.binomtest(int(count), size, probability).pvalue > SUITE_RATE


def test_mean_square_test_rejects_a_right_ensemble_at_its_stated_rate():
    p = MeanSquare(REPLICAS).p_value(chi_squares(), 1.0)
    for rate in (0.001, 0.01, 0.1):
        assert within(np.sum(p < rate), p.size, rate)


@pytest.mark.parametrize("sign", [1, -1])
def test_detectable_deviation_is_rejected_with_the_stated_power(sign):
    law = MeanSquare(REPLICAS)
    deviation = float(law.detectable(1.0, RATE))
    rejected = law.p_value(chi_squares(scale=1 + sign * deviation), 1.0) < RATE
    assert rejected.mean() > laws.POWER - 0.01
    if sign == 1:
        assert within(rejected.sum(), rejected.size, laws.POWER)


def test_intervals_cover_at_the_stated_level():
    values = chi_squares()
    for law in (MeanSquare(REPLICAS), LogNormal.of_gaussians(REPLICAS, values.shape)):
        low, high = law.interval(values)
        covered = np.sum((low < 1) & (high > 1))
        assert abs(covered / values.size - laws.LEVEL) < 0.005


def test_log_test_has_its_stated_rate_and_power():
    values = chi_squares()
    law = LogNormal.of_gaussians(REPLICAS, values.shape)
    assert within(np.sum(law.p_value(values, 1.0) < 0.01), values.size, 0.01)
    deviation = law.detectable(values, RATE)[0]
    power = np.mean(law.p_value((1 + deviation) * values, 1.0) < RATE)
    assert power == pytest.approx(laws.POWER, abs=0.01)


# --- negative controls: deliberately wrong kernels, run by the real simulator


def noise_scaled_by_dt(coefficients, rule, substeps):
    """The noise of a substep shrinks like dt instead of sqrt(dt)."""
    keep, force, noise, step = coefficients(rule, substeps)
    return keep, force, noise / np.sqrt(substeps), step


def twice_the_diffusion(coefficients, rule, substeps):
    keep, force, noise, step = coefficients(rule, substeps)
    return keep, force, np.sqrt(2) * noise, step


def inertia_applied_twice(coefficients, rule, substeps):
    keep, force, noise, step = coefficients(rule, substeps)
    return keep**2, force, noise, step


def right(coefficients, rule, substeps):
    return coefficients(rule, substeps)


@pytest.mark.parametrize(
    ("kernel", "rejected"),
    [(right, False), (noise_scaled_by_dt, True), (twice_the_diffusion, True), (inertia_applied_twice, True)],
    ids=lambda value: getattr(value, "__name__", value),
)
@pytest.mark.parametrize("claim", [theorem_2, theorem_2_drift], ids=lambda module: module.claim.name)
def test_wrong_kernels_are_rejected_and_the_right_one_is_not(monkeypatch, kernel, rejected, claim):
    """At the rate of one test in a full run, with 2,000 replicas; for the MSD and for the drift term."""
    original = Rule.coefficients
    monkeypatch.setattr(Rule, "coefficients", lambda rule, substeps: kernel(original, rule, substeps))
    monkeypatch.setattr(Routes, "torch", False)  # the wrong kernels are ours, not torch's
    added = claim is theorem_2_drift
    departure = Departure(Momentum(0.01), "thermal" if added else "rest", 0.9, added=added)
    evidence = displacements.evidence(Routes(REPLICAS, 2, seed=1), departure, claim.paper)
    assert (np.nanmin(evidence.measured["simulated"].p_value()) < 3e-6) == rejected


def test_two_sample_test_rejects_an_optimizer_without_its_bias_correction():
    """Negative control of the comparison with torch: RMSprop for Adam at beta1 = 0 is told apart, a new seed is not."""
    problem = {"noise": HessianNoise(10), "iterations": 30, "save": [30], "replicas": REPLICAS}
    adam = Adam(0.01, beta1=0.0, beta2=0.99, second_moment="running")
    chosen = [(adam, 1), (adam, 2), (RMSprop(0.01, beta2=0.99, second_moment="running"), 2)]
    runs = [simulate(dynamics, QuadraticSaddle([0.1, -0.1]), **problem, seed=seed) for dynamics, seed in chosen]
    means = [run["msd"].values[0] for run in runs]
    errors = [(run["msd_stderr"] / run["msd"]).values[0] for run in runs]
    each = [LogNormal(error, error) for error in errors]
    same, other = (each[k].against(each[0]).p_value(means[k], means[0]) for k in (1, 2))
    assert same.min() > SUITE_RATE
    assert other.max() < 3e-6


def test_wrong_noise_variance_is_rejected_for_sgd():
    """A batch of 8 taken for a batch of 10 is a deviation of 25 %, beyond what 2,000 replicas can miss."""
    run = simulate(
        SGD(0.01), QuadraticSaddle([-0.1]), noise=HessianNoise(8), iterations=10, replicas=REPLICAS, save=[10]
    )
    expected = 10 * 0.01**2 * 0.1 / 10
    assert MeanSquare(REPLICAS).p_value(run["msd"].values, expected).max() < SUITE_RATE
