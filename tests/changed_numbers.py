"""Evidence with changed numbers: what a verdict must react to."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product, zip_longest

import numpy as np

from experiments.referee.evidence import Evidence

FACTORS = (1e-3, 0.5, 0.9, 1.1, 2.0, 1e3, 1e5)
POWERS = (0.5, 1.1, 2.0, 0.1)
ENDS = ("", "_low", "_high")


def with_data(piece: Evidence, change) -> Evidence:
    """A copy whose variables are what `change` makes of a dictionary of their values."""
    values = {str(name): variable.values.copy() for name, variable in piece.data.data_vars.items()}
    change(values)
    data = piece.data.assign({name: (piece.data[name].dims, numbers) for name, numbers in values.items()})
    changed = replace(piece, data=data, measured={})
    changed.measured = piece.measured
    return changed


def scaled(name, factor):
    def change(values):
        for end in ENDS:
            if f"{name}{end}" in values:
                values[f"{name}{end}"] = factor * values[f"{name}{end}"]

    return change


def raised(name, power):
    """The numbers to a power: logarithms times it."""

    def change(values):
        for end in ENDS:
            if f"{name}{end}" in values:
                numbers = values[f"{name}{end}"]
                values[f"{name}{end}"] = np.sign(numbers) * np.abs(numbers) ** power

    return change


def copied(name, source):
    def change(values):
        for end in ENDS:
            if f"{name}{end}" in values and source in values:
                values[f"{name}{end}"] = values[source].copy()

    return change


def changes(evidence: list[Evidence]) -> Iterator[list[Evidence]]:
    """The same evidence with one variable changed each time: copied from another, raised to a power, or scaled.

    The first two take turns: some findings react to none but powers, and these need not wait for all copies.
    """
    names = list(dict.fromkeys(str(name) for piece in evidence for name in piece.data.data_vars))
    main = [name for name in names if not name.endswith(ENDS[1:])]
    copies = [copied(name, source) for name, source in product(main, main) if name != source]
    powers = [raised(name, power) for name, power in product(main, POWERS)]
    tried = [change for pair in zip_longest(copies, powers) for change in pair if change]
    tried += [scaled(name, factor) for name, factor in product(main, FACTORS)]
    for change in tried:
        yield [with_data(piece, change) for piece in evidence]
