"""Adam's variants and flat minima: the powers of sharpness, which optimizers the sentence is true of, and controls."""

from dataclasses import replace

import numpy as np
import pytest
from changed_numbers import scaled, with_data
from shared_evidence import finding, titles

import theory
from diffusion import Momentum, rare_escape_rate
from experiments.claims.adam_variants import CROSSOVER, DATA_POWER, MEASURED, POWER, SPLIT_POWER, claim, on_data
from experiments.problems import exits
from experiments.problems.exits import RATE
from experiments.problems.optimizers import BETA1
from experiments.problems.table_2 import BETA2, DATA_BARRIERS, TABLE_2, minibatches, problem
from experiments.problems.wells import GRID_TOLERANCE
from experiments.referee import Evidence, Row, Sample
from experiments.referee.laws import MeanSquare, Student
from experiments.referee.routes import Routes

ELEVEN = {"AdaiW", "Adai", "Momentum", "Adam", "AMSGrad", "AdamW", "AdaBound", "Padam", "Yogi", "RAdam", "AdaBelief"}
AGAINST = {"Padam", "AdaBound, late"}
SENTENCE = "the paper's sentence"


def powers(routes):
    return {piece.subject: piece for piece in claim.tried(routes) if piece.quantity == POWER}


def test_the_eleven_optimizers_of_table_2_are_tried_as_shipped():
    assert {name.partition(",")[0] for name in TABLE_2} == ELEVEN
    for name, entry in TABLE_2.items():
        optimizer = entry.make(0.1, BETA2)
        assert type(optimizer).__name__ == name.partition(",")[0]
        assert getattr(optimizer, "beta2", BETA2) == BETA2
        assert name == "Momentum" or optimizer.second_moment == "running"


@pytest.mark.parametrize("name", TABLE_2)
def test_exact_powers_are_those_of_the_symmetry(quick_routes, name):
    judged = finding(claim, name, "power of sharpness")
    assert judged.target == 1 - TABLE_2[name].power
    assert judged.value == pytest.approx(judged.target, abs=0.05)
    assert "a test of the instrument" in judged.text


def test_the_sentence_holds_of_all_but_padam_and_a_late_adabound(quick_routes):
    verdicts = {verdict.subject: verdict for verdict in claim.verdicts(claim.tried(quick_routes))}
    judged = {name: each.holds for name in verdicts for each in verdicts[name].findings if each.name == SENTENCE}
    assert judged == {name: name not in AGAINST for name, entry in TABLE_2.items() if entry.variant}
    assert {name for name, verdict in verdicts.items() if verdict.level == "in part"} == AGAINST
    (title,) = titles(claim, claim.tried(quick_routes)).values()
    assert "6 of 8 prefer them less than SGD does; Padam and AdaBound late do not" in title


def test_measured_powers_tell_adam_from_momentum(quick_routes):
    """Each interval of 95 % lacks the other's power, from which it is five or more standard errors away."""
    for name, other in (("Adam", 1.0), ("Momentum", 0.5)):
        row = powers(quick_routes)[name].data.isel(row=0)
        assert not row["shipped_low"] <= other <= row["shipped_high"]
        assert row["shipped"] == pytest.approx(1 - TABLE_2[name].power, abs=0.25)


def test_a_power_that_changes_turns_the_sentence_round(quick_routes):
    for name, factor in (("Padam", 0.5), ("Yogi", 2.0)):
        before = finding(claim, name, SENTENCE)
        changed = claim.findings([with_data(powers(quick_routes)[name], scaled("exact", factor))])
        (after,) = (each for each in changed if each.name == SENTENCE)
        assert after.holds is not before.holds
        assert after.text != before.text


@pytest.mark.parametrize("name", ["Momentum", "Padam", "Adam", "Yogi"])
def test_under_minibatches_the_sdes_power_is_1_less_q(name):
    """By exact times, at learning rates with one barrier over temperature whatever the size of batches."""
    entry = TABLE_2[name]
    q, lr = entry.power, entry.data_learning_rate(10)
    assert lr / entry.data_learning_rate(2) == pytest.approx(5 ** (1 - q))
    assert 2 * minibatches(10).climb(q, 1.0) * entry.level**q / lr == pytest.approx(DATA_BARRIERS[q])
    k, times = np.geomspace(1, 2, 5) ** (1 / (1 - q)), []
    for each in k:
        well = minibatches(10)
        start, saddle = well.positions(each)
        drift, spread = theory.following_motion(
            well.gradient(each), well.variance(each), lr=lr / entry.level**q, power=q
        )
        times.append(theory.first_passage_time(drift, spread, start=start, boundary=saddle))
    assert entry.fit_sharpness(k, times).p == pytest.approx(1 - q, abs=0.06)
    other = TABLE_2["Adam" if q < 0.5 else "Momentum"]
    assert abs(other.fit_sharpness(k, times).p - (1 - other.power)) > 0.06


@pytest.mark.parametrize(
    ("quantity", "said"), [(DATA_POWER, "under noise of minibatches"), (SPLIT_POWER, "rates by splitting")]
)
def test_a_power_beyond_the_clean_runs_is_judged_by_the_law(quick_routes, quantity, said):
    law = Student(0.05, 10**6)
    rates = [Row({"optimizer": "Adam"}, {"exact": 1e-8}, {"splitting": Sample(1.5e-8, Student(1e-9, 8))})]
    for value, holds in ((0.55, True), (0.9, False)):
        row = Row({"optimizer": "Adam"}, {"paper": 0.5, "exact": 0.5}, {"shipped": Sample(value, law)})
        more = [
            Evidence.of_rows("Adam", quantity, [row], label="power"),
            Evidence.of_rows("Adam", RATE, rates, label="split"),
        ]
        findings = claim.findings([powers(quick_routes)["Adam"], *more])
        (told,) = (each for each in findings if said in each.name)
        assert told.holds is holds
        assert told.interval == pytest.approx((value - 0.098, value + 0.098), abs=1e-4)


