"""A question from a TOML file, in the words of a sweep."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from diffusion import checks
from experiments.comparison.answer import Comparison, compare
from experiments.sweep import description, naming

OBJECTS = ("dynamics", "landscape", "noise")
ASKED = ("boundary", "start", "iterations")  # of [measure]


def described(file: Path, changes: Iterable[str] = (), **options: Any) -> Comparison:
    """The answer to the question in a file.

    Parameters
    ----------
    file
        TOML with the tables dynamics, landscape and noise of a sweep, and perhaps measure.
    changes
        Parameters instead of the file's, each as "section.parameter=value".
    options
        As of `compare`.

    Raises
    ------
    ValueError
        If a table or a parameter is unknown, missing or out of range.
    """
    tables = description.read(file)
    for name, given in tables.items():
        checks.choice("table", name, (*OBJECTS, "measure"))
        if not isinstance(given, dict):
            raise ValueError(f"{name} = {given!r} must be a table")
    for change in changes:
        target, _, text = change.partition("=")
        section, _, parameter = target.strip().partition(".")
        checks.choice(f"section of --set {change}", section, (*OBJECTS, "measure"))
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except ValueError as error:
            raise ValueError(f"--set {change}: give a value as TOML has it, as noise.batch_size=2") from error
        tables.setdefault(section, {})[parameter] = value
    for parameter in tables.get("measure", {}):
        checks.choice("parameter of measure", parameter, ASKED)
    problem: list[Any] = []
    for section in OBJECTS:
        table = tables.get(section, {})
        if "name" not in table:
            raise ValueError(f"[{section}] has no name; known: {', '.join(naming.known(section))}")
        description.check_parameters(section, [table["name"]], table)
        problem.append(naming.build(section, table))
    return compare(problem[0], problem[1], problem[2], **tables.get("measure", {}), **options)
