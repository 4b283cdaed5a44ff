"""From network to theory and SVAG on replicas whose spread is known: nothing is trained or simulated here."""

import numpy as np
import pytest

from experiments.evidence.claims import from_network_to_theory, svag
from experiments.evidence.departures import QUADRATIC
from experiments.evidence.lab import Lab
from experiments.evidence.replicas import Rule
from experiments.evidence.training import Run

ENDS = np.array([0, 10, 100, 110])  # top, bulk, negative
CURVATURE = np.concatenate([np.geomspace(5, 1, 10), np.geomspace(0.9, 0.01, 90), -np.geomspace(0.1, 0.01, 10)])


class Planted(Lab):
    """A lab whose replicas spread as is planted.

    Noise is `noise` times Equation 3's, and with minibatches drawn independently `route` of `formulas` is the variance
    that it leads to; `shuffled` is that of shuffled data over it, `error` that of variances' logarithms. Of the control
    the variance is `controlled` times the exact one. Of SVAG all means and variances are 1, but `sgd` at l = 1, and
    `spread` is the deviation between replicas.
    """

    route, noise, shuffled, error, controlled = "paper", 1.0, 0.01, 0.01, 1.0
    sgd, spread = 1.0, 0.2

    def runs(self, recipes, title=""):
        return [Run({}, {1: np.zeros(1)}, train_loss=0.01) for _ in recipes]

    def each(self, task, settings, title="", **more):
        return [getattr(self, task.__name__)(**arguments) for arguments in settings]

    def eigenbasis(self, **more):
        noise = self.noise * np.abs(CURVATURE)
        return {"directions": np.zeros((1, 110)), "ends": ENDS, "curvature": CURVATURE, "noise": noise}

    def departure(self, rule, save, count, seed, **more):
        rule, generator = Rule(**rule), np.random.default_rng(seed)
        noise = self.noise * np.abs(CURVATURE)
        variance = np.array([from_network_to_theory.formulas(rule, k, CURVATURE, noise)[self.route] for k in save])
        variance *= np.exp(self.error / 3 * generator.standard_normal((len(save), 1)))
        variance *= 1.0 if rule.replacement else self.shuffled
        mean = np.sqrt(variance / count) * generator.standard_normal(variance.shape)
        return {"variance": variance, "mean": mean, "error": np.full((len(save), 3), self.error)}

    def control(self, rules, save, **more):
        h, iterations, formulas = np.array(QUADRATIC), np.array(save)[:, None], from_network_to_theory.formulas
        stated = {name: formulas(Rule(**rule), iterations, h, np.abs(h)) for name, rule in rules.items()}
        return {name: self.controlled * routes["exact_discrete"] for name, routes in stated.items()}

    def svag(self, rule, count, seed, **more):
        generator, size = np.random.default_rng(seed), self.sgd if rule["level"] == 1 else 1.0
        numbers = size * (1 + self.spread * generator.standard_normal((3, count)))
        along = np.sqrt(size) * generator.standard_normal((count, 10))
        return dict(zip(("rise", "square", "curvature"), numbers, strict=True)) | {"along": along}


def planted(size="quick", **numbers):
    lab = Planted(size=size)
    vars(lab).update(numbers)
    return lab


def judged(claim, lab):
    """By subject, what each finding with a number of its own says."""
    verdicts = claim.verdicts(claim.tried(lab))
    assert not any(verdict.missing for verdict in verdicts)
    beside = ("training loss at the checkpoint", "squared drift over variance, at most")
    return {
        verdict.subject: {each.name: each.holds for each in verdict.findings if each.name not in beside}
        for verdict in verdicts
    }


def of_theory(**numbers):
    """The findings of the ensembles, of shuffled data and of the control apart."""
    found = judged(from_network_to_theory.claim, planted(**numbers))
    control = found.pop(from_network_to_theory.CONTROL)["measured over exact"]
    shuffled = {holds for name in list(found) if "shuffled" in name for holds in found.pop(name).values()}
    return found, shuffled, control


def test_theorems_that_are_true_are_found_to_be():
    found, shuffled, control = of_theory()
    assert set(found) == {"SGD", "Momentum from rest", "Momentum in motion"}
    assert {holds for each in found.values() for holds in each.values()} == {True}
    assert len(found["SGD"]) == 2 * 3  # learning rates; either noise, the latter along negative directions apart
    assert shuffled == {False}
    assert control is True


def test_noise_that_is_not_the_hessian_is_told_from_theorems_that_are_wrong():
    found, _, _ = of_theory(noise=1.5)
    for each in found.values():
        assert {holds for name, holds in each.items() if "with C = |H|/B" in name} == {False}
        assert {holds for name, holds in each.items() if "with C as measured" in name} == {True}


def test_what_a_theorem_leaves_out_is_found_and_so_is_shuffling_that_changes_nothing():
    found, shuffled, _ = of_theory(route="exact_discrete", shuffled=1.0)
    early = [holds for name, holds in found["Momentum from rest"].items() if "after 10 iterations" in name]
    assert early == [False, False]  # Theorem 2 has no rest
    assert shuffled == {True}


def test_ensembles_that_resolve_nothing_are_not_judged():
    found, _, _ = of_theory(error=0.2)
    assert {holds for each in found.values() for holds in each.values()} == {None}


def test_a_control_that_is_off_is_no_sound_instrument():
    claim, lab = from_network_to_theory.claim, planted(controlled=1.5)
    (piece,) = (each for each in claim.tried(lab) if each.subject == from_network_to_theory.CONTROL)
    assert piece.measured["discrete"].p_value().max() < 1e-6
    assert of_theory(controlled=1.5)[2] is False


def agreement(**numbers):
    """What is found of SGD's statistics, and how many findings there are on SVAG's own limit."""
    found = judged(svag.claim, planted(**numbers))
    assert set(found) == {"SGD at learning rate 0.1", "SGD at learning rate 0.4"}
    of_sgd = [holds for each in found.values() for name, holds in each.items() if ", l = 1 over" in name]
    assert len(of_sgd) == 2 * len(svag.STATISTICS)
    return set(of_sgd)


@pytest.mark.parametrize(("sgd", "agrees"), [(1.0, True), (1.3, False), (0.75, False)])
def test_sgd_that_has_the_statistics_of_its_sde_is_told_from_one_that_has_not(sgd, agrees):
    """Wrong with a probability below 1e-4 for each statistic: errors are at most 2 %."""
    assert agreement(size="full", sgd=sgd) == {agrees}


def test_few_replicas_do_not_tell_sgd_from_its_sde():
    assert agreement(spread=1.0) == {None}


def test_both_claims_draw_what_they_found():
    for claim in (from_network_to_theory.claim, svag.claim):
        ((_, name, figure, _),) = claim.figures(claim.tried(planted()))
        assert name == claim.name
        figure.draw_without_rendering()
