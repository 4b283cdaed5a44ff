"""Fokker-Planck grids in two coordinates: products of those in one, closed forms, symmetries, and what is refused."""

import json

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

import theory
from diffusion import (
    SGD,
    Ball,
    Beyond,
    Box,
    HalfSpace,
    HessianNoise,
    IsotropicNoise,
    Momentum,
    OverdampedMotion,
    QuadraticSaddle,
    Radius,
    RMSprop,
    StyblinskiTang,
    fokker_planck,
)
from diffusion.fokker_planck.equation import pose
from diffusion.fokker_planck.plane_problem import PlaneProblem
from diffusion.landscapes import Landscape

# Mean time in which Brownian motion with D = 1 leaves the square (-1, 1)^2, from its centre
SQUARE = 0.29468541312605526
QUASI_POTENTIAL = 0.07127  # of the saddle of the curved valley, at D = diag(2, 8)
TURN = np.array([[np.cos(np.pi / 6), -np.sin(np.pi / 6)], [np.sin(np.pi / 6), np.cos(np.pi / 6)]])  # by 30 degrees


class Plane(Landscape):
    """A landscape in the plane, given by its loss and its gradient as functions of (x, y), perhaps turned."""

    dimension = 2

    def __init__(self, loss, gradient, reference=(0.0, 0.0), turn=None):
        self._loss, self._gradient, self._reference = loss, gradient, np.array(reference)
        self.turn = np.eye(2) if turn is None else turn

    @property
    def reference(self):
        return self.turn @ self._reference

    @property
    def formulas(self):
        raise NotImplementedError

    def loss(self, theta):
        return self._loss(*np.moveaxis(np.asarray(theta) @ self.turn, -1, 0))

    def gradient(self, theta):
        slopes = self._gradient(*np.moveaxis(np.asarray(theta) @ self.turn, -1, 0))
        return np.stack(np.broadcast_arrays(*slopes), -1) @ self.turn.T


def curved(c=0.5, turn=None):
    """The valley y = c (1 - x^2)^2 from (-1, 0) over (0, c) to (1, 0)."""
    return Plane(
        lambda x, y: (x**2 - 1) ** 2 / 4 + 4 * (y - c * (1 - x**2) ** 2) ** 2,
        lambda x, y: (x**3 - x + 32 * c * x * (1 - x**2) * (y - c * (1 - x**2) ** 2), 8 * (y - c * (1 - x**2) ** 2)),
        (-1.0, 0.0),
        turn,
    )


def straight(h=lambda x: 4.0 + 0 * x, slope=lambda x: 0 * x):
    """L = x^4/4 - x^2/2 + h(x) y^2/2."""
    return Plane(
        lambda x, y: x**4 / 4 - x**2 / 2 + h(x) * y**2 / 2,
        lambda x, y: (x**3 - x + slope(x) * y**2 / 2, h(x) * y),
        (-1.0, 0.0),
    )


class Line(Landscape):
    """L = x^4/4 - x^2/2 in one coordinate."""

    dimension, reference = 1, np.array([-1.0])

    @property
    def formulas(self):
        raise NotImplementedError

    def gradient(self, theta):
        return np.asarray(theta) ** 3 - np.asarray(theta)


FLAT = Plane(lambda x, y: 0 * x, lambda x, y: (0 * x, 0 * y))
STIFFNESS = np.array([[2.0, 0.7], [0.7, 1.0]])
LINEAR = Plane(
    lambda x, y: x**2 + 0.7 * x * y + y**2 / 2,
    lambda x, y: (2 * x + 0.7 * y, 0.7 * x + y),
)
FULL = np.array([[1.0, -0.6], [-0.6, 0.9]])


def mfpt(landscape, diffusion, boundary, start=(-1.0, 0.0), **more):
    found = fokker_planck.mean_first_passage_time(
        landscape, diffusion=diffusion, start=start, boundary=boundary, **more
    )
    return found.mfpt.item(), found.mfpt_error.item()


def along_x(diffusion, boundary, convention="ito", **more):
    """The same in x alone, by theory's quadrature."""
    return theory.first_passage_time(
        lambda x: x**3 - x, diffusion, start=-1.0, boundary=boundary, convention=convention, **more
    )


