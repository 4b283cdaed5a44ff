"""The counter-based generator: known answers, distribution, and what a draw depends on."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

from diffusion.kernels.jit import jit
from diffusion.kernels.random import NOISE, START, normal_pair, philox

# Philox4x32-7, from the known-answer tests that its authors publish: counter, key, output
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "5f6fb709 0d893f64 4f121f81 4f730a48"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "5207ddc2 45165e59 4d8ee751 8c52f662"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "4dfccaba 190a87f0 c47362ba b6b5242a"),
]


def words(text):
    return [np.uint64(int(word, 16)) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN)
def test_philox_gives_its_authors_known_answers(counter, key, output):
    low, high = words(key)
    drawn = philox(*words(counter), low | high << np.uint64(32))
    assert [word & 0xFFFFFFFF for word in drawn] == words(output)


@jit
def many(seed, replicas, iterations):
    out = np.empty((replicas, iterations, 2))
    for r in range(replicas):
        for t in range(iterations):
            out[r, t] = normal_pair(seed, NOISE, r, t, 0, 0)
    return out


@pytest.fixture(scope="module")
def normals():
    return many(np.uint64(1), 1000, 1000)


def test_normals_are_standard_normal(normals):
    """Kolmogorov-Smirnov, and moments to order 8, on 2e6 draws."""
    flat = normals.ravel()
    assert stats.kstest(flat, "norm").pvalue > SUITE_RATE
    for order in range(1, 9):
        mean, variance = stats.norm.moment(order), stats.norm.moment(2 * order) - stats.norm.moment(order) ** 2
        z = (np.mean(flat**order) - mean) / np.sqrt(variance / len(flat))
        assert 2 * stats.norm.sf(abs(z)) > SUITE_RATE, order


def test_neighbouring_draws_are_uncorrelated(normals):
    pairs = [(normals[1:], normals[:-1]), (normals[:, 1:], normals[:, :-1]), (normals[..., 0], normals[..., 1])]
    for a, b in pairs:
        z = np.mean(a * b) * np.sqrt(a.size)
        assert 2 * stats.norm.sf(abs(z)) > SUITE_RATE


def test_a_draw_depends_on_every_index():
    base = (np.uint64(7), NOISE, 1, 1, 1, 1)
    changed = [(np.uint64(8), *base[1:]), (base[0], START, *base[2:])]
    changed += [(*base[:k], 2, *base[k + 1 :]) for k in range(2, 6)]
    draws = {normal_pair(*indices) for indices in [base, *changed]}
    assert len(draws) == 7
    assert normal_pair(*base) == normal_pair(*base)
