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


def index() -> str:
    """The list of lessons; while it is read, the browser fetches the scripts that marimo's page asks for at once."""
    scripts = re.findall(r'"\./assets/([^"]+\.js)"', (FRONT / "index.html").read_text(encoding="utf-8"))
    return template("index.html").render(lessons=LESSONS, scripts=scripts)


def head(lesson: Lesson) -> str:
    """The title of a lesson's page and its style; the title marimo has written is that of all lessons."""
    return template("head.html").render(lesson=lesson)
