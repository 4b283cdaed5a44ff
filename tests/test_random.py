"""The counter-based generator: known answers, accuracy, quality of its normals, and what a draw depends on.

The quality tests have a full form in test_random_long.py. All tests here have fixed seeds.
"""

from typing import NamedTuple

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import special, stats

from diffusion.kernels.jit import jit
from diffusion.kernels.random import (
    NOISE,
    ROUNDS,
    START,
    box_muller,
    box_muller_32,
    draw_float32,
    draw_float64,
    normal_pair,
    philox,
)

# Philox4x32-7, from the known-answer tests that its authors publish: counter, key, output
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "5f6fb709 0d893f64 4f121f81 4f730a48"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "5207ddc2 45165e59 4d8ee751 8c52f662"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "4dfccaba 190a87f0 c47362ba b6b5242a"),
]
PRECISIONS = {"float64": (draw_float64, 2, np.uint64), "float32": (draw_float32, 4, np.uint32)}
both_precisions = pytest.mark.parametrize("precision", PRECISIONS)


def words(text):
    return [np.uint64(int(word, 16)) for word in text.split()]


def numpy_philox(counter, key, rounds=ROUNDS):
    """The generator in NumPy, on arrays, with any number of rounds."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1, c2, c3 = (np.asarray(word, np.uint64) for word in counter)
    k0, k1 = np.array([key], np.uint64) & low, np.array([key], np.uint64) >> half
    for _ in range(rounds):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ k0, p1 & low, (p0 >> half) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
    return c0, c1, c2, c3


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN)
def test_philox_gives_its_authors_known_answers(counter, key, output):
    low, high = words(key)
    key = low | high << np.uint64(32)
    assert [word & 0xFFFFFFFF for word in philox(*words(counter), key)] == words(output)
    assert [word[0] for word in numpy_philox(words(counter), key)] == words(output)


def draw(precision, seed, iteration, substep, group, replicas=1000, first=0):
    """Normals and the words that they came from, (2 or 4, replicas) each, as the kernels draw them."""
    function, width, word = PRECISIONS[precision]
    out, bits = np.empty((width, replicas), precision), np.empty((width, replicas), word)
    lanes = np.arange(first, first + replicas, dtype=np.uint64)
    at = [np.full(replicas, value, np.uint64) for value in (iteration, substep)]
    function(out, bits, np.uint64(seed), lanes, *at, np.uint64(group), width, replicas)
    return out, bits


SEED = 2**63 + 5  # both halves of the key count


@both_precisions
def test_kernels_draw_the_words_of_their_counters(precision):
    _, bits = draw(precision, SEED, iteration=3, substep=2, group=1)
    w = numpy_philox([np.arange(1000), np.full(1000, 3), np.full(1000, 2), np.full(1000, NOISE << 24 | 1)], SEED)
    if precision == "float64":
        w = (w[0] << np.uint64(32) | w[1], w[2] << np.uint64(32) | w[3])
    assert np.array_equal(bits, w)


def test_float64_draws_are_the_scalar_ones():
    """To rounding, relative to the pair's radius; none seen."""
    out, _ = draw("float64", SEED, iteration=3, substep=2, group=1)
    scalar = np.transpose([normal_pair(np.uint64(SEED), NOISE, r, 3, 2, 1) for r in range(1000)])
    assert np.all(abs(out - scalar) <= 5e-16 * np.hypot(*scalar))


# The transform


def numpy_box_muller(precision, first, second):
    """Normals in float64 by NumPy's functions from the bits that the transform uses, and their radius."""
    if precision == "float64":
        u, v = ((2**52 - (word >> np.uint64(12))) * 2.0**-52 for word in (first, second))
        angle = np.pi / 2 * (1 - v)
    else:
        # in float32, exactly as there: near 1 it rounds u
        u = ((first >> np.uint32(1)).astype(np.int32).astype(np.float32) + np.float32(0.5)) * np.float32(2**-31)
        angle = np.pi / 4 * (1 + second.view(np.int32) * 2.0**-31)
    radius = np.sqrt(-2 * np.log(u.astype(np.float64)))
    signs = [1.0 - 2 * (second >> k & 1) for k in (second.dtype.type(0), second.dtype.type(1))]
    return np.array([signs[0] * radius * np.cos(angle), signs[1] * radius * np.sin(angle)]), radius


