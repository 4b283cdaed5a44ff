"""Landscapes from one formula, and built-in ones in several coordinates: derivatives, published values, bad input."""

import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

from diffusion import (
    SGD,
    Channel,
    CurvedValley,
    HalfSpace,
    IsotropicNoise,
    Landscape,
    Momentum,
    MuellerBrown,
    StyblinskiTang,
    exit_times,
)
from diffusion.descents import polished

TANG = "(x**4 - 16*x**2 + 5*x)/2"
BENT = "(x**2 - 1)**2/4 + 4*(y - 0.5*(1 - x**2)**2)**2"
MANY = "exp(-x**2)*sin(x*y) + sqrt(1 + y**2) + log(2 + x**2)*tanh(y) + cosh(x/3) + 2**(x - y) + atan(x)/(1 + z**2)"
U, V = "(0.8660254037844386*x + 0.5*y)", "(0.8660254037844386*y - 0.5*x)"  # x and y, turned by -30 degrees


def test_a_formula_has_the_derivatives_of_the_landscape_it_stands_for():
    """Styblinski-Tang in one coordinate and, by both kinds of names, in two: to rounding."""
    in_two = [" + ".join(TANG.replace("x", name) for name in names) for names in ("xy", ("x0", "x1"))]
    for text, d in ((TANG, 1), (in_two[0], 2), (in_two[1], 2)):
        written, same = Landscape.from_expression(text), StyblinskiTang(d)
        x = np.random.default_rng(0).normal(0, 2, (2, 7, d))
        for name in ("loss", "gradient", "hessian_diagonal"):
            np.testing.assert_allclose(getattr(written, name)(x), getattr(same, name)(x), rtol=1e-13, atol=1e-12)
        np.testing.assert_allclose(written.hessian_matrix(x[0, 0]), same.hessian_matrix(x[0, 0]), rtol=1e-13)
        np.testing.assert_allclose(written.reference, -2.903534027771177, rtol=1e-15)


def test_a_formula_of_one_coordinate_finds_its_saddle_and_inflections():
    written, same = Landscape.from_expression(TANG, reference=2.7468027709908369), StyblinskiTang(1)
    np.testing.assert_allclose(written.next_saddle(), same.next_saddle(), rtol=1e-12)
    for name in ("switches", "curvatures"):
        np.testing.assert_allclose(getattr(written.pieces(), name), getattr(same.pieces(), name), rtol=1e-12)
    assert written.valley.split == pytest.approx(same.valley.split, rel=1e-12)
    with pytest.raises(ValueError, match="tells no saddle next to its minimum along a coordinate"):
        CurvedValley().next_saddle()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Landscape.from_expression(MANY, reference=0.5),
        lambda: CurvedValley(0.7),
        lambda: Channel(2, 8, 2),
        MuellerBrown,
    ],
    ids=["every function", "CurvedValley", "Channel", "MuellerBrown"],
)
@pytest.mark.filterwarnings("ignore:reference .* is no critical point")
def test_gradient_and_hessian_are_the_derivatives_of_the_loss(make):
    landscape = make()
    d = landscape.dimension
    for theta in landscape.reference + np.random.default_rng(1).normal(0, 0.4, (5, d)):
        shifts = 1e-5 * np.eye(d)
        slope = (landscape.loss(theta + shifts) - landscape.loss(theta - shifts)) / 2e-5
        np.testing.assert_allclose(landscape.gradient(theta), slope, rtol=1e-6, atol=1e-5)
        bend = (landscape.gradient(theta + shifts) - landscape.gradient(theta - shifts)) / 2e-5
        np.testing.assert_allclose(landscape.hessian_matrix(theta), bend, rtol=1e-6, atol=1e-5)
        np.testing.assert_allclose(landscape.hessian_diagonal(theta), np.diag(bend), rtol=1e-6, atol=1e-5)


def test_mueller_brown_has_its_published_critical_points():
    published = {
        (-0.558223634633024, 1.441725841804669): -146.699517209954,
        (-0.050010822998206, 0.466694104871972): -80.767818129659,
        (0.623499404930877, 0.028037758528686): -108.166724116852,
        (-0.822001558732732, 0.624312802814871): -40.664843508657,
        (0.212486582000662, 0.292988325107368): -72.248940112325,
    }
    landscape = MuellerBrown()
    for point, loss in published.items():
        np.testing.assert_allclose(polished(landscape, np.round(point, 2)), point, atol=1e-12)
        np.testing.assert_allclose(landscape.loss(point), loss, rtol=1e-12)
    np.testing.assert_allclose(landscape.reference, next(iter(published)), atol=1e-13)


