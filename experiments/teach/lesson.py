"""What a lesson is made of: sliders and choices, an experiment, and what the experiment gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Settings = Mapping[str, Any]  # values of a lesson's sliders and choices
Z = 1.96  # standard errors on either side in a 95 % interval


@dataclass(frozen=True)
class Control:
    """A slider over numbers, or a choice of words; `pages` are the values that pages without a server offer."""

    label: str
    values: tuple[Any, ...]
    first: Any
    pages: tuple[Any, ...]

    def read(self, text: object) -> Any:
        """The value that an address names, or the first one if it names none."""
        return next((value for value in self.values if written(value) == text), self.first)


@dataclass(frozen=True)
class Outcome:
    """What a lesson's experiment gives: the figure, the sentence with its numbers, and code that prints one of them."""

    svg: str
    answer: str
    code: str


class Lesson(Protocol):
    """A module of `experiments.lessons`."""

    TITLE: str
    INTRODUCTION: str
    CONTROLS: dict[str, Control]  # by the name of what they set; one is "replicas"

    def updates(self, settings: Settings, /) -> float:
        """Coordinate updates that the experiment takes, roughly: proportional to the replicas."""

    def run(self, settings: Settings, /) -> Outcome:
        """The experiment at these settings."""


def slider(label: str, values: Sequence[float], first: float, pages: Sequence[float] = ()) -> Control:
    """A slider over given values; `first`, one of them, at first, and always on pages that offer no other."""
    assert {first, *pages} <= set(values)
    kind = float if any(isinstance(value, float) for value in values) else int
    return Control(label, tuple(map(kind, values)), kind(first), tuple(map(kind, pages or [first])))


def choice(label: str, options: Sequence[str]) -> Control:
    """One of several words; the first at first."""
    return Control(label, tuple(options), options[0], tuple(options))


def written(value: Any) -> str:
    """A value of a slider or a choice as addresses have it."""
    return value if isinstance(value, str) else f"{value:g}"
