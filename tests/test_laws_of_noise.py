"""Laws of minibatch noise: what kernels draw of each against SciPy, what is mirrored or averaged, and what is refused.

Draws have fixed seeds. Each test of a law is rejected with a probability of at most SUITE_RATE if the law is right.
"""

import math

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import special, stats

from diffusion.kernels.random import draw_float64, draw_law
from diffusion.laws import Batch, Empirical, Normal, Quantile, Skewed, Stable, StudentT, tabulated

REPLICAS = 500_000  # two draws each
VALUES = (-1.0, 0.0, 0.0, 4.0)


def drawn(law, replicas=REPLICAS, iteration=1):
    out, words = np.empty((2, replicas)), np.empty((2, replicas), np.uint64)
    scratch = words, np.empty((2, replicas)), tabulated(law), law.draws
    lanes = np.arange(replicas, dtype=np.uint64)
    draw_law(out, scratch, np.uint64(5), lanes, np.uint64(iteration), np.uint64(0), np.uint64(0), 2, replicas)
    return out.ravel()


def gamma(shape):
    return stats.gamma(shape, loc=-math.sqrt(shape), scale=1 / math.sqrt(shape))


def student(df):
    return stats.t(df, scale=math.sqrt((df - 2) / df))


class stable:  # noqa: N801
    """SciPy's symmetric stable law, in whose tails, where SciPy loses digits, its series in 1/x stands."""

    def __init__(self, alpha):
        self.alpha, self.scale = alpha, 2 ** (-1 / alpha)

    def cdf(self, edges):
        x = np.abs(edges) / self.scale
        k = np.arange(1, 15)[:, None]
        terms = special.gamma(self.alpha * k) / special.factorial(k) * np.sin(np.pi * self.alpha * k / 2)
        above = np.sum(-((-1.0) ** k) * terms * np.maximum(x, 10.0) ** (-self.alpha * k), axis=0) / np.pi
        near = x < 10
        above[near] = stats.levy_stable.sf(x[near], self.alpha, 0)
        return np.where(edges < 0, above, 1 - above)


# law: the same of SciPy's, one nearby that must be rejected, and edges between which draws are counted
LAWS = {
    Normal(): (stats.norm(), stats.norm(scale=1.01), np.linspace(-4.5, 4.5, 60)),
    Skewed(2.0): (gamma(2.0), gamma(2.1), np.linspace(-1.4, 9.0, 60)),
    Skewed(0.2): (gamma(0.2), gamma(0.21), np.linspace(-0.44, 20.0, 60)),
    StudentT(3.0): (student(3.0), student(3.1), np.sinh(np.linspace(-4.5, 4.5, 60))),
    StudentT(9.0): (student(9.0), student(10.0), np.linspace(-8, 8, 60)),
    Stable(1.5): (stable(1.5), stable(1.52), np.sinh(np.linspace(-7, 7, 30))),
    Stable(0.8): (stable(0.8), stable(0.81), np.sinh(np.linspace(-10, 10, 30))),
    Quantile(stats.laplace.ppf): (
        stats.laplace(scale=math.sqrt(0.5)),
        stats.laplace(scale=0.72),
        np.linspace(-8, 8, 60),
    ),
    Batch(Skewed(2.0), 4): (gamma(8.0), gamma(8.5), np.linspace(-2.7, 7.0, 60)),
}


def counted(z, edges):
    """How many draws are between edges and beyond them."""
    return np.bincount(np.searchsorted(edges, z), minlength=len(edges) + 1)


def p_values(counts, law, edges):
    """Of the numbers between edges, of those in tails beyond, and of the largest distance of distributions at edges."""
    below, n = law.cdf(edges), int(counts.sum())
    chances = np.concatenate([below[:1], np.diff(below), 1 - below[-1:]])
    many = chances * n > 20
    rest = counts[~many].sum(), max(chances[~many].sum(), 1e-12)
    seen, expected = np.append(counts[many], rest[0]), np.append(chances[many], rest[1]) * n
    distance = np.abs(np.cumsum(counts)[:-1] / n - below).max() * math.sqrt(n)
    return {
        "numbers": stats.chi2.sf(np.sum((seen - expected)[:-1] ** 2 / expected[:-1]), many.sum()),
        "rare": stats.binomtest(int(rest[0]), n, rest[1]).pvalue,
        "distance": stats.kstwobign.sf(distance),
    }


def is_of(z, law, edges):
    return min(p_values(counted(z, edges), law, edges).values()) > SUITE_RATE / 3


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_draws_have_the_law_and_not_one_nearby(law):
    right, wrong, edges = LAWS[law]
    z = drawn(law)
    assert is_of(z, right, edges)
    assert not is_of(z, wrong, edges)


# wrong laws three times as near, for ten times the draws
NEARER = {
    Normal(): stats.norm(scale=1.004),
    Skewed(2.0): gamma(2.035),
    Skewed(0.2): gamma(0.2035),
    StudentT(3.0): student(3.035),
    StudentT(9.0): student(9.4),
    Stable(1.5): stable(1.507),
    Stable(0.8): stable(0.804),
    Quantile(stats.laplace.ppf): stats.laplace(scale=math.sqrt(0.5) * 1.007),
    Batch(Skewed(2.0), 4): gamma(8.2),
}


def of_moments(powers, law):
    """The least p-value of Student's t of means of powers, shape (blocks, powers), from SciPy's moments."""
    exact = [law.moment(k) for k in range(1, powers.shape[1] + 1)]
    return stats.ttest_1samp(powers, exact, axis=0).pvalue.min()


