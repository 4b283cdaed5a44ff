"""Every figure of the escape job, of data that are computed before."""

from collections.abc import Iterator
from pathlib import Path

from experiments.drawing import Drawn, Named, save
from experiments.sharpness import one_well_figures, power_figures, rate_figures
from experiments.sharpness.job import Outcome
from experiments.sharpness.one_well import OneWell


def draw(outcome: Outcome, computed: OneWell, directory: Path) -> list[Drawn]:
    """Draw every figure as PNG and SVG into `directory`."""
    return save(_all(outcome, computed), directory)


def _all(outcome: Outcome, computed: OneWell) -> Iterator[Named]:
    shown = sorted({(point["setting"], point["dimension"]) for point in outcome.points})
    for key, dimension in shown:
        yield rate_figures.figure_6(outcome) if key == "recalled" else rate_figures.sharpness(outcome, key, dimension)
    yield power_figures.powers(outcome)
    if outcome.collapse:
        yield power_figures.collapse(outcome)
    yield from one_well_figures.all_figures(computed)