@jit
def transform_float64(first, second):
    out = np.empty((2, len(first)))
    for k in range(len(first)):
        out[0, k], out[1, k] = box_muller(first[k], second[k])
    return out


@jit
def transform_float32(first, second):
    out = np.empty((2, len(first)), np.float32)
    for k in range(len(first)):
        out[0, k], out[1, k] = box_muller_32(first[k], second[k])
    return out


TRANSFORMS = {
    # relative to the pair's radius, 7.8e-16 and 2.9e-7 seen; the angle's error moves along the circle, whatever
    # the coordinate
    "float64": (transform_float64, np.uint64, 1.2e-15, 8.4904),
    "float32": (transform_float32, np.uint32, 4e-7, 6.6604),
}


@both_precisions
def test_transform_agrees_with_numpy(precision):
    """On random words, and on words whose size is spread over all magnitudes, near 0 and near the largest."""
    transform, word, bound, _ = TRANSFORMS[precision]
    bits, rng = np.iinfo(word).bits, np.random.default_rng(0)
    first, second = rng.integers(np.iinfo(word).max, size=(2, 300_000), dtype=word, endpoint=True)
    shift = rng.integers(bits, size=300_000).astype(word)
    for one, other in [
        (first, second),
        (first >> shift, second),
        (~(first >> shift), second),
        (first, second >> shift),
    ]:
        expected, radius = numpy_box_muller(precision, one, other)
        error = np.max(abs(transform(one, other) - expected)[:, radius > 0] / radius[radius > 0])
        print(f"{precision}: largest error over radius {error:.2g}")
        assert error < bound


@both_precisions
def test_draws_are_the_transform_of_their_words(precision):
    out, bits = draw(precision, SEED, iteration=3, substep=2, group=1)
    for k in range(0, len(bits), 2):
        expected, radius = numpy_box_muller(precision, bits[k], bits[k + 1])
        assert np.all(abs(out[k : k + 2] - expected) <= TRANSFORMS[precision][2] * radius)


@both_precisions
def test_largest_magnitude_is_as_documented(precision):
    """At the smallest uniform, 2^-52 or 2^-32, and an angle along an axis; the largest uniform gives 0."""
    transform, word, _, largest = TRANSFORMS[precision]
    # float64 takes its uniforms from the top down
    smallest, other = (np.iinfo(word).max, 0) if precision == "float64" else (0, np.iinfo(word).max)
    along = {"float64": 0, "float32": 2**31}[precision]
    x = transform(np.array([smallest, other], word), np.array([along, along], word))
    assert np.max(abs(x[:, 0])) == pytest.approx(largest, abs=1e-4)
    assert np.all(abs(x[:, 1]) < 1e-7)


# Quality. A block is (iteration, substep, coordinate, replica), with the counters of a run.

AXES = ("iteration", "substep", "coordinate", "replica")
SHAPE = (8, 2, 8, 4000)
BLOCKS = 32  # 1.6e7 normals
BINS = 2**16


