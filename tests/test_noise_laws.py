"""Noise of other laws in ensembles: cumulants, widths and ends that follow, bits for any threads, what refuses it."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

import theory
from diffusion import (
    SGD,
    Adam,
    Batch,
    CoupledLandscape,
    DoubleParabola,
    Empirical,
    HessianNoise,
    IsotropicNoise,
    Momentum,
    Motion,
    Noise,
    Normal,
    QuadraticSaddle,
    Skewed,
    Stable,
    StudentT,
    escape_prospect,
    exit_times,
    rare_escape_rate,
    simulate,
)

ETA, H = 0.1, 1.0
BOWL = QuadraticSaddle([H, H])


def positions(law, **changed):
    """Positions after 40 iterations of SGD in a parabola, from its minimum, over the deviation of one step."""
    options = {"iterations": 40, "replicas": 40_000, "save": [40], "keep": "states", "threads": 1} | changed
    run = simulate(SGD(ETA), BOWL, noise=IsotropicNoise(4.0, law=law), **options)
    return run.position.values[:, 0].ravel() / (2.0 * ETA)


def cumulants_agree(x, skewness, excess):
    """To the errors of 16 parts, at SUITE_RATE, of the cumulants that a sum of independent steps has."""
    share = (1 - ETA * H) ** np.arange(40)
    expected = [0.0, *(c * np.sum((-share) ** k) for k, c in ((2, 1.0), (3, skewness), (4, excess)))]
    parts = np.array([[stats.kstat(part, order) for part in np.split(x, 16)] for order in (1, 2, 3, 4)])
    t = (parts.mean(axis=1) - expected) / np.sqrt(parts.var(axis=1, ddof=1) / 16)
    return 2 * stats.t(15).sf(abs(t)).min() > SUITE_RATE / 4


def test_steps_add_up_and_a_positive_z_pushes_theta_down():
    """The mirrored law is rejected, and the normal."""
    x = positions(Skewed(0.5))
    assert cumulants_agree(x, 2 / np.sqrt(0.5), 12.0)
    assert cumulants_agree(-x, -2 / np.sqrt(0.5), 12.0)
    assert not cumulants_agree(-x, 2 / np.sqrt(0.5), 12.0)
    assert not cumulants_agree(x, 0.0, 0.0)
    assert cumulants_agree(positions(Batch(Empirical([-1, 0, 0, 4]), 2)), *_of_values([-1, 0, 0, 4], 2))


def _of_values(values, n):
    return stats.skew(values) / np.sqrt(n), stats.kurtosis(values) / n


def test_the_same_seed_gives_the_same_bits_for_any_threads_and_replicas():
    one, three = (positions(Skewed(0.5), threads=threads, replicas=3000) for threads in (1, 3))
    assert np.array_equal(one, three)
    assert np.array_equal(positions(Skewed(0.5), replicas=100), one[:200])


def test_stable_substeps_scale_with_the_time_to_the_power_of_one_over_alpha():
    """Quartiles of a sum in a flat direction, the same for 1 and 8 substeps; those of normal scaling are rejected."""
    alpha, flat = 1.5, QuadraticSaddle([1e-9])
    options = {"iterations": 4, "replicas": 40_000, "save": [4], "keep": "states"}
    found = []
    for substeps in (1, 8):
        with pytest.warns(RuntimeWarning, match="msd and msd_stderr have no expectation"):
            run = simulate(SGD(ETA), flat, noise=IsotropicNoise(1.0, law=Stable(alpha)), substeps=substeps, **options)
        found.append(abs(run.position.values.ravel()))
        assert ("noise_scaling" in run.attrs["parameters"]) == (substeps > 1)
    expected = ETA * 4 ** (1 / alpha) * Stable(alpha).of_normals([[stats.norm.ppf(0.75)]])[0]
    for x in found:
        assert stats.binomtest(int(np.sum(x < expected)), len(x), 0.5).pvalue > SUITE_RATE
        assert stats.binomtest(int(np.sum(x < expected * 8 ** (1 / 1.5 - 0.5))), len(x), 0.5).pvalue < SUITE_RATE


WELL = DoubleParabola(1.5, 1.0, 4.0, 1)
NOISE = HessianNoise(1, "piecewise", law=Skewed(0.5))
EXIT = {"boundary": float(WELL.valley.saddle)}


def test_exits_under_a_mirrored_law_are_those_of_the_mirrored_problem():
    """In a parabola with two ends, of which one is left more often; bits are the same for any threads."""
    options = {"boundary": (-1.0, 1.0), "max_iterations": 3000, "replicas": 2000}
    up, down = (
        exit_times(SGD(ETA), QuadraticSaddle([1.0]), noise=IsotropicNoise(1.5, law=Skewed(shape)), threads=1, **options)
        for shape in (-0.5, 0.5)
    )
    again = exit_times(
        SGD(ETA), QuadraticSaddle([1.0]), noise=IsotropicNoise(1.5, law=Skewed(0.5)), threads=3, **options
    )
    assert np.array_equal(down.exit_iteration, again.exit_iteration, equal_nan=True)
    assert int((up.exit_side > 0).sum()) > 1200
    counts = [int((run.exit_side == side).sum()) for run, side in ((up, 1), (down, -1))]
    assert stats.fisher_exact([counts, [2000 - count for count in counts]]).pvalue > SUITE_RATE
    assert stats.fisher_exact([[counts[0], 2000 - counts[1]], [2000 - counts[0], counts[1]]]).pvalue < SUITE_RATE


DENSITIES = {  # of z, and where they jump
    "skewed": (Skewed(-4.0), lambda z, x: 2 * stats.gamma(4).pdf(4 - 2 * z), [2.0]),
    "Student's t": (StudentT(3.0), lambda z, x: 3**0.5 * stats.t(3).pdf(3**0.5 * z), []),
}


@pytest.mark.parametrize("name", DENSITIES)
def test_exits_take_as_long_as_the_exact_chain_of_the_law_and_not_of_another(name):
    """The mean of 40,000, at the suite's false-positive rate; the chain of normal noise is rejected."""
    law, density, breaks = DENSITIES[name]
    where = {"lr": 0.6, "start": 0.0, "boundary": 1.0}
    exact, normal = (
        theory.discrete_first_passage_time(lambda x: x, 0.5, **where, law=told, law_breaks=jumps, tolerance=1e-4)
        for told, jumps in ((density, breaks), (None, []))
    )
    noise = IsotropicNoise(0.25, law=law)
    run = exit_times(SGD(0.6), QuadraticSaddle([H]), noise=noise, boundary=1.0, max_iterations=10_000, replicas=40_000)
    times = run.exit_iteration.values
    bound = stats.norm.isf(SUITE_RATE / 2) * times.std() / np.sqrt(len(times))
    assert abs(times.mean() - exact) < bound < abs(times.mean() - normal)


