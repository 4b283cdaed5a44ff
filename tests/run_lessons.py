"""Runs every lesson at default and extreme settings and prints what it found, as JSON: in a process of its own, as kernels are counted."""

import contextlib
import io
import json
import sys
from importlib import import_module

from experiments.teach import page


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
    app = import_module(f"experiments.lessons.{name}").app
    _, first = app.run()
    for settings in extremes(first["controls"]):
        outputs, defined = app.run(defs={"settings": settings})
        found = defined.get("found")
        yield {
            "settings": settings,
            "shown": [output.text if hasattr(output, "text") else "" for output in outputs],
            "svg": found and found.svg,
            "answer": found and found.answer,
            "code": found and found.code,
            # the code of the escape lessons costs as much as the run
            "printed": found and (printed(found.code) if settings == first["settings"] else None),
        }


def main():
    """Print all lessons' results, then one lesson's at a limit that its default is above."""
    found = {name: list(run(name)) for name in page.LESSONS}
    page.limit.updates = 1000
    outputs, defined = import_module("experiments.lessons.saddle").app.run()
    refused = {"shown": [getattr(output, "text", "") for output in outputs], "found": "found" in defined}
    json.dump({"lessons": found, "refused": refused}, sys.stdout)


if __name__ == "__main__":
    main()
