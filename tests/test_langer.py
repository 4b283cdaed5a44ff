"""Closed forms in n dimensions: Langer's rate against one dimension and products, and the exit through a plane."""

import numpy as np
import pytest

import theory


@pytest.mark.parametrize("damping", [0.1, 1.0, 20.0])
def test_in_one_dimension_it_is_kramers_s(damping):
    rate = theory.langer_rate(
        barrier=2.0, hessian_minimum=3.0, hessian_saddle=-0.7, temperature=0.4, friction=1.5 * damping, mass=1.5
    )
    time = theory.kramers_escape_time(
        barrier=2.0, hessian_minimum=3.0, hessian_saddle=0.7, temperature=0.4, mass=1.5, damping=damping
    )
    assert rate * time == pytest.approx(1, rel=1e-12)


def test_strong_friction_is_the_overdamped_motion():
    given = {
        "barrier": 1.0,
        "hessian_minimum": [[2, 0.5], [0.5, 3]],
        "hessian_saddle": np.diag([-1, 4]),
        "temperature": 0.2,
    }
    overdamped = theory.langer_rate(**given, friction=1.0)
    heavy = theory.langer_rate(**given, friction=1.0, mass=1e-6)
    assert heavy == pytest.approx(overdamped, rel=1e-5)
    assert theory.langer_rate(**given, friction=1.0, mass=1.0) < 0.7 * overdamped


def test_a_product_landscape_has_the_rate_of_its_one_escape_times_a_ratio_of_widths():
    """Other coordinates of equal curvature at both ends change nothing; of others, by ``sqrt(det)``."""
    line = {"barrier": 1.0, "temperature": 0.1, "friction": 0.8, "mass": 1.2}
    alone = theory.langer_rate(**line, hessian_minimum=2.0, hessian_saddle=-1.0)
    same = theory.langer_rate(**line, hessian_minimum=np.diag([2, 5, 7]), hessian_saddle=np.diag([-1, 5, 7]))
    wider = theory.langer_rate(**line, hessian_minimum=np.diag([2, 5, 7]), hessian_saddle=np.diag([-1, 20, 28]))
    assert same == pytest.approx(alone, rel=1e-12)
    assert wider == pytest.approx(alone / 4, rel=1e-12)


def test_turning_changes_nothing_if_friction_and_mass_turn_along():
    q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    minimum, saddle, drag, mass = (np.diag(v) for v in ([2, 3, 4], [1, -1.5, 6], [1.0, 2.0, 3.0], [0.5, 2.0, 1.0]))
    line = {"barrier": 1.0, "temperature": 0.3}
    straight = theory.langer_rate(
        **line, hessian_minimum=minimum, hessian_saddle=saddle, friction=[1, 2, 3], mass=[0.5, 2, 1]
    )
    minimum, saddle, turned_drag, turned_mass = (q @ m @ q.T for m in (minimum, saddle, drag, mass))
    both = {"hessian_minimum": minimum, "hessian_saddle": saddle, "mass": turned_mass}
    assert theory.langer_rate(**line, **both, friction=turned_drag) == pytest.approx(straight, rel=1e-10)
    assert abs(theory.langer_rate(**line, **both, friction=drag) / straight - 1) > 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"barrier": -1.0}, "barrier"),
        ({"hessian_minimum": np.diag([1, -1])}, "at a minimum all are above 0"),
        ({"hessian_saddle": np.diag([-1, -2])}, "2 negative eigenvalues"),
        ({"hessian_saddle": np.diag([1, 2])}, "0 negative eigenvalues"),
        ({"hessian_saddle": -1.0}, "shape"),
        ({"hessian_saddle": [[0, 1], [2, 0]]}, "symmetric"),
        ({"friction": [1, -1]}, "friction"),
        ({"friction": []}, r"friction = \[\] must be above 0, or a positive definite matrix"),
        ({"friction": [1, 2, 3]}, r"friction = \[1, 2, 3\] must be above 0, or a positive definite matrix"),
        ({"mass": [[1, 0], [0, -1]]}, "mass"),
    ],
)
def test_langer_refuses_bad_input(change, message):
    given = {"barrier": 1.0, "temperature": 1.0, "friction": 1.0}
    given |= {"hessian_minimum": np.eye(2), "hessian_saddle": np.diag([-1, 1])}
    with pytest.raises(ValueError, match=message):
        theory.langer_rate(**given | change)


def test_through_a_plane_one_leaves_at_the_nearest_point():
    """In one dimension it is the flux over a level; the action is that of the nearest point, whatever the Hessian."""
    rate = theory.plane_exit_rate(hessian=3.0, normal=[1.0], distance=0.5, noise=0.02)
    assert rate == pytest.approx(3 * 0.5 / np.sqrt(2 * np.pi * 0.02) * np.exp(-0.25 / 0.04), rel=1e-12)
    hessian = np.array([[1.0, 0.4], [0.4, 6.0]])
    normal = np.array([0.6, 0.8])
    found = theory.plane_exit_rate(hessian=hessian, normal=7 * normal, distance=0.5, noise=0.02)
    assert found / rate == pytest.approx(normal @ hessian @ normal / 3, rel=1e-12)
    nearest = theory.least_action(lambda x: -x @ hessian, 0.02 * hessian, start=[0, 0], end=0.5 * normal)
    assert nearest.action == pytest.approx(0.25 / 0.04, rel=1e-8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normal": [0, 0]}, "normal"),
        ({"distance": 0}, "distance"),
        ({"noise": -1}, "noise"),
        ({"hessian": -np.eye(2)}, "hessian"),
    ],
)
def test_plane_exit_refuses_bad_input(change, message):
    given = {"hessian": np.eye(2), "normal": [1, 0], "distance": 1.0, "noise": 0.1}
    with pytest.raises(ValueError, match=message):
        theory.plane_exit_rate(**given | change)
