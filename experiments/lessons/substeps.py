"""Lesson 7: from the optimizer to its differential equation and back."""

import marimo

app = marimo.App(width="full", app_title="When is the differential equation a good model?")


@app.cell
def _():
    from experiments.teach import page, substeps

    return page, substeps


@app.cell
def _(page, substeps):
    controls = page.controls(substeps.controls())
    page.side("substeps", controls)
    return (controls,)


@app.cell
def _(controls):
    settings = controls.value
    return (settings,)


@app.cell
def _(page):
    page.heading(
        "substeps",
        "An optimizer moves in steps; its stochastic differential equation cuts each step into many. Here a run falls into a valley's thermal noise with 1 to 256 substeps per "
        "iteration. With one it is the optimizer itself, with many the equation: the gap closes like one over the number of substeps.",
    )
    return


@app.cell
def _(page, substeps, settings):
    page.afford(substeps.updates(settings))
    found = substeps.run(settings)
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
