"""Lesson 5: the sharpness plot, built live."""

import marimo

app = marimo.App(width="full", app_title="Flat or sharp: which minimum is left first?")


@app.cell
def _():
    from experiments.teach import page, sharpness

    return page, sharpness


@app.cell
def _(page, sharpness):
    controls = page.controls(sharpness.controls())
    page.side("sharpness", controls)
    return (controls,)


@app.cell
def _(controls):
    settings = controls.value
    return (settings,)


@app.cell
def _(page):
    page.heading(
        "sharpness",
        "The same valley, squeezed: sharpness k multiplies its curvature and leaves its barrier. The paper says that −log(escape rate) is linear in 1/k for SGD, Momentum "
        "and Adai and in 1/√k for Adam. Left and middle: which of the two is straight? Right: rates at different learning rates fall on one curve.",
    )
    return


@app.cell
def _(page, sharpness, settings):
    page.afford(sharpness.updates(settings))
    found = sharpness.run(settings)
    page.picture(found)
    return (found,)


@app.cell
def _(found, page):
    answer = found.answer
    page.answer(answer)
    return (answer,)


@app.cell
def _(found, page):
    code = found.code
    page.code(code)
    return (code,)


if __name__ == "__main__":
    app.run()
