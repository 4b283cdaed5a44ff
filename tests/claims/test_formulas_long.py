"""What every finding that rests on a formula of the paper does when that formula is another.

Each formula is changed in `theory` itself, by 10 %, mean times by a tenth of their logarithm, and the claims that
use it are computed anew.
"""

from functools import partial

import numpy as np
import pytest
from changed_numbers import raised, scaled, with_data

import theory
from experiments.claims import CLAIMS
from experiments.problems import convergence
from experiments.referee.routes import Routes

CHANGE = 0.1
VALUES = (
    "sgd_msd",
    "momentum_msd",
    "momentum_drift_msd",
    "adam_msd",
    "adai_msd",
    "convergence_bound",
    "effective_diffusion",
    "stationary_variance",
    "equilibrium_velocity_variance",
)
TIMES = ("sgd_escape_time", "momentum_escape_time", "adam_escape_time", "adai_escape_time")
HOMES = (theory, convergence)  # modules that claims look a formula up in


def replace(monkeypatch, formula, another):
    """Put `another(original)` in the place of a formula."""
    for home in HOMES:
        if hasattr(home, formula):
            monkeypatch.setattr(home, formula, another(getattr(home, formula)))


def larger(original):
    return lambda *arguments, **named: (1 + CHANGE) * np.asarray(original(*arguments, **named))


def longer(original):
    return lambda *arguments, **named: np.asarray(original(*arguments, **named)) ** (1 + CHANGE)


def where_other(change, again):
    """The change, of those of the paper's numbers alone that are others in the evidence computed anew."""

    def some(values):
        if "paper" in values:
            before = values["paper"]
            change(values)
            values["paper"] = np.where(before == again.data["paper"].values, before, values["paper"])

    return some


def verdicts_of(claim, evidence):
    with np.errstate(all="ignore"):
        found = claim.verdicts(evidence)
    return {(verdict.subject, finding.name): finding for verdict in found for finding in verdict.findings}


@pytest.fixture(scope="module")
def before():
    """Each claim's evidence, and the formulas that it called."""
    called = {claim.name: set() for claim in CLAIMS}
    now = []

    def noting(original, formula):
        def call(*arguments, **named):
            called[now[0]].add(formula)
            return original(*arguments, **named)

        return call

    evidence = {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        for formula in (*VALUES, *TIMES):
            replace(monkeypatch, formula, partial(noting, formula=formula))
        for claim in CLAIMS:  # each from nothing, so that it is seen to call what claims before it have called
            now[:] = [claim.name]
            evidence[claim.name] = claim.tried(Routes(64, 32, size="quick"))
    return evidence, called


@pytest.mark.long
@pytest.mark.parametrize("formula", [*VALUES, *TIMES])
def test_another_formula_moves_every_finding_that_rests_on_it(formula, before, monkeypatch):
    evidence, called = before
    claims = [claim for claim in CLAIMS if formula in called[claim.name]]
    assert claims
    replace(monkeypatch, formula, longer if formula in TIMES else larger)
    moved = 0
    for claim in claims:
        changed = claim.tried(Routes(64, 32, size="quick"))
        first, second = verdicts_of(claim, evidence[claim.name]), verdicts_of(claim, changed)
        # a finding rests on the formula's numbers if it moves when those alone are changed, in the evidence itself
        pairs = list(zip(evidence[claim.name], changed, strict=True))
        others = [
            verdicts_of(claim, [with_data(piece, where_other(alone, again)) for piece, again in pairs])
            for alone in (raised("paper", 1 + CHANGE), scaled("paper", 1 + CHANGE))
        ]
        for (subject, name), finding in first.items():
            rests = all(
                (subject, name) not in other
                or not np.isclose(other[subject, name].value, finding.value, rtol=1e-9, atol=0)
                for other in others
            )
            if not rests:
                continue
            now = second.get((subject, name))
            assert now is None or now.value != finding.value, (claim.name, subject, name)
            if finding.holds and finding.tolerance < CHANGE:
                assert now is None or not now.holds, (claim.name, subject, name)
            moved += 1
    assert moved