def test_laws_are_told_where_they_are_not_normal():
    assert repr(HessianNoise(10)) == "HessianNoise(batch_size=10, at='reference')"
    assert repr(IsotropicNoise(1.0, law=Normal())) == "IsotropicNoise(variance=1.0)"
    assert repr(IsotropicNoise(1.0, law=StudentT(3))) == "IsotropicNoise(variance=1.0, law=StudentT(df=3))"
    with pytest.raises(ValueError, match="law = 'normal' must be a law: Normal"):
        IsotropicNoise(1.0, law="normal")


def deviation_of_theta(theta):
    return 1.0 + 0.5 * theta * theta


def test_noise_of_any_deviation():
    """Of one number it is isotropic noise, to the bit; of a function a step has the deviation of its position."""
    options = {"iterations": 3, "replicas": 5, "save": [3], "keep": "states"}
    ours, known = (
        simulate(SGD(ETA), BOWL, noise=noise, **options).position
        for noise in (Noise(2.0, Skewed(0.5)), IsotropicNoise(4.0, law=Skewed(0.5)))
    )
    assert np.array_equal(ours, known)
    noise = Noise(deviation_of_theta, Skewed(0.5))
    np.testing.assert_allclose(noise.variance_at(BOWL, [[0.0, 2.0]]), [[1.0, 9.0]])
    starts = np.array([0.0, 2.0])
    from_here, plain = (
        simulate(SGD(ETA), BOWL, noise=each, start=starts, **options | {"iterations": 1, "save": [1]}).position[:, 0]
        for each in (noise, Noise(1.0, Skewed(0.5)))
    )
    still = (1 - ETA * H) * starts
    np.testing.assert_allclose(from_here - still, (plain - still) * [1.0, 3.0], rtol=1e-9)
    assert repr(Noise([1, 2])) == "Noise(deviation=[1.0, 2.0])"
    assert repr(noise).startswith("Noise(deviation=def deviation_of_theta(theta):")
    assert repr(noise).endswith("law=Skewed(shape=0.5))")


TURNED = QuadraticSaddle([1.0, 0.5], rotation=np.array([[0.6, 0.8], [-0.8, 0.6]]))


