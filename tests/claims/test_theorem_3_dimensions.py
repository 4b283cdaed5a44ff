"""Theorem 3 in n dimensions: references of the paths, and what the claim says of them."""

import numpy as np
import pytest

import theory
from experiments.claims.theorem_3_dimensions import DAMPED, TIME, claim
from experiments.problems import passes
from experiments.problems.passes import OF_HESSIAN, Plane, bent, channel
from experiments.referee import Routes


@pytest.mark.parametrize(
    ("way", "action", "factor"),
    [
        (bent(0.0), 0.125, 1.0),
        (channel(2, 8), 0.125, 2.0),  # C is 2 in all directions: Eyring and Kramers
        (channel(8, 32), 0.125, 14.309),
    ],
    ids=lambda each: getattr(each, "title", str(each)),
)
def test_directions_across_a_way_change_the_prefactor_alone(way, action, factor):
    assert way.least.action == pytest.approx(action, rel=1e-6)
    assert passes.across(way) == pytest.approx(factor, rel=1e-3)


def test_a_bent_way_has_less_exponent_than_its_barrier_and_hessians_tell():
    way = bent(0.5)
    assert way.least.action == pytest.approx(0.07127, abs=5e-6)
    assert way.prefactor == pytest.approx(5.170, rel=1e-3)
    assert (
        [each.tolist() for each in way.curvatures]
        == [[2, 8], [-1, 8]]
        == [each.tolist() for each in bent(0).curvatures]
    )
    assert way.inertial(passes.mass(1.0, 1.0) * np.ones(2)).action < way.least.action
    one = theory.momentum_escape_time  # whose exponent is SGD's
    known = way.stated | {"mass": 1.0, "damping": 1.0, "clock": "dynamical"}
    times = one(lr=np.array([0.2, 0.1]), **known)
    assert np.log(times[1] / times[0]) / (20 - 10) == pytest.approx(0.125)


def test_noise_that_jumps_on_the_way_is_that_of_the_theorem():
    way = channel(4, 8, noise=OF_HESSIAN)
    assert way.stated["split"] == pytest.approx(4 / 9)
    assert way.least.action == pytest.approx(0.25 * (4 / 9 / 2 + 5 / 9), rel=1e-4)
    assert way.covariance(np.array([[-1.0, 0.3], [0.0, 0.3]])).tolist() == [[[2, 0], [0, 4]], [[1, 0], [0, 8]]]


def test_a_plane_is_left_by_its_nearest_point_and_not_that_of_least_loss():
    plane = Plane((1.0, 4.0))
    assert plane.action == pytest.approx(0.5, rel=1e-6)
    climb = plane.stated["barrier"] / plane.stated["hessian_minimum"]
    assert climb == pytest.approx(0.5 * plane.lowest @ plane.lowest) == pytest.approx(0.68)
    limit, rate = plane.rates(1 / 40)
    assert rate == pytest.approx(limit, rel=0.1)


def test_the_claim_tells_how_far_exponents_and_prefactors_are_off(quick_routes):
    evidence = claim.tried(quick_routes)
    assert not any(piece.why_missing for piece in evidence)
    verdicts = {verdict.subject: verdict for verdict in claim.verdicts(evidence)}
    assert [verdicts[name].level for name in ("SGD", "Momentum", "Adai", "Adam")] == ["in part", "off", "off", "off"]
    values = {finding.name: finding.value for finding in verdicts["SGD"].findings}
    assert values["exponent, valley bent by 0.5"] == pytest.approx(0.125 / 0.07127, rel=1e-4)
    assert values["100 directions, channel, curvature 2 to 2.1 across"] == pytest.approx(1 / 11.4, rel=0.01)
    towards = [value for name, value in values.items() if name.startswith("grid over transport")]
    assert towards == pytest.approx([1, 1], abs=0.03)
    (times,) = (piece for piece in evidence if piece.quantity == TIME)
    assert (times.measured["simulated"].p_value()[times.measured["simulated"].tested] > 1e-4).all()


@pytest.mark.long
def test_ensembles_with_inertia_reject_the_formulas_exponent_and_do_not_that_of_least_action():
    (momentum,) = (piece for piece in claim.evidence(Routes(12288, 1)) if piece.subject == "Momentum")
    row = momentum.where(**{DAMPED: 0.5}).isel(row=1)
    assert row["simulated_high"] < row["paper"]
    assert row["simulated_low"] / 1.1 < row["exact"] < 1.1 * row["simulated_high"]


@pytest.mark.long
def test_torch_leaves_a_bent_valley_as_the_compiled_optimizer_does_and_not_as_the_sde():
    """In a full run; whole steps leave twice as fast as the SDE."""
    pytest.importorskip("torch")
    pieces = claim.evidence(Routes(4096, 1024, size="full"))
    (times,) = (piece for piece in (next(pieces), next(pieces)) if piece.quantity == TIME)
    torch = times.measured["torch"]
    assert torch.p_value()[torch.tested] > 1e-6
    row = times.data.isel(row=int(np.argmax(torch.tested)))
    assert row["torch_high"] < 0.6 * row["exact"]
