"""Theorem 4's bound and Lemma 1's sums; for what ensembles say of the bound see `claims/test_theorem_4.py`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from theory.convergence import convergence_bound, lemma_1

MANY = settings(max_examples=200, deadline=None, derandomize=True)
CASE = {
    "loss_gap": 2.0,
    "smoothness": 3.0,
    "gradient_bound": 2.0,
    "noise_variance": 5.0,
    "largest_inertia": 0.5,
    "lr": 0.1,
}


def test_theorem_4_as_derived():
    """C1 = 2/(.5 .1) = 40, C2 = .5 3 .1 9/.25 = 5.4, C3 = 3 .1 9/(2 .5) = 2.7."""
    assert convergence_bound(100, **CASE) == pytest.approx((40 + 5.4 + 2.7) / 10, rel=1e-14)
    np.testing.assert_allclose(
        convergence_bound([1, 4, 100], **CASE), convergence_bound(1, **CASE) / [1, 2, 10], rtol=1e-14
    )


def test_without_inertia_it_is_the_bound_of_sgd():
    """(L(0)-L*)/c + Lsm c S/2, Ghadimi and Lan (2013)."""
    assert convergence_bound(1, **(CASE | {"largest_inertia": 0.0})) == pytest.approx(20 + 3 * 0.1 * 9 / 2, rel=1e-14)


@MANY
@given(hnp.arrays(float, st.integers(1, 60), elements=st.floats(0, 0.999)))
def test_lemma_1(inertias):
    weights = lemma_1(inertias)
    assert weights.lower <= weights.identity + 1e-15
    assert weights.total == pytest.approx(weights.identity, abs=1e-14)
    assert weights.total <= 1 + 1e-14


@MANY
@given(st.floats(0, 0.999), st.integers(1, 200))
def test_lemma_1_is_sharp_for_a_constant_inertia(beta, count):
    weights = lemma_1(np.full(count, beta))
    assert weights.total == pytest.approx(weights.lower, abs=1e-13)


def test_lemma_1_is_the_momentum_of_a_constant_gradient_in_every_coordinate():
    inertias = np.random.default_rng(0).uniform(0, 0.9, (30, 4))
    momentum = np.zeros(4)
    for beta in inertias:
        momentum = beta * momentum + (1 - beta)
    np.testing.assert_allclose(lemma_1(inertias).total, momentum, rtol=1e-13)


BAD = [
    (lambda: convergence_bound(0, **CASE), "iterations = 0 must be above 0"),
    (lambda: convergence_bound(1, **(CASE | {"largest_inertia": 1.0})), r"largest_inertia = 1.0 must lie in \[0, 1\)"),
    (lambda: convergence_bound(1, **(CASE | {"lr": 0.0})), "lr = 0.0 must be above 0"),
    (lambda: convergence_bound(1, **(CASE | {"loss_gap": -1.0})), "loss_gap = -1.0 must be 0 or above"),
    (lambda: lemma_1([0.5, 1.0]), r"inertias = \[0.5, 1.0\] must lie in"),
    (lambda: lemma_1([]), "inertias = .* is empty"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_names_parameter_value_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()
