"""The claims on training, on runs whose answer is known: nothing is trained here."""

from zlib import crc32

import numpy as np
import pytest

from experiments.evidence import contest
from experiments.evidence.claims import figure_3, figure_5, figure_12, figure_13, table_2, table_3
from experiments.evidence.lab import Lab
from experiments.evidence.training import CURVES, Run

NOISE = 0.002  # of errors, between seeds


class Planted(Lab):
    """A lab whose runs have errors that `error` plants, of each recipe; a run whose error is NaN diverged."""

    def runs(self, recipes, title=""):
        return [self._run(recipe) for recipe in recipes]

    def _run(self, recipe):
        both = np.random.default_rng([recipe.seed]).normal()  # pairs share it
        point = f"{recipe.optimizer} {recipe.lr:g} {recipe.weight_decay:g}"
        own = np.random.default_rng([recipe.seed, crc32(point.encode())]).normal()
        error = self.error(recipe) + NOISE * (both + own)
        curves = {name: np.full(recipe.epochs, error) for name in CURVES}
        curves["running_loss"] = np.exp(-np.arange(recipe.epochs) / 2) * (1 + error)
        return Run(curves, diverged=10 if np.isnan(error) else -1)


def planted(error, size="default"):
    lab = Planted(size=size)
    lab.error = error
    return lab


def equal(recipe):
    return 0.1


def paper(recipe):
    """Adai at its first rate diverges, at the other it is better than SGDM; Adam is worse, AdaBelief not to be had."""
    if recipe.optimizer == "AdaBelief" or (recipe.optimizer == "Adai" and recipe.lr == contest.RATES["Adai"][0]):
        return np.nan
    return {"Adai": 0.08, "Adam": 0.13}.get(recipe.optimizer, 0.1)


def verdicts(claim, lab):
    return {verdict.subject: verdict for verdict in claim.verdicts(claim.tried(lab))}


def finding(verdict, name):
    return next(each for each in verdict.findings if each.name == name)


def test_table_2_finds_a_planted_order_and_shows_what_diverged_as_rows():
    lab = planted(paper)
    told = verdicts(table_2.claim, lab)
    adai, adam = told["Adai"], told["Adam"]
    assert finding(adai, "learning rate").value == contest.RATES["Adai"][1]
    assert finding(adai, "sign of the difference from SGDM").holds
    assert finding(adai, "sign of the difference from Adam").holds
    assert finding(adam, "sign of the difference from SGDM").holds
    assert "as the authors have it" in adam.sentence
    assert "2 of 2 runs diverged" in adai.sentence
    assert "8 of 8 runs diverged" in told["AdaBelief"].sentence
    assert not any("difference" in each.name for each in told["AdaBelief"].findings)
    ((_, _, figure, _),) = table_2.claim.figures(table_2.claim.tried(lab))
    assert " ".join(figure.get_suptitle().split()) == (
        "Table 2: of 9 orders against SGDM 2 are the authors', 0 are reversed, 7 not resolved"
    )


def test_table_2_resolves_nothing_among_equal_optimizers():
    told = verdicts(table_2.claim, planted(equal))
    signs = [each for verdict in told.values() for each in verdict.findings if "sign" in each.name]
    assert len(signs) == 11
    assert all(np.isnan(each.value) and "not resolved" in each.text for each in signs)
    assert "it can contradict the paper's order here, not reproduce its numbers" in told["Adai"].sentence


def test_table_2_contradicts_the_authors_where_the_order_is_reversed():
    told = verdicts(table_2.claim, planted(lambda recipe: 0.12 if recipe.optimizer == "AdaiW" else 0.1))
    order = finding(told["AdaiW"], "sign of the difference from SGDM")
    assert order.holds is False
    assert "against the authors' order" in order.text


def test_the_authors_own_three_runs_do_not_resolve_adai_and_sgdm():
    signs = contest.authors_signs()
    assert signs["Adai"] == signs["AdaiW"] == signs["AdamW"] == signs["Padam"] == 0
    assert {signs[name] for name in ("Adam", "AMSGrad", "AdaBound", "Yogi", "RAdam")} == {1}


def test_a_rate_at_which_a_run_diverged_is_selected_last():
    assert contest.select(np.array([[np.nan, 1.0], [5.0, 6.0], [7.0, 7.0]])) == 1
    assert contest.select(np.full((2, 2), np.nan)) == 0


def test_every_optimizer_is_tried_at_as_many_rates():
    assert len(contest.RATES) == 11
    assert {len(rates) for rates in contest.RATES.values()} == {4}


def test_decoupled_weight_decay_shrinks_as_much_at_every_rate():
    made = [contest.recipe(planted(equal), "AdamW", lr, 0) for lr in (1e-3, 1e-2)]
    assert [recipe.lr * recipe.weight_decay for recipe in made] == pytest.approx([contest.DECAY] * 2)


