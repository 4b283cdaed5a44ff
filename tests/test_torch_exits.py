"""Exits of the torch optimizers: under a noise model like our own ensembles', and on real minibatches."""

import numpy as np
import pytest
from conftest import SUITE_RATE
from scipy import stats

from diffusion import (
    SGD,
    Adam,
    Box,
    CoupledLandscape,
    DoubleParabola,
    HalfSpace,
    HessianNoise,
    IsotropicNoise,
    Momentum,
    Radius,
    escape_rate,
    exit_times,
)

torch_exits = pytest.importorskip("diffusion.torch_exits")
exit_times_torch = torch_exits.exit_times_torch

WELL = DoubleParabola(barrier=0.235, hessian_minimum=1.0, hessian_saddle=4.0, dimension=1)


def run(dynamics=SGD(0.2), landscape=WELL, **changed):  # noqa: B008 (frozen)
    arguments = {
        "noise": HessianNoise(1, "piecewise"),
        "boundary": WELL.saddle,
        "max_iterations": 20_000,
        "replicas": 3000,
    } | changed
    return exit_times_torch(dynamics, landscape, **arguments)


@pytest.mark.parametrize("dynamics", [SGD(0.2), Momentum(0.02, 0.9, "heavy-ball")], ids=repr)
def test_torch_leaves_as_often_as_our_ensemble(dynamics):
    """Two samples of 3,000 exits at the suite's false-positive rate; a boundary half as far again is told apart."""
    ours = exit_times(
        dynamics, WELL, noise=HessianNoise(1, "piecewise"), boundary=WELL.saddle, max_iterations=20_000, replicas=3000
    )
    farther = run(dynamics, boundary=1.5 * WELL.saddle)
    error, bound = np.sqrt(2 / 3000), stats.norm.isf(SUITE_RATE / 2)
    z = np.log(escape_rate(run(dynamics))["rate"] / escape_rate(ours)["rate"]) / error
    assert abs(float(z)) < bound
    assert abs(float(np.log(escape_rate(farther)["rate"] / escape_rate(ours)["rate"]))) / error > bound


def bowl_loss(x, lane):
    return 0.5 * (x[0, lane] ** 2 + x[1, lane] ** 2) + 0.5 * x[0, lane] * x[1, lane]


def bowl_gradient(x, j, lane):
    return x[j, lane] + 0.5 * x[1 - j, lane]


@pytest.mark.long
def test_coupled_coordinates_leave_any_region_as_often_as_in_our_ensemble():
    """Rates, and which part is left, of a half-space or two ends; of another part alone they are told apart."""
    bowl, dynamics = CoupledLandscape(bowl_loss, bowl_gradient, dimension=2), Momentum(0.2, 0.5)
    region = HalfSpace([1.0, 1.0], 1.5) | Box((-1.4, None), (1.6, None))
    options = {"noise": IsotropicNoise(2.0), "max_iterations": 5000, "replicas": 2000, "positions": True}
    ours = exit_times(dynamics, bowl, boundary=region, **options)
    theirs, other = (exit_times_torch(dynamics, bowl, boundary=one, **options) for one in (region, Radius(2.5)))
    bound = stats.norm.isf(SUITE_RATE / 2)
    z, far = (
        np.log(escape_rate(one)["rate"] / escape_rate(ours)["rate"]) / np.sqrt(2 / 2000) for one in (theirs, other)
    )
    assert abs(float(z)) < bound < abs(float(far))
    counts = [np.unique(found["exit_part"], return_counts=True)[1] for found in (ours, theirs)]
    assert stats.chi2_contingency(counts).pvalue > SUITE_RATE
    for found in (ours, theirs):
        place, part = found["exit_position"].values, found["exit_part"].values
        np.testing.assert_array_equal(part == 0, place.sum(axis=1) > 1.5)
        np.testing.assert_array_equal(found["exit_side"], np.where(part == 0, 0, np.sign(place[:, 0])))


def test_first_step_is_iteration_one_and_same_seed_same_exits():
    far = run(SGD(1.9), boundary=1e-3, replicas=50, seed=3)
    assert far["exit_iteration"].min() == 1
    again = run(SGD(1.9), boundary=1e-3, replicas=50, seed=3)
    np.testing.assert_array_equal(far["exit_iteration"], again["exit_iteration"])


def test_censored_runs_are_counted():
    found = run(max_iterations=5, replicas=20, boundary=10.0)
    assert not found["exited"].any()
    assert found["exit_iteration"].isnull().all()
    assert (found["exit_coordinate"] == -1).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"boundary": 0.0}, "boundary = 0.0 is where the start is"),
        ({"dynamics": Adam(0.1)}, "second_moment = 'frozen': torch ships only the running second moment"),
        ({"max_iterations": 0}, "max_iterations = 0 must be a whole number >= 1"),
    ],
)
def test_bad_input(changed, message):
    with pytest.raises(ValueError, match=message):
        run(**changed)
