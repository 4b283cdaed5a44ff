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
    granted = page.affordable(lesson, settings)
    outcome = lesson.run(granted)
    page.picture(outcome)
    return granted, outcome


@app.cell
def _(granted, outcome, page, settings):
    page.answer(outcome, settings, granted)
    return


@app.cell
def _(outcome, page):
    page.code(outcome)
    return


@app.cell
def _(lesson, page, settings):
    page.remember(lesson, settings)
    return


if __name__ == "__main__":
    app.run()