def test_a_bent_valley_and_a_channel_have_the_hessians_that_their_names_say():
    for c in (0.0, 0.5, -2.0):
        valley = CurvedValley(c)
        assert valley.basis.tolist() == np.eye(2).tolist()
        np.testing.assert_allclose(valley.hessian, [2, 8])
        np.testing.assert_allclose(valley.hessian_matrix([0.0, c]), np.diag([-1, 8]), atol=1e-14)
        np.testing.assert_allclose(valley.gradient([[-1.0, 0.0], [0.0, c], [1.0, 0.0]]), 0, atol=1e-14)
        np.testing.assert_allclose(valley.loss([0.0, c]) - valley.loss([-1.0, 0.0]), 0.25)
    channel = Channel(4, 9, 3)
    np.testing.assert_allclose(channel.hessian, [2, 4, 4, 4])
    np.testing.assert_allclose(channel.hessian_matrix(np.zeros(4)), np.diag([-1, 9, 9, 9]), rtol=1e-15)
    across = np.log(2.25)
    written = Landscape.from_expression(f"x0**4/4 - x0**2/2 + 2*exp({across}*(1 - x0**2))*(x1**2 + x2**2 + x3**2)")
    x = np.random.default_rng(0).normal(size=(6, 4))
    for name in ("loss", "gradient", "hessian_diagonal"):
        np.testing.assert_allclose(getattr(channel, name)(x), getattr(written, name)(x), rtol=1e-12)


HOSTILE = [
    *["__import__('os').system('touch hacked')", "x.__class__.__mro__", "(lambda: x)()", "eval('x')", "open('hacked')"],
    *["[x for x in (1,)]", "x if x else 0", "x[0]", "f'{x}'", "(x := 3)", "x @ x", "~x", "x == 1", "True*x", "1j*x"],
    *["'x'", "x\0", "...", "9**9**9", "x**9**9**9", "x**99999", "x*10**400", "10**300*x*10**300", "1e999*x"],
    *["exp(exp(exp(1000)))*x", "9" * 5000 + "*x", "x" * 30_000, "(" * 500 + "x" + ")" * 500, "x+" * 4999 + "x"],
    *["((((x**9)**9)**9)**9)**9", "exp(*x)", "exp(x=x)", "exp(x, x)", "", "import os"],
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
def test_no_text_is_run_or_takes_long(text):
    began = time.process_time()
    with pytest.raises(ValueError, match=r"^text = "):
        Landscape.from_expression(text)
    assert time.process_time() - began < 1
    assert not Path("hacked").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("abs(x)", "abs is no smooth function"),
        ("Piecewise((x, x > 0))", "Piecewise is no smooth function"),
        ("floor(x)", "floor is no smooth function"),
        ("max(x, 0)", "max is no smooth function"),
        ("sqrt(x**2)", "Abs appears in it: it is complex, infinite or no smooth function"),
        ("sinn(x)", "sinn is no function that is known here; did you mean sin?"),
        ("foo + x", "foo is no coordinate"),
        ("x + z", "it does not depend on y, but on x, z"),
        ("x0 + x2", "it does not depend on x1, but on x0, x2"),
        ("x + x0", "coordinates are x, y, z or x0, x1, ..., not both"),
        ("x**2 + y - y", "it does not depend on y"),
        ("3", "it has no coordinate"),
        ("x/0", "'x/0' divides by 0"),
        ("sqrt(-1)*x", "'sqrt(-1)' is complex or infinite"),
        ("(-2)**x", "'(-2)**x' is complex for some positions"),
        ("x^2", "'x^2' is not allowed: a power is written **"),
        ("2x", "is no formula: invalid decimal literal"),
        ("log(x) + 1/x", "no minimum was found downhill of the origin"),
        ("-x**2", "no minimum was found downhill of the origin"),
        ("exp(x)", "no minimum was found downhill of the origin: from [-0.001] it runs away"),
        ("x**2 + exp(-y)", "no minimum was found downhill of the origin"),
        ("log(1 + exp(x))", "no minimum was found downhill of the origin: from [-0.001] it runs away"),
    ],
)
def test_what_is_no_smooth_function_of_its_names_is_refused_with_the_place(text, told):
    with pytest.raises(ValueError, match=r"^text = ") as refused:
        Landscape.from_expression(text)
    assert told in str(refused.value)


