"""Lesson 6: what the noise convention does to the prefactor."""

import marimo

app = marimo.App(width="full", app_title="Ito or not: does it matter how noise is read?")


@app.cell
def _():
    from experiments.teach import convention, page

    return page, convention


@app.cell
def _(page, convention):
    controls = page.controls(convention.controls())
    page.side("convention", controls)
    return (controls,)


@app.cell
def _(controls):
    settings = controls.value
    return (settings,)


@app.cell
def _(page):
    page.heading(
        "convention",
        "Noise is stronger where the valley is sharper, so it changes along the way out. Evaluated before each step (Ito), halfway (Stratonovich) or after it "
        "(isothermal), the same equation means three processes, with one exponent and three prefactors. SGD takes its gradient before it steps.",
    )
    return


@app.cell
def _(page, convention, settings):
    page.afford(convention.updates(settings))
    found = convention.run(settings)
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