# Mean first-passage times


@pytest.mark.parametrize("exponent", [2.0, 14.0, 40.0])
def test_an_independent_coordinate_changes_no_passage_time(exponent):
    value, error = mfpt(straight(), (0.25 / exponent, 0.5 / exponent), Beyond(0, 0.75))
    exact = along_x(0.25 / exponent, 0.75)
    assert abs(value - exact) < error < 1e-4 * exact


def test_an_optimizer_stands_for_its_drift_and_its_diffusion():
    """Alone, along one of two coordinates, it leaves as it does in one; time is of iterations, whatever the rule's."""
    alone, both = (StyblinskiTang(d, height=0.02) for d in (1, 2))
    noise, passage = HessianNoise(1, "piecewise"), fokker_planck.mean_first_passage_time
    for rule in (SGD(0.5), RMSprop(0.5), RMSprop(0.5, second_moment="following")):
        where = {"dynamics": rule, "noise": noise, "tolerance": 1e-2}
        one = passage(alone, **where, start=alone.reference, boundary=0.156731)
        two = passage(both, **where, start=both.reference, boundary=Beyond(0, 0.156731))
        assert two.mfpt_iterations.item() == pytest.approx(one.mfpt_iterations.item(), rel=1e-2)


@pytest.mark.parametrize("turn", [0.0, np.pi / 6])
def test_a_frozen_second_moment_goes_along_the_eigenvectors(turn):
    """As in ensembles, however the axes lie: drift and diffusion turn with the landscape."""
    c, s = np.cos(turn), np.sin(turn)
    axes = np.array([[c, -s], [s, c]])
    bowl = QuadraticSaddle([2.0, 8.0], rotation=axes)
    motion = OverdampedMotion(RMSprop(0.1), bowl, HessianNoise(1))
    rates = np.array([1.0, 0.5])  # 1/sqrt(H), in units of the first
    x = np.array([[0.3, -0.2]])
    np.testing.assert_allclose(motion.drift(x), -x @ axes * rates * [2.0, 8.0] @ axes.T, rtol=1e-12)
    step = 0.1 / np.sqrt(2.0)
    np.testing.assert_allclose(motion.diffusion, step / 2 * axes * rates**2 * [2.0, 8.0] @ axes.T, atol=1e-15)
    assert motion.lr == pytest.approx(step)


def test_wells_on_the_way_keep_their_digits_however_deep():
    """From one well of 40 temperatures to beyond the other, of 19."""
    value, error = mfpt(straight(), 0.25 / 40, Beyond(0, 1.3))
    assert value == pytest.approx(along_x(0.25 / 40, 1.3), rel=1e-4)
    assert error < 1e-3 * value


def test_a_start_next_to_the_boundary_is_resolved():
    for start in (-0.5001, -0.51, -0.6):
        value, error = mfpt(straight(), 0.02, Beyond(0, -0.5), start=(start, 0.1))
        exact = theory.first_passage_time(lambda x: x**3 - x, 0.02, start=start, boundary=-0.5)
        assert abs(value - exact) < 2e-3 * exact
        assert error < 2e-3 * exact


@pytest.mark.parametrize("convention", ["ito", "stratonovich", "isothermal"])
def test_conventions_are_those_of_one_coordinate(convention):
    def noise(x):
        return 0.1 * (1 + 0.5 * np.tanh(2 * x))

    def pair(theta):
        return np.stack([noise(theta[:, 0]), 0.2 + 0.05 * np.sin(theta[:, 1])], -1)

    value, _ = mfpt(straight(), pair, Beyond(0, 0.0), convention=convention)
    assert value == pytest.approx(along_x(noise, 0.0, convention), rel=1e-5)
    others = {"ito", "stratonovich", "isothermal"} - {convention}
    assert all(abs(value / along_x(noise, 0.0, other) - 1) > 0.1 for other in others)


