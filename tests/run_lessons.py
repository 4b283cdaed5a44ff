"""Runs every lesson at default and extreme settings and prints what it gives, as JSON.

It is a process of its own, as compiled kernels are counted.
"""

import contextlib
import io
import json
import sys

from experiments.lessons import LESSONS
from experiments.teach import page
from experiments.teach.notebook import app


def extremes(controls):
    """Settings: the default, all at their least or most, and each alone at either end."""
    default = {name: element.value for name, element in controls.elements.items()}
    ends = {}
    for name, element in controls.elements.items():
        options = list(element.options) if hasattr(element, "options") else list(element.steps)
        ends[name] = (options[0], options[-1])
    yield default
    for end in (0, 1):
        yield {name: values[end] for name, values in ends.items()}
        for name, values in ends.items():
            yield default | {name: values[end]}


def printed(code):
    """What the code shown prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})
    return out.getvalue().strip()


def run(name):
    """What the lesson gives at each setting."""
    lesson = LESSONS[name]
    _, first = app.run(defs={"lesson": lesson})
    for settings in extremes(first["controls"]):
        outputs, defined = app.run(defs={"lesson": lesson, "settings": settings})
        outcome = defined.get("outcome")
        yield {
            "settings": settings,
            "shown": [output.text if hasattr(output, "text") else "" for output in outputs],
            "svg": outcome and outcome.svg,
            "answer": outcome and outcome.answer,
            "code": outcome and outcome.code,
            # the code of the escape lessons costs as much as the run
            "printed": outcome and (printed(outcome.code) if settings == first["settings"] else None),
        }


def main():
    """Print all lessons' results, then one lesson's at a limit that its default is above."""
    page.limit.updates = 10_000_000  # enough to draw
    results = {name: list(run(name)) for name in LESSONS}
    page.limit.updates = 300_000
    outputs, defined = app.run()
    lowered = {"shown": [getattr(output, "text", "") for output in outputs], "code": defined["outcome"].code}
    json.dump({"lessons": results, "lowered": lowered}, sys.stdout)


if __name__ == "__main__":
    main()
