"""The lessons as plain pages that need no server: figures at a grid of settings, between which sliders switch."""

from itertools import product
from pathlib import Path
from urllib.parse import urlencode

import marimo as mo

from experiments.lessons import LESSONS
from experiments.teach import site
from experiments.teach.lesson import Lesson, Settings, written


def grid(lesson: Lesson) -> list[Settings]:
    """All settings between which a plain page can switch."""
    every = product(*(control.pages for control in lesson.CONTROLS.values()))
    return [dict(zip(lesson.CONTROLS, values, strict=True)) for values in every]


def write(out: Path) -> None:
    """Run the lessons at their grids and write a page of each, and the list of all, into a folder, made if need be.

    Raises
    ------
    ValueError
        If there is a file in the folder's place.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"static = {str(out)!r} is a file; name a folder")
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.html").write_text(site.index(static=True), encoding="utf-8")
    for name, lesson in LESSONS.items():
        moving = {key: control for key, control in lesson.CONTROLS.items() if len(control.pages) > 1}
        parts = []
        for settings in grid(lesson):
            outcome = lesson.run(settings)
            address = urlencode({key: written(settings[key]) for key in moving})
            parts.append((address, outcome.svg, mo.md(outcome.answer).text, outcome.code))
        controls = [
            (key, c.label, list(map(written, c.pages)), c.pages.index(c.first), isinstance(c.first, str))
            for key, c in moving.items()
        ]
        page = site.template("static.html").render(
            lesson=lesson, controls=controls, parts=parts, links=site.links(lesson, static=True)
        )
        (out / f"{name}.html").write_text(page, encoding="utf-8")