def test_brownian_motion_leaves_a_square_a_disc_and_a_triangle_as_in_closed_form():
    assert mfpt(FLAT, 2.0, (-1, 1), start=(0, 0))[0] == pytest.approx(SQUARE / 2, rel=1e-5)
    normals = np.array([[np.cos(a), np.sin(a)] for a in (0.2, 0.2 + 2 * np.pi / 3, 0.2 + 4 * np.pi / 3)])
    triangle = HalfSpace(normals[0], 1.0) | HalfSpace(normals[1], 1.0) | HalfSpace(normals[2], 1.0)
    for boundary, start, exact in (
        (Radius(1.0), (0.3, 0.0), 1 / 8),
        (triangle, (0.3, 0.1), np.prod(1 - normals @ [0.3, 0.1]) / 6),  # distances from the sides, over height and D
    ):
        value, error = mfpt(FLAT, 2.0, boundary, start=start)
        assert abs(value - exact) < error < 0.01 * exact, "the error of the boundary's steps is in the estimate"


def test_a_valley_that_is_turned_with_its_noise_and_its_exit_is_left_as_fast():
    noise = np.diag([2.0, 8.0]) * QUASI_POTENTIAL / 8
    value, _ = mfpt(curved(), noise, Beyond(0, 0.5))
    turned, _ = mfpt(curved(turn=TURN), TURN @ noise @ TURN.T, HalfSpace(TURN[:, 0], 0.5), start=TURN @ [-1.0, 0.0])
    assert turned == pytest.approx(value, rel=1e-4)
    transposed = TURN.T @ noise @ TURN  # of the turn the other way
    wrong, _ = mfpt(curved(turn=TURN), transposed, HalfSpace(TURN[:, 0], 0.5), start=TURN @ [-1.0, 0.0])
    assert abs(wrong / value - 1) > 0.1


def test_the_curved_valley_is_left_as_by_finite_differences_elsewhere():
    for ratio, known in ((20, 5.68), (14, 5.875), (10, 6.157)):
        noise = np.array([2.0, 8.0]) * QUASI_POTENTIAL / ratio
        value, error = mfpt(curved(), noise, Beyond(0, 0.75), tolerance=5e-3)
        assert value * np.exp(-ratio) == pytest.approx(known, rel=5e-3)
        assert error < 5e-3 * value
    assert abs(mfpt(curved(), noise[::-1], Beyond(0, 0.75))[0] / value - 1) > 0.5


@pytest.mark.parametrize(
    ("minimum", "ratio", "noise", "known"),
    [
        (2.0, 4.0, lambda x: (1.0 + 0 * x, 1.0 + 0 * x), 1.951),
        (8.0, 4.0, lambda x: (2.0 + 0 * x, 8.0 + 0 * x), 14.06),
        (4.0, 2.0, lambda x: (np.where(x < -(3**-0.5), 2.0, 1.0), 4.0 * 2.0 ** (1 - x**2)), 3.43),
    ],
    ids=["isotropic", "frozen", "piecewise"],
)
def test_transverse_curvature_delays_an_escape_by_the_known_factor(minimum, ratio, noise, known):
    valley = straight(
        lambda x: minimum * ratio ** (1 - x**2), lambda x: -2 * x * np.log(ratio) * minimum * ratio ** (1 - x**2)
    )
    breaks = (-(3**-0.5),)
    work = 0.25 / noise(-1.0)[0]  # exponent at D = C_x
    if known == 3.43:
        join = 3**-0.5
        potential = [x**4 / 4 - x**2 / 2 for x in (-1.0, -join, 0.0)]
        work = (potential[1] - potential[0]) / 2 + potential[2] - potential[1]
    eps = work / 10
    exact = along_x(lambda x: eps * noise(np.asarray(x))[0], 0.75, breaks=breaks)
    value, _ = mfpt(valley, lambda theta: eps * np.stack(noise(theta[:, 0]), -1), Beyond(0, 0.75))
    assert value / exact == pytest.approx(known, rel=3e-3)


def test_noise_off_the_diagonal_is_treated_alike_by_differences_and_by_sheared_axes():
    half, _ = mfpt(LINEAR, 0.3 * FULL, Beyond(0, 1.5), start=(0, 0))  # conjugate axes, no mixed derivatives
    box, error = mfpt(LINEAR, 0.3 * FULL, Box(high=(1.5, 9.0)), start=(0, 0))
    assert abs(box - half) < error < 1e-3 * half
    wrong, _ = mfpt(LINEAR, 0.3 * np.abs(FULL), Beyond(0, 1.5), start=(0, 0))
    assert abs(wrong / half - 1) > 0.1