def block(precision, seed, number):
    """All normals of the iterations 8 number + 1 to 8 number + 8."""
    function, width, word = PRECISIONS[precision]
    x, bits = np.empty(SHAPE, precision), np.empty((width, SHAPE[-1]), word)
    replica = np.arange(SHAPE[-1], dtype=np.uint64)
    for t in range(SHAPE[0]):
        iteration = np.full_like(replica, SHAPE[0] * number + t + 1)
        for k in range(SHAPE[1]):
            substep = np.full_like(replica, k)
            for group in range(SHAPE[2] // width):
                out = x[t, k, width * group :]
                function(out, bits, np.uint64(seed), replica, iteration, substep, np.uint64(group), width, len(replica))
    return x


class Row(NamedTuple):
    seen: float
    expected: float
    z: float
    p: float  # two-sided


def mean_row(total, n, expected=0.0, variance=1.0):
    z = (total / n - expected) / np.sqrt(variance / n)
    return Row(total / n, expected, z, 2 * stats.norm.sf(abs(z)))


def tail_row(count, n, level):
    p = 2 * stats.norm.sf(level)
    return Row(count, n * p, (count - n * p) / np.sqrt(n * p), stats.binomtest(count, n, p).pvalue)


def examine(blocks):
    """The statistics of blocks of normals, one at a time: moments, Kolmogorov-Smirnov, tails, neighbours.

    Products of neighbours have variance 1 and no correlation with each other. Tail counts have an exact test. The
    Kolmogorov-Smirnov distance is looked up at BINS points only, so it errs to the safe side.
    """
    n, powers, bins, beyond = 0, np.zeros(8), np.zeros(BINS + 1), dict.fromkeys((4, 5, 6), 0)
    pairs, products = dict.fromkeys(AXES, 0), {(name, axis): 0.0 for axis in AXES for name in ("x", "x^2")}
    for x in blocks:
        x = x.astype(np.float64)
        n += x.size
        power = np.ones_like(x)
        for k in range(8):
            power *= x
            powers[k] += power.sum()
        bins += np.bincount((special.ndtr(x).ravel() * BINS).astype(np.int64), minlength=BINS + 1)
        for level in beyond:
            beyond[level] += np.count_nonzero(abs(x) > level)
        for name, y in (("x", x), ("x^2", (x * x - 1) / np.sqrt(2))):
            for k, axis in enumerate(AXES):
                y_along = np.moveaxis(y, k, 0)
                products[name, axis] += np.sum(y_along[1:] * y_along[:-1])
        for k, axis in enumerate(AXES):
            pairs[axis] += x.size // x.shape[k] * (x.shape[k] - 1)
    rows = {}
    for k in range(1, 9):
        moment, variance = stats.norm.moment(k), stats.norm.moment(2 * k) - stats.norm.moment(k) ** 2
        rows[f"moment {k}"] = mean_row(powers[k - 1], n, moment, variance)
    distance = np.max(abs(np.cumsum(bins[:-1]) / n - np.arange(1, BINS + 1) / BINS)) * np.sqrt(n)
    mean_distance = np.sqrt(np.pi / 2) * np.log(2)
    rows["KS"] = Row(distance, mean_distance, np.nan, stats.kstwobign.sf(distance))
    rows |= {f"beyond {level}": tail_row(count, n, level) for level, count in beyond.items()}
    rows |= {f"{name} along {axis}": mean_row(total, pairs[axis]) for (name, axis), total in products.items()}
    return n, rows


def rate(rows):
    """For each row, so that a set of rows holds to SUITE_RATE; half is left for the skewness of x^8."""
    return SUITE_RATE / 2 / len(rows)


@pytest.fixture(scope="module")
def examined():
    return {precision: examine(block(precision, 1, b) for b in range(BLOCKS)) for precision in PRECISIONS}


@both_precisions
def test_normals_are_standard_and_independent(examined, precision):
    """A scale off by 1.2e-3 or a correlation of 2.4e-3 would be missed one time in ten or less."""
    _, rows = examined[precision]
    assert {name: row for name, row in rows.items() if row.p < rate(rows)} == {}


def test_tail_beyond_5_pooled_over_precisions(examined):
    """18.8 expected: a tail that ends at 5 is rejected."""
    n = sum(n for n, _ in examined.values())
    assert tail_row(sum(rows["beyond 5"].seen for _, rows in examined.values()), n, 5).p > SUITE_RATE
    assert tail_row(0, n, 5).p < SUITE_RATE


def repeated(axis):
    """Neighbours along an axis share a counter."""
    return lambda x: np.repeat(x.take(np.arange(0, x.shape[axis], 2), axis), 2, axis)


def repeated_magnitude(axis):
    return lambda x: repeated(axis)(x) * np.random.default_rng(0).choice([-1, 1], x.shape)


# name: (what is done to right draws, the row that must see it, blocks)
WRONG = {
    "scaled by 1.002": (lambda x: 1.002 * x, "moment 2", BLOCKS),
    "shifted by 0.01": (lambda x: x + 0.01, "moment 1", 1),
    "rounded to 1/16": (lambda x: np.round(16 * x) / 16, "KS", 1),
    "cut at 4": (lambda x: np.clip(x, -4, 4), "beyond 4", 1),
    "stretched beyond 4": (lambda x: np.where(abs(x) > 4, 1.25 * x, x), "beyond 5", 1),
    "stretched beyond 4.5": (lambda x: np.where(abs(x) > 4.5, 1.5 * x, x), "beyond 6", 1),
}
WRONG |= {f"same along {axis}": (repeated(k), f"x along {axis}", 1) for k, axis in enumerate(AXES)}
WRONG |= {f"same size along {axis}": (repeated_magnitude(k), f"x^2 along {axis}", 1) for k, axis in enumerate(AXES)}


@both_precisions
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_normals_are_rejected(wrong, precision):
    change, name, count = WRONG[wrong]
    _, rows = examine(change(block(precision, 1, b)) for b in range(count))
    assert rows[name].p < rate(rows)


def numpy_block(precision, rounds):
    """`block(precision, 1, 0)` in NumPy, with any number of rounds."""
    width = PRECISIONS[precision][1]
    sizes = SHAPE[0], SHAPE[1], SHAPE[2] // width, SHAPE[3]
    t, k, group, r = np.meshgrid(*map(np.arange, sizes), indexing="ij")
    w = numpy_philox([r, t + 1, k, NOISE << 24 | group], 1, rounds)
    if precision == "float64":
        x = numpy_box_muller(precision, w[0] << np.uint64(32) | w[1], w[2] << np.uint64(32) | w[3])[0]
    else:
        w = [word.astype(np.uint32) for word in w]
        x = np.concatenate([numpy_box_muller(precision, *w[:2])[0], numpy_box_muller(precision, *w[2:])[0]])
    return np.moveaxis(x, 0, 3).reshape(SHAPE)


@both_precisions
def test_too_few_rounds_are_rejected(precision):
    """Even 6: iterations that differ in their last bit are then correlated over replicas. The right number is not."""
    assert np.max(abs(numpy_block(precision, ROUNDS) - block(precision, 1, 0))) < 2e-6
    for rounds in (2, 6):
        _, rows = examine([numpy_block(precision, rounds)])
        assert rows["x along iteration"].p < rate(rows), rounds


# What a draw depends on


@both_precisions
def test_a_draw_depends_on_every_index(precision):
    base = {"seed": 7, "iteration": 1, "substep": 1, "group": 1, "first": 1}
    changed = [base | {name: value} for name in base for value in (0, 2)]
    changed += [base | {"seed": 7 + 2**32}, base | {"first": 2**31 + 1}, base | {"iteration": 2**31 + 1}]
    # words: two normals in float32 may be equal by chance
    drawn = [draw(precision, **indices, replicas=1)[1] for indices in [base, *changed]]
    assert len(np.unique(drawn)) == np.size(drawn)
    again, among_others = draw(precision, **base, replicas=2), draw(precision, **base | {"first": 0}, replicas=78)
    assert np.array_equal(again[1][:, :1], drawn[0])
    assert np.array_equal(among_others[0][:, 1:3], again[0])


def test_streams_differ():
    assert normal_pair(np.uint64(7), NOISE, 1, 1, 1, 1) != normal_pair(np.uint64(7), START, 1, 1, 1, 1)