def test_a_power_that_times_do_not_tell_is_neither_right_nor_wrong(quick_routes):
    row = Row({"optimizer": "RAdam"}, {"paper": 0.5, "exact": 0.5})
    more = Evidence.of_rows("RAdam", DATA_POWER, [row], label="power")
    (told,) = (each for each in claim.findings([powers(quick_routes)["RAdam"], more]) if "minibatches" in each.name)
    assert told.holds is None
    assert "cannot be told" in told.text


@pytest.mark.long
def test_under_minibatches_momentum_leaves_as_its_sde_with_inertia_and_not_as_that_without():
    """Of Gaussian noise of equal covariance: damping is weak at these learning rates, which puts the power off."""
    well, lr, k = minibatches(10), TABLE_2["Momentum"].data_learning_rate(10), 2.0
    start, saddle = well.positions(k)
    grid = well.motion(Momentum(lr, BETA1), k).passage(start, saddle, GRID_TOLERANCE).iterations
    times = next(piece for piece in on_data(Routes(1536, 64), "Momentum", TABLE_2["Momentum"])).data.isel(row=-1)
    assert times["sharpness"] == pytest.approx(k)
    assert abs(np.log(times["shipped"] / grid)) < 4.9 / 640**0.5  # rejects a right mean with probability 1e-6
    assert abs(np.log(times["shipped"] / times["exact"])) > 4.9 / 640**0.5


@pytest.mark.long
def test_splitting_and_direct_runs_of_adam_as_shipped_agree():
    """Where both reach, at 6 temperatures; a rate of twice the learning rate is another one."""
    adam, well = TABLE_2["Adam"], problem()
    start, saddle = well.positions(1.0)
    where = {"noise": well.noise, "start": start, "boundary": saddle}
    rates = []
    for lr in (adam.learning_rate, 2 * adam.learning_rate):
        optimizer = adam.make(lr, BETA2)
        run = rare_escape_rate(optimizer, well.landscape(1, 1.0), **where, replicas=500, repetitions=16)
        rates.append((float(run["rate"]), float(run["rate_high"] - run["rate_low"]) / 2 / 1.96))
    direct = exits.ensemble(Routes(1536, 64), adam.make(adam.learning_rate, BETA2), well, 1.0, saddle, replicas=1000)
    (rate, error), (wrong, _) = rates
    spread = np.hypot(error, 1 / direct.value / direct.events**0.5)
    assert abs(rate - 1 / direct.value) < 4.9 * spread  # rejects a right rate with probability 1e-6
    assert abs(wrong - 1 / direct.value) > 4.9 * spread


def test_times_of_a_learning_rate_that_ignores_v_do_not_pass_for_adams():
    adam = TABLE_2["Adam"]
    times = []
    for barrier in MEASURED:
        k = adam.sharpness(barrier)
        drift, spread = theory.following_motion(problem().gradient(k), problem().variance(k), lr=0.05, power=0.0)
        start, saddle = problem().positions(k)
        where = {"start": start, "boundary": saddle, "breaks": problem().breaks(k)}
        times.append(theory.first_passage_time(drift, spread, **where))
    assert adam.fit(MEASURED, times).p > 0.75


def test_levels_of_v_make_times_those_of_adam(quick_routes):
    """Yogi and AdaBelief at learning rates that make up for where their v rests have Adam's exponents."""
    exact = {
        piece.subject: piece.data["exact"].values for piece in claim.tried(quick_routes) if "overdamped" in piece.label
    }
    for name, factor in (("Yogi", 1.5382), ("AdaBelief", 0.9234)):
        assert np.allclose(exact[name], exact["Adam"], rtol=1e-9)
        assert TABLE_2[name].learning_rate / TABLE_2["Adam"].learning_rate == pytest.approx(factor, abs=1e-4)
        assert finding(claim, name, "exponent over Adam's").value == pytest.approx(factor, abs=1e-4)


def test_the_figure_names_what_is_far_from_its_line(quick_routes):
    def beside(piece, name):
        factor = 4 if name == "Adam" else 1.1
        shown = piece.data.assign(exact=factor * piece.data["shipped"]) if piece.label == name else piece.data
        return replace(piece, data=shown, measured={})

    ((_, _, figure, _),) = claim.figures([beside(piece, piece.subject) for piece in claim.tried(quick_routes)])
    assert [text.get_text() for text in figure.axes[0].texts] == ["Adam"]


def test_the_crossover_is_where_logarithms_of_times_are_half_way(quick_routes):
    rows = [
        Row(
            {"gamma": gamma, "sharpness": 3.0},
            {"adam": 9e3, "momentum": 1e3},
            {"shipped": Sample(time, MeanSquare(99))},
        )
        for gamma, time in ((1e-5, 9e3), (1e-3, 9e3**0.75 * 1e3**0.25), (1e-1, 9e3**0.25 * 1e3**0.75))
    ]
    crossing = Evidence.of_rows("AdaBound, late", CROSSOVER, rows)
    (told,) = (
        each for each in claim.findings([powers(quick_routes)["AdaBound, late"], crossing]) if "half" in each.name
    )
    assert told.value == pytest.approx(1e-2)
    *_, (name, _, figure, _) = claim.figures([*claim.tried(quick_routes), crossing])
    assert name == "adam-variants-adabound"
    assert "half way at gamma = 0.01" in " ".join(figure.get_suptitle().split())
