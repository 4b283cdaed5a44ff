"""The SDE of optimizers as shipped: its formulas where their result is known, and the order of given errors."""

import numpy as np
import pytest

from diffusion import Adam, RMSprop
from experiments.claims import shipped_sde
from experiments.referee.evidence import Evidence
from experiments.referee.routes import Routes


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("substeps", [2, 5])
def test_without_a_slope_the_running_second_moment_is_the_noise_variance_from_the_first_substep(substeps, own):
    """So positions add up the same draws as with the second moment frozen; fed each substep's own g^2 they do not."""
    sigma, lr = 3.0, 0.1
    part, rng = Adam(lr, beta1=0.0, second_moment="running").substep(substeps), np.random.default_rng(1)
    theta, slots, powers, moved = 0.0, part.slots, np.ones(2), 0.0
    for xi in rng.standard_normal(20 * substeps):
        powers *= part.betas
        g = np.sqrt(substeps) * sigma * xi
        shared = part.shared(1.0, tuple(powers), part.parameters)
        theta, *slots = part.step(theta, g, g if own else sigma, slots, shared, part.parameters)
        moved -= lr * xi / np.sqrt(substeps)
        if own:
            continue
        assert slots[-1] * shared[1] == pytest.approx(sigma**2, rel=1e-12)
    assert (theta == pytest.approx(moved, rel=1e-8)) is not own


def test_the_mean_of_v_relaxes_like_the_exponential_of_the_iterations():
    """v = C (1 - exp(-(1 - beta2) T)) for many substeps, and m's weight likewise."""
    part = Adam(0.1, beta1=0.9, beta2=0.98, second_moment="running").substep(10_000)
    beta1, beta2 = part.betas
    assert beta1**30_000 == pytest.approx(np.exp(-0.1 * 3), rel=1e-4)
    assert beta2**30_000 == pytest.approx(np.exp(-0.02 * 3), rel=1e-4)
    rmsprop = RMSprop(0.1, beta2=0.5, second_moment="running").substep(1000)
    slots = rmsprop.slots
    for _ in range(2000):
        _, *slots = rmsprop.step(0.0, 0.0, 2.0, slots, (), rmsprop.parameters)
    assert slots[0] == pytest.approx(4.0 * (1 - np.exp(-0.5 * 2)), rel=1e-3)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_order_is_found_past_the_next_one(power):
    lr2 = 1.0 / np.array(shipped_sde.ITERATIONS)
    errors = -3.0 * lr2**power * np.exp(-4 * lr2)
    order, spread = shipped_sde.order_of(lr2, errors, 0.01 * np.abs(errors))
    assert order == pytest.approx(power, rel=1e-9)
    assert 0.01 < spread < 0.05


@pytest.fixture(scope="module")
def evidence():
    """Of RMSprop, at few draws: the errors are known less well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped_sde, "PAIRS", 1000)
        patch.setattr(shipped_sde, "ITERATIONS", (8, 16, 32))
        patch.setattr(shipped_sde, "CASES", shipped_sde.CASES[1:2])
        (piece,) = shipped_sde.claim.tried(Routes(100, 1, size="quick"))
    return piece


def test_the_control_has_no_order(evidence):
    wrong = evidence.data["form"].values == shipped_sde.OWN
    assert np.all(np.abs(evidence.data["order"].values[wrong]) < 0.2)
    assert np.all(evidence.data["order"].values[~wrong] > 0.2)


@pytest.mark.parametrize(("order", "level"), [(1.0, "right"), (0.5, "off")])
def test_it_is_judged_by_the_order_of_all_moments(evidence, order, level):
    data = evidence.data.copy()
    ours = data["form"].values == shipped_sde.SDE
    data["order"] = ("row", np.where(ours, order, 0.0))
    data["order_error"] = ("row", np.full(len(ours), 0.1))
    (verdict,) = shipped_sde.claim.verdicts([Evidence(evidence.subject, evidence.quantity, data)])
    assert verdict.level == level
    assert f"to the power {order:.2f} +- 0.12" in verdict.sentence
