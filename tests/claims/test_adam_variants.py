"""Adam's variants and flat minima: the powers of sharpness, which optimizers the sentence is true of, and controls."""

from dataclasses import replace

import numpy as np
import pytest
from changed_numbers import scaled, with_data
from shared_evidence import finding, titles

import theory
from experiments.claims.adam_variants import CROSSOVER, MEASURED, POWER, claim
from experiments.problems.table_2 import BETA2, TABLE_2, problem
from experiments.referee import Evidence, Row, Sample
from experiments.referee.laws import MeanSquare

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
    assert "gamma = 0.01" in figure.axes[0].get_title()
