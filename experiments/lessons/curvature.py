"""Lesson 3: Propositions 1 and 3, direction by direction."""

import marimo

app = marimo.App(width="full", app_title="Why does Adam not see the curvature?")


@app.cell
def _():
    from experiments.teach import curvature, page

    return page, curvature


@app.cell
def _(page, curvature):
    controls = page.controls(curvature.controls())
    page.side("curvature", controls)
    return (controls,)


@app.cell
def _(controls):
    settings = controls.value
    return (settings,)


@app.cell
def _(page):
    page.heading(
        "curvature",
        "Minibatch noise is strongest where the loss is curved most. Adam divides each step by the size of the noise, Adai turns strong noise into little "
        "inertia; SGD does neither. The bars show what each makes of a direction's curvature, and the right panel how far a run then gets along it.",
    )
    return


@app.cell
def _(page, curvature, settings):
    page.afford(curvature.updates(settings))
    found = curvature.run(settings)
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