def test_epochs_to_a_loss_are_exact_where_it_falls_geometrically():
    losses = np.exp(-0.7 * np.arange(1, 9))
    assert figure_3.epochs_to(losses, np.exp(-0.7 * 3.25)) == pytest.approx(3.25)
    assert figure_3.epochs_to(losses, 2.0) == 1
    assert np.isnan(figure_3.epochs_to(losses, 1e-9))


def test_a_faster_optimizer_is_found_and_equal_ones_are_not_told_apart():
    told = verdicts(figure_3.claim, planted(lambda recipe: -0.3 if recipe.optimizer == "Adai" else 0.1))
    assert finding(told["Adai"], "speed against SGDM").holds
    told = verdicts(figure_3.claim, planted(equal))
    assert finding(told["Adai"], "speed against SGDM").holds is None
    slower = verdicts(figure_3.claim, planted(lambda recipe: 0.5 if recipe.optimizer == "Adai" else 0.1))
    assert finding(slower["Adai"], "speed against Adam").holds is False


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_the_basin_of_a_plane_is_its_share(share):
    plane = np.add.outer([0.0, 0.5, 1.0], np.zeros(3)) / share
    assert figure_5.basin(plane, margin=1.0) == pytest.approx(share, abs=1 / figure_5.FINE)
    plane[2, 2] = np.nan
    assert figure_5.basin(plane, margin=1.0) <= share + 1 / figure_5.FINE


def bowl(recipe):
    """A basin in which Adai is wider and deeper."""
    centre = contest.RATES[recipe.optimizer][0]
    away = np.log(recipe.lr / centre) ** 2 + 0.3 * np.log(recipe.weight_decay / 5e-4) ** 2
    return 0.05 + 0.002 * away if recipe.optimizer == "Adai" else 0.09 + 0.08 * away


def test_figure_5_finds_a_wider_and_deeper_basin_and_none_among_equal_ones():
    wide = verdicts(figure_5.claim, planted(bowl, "full"))["Adai"]
    assert finding(wide, "basin against SGDM").holds
    assert finding(wide, "least error against Adam").holds
    same = verdicts(figure_5.claim, planted(equal, "full"))["Adai"]
    assert [each.holds for each in same.findings if "against" in each.name] == [None] * 4


def test_figure_5_is_refuted_where_a_rival_has_the_wider_basin():
    swapped = {"Adai": "SGDM", "SGDM": "Adai", "Adam": "Adam"}

    def reverse(recipe):
        name = swapped[recipe.optimizer]
        away = np.log(recipe.lr / contest.RATES[recipe.optimizer][0]) ** 2
        return 0.05 + (0.002 if name == "Adai" else 0.08) * away

    assert finding(verdicts(figure_5.claim, planted(reverse, "full"))["Adai"], "basin against SGDM").holds is False


def test_figure_13_finds_the_order_of_losses_and_does_not_judge_by_a_rate_at_the_edge_of_those_tried():
    losses = {"Adai": 1.4, "SGDM": 1.5, "Adam": 1.4}

    def inside(recipe):
        return losses[recipe.optimizer] + 0.1 * (recipe.lr not in figure_13.RATES[recipe.optimizer][1:3])

    told = verdicts(figure_13.claim, planted(inside))["Adai"]
    assert finding(told, "order against SGDM").holds
    assert finding(told, "order against Adam").holds is None
    slowest = verdicts(figure_13.claim, planted(lambda recipe: losses[recipe.optimizer] + recipe.lr))["Adai"]
    assert finding(slowest, "order against SGDM").holds is None
    assert "the rate selected for Adai and SGDM is at the edge" in slowest.sentence


def test_what_a_full_run_alone_trains_is_shown_as_not_run_by_another():
    for claim in (table_3.claim, figure_12.claim):
        ((_, verdict),) = verdicts(claim, planted(equal)).items()
        assert not verdict.missing
        assert "not run: it needs --full" in verdict.sentence


def test_a_full_run_judges_the_weaker_weight_decay():
    lab = planted(lambda recipe: 0.12 if recipe.weight_decay == contest.WEAK_DECAY else 0.1, "full")
    assert finding(verdicts(table_3.claim, lab)["SGDM"], "sign of the difference from 5e-4").holds
    assert "not told apart" in verdicts(figure_12.claim, lab)["Adai"].sentence


def test_every_claim_draws_what_it_found_also_where_runs_diverged():
    for claim in (figure_3.claim, figure_5.claim, figure_13.claim):
        for error in (equal, lambda recipe: np.nan if recipe.optimizer == "Adai" else 0.1):
            ((_, name, figure, caption),) = claim.figures(claim.tried(planted(error, "quick")))
            assert name == claim.name
            assert "can contradict" in caption
            figure.draw_without_rendering()
