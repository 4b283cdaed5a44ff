"""The HTML around the lessons, from templates: the list of all, and what the head of each page adds to marimo's."""

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from experiments.lessons import LESSONS
from experiments.teach.assets import FRONT
from experiments.teach.lesson import Lesson

_TEMPLATES = Environment(
    loader=PackageLoader("experiments.teach"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


@cache
def template(name: str) -> Template:
    """A template of the folder `templates`; what is put into it is escaped."""
    return _TEMPLATES.get_template(name)


def index(*, static: bool = False) -> str:
    """The list of lessons; while it is read, the browser fetches the scripts that marimo's page asks for at once."""
    front = "" if static else (FRONT / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r'"\./assets/([^"]+\.js)"', front)
    return template("index.html").render(lessons=LESSONS, scripts=scripts, static=static)


def links(lesson: Lesson, *, static: bool = False) -> str:
    """The way to the other lessons, and buttons that save the figure."""
    names, here = list(LESSONS), list(LESSONS.values()).index(lesson)
    near = {"before": names[max(here - 1, 0) : here], "after": names[here + 1 : here + 2]}
    up, end = ("", ".html") if static else ("../", "/")
    return template("links.html").render(near, up=up, end=end)


def head(lesson: Lesson) -> str:
    """The title of a lesson's page and its style; the title marimo has written is that of all lessons."""
    return template("head.html").render(lesson=lesson)