def test_draws_are_along_the_eigenvectors_of_a_saddle_and_else_do_not_depend_on_their_signs():
    """So that every optimizer, in kernels and in torch, has the same noise there."""
    for noise in (IsotropicNoise(4.0, law=Skewed(0.5)), HessianNoise(1.0, law=Skewed(0.5))):
        expected = TURNED.basis * np.sqrt(noise.variance_along(TURNED))
        np.testing.assert_array_equal(noise.mixing(TURNED), expected)
    np.testing.assert_array_equal(IsotropicNoise(4.0).mixing(TURNED), 2 * np.eye(2))
    with pytest.raises(ValueError, match="is the same everywhere; use at='reference'"):
        HessianNoise(1.0, [1.0, 1.0], law=Skewed(0.5)).mixing(TURNED)


def pair_loss(X, lane):
    return 0.5 * (X[0, lane] ** 2 + X[1, lane] ** 2) + 0.25 * X[0, lane] * X[1, lane]


def pair_gradient(X, j, lane):
    return X[j, lane] + 0.25 * X[1 - j, lane]


def test_noise_of_a_coupled_landscape_has_the_symmetric_root_of_its_covariance():
    pair = CoupledLandscape(pair_loss, pair_gradient, dimension=2)
    root, normal = HessianNoise(1.0, law=Skewed(0.5)).mixing(pair), HessianNoise(1.0).mixing(pair)
    np.testing.assert_allclose(root, root.T, atol=1e-12)
    np.testing.assert_allclose(root @ root.T, normal @ normal.T, atol=1e-12)
    np.testing.assert_allclose(root @ root, [[1.0, 0.25], [0.25, 1.0]], atol=1e-6)


RUN = {"iterations": 1, "replicas": 2}
LEAVE = {"max_iterations": 1, "replicas": 2, **EXIT}
REFUSED = {
    "rare_escape_rate assumes normal": lambda: rare_escape_rate(SGD(0.1), WELL, noise=NOISE, **EXIT),
    "escape_prospect assumes normal": lambda: escape_prospect(SGD(0.1), WELL, noise=NOISE, **EXIT),
    "an equation of motion assumes normal": lambda: Motion(SGD(0.1), WELL, NOISE),
    "crossing = 'bridge' assumes normal": lambda: exit_times(SGD(0.1), WELL, noise=NOISE, crossing="bridge", **LEAVE),
    "precision = 'mixed' draws normals": lambda: simulate(SGD(0.1), WELL, noise=NOISE, precision="mixed", **RUN),
    "velocity = 'thermal' draws normals": lambda: simulate(
        Momentum(0.1, 0.9), WELL, noise=NOISE, velocity="thermal", **RUN
    ),
    "substeps = 2: .* that of normal noise, the limit": lambda: simulate(
        SGD(0.1), WELL, noise=NOISE, substeps=2, **RUN
    ),
    "substeps = 2: .* no SDE is known": lambda: simulate(
        Adam(0.1, second_moment="running"), WELL, noise=IsotropicNoise(1.0, law=Stable(1.5)), substeps=2, **RUN
    ),
    "deviation is of coordinates, which are not": lambda: simulate(SGD(0.1), TURNED, noise=Noise([1.0, 2.0]), **RUN),
    "which are not the eigenvectors of QuadraticSaddle": lambda: simulate(
        SGD(0.1), TURNED, noise=Noise(deviation_of_theta), **RUN
    ),
    r"deviation = \[1.0, -2.0\] must be 0 or more": lambda: Noise([1.0, -2.0]),
    "deviation is .*-1.0.* at the reference point": lambda: simulate(
        SGD(0.1), BOWL, noise=Noise(lambda x: -1.0), **RUN
    ),
    "goes by the noise's variance, which is infinite": lambda: simulate(
        Adam(0.01), WELL, noise=IsotropicNoise(1.0, law=Stable(1.5)), **RUN
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_assumes_normal_noise_or_other_coordinates_refuses(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


def test_torch_draws_the_same_law():
    """In one step from the minimum, where positions are draws; the mirrored law is rejected."""
    pytest.importorskip("torch")
    from diffusion import simulate_torch

    options = {"iterations": 1, "save": [1], "replicas": 20_000, "keep": "states"}
    ours, theirs = (
        run(SGD(ETA), BOWL, noise=IsotropicNoise(1.0, law=Skewed(0.5)), **options).position.values.ravel()
        for run in (simulate, simulate_torch)
    )
    assert stats.ks_2samp(ours, theirs).pvalue > SUITE_RATE
    assert stats.ks_2samp(ours, -theirs).pvalue < SUITE_RATE
