"""Lemmas 1 to 4: the exact sums and moments against plain sums and simulations."""

import numpy as np
import pytest

import theory
from experiments.claims.lemmas import DEVIATION, INDEPENDENT, OWN, START, STEP, claim
from experiments.problems.convergence import BETA0, LARGEST, RARE, biased_gradient
from experiments.referee.routes import Routes


@pytest.fixture(scope="module")
def evidence():
    return claim.tried(Routes(1, 1))


def exact(evidence, subject, lemma, **regime):
    piece = next(one for one in evidence if one.subject == subject)
    return float(piece.where(lemma=lemma, **regime)["exact"].values[0])


def test_mean_age_by_its_double_sum(evidence):
    """Of constant inertia it is largest at the last iteration."""
    age = np.arange(10)
    expected = np.sum(age * (1 - LARGEST) * LARGEST**age)
    assert exact(evidence, INDEPENDENT, 3, inertias="constant", iterations=10) == pytest.approx(expected, rel=1e-12)


def test_moments_by_simulation(evidence):
    """E|m|^2 of SGD in all but its first step, at the iteration where it is largest, on the parabola."""
    rng = np.random.default_rng(0)
    x, m, squares = np.full(50_000, START), np.zeros(50_000), []
    for t in range(10):
        beta = LARGEST if t == 0 else 0.0
        m = beta * m + (1 - beta) * (x + DEVIATION * rng.standard_normal(len(x)))
        x = x - STEP * m
        squares.append(np.mean(m**2))
    found = exact(evidence, INDEPENDENT, 2, inertias="none but one", iterations=10)
    assert found == pytest.approx(max(squares), rel=0.02)


def test_adais_own_inertias_by_simulation(evidence):
    """Where its mean step vanishes the mean momentum does, though the gradient does not: Lemma 4 fails."""
    rng, slope = np.random.default_rng(0), biased_gradient()
    m, along, squares = np.zeros((20_000, 2)), [], []
    for t in range(120):
        g = slope + 3 * np.where(rng.random(m.shape) < RARE, -3.0, 1 / 3)
        ratio = g**2 / np.mean(g**2, axis=1, keepdims=True)
        beta = np.clip(1 - BETA0 * ratio, 0, LARGEST)
        m = beta * m + (1 - beta) * g
        if t >= 60:
            along.append(slope * m.sum(axis=1).mean())
            squares.append((m**2).sum(axis=1).mean())
    assert np.mean(along) == pytest.approx(0, abs=0.01)
    assert exact(evidence, OWN, 4) == pytest.approx(0, abs=1e-9)
    assert exact(evidence, OWN, 2) == pytest.approx(np.mean(squares), rel=0.01)


def test_levels(evidence):
    assert {verdict.subject: verdict.level for verdict in claim.verdicts(evidence)} == {
        INDEPENDENT: "right",
        OWN: "in part",
    }


def test_the_lemmas_make_the_constants_of_theorem_4():
    """Summed over T iterations at lr c/sqrt(T) and divided: C1 from the gap, C2 from Lemma 4, C3 from Lemma 2."""
    bounds = {"gradient_bound": 1.3, "noise_variance": 0.7}
    c, beta, smoothness, gap, count = 0.2, 0.8, 1.7, 2.0, 100.0
    step = c / np.sqrt(count)
    drift = theory.lemma_4(square_gradient=0.0, smoothness=smoothness, largest_inertia=beta, step=step, **bounds)
    descent = step * drift + step**2 * smoothness / 2 * theory.lemma_2(**bounds)
    expected = (gap / count + descent) / (step * (1 - beta))
    bound = theory.convergence_bound(count, loss_gap=gap, smoothness=smoothness, largest_inertia=beta, lr=c, **bounds)
    assert bound == pytest.approx(expected, rel=1e-12)
