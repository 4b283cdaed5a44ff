"""Figures 7 and 14 on minima whose sharpness is known: nothing is trained or differentiated here."""

from zlib import crc32

import numpy as np
import pytest

from experiments.evidence.claims import figure_7, figure_14
from experiments.evidence.contest import LOOKED_AT
from experiments.evidence.lab import Lab
from experiments.evidence.training import CURVES, Run

NOISE = 0.02  # of the logarithm of a sharpness, between seeds
PAPER = {"Adai": 1.0, "AdaiW": 1.0, "SGDM": 2.0, "Adam": 5.0}
EQUAL = dict.fromkeys(LOOKED_AT, 1.0)
LOSSES = dict.fromkeys(LOOKED_AT, 0.1)


class Planted(Lab):
    """A lab whose runs begin at loss 1 and end where they are planted to, with a sharpness that goes with the loss.

    Of each optimizer `sharp` is the sharpness at loss 1, `free` that which is free of scale, `loss` the last loss, and
    `power` that of the loss in both measures. Those in `lost` diverge. A state is its own three numbers.
    """

    def runs(self, recipes, title=""):
        return [self._run(recipe) for recipe in recipes]

    def _run(self, recipe):
        name = recipe.optimizer
        curves = {each: np.full(recipe.epochs, 0.1) for each in CURVES}
        if name in self.lost:
            return Run(curves, diverged=10)
        own = np.exp(NOISE * np.random.default_rng([recipe.seed, crc32(name.encode())]).normal(size=2))
        steps = (*recipe.keep, 2 * recipe.keep[-1])
        losses = [self.loss[name] ** (step / steps[-1]) for step in steps]
        both = own * [self.sharp[name], self.free[name]]
        states = [np.array([*both * loss**self.power, loss]) for loss in losses]
        return Run(curves, dict(zip(steps, states, strict=True)))

    def each(self, task, settings, title="", **more):
        return [getattr(self, task.__name__)(**arguments) for arguments in settings]

    def losses(self, states, **more):
        return {"loss": states[:, 2]}

    def sharpness(self, state, eigenvalues, draws, **more):
        ranks, (absolute, free, _) = np.arange(1, eigenvalues + 1), state
        found = {"eigenvalues": absolute / ranks, "free_eigenvalues": free / ranks}
        return found | {"rise": np.full(draws, absolute), "free_rise": np.full(draws, free)}


def planted(sharp, free=None, loss=LOSSES, power=0.0, lost=()):
    lab = Planted(size="quick")
    lab.sharp, lab.free, lab.loss, lab.power, lab.lost = sharp, free or sharp, loss, power, lost
    return lab


def orders(claim, lab):
    """The findings on each pair whose order the paper states, by measure and place."""
    verdicts = claim.verdicts(claim.tried(lab))
    assert not any(verdict.missing for verdict in verdicts)
    told = {verdict.subject: verdict.findings for verdict in verdicts}
    pairs = {pair: told[f"{pair[0]} against {pair[1]}"] for pair in claim.below}
    return {
        pair: {each.name.partition(", ")[2]: each for each in findings if each.name.startswith("sign")}
        for pair, findings in pairs.items()
    }


CLAIMS = pytest.mark.parametrize("claim", [figure_7.claim, figure_14.claim], ids=lambda claim: claim.name)
ABSOLUTE, FREE = "absolute, at the end", "free of scale, at the end"


@CLAIMS
def test_a_planted_order_is_found_in_all_measures(claim):
    lab = planted(PAPER)
    found = [finding for each in orders(claim, lab).values() for finding in each.values()]
    assert len(found) == 2 * 4
    assert all(finding.holds and "as the paper has it" in finding.text for finding in found)
    ((_, _, figure, _),) = claim.figures(claim.tried(lab))
    assert "flatter than Adam in 4 of 4 comparisons" in " ".join(figure.get_suptitle().split())


@CLAIMS
def test_a_reversed_order_contradicts_the_paper(claim):
    lab = planted({name: 1 / value for name, value in PAPER.items()})
    found = [finding for each in orders(claim, lab).values() for finding in each.values()]
    assert all(finding.holds is False and "against the paper" in finding.text for finding in found)


@CLAIMS
def test_equal_optimizers_are_not_told_apart(claim):
    """Each of four families of comparisons is wrong with a probability of 5 % at most."""
    found = [finding for each in orders(claim, planted(EQUAL)).values() for finding in each.values()]
    assert all(finding.holds is None and "the order is not resolved" in finding.text for finding in found)


@CLAIMS
def test_flatness_that_comes_with_a_lower_loss_is_none_at_equal_loss(claim):
    lab = planted(EQUAL, power=1.0, loss=LOSSES | {"Adam": 0.5})
    found = orders(claim, lab)["Adai", "Adam"]
    assert found[ABSOLUTE].holds
    assert found[FREE].holds
    equal = [finding for name, finding in found.items() if name.endswith("at equal training loss")]
    assert [finding.holds for finding in equal] == [None, None]


@CLAIMS
def test_an_order_of_scale_alone_is_none_free_of_scale(claim):
    for each in orders(claim, planted(PAPER, free=EQUAL)).values():
        assert each[ABSOLUTE].holds
        assert each[FREE].holds is None


@CLAIMS
def test_minima_that_were_not_reached_are_rows_and_the_others_are_compared(claim):
    lab = planted(PAPER, lost=("Adam",))
    found = orders(claim, lab)
    assert all("there is no ratio" in finding.text for finding in found["Adai", "Adam"].values())
    if ("Adai", "SGDM") in found:
        assert found["Adai", "SGDM"][ABSOLUTE].holds
    pieces = claim.tried(lab)
    told = {verdict.subject: verdict.sentence for verdict in claim.verdicts(pieces)}
    assert "3 of 3 runs diverged" in told["Adam"]
    assert "diverged" not in told["Adai"] + told["SGDM"]
    assert {fault.state for piece in pieces for _, fault in piece.faults} == {"ok"}
    ((_, _, figure, _),) = claim.figures(pieces)
    figure.draw_without_rendering()