def test_exit_probabilities_are_those_of_each_part():
    found = fokker_planck.mean_first_passage_time(
        straight(), diffusion=0.1, start=(0.2, 0.0), boundary=Beyond(0, -0.5) | Beyond(0, 1.0)
    )
    one = fokker_planck.mean_first_passage_time(Line(), diffusion=0.1, start=0.2, boundary=(-0.5, 1.0))
    assert found.mfpt.item() == pytest.approx(one.mfpt.item(), rel=1e-4)
    np.testing.assert_allclose(found.exit_probability, one.exit_probability, atol=1e-4)


def test_the_grid_converges_with_order_two():
    equation = pose(curved(), (0.2, 0.8), None, None, (), "ito", None, None)
    problem = PlaneProblem(equation, (-1.0, 0.0), Beyond(0, 0.5), None)
    times = []
    for fineness in (1.0, 2.0, 4.0):
        grid = problem.grid(fineness)
        times.append(grid.at(grid.backward(np.ones(grid.lattice.inside)), problem.start))
    order = np.log2((times[0] - times[1]) / (times[1] - times[2]))
    assert order == pytest.approx(2, abs=0.1)


def test_mass_goes_nowhere_but_through_the_boundary():
    equation = pose(
        LINEAR, lambda theta: FULL * (1 + 0.1 * np.cos(theta[:, 0, None, None])), None, None, (), "ito", None, None
    )
    for boundary in (None, Radius(1.5), Box(high=(1.5, 9.0))):
        grid = PlaneProblem(equation, (0.0, 0.0), boundary, None).grid(1.0)
        lost = -np.asarray(grid.matrix.sum(axis=0)).ravel()
        np.testing.assert_allclose(lost, grid.leaving(), atol=1e-11 * abs(grid.matrix).max())


# Rates, densities, committors


def test_the_escape_rate_is_the_inverse_of_the_time_where_escapes_are_rare():
    noise = (2 * QUASI_POTENTIAL / 12, 8 * QUASI_POTENTIAL / 12)
    time, _ = mfpt(curved(), noise, Beyond(0, 0.5))
    found = fokker_planck.escape_rate(curved(), diffusion=noise, start=(-1, 0), boundary=Beyond(0, 0.5))
    assert found.escape_rate.item() * time == pytest.approx(1, rel=1e-3)
    density = np.nan_to_num(found.density)
    assert density.sum() * found.cell_area.item() == pytest.approx(1)
    assert density.min() >= 0
    assert found.undershoot.item() == 0
    x = found.position.values[:, 0, 0]
    width = found.cell_area.item() / (x[1] - x[0])
    through_saddle = np.nansum(found.current.values[np.argmin(np.abs(x)), :, 0]) * width
    assert through_saddle == pytest.approx(found.escape_rate.item(), rel=0.02)


def test_one_temperature_gives_the_density_of_gibbs_and_no_current():
    found = fokker_planck.stationary_density(curved(), diffusion=0.06)
    gibbs = np.exp(-curved().loss(found.position.values) / 0.06)
    gibbs /= np.nansum(np.where(np.isnan(found.density), np.nan, gibbs)) * found.cell_area.item()
    assert np.nanmax(np.abs(found.density - gibbs)) < 1e-3 * gibbs.max()
    current = np.linalg.norm(found.current, axis=-1)
    assert np.nanmax(current) < 1e-3 * 0.06 * gibbs.max()


@pytest.mark.parametrize(("convention", "power"), [("ito", 1.0), ("isothermal", 0.0)])
def test_stationary_densities_of_the_conventions(convention, power):
    """Of radial D times the unit matrix and a radial loss: ``exp(-int L'/D) D^-p``."""
    bowl = Plane(
        lambda x, y: (x**2 + y**2) / 2 + (x**2 + y**2) ** 2 / 4,
        lambda x, y: (x * (1 + x**2 + y**2), y * (1 + x**2 + y**2)),
    )
    found = fokker_planck.stationary_density(
        bowl, diffusion=lambda theta: 0.2 * (1 + np.sum(theta**2, axis=1)), convention=convention
    )
    r2 = np.sum(found.position.values**2, axis=-1)
    exact = np.exp(-r2 / 0.4) * (1 + r2) ** -power
    exact /= np.nansum(np.where(np.isnan(found.density), np.nan, exact)) * found.cell_area.item()
    assert np.nanmax(np.abs(found.density - exact)) < 2e-3 * np.nanmax(exact)


