"""The claims about minima: what each says, and its numbers by every route."""

from collections.abc import Callable

from experiments.comparison import Comparison
from experiments.minima import low_temperature, propositions, rules, theorem_3
from experiments.minima.claims import CLAIMS
from experiments.minima.runner import Runner

__all__ = ["CLAIMS", "TITLES", "Runner", "compute"]

STEPS: dict[str, Callable[[Runner], list[Comparison]]] = {
    "Theorem 3: double parabola": lambda runner: list(theorem_3.theorem_3(runner, "parabolas-piecewise")),
    "Theorem 3: Styblinski-Tang": lambda runner: list(theorem_3.theorem_3(runner, "tang-piecewise")),
    "Theorem 3: damping": lambda runner: list(theorem_3.damping(runner)),
    "Theorem 3: two temperatures": lambda runner: list(theorem_3.two_temperatures(runner)),
    "Proposition 2": lambda runner: list(propositions.proposition_2(runner)),
    "Proposition 4": lambda runner: list(propositions.proposition_4(runner)),
    "Scaling symmetry": lambda runner: list(rules.symmetry(runner)),
    "Batch scaling rules": lambda runner: list(rules.batch_rules(runner)),
    "Theorem 4": lambda runner: list(rules.theorem_4(runner.seed)),
}
TITLES = (*STEPS, "Table 1, minima row", "Low temperature")


def compute(runner: Runner, advance: Callable[[str], None]) -> list[Comparison]:
    """Every comparison, in the order of the claims; `advance` is told each step that is done."""
    found: list[Comparison] = []
    for title, step in STEPS.items():
        found += step(runner)
        advance(title)
    found += rules.table_1(found)
    advance(TITLES[-2])
    found += low_temperature.low_temperature(found, runner)
    advance(TITLES[-1])
    return sorted(found, key=lambda one: CLAIMS.index(one.claim))
