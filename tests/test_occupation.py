"""Which valley is occupied in the long run: closed forms of a parabola, published values of two valleys, bad input."""

import numpy as np
import pytest
from scipy import stats

import theory
from diffusion import SGD, HessianNoise, Motion, TripleParabola

ONE = {"minima": (-1.0, 1.0), "saddle": 0.3}  # a parabola has no saddle: where it is parted is enough


def valleys(lr, height=1.0):
    """A sharp valley below a flat one, and arguments of both functions."""
    landscape = TripleParabola((height, height), (4 * height, height), 4 * height, 1)
    known = {"minima": landscape.minima, "saddle": landscape.saddle, "breaks": landscape.switches}
    return Motion(SGD(lr), landscape, HessianNoise(1, "piecewise")), known


def parted(variance):
    law = stats.norm(0, np.sqrt(variance))
    return law.sf(0.3) / law.cdf(0.3)


def test_a_parabola_is_parted_as_its_normal_law():
    found = theory.occupation_ratio(lambda x: 2 * x, 0.5, **ONE)
    assert found == pytest.approx(parted(0.25), rel=1e-10)


@pytest.mark.parametrize("lr", [0.2, 1.0, 1.8])
@pytest.mark.parametrize("substeps", [1, 3])
def test_whole_steps_in_a_parabola_have_their_own_normal_law(lr, substeps):
    """``lr C/(2 - lr)``, which is ten times the SDE's at lr = 1.8."""
    found = theory.discrete_occupation_ratio(lambda x: x, 0.6, lr=lr, substeps=substeps, **ONE)
    step = lr / substeps
    assert found == pytest.approx(parted(lr * 0.36 / (2 - step)), rel=1e-8)


@pytest.mark.parametrize(("lr", "ratio"), [(0.4, 78.0209), (0.1, 647076.0)])
def test_published_ratios_of_a_sharp_and_a_flat_valley(lr, ratio):
    """Times H_a/H_c to the power p of the convention; the height alone changes nothing, as noise grows with it."""
    motion, known = valleys(lr, height=0.3)
    ratios = [
        theory.occupation_ratio(motion.pull, motion.diffusion, convention=convention, **known)
        for convention in ("ito", "stratonovich", "isothermal")
    ]
    assert ratios[0] == pytest.approx(ratio, rel=1e-6)
    assert ratios == pytest.approx([ratio, ratio / 2, ratio / 4], rel=5e-3)


def test_mirrored_valleys_have_the_inverse_ratio_and_equal_ones_are_equally_occupied():
    motion, known = valleys(0.4, height=0.1)
    there = {"minima": tuple(-x for x in known["minima"][::-1]), "saddle": -known["saddle"]}
    there["breaks"] = [-x for x in known["breaks"]]
    forth = theory.discrete_occupation_ratio(motion.pull, motion.deviation, lr=0.4, tolerance=1e-6, **known)
    back = theory.discrete_occupation_ratio(
        lambda x: -motion.pull(-x), lambda x: motion.deviation(-x), lr=0.4, tolerance=1e-6, **there
    )
    assert forth * back == pytest.approx(1, rel=1e-5)
    equal = theory.discrete_occupation_ratio(
        lambda x: x**3 - x, 0.5, lr=0.3, minima=(-1.0, 1.0), saddle=0.0, tolerance=1e-6
    )
    assert equal == pytest.approx(1, rel=1e-5)


def test_hops_too_rare_for_rounding_are_refused():
    """A sharp valley of 50 temperatures."""
    motion, known = valleys(0.01, height=5.0)
    with pytest.raises(ValueError, match="is crossed too rarely for the chain's integral"):
        theory.discrete_occupation_ratio(motion.pull, motion.deviation, lr=0.01, **known)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"saddle": 2.0}, r"saddle = 2.0 is not between minima = \(-1.0, 1.0\)"),
        ({"lr": 0.0}, "lr = 0.0 must be"),
        ({"substeps": 0}, "substeps = 0 must be a whole number >= 1"),
        ({"lr": 2.5}, "lr = 2.5: nothing confines the valleys, as where steps are unstable"),
        ({"deviation": -1.0}, "deviation = -1.0 must be"),
    ],
)
def test_bad_input(changes, message):
    known = {"deviation": 0.6, "lr": 0.5} | ONE | changes
    with pytest.raises(ValueError, match=message):
        theory.discrete_occupation_ratio(lambda x: x, **known)