def test_a_linear_force_with_full_noise_gives_the_normal_law_and_its_current():
    covariance = solve_continuous_lyapunov(STIFFNESS, 2 * FULL)
    for diffusion in (FULL, lambda theta: np.broadcast_to(FULL, (len(theta), 2, 2))):
        found = fokker_planck.stationary_density(LINEAR, diffusion=diffusion)
        x, inverse = found.position.values, np.linalg.inv(covariance)
        exact = np.exp(-np.einsum("...i,ij,...j", x, inverse, x) / 2) / (2 * np.pi * np.linalg.det(covariance) ** 0.5)
        current = (x @ inverse @ FULL - x @ STIFFNESS) * exact[..., None]
        assert np.nanmax(np.abs(found.density - exact)) < 1e-3 * exact.max()
        assert np.nanmax(np.abs(found.current - current)) < 2e-2 * np.abs(current).max()


def test_densities_that_turn_negative_are_told():
    """Axes of the box, on which D is not diagonal; a rate of the same problem in its own axes has none."""
    strong = np.array([[1.0, 0.93], [0.93, 1.0]])
    asked = {
        "landscape": Plane(lambda x, y: (x**2 + y**2) / 2, lambda x, y: (x, y)),
        "diffusion": strong,
        "start": (0, 0),
    }
    box = fokker_planck.escape_rate(**asked, boundary=Box(high=(2.5, 9.0)), tolerance=0.01)
    half = fokker_planck.escape_rate(**asked, boundary=Beyond(0, 2.5))
    assert 0 < box.undershoot.item() < 0.05
    assert half.undershoot.item() == 0
    assert box.escape_rate.item() == pytest.approx(half.escape_rate.item(), rel=0.01)


def test_the_committor_of_a_symmetric_valley_and_its_transitions():
    noise, parts = (0.1, 0.4), Beyond(0, -0.8) | Beyond(0, 0.8)
    found = fokker_planck.committor(curved(0.2), diffusion=noise, boundary=parts, start=(0, 0.2))
    x, y = found.position.values[:, 0, 0], found.position.values[0, :, 1]
    inside = found.assign_coords(first=x, second=y).committor
    points = np.linspace(-0.75, 0.75, 11)
    here, mirrored = (inside.interp(first=side * points, second=0.2).values for side in (1, -1))
    np.testing.assert_allclose(here + mirrored, 1, atol=1e-3)
    assert np.all(np.diff(here) > 0)
    width = found.cell_area.item() / (x[1] - x[0])
    for place in (-0.5, 0.0, 0.5):
        through = np.nansum(found.current.values[np.argmin(np.abs(x - place)), :, 0]) * width
        assert through == pytest.approx(found.transition_rate.item(), rel=5e-3)
    time, _ = mfpt(straight(), 0.04, Beyond(0, 0.8), start=(-0.8, 0.0))
    same = fokker_planck.committor(straight(), diffusion=0.04, boundary=parts, start=(0, 0))
    assert 2 * same.transition_rate.item() * time == pytest.approx(1, rel=1e-3)  # there and back take equally long


# What is refused

