"""What is said beforehand of an exit: the right order of magnitude, one sentence everywhere, and no false alarm."""

import warnings

import numpy as np
import pytest

import theory
from diffusion import (
    SGD,
    Adam,
    Ball,
    Beyond,
    CoupledLandscape,
    CurvedValley,
    DoubleParabola,
    HalfSpace,
    HessianNoise,
    IsotropicNoise,
    LossLevel,
    Momentum,
    Noise,
    OverdampedMotion,
    QuadraticSaddle,
    Radius,
    Region,
    RMSprop,
    StyblinskiTang,
    escape_prospect,
    exit_times,
    fokker_planck,
    rare_escape_rate,
)
from diffusion.edges import edge_of
from diffusion.prospects import FACTOR, SHARE, warn_hopeless

WELL = DoubleParabola(0.4, 2.0, 0.7, 1)
TERMS = {"barrier": 0.4, "hessian_minimum": 2.0, "hessian_saddle": 0.7, "split": 0.7 / 2.7, "batch_size": 1}
PIECEWISE = HessianNoise(1, "piecewise")


def curved_loss(x, lane):
    return (x[0, lane] ** 2 - 1) ** 2 + 2 * (x[1, lane] - x[0, lane] ** 2) ** 2


def curved_gradient(x, j, lane):
    off = x[1, lane] - x[0, lane] ** 2
    return 4 * x[0, lane] * (x[0, lane] ** 2 - 1) - 8 * x[0, lane] * off if j == 0 else 4 * off


def of_well(dynamics=Momentum(0.05, 0.95), batch_size=16, **changed):  # noqa: B008 (frozen)
    given = {"noise": HessianNoise(batch_size, "piecewise"), "boundary": WELL.saddle} | changed
    return escape_prospect(dynamics, WELL, **given)


def test_the_sentence_names_psi_the_iterations_and_a_remedy():
    """Theorem 3's exponent is 304; the heat that inertia carries makes 203 of it."""
    prospect = of_well()
    assert str(prospect) == "psi = 203 (304 without the heat that inertia carries over the pass): about 1e90 iterations"
    assert prospect.remedy(25) == "psi <= 25, that is batch_size <= 2"
    assert of_well(noise=IsotropicNoise(0.1)).remedy(5).startswith("psi <= 5, that is variance >= ")
    assert "lr >= " in of_well(batch_size=2).remedy(5)  # no batch is smaller than 1


@pytest.mark.parametrize(("beta", "lr"), [(0.0, 1e-3), (0.9, 1e-3), (0.95, 0.05)])
def test_psi_is_the_theorys_with_the_effective_temperature(beta, lr):
    stated = float(theory.escape_exponent(**TERMS, lr=lr))
    dynamics = Momentum(lr, beta) if beta else SGD(lr)
    expected = stated
    if beta:
        langevin = {"mass": lr / (1 - beta), "damping": (1 - beta) / lr, "hessian_saddle": 0.7}
        ratio = float(theory.effective_temperature(temperature_minimum=1.0, temperature_saddle=0.35, **langevin)) / 0.35
        share = (0.7 / 2.7) / 2
        expected = stated * (share + (2 / 2.7 / 0.7) / ratio) / (share + 2 / 2.7 / 0.7)
    prospect = of_well(dynamics, 1)
    assert prospect.exponent == pytest.approx(expected, rel=0.01)
    assert prospect.local_exponent == pytest.approx(stated, rel=0.01)


@pytest.mark.parametrize("psi", [5.0, 20.0, 100.0])
def test_iterations_are_right_within_a_factor_2_without_inertia(psi):
    lr = 1e-3
    noise = IsotropicNoise(2 * 0.4 / psi / lr)
    exact = theory.first_passage_time(
        lambda x: WELL.gradient(x[..., None])[..., 0], 0.4 / psi, start=0.0, boundary=WELL.saddle, breaks=[WELL.join]
    )
    assert abs(of_well(SGD(lr), noise=noise).log_iterations - np.log(exact / lr)) < np.log(2)


def test_whole_steps_shorten_the_wait_as_the_chain_does():
    """At lr H = 1 the exact chain leaves 12 times as soon as the SDE; the estimate stays within a factor 2."""
    well, noise = DoubleParabola(1.0, 1.0, 1.0, 1), IsotropicNoise(2 / 8)
    where = {"lr": 1.0, "start": 0.0, "boundary": well.saddle, "breaks": [well.join]}
    chain = theory.discrete_first_passage_time(lambda x: well.gradient(x[..., None])[..., 0], 0.5, **where)
    whole, fine = (
        escape_prospect(SGD(1.0), well, noise=noise, boundary=well.saddle, substeps=steps) for steps in (1, 1000)
    )
    assert abs(whole.log_iterations - np.log(chain)) < np.log(2)
    assert fine.log_iterations - np.log(chain) > np.log(5)


