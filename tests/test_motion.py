"""Equations of motion from optimizer, landscape and noise: their terms, and grids asked for by these objects."""

import numpy as np
import pytest

import theory
from diffusion import (
    SGD,
    Adai,
    Adam,
    DoubleParabola,
    HessianNoise,
    IsotropicNoise,
    Momentum,
    RMSprop,
    StyblinskiTang,
    fokker_planck,
)
from diffusion.fokker_planck.equation import pose
from diffusion.motion import Motion
from experiments.problems.wells import settings

WELL, NOISE = DoubleParabola(0.5, 1.0, 4.0, 1), HessianNoise(2, "piecewise")


@pytest.mark.parametrize(
    ("dynamics", "temperature"),
    [
        (SGD(0.3), 0.3 / 2 * 2),  # lr C/2 at the saddle, where C = 4/B
        (Momentum(0.3, 0.9), 0.3 / 2 * 2),
        (Momentum(0.3, 0.9, "heavy-ball"), 3.0 / 2 * 2),
        (Adai(0.3), 0.3 / 2 * 2),
        (Adam(0.3, 0.9, second_moment="following"), 0.3 / 2 * np.sqrt(2)),
        (RMSprop(0.3, second_moment="following"), 0.3 / 2 * np.sqrt(2)),
        (Adam(0.3, 0.9, second_moment="frozen"), 0.3 / np.sqrt(0.5) / 2 * 2),  # v stays at 1/B
    ],
    ids=repr,
)
def test_temperature_at_the_saddle(dynamics, temperature):
    """In units of the loss: the noise over the friction of each rule, written out."""
    assert Motion(dynamics, WELL, NOISE).temperature(WELL.saddle) == pytest.approx(temperature, rel=1e-12)


@pytest.mark.parametrize("style", ["ema", "heavy-ball"])
def test_terms_of_momentum_do_not_ask_for_the_noise(style):
    """M = eta/beta3 and gamma = (1-beta)/eta, whatever the noise; the theory's arguments."""
    momentum = Momentum(0.05, 0.9, style)
    weight = 0.1 if style == "ema" else 1.0
    assert momentum.mass == pytest.approx(0.05 / weight, rel=1e-15)
    assert momentum.damping == pytest.approx(0.1 / 0.05, rel=1e-15)
    rule = momentum.rule(np.array([0.5]))
    np.testing.assert_allclose(rule.friction, 0.1 / weight, rtol=1e-15)
    np.testing.assert_allclose(rule.temperature, 0.05 / 2 * 0.5 / (0.1 / weight), rtol=1e-15)
    assert Adam(0.05, second_moment="following").mass == pytest.approx(0.05 / 0.1, rel=1e-15)


@pytest.mark.parametrize(
    ("dynamics", "message"),
    [
        (SGD(0.1), "has no inertia, and so neither mass nor damping"),
        (Adam(0.1), r"mass of Adam.* depends on the noise; take that of its rule"),
        (Adai(0.1), "depends on the noise"),
    ],
    ids=repr,
)
def test_a_mass_that_depends_on_the_noise_is_not_told_without(dynamics, message):
    with pytest.raises(ValueError, match=message):
        print(dynamics.mass)


def test_split_is_the_share_of_the_barrier_below_the_inflection():
    assert WELL.split == pytest.approx(4 / 5, rel=1e-14)  # H_b/(H_a + H_b)
    tang = StyblinskiTang(1, 2.0)
    bottom, join, top = (tang.loss(np.array([u / np.sqrt(2)])) for u in (2.746803, 1.632993, 0.156731))
    assert tang.split == pytest.approx((join - bottom) / (top - bottom), rel=1e-6)
    assert tang.valley.saddle == pytest.approx(0.156731 / np.sqrt(2), rel=1e-5)
    assert Motion(SGD(0.1), WELL, NOISE).split == WELL.split
    assert Motion(SGD(0.1), WELL, HessianNoise(2)).split == 1.0  # one temperature all the way
    with pytest.raises(ValueError, match="needs a saddle"):
        StyblinskiTang(1, data_variance=4.0).split  # noqa: B018


def test_theorem_3_from_the_objects_is_theorem_3_by_hand():
    momentum = Momentum(0.2, 0.9)
    found = theory.momentum_escape_time(
        **WELL.valley.terms, lr=momentum.lr, batch_size=NOISE.batch_size, mass=momentum.mass, damping=momentum.damping
    )
    exponent = 2 * 2 * 0.5 / 0.2 * (0.8 / 1 + 0.2 / 4)
    root = np.sqrt(1 + 4 * 4 * 0.2 / 0.1)  # gamma^2 M = (1 - beta)/lr
    assert found == pytest.approx(np.pi * (root + 1) / 4 * np.exp(exponent), rel=1e-13)


WAYS = [
    (SGD(0.3), 0.15, None, 0.3),
    (Momentum(0.3, 0.8, "heavy-ball"), 0.15, (0.3, 0.2 / 0.3), 0.3),
    (RMSprop(0.2), 0.1 * np.sqrt(2), None, 0.2 * np.sqrt(2)),  # v is the noise variance at the minimum, 1/B
    (Adam(0.2, 0.8), 0.1 * np.sqrt(2), (np.sqrt(2), 0.2 / 0.2 / np.sqrt(2)), 0.2 * np.sqrt(2)),
]


