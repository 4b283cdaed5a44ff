"""Several minima as a network: balls that are entered, rates with intervals, and what follows from rates."""

import numpy as np
import pytest

from diffusion import (
    SGD,
    Ball,
    HessianNoise,
    TripleParabola,
    escape_prospect,
    exit_times,
    rare_escape_rate,
    rates_between_minima,
)
from diffusion.edges import edge_of
from diffusion.transitions import mean_times, occupation
from experiments.problems.exact import Motion

PLANE = TripleParabola((0.15, 0.15), (0.1, 0.05), 0.1, 2)  # the first landscape of the claim on which minimum
NOISE = HessianNoise(1, "piecewise")
BOX = [[-4.0, 9.0]] * 2


def rates(landscape=PLANE, **changed):
    return rates_between_minima(
        SGD(1.0), landscape, **{"noise": NOISE, "box": BOX, "max_iterations": 10**6, "replicas": 400} | changed
    )


def test_a_network_s_occupation_and_mean_times_solve_its_equations():
    """The stationary state's balance, and first steps; a reversible ring of rates apart by 40 orders of magnitude."""
    k = np.random.default_rng(0).gamma(1.0, size=(3, 4, 4))
    k[:, range(4), range(4)] = 0.0
    shares, times = occupation(k), mean_times(k)
    np.testing.assert_allclose((shares[..., None] * k).sum(axis=-2), shares * k.sum(axis=-1))
    ahead = 1 + np.einsum("nij,njk->nik", k, times)
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose((k.sum(axis=-1)[..., None] * times)[:, off], ahead[:, off])
    weights = np.array([1.0, 1e-20, 1e-40])
    np.testing.assert_allclose(occupation(np.sqrt(weights / weights[:, None])), weights, rtol=1e-12)


def test_rates_of_independent_coordinates_are_those_of_one():
    """Exact mean times to the minimum itself, of the SDE; a step of 0.1 and constant rates are good to 10 %."""
    found = rates()
    motion = Motion(SGD(1.0), TripleParabola((0.15, 0.15), (0.1, 0.05), 0.1, 1), NOISE)
    low, high = PLANE.minima
    up, down = (motion.passage(*ends).rate for ends in ((low, high), (high, low)))
    np.testing.assert_allclose(found["position"], [[low, low], [low, high], [high, low], [high, high]])
    flat = up / (up + down)
    expected = [(1 - flat) ** 2, flat * (1 - flat), flat * (1 - flat), flat**2]
    np.testing.assert_allclose(found["occupation"], expected, rtol=0.3)
    inside = (found["occupation_low"] < found["occupation"]) & (found["occupation"] < found["occupation_high"])
    assert inside.all()
    assert found["occupation"].sum() == pytest.approx(1.0)
    assert (found["mean_time_low"][0, 3] < found["mean_time"][0, 3] < found["mean_time_high"][0, 3]).item()
    for start, into, rate in ((1, 3, up), (3, 1, down)):
        spread = 5 / np.sqrt(found["transitions"][start, into].item())
        assert found["rate"][start, into].item() == pytest.approx(rate, rel=0.1 + spread)
    total = found["transitions"].sum("into")
    assert total.values.tolist() == [400] * 4
    np.testing.assert_allclose(found["fraction"].sum("into"), 1.0)
    rate = found["rate"].isel(minimum=3, into=1).item()
    assert found["rate_low"].values[3, 1] < rate < found["rate_high"].values[3, 1]
    assert found.attrs["seed"] == "0"
    assert rates()["transitions"].equals(found["transitions"])


def test_transitions_that_lead_nowhere_leave_occupations_open():
    high = TripleParabola((1.5, 1.5), (0.1, 0.05), 0.1, 2)
    with pytest.warns(RuntimeWarning) as told:
        found = rates(high, box=[[-9.0, 30.0]] * 2, max_iterations=30, replicas=40)
    messages = " ".join(str(warning.message) for warning in told)
    assert "none can be expected to leave" in messages
    assert "occupations and mean times are not known; run longer" in messages
    assert np.isnan(found["occupation"]).all()
    assert np.isfinite(found["rate_high"].values[~np.eye(4, dtype=bool)]).all()


def test_a_ball_is_left_where_its_center_is_nearer_than_the_radius():
    ball = Ball([3.0, 0.0], 1.0)
    edge = edge_of(ball, PLANE, np.zeros(2))
    assert edge.crossed(PLANE, np.array([[2.5, 0.0], [3.0, 0.9], [2.0, 0.5], [9.0, 0.0]]))[0].tolist() == [0, 0, -1, -1]
    assert repr(ball | 9.0) == "Ball(center=(3.0, 0.0), radius=1.0) | 9.0"
    # a barrier of 3 temperatures, of which whole steps keep about 0.9
    assert 2.4 < escape_prospect(SGD(1.0), PLANE, noise=NOISE, boundary=ball).exponent < 3.1


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: rates(box=[[-4.0, 2.0]] * 2), r"box = .* has 1 minima .*; give one with the two or more"),
        (lambda: rates(radius=3.0), "radius = 3.0: balls of it overlap, as two minima are 5.449 apart; lower it"),
        (lambda: rates(radius=0.0), "radius = 0.0 must be a finite number above 0"),
        (lambda: rates(level=1.0), "level = 1.0 must lie between 0 and 1"),
        (lambda: rates(replicas=0), "replicas = 0"),
        (lambda: Ball([0.0], -1.0), "Ball radius = -1.0 must be"),
        (lambda: exits(Ball([0.0, 1.0], 2.0)), "the start is 1 from its center, inside already; choose another start"),
        (
            lambda: rare_escape_rate(SGD(1.0), PLANE, noise=NOISE, boundary=Ball([5.0, 5.0], 1.0)),
            "paths are split on their way out, and a Ball is entered; use a HalfSpace",
        ),
        (lambda: exits(Ball([5.0], 2.0)), "its center has 1 entries, and the landscape 2 coordinates"),
    ],
)
def test_bad_input_is_named_with_its_value_and_the_remedy(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def exits(boundary):
    return exit_times(SGD(1.0), PLANE, noise=NOISE, boundary=boundary, max_iterations=10, replicas=2)