def test_a_following_second_moment_has_one_temperature():
    """Psi of Proposition 2, with inertia and without; a smaller batch lowers it as its root."""
    expected = float(theory.escape_exponent(**TERMS, lr=1e-3, power=0.5))
    for dynamics in (RMSprop(1e-3, second_moment="following"), Adam(1e-3, second_moment="following")):
        prospect = of_well(dynamics, 1)
        assert prospect.exponent == pytest.approx(expected, rel=0.01)
        assert prospect.remedy(prospect.exponent / 2).endswith("lr >= 0.002")
        assert of_well(dynamics, 16).remedy(2 * prospect.exponent).endswith("batch_size <= 4")


def test_a_valley_is_followed_and_ways_out_add_up():
    """Over the bend the barrier is 1, on the straight line 3; more coordinates leave sooner."""
    bend = CoupledLandscape(curved_loss, curved_gradient, dimension=2, reference=[1.0, 1.0])
    noise = IsotropicNoise(2 * 0.1 / 1e-3)
    for boundary in (Beyond(0, 0.0), HalfSpace([-1.0, 0.0], 0.0)):
        assert escape_prospect(SGD(1e-3), bend, noise=noise, boundary=boundary).exponent == pytest.approx(10, rel=0.01)
    assert escape_prospect(SGD(1e-3), bend, noise=noise, boundary=0.0).exponent == pytest.approx(20 / 3, rel=0.05)
    one, ten = (
        escape_prospect(SGD(1e-3), DoubleParabola(0.4, 2.0, 0.7, d), noise=PIECEWISE, boundary=WELL.saddle)
        for d in (1, 10)
    )
    assert one.log_iterations - ten.log_iterations == pytest.approx(np.log(10))


@pytest.mark.parametrize(
    "noise",
    [HessianNoise(1), *(pytest.param(each, marks=pytest.mark.long) for each in (Noise([1.0, 3.0]), PIECEWISE))],
    ids=repr,
)
def test_in_a_bent_valley_psi_is_the_least_action(noise):
    """The hottest direction's temperature gave 2.07 instead of 4.75, and 671 iterations where the grid has 27,350."""
    valley, beyond = CurvedValley(0.5), Beyond(0, 0.75)
    motion = OverdampedMotion(SGD(0.03), valley, noise)

    def jump(x):
        centres, weights = valley.regions
        far = np.sum((x[:, None] - centres) ** 2, axis=2) - weights
        home = int(np.argmin(np.sum((centres - valley.reference) ** 2, axis=1)))
        return far[:, home] - np.delete(far, home, axis=1).min(axis=1)

    given = {"jump": jump} if noise == PIECEWISE else {}
    least = theory.least_action(motion.drift, motion.diffusion, start=valley.reference, end=[0, 0.5], **given).action
    for boundary in (beyond, Ball((1.0, 0.0), 0.25)):
        prospect = escape_prospect(SGD(0.03), valley, noise=noise, boundary=boundary, substeps=1000)
        assert prospect.exponent == pytest.approx(least, rel=0.03)
    grid = fokker_planck.mean_first_passage_time(
        valley, dynamics=SGD(0.03), noise=noise, start=valley.reference, boundary=beyond, tolerance=2e-2
    )
    assert abs(prospect.log_iterations - np.log(grid.mfpt_iterations.item())) < np.log(5)


def test_splitting_refuses_a_rate_that_no_number_holds():
    with pytest.raises(ValueError, match=r"below the range of floating-point numbers.*a boundary that is reached"):
        rare_escape_rate(SGD(0.03), CurvedValley(0.5), noise=HessianNoise(1), boundary=Beyond(0, 5.0))


@pytest.mark.long
@pytest.mark.parametrize("beta1", [0.5, 0.9, 0.95, 0.98])
def test_splitting_is_reliable_within_its_reach_and_not_twice_as_far(beta1):
    """The more heat inertia carries, the less a position says of how near an exit is."""
    dynamics = Momentum(0.05, beta1)
    replicas, psi_of_one = 3000, of_well(dynamics, batch_size=1)
    reach = psi_of_one.splitting_reach(replicas) / psi_of_one.exponent
    reliable = []
    for share in (0.6, 2.0):
        known = {"noise": HessianNoise(share * reach, "piecewise"), "boundary": WELL.saddle, "replicas": replicas}
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            reliable.append(bool(rare_escape_rate(dynamics, WELL, **known)["reliable"]))
    assert reliable == [True, False]


