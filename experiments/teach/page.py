"""How a lesson's page is put together, and how much one request may cost."""

from dataclasses import dataclass
from typing import Any

import marimo as mo

from experiments.lessons import LESSONS
from experiments.teach import site
from experiments.teach.lesson import Control, Lesson, Outcome, Settings, written

UPDATES = 50_000_000  # coordinate updates that one request may take: about a fifth of a second on one core
LEAST = 20  # replicas that are always run


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


def controls(lesson: Lesson) -> Any:
    """The lesson's sliders and choices, set as the address says, under one name: their values are replaced together."""
    address = mo.query_params()
    return mo.ui.dictionary({key: _element(c, c.read(address.get(key))) for key, c in lesson.CONTROLS.items()})


def _element(control: Control, value: Any) -> Any:
    if isinstance(value, str):
        return mo.ui.radio(control.values, value=value, label=control.label)
    return mo.ui.slider(steps=list(control.values), value=value, label=control.label, show_value=True, full_width=True)


def remember(lesson: Lesson, settings: Settings) -> None:
    """Write into the page's address what is not set as at first, so that it can be linked and comes back."""
    address = mo.query_params()
    for key, control in lesson.CONTROLS.items():
        if settings[key] == control.first:
            address.remove(key)
        elif address.get(key) != written(settings[key]):
            address[key] = written(settings[key])


def affordable(lesson: Lesson, settings: Settings) -> Settings:
    """The settings, with no more replicas than a request may take."""
    replicas = settings["replicas"]
    share = limit.updates / lesson.updates(settings)
    return {**settings, "replicas": min(replicas, max(LEAST, int(share * replicas)))}


def side(lesson: Lesson, together: Any) -> Any:
    """The side of the page: the controls, and the way to the other lessons."""
    links = mo.Html(site.links(lesson))
    return mo.sidebar([mo.vstack([*together.elements.values(), links], gap=1)], width="17.3rem")


def heading(lesson: Lesson) -> Any:
    """Title and introduction."""
    return mo.md(f"# {lesson.TITLE}\n\n{lesson.INTRODUCTION}")


def shown(outcome: Outcome, settings: Settings, granted: Settings) -> Any:
    """The figure, the sentence with its numbers and with the replicas if fewer than set, and the code."""
    words, few, replicas = outcome.answer, granted["replicas"], settings["replicas"]
    if few < replicas:
        words = f"**With {few:,} replicas instead of {replicas:,}**, as one request may take no more. {words}"
    code = site.template("code.html").render(code=mo.md(f"```python\n{outcome.code}\n```").text)
    return mo.vstack([mo.Html(outcome.svg), mo.callout(mo.md(words), kind="info"), mo.Html(code)])
