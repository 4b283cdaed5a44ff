"""How a lesson's page is put together, and how much one request may cost."""

from dataclasses import dataclass
from typing import Any

import marimo as mo

from experiments.lessons import LESSONS
from experiments.teach.lesson import Lesson, Outcome
from experiments.teach.site import template

UPDATES = 50_000_000  # coordinate updates that one request may take: about a fifth of a second on one core


@dataclass
class Limit:
    """The most coordinate updates a request may take; the server sets it."""

    updates: int = UPDATES


limit = Limit()


def requested() -> Lesson:
    """The lesson at whose path the page was opened; the first one where no server has been asked."""
    request = mo.app_meta().request
    path = str(request.url["path"]) if request else "/"  # /LESSON/ and what marimo's pages ask for
    return LESSONS.get(path.split("/")[1], next(iter(LESSONS.values())))


def afford(updates: float) -> None:
    """Stop the cell, saying why and what to do, if it would take more updates than a request may."""
    words = (
        f"**This run would take {updates:,.0f} updates, more than the {limit.updates:,} that one request may.** Choose "
        "fewer replicas or iterations; whoever started the server can raise the limit with `diffusion-lab teach "
        "--limit`."
    )
    mo.stop(updates > limit.updates, mo.callout(mo.md(words), kind="warn"))


def controls(lesson: Lesson) -> Any:
    """The lesson's sliders and choices under one name, so that their values can be replaced together."""
    return mo.ui.dictionary(lesson.controls())


def side(lesson: Lesson, together: Any) -> Any:
    """The side of the page: the controls, and the way to the other lessons."""
    names = list(LESSONS)
    place = list(LESSONS.values()).index(lesson)
    before, after = names[max(place - 1, 0) : place], names[place + 1 : place + 2]
    links = template("links.html").render(before=before, after=after)
    return mo.sidebar([mo.vstack([*together.elements.values(), mo.Html(links)], gap=1)], width="17.3rem")


def heading(lesson: Lesson) -> Any:
    """Title and introduction."""
    return mo.md(f"# {lesson.TITLE}\n\n{lesson.INTRODUCTION}")


def picture(outcome: Outcome) -> Any:
    """The figure."""
    return mo.Html(outcome.svg)


def answer(text: str) -> Any:
    """The sentence with this run's numbers."""
    return mo.callout(mo.md(text), kind="info")


def code(text: str) -> Any:
    """The same number in a few lines of Python."""
    return mo.accordion({"Show me the four lines of Python": mo.md(f"```python\n{text}\n```")})