@pytest.mark.parametrize(("dynamics", "half_rate", "inertia", "iteration"), WAYS, ids=repr)
def test_the_equation_of_an_optimizer_has_its_terms(dynamics, half_rate, inertia, iteration):
    equation = pose(WELL, None, None, None, (), "ito", dynamics, NOISE)
    x = np.array([-1.0, 0.5, 1.0])
    np.testing.assert_allclose(equation.diffusion(x), half_rate * np.where(x < WELL.join, 1, 4) / 2, rtol=1e-13)
    assert equation.phase == (inertia is not None)
    if inertia is not None:
        assert equation.inertia == pytest.approx(inertia, rel=1e-13)
    assert equation.iteration == pytest.approx(iteration, rel=1e-13)
    assert repr(dynamics) in equation.record.values()


def test_grids_take_an_optimizer_instead_of_terms():
    asked = {"dynamics": SGD(0.3), "noise": IsotropicNoise(0.4)}
    where = {"start": 0.0, "boundary": WELL.saddle}
    found = fokker_planck.mean_first_passage_time(WELL, **asked, **where)
    given = fokker_planck.mean_first_passage_time(WELL, diffusion=0.06, **where)
    assert float(found.mfpt) == pytest.approx(float(given.mfpt), rel=1e-12)
    assert float(found.mfpt_iterations) == pytest.approx(float(given.mfpt) / 0.3, rel=1e-12)
    rate = fokker_planck.escape_rate(WELL, **asked, **where)
    given = fokker_planck.escape_rate(WELL, diffusion=0.06, **where)
    assert float(rate.escape_rate) == pytest.approx(float(given.escape_rate), rel=1e-12)
    assert float(rate.escape_rate_per_iteration) == pytest.approx(0.3 * float(given.escape_rate), rel=1e-12)
    ends = {"boundary": (-0.5, WELL.saddle)}
    np.testing.assert_allclose(
        fokker_planck.committor(WELL, **asked, **ends).committor,
        fokker_planck.committor(WELL, diffusion=0.06, **ends).committor,
        rtol=1e-12,
    )
    np.testing.assert_allclose(
        fokker_planck.density(WELL, times=[1.0], fineness=0.2, **asked, **where).density,
        fokker_planck.density(WELL, times=[1.0], fineness=0.2, diffusion=0.06, **where).density,
        rtol=1e-9,
    )
    walled = {"reflecting": (-1.0, WELL.saddle)}
    np.testing.assert_allclose(
        fokker_planck.stationary_density(WELL, **asked, **walled).density,
        fokker_planck.stationary_density(WELL, diffusion=0.06, **walled).density,
        rtol=1e-12,
    )


@pytest.mark.parametrize("key", ["parabolas-piecewise", "minibatch"])
def test_rmsprop_that_follows_its_noise_by_grid_and_quadrature(key):
    setting, k = settings()[key], 4.0
    (start, saddle), lr = setting.positions(k), setting.lr["Adam"]
    asked = {"dynamics": RMSprop(lr, second_moment="following"), "noise": setting.noise}
    grid = fokker_planck.mean_first_passage_time(setting.landscape(1, k), start=start, boundary=saddle, **asked)
    pull, variance, where = setting.gradient(k), setting.variance(k), {"start": start, "boundary": saddle}
    where["breaks"] = setting.breaks(k)
    exact = theory.first_passage_time(lambda x: pull(x) / np.sqrt(variance(x)), lr / 2, **where)
    assert float(grid.mfpt) == pytest.approx(exact, rel=1e-5)
    frozen = theory.first_passage_time(  # the negative control: a second moment that does not follow
        lambda x: pull(x) / np.sqrt(variance(np.full_like(x, start))), lr / 2, **where
    )
    assert abs(float(grid.mfpt) / frozen - 1) > 0.03


def test_what_is_asked_twice_or_by_halves_is_refused():
    where = {"start": 0.0, "boundary": WELL.saddle}
    for asked, message in (
        ({}, "diffusion = None: give D"),
        ({"dynamics": SGD(0.1)}, "noise = None: give both"),
        ({"dynamics": SGD(0.1), "noise": NOISE, "diffusion": 0.1}, "diffusion follow from dynamics"),
        (
            {"dynamics": Momentum(0.1), "noise": NOISE, "mass": 1.0, "damping": 1.0},
            "mass and damping follow from dynamics",
        ),
        ({"dynamics": Adam(0.1, second_moment="running"), "noise": NOISE}, "it needs an idealized rule"),
        ({"dynamics": Momentum(0.1), "noise": NOISE, "convention": "isothermal"}, "no meaning in phase space"),
    ):
        with pytest.raises(ValueError, match=message):
            fokker_planck.mean_first_passage_time(WELL, **asked, **where)
    two = DoubleParabola(0.5, 1.0, 4.0, 2)
    for dynamics in (SGD(0.1), RMSprop(0.1, second_moment="following")):
        with pytest.raises(ValueError, match="landscape has dimension = 2"):
            fokker_planck.mean_first_passage_time(two, dynamics=dynamics, noise=NOISE, **where)
    with pytest.raises(ValueError, match="is not simulated"):
        Motion(RMSprop(0.1, second_moment="following"), WELL, NOISE).seen.formulas  # noqa: B018
