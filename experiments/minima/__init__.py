"""The claims about minima: what each says, and its numbers by every route."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from experiments.claims import Claim
from experiments.comparison import Comparison
from experiments.minima import claims, low_temperature, propositions, rules, theorem_3
from experiments.minima.claims import CLAIMS
from experiments.minima.runner import Runner
from experiments.referee.faults import NOT_HAD, refused

__all__ = ["CLAIMS", "TITLES", "Runner", "compute"]


@dataclass(frozen=True)
class Step:
    """Part of the run: its claims, and their rows from the runner and all rows before that can be judged."""

    title: str
    claims: tuple[Claim, ...]
    rows: Callable[[Runner, list[Comparison]], Iterable[Comparison]]


STEPS = (
    Step("Theorem 3: double parabola", (claims.THEOREM_3,), lambda runner, _: theorem_3.theorem_3(runner, "parabolas-piecewise")),
    Step("Theorem 3: Styblinski-Tang", (claims.THEOREM_3,), lambda runner, _: theorem_3.theorem_3(runner, "tang-piecewise")),
    Step("Theorem 3: damping", (claims.DAMPING, claims.EQUATION_57, claims.EXIT_LINE), lambda runner, _: theorem_3.damping(runner)),
    Step("Theorem 3: two temperatures", (claims.INERTIAL_EXPONENT,), lambda runner, _: theorem_3.two_temperatures(runner)),
    Step("Proposition 2", (claims.PROPOSITION_2,), lambda runner, _: propositions.proposition_2(runner)),
    Step("Proposition 4", (claims.PROPOSITION_4,), lambda runner, _: propositions.proposition_4(runner)),
    Step("Scaling symmetry", (claims.SYMMETRY,), lambda runner, _: rules.symmetry(runner)),
    Step("Batch scaling rules", (claims.BATCH_RULES,), lambda runner, _: rules.batch_rules(runner)),
    Step("Theorem 4", (claims.THEOREM_4,), lambda runner, _: rules.theorem_4(runner.seed)),
    Step("Table 1, minima row", (claims.TABLE_1_MINIMA,), lambda _, found: rules.table_1(found)),
    Step("Low temperature", (claims.LOW_TEMPERATURE,), lambda runner, found: low_temperature.low_temperature(found, runner)),
)  # fmt: skip
TITLES = tuple(step.title for step in STEPS)


def compute(runner: Runner, advance: Callable[[str], None], steps: Iterable[Step] = STEPS) -> list[Comparison]:
    """Every comparison, in the order of the claims; `advance` is told each step that is done.

    Where a reference cannot be computed, the rest of its step is one row for each claim, which says why.
    """
    found: list[Comparison] = []
    for step in steps:
        sound = [one for one in found if not one.missing]
        try:
            for one in step.rows(runner, sound):
                found.append(one)
        except NOT_HAD as error:
            why = f"{step.title}: {refused(error).reason}"
            found += [
                Comparison(claim, claims.EVERY, {}, "the rest of its rows", {}, missing=why) for claim in step.claims
            ]
        advance(step.title)
    return sorted(found, key=lambda one: CLAIMS.index(one.claim))