@pytest.mark.long
@pytest.mark.parametrize("law", NEARER, ids=repr)
def test_ten_million_draws_have_the_law_and_its_moments_and_not_those_of_one_nearer(law):
    """At the suite's rate each; moments are up to the fourth, where the eighth is finite, and see 1 %."""
    right, _, edges = LAWS[law]
    moments = 0 if isinstance(law, Stable) or law == StudentT(3.0) else 4
    counts, powers = np.zeros(len(edges) + 1, int), []
    for block in range(10):
        z = drawn(law, iteration=1 + block)
        counts += counted(z, edges)
        powers += [[np.mean(part**k) for k in range(1, moments + 1)] for part in np.split(z, 4)]
    assert min(p_values(counts, right, edges).values()) > SUITE_RATE / 3
    assert min(p_values(counts, NEARER[law], edges).values()) < SUITE_RATE / 3
    if moments:
        assert of_moments(np.array(powers), right) > SUITE_RATE / moments
        assert of_moments(np.array(powers) * 1.01 ** np.arange(1, 5), right) < SUITE_RATE / moments


def test_a_negative_shape_mirrors():
    assert np.abs(drawn(Skewed(-2.0)).mean()) < 5e-3
    right, _, edges = LAWS[Skewed(2.0)]
    assert is_of(-drawn(Skewed(-2.0)), right, edges)
    assert not is_of(drawn(Skewed(-2.0)), right, edges)


def test_empirical_draws_are_the_values_as_often_as_they_are_given():
    """Centred and scaled; a value that is one hundredth too frequent is rejected."""
    z = drawn(Empirical(VALUES))
    values, counts = np.unique(z, return_counts=True)
    np.testing.assert_allclose(values, (np.array([-1.0, 0.0, 4.0]) - 0.75) / np.std(VALUES))
    assert stats.chisquare(counts, len(z) * np.array([0.25, 0.5, 0.25])).pvalue > SUITE_RATE
    assert stats.chisquare(counts, len(z) * np.array([0.255, 0.49, 0.255])).pvalue < SUITE_RATE


@pytest.mark.parametrize("law", [Skewed(-0.5), Empirical(VALUES)], ids=repr)
def test_a_batch_has_unit_variance_and_higher_cumulants_over_powers_of_n(law):
    """Of three; as k-statistics, whose deviations are those of eight parts. Those of one draw are rejected."""
    one, three = drawn(law, 200_000), drawn(Batch(law, 3), 200_000)
    for order in (1, 2, 3, 4):
        parts = np.array([[stats.kstat(part, order) for part in np.split(z, 8)] for z in (one, three)])
        mean, error = parts.mean(axis=1), np.sqrt(parts.var(axis=1, ddof=1) / 8)
        share = 3 ** (1 - order / 2)
        chance = stats.t(7).sf(abs(mean[1] - share * mean[0]) / np.hypot(error[1], share * error[0])) * 2
        assert chance > SUITE_RATE / 4, order
        if order == 2:
            assert mean == pytest.approx(1.0, abs=0.02)
        if order == 3 and abs(mean[0]) > 0.1:
            assert abs(mean[1] - mean[0]) > 10 * np.hypot(*error)


@pytest.mark.parametrize("law", [Skewed(0.7), Stable(1.5), Empirical(VALUES)], ids=repr)
def test_arrays_of_normals_are_turned_into_what_the_kernels_draw(law):
    """Each z is a function of its normal draw, of values of the uniform that it stands for."""
    normals, words = np.empty((2, 1000)), np.empty((2, 1000), np.uint64)
    lanes = np.arange(1000, dtype=np.uint64)
    draw_float64(normals, words, np.uint64(5), lanes, np.uint64(1), np.uint64(0), np.uint64(0), 2, 1000)
    if law == Empirical(VALUES):
        normals = special.ndtri((words >> np.uint64(12)) * 2.0**-52)
    np.testing.assert_allclose(law.of_normals(normals.ravel()[None]), drawn(law, 1000), rtol=1e-12, atol=1e-12)


def test_stable_of_two_is_normal_and_equal_laws_are_equal():
    np.testing.assert_allclose(Stable(2.0).of_normals([[-2.0, 0.5]]), [-2.0, 0.5], atol=1e-12)
    assert Batch(Empirical([1, 2]), 2) == Batch(Empirical((1.0, 2.0)), 2)
    assert repr(Empirical(np.arange(50))) != repr(Empirical(np.arange(51)))
    assert repr(Quantile(stats.laplace.ppf)) != repr(Quantile(stats.logistic.ppf))


def jump(u):
    return np.where(u < 0.5, -1.0, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Skewed(0.01), "shape = 0.01 must be 0.05 or more"),
        (lambda: StudentT(2), "df = 2 must be above 2"),
        (lambda: Stable(1.97), r"alpha = 1.97 must lie in \[0.5, 1.95\]"),
        (lambda: Empirical([3.0, 3.0]), "values are all 3"),
        (lambda: Quantile(jump), "jumps or is not finite; of a discrete law give Empirical"),
        (lambda: Quantile(lambda u: 1.0), "has the variance 0.0"),
        (lambda: Batch(Stable(1.5), 8), "has the same law; use it as it is, with a deviation .* = 0.5 times as large"),
        (lambda: Batch(Normal(), 0), "n = 0 must be a whole number >= 1"),
        (lambda: Batch("normal", 2), "law = 'normal' must be a law"),
    ],
)
def test_what_is_no_law_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
