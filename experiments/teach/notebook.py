"""The notebook of all lessons: a marimo application, served at the path of each, which tells it the lesson."""

import marimo

app = marimo.App(width="full", app_title="How optimizers leave saddles and minima")


@app.cell
def _():
    from experiments.teach import page

    return (page,)


@app.cell
def _(page):
    lesson = page.requested()
    return (lesson,)


@app.cell
def _(lesson, page):
    controls = page.controls(lesson)
    page.side(lesson, controls)
    return (controls,)


@app.cell
def _(controls):
    settings = controls.value
    return (settings,)


@app.cell
def _(lesson, page):
    page.heading(lesson)
    return


@app.cell
def _(lesson, page, settings):
    page.remember(lesson, settings)
    granted = page.affordable(lesson, settings)
    outcome = lesson.run(granted)
    page.shown(outcome, settings, granted)
    return (outcome,)


if __name__ == "__main__":
    app.run()
