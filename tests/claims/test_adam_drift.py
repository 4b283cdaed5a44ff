"""Adam's drift: closed forms along the flat direction, and a plain simulation of what is shipped."""

import numpy as np
import pytest

from experiments.claims.adam_drift import claim
from experiments.referee.routes import Routes

BETA = 0.9


@pytest.fixture(scope="module")
def evidence():
    return claim.tried(Routes(3000, 1))


def flat(evidence, start):
    found = next(one for one in evidence if one.data["start"] == start and one.data["beta1"] == BETA)
    return found.data


def test_along_a_flat_direction_the_sde_is_behind_by_what_a_memory_of_gradients_costs(evidence):
    y = flat(evidence, "rest")["iterations_times_damping"].values
    rest = 1 - 2 * -np.expm1(-y) / y - np.expm1(-2 * y) / (2 * y)
    assert flat(evidence, "rest")["exact"].values == pytest.approx(rest, rel=1e-9)
    assert flat(evidence, "thermal")["exact"].values == pytest.approx(1 + np.expm1(-y) / y, rel=1e-9)
    assert flat(evidence, "rest")["paper"].values == pytest.approx(1 + np.expm1(-y) ** 2 / (2 * y), rel=1e-9)


def test_bias_correction_weighs_the_first_gradients_more(evidence):
    data = flat(evidence, "bias-corrected")
    for iterations in (1, 3, 10, 30):
        steps = np.arange(1, iterations + 1)
        weights = [
            np.sum((1 - BETA) * BETA ** (steps[s:] - steps[s]) / (1 - BETA ** steps[s:])) for s in range(iterations)
        ]
        expected = np.sum(np.square(weights)) / iterations
        assert float(data["exact"].sel(iterations=iterations)) == pytest.approx(expected, rel=1e-9)


def test_the_shipped_ratio_is_that_of_a_plain_simulation(evidence):
    """Of Adam with bias corrections of both moments, against the same without momentum."""
    rng = np.random.default_rng(1)
    gradients = rng.standard_normal((30, 2, 20_000))
    moment, second, position = (np.zeros((2, 20_000)) for _ in range(3))
    beta = np.array([[BETA], [0.0]])
    for t, gradient in enumerate(gradients, start=1):
        moment = beta * moment + (1 - beta) * gradient
        second = 0.999 * second + 0.001 * gradient**2
        position -= moment / (1 - beta**t) / np.sqrt(second / (1 - 0.999**t))
    squares = np.mean(position**2, axis=1)
    shipped = flat(evidence, "bias-corrected").sel(iterations=30)
    assert float(shipped["shipped"]) == pytest.approx(squares[0] / squares[1], rel=0.15)
    assert shipped["shipped_low"] < shipped["shipped"] < shipped["shipped_high"]


def test_levels(evidence):
    levels = {verdict.subject: verdict.level for verdict in claim.verdicts(evidence)}
    assert levels == {"Adam, from rest": "off", "Adam, thermal start": "off", "Adam, bias-corrected": "in part"}
