"""Critical points in a box: all of them, of what kind, and which saddle joins which minima."""

import numpy as np
import pytest

from diffusion import Channel, CoupledLandscape, CurvedValley, Landscape, MuellerBrown, QuadraticSaddle, StyblinskiTang

PLANE = [[-1.5, 1.2], [-0.3, 2.0]]


def test_mueller_brown_s_two_saddles_join_its_three_minima():
    """Published positions, to 1e-6; the shallow minimum lies between the others."""
    points = MuellerBrown().critical_points(PLANE)
    published = [
        [-0.558223634633024, 1.441725841804669],
        [0.623499404930877, 0.028037758528686],
        [-0.050010822998206, 0.466694104871972],
        [0.212486582000662, 0.292988325107368],
        [-0.822001558732732, 0.624312802814871],
    ]
    np.testing.assert_allclose(points["position"], published, atol=1e-9)
    assert points["index"].values.tolist() == [0, 0, 0, 1, 1]
    assert [set(pair) for pair in points["joins"].values.tolist()[3:]] == [{1, 2}, {0, 2}]
    np.testing.assert_allclose(points["eigenvalue"][4], [-750.86266284, 490.24070806], rtol=1e-8)
    assert points["hits"].values.min() > 1


def test_every_kind_of_landscape_has_them():
    tang = StyblinskiTang(2).critical_points([[-4, 4]] * 2)
    assert tang["index"].values.tolist() == [0] * 4 + [1] * 4 + [2]
    positions = {tuple(pair) for pair in tang["position"].values.round(6).tolist()}
    along = StyblinskiTang(1).critical_coordinates
    assert positions == {(a, b) for a in along.round(6) for b in along.round(6)}
    np.testing.assert_allclose(StyblinskiTang(1).critical_points([[-4, 4]])["position"][:, 0], along[[0, 2, 1]])
    for landscape, box in (
        (CurvedValley(), [[-2, 2]] * 2),
        (Channel(8, 2, 2), [[-2, 2]] * 3),
        (valley(), [[-2, 2]] * 2),
    ):
        points = landscape.critical_points(box)
        assert points["index"].values.tolist() == [0, 0, 1]
        assert points["joins"].values[2].tolist() == [0, 1]
        np.testing.assert_allclose(points["position"][:2, 0], [-1, 1], rtol=1e-9)
        np.testing.assert_allclose(points["loss"][2] - points["loss"][:2], 0.25, rtol=1e-9)
    saddle = QuadraticSaddle([1.0, -2.0]).critical_points([[-1, 1]] * 2)
    assert (saddle["index"].item(), saddle["joins"].values.tolist()) == (1, [[-1, -1]])


def valley():
    """The curved valley by its functions, whose Hessian is by differences."""

    def loss(x, lane):
        return (x[0, lane] ** 2 - 1) ** 2 / 4 + 4 * (x[1, lane] - 0.5 * (1 - x[0, lane] ** 2) ** 2) ** 2

    def gradient(x, j, lane):
        inside = 1 - x[0, lane] ** 2
        above = x[1, lane] - 0.5 * inside**2
        return 8 * above if j else (16 * above - 1) * inside * x[0, lane]

    return CoupledLandscape(loss, gradient, dimension=2, reference=[-1.0, 0.0])


def test_what_is_missed_in_a_plane_is_told(monkeypatch):
    """Looked for from few places the points do not make up for how the gradient turns; nor does a degenerate one."""
    monkeypatch.setattr("diffusion.critical_points.MOST", 4)
    with pytest.warns(RuntimeWarning, match=r"the gradient turns 1 times along the edge of box = .*: some are missing"):
        StyblinskiTang(2).critical_points([[-4, 4]] * 2)
    with pytest.warns(RuntimeWarning, match=r"the gradient turns -2 times|has an eigenvalue of 0"):
        Landscape.from_expression("x**3 - 3*x*y**2", reference=0.0).critical_points([[-1, 1.2]] * 2)


def test_a_gradient_that_turns_within_a_millionth_of_an_edge_is_followed():
    stiff = Landscape.from_expression("(x**2 - 1)**2/4 + 1e6*y**2", reference=(1, 0))
    points = stiff.critical_points([[-2, 2.1], [-2, 2.1]])
    np.testing.assert_allclose(points["position"], [[-1, 0], [1, 0], [0, 0]], atol=1e-12)


@pytest.mark.parametrize(
    ("box", "told"),
    [
        (
            [[-1.5, 0.0], [-1.0, 1.5]],
            r"a critical point lies on its edge, near \[0.0, 0.49999.*\], or so near .*; move that edge",
        ),
        ([[-1.5, 1.0]], "must be 2 pairs of a lower and an upper end, one for each coordinate"),
        ([[-1, 1], [1, -1]], "must be 2 pairs"),
        ([[-1, np.inf], [-1, 1]], "must be 2 pairs"),
        ([[-1, 1], [-1]], r"box = \[\[-1, 1\], \[-1\]\] must be 2 pairs"),
        ("no box", "box = 'no box' must be 2 pairs"),
    ],
)
def test_a_box_has_its_shape_and_no_critical_point_on_its_edge(box, told):
    with pytest.raises(ValueError, match=told):
        CurvedValley().critical_points(box)