FAR = Plane(lambda x, y: x**2 / 2 - y**2 / 2, lambda x, y: (x, -y))
BAD = [
    ({"landscape": QuadraticSaddle([1.0, 1.0, 1.0])}, r"dimension = 3.*rare_escape_rate.*theory.least_action"),
    ({"mass": 1.0, "damping": 1.0}, "dimension = 2 with mass and damping"),
    ({"start": 0.0}, "must be a pair"),
    ({"start": (2.0, 0.0)}, r"Beyond\(coordinate=0, value=2.0\) is where the start is"),
    ({"diffusion": np.diag([1.0, 0.0])}, "must have eigenvalues above 0.*theory.least_action"),
    (
        {"diffusion": lambda theta: np.stack([1 + 0 * theta[:, 0], theta[:, 0] * 0 - 1], -1)},
        "must have eigenvalues above 0",
    ),
    ({"diffusion": [[1.0, 2.0], [2.0, 1.0]]}, "must have eigenvalues above 0"),
    ({"diffusion": [[1.0, 0.5], [0.2, 1.0]]}, "must be a symmetric matrix"),
    ({"diffusion": (1.0, 2.0, 3.0)}, r"diffusion of shape \(3,\)"),
    (
        {"diffusion": lambda theta: FULL * (1 + theta[:, 0, None, None] ** 2), "convention": "stratonovich"},
        "which root of D",
    ),
    (
        {
            "landscape": QuadraticSaddle([1.0, 1.0]),
            "diffusion": None,
            "dynamics": Momentum(0.1),
            "noise": IsotropicNoise(1.0),
        },
        "has inertia, and in several coordinates",
    ),
    (
        {
            "landscape": Landscape.from_expression("x**2 + x*y + y**2"),
            "diffusion": None,
            "dynamics": RMSprop(0.1, second_moment="running"),
            "noise": IsotropicNoise(1.0),
        },
        "no equation of motion is known of RMSprop.* as shipped",
    ),
    ({"boundary": None}, "boundary = None is never reached"),
    ({"diffusion": (np.inf, 1.0)}, r"diffusion = \(inf, 1.0\) must be finite"),
    ({"diffusion": lambda theta: 1.0 * (theta[:, 0] < 1)}, "no path comes to the boundary.*above 0 everywhere"),
    ({"velocity": "rest"}, "no meaning without inertia"),
    ({"tolerance": -1.0}, "tolerance = -1.0"),
    ({"breaks": (0.5,)}, "breaks = .* are of one coordinate"),
    ({"diffusion": 1e-3}, r"leave at a cost of about .* more than 60"),
    ({"reflecting": Box(low=(-1.0, None))}, "wall at -1 in coordinate 0 cuts the valley"),
    ({"landscape": FAR}, "does not confine"),
    ({"tolerance": 1e-12}, "tolerance = 1e-12 is not reached"),
]


@pytest.mark.parametrize("order", [1, pytest.param(-1, marks=pytest.mark.long)])
def test_a_region_within_the_other_has_no_committor(order):
    """Before, one came out everywhere, or that the landscape does not confine."""
    small, large = (Ball((-1.0, 0.0), radius) for radius in (0.2, 0.5))
    first, second = (small, large)[::order]
    with pytest.raises(ValueError, match=r"give two (regions )?that are apart"):
        fokker_planck.committor(curved(), diffusion=0.1, boundary=first | second, start=(0.0, 0.5))


@pytest.mark.parametrize(("wrong", "message"), BAD, ids=[message[:25] for _, message in BAD])
def test_bad_input_is_refused_with_its_name_and_the_remedy(wrong, message):
    bowl = Plane(lambda x, y: (x**2 + y**2) / 2, lambda x, y: (x, y))
    asked = {"landscape": bowl, "diffusion": 1.0, "start": (0.0, 0.0), "boundary": Beyond(0, 2.0)} | wrong
    with pytest.raises(ValueError, match=message):
        fokker_planck.mean_first_passage_time(**asked)


def test_densities_in_time_and_committors_of_one_region_are_refused():
    asked = {"landscape": LINEAR, "diffusion": 1.0}
    with pytest.raises(ValueError, match="stationary_density or escape_rate"):
        fokker_planck.density(**asked, start=(0, 0), times=[1.0])
    with pytest.raises(ValueError, match=r"must be two regions, first \| second"):
        fokker_planck.committor(**asked, boundary=Beyond(0, 1.0))


def test_results_tell_what_was_asked_and_walls_beyond_the_valley_change_nothing():
    asked = {"landscape": LINEAR, "diffusion": FULL, "start": (0, 0), "boundary": Beyond(0, 2.0)}
    free = fokker_planck.mean_first_passage_time(**asked)
    walled = fokker_planck.mean_first_passage_time(**asked, reflecting=Box(low=-50.0))
    assert walled.mfpt.item() == free.mfpt.item()
    told = json.loads(free.attrs["parameters"])
    assert told["diffusion"] == FULL.tolist()
    assert told["boundary"] == "Beyond(coordinate=0, value=2.0)"
