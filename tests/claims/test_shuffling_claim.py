"""Shuffling: published displacements, torch's own sampler and its control, escapes, and what is told."""

import numpy as np
import pytest
from changed_numbers import copied, scaled, with_data
from conftest import SUITE_RATE
from shared_evidence import finding, titles

from diffusion import SGD
from experiments.claims.shuffling import BATCH_SIZE, BATCHES, FLAT, LR, RATIO, Shuffled, claim, samples
from experiments.referee.laws import MeanSquare


@pytest.fixture
def evidence(quick_routes):
    return claim.tried(quick_routes)


def test_displacements_are_those_published(evidence):
    """2.67892 and, inside an epoch, 29.4971 times lr^2 C at lr H = -0.001; 3189.24 with replacement."""
    rows = evidence[0].where(eigenvalue=FLAT, iterations=(1000, 1050)).sortby("iterations")
    unit = LR**2 * abs(FLAT) / BATCH_SIZE
    np.testing.assert_allclose(rows["exact"] / unit, [2.67892, 29.4971], rtol=2e-6)
    assert float(rows["with_replacement"][0] / unit) == pytest.approx(3189.24, rel=2e-6)
    left = finding(claim, "SGD", "shuffled over with replacement at the end of an epoch").value
    assert left == pytest.approx((LR * FLAT * BATCHES) ** 2 / 12, rel=0.02)
    assert {verdict.level for verdict in claim.verdicts(evidence)} == {"off"}


def test_minibatches_have_the_variance_of_the_papers_noise():
    """|H|/B, over all pairs that one epoch can begin with."""
    data = samples(BATCHES * BATCH_SIZE)
    i, j = np.triu_indices(len(data), 1)
    assert np.mean(((data[i] + data[j]) / 2) ** 2) * Shuffled(None).scale(FLAT) ** 2 == pytest.approx(0.1 / BATCH_SIZE)


def test_torchs_own_sampler_gives_the_formula_and_draws_anew_do_not(quick_routes, evidence):
    """A right ensemble is rejected with probability 1e-6 each; torch's SGD on draws with replacement is rejected."""
    pytest.importorskip("torch")
    for piece in evidence[:3]:
        route = piece.measured["torch"]
        assert route.tested.all()
        assert route.p_value().min() > SUITE_RATE
    anew = Shuffled(quick_routes)
    drawn = np.random.default_rng(0).choice(samples(BATCHES * BATCH_SIZE), (*anew.means.shape, BATCH_SIZE))
    anew.means = drawn.mean(axis=-1)
    squares = anew.torch_displacements(SGD(LR))[-2:, 0]
    exact = evidence[0].where(eigenvalue=FLAT, iterations=(1000, 1050))["exact"].values
    assert MeanSquare(len(anew.means)).p_value(squares, exact).max() < SUITE_RATE


def test_escapes_are_rarer_where_an_epoch_is_short_and_the_title_tells_it(evidence):
    escapes = evidence[-1]
    factors = escapes.data["shuffled"].values
    assert factors[0] > 1.5 > 1.3 > factors[1]
    even = [with_data(piece, scaled("shuffled", 1 / factors[0])) for piece in evidence]
    assert {verdict.subject: verdict.level for verdict in claim.verdicts(even)}["SGD, escapes"] == "right"
    right = [piece if piece.quantity == RATIO else with_data(piece, copied("paper", "exact")) for piece in even]
    assert {verdict.level for verdict in claim.verdicts(right)} == {"right"}
    (title,) = titles(claim, evidence).values()
    assert "is 0.00084 of Theorem 1's" in title
    assert "takes 1.9 times as long" in title