def test_a_formula_may_go_over_several_lines():
    text = """
        x**2  # along
        + y**2/2  # across
    """
    np.testing.assert_array_equal(Landscape.from_expression(text).hessian, [2, 1])


def test_a_reference_is_finite_and_a_critical_point():
    for text, reference in (
        ("x*log(x) + x**1.5", -1.0),
        ("exp(x**2)", 40.0),
        ("1/x + x", 0.0),
        ("(x**2 + y**2)**0.5", 0.0),
    ):
        with pytest.raises(
            ValueError, match="the loss or a derivative is complex or infinite; give a reference= where it is smooth"
        ):
            Landscape.from_expression(text, reference=reference)
    assert Landscape.from_expression("x*log(x) - x", reference=1.0).hessian.tolist() == [1.0]
    with pytest.warns(RuntimeWarning, match=r"reference = \[0.5, 0.0\] is no critical point"):
        Landscape.from_expression(BENT, reference=[0.5, 0.0])
    with pytest.raises(ValueError, match="reference has 3 entries; give one number or 2"):
        Landscape.from_expression(BENT, reference=[1, 2, 3])


def test_a_formula_is_written_and_pickled_by_its_text():
    bent = Landscape.from_expression(BENT, reference=np.array([1.0, 0.0]))
    assert repr(bent) == f"Landscape.from_expression({BENT!r}, reference=[1.0, 0.0])"
    assert repr(Landscape.from_expression(BENT)) == f"Landscape.from_expression({BENT!r})"
    again = pickle.loads(pickle.dumps(bent))
    assert repr(again) == repr(bent)
    assert again.formulas.gradient is bent.formulas.gradient  # so that it is compiled once
    assert repr(CurvedValley()) == "CurvedValley(c=0.5)"


def plain_exits(landscape, lr, beta, variance, start, boundary, replicas, iterations):
    """Exit iterations of Momentum in EMA style, or the last, by NumPy alone: all replicas side by side."""
    rng, out = np.random.default_rng(0), []
    x, m = np.tile(start, (replicas, 1)), np.zeros((replicas, len(start)))
    for iteration in range(1, iterations + 1):
        m = beta * m + (1 - beta) * (landscape.gradient(x) + np.sqrt(variance) * rng.normal(size=x.shape))
        x = x - lr * m
        inside = x @ boundary.normal <= boundary.offset
        out += [iteration] * np.count_nonzero(~inside)
        x, m = x[inside], m[inside]
    return out + [iterations] * len(x)


@pytest.mark.long
def test_exits_from_mueller_brown_are_those_of_a_plain_loop():
    """From the shallow minimum beyond the lower saddle, by rank at SUITE_RATE; a loop with less noise is told apart."""
    landscape, start, boundary = MuellerBrown(), [-0.05, 0.467], HalfSpace([0.83, -0.55], 0.05)
    settings = {"boundary": boundary, "max_iterations": 1000, "replicas": 4000, "seed": 1}
    found = exit_times(Momentum(2e-4, 0.5), landscape, noise=IsotropicNoise(8e4), start=start, **settings)
    for variance, right in ((8e4, True), (6e4, False)):
        plain = plain_exits(landscape, 2e-4, 0.5, variance, start, boundary, 1000, 1000)
        assert (stats.mannwhitneyu(found["exit_iteration"].fillna(1000), plain).pvalue > SUITE_RATE) == right


def test_a_landscape_that_is_turned_is_left_at_the_same_rate():
    """Styblinski-Tang, turned by 30 degrees, against a plain loop that is not, by rank at SUITE_RATE."""
    text = " + ".join(TANG.replace("x", name) for name in (U, V))
    turn = np.array([[np.cos(np.pi / 6), np.sin(np.pi / 6)], [-np.sin(np.pi / 6), np.cos(np.pi / 6)]])  # to (u, v)
    wells, side = StyblinskiTang(2), HalfSpace([-1.0, 0.0], 0.0)
    turned = Landscape.from_expression(text, reference=wells.reference @ turn)
    settings = {"boundary": HalfSpace(-turn[0], 0.0), "max_iterations": 1000, "replicas": 4000, "seed": 1}
    for dynamics, beta in ((SGD(0.03), 0.0), (Momentum(0.03), 0.9)):
        found = exit_times(dynamics, turned, noise=IsotropicNoise(333), **settings)["exit_iteration"].fillna(1000)
        for variance, right in ((333, True), (250, False)):
            plain = plain_exits(wells, 0.03, beta, variance, wells.reference, side, 1000, 1000)
            assert (stats.mannwhitneyu(found, plain).pvalue > SUITE_RATE) == right
