"""How a lesson's page is put together, and how much one request may cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import marimo as mo

UPDATES = 50_000_000  # coordinate updates that one request may take: about a fifth of a second on one core
LESSONS = {
    "saddle": "Where does a ball on a saddle go?",
    "momentum": "Does momentum help you leave?",
    "curvature": "Why does Adam not see the curvature?",
    "hill": "How long until it is over the hill?",
    "sharpness": "Flat or sharp: which minimum is left first?",
    "convention": "Ito or not: does it matter how noise is read?",
    "substeps": "When is the differential equation a good model?",
}


@dataclass(frozen=True)
class Found:
    """What a lesson's experiment gives: the figure, the sentence with its numbers, and code that prints one of them."""

    svg: str
    answer: str
    code: str


@dataclass
class Limit:
    """The most coordinate updates a request may take; the server sets it."""

    updates: int = UPDATES


limit = Limit()


def afford(updates: float) -> None:
    """Stop the cell, with a message for readers, if it would take more updates than a request may."""
    if updates > limit.updates:
        mo.stop(True, mo.callout(mo.md(too_much(updates)), kind="warn"))


def too_much(updates: float) -> str:
    """Why a request is refused, and what to do."""
    return (
        f"**This run would take {updates:,.0f} updates, more than the {limit.updates:,} that one request may.** Choose fewer "
        "replicas or iterations; whoever started the server can raise the limit with `diffusion-lab teach --limit`."
    )


def slider(label: str, values: Sequence[float], value: float) -> Any:
    """A slider over given values; `value`, one of them, at first."""
    assert value in values
    return mo.ui.slider(steps=list(values), value=value, label=label, show_value=True, full_width=True)


def choice(label: str, options: Sequence[str]) -> Any:
    """One of several words; the first at first."""
    return mo.ui.radio(list(options), value=options[0], label=label)


def controls(elements: dict[str, Any]) -> Any:
    """Elements under one name, so that their values can be replaced together."""
    return mo.ui.dictionary(elements)


def side(lesson: str, together: Any) -> Any:
    """The side of the page: the controls, and the way to the other lessons."""
    names = list(LESSONS)
    at = names.index(lesson)
    near = [(at - 1, "← previous"), (at + 1, "next →")]
    links = ['<a href="../">all lessons</a>']
    links += [f'<a href="../{names[k]}/">{word}</a>' for k, word in near if 0 <= k < len(names)]
    nav = mo.Html(f'<nav aria-label="lessons">{" &nbsp; ".join(links)}</nav>')
    return mo.sidebar([mo.vstack([*together.elements.values(), nav], gap=1)], width="17.3rem")


def heading(lesson: str, text: str) -> Any:
    """Title and introduction."""
    return mo.md(f"# {LESSONS[lesson]}\n\n{text}")


def picture(found: Found) -> Any:
    """The figure."""
    return mo.Html(found.svg)


def answer(text: str) -> Any:
    """The sentence with this run's numbers."""
    return mo.callout(mo.md(text), kind="info")


def code(text: str) -> Any:
    """The same number in a few lines of Python."""
    return mo.accordion({"Show me the four lines of Python": mo.md(f"```python\n{text}\n```")})