@pytest.mark.parametrize("coordinates", [2, 10, 100])
def test_in_many_directions_a_height_is_no_barrier(coordinates):
    """The loss is d/2 temperatures on average: at that height, and at that radius, exits are no rare event."""
    bowl, noise = QuadraticSaddle(np.ones(coordinates)), IsotropicNoise(2.0)  # temperature lr
    for boundary in (LossLevel(0.01 * coordinates / 2), Radius(np.sqrt(0.01 * coordinates))):
        prospect = escape_prospect(SGD(0.01), bowl, noise=noise, boundary=boundary)
        assert prospect.log_iterations < np.log(10 * prospect.relaxation)


def test_nothing_is_said_where_nothing_is_known():
    saddle, noise = QuadraticSaddle([-1.0, 1.0]), IsotropicNoise(1.0)
    nowhere = (LossLevel(5.0), Radius(3.0), Region(lambda x, lane: x[0, lane] > 3.0))
    assert all(escape_prospect(SGD(0.01), saddle, noise=noise, boundary=each) is None for each in nowhere)
    assert escape_prospect(SGD(0.01), saddle, noise=noise, boundary=Beyond(0, 3.0)) is None  # downhill


# --- the warning


def test_hopeless_runs_say_so_before_they_start():
    """Warnings are errors here: nothing is run."""
    given = {"noise": HessianNoise(16, "piecewise"), "boundary": WELL.saddle, "replicas": 1000}
    said = r"psi = 203 .* 1e90 iterations to an exit; all 1000 replicas together run 1e9, and none can .* lr >= 0.9"
    with pytest.raises(RuntimeWarning, match=said):
        exit_times(Momentum(0.05, 0.95), WELL, max_iterations=10**6, **given)
    with pytest.raises(RuntimeWarning, match=r"psi = 203 .*1000 replicas split paths reliably up to psi = 13"):
        rare_escape_rate(Momentum(0.05, 0.95), WELL, **given)


def test_first_steps_of_rmsprop_from_no_second_moment_are_no_false_alarm():
    """Its idealization leaves at psi = 163; the first steps are 1/sqrt(1 - beta2) = 100 times as long, and lead out."""
    shipped, given = RMSprop(0.003, 0.9999, second_moment="running"), {"noise": IsotropicNoise(100.0), "replicas": 1000}
    ends = {"landscape": StyblinskiTang(1), "start": -2.9, "boundary": -2.5}
    exits = exit_times(shipped, **ends, **given, max_iterations=100)  # warnings are errors here
    assert exits.exited.sum() > 50
    with pytest.raises(RuntimeWarning, match=r"psi = 489: .* none can be expected to leave"):
        exit_times(RMSprop(0.001, second_moment="running"), **ends, **given, max_iterations=100)


@pytest.mark.parametrize("share", [1.0, 1e-2, 1e-8])
def test_the_warning_begins_where_the_estimate_cannot_be_that_wrong(share):
    """Expected exits of 1 and of a hundredth are no alarm; 1e-8 of one is, at psi = 95."""
    prospect = of_well(SGD(0.01), 1)
    replicas = max(int(share * np.exp(prospect.log_iterations - np.log(1e6))), 1)
    edge = edge_of(WELL.saddle, WELL, WELL.reference)
    expected = replicas * 1e6 / np.exp(prospect.log_iterations)
    alarm = np.log(expected) < -np.log(FACTOR) - SHARE * prospect.exponent
    given = {"replicas": replicas, "max_iterations": 10**6}
    assert alarm == (share == 1e-8)
    if not alarm:
        warn_hopeless(SGD(0.01), WELL, PIECEWISE, edge, WELL.reference, **given)
        return
    with pytest.warns(RuntimeWarning, match="none can be expected to leave"):
        warn_hopeless(SGD(0.01), WELL, PIECEWISE, edge, WELL.reference, **given)


def test_inertia_may_carry_a_start_on_a_slope_out():
    """From 0.32 a heavy ball swings to -0.08 without noise; SGD does not."""
    where = {"noise": IsotropicNoise(1e-4), "boundary": -0.08, "start": 0.32}
    assert escape_prospect(Momentum(0.05, 0.95), WELL, **where) is None
    assert escape_prospect(SGD(0.05), WELL, **where).exponent > 1000
