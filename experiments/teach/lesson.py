"""What a lesson is made of: sliders and choices, an experiment, and what the experiment gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import marimo as mo
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Settings = Mapping[str, Any]  # values of a lesson's sliders and choices
Z = 1.96  # standard errors on either side in a 95 % interval


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

    def controls(self) -> dict[str, Any]:
        """Sliders and choices by the name of what they set."""

    def updates(self, settings: Settings, /) -> float:
        """Coordinate updates that the experiment takes, roughly."""

    def run(self, settings: Settings, /) -> Outcome:
        """The experiment at these settings."""


def slider(label: str, values: Sequence[float], value: float) -> Any:
    """A slider over given values; `value`, one of them, at first."""
    assert value in values
    return mo.ui.slider(steps=list(values), value=value, label=label, show_value=True, full_width=True)


def choice(label: str, options: Sequence[str]) -> Any:
    """One of several words; the first at first."""
    return mo.ui.radio(list(options), value=options[0], label=label)
